package dev.sluice.ruleset.trace;

import dev.sluice.nftables.Chain;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.text.RuleTexts;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What chains and rules there are, of whatever table; read when first asked for, and again when the
 * ruleset has changed. Not thread-safe.
 */
class RuleBook {
  private record ChainName(TableId table, String chain) {}

  private final Nftables nftables;
  private final Map<TableId, RuleTexts> tables = new HashMap<>();
  private final Map<ChainName, Chain> chains = new HashMap<>();
  private int generation;

  RuleBook(Nftables nftables) {
    this.nftables = nftables;
    this.generation = nftables.generation();
  }

  /** Forgets what may have changed. */
  void refresh() {
    int now = nftables.generation();
    if (now != generation) {
      generation = now;
      tables.clear();
      chains.clear();
    }
  }

  /** Where a base chain is called; empty if it is none, or is gone. */
  Optional<Chain.Hook> hook(TableId table, String chain) {
    if (chains.isEmpty()) {
      nftables.chains().forEach(one -> chains.put(new ChainName(one.table(), one.name()), one));
    }
    return Optional.ofNullable(chains.get(new ChainName(table, chain))).flatMap(Chain::hook);
  }

  /** A rule's text; empty if it is gone. */
  Optional<String> rule(TableId table, long handle) {
    return tables.computeIfAbsent(table, id -> RuleTexts.read(nftables, id)).of(handle);
  }
}
