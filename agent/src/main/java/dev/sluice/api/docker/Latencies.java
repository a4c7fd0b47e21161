package dev.sluice.api.docker;

import java.util.Arrays;
import java.util.List;

/**
 * How long something took, each time.
 *
 * @param counts how many took up to each of {@link #BOUNDS_MILLIS}, and no less than the one
 *     before; behind them those that took longer
 * @param sumNanos of all
 */
public record Latencies(List<Long> counts, long sumNanos) {
  /** Upper bounds, in milliseconds. */
  public static final List<Integer> BOUNDS_MILLIS =
      List.of(1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000);

  public Latencies {
    counts = List.copyOf(counts);
  }

  /** Of how many. */
  public long count() {
    return counts.stream().mapToLong(Long::longValue).sum();
  }

  /** Collects them; thread-safe. */
  static final class Recorder {
    private final long[] counts = new long[BOUNDS_MILLIS.size() + 1];
    private long sumNanos;

    synchronized void add(long nanos) {
      int at = 0;
      while (at < BOUNDS_MILLIS.size() && nanos > BOUNDS_MILLIS.get(at) * 1_000_000L) {
        at++;
      }
      counts[at]++;
      sumNanos += nanos;
    }

    synchronized Latencies read() {
      return new Latencies(Arrays.stream(counts).boxed().toList(), sumNanos);
    }
  }
}
