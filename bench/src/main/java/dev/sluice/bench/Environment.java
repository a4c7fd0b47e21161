package dev.sluice.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * What the figures depend on.
 *
 * @param loadBefore the one-minute load average before the first run: others at work on the machine
 */
public record Environment(
    String kernel,
    String cpu,
    int cpus,
    long memoryMegabytes,
    List<String> jdks,
    String gcc,
    String nft,
    double loadBefore) {

  /** Asks this machine. */
  static Environment here(Workbench workbench) throws IOException {
    return new Environment(
        Workbench.firstLine("uname", "-sr"),
        field("/proc/cpuinfo", "model name"),
        Runtime.getRuntime().availableProcessors(),
        Long.parseLong(field("/proc/meminfo", "MemTotal").replaceAll("\\D", "")) / 1024,
        workbench.runtimes().stream()
            .map(runtime -> Workbench.firstLine(runtime.java().toString(), "--version"))
            .toList(),
        Workbench.firstLine("gcc", "--version"),
        Workbench.firstLine("nft", "--version"),
        loadAverage());
  }

  /** The load average of the last minute. */
  public static double loadAverage() throws IOException {
    return Double.parseDouble(Files.readString(Path.of("/proc/loadavg")).split(" ", 2)[0]);
  }

  private static String field(String file, String name) throws IOException {
    try (Stream<String> lines = Files.lines(Path.of(file))) {
      return lines
          .filter(line -> line.startsWith(name))
          .findFirst()
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .orElse("unknown");
    }
  }
}
