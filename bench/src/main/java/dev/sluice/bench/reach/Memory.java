package dev.sluice.bench.reach;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Memory of processes.
 *
 * @param residentMegabytes shared pages counted in every process
 * @param proportionalMegabytes a page shared by n processes counted as an nth in each
 */
public record Memory(double residentMegabytes, double proportionalMegabytes) {
  private static final double KIBIBYTES_PER_MEGABYTE = 1e6 / 1024;

  public static Memory of(List<Long> pids) throws IOException {
    Memory sum = new Memory(0, 0);
    for (long pid : pids) {
      List<String> lines = Files.readAllLines(Path.of("/proc", "" + pid, "smaps_rollup"));
      sum =
          new Memory(
              sum.residentMegabytes + megabytes(lines, "Rss:"),
              sum.proportionalMegabytes + megabytes(lines, "Pss:"));
    }
    return sum;
  }

  public Memory less(Memory before) {
    return new Memory(
        residentMegabytes - before.residentMegabytes,
        proportionalMegabytes - before.proportionalMegabytes);
  }

  private static double megabytes(List<String> lines, String name) {
    String line = lines.stream().filter(l -> l.startsWith(name)).findFirst().orElseThrow();
    return Long.parseLong(line.replaceAll("\\D", "")) / KIBIBYTES_PER_MEGABYTE;
  }
}
