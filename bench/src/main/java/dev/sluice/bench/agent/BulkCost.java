package dev.sluice.bench.agent;

import dev.sluice.bench.Environment;
import dev.sluice.bench.Figure;
import dev.sluice.bench.Figures;
import dev.sluice.bench.FloorBenchmark;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.NamedBenchmark;
import dev.sluice.bench.Workbench;
import java.io.IOException;
import java.util.List;

/** Ten thousand mappings in one request, beside one batch of as many elements. */
public final class BulkCost implements NamedBenchmark {
  private static final int MAPPINGS = 10_000;
  private static final int SAMPLES = 5;
  private static final int WARM_UP = 5;
  private static final double NANOS_PER_MILLI = 1e6;

  @Override
  public String name() {
    return "bulk";
  }

  @Override
  public String title() {
    return "10,000 tcp mappings in one request inside the agent, each with its host port reserved,"
        + " beside 10,000 dressed elements in one transaction from C in the same round. A sample is"
        + " the median of five; each round has an agent of its own, warmed by five. Aim: ratio at"
        + " most 5.";
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    JavaRuntime runtime = workbench.runtimes().get(0);
    String subject = "publish %,d in one request".formatted(MAPPINGS);
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      try (ProbeProcess probe = ProbeProcess.start(workbench, runtime)) {
        probe.ask("bulk " + MAPPINGS + " " + WARM_UP);
        FloorBenchmark.Cell floor = FloorBenchmark.batch(workbench, MAPPINGS, SAMPLES);
        Spread agent = probe.measure("bulk " + MAPPINGS + " " + SAMPLES);
        String java = runtime.label();
        figures.add(subject, "floor", "C", "ms", floor.medianNanos() / NANOS_PER_MILLI);
        figures.add(subject, "agent", java, "ms", agent.medianNanos() / NANOS_PER_MILLI);
        figures.add(subject, "agent / floor", java, "×", agent.medianNanos() / floor.medianNanos());
      }
      figures.add("machine", "load average", runtime.label(), "1", Environment.loadAverage());
    }
    return figures.toList();
  }
}
