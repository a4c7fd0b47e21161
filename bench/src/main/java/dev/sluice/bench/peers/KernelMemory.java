package dev.sluice.bench.peers;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the whole machine's kernel has allocated, from /proc/meminfo: {@code Slab} (elements, rules,
 * sockets) and {@code VmallocUsed} (hash tables; a table of iptables-legacy). Counters kept per
 * processor are in neither.
 */
final class KernelMemory {
  private static final Pattern COUNTED =
      Pattern.compile("^(?:Slab|VmallocUsed): +([0-9]+) kB$", Pattern.MULTILINE);
  private static final long BYTES_PER_KILOBYTE = 1_024;

  /** What is freed is freed a little later, namespaces and sockets most of all. */
  private static final int STILL_MILLIS = 100;

  private static final int STILL_TIMES = 3;
  private static final int PATIENCE_TIMES = 20;
  private static final long STILL_BYTES = 128 << 10;

  private KernelMemory() {}

  /** Bytes, when they have stopped moving, or after two seconds. */
  static long settledBytes() throws IOException, InterruptedException {
    long last = bytes();
    int still = 0;
    for (int i = 0; i < PATIENCE_TIMES && still < STILL_TIMES; i++) {
      Thread.sleep(STILL_MILLIS);
      long now = bytes();
      still = Math.abs(now - last) <= STILL_BYTES ? still + 1 : 0;
      last = now;
    }
    return last;
  }

  private static long bytes() throws IOException {
    Matcher counted = COUNTED.matcher(Files.readString(Path.of("/proc/meminfo")));
    List<Long> kilobytes = counted.results().map(result -> Long.valueOf(result.group(1))).toList();
    if (kilobytes.size() != 2) {
      throw new IOException("/proc/meminfo does not say Slab and VmallocUsed");
    }
    return kilobytes.stream().mapToLong(Long::longValue).sum() * BYTES_PER_KILOBYTE;
  }
}
