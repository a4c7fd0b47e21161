package dev.sluice.ruleset;

import dev.sluice.model.Mapping;
import dev.sluice.model.Network;
import java.util.List;

/**
 * What one transaction does to the table. Withdrawals come first, so a change can replace a
 * mapping.
 *
 * @param networks networks to attach that are not attached yet
 * @param withdraw mappings to take out
 * @param publish mappings to put in
 */
public record Change(List<Network> networks, List<Mapping> withdraw, List<Mapping> publish) {
  public Change {
    networks = List.copyOf(networks);
    withdraw = List.copyOf(withdraw);
    publish = List.copyOf(publish);
  }

  public static Change publish(List<Network> networks, List<Mapping> mappings) {
    return new Change(networks, List.of(), mappings);
  }

  public static Change withdraw(List<Mapping> mappings) {
    return new Change(List.of(), mappings, List.of());
  }

  public static Change attach(List<Network> networks) {
    return new Change(networks, List.of(), List.of());
  }

  public boolean isEmpty() {
    return networks.isEmpty() && withdraw.isEmpty() && publish.isEmpty();
  }
}
