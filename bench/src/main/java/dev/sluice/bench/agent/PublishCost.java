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

/** One mapping published inside the agent, beside the floor at the same number of elements. */
public final class PublishCost implements NamedBenchmark {
  private static final int[] PRESENT = {0, 1_000, 10_000, 60_000};
  private static final int SAMPLES = 1_000;
  private static final int WARM_UP = 5_000;
  private static final double NANOS_PER_MICRO = 1e3;

  @Override
  public String name() {
    return "publish";
  }

  @Override
  public String title() {
    return "One tcp mapping published inside the agent, with its host port reserved, beside one"
        + " dressed element added from C in the same round. A sample is the median or the 99th"
        + " percentile of 1,000; each round has an agent of its own, warmed by 5,000. The first"
        + " mapping of a target also looks after the bridge's ports. Parts are measured alone:"
        + " route asks whether the target is the host's own address, reserve is the port's socket"
        + " (beyond the limit of open files, here and in the agent, it is only probed), apply the"
        + " transaction. A busy machine's time slices, some ms, show in p99. Aim: ratio at most 10,"
        + " and flat.";
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    JavaRuntime runtime = workbench.runtimes().get(0);
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      try (ProbeProcess probe = ProbeProcess.start(workbench, runtime)) {
        warmUp(probe);
        for (int present : PRESENT) {
          sample(workbench, runtime, probe, present, figures);
        }
      }
      figures.add("machine", "load average", runtime.label(), "1", Environment.loadAverage());
    }
    return figures.toList();
  }

  private static void warmUp(ProbeProcess probe) throws IOException, InterruptedException {
    for (String what : List.of("publish", "first", "route", "reserve", "apply")) {
      probe.ask(what + " " + WARM_UP);
    }
  }

  private static void sample(
      Workbench workbench, JavaRuntime runtime, ProbeProcess probe, int present, Figures figures)
      throws IOException, InterruptedException {
    probe.ask("fill " + present);
    String subject = "publish 1, %,d present".formatted(present);
    FloorBenchmark.Cell floor = FloorBenchmark.single(workbench, present, SAMPLES);
    Spread whole = probe.measure("publish " + SAMPLES);
    figures.add(subject, "floor, median", "C", "µs", floor.medianNanos() / NANOS_PER_MICRO);
    figures.add(subject, "floor, p99", "C", "µs", floor.p99Nanos() / NANOS_PER_MICRO);
    String java = runtime.label();
    figures.add(subject, "agent, median", java, "µs", whole.medianNanos() / NANOS_PER_MICRO);
    figures.add(subject, "agent, p99", java, "µs", whole.p99Nanos() / NANOS_PER_MICRO);
    figures.add(
        subject, "agent / floor, medians", java, "×", whole.medianNanos() / floor.medianNanos());
    figures.add(
        subject,
        "first of its target, median",
        java,
        "µs",
        probe.measure("first " + SAMPLES).medianNanos() / NANOS_PER_MICRO);
    for (String part : List.of("route", "reserve", "apply")) {
      Spread spread = probe.measure(part + " " + SAMPLES);
      figures.add(
          subject,
          "of that, " + part + ", median",
          java,
          "µs",
          spread.medianNanos() / NANOS_PER_MICRO);
    }
  }
}
