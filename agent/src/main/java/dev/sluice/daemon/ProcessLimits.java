package dev.sluice.daemon;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What this process may use, from /proc/self/limits (proc(5)). */
final class ProcessLimits {
  private static final String OPEN_FILES = "Max open files";

  private ProcessLimits() {}

  /** The soft limit of open descriptors. */
  static int openFiles() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/limits"))) {
        if (line.startsWith(OPEN_FILES)) {
          String[] columns = line.substring(OPEN_FILES.length()).trim().split("\\s+", -1);
          return columns[0].equals("unlimited")
              ? Integer.MAX_VALUE
              : (int) Math.min(Integer.MAX_VALUE, Long.parseLong(columns[0]));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read /proc/self/limits", e);
    }
    throw new IllegalStateException("/proc/self/limits has no line \"" + OPEN_FILES + "\"");
  }
}
