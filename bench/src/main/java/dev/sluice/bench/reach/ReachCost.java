package dev.sluice.bench.reach;

import dev.sluice.bench.Environment;
import dev.sluice.bench.Figure;
import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.NamedBenchmark;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Connections through the last of many mappings, beside Docker's rules and beside none. */
public final class ReachCost implements NamedBenchmark {
  /** How many mappings there are, in figures and plots. */
  public static final List<Integer> MAPPINGS = List.of(1, 1_000, 10_000, 60_000);

  /** The column of nothing but routing. */
  public static final String PLAIN = "plain routing";

  /** The row of rates. */
  public static final String RATE = "connections";

  /** The column of the agent as it is. */
  public static final String SLUICE = "Sluice";

  private static final String WITHOUT_AGENT = "Sluice, agent killed";
  private static final int PLAIN_PORT = 80;

  private static final List<String> VISITS = List.of("-f", "-s", "50", "-n", "40", "connect");

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
    return "A connection, a byte to the server, one back, and its end in both directions, through"
        + " the last of 1 to 60,000 published ports: from a client's namespace through a host's to"
        + " a server's behind a bridge. Everybody has three namespaces of his own, made alike, and"
        + " all of them are there at the same time; native/visit.c goes to them in turns, 50 ms to"
        + " each, begun by another one every time, 40 turns a round. It is client and server in one"
        + " thread on one processor, so that a rate is what one processor can do, with nothing in"
        + " it but system calls and the way through the kernel; conntrack's table is emptied before"
        + " each slot, and nobody's port waits in TIME_WAIT. A sample is the median over the turns"
        + " of a round, a ratio the median of the ratios within each turn. Plain routing: no"
        + " translation, but connections are tracked. \"Sluice\" is ./sluice agent with its"
        + " defaults, which follows every connection meanwhile; \"agent killed\" is its table alone."
        + " iptables: the rules of Docker 20.10 for as many ports of one container (DNAT, hairpin,"
        + " accept), by iptables-restore; each round makes everything anew. Aims: with 60,000 at"
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
    Path directory = Files.createTempDirectory("sluice-bench-reach");
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      try (Hosts hosts = new Hosts()) {
        List<Way> ways = ways(hosts, workbench, runtime, directory);
        Collections.rotate(ways, -round);
        addFigures(Visits.run(workbench, VISITS, ways), figures);
      }
      figures.add("machine", "load average", SLUICE, "1", Environment.loadAverage());
    }
    for (String file : List.of("rules", "xtables.lock")) {
      Files.deleteIfExists(directory.resolve(file));
    }
    Files.delete(directory);
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
    List<Way> ways =
        visits.ways().stream()
            .sorted(Comparator.comparingInt((Way way) -> column(way.label())))
            .toList();
    Way plain = find(ways, PLAIN, 0).orElseThrow();
    for (Way way : ways) {
      figures.add(
          subject(way.mappings()),
          RATE,
          way.label(),
          "1/s",
          visits.median(way, Visits.Slot::perSecond));
    }
    for (Way way : ways) {
      if (way.equals(plain)) {
        continue;
      }
      String subject = subject(way.mappings());
      figures.add(subject, "÷ plain routing's", way.label(), "×", visits.ratio(way, plain));
      if (way.mappings() > 1) {
        find(ways, way.label(), 1)
            .ifPresent(
                first ->
                    figures.add(
                        subject, "÷ its own with 1", way.label(), "×", visits.ratio(way, first)));
      }
      find(ways, SLUICE, way.mappings())
          .filter(sluice -> !sluice.equals(way))
          .ifPresent(
              sluice ->
                  figures.add(
                      subject, "Sluice's ÷ this", way.label(), "×", visits.ratio(sluice, way)));
    }
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
  private static List<Way> ways(
      Hosts hosts, Workbench workbench, JavaRuntime runtime, Path directory)
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
      hosts.sluice(sluice, workbench, runtime).publish(1, count);
      ways.add(published(SLUICE, count, sluice));
      for (String backend : List.of("legacy", "nft")) {
        Topology docker = hosts.topology();
        DockerRules.load(docker, backend, count, directory);
        ways.add(published("iptables-" + backend, count, docker));
      }
    }
    int most = ways.stream().mapToInt(Way::mappings).max().orElseThrow();
    Topology left = hosts.topology();
    SluiceHost gone = hosts.sluice(left, workbench, runtime);
    gone.publish(1, most);
    gone.kill();
    ways.add(published(WITHOUT_AGENT, most, left));
    return ways;
  }

  private static Way published(String label, int count, Topology topology) {
    return new Way(label, count, topology, Topology.HOST, count, count, 0);
  }
}
