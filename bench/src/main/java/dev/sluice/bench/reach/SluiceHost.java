package dev.sluice.bench.reach;

import dev.sluice.api.ApiClient;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/** {@code ./sluice agent} on a host of its own. */
final class SluiceHost implements AutoCloseable {
  private final AgentProcess agent;
  private final ApiClient client;

  private SluiceHost(AgentProcess agent) {
    this.agent = agent;
    client = ApiClient.to(agent.socket());
  }

  static SluiceHost start(Topology topology, Workbench workbench, JavaRuntime runtime)
      throws IOException {
    return new SluiceHost(AgentProcess.startIn(topology.host(), workbench, runtime));
  }

  /**
   * Publishes ports of the server, each at the same port of the host and as a mapping of its own.
   */
  void publish(int first, int last) {
    publish(IntStream.rangeClosed(first, last).mapToObj(port -> port + ":" + port).toList());
  }

  void publish(List<String> ports) {
    client.publish(ports, Topology.SERVER, Optional.empty());
  }

  /** Ends the agent as kill -9 does: what it has published stays. */
  void kill() {
    agent.kill();
  }

  long pid() {
    return agent.pid();
  }

  @Override
  public void close() throws IOException {
    client.close();
    agent.close();
  }
}
