package dev.sluice.bench.agent;

import dev.sluice.api.ApiClient;
import dev.sluice.bench.Environment;
import dev.sluice.bench.Figure;
import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.NamedBenchmark;
import dev.sluice.bench.Workbench;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** One mapping published by a connected client of a running agent. */
public final class ApiCost implements NamedBenchmark {
  private static final int SAMPLES = 1_000;
  private static final int WARM_UP = 5_000;
  private static final int GROUP = 100;
  private static final int FIRST_PORT = 20_000;
  private static final String NAME = "sampled";
  private static final double NANOS_PER_MICRO = 1e3;

  @Override
  public String name() {
    return "api";
  }

  @Override
  public String title() {
    return "One tcp mapping published through the agent's API: from the call of a client that is"
        + " connected to its answer, in Java, with a running ./sluice agent. A sample is the median"
        + " or the 99th percentile of 1,000; each round has an agent of its own, warmed by 5,000."
        + " Aim: median at most 300 µs.";
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    JavaRuntime runtime = workbench.runtimes().get(0);
    Figures figures = new Figures();
    AgentProcess.prepare(workbench, runtime);
    for (int round = 0; round < workbench.rounds(); round++) {
      try (AgentProcess agent = AgentProcess.start(workbench, runtime);
          ApiClient client = ApiClient.to(agent.socket())) {
        publish(client, WARM_UP);
        Spread spread = publish(client, SAMPLES);
        String java = runtime.label();
        figures.add(
            "publish 1 through the API",
            "median",
            java,
            "µs",
            spread.medianNanos() / NANOS_PER_MICRO);
        figures.add(
            "publish 1 through the API", "p99", java, "µs", spread.p99Nanos() / NANOS_PER_MICRO);
      }
      figures.add("machine", "load average", runtime.label(), "1", Environment.loadAverage());
    }
    return figures.toList();
  }

  private static Spread publish(ApiClient client, int samples) {
    long[] nanos = new long[samples];
    for (int i = 0; i < samples; i++) {
      List<String> ports = List.of((FIRST_PORT + i % GROUP) + ":80");
      long start = System.nanoTime();
      client.publish(ports, BenchNamespace.TARGET, Optional.of(NAME));
      nanos[i] = System.nanoTime() - start;
      if ((i + 1) % GROUP == 0) {
        client.unpublish(NAME);
      }
    }
    return Spread.of(nanos);
  }
}
