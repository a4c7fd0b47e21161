package dev.sluice.bench.events;

import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A load for who listens: bench/native/flood.c, on a processor of its own.
 *
 * @param eventsPerSecond 0 for as many as it can make
 * @param seconds how long
 * @param openFlows how many flows are open at a time
 */
record Flood(int eventsPerSecond, int seconds, int openFlows) {
  static final int OPEN_FLOWS = 8_192;
  private static final String PROCESSOR = "0";

  /**
   * What was made of it, counted by who made it, and what that did to the listener.
   *
   * @param events beginnings and ends of flows
   * @param ends how many of them are ends
   * @param loadNanos how long it took to make them
   * @param restNanos how long the listener was busy after the last one, and 20 ms
   * @param cpuNanos processor time of the listener
   * @param threadCpuNanos processor time of its thread sluice-events; 0 if it has none
   * @param drops messages that the kernel dropped because the listener's buffer was full
   */
  record Ledger(
      long events,
      long ends,
      long loadNanos,
      long restNanos,
      long cpuNanos,
      long threadCpuNanos,
      long drops) {}

  static Flood paced(int eventsPerSecond, int seconds) {
    return new Flood(eventsPerSecond, seconds, OPEN_FLOWS);
  }

  static Flood unpaced(int seconds) {
    return new Flood(0, seconds, OPEN_FLOWS);
  }

  String subject() {
    return eventsPerSecond == 0 ? "as fast as it goes" : "%,d events/s".formatted(eventsPerSecond);
  }

  /**
   * Makes it in the namespace, while the process listens, and returns when that rests again.
   *
   * @param bufferBytes receive buffer that the process is given; 0 for the one it has
   */
  Ledger run(Workbench workbench, BenchNamespace namespace, long listener, int bufferBytes)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("taskset", "-c", PROCESSOR));
    command.add(workbench.nativeDirectory().resolve("flood").toString());
    if (eventsPerSecond > 0) {
      command.addAll(List.of("-r", "" + eventsPerSecond));
    }
    command.addAll(List.of("-s", "" + seconds, "-w", "" + openFlows, "-p", "" + listener));
    if (bufferBytes > 0) {
      command.addAll(List.of("-b", "" + bufferBytes));
    }
    JsonNode printed =
        new JsonMapper().readTree(Workbench.output(namespace.inside(command)).strip());
    long ends = printed.get("destroy").asLong();
    return new Ledger(
        printed.get("new").asLong() + ends,
        ends,
        printed.get("load_ns").asLong(),
        printed.get("rest_ns").asLong(),
        printed.get("cpu_ns").asLong(),
        printed.get("thread_cpu_ns").asLong(),
        printed.get("drops").asLong());
  }
}
