package dev.sluice.daemon;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * What this process uses (proc(5)).
 *
 * @param cpuNanos time of processors, in user and kernel mode
 * @param residentBytes memory that is in use
 * @param descriptors open ones
 */
record ProcessUsage(long cpuNanos, long residentBytes, long descriptors) {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final Path DESCRIPTORS = Path.of("/proc/self/fd");
  private static final String RESIDENT = "VmRSS:";

  static ProcessUsage read() {
    return new ProcessUsage(cpuTime(), residentMemory(), openDescriptors());
  }

  private static long cpuTime() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getProcessCpuTime()
        : 0;
  }

  private static long residentMemory() {
    try {
      for (String line : Files.readAllLines(STATUS)) {
        if (line.startsWith(RESIDENT)) {
          // "VmRSS:      1234 kB", where kB are 1,024 bytes.
          return Long.parseLong(line.substring(RESIDENT.length()).trim().split(" ", 2)[0]) << 10;
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + STATUS, e);
    }
    throw new IllegalStateException(STATUS + " has no line \"" + RESIDENT + "\"");
  }

  private static long openDescriptors() {
    try (Stream<Path> open = Files.list(DESCRIPTORS)) {
      return open.count() - 1; // the one that lists
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list " + DESCRIPTORS, e);
    }
  }
}
