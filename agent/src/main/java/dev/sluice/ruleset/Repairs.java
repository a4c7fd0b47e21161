package dev.sluice.ruleset;

import java.time.Instant;
import java.util.Optional;

/**
 * What had to be repaired in a plain table since the agent watches it.
 *
 * @param count repairs
 * @param last the latest
 * @param failure why the table is not in order now; empty if it is
 */
public record Repairs(long count, Optional<Repair> last, Optional<String> failure) {
  static final Repairs NONE = new Repairs(0, Optional.empty(), Optional.empty());

  /**
   * One repair.
   *
   * @param at when it was done
   * @param micros from the moment the damage was noticed until it was repaired
   * @param culprit who did the damage: {@code nft (process 4711)}
   * @param damage what was done: {@code deleted the table}
   */
  public record Repair(Instant at, long micros, String culprit, String damage) {
    /** What happened, without when. */
    @Override
    public String toString() {
      return "%s %s; restored within %.1f ms".formatted(culprit, damage, micros / 1000.0);
    }
  }
}
