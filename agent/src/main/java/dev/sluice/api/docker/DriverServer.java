package dev.sluice.api.docker;

import dev.sluice.api.ApiOptions;
import dev.sluice.api.ApiServer;
import dev.sluice.network.NetworkService;
import dev.sluice.publish.Publisher;
import java.nio.file.Path;

/**
 * The network driver {@code sluice} of a Docker engine: {@code docker network create -d sluice}. It
 * answers Docker's calls on a unix socket that the engine finds by its name, for root alone.
 */
public final class DriverServer implements AutoCloseable {
  /** Where a Docker engine looks for the driver of this name. */
  public static final Path DEFAULT_SOCKET = Path.of("/run/docker/plugins/sluice.sock");

  /** Where what Docker will not tell again is kept. */
  public static final Path DEFAULT_STATE = Path.of("/var/lib/sluice/docker");

  /**
   * Docker connects for each call, as many at a time as containers start, and gives up at once when
   * one is not answered.
   */
  static final int MAX_CONNECTIONS = 1_024;

  private static final ApiOptions LIMITS =
      new ApiOptions(
          "root",
          MAX_CONNECTIONS,
          MAX_CONNECTIONS,
          0,
          DriverHandler.MAX_BODY_BYTES,
          30_000,
          30_000);

  private final ApiServer server;
  private final DriverHandler handler;

  private DriverServer(ApiServer server, DriverHandler handler) {
    this.server = server;
    this.handler = handler;
  }

  /**
   * Makes the networks that Docker expects to be there, and starts to listen.
   *
   * @param socket the socket file, as {@link ApiServer#start}
   * @param state the directory where the networks are kept over a restart of the host
   * @throws dev.sluice.api.ApiServerException if it cannot listen there
   */
  public static DriverServer start(
      Path socket, Path state, NetworkService networks, Publisher publisher) {
    DriverCalls calls = new DriverCalls(networks, publisher, new DriverStore(state));
    calls.restore();
    DriverHandler handler = new DriverHandler(calls);
    return new DriverServer(
        ApiServer.startForRoot(
            socket, "--docker-plugin", LIMITS, "docker-driver-", handler, handler::turnAway),
        handler);
  }

  /** Where it listens. */
  public Path socket() {
    return server.socket();
  }

  /** What was asked so far. */
  public DriverStatistics statistics() {
    return handler.statistics();
  }

  /** The last sentence that Docker was refused with; empty if it never was. */
  public String lastRefusal() {
    return handler.lastRefusal();
  }

  @Override
  public void close() {
    server.close();
  }
}
