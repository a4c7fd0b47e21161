package dev.sluice.bench.peers;

import dev.sluice.api.ApiClient;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import dev.sluice.bench.agent.BenchNamespace;
import dev.sluice.bench.agent.Spread;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.IntStream;

/** A warm {@code ./sluice agent} and a client that stays connected to it. */
final class SluiceApi implements Contender, AutoCloseable {
  static final String LABEL = "Sluice";
  static final int SAMPLE_PORT = 61_000;

  private static final int SAMPLES = 1_000;
  private static final int WARM_UP = 5_000;
  private static final int WARM_UP_LOADS = 2;
  private static final int WARM_UP_LOAD = 10_000;
  private static final int GROUP = 100;
  private static final String STAYS = "stays";
  private static final String SAMPLED = "sampled";

  private final AgentProcess agent;
  private final ApiClient client;
  private int loaded;

  private SluiceApi(AgentProcess agent) {
    this.agent = agent;
    client = ApiClient.to(agent.socket());
  }

  static SluiceApi start(Workbench workbench, JavaRuntime runtime) throws IOException {
    SluiceApi api = new SluiceApi(AgentProcess.start(workbench, runtime));
    api.publishEach(WARM_UP);
    for (int i = 0; i < WARM_UP_LOADS; i++) {
      api.load(WARM_UP_LOAD);
      api.clear();
    }
    return api;
  }

  @Override
  public String label() {
    return LABEL;
  }

  @Override
  public int most() {
    return Integer.MAX_VALUE;
  }

  @Override
  public OptionalLong load(int mappings) {
    loaded = mappings;
    return mappings == 0 ? OptionalLong.empty() : OptionalLong.of(publishAll(client, mappings));
  }

  /** Publishes ports 1 to {@code mappings} in one request, and returns the nanoseconds. */
  static long publishAll(ApiClient client, int mappings) {
    List<String> ports = IntStream.rangeClosed(1, mappings).mapToObj(port -> port + ":80").toList();
    long start = System.nanoTime();
    client.publish(ports, BenchNamespace.TARGET, Optional.of(STAYS));
    return System.nanoTime() - start;
  }

  @Override
  public Timings add() {
    return new Timings(publishEach(SAMPLES), SAMPLES);
  }

  private Spread publishEach(int samples) {
    long[] nanos = new long[samples];
    for (int i = 0; i < samples; i++) {
      nanos[i] = publishOne(client, SAMPLE_PORT + i % GROUP);
      if ((i + 1) % GROUP == 0) {
        client.unpublish(SAMPLED);
      }
    }
    return Spread.of(nanos);
  }

  /** Publishes one port and returns the nanoseconds. */
  static long publishOne(ApiClient client, int port) {
    List<String> ports = List.of(port + ":80");
    long start = System.nanoTime();
    client.publish(ports, BenchNamespace.TARGET, Optional.of(SAMPLED));
    return System.nanoTime() - start;
  }

  @Override
  public void clear() {
    if (loaded > 0) {
      client.unpublish(STAYS);
      loaded = 0;
    }
  }

  @Override
  public void close() throws IOException {
    client.close();
    agent.close();
  }
}
