package dev.sluice.ruleset;

import dev.sluice.model.Balance;
import dev.sluice.model.Mapping;
import dev.sluice.net.Family;

/**
 * The chain that picks a slot for each connection to a mapping with several containers. There is
 * one for each way to pick among so many slots, not for each mapping; only what counts up does so
 * for few mappings together, so that the connections to one of them seldom make another skip
 * containers. The counter is in the rule: it goes on as long as the chain is not written again.
 *
 * @param family of the connections
 * @param kind "exact" or "any"
 * @param balance how a slot is picked
 * @param slots among how many
 * @param counter which of the counters counts up; 0 where nothing is counted
 */
record SpreadChain(Family family, String kind, Balance balance, int slots, int counter) {
  private static final String PREFIX = "spread_";

  /** Two mappings share a counter about as often. */
  private static final int COUNTERS = 64;

  /** Of a mapping with several containers that the kernel translates. */
  static SpreadChain of(Mapping mapping) {
    Balance balance = mapping.backends().balance();
    int counter = balance == Balance.ROUND_ROBIN ? (int) (mapping.id().bits() & (COUNTERS - 1)) : 0;
    return new SpreadChain(
        mapping.family(), SetNames.kind(mapping), balance, mapping.backends().slotCount(), counter);
  }

  /** Whether a chain of that name is one of these. */
  static boolean isOne(String chain) {
    return chain.startsWith(PREFIX);
  }

  /** {@code spread_random_5_any4}, {@code spread_turn_3_17_any4}. */
  String name() {
    String how =
        switch (balance) {
          case ROUND_ROBIN -> "turn_" + slots + "_" + counter;
          case RANDOM -> "random_" + slots;
          case SOURCE -> "source_" + slots;
        };
    return PREFIX + how + "_" + kind + SetNames.suffix(family);
  }
}
