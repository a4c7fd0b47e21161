package dev.sluice.bench.peers;

import dev.sluice.api.ApiClient;
import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The agent killed and started again with many mappings, and what they weigh. */
final class Restarts {
  private static final int[] MAPPINGS = {0, 2_000, 10_000, 20_000, 60_000};
  private static final long IDLE_MILLIS = 2_000;
  private static final double BYTES_PER_MEGABYTE = 1e6;
  private static final double NANOS_PER_MILLI = 1e6;

  private Restarts() {}

  static void round(
      Workbench workbench, JavaRuntime runtime, List<Contender> others, Figures figures)
      throws IOException, InterruptedException {
    double emptyMegabytes = 0;
    for (int mappings : MAPPINGS) {
      if (mappings > workbench.maximum()) {
        break;
      }
      Map<String, Double> restarts = new LinkedHashMap<>();
      double megabytes;
      try (BenchNamespace namespace = BenchNamespace.open()) {
        publishAndKill(workbench, runtime, namespace, mappings, figures);
        megabytes = restart(workbench, runtime, namespace, mappings, restarts, figures);
      }
      if (mappings == 0) {
        emptyMegabytes = megabytes;
      } else {
        restore(others, mappings, restarts);
      }
      restarts.forEach(
          (label, millis) ->
              figures.add(
                  restart(mappings),
                  label.equals(SluiceApi.LABEL) ? "ready" : "rules back",
                  label,
                  "ms",
                  millis));
      if (mappings >= PeersCost.ENOUGH_FOR_MEMORY) {
        figures.add(
            memory(mappings),
            "agent restarted, VmRSS per mapping",
            SluiceApi.LABEL,
            "B",
            (megabytes - emptyMegabytes) * BYTES_PER_MEGABYTE / mappings);
      }
    }
  }

  private static void publishAndKill(
      Workbench workbench,
      JavaRuntime runtime,
      BenchNamespace namespace,
      int mappings,
      Figures figures)
      throws IOException, InterruptedException {
    try (AgentProcess agent = AgentProcess.startIn(namespace, workbench, runtime);
        ApiClient client = ApiClient.to(agent.socket())) {
      client.facts();
      long before = KernelMemory.settledBytes();
      if (mappings > 0) {
        SluiceApi.publishAll(client, mappings);
      }
      Thread.sleep(IDLE_MILLIS);
      figures.add(
          memory(mappings),
          "agent that published them, VmRSS",
          SluiceApi.LABEL,
          "MB",
          agent.residentMegabytes());
      long held = KernelMemory.settledBytes();
      agent.kill();
      if (mappings >= PeersCost.ENOUGH_FOR_MEMORY) {
        long left = KernelMemory.settledBytes();
        addTableBytes(figures, mappings, SluiceApi.LABEL, left - before);
        figures.add(
            memory(mappings),
            "kernel, held sockets, per mapping",
            SluiceApi.LABEL,
            "B",
            (double) (held - left) / mappings);
      }
    }
  }

  /** Returns the resident megabytes of the agent that adopted them. */
  private static double restart(
      Workbench workbench,
      JavaRuntime runtime,
      BenchNamespace namespace,
      int mappings,
      Map<String, Double> restarts,
      Figures figures)
      throws IOException, InterruptedException {
    try (AgentProcess agent = AgentProcess.startIn(namespace, workbench, runtime);
        ApiClient client = ApiClient.to(agent.socket())) {
      restarts.put(SluiceApi.LABEL, (agent.readyAt() - agent.startedAt()) / NANOS_PER_MILLI);
      figures.add(
          restart(mappings),
          "first port after it",
          SluiceApi.LABEL,
          "ms",
          SluiceApi.publishOne(client, SluiceApi.SAMPLE_PORT) / NANOS_PER_MILLI);
      Thread.sleep(IDLE_MILLIS);
      double megabytes = agent.residentMegabytes();
      figures.add(memory(mappings), "agent restarted, VmRSS", SluiceApi.LABEL, "MB", megabytes);
      figures.add(
          memory(mappings), "agent restarted, open files", SluiceApi.LABEL, "1", openFiles(agent));
      int adopted = client.published().value().size() - 1;
      if (adopted != mappings) {
        throw new IOException("the agent adopted %,d of %,d mappings".formatted(adopted, mappings));
      }
      return megabytes;
    }
  }

  private static void restore(List<Contender> others, int mappings, Map<String, Double> restarts)
      throws IOException, InterruptedException {
    for (Contender other : others) {
      try {
        other
            .load(mappings)
            .ifPresent(nanos -> restarts.put(other.label(), nanos / NANOS_PER_MILLI));
      } finally {
        other.clear();
      }
    }
  }

  /** What the kernel keeps of them, whoever put them there. */
  static void addTableBytes(Figures figures, int mappings, String label, long bytes) {
    figures.add(
        memory(mappings),
        "kernel, rules or elements, per mapping",
        label,
        "B",
        (double) bytes / mappings);
  }

  private static double openFiles(AgentProcess agent) throws IOException {
    try (Stream<Path> files = Files.list(Path.of("/proc", "" + agent.pid(), "fd"))) {
      return files.count();
    }
  }

  private static String restart(int mappings) {
    return "restart with %,d mappings".formatted(mappings);
  }

  private static String memory(int mappings) {
    return "memory, %,d mappings".formatted(mappings);
  }
}
