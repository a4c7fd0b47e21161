package dev.sluice.bench.events;

import dev.sluice.bench.Environment;
import dev.sluice.bench.Figure;
import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.NamedBenchmark;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.IOException;
import java.util.List;

/** The agent under events for a long time: whether its memory grows and an end gets lost. */
public final class EventsSoak implements NamedBenchmark {
  private static final int OPEN_FLOWS = 50_000;
  private static final double NANOS_PER_MICRO = 1e3;
  private static final double NANOS_PER_SECOND = 1e9;

  /** First, so that the memory of full tables and buffers is there at the start. */
  private static final int SETTLING_SECONDS = 20;

  private static final String SUBJECT = "soak";

  private final int seconds;
  private final int eventsPerSecond;

  /** A load of {@code eventsPerSecond} for {@code seconds}. */
  public EventsSoak(int seconds, int eventsPerSecond) {
    this.seconds = seconds;
    this.eventsPerSecond = eventsPerSecond;
  }

  public int seconds() {
    return seconds;
  }

  public int eventsPerSecond() {
    return eventsPerSecond;
  }

  @Override
  public String name() {
    return "soak";
  }

  @Override
  public String title() {
    return "%,d conntrack events a second for %,d s, 50,000 flows open, made as for events, with one"
            .formatted(eventsPerSecond, seconds)
        + " consumer of frames. VmRSS of the agent after %d s of the same load, and at the end. Aim:"
            .formatted(SETTLING_SECONDS)
        + " flat memory in ten minutes at 50,000, every end told.";
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    JavaRuntime runtime = workbench.runtimes().get(0);
    AgentProcess.prepare(workbench, runtime);
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      round(workbench, runtime, figures);
    }
    return figures.toList();
  }

  private void round(Workbench workbench, JavaRuntime runtime, Figures figures)
      throws IOException, InterruptedException {
    WholeAgent contender =
        new WholeAgent(workbench, runtime, "agent, frames", WholeAgent.Consumer.FRAMES);
    String label = contender.label();
    try (BenchNamespace namespace = EventNamespace.open();
        WholeAgent.Running agent = contender.open(namespace)) {
      load(workbench, namespace, agent, SETTLING_SECONDS);
      double before = agent.residentMegabytes();
      Measured measured = load(workbench, namespace, agent, seconds);
      double after = agent.residentMegabytes();
      Flood.Ledger ledger = measured.ledger();
      Tally tally = measured.tally();
      long lost = ledger.events() - tally.received();
      long admitted = tally.admitted().orElseThrow();
      figures.add(SUBJECT, "made", label, "1/s", rate(ledger));
      figures.count(SUBJECT, "events", label, ledger.events());
      figures.count(SUBJECT, "lost, by the ledger", label, lost);
      figures.count(SUBJECT, "lost, as admitted", label, admitted);
      figures.count(SUBJECT, "neither received nor admitted", label, lost - admitted);
      figures.count(SUBJECT, "ends missing", label, tally.endsMissing().orElseThrow());
      figures.count(SUBJECT, "numbers that do not continue", label, tally.jumps());
      figures.add(
          SUBJECT,
          "processor time",
          label,
          "µs",
          ledger.cpuNanos() / NANOS_PER_MICRO / Math.max(1, tally.received()));
      figures.add(SUBJECT, "VmRSS before", label, "MB", before);
      figures.add(SUBJECT, "VmRSS after", label, "MB", after);
      figures.add("machine", "load average", label, "1", Environment.loadAverage());
      System.out.printf(
          "soak: %,d events at %,.0f/s; lost %,d, admitted %,d; of %,d ends %,d are missing;"
              + " VmRSS %.1f MB, then %.1f MB%n",
          ledger.events(),
          rate(ledger),
          lost,
          admitted,
          ledger.ends(),
          tally.endsMissing().orElseThrow(),
          before,
          after);
    }
  }

  private record Measured(Flood.Ledger ledger, Tally tally) {}

  private Measured load(
      Workbench workbench, BenchNamespace namespace, WholeAgent.Running agent, int seconds)
      throws IOException, InterruptedException {
    Contender.Listening listening = agent.listen();
    Flood flood = new Flood(eventsPerSecond, seconds, OPEN_FLOWS);
    Flood.Ledger ledger = flood.run(workbench, namespace, listening.pid(), 0);
    return new Measured(ledger, listening.end(ledger));
  }

  private static double rate(Flood.Ledger ledger) {
    return ledger.events() / (ledger.loadNanos() / NANOS_PER_SECOND);
  }
}
