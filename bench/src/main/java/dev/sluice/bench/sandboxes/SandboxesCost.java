package dev.sluice.bench.sandboxes;

import dev.sluice.bench.Environment;
import dev.sluice.bench.Figure;
import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.NamedBenchmark;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import dev.sluice.bench.agent.Spread;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;
import java.util.stream.IntStream;

/** A sandbox from its beginning to its end: Sluice beside ip and nft, CNI's plugins, and Docker. */
public final class SandboxesCost implements NamedBenchmark {
  /** Fewer say little about the slowest hundredth. */
  static final int FOR_P99 = 200;

  /** How many work in parallel. */
  static final int HANDS = 4;

  /** In a round everybody has as many turns. */
  private static final int TURNS = 10;

  /** A namespace that has lost its name is taken apart by the kernel after it. */
  private static final long BETWEEN_TURNS_MILLIS = 100;

  private static final long SETTLING_MILLIS = 5_000;

  /** What a warm process may still open once and for all: a JVM's classes, a thread's pipe. */
  private static final long SPARE_DESCRIPTORS = 8;

  private static final double NANOS_PER_MILLI = 1e6;

  private record Part(String name, ToLongFunction<Cycle> nanos, boolean ofWhole) {}

  private static final List<Part> PARTS =
      List.of(
          new Part("whole cycle", Cycle::wholeNanos, true),
          new Part("join and publish", Cycle::joinedNanos, false),
          new Part("leave", Cycle::leftNanos, false),
          new Part("namespace made and removed", Cycle::namespaceNanos, true));

  /** What a contender had before it was measured. */
  private record Before(List<String> remains, long descriptors) {}

  @Override
  public String name() {
    return "sandboxes";
  }

  @Override
  public String title() {
    return "The life of a sandbox, alone and four in parallel: a network namespace is made (unshare,"
        + " mounted on /run/netns/NAME, as ip netns add does; the same calls for everybody), joins a"
        + " network (veth pair into a bridge, IPv4 address, default route, hairpin), has a tcp port"
        + " published, leaves, and its name is removed; the kernel ends the namespace later, by"
        + " itself. \"Sluice\" is ./sluice agent through its API, by clients that stay connected;"
        + " \"inside\" is the same without the API; both are warmed by 200 cycles, and do what the"
        + " others leave out: the host port is reserved and refused if it is taken, the sandbox is"
        + " known by name, router advertisements are switched off in it, and what is half done when"
        + " the agent is killed is found again. ip + nft: a process for each of nine steps, and four"
        + " with ip -batch; timed in C from vfork to its end, as are the others. CNI: ADD of bridge"
        + " (with host-local) and portmap, DEL of both. Docker: docker run -d -p and docker rm -f"
        + " make and end a container with everything else that has, so its first row is no cost of"
        + " networks; docker network connect and disconnect of a container that runs are, and"
        + " publish nothing. In a round everybody has ten turns, the order rotating: 20 cycles a"
        + " turn, Docker 2, or 4 in parallel. A sample is the median or the 99th percentile of a"
        + " round; no 99th percentile of fewer than 200. After each round everybody's links,"
        + " addresses, routes, rules, elements, leases, namespaces and descriptors must be what they"
        + " were before.";
  }

  @Override
  public List<String> tools() throws IOException {
    return Tools.versions();
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    JavaRuntime runtime = workbench.runtimes().get(0);
    AgentProcess.prepare(workbench, runtime);
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      try (Field field = Field.start(workbench, runtime)) {
        round(field.contenders(), round, workbench.maximum(), figures);
      }
      figures.add("machine", "load average", SluiceApi.LABEL, "1", Environment.loadAverage());
    }
    return figures.toList().stream()
        .sorted(
            Comparator.comparing(
                (Figure figure) ->
                    List.of(subject(1), subject(HANDS), "machine").indexOf(figure.subject())))
        .toList();
  }

  private static void round(List<Contender> contenders, int round, int maximum, Figures figures)
      throws IOException, InterruptedException {
    Map<Contender, Before> before = new LinkedHashMap<>();
    for (Contender contender : contenders) {
      contender.run(Math.min(contender.warmUp(), Math.max(HANDS, maximum)), HANDS);
    }
    for (Contender contender : contenders) {
      Thread.sleep(BETWEEN_TURNS_MILLIS);
      before.put(contender, new Before(contender.remains(), contender.descriptors()));
    }
    List<Contender> order = new ArrayList<>(contenders);
    Collections.rotate(order, -round);
    for (int hands : List.of(1, HANDS)) {
      Map<Contender, List<Cycle>> taken = new LinkedHashMap<>();
      contenders.forEach(contender -> taken.put(contender, new ArrayList<>()));
      for (int turn = 0; turn < TURNS; turn++) {
        for (Contender contender : order) {
          int cycles = Math.max(hands, Math.min(contender.cycles(), maximum) / TURNS);
          taken
              .computeIfAbsent(contender, one -> new ArrayList<>())
              .addAll(contender.run(cycles, hands));
          Thread.sleep(BETWEEN_TURNS_MILLIS);
        }
        Collections.rotate(order, -1);
      }
      add(figures, subject(hands), taken);
    }
    for (Map.Entry<Contender, Before> one : before.entrySet()) {
      checkNothingIsLeft(one.getKey(), one.getValue());
    }
  }

  private static String subject(int hands) {
    return hands == 1 ? "alone" : hands + " in parallel";
  }

  private static void add(Figures figures, String subject, Map<Contender, List<Cycle>> taken) {
    for (Part part : PARTS) {
      Map<String, Double> medians = new LinkedHashMap<>();
      Map<String, Double> p99s = new LinkedHashMap<>();
      taken.forEach(
          (contender, cycles) -> {
            if (part.ofWhole() && !contender.isWhole()) {
              return;
            }
            Spread spread = Spread.of(cycles.stream().mapToLong(part.nanos()).toArray());
            if (spread.medianNanos() == 0) {
              return; // Docker makes its namespaces itself.
            }
            medians.put(contender.label(), spread.medianNanos() / NANOS_PER_MILLI);
            if (cycles.size() >= FOR_P99) {
              p99s.put(contender.label(), spread.p99Nanos() / NANOS_PER_MILLI);
            }
          });
      medians.forEach(
          (label, ms) -> figures.add(subject, part.name() + ", median", label, "ms", ms));
      p99s.forEach((label, ms) -> figures.add(subject, part.name() + ", p99", label, "ms", ms));
      double base = medians.getOrDefault(SluiceApi.LABEL, Double.NaN);
      medians.forEach(
          (label, ms) -> {
            if (!label.equals(SluiceApi.LABEL)) {
              figures.add(subject, part.name() + ", median ÷ Sluice's", label, "×", ms / base);
            }
          });
    }
    taken.forEach(
        (contender, cycles) ->
            figures.count(subject, "cycles a round", contender.label(), cycles.size()));
  }

  /** What the kernel does by itself takes a moment. */
  private static void checkNothingIsLeft(Contender contender, Before before)
      throws IOException, InterruptedException {
    long deadline = System.nanoTime() + SETTLING_MILLIS * 1_000_000;
    while (true) {
      List<String> remains = contender.remains();
      long descriptors = contender.descriptors() - before.descriptors();
      if (remains.equals(before.remains()) && descriptors <= SPARE_DESCRIPTORS) {
        return;
      }
      if (System.nanoTime() > deadline) {
        throw new IOException(
            "%s has left something behind: %s%d more descriptors"
                .formatted(contender.label(), difference(before.remains(), remains), descriptors));
      }
      Thread.sleep(BETWEEN_TURNS_MILLIS);
    }
  }

  private static String difference(List<String> before, List<String> now) {
    StringBuilder text = new StringBuilder();
    IntStream.range(0, now.size())
        .filter(i -> !before.contains(now.get(i)))
        .limit(5)
        .forEach(i -> text.append('"').append(now.get(i).strip()).append("\", "));
    before.stream()
        .filter(line -> !now.contains(line))
        .limit(5)
        .forEach(line -> text.append("and gone is \"").append(line.strip()).append("\", "));
    return text.toString();
  }
}
