package dev.sluice.bench.peers;

import dev.sluice.bench.agent.Spread;

/**
 * What several publications took.
 *
 * @param count how many they were
 */
public record Timings(Spread spread, int count) {
  /** Fewer say nothing about the slowest hundredth. */
  private static final int ENOUGH_FOR_P99 = 100;

  boolean hasP99() {
    return count >= ENOUGH_FOR_P99;
  }
}
