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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Sluice beside others that listen for conntrack events: what each loses, and what it costs. */
public final class EventsCost implements NamedBenchmark {
  private static final int LARGE_BUFFER_BYTES = 64 << 20;
  private static final int SECONDS = 1;
  private static final int LATENCY_RATE = 25_000;
  private static final List<Flood> FLOODS =
      List.of(
          Flood.paced(LATENCY_RATE, SECONDS),
          Flood.paced(50_000, SECONDS),
          Flood.paced(75_000, SECONDS),
          Flood.paced(100_000, SECONDS),
          Flood.unpaced(SECONDS));

  /** Who is behind by less when the load ends keeps pace with it. */
  private static final double KEEPS_PACE_MILLIS = 100;

  private static final double NANOS_PER_MICRO = 1e3;
  private static final double NANOS_PER_MILLI = 1e6;
  private static final double NANOS_PER_SECOND = 1e9;

  private static final String CONNTRACK = "conntrack -E";
  private static final String CONNTRACK_LARGE = CONNTRACK + ", 64 MiB";

  private static final String LOST = "lost, by the ledger";
  private static final String ADMITTED = "lost, as admitted";
  private static final String UNACCOUNTED = "neither received nor admitted";
  private static final String CPU = "processor time";
  private static final String CPU_RATIO = CONNTRACK_LARGE + "'s ÷ this processor time";
  private static final String SUSTAINED = "sustained without loss";

  /** In the order of the table. */
  private static final List<String> ROWS =
      List.of(
          "made",
          "events",
          "received",
          LOST,
          ADMITTED,
          UNACCOUNTED,
          "dropped by the kernel",
          "ends missing",
          "evictions",
          "busy afterwards",
          CPU,
          "of it in the library's thread",
          CPU_RATIO,
          "latency, median",
          "latency, p99");

  @Override
  public String name() {
    return "events";
  }

  @Override
  public String title() {
    return "Conntrack events, told to one listener at a time under the same load, in a namespace"
        + " of its own. The load is native/flood.c on processor 0: one datagram to a new address"
        + " is a NEW, its deletion through ctnetlink a DESTROY, 8,192 flows open at most, none at"
        + " the end; it counts what it makes (the ledger). The listener, and whoever reads what it"
        + " writes, have processor 1 together. A sample is one load of a second. Listeners:"
        + " conntrack -E -o extended,timestamp,id and ulogd (NFCT, PRINTFLOW, LOGEMU) write text"
        + " into a pipe that is read every 2 ms; \"bare\" takes one datagram per recv() and its id"
        + " and tuple, in C, as with libmnl; the library alone with a consumer that looks at kind"
        + " and time (both it and the agent begin with 64 MiB); ./sluice agent with its defaults,"
        + " warm, without a consumer, and with one of NDJSON or of frames; and one that cannot but"
        + " lose, with 1 MiB and reading ten times a second, for its account of that. Processor"
        + " time is that of the listener's process per event received, the pipe's or the socket's"
        + " reader not included. Lost by the ledger is made less received; admitted is the sum of"
        + " the gap records (of the agent without a consumer, its metrics), and the others admit"
        + " nothing. Of what the kernel dropped /proc/net/netlink knows. Ends missing: ends of"
        + " flows that were not told, not even after the agent's comparison with the kernel's"
        + " table, which cannot know of a flow that began and ended within one loss. Busy"
        + " afterwards: how long it still worked when the load was over, and 20 ms. Sustained: the"
        + " highest rate of the round at which nothing was lost and it was not busy for more than"
        + " 100 ms. Latency from the kernel's time of the event (Linux 6.14) to its reader, at"
        + " 25,000 a second; conntrack and ulogd do not write that time. conntrackd logs ends only"
        + " and is left out. A buffer of 64 MiB is given to others from outside: -b of conntrack"
        + " 1.4.7 enlarges that of another socket than the one its events come to. Aims: nothing"
        + " unaccounted for; 1.5 µs in the library at 75,000 a second, 3 µs up to the flow table"
        + " (the agent without a consumer), a third of conntrack -E's time as text.";
  }

  @Override
  public List<String> tools() throws IOException {
    if (Runtime.getRuntime().availableProcessors() < 2) {
      throw new IOException("the load and its listener need a processor each, and there is one");
    }
    String conntrack = Workbench.firstLine("conntrack", "--version");
    if (conntrack.equals("absent")) {
      throw new IOException(
          "conntrack is missing. Install it with:  apt-get install -y conntrack (and ulogd2, if it"
              + " is to be compared)");
    }
    String ulogd = Workbench.firstLine("ulogd", "--version");
    return List.of(conntrack, ulogd.equals("absent") ? "no ulogd" : ulogd);
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    JavaRuntime runtime = workbench.runtimes().get(0);
    AgentProcess.prepare(workbench, runtime);
    Path directory = Files.createTempDirectory("sluice-bench-events");
    List<Contender> contenders = contenders(workbench, runtime, directory);
    List<String> columns = contenders.stream().map(Contender::label).toList();
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      List<Contender> order = new ArrayList<>(contenders);
      Collections.rotate(order, -round);
      Map<Flood, Map<String, Double>> costs = new HashMap<>();
      for (Contender contender : order) {
        measure(workbench, contender, figures, costs);
      }
      addRatios(costs, figures);
      figures.add("machine", "load average", columns.get(0), "1", Environment.loadAverage());
    }
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(directory);
    List<String> subjects = FLOODS.stream().map(Flood::subject).toList();
    return figures.toList().stream()
        .sorted(
            Comparator.comparingInt((Figure figure) -> rank(subjects, figure.subject()))
                .thenComparingInt(figure -> rank(ROWS, figure.variant()))
                .thenComparingInt(figure -> rank(columns, figure.runtime())))
        .toList();
  }

  private static int rank(List<String> order, String what) {
    int index = order.indexOf(what);
    return index < 0 ? order.size() : index;
  }

  private static List<Contender> contenders(
      Workbench workbench, JavaRuntime runtime, Path directory) throws IOException {
    String[] conntrack = {"conntrack", "-E", "-o", "extended,timestamp,id"};
    List<Contender> contenders = new ArrayList<>();
    contenders.add(Programs.writing(workbench, CONNTRACK, 0, conntrack));
    contenders.add(Programs.writing(workbench, CONNTRACK_LARGE, LARGE_BUFFER_BYTES, conntrack));
    if (!Workbench.firstLine("ulogd", "--version").equals("absent")) {
      String configuration = Ulogd.configure(directory).toString();
      contenders.add(
          Programs.writing(
              workbench, "ulogd, 64 MiB", LARGE_BUFFER_BYTES, "ulogd", "-c", configuration));
    }
    contenders.add(Programs.counting(workbench, "bare", 0, "bare", false));
    contenders.add(Programs.counting(workbench, "bare, 64 MiB", LARGE_BUFFER_BYTES, "bare", false));
    contenders.add(Programs.counting(workbench, "library", 0, "shim", true));
    contenders.add(new WholeAgent(workbench, runtime, "agent", WholeAgent.Consumer.NONE));
    contenders.add(new WholeAgent(workbench, runtime, "agent, NDJSON", WholeAgent.Consumer.LINES));
    contenders.add(new WholeAgent(workbench, runtime, "agent, frames", WholeAgent.Consumer.FRAMES));
    contenders.add(
        new WholeAgent(
            workbench,
            runtime,
            "agent that loses",
            WholeAgent.Consumer.FRAMES,
            "--events-buffer-mib",
            "1",
            "--events-latency-us",
            "100000"));
    return contenders;
  }

  private static void measure(
      Workbench workbench,
      Contender contender,
      Figures figures,
      Map<Flood, Map<String, Double>> costs)
      throws IOException, InterruptedException {
    String label = contender.label();
    double sustained = 0;
    try (BenchNamespace namespace = EventNamespace.open();
        Contender.Session session = contender.open(namespace)) {
      for (Flood flood : FLOODS) {
        Contender.Listening listening = session.listen();
        Flood.Ledger ledger =
            flood.run(workbench, namespace, listening.pid(), contender.bufferBytes());
        Tally tally = listening.end(ledger);
        double rate = ledger.events() / (ledger.loadNanos() / NANOS_PER_SECOND);
        double cost = ledger.cpuNanos() / NANOS_PER_MICRO / Math.max(1, tally.received());
        add(figures, flood, label, rate, cost, ledger, tally);
        costs.computeIfAbsent(flood, key -> new HashMap<>()).put(label, cost);
        if (tally.received() == ledger.events()
            && ledger.restNanos() / NANOS_PER_MILLI <= KEEPS_PACE_MILLIS) {
          sustained = Math.max(sustained, rate);
        }
      }
    }
    figures.add(SUSTAINED, "highest rate", label, "1/s", sustained);
  }

  private static void add(
      Figures figures,
      Flood flood,
      String label,
      double rate,
      double cost,
      Flood.Ledger ledger,
      Tally tally) {
    String subject = flood.subject();
    long lost = ledger.events() - tally.received();
    figures.add(subject, "made", label, "1/s", rate);
    figures.count(subject, "events", label, ledger.events());
    figures.count(subject, "received", label, tally.received());
    figures.count(subject, LOST, label, lost);
    tally.admitted().ifPresent(admitted -> figures.count(subject, ADMITTED, label, admitted));
    figures.count(subject, UNACCOUNTED, label, lost - tally.admitted().orElse(0));
    figures.count(subject, "dropped by the kernel", label, ledger.drops());
    tally.endsMissing().ifPresent(ends -> figures.count(subject, "ends missing", label, ends));
    figures.add(subject, "busy afterwards", label, "ms", ledger.restNanos() / NANOS_PER_MILLI);
    figures.add(subject, CPU, label, "µs", cost);
    if (ledger.threadCpuNanos() > 0) {
      figures.add(
          subject,
          "of it in the library's thread",
          label,
          "µs",
          ledger.threadCpuNanos() / NANOS_PER_MICRO / Math.max(1, tally.received()));
    }
    if (flood.eventsPerSecond() == LATENCY_RATE) {
      tally
          .medianMicros()
          .ifPresent(median -> figures.add(subject, "latency, median", label, "µs", median));
      tally.p99Micros().ifPresent(p99 -> figures.add(subject, "latency, p99", label, "µs", p99));
    }
    if (tally.evictions() > 0) {
      figures.count(subject, "evictions", label, tally.evictions());
    }
    if (tally.jumps() > 0) {
      figures.count(subject, "numbers that do not continue", label, tally.jumps());
    }
  }

  private static void addRatios(Map<Flood, Map<String, Double>> costs, Figures figures) {
    costs.forEach(
        (flood, byLabel) -> {
          @Nullable Double conntrack = byLabel.get(CONNTRACK_LARGE);
          if (conntrack == null) {
            throw new IllegalStateException("conntrack was not measured at " + flood.subject());
          }
          double base = conntrack;
          byLabel.forEach(
              (label, cost) -> figures.add(flood.subject(), CPU_RATIO, label, "×", base / cost));
        });
  }
}
