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

/** The agent as a process: how soon it is ready, what it weighs, how long sluice ps takes. */
public final class AgentCost implements NamedBenchmark {
  private static final long IDLE_MILLIS = 10_000;
  private static final int LISTINGS = 3;
  private static final double NANOS_PER_MILLI = 1e6;

  @Override
  public String name() {
    return "agent";
  }

  @Override
  public String title() {
    return "./sluice agent with its archive of classes: milliseconds from running the launcher to"
        + " the agent's line \"ready\" and to its API's first answer; VmRSS after ten idle seconds,"
        + " nothing collected on purpose; and ./sluice ps with three mappings published, the whole"
        + " command, three a round. A sample is one process. Aims: 1 s, 120 MB, 0.4 s.";
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    JavaRuntime runtime = workbench.runtimes().get(0);
    AgentProcess.prepare(workbench, runtime);
    // Untimed: the first start finds cold files, and the first answer this program's cold classes.
    round(workbench, runtime, new Figures(), 0);
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      round(workbench, runtime, figures, IDLE_MILLIS);
    }
    return figures.toList();
  }

  private static void round(
      Workbench workbench, JavaRuntime runtime, Figures figures, long idleMillis)
      throws IOException, InterruptedException {
    String java = runtime.label();
    try (AgentProcess agent = AgentProcess.start(workbench, runtime);
        ApiClient client = ApiClient.to(agent.socket())) {
      client.facts();
      long answeredAt = System.nanoTime();
      figures.add(
          "start", "ready", java, "ms", (agent.readyAt() - agent.startedAt()) / NANOS_PER_MILLI);
      figures.add(
          "start", "API answers", java, "ms", (answeredAt - agent.startedAt()) / NANOS_PER_MILLI);
      Thread.sleep(idleMillis);
      figures.add("memory", "VmRSS, idle", java, "MB", agent.residentMegabytes());
      client.publish(
          List.of("8080:80", "127.0.0.1:5353:53/udp", "9000-9009:9000-9009"),
          BenchNamespace.TARGET,
          Optional.of("web"));
      List<String> listing =
          AgentProcess.sluice(workbench, runtime, "--socket", agent.socket().toString(), "ps");
      for (int i = 0; i < LISTINGS; i++) {
        long start = System.nanoTime();
        Workbench.output(listing);
        figures.add(
            "sluice ps",
            "whole command",
            java,
            "ms",
            (System.nanoTime() - start) / NANOS_PER_MILLI);
      }
    }
    figures.add("machine", "load average", java, "1", Environment.loadAverage());
  }
}
