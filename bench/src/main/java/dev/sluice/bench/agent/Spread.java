package dev.sluice.bench.agent;

import java.util.Arrays;

/**
 * Many single measurements in two numbers.
 *
 * @param medianNanos half of them took less
 * @param p99Nanos 99 % of them took less
 */
public record Spread(long medianNanos, long p99Nanos) {
  /** Takes the same ranks as bench/native/floor.c. */
  public static Spread of(long[] nanos) {
    long[] sorted = nanos.clone();
    Arrays.sort(sorted);
    return new Spread(sorted[sorted.length / 2], sorted[(int) (sorted.length * 99L / 100)]);
  }

  @Override
  public String toString() {
    return medianNanos + " " + p99Nanos;
  }

  /** Reads what {@link #toString} wrote. */
  static Spread parse(String text) {
    String[] parts = text.split(" ", 2);
    return new Spread(Long.parseLong(parts[0]), Long.parseLong(parts[1]));
  }
}
