package dev.sluice.nftables.text;

import dev.sluice.nftables.Chain;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.Rule;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A table with everything in it, except named objects (counters, quotas …) and flowtables.
 *
 * @param table the table itself
 * @param sets its sets and maps, the anonymous ones included, in the order in which they were made
 * @param elements the elements of each, by its name
 * @param chains in the order in which they were made
 * @param rules those of a chain in the order in which they are evaluated
 */
public record TableListing(
    Table table,
    List<ElementSet> sets,
    Map<String, List<SetElement>> elements,
    List<Chain> chains,
    List<Rule> rules) {

  public TableListing {
    sets = List.copyOf(sets);
    elements = Map.copyOf(elements);
    chains = List.copyOf(chains);
    rules = List.copyOf(rules);
  }

  /**
   * Reads a table in several dumps. Where others may change it meanwhile, this belongs inside
   * {@link Nftables#consistently}.
   *
   * @return empty if there is no such table
   * @throws dev.sluice.netlink.NetlinkException if the kernel refuses
   */
  public static Optional<TableListing> read(Nftables nftables, TableId id) {
    Optional<Table> table = nftables.table(id);
    if (table.isEmpty()) {
      return Optional.empty();
    }
    List<ElementSet> sets = nftables.sets(id);
    Map<String, List<SetElement>> elements = new LinkedHashMap<>();
    sets.forEach(set -> elements.put(set.name(), nftables.elements(id, set.name())));
    return Optional.of(
        new TableListing(table.get(), sets, elements, nftables.chains(id), nftables.rules(id)));
  }
}
