package dev.sluice.bench.clients;

import dev.sluice.api.ApiClient;
import dev.sluice.bench.agent.AgentProcess;
import dev.sluice.bench.agent.BenchNamespace;
import dev.sluice.bench.reach.Memory;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/** An agent, and the ports that are published beforehand. */
final class SluiceMappings implements AutoCloseable {
  private final AgentProcess agent;
  private final ApiClient client;
  private int present;

  SluiceMappings(AgentProcess agent) {
    this.agent = agent;
    client = ApiClient.to(agent.socket());
  }

  /** Publishes ports up to {@code wanted}, each at a port of its own. */
  void load(int wanted) {
    if (wanted > present) {
      List<String> more =
          IntStream.rangeClosed(present + 1, wanted).mapToObj(port -> port + ":80").toList();
      client.publish(more, BenchNamespace.TARGET, Optional.empty());
      present = wanted;
    }
  }

  ApiClient client() {
    return client;
  }

  AgentProcess agent() {
    return agent;
  }

  Memory memory() throws IOException {
    return Memory.of(List.of(agent.pid()));
  }

  @Override
  public void close() throws IOException {
    client.close();
    agent.close();
  }
}
