package dev.sluice.bench.reach;

import dev.sluice.bench.Environment;
import dev.sluice.bench.Figure;
import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.NamedBenchmark;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/** Connections through the last of many mappings, beside Docker's rules and beside none. */
public final class ReachCost implements NamedBenchmark {
  /** How many mappings there are, in figures and plots. */
  public static final List<Integer> MAPPINGS = List.of(1, 1_000, 10_000, 60_000);

  /** The column of nothing but routing. */
  public static final String PLAIN = "plain routing";

  /** The row of rates. */
  public static final String RATE = "connections";

  private static final String CLOSED = "connections, closed by both";

  /** The column of the agent as it is. */
  public static final String SLUICE = "Sluice";

  private static final String WITHOUT_AGENT = "Sluice, agent killed";
  private static final int PLAIN_PORT = 80;

  private static final List<String> RESET = List.of("-f", "-r", "-s", "50", "-n", "40", "connect");
  private static final List<String> CLOSE = List.of("-f", "-s", "50", "-n", "10", "connect");
  private static final double NANOS_PER_MICRO = 1e3;

  /** Connections are tracked, as where ports are published, and nothing else is done with them. */
  private static final String TRACKING =
      """
      nft -f - <<'END'
      table inet plain {
        chain forward {
          type filter hook forward priority filter
          ct state established,related accept
        }
      }
      END
      """;

  @Override
  public String name() {
    return "reach";
  }

  @Override
  public String title() {
    return "A connection, a byte to the server, one back, and its end, a reset by the client, through"
        + " the last of 1 to 60,000 published ports: from a client's namespace through a host's to"
        + " a server's behind a bridge. Everybody has three namespaces of his own, made alike, and"
        + " all of them are there at the same time; native/visit.c goes to them in turns, 50 ms to"
        + " each, begun by another one every time, 40 turns a round, and 10 more in which client and"
        + " server close it both. It is client and server in one thread, which never waits: with"
        + " nothing but the kernel in between, a packet is carried to its end in the system call"
        + " that sends it. A rate is connections per second of that thread's processor time, so that"
        + " who else works on the machine is not in it; \"by the clock\" is beside it. Conntrack's"
        + " table is emptied before each slot. A sample is the median over the turns of a round, a"
        + " ratio the median of the ratios within each turn. Plain routing: no translation, but"
        + " connections are tracked. \"Sluice\" is ./sluice agent with its defaults, which follows"
        + " every connection meanwhile, in its own time; \"agent killed\" is its table alone."
        + " iptables: the rules of Docker 20.10 for as many ports of one container (DNAT, hairpin,"
        + " accept), by iptables-restore. Each round makes everything anew. Aims: with 60,000 at"
        + " least 0.95 of the rate with 1, and 0.85 of plain routing; with 10,000 8 times"
        + " iptables-legacy and 20 times iptables-nft.";
  }

  @Override
  public List<String> tools() throws IOException {
    return Tools.iptables("reach");
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    JavaRuntime runtime = workbench.runtimes().get(0);
    AgentProcess.prepare(workbench, runtime);
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      try (Hosts hosts = Hosts.open()) {
        List<Way> ways = ways(hosts, workbench, runtime);
        Collections.rotate(ways, -round);
        addFigures(Visits.run(workbench, RESET, ways), figures);
        Visits closed = Visits.run(workbench, CLOSE, ways);
        addRates(closed, CLOSED, Visits.Slot::perProcessorSecond, figures);
      }
      figures.add("machine", "load average", SLUICE, "1", Environment.loadAverage());
    }
    return figures.toList().stream()
        .sorted(Comparator.comparing(figure -> order(figure.subject())))
        .toList();
  }

  /** What stands in the first column, for as many mappings. */
  public static String subject(int mappings) {
    return mappings == 0 ? "no mapping" : "the last of %,d".formatted(mappings);
  }

  private static long order(String subject) {
    String digits = subject.replaceAll("\\D", "");
    return digits.isEmpty()
        ? (subject.equals("machine") ? Long.MAX_VALUE : 0)
        : Long.parseLong(digits);
  }

  private static void addFigures(Visits visits, Figures figures) {
    addRates(visits, RATE, Visits.Slot::perProcessorSecond, figures);
    List<Way> ways = columns(visits);
    Way plain = find(ways, PLAIN, 0).orElseThrow();
    for (Way way : ways) {
      if (!way.equals(plain)) {
        addRatio(visits, way, "÷ plain routing's", plain, figures);
      }
      if (way.mappings() > 1) {
        find(ways, way.label(), 1)
            .ifPresent(first -> addRatio(visits, way, "÷ its own with 1", first, figures));
      }
      find(ways, SLUICE, way.mappings())
          .filter(sluice -> !sluice.equals(way))
          .ifPresent(
              sluice ->
                  figures.add(
                      subject(way.mappings()),
                      "Sluice's ÷ this",
                      way.label(),
                      "×",
                      visits.ratio(sluice, way, Visits.Slot::perProcessorSecond)));
      if (way.pid() != 0) {
        figures.add(
            subject(way.mappings()),
            "processor time of the agent",
            way.label(),
            "µs",
            visits.median(way, slot -> slot.carrierNanos() / NANOS_PER_MICRO / slot.count()));
      }
    }
    addRates(visits, RATE + ", by the clock", Visits.Slot::perSecond, figures);
  }

  private static void addRates(
      Visits visits, String variant, ToDoubleFunction<Visits.Slot> rate, Figures figures) {
    for (Way way : columns(visits)) {
      double value = visits.median(way, rate);
      figures.add(subject(way.mappings()), variant, way.label(), "1/s", value);
    }
  }

  private static void addRatio(Visits visits, Way way, String variant, Way other, Figures figures) {
    double ratio = visits.ratio(way, other, Visits.Slot::perProcessorSecond);
    figures.add(subject(way.mappings()), variant, way.label(), "×", ratio);
  }

  /** The ways in the order of their columns, whoever began. */
  private static List<Way> columns(Visits visits) {
    return visits.ways().stream()
        .sorted(Comparator.comparingInt((Way way) -> column(way.label())))
        .toList();
  }

  private static int column(String label) {
    int known = List.of(PLAIN, SLUICE, WITHOUT_AGENT).indexOf(label);
    return known < 0 ? Integer.MAX_VALUE : known;
  }

  private static Optional<Way> find(List<Way> ways, String label, int mappings) {
    return ways.stream()
        .filter(way -> way.label().equals(label) && way.mappings() == mappings)
        .findFirst();
  }

  /** Everybody, ready to be gone to. */
  private static List<Way> ways(Hosts hosts, Workbench workbench, JavaRuntime runtime)
      throws IOException, InterruptedException {
    List<Way> ways = new ArrayList<>();
    Topology routed = hosts.topology();
    Workbench.output(routed.host().inside(List.of("sh", "-ec", TRACKING)));
    ways.add(new Way(PLAIN, 0, routed, Topology.SERVER, PLAIN_PORT, PLAIN_PORT, 0));
    for (int count : MAPPINGS) {
      if (count > workbench.maximum()) {
        continue;
      }
      Topology sluice = hosts.topology();
      SluiceHost agent = hosts.sluice(sluice, workbench, runtime);
      agent.publish(1, count);
      ways.add(published(SLUICE, count, sluice, agent.pid()));
      for (String backend : List.of("legacy", "nft")) {
        Topology docker = hosts.topology();
        DockerRules.load(docker, backend, count, hosts.directory());
        ways.add(published("iptables-" + backend, count, docker, 0));
      }
    }
    int most = ways.stream().mapToInt(Way::mappings).max().orElseThrow();
    Topology left = hosts.topology();
    SluiceHost gone = hosts.sluice(left, workbench, runtime);
    gone.publish(1, most);
    gone.kill();
    ways.add(published(WITHOUT_AGENT, most, left, 0));
    return ways;
  }

  private static Way published(String label, int count, Topology topology, long pid) {
    return new Way(label, count, topology, Topology.HOST, count, count, pid);
  }
}
