package dev.sluice.bench.peers;

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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Sluice beside nft, iptables and CNI's portmap: one port more, many at once, restart, memory. */
public final class PeersCost implements NamedBenchmark {
  private static final int[] PRESENT = {0, 1_000, 10_000, 20_000, 60_000};

  /** Below, the machine's other allocations are larger. */
  static final int ENOUGH_FOR_MEMORY = 10_000;

  private static final double NANOS_PER_MICRO = 1e3;
  private static final double NANOS_PER_MILLI = 1e6;

  @Override
  public String name() {
    return "peers";
  }

  @Override
  public String title() {
    return "Sluice beside others that publish ports, all in the same rounds, each step begun by"
        + " another one every time. \"Sluice\" is ./sluice agent through its API, by a client that"
        + " stays connected; \"inside\" is the same without the API; both are warm, reserve the host"
        + " port with a socket and refuse conflicts, which the others do not. The others are one"
        + " process a port, timed in C from vfork to its end: nft into a map like the agent's;"
        + " iptables the one DNAT rule of a port that dockerd writes (it calls iptables five times"
        + " more); portmap ADD of one container. A sample is the median or the 99th percentile of"
        + " 1,000 of Sluice, of up to 100 of the others, as many as fit in 3 s, three at least"
        + " (\"runs\"); no 99th percentile of fewer than 100. Many at once: one request, one nft -f,"
        + " one iptables-restore --noflush; portmap calls iptables several times for each and is"
        + " left out, and asked for 10,000 present at most, put there by iptables-restore. Restart:"
        + " kill -9, then from running the launcher (AppCDS, no keeper) to \"ready\" with everything"
        + " adopted and reserved; beside it, what reading the rules back in takes, without the"
        + " program that does it. VmRSS two seconds after; beyond the limit of open files the agent"
        + " probes ports instead of holding them. Kernel: growth of Slab and VmallocUsed of the"
        + " whole machine. Aims: ready with 20,000 in 2 s; one more at 20,000, p99 5 ms.";
  }

  @Override
  public List<String> tools() throws IOException {
    return Tool.versions();
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    JavaRuntime runtime = workbench.runtimes().get(0);
    AgentProcess.prepare(workbench, runtime);
    Path directory = Files.createTempDirectory("sluice-bench-peers");
    ToolRuns nftFile = new ToolRuns(workbench, Tool.nftFile(), directory);
    ToolRuns legacy = new ToolRuns(workbench, Tool.iptables("legacy"), directory);
    ToolRuns nftBackend = new ToolRuns(workbench, Tool.iptables("nft"), directory);
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      try (SluiceApi api = SluiceApi.start(workbench, runtime);
          SluiceInside inside = SluiceInside.start(workbench, runtime)) {
        List<Contender> contenders =
            new ArrayList<>(
                List.of(
                    api,
                    inside,
                    new ToolRuns(workbench, Tool.nftElement(), directory),
                    nftFile,
                    legacy,
                    nftBackend,
                    new ToolRuns(workbench, Tool.cniPortmap(), directory)));
        Collections.rotate(contenders, -round);
        for (int present : PRESENT) {
          if (present <= workbench.maximum()) {
            step(contenders, present, figures);
          }
          Collections.rotate(contenders, -1);
        }
      }
      Restarts.round(workbench, runtime, List.of(nftFile, legacy, nftBackend), figures);
      figures.add("machine", "load average", SluiceApi.LABEL, "1", Environment.loadAverage());
    }
    Files.deleteIfExists(directory.resolve("xtables.lock"));
    Files.delete(directory);
    return figures.toList().stream()
        .sorted(
            Comparator.comparing((Figure figure) -> part(figure.subject()))
                .thenComparing(figure -> numberIn(figure.subject())))
        .toList();
  }

  /** Figures come in the order in which they are taken; a reader wants what belongs together. */
  private static int part(String subject) {
    return subject.startsWith("add 1,") && subject.endsWith("present")
        ? 0
        : 1 + List.of("add", "restart", "memory", "machine").indexOf(subject.split("[ ,]", 2)[0]);
  }

  private static long numberIn(String subject) {
    String digits = subject.replaceAll("\\D", "");
    return digits.isEmpty() ? 0 : Long.parseLong(digits);
  }

  private static void step(List<Contender> contenders, int present, Figures figures)
      throws IOException, InterruptedException {
    Map<String, Timings> timings = new LinkedHashMap<>();
    Map<String, Double> loads = new LinkedHashMap<>();
    String subject = "add 1, %,d present".formatted(present);
    for (Contender contender : contenders) {
      if (present > contender.most()) {
        continue;
      }
      String label = contender.label();
      try {
        boolean weighed = present >= ENOUGH_FOR_MEMORY && contender instanceof ToolRuns;
        long before = weighed ? KernelMemory.settledBytes() : 0;
        OptionalLong load = contender.load(present);
        load.ifPresent(nanos -> loads.put(label, nanos / NANOS_PER_MILLI));
        if (weighed) {
          Restarts.addTableBytes(figures, present, label, KernelMemory.settledBytes() - before);
        }
        timings.put(label, contender.add());
      } finally {
        contender.clear();
      }
    }
    addCompared(figures, subject, "median", "µs", medianMicros(timings));
    timings.forEach(
        (label, timing) -> {
          if (timing.hasP99()) {
            figures.add(subject, "p99", label, "µs", timing.spread().p99Nanos() / NANOS_PER_MICRO);
          }
        });
    timings.forEach((label, timing) -> figures.add(subject, "runs", label, "1", timing.count()));
    addCompared(figures, "add %,d at once".formatted(present), "whole", "ms", loads);
  }

  private static Map<String, Double> medianMicros(Map<String, Timings> timings) {
    Map<String, Double> medians = new LinkedHashMap<>();
    timings.forEach(
        (label, timing) -> medians.put(label, timing.spread().medianNanos() / NANOS_PER_MICRO));
    return medians;
  }

  /** What each took, and how many times as long as Sluice. */
  private static void addCompared(
      Figures figures, String subject, String variant, String unit, Map<String, Double> taken) {
    taken.forEach((label, value) -> figures.add(subject, variant, label, unit, value));
    @Nullable Double sluice = taken.get(SluiceApi.LABEL);
    if (sluice == null) {
      return; // Nothing was done by anybody.
    }
    double base = sluice;
    taken.forEach(
        (label, value) -> {
          if (!label.equals(SluiceApi.LABEL)) {
            figures.add(subject, variant + " ÷ Sluice's", label, "×", value / base);
          }
        });
  }
}
