package dev.sluice.api;

import dev.sluice.ffi.PeerCredentials;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.UnixSocket;
import dev.sluice.ffi.UnixSocketServer;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.apache.hc.core5.http.impl.HttpProcessors;
import org.apache.hc.core5.http.impl.io.HttpService;
import org.apache.hc.core5.http.io.HttpServerRequestHandler;
import org.apache.hc.core5.http.message.BasicClassicHttpResponse;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * HTTP/1.1 with JSON on a unix socket, for root, the agent's own user and the members of one group.
 *
 * <p>Each connection has a thread while it lives; how many there can be is what {@link ApiOptions}
 * says. Those who are not permitted, or come when there are too many, are answered from a few
 * threads apart, so that they take nothing from the others.
 */
public final class ApiServer implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ApiServer.class);

  /** How many refusals are being explained at the same time; beyond that we just hang up. */
  private static final int MAX_REFUSALS = 4;

  private static final int REFUSAL_TIMEOUT_MILLIS = 2_000;
  private static final int ACCEPT_PAUSE_MILLIS = 100;
  private static final int CLOSE_TIMEOUT_SECONDS = 2;
  private static final String HEALTH_REQUEST =
      "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

  private final SocketFile socketFile;
  private final ApiOptions options;
  private final ConnectionLimits limits;
  private final HttpService service;
  private final Function<Problem, BasicClassicHttpResponse> refusal;
  private final ThreadPoolExecutor workers;
  private final Set<UnixSocket> open = ConcurrentHashMap.newKeySet();
  private final AtomicInteger refusals = new AtomicInteger();
  private final int agentUid = Sys.geteuid();
  private final Thread acceptor;
  private volatile boolean closing;

  private ApiServer(
      SocketFile socketFile,
      ApiOptions options,
      String threadPrefix,
      Function<ConnectionLimits, HttpService> service,
      Function<Problem, BasicClassicHttpResponse> refusal) {
    this.socketFile = socketFile;
    this.options = options;
    this.limits =
        new ConnectionLimits(
            options.maxConnections(), options.maxConnectionsPerUid(), options.maxEventStreams());
    this.service = service.apply(limits);
    this.refusal = refusal;
    AtomicInteger count = new AtomicInteger();
    this.workers =
        new ThreadPoolExecutor(
            0,
            options.maxConnections() + options.maxEventStreams() + MAX_REFUSALS,
            10,
            TimeUnit.SECONDS,
            new SynchronousQueue<>(),
            task -> daemon(task, threadPrefix + count.incrementAndGet()));
    this.acceptor = daemon(this::acceptAll, threadPrefix + "accept");
  }

  /**
   * Starts to listen.
   *
   * @param socket the socket file; its directory is created if it is missing, and a file that a
   *     dead agent left is replaced
   * @throws ApiServerException if that is not possible
   */
  public static ApiServer start(Path socket, ApiServices services, ApiOptions options) {
    return start(socket, services, options, ApiHandler.Access.FULL);
  }

  /**
   * Starts to listen for consumers of events, who can read {@code /v1/events}, {@code /v1/flows},
   * {@code /metrics} and {@code /healthz} and change nothing.
   *
   * <p>Its limits are its own, so that such consumers take nothing from the others. Its group is
   * {@link ApiOptions#EVENTS_GROUP} where the host has one, and else that of {@code options}.
   *
   * @throws ApiServerException if that is not possible
   */
  public static ApiServer startForEvents(Path socket, ApiServices services, ApiOptions options) {
    return start(
        socket,
        services,
        SocketFile.isGroup(ApiOptions.EVENTS_GROUP)
            ? options.group(ApiOptions.EVENTS_GROUP)
            : options,
        ApiHandler.Access.EVENTS);
  }

  private static ApiServer start(
      Path socket, ApiServices services, ApiOptions options, ApiHandler.Access access) {
    return start(
        SocketFile.claim(socket, options.group()),
        options,
        "api-",
        limits -> new ApiHandler(services, options, limits, access).service(),
        Exchange::response,
        access == ApiHandler.Access.EVENTS ? " for consumers of events" : "");
  }

  /**
   * Starts to listen for root alone, with another protocol over HTTP.
   *
   * @param option of the command line that chooses the socket, for messages
   * @param threadPrefix begins the names of its threads
   * @param handler answers every request
   * @param refusal what is answered to who may not ask, or comes when there are too many
   * @throws ApiServerException if that is not possible
   */
  public static ApiServer startForRoot(
      Path socket,
      String option,
      ApiOptions options,
      String threadPrefix,
      HttpServerRequestHandler handler,
      Function<Problem, BasicClassicHttpResponse> refusal) {
    return start(
        SocketFile.claimForRoot(socket, option),
        options,
        threadPrefix,
        limits -> new HttpService(HttpProcessors.server("sluice"), handler),
        refusal,
        " for root");
  }

  private static ApiServer start(
      SocketFile file,
      ApiOptions options,
      String threadPrefix,
      Function<ConnectionLimits, HttpService> service,
      Function<Problem, BasicClassicHttpResponse> refusal,
      String forWhom) {
    ApiServer server = new ApiServer(file, options, threadPrefix, service, refusal);
    server.acceptor.start();
    LOG.info("listening on {}{}", file.path(), forWhom);
    return server;
  }

  /** Where it listens. */
  public Path socket() {
    return socketFile.path();
  }

  /**
   * Connects like any client, and returns when that has been noticed: with an answer, a refusal for
   * want of room, or an end of the connection. Waits as long as that takes, or until the thread is
   * interrupted.
   *
   * @throws IOException if nobody listens
   */
  public void awaitAcceptance() throws IOException {
    try (SocketChannel client = SocketChannel.open(UnixDomainSocketAddress.of(socket()))) {
      try {
        client.write(StandardCharsets.US_ASCII.encode(HEALTH_REQUEST));
        client.read(ByteBuffer.allocate(1));
      } catch (ClosedByInterruptException e) {
        throw e;
      } catch (IOException e) {
        LOG.debug("so busy that it hung up: {}", e.toString());
      }
    }
  }

  /**
   * Ends every connection, waits up to two seconds for their threads, and removes the socket. Does
   * nothing the second time.
   */
  @Override
  public synchronized void close() {
    if (closing) {
      return;
    }
    closing = true;
    socketFile.server().stop();
    try {
      acceptor.join(TimeUnit.SECONDS.toMillis(CLOSE_TIMEOUT_SECONDS));
      workers.shutdown();
      open.forEach(UnixSocket::abort);
      if (!workers.awaitTermination(CLOSE_TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
        workers.shutdownNow();
        LOG.warn("requests were still running when the API was closed");
      }
    } catch (InterruptedException e) {
      workers.shutdownNow();
      Thread.currentThread().interrupt();
    }
    socketFile.close();
  }

  private void acceptAll() {
    UnixSocketServer server = socketFile.server();
    while (!closing) {
      try {
        UnixSocket socket = server.accept();
        if (socket != null) {
          dispatch(socket);
        }
      } catch (IOException | RuntimeException e) {
        if (!closing) {
          LOG.warn("cannot accept a connection: {}", e.getMessage());
          pause();
        }
      }
    }
  }

  private void dispatch(UnixSocket socket) throws IOException {
    PeerCredentials peer = socket.peer();
    if (!isPermitted(peer)) {
      LOG.info("refused a connection of {}", peer);
      refuse(
          socket,
          Problem.of(
              Problem.Kind.NOT_PERMITTED,
              "user "
                  + Integer.toUnsignedString(peer.uid())
                  + " may not use this agent; be root"
                  + (socketFile.isForRoot() ? "" : " or a member of group " + options.group())));
      return;
    }
    Optional<String> full = limits.admit(peer.uid());
    if (full.isPresent()) {
      refuse(socket, Problem.of(Problem.Kind.TOO_MANY_CONNECTIONS, full.get()));
      return;
    }
    ApiConnection connection =
        new ApiConnection(socket, service, options, refusal, () -> limits.release(peer.uid()));
    if (!execute(socket, connection::serve)) {
      connection.leaveLimits();
    }
  }

  private void refuse(UnixSocket socket, Problem problem) throws IOException {
    if (refusals.incrementAndGet() > MAX_REFUSALS) {
      refusals.decrementAndGet();
      socket.close();
      return;
    }
    ApiConnection connection =
        new ApiConnection(socket, service, options, refusal, refusals::decrementAndGet);
    if (!execute(socket, () -> connection.refuse(problem, REFUSAL_TIMEOUT_MILLIS))) {
      connection.leaveLimits();
    }
  }

  private boolean execute(UnixSocket socket, Runnable task) throws IOException {
    open.add(socket);
    try {
      workers.execute(
          () -> {
            try {
              task.run();
            } finally {
              open.remove(socket);
            }
          });
      return true;
    } catch (RejectedExecutionException e) {
      open.remove(socket);
      socket.close();
      return false;
    }
  }

  private boolean isPermitted(PeerCredentials peer) {
    return peer.uid() == 0
        || (peer.uid() == agentUid && !socketFile.isForRoot())
        || (socketFile.groupId().isPresent() && peer.isMemberOf(socketFile.groupId().getAsInt()));
  }

  private static void pause() {
    try {
      TimeUnit.MILLISECONDS.sleep(ACCEPT_PAUSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static Thread daemon(Runnable task, String name) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    return thread;
  }
}
