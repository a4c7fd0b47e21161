package dev.sluice.ruleset;

import dev.sluice.model.Draining;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.Network;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Traffic;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What one transaction does to the table. Withdrawals come first, so a change can replace a
 * mapping.
 *
 * @param networks networks to attach that are not attached yet
 * @param withdraw mappings to take out
 * @param publish mappings to put in, with what their counters begin at
 * @param drain withdrawn mappings whose connections are to be cut later
 * @param drained those for which that has been done
 * @param traffic what mappings have carried, to be kept for the next agent; {@link Traffic#NONE} to
 *     keep it no longer
 */
public record Change(
    List<Network> networks,
    List<Mapping> withdraw,
    List<PublishedMapping> publish,
    List<Draining> drain,
    List<Draining> drained,
    Map<MappingId, Traffic> traffic) {
  public Change {
    networks = List.copyOf(networks);
    withdraw = List.copyOf(withdraw);
    publish = List.copyOf(publish);
    drain = List.copyOf(drain);
    drained = List.copyOf(drained);
    traffic = Map.copyOf(traffic);
  }

  public static Change publish(List<Network> networks, List<Mapping> mappings) {
    return replace(networks, List.of(), startingAtZero(mappings));
  }

  public static Change withdraw(List<Mapping> mappings) {
    return withdraw(mappings, List.of());
  }

  /** Takes mappings back and notes that their connections are to be cut later. */
  public static Change withdraw(List<Mapping> mappings, List<Draining> drain) {
    return new Change(List.of(), mappings, List.of(), drain, List.of(), Map.of());
  }

  public static Change drained(List<Draining> drained) {
    return new Change(List.of(), List.of(), List.of(), List.of(), drained, Map.of());
  }

  public static Change traffic(Map<MappingId, Traffic> traffic) {
    return new Change(List.of(), List.of(), List.of(), List.of(), List.of(), traffic);
  }

  public static Change attach(List<Network> networks) {
    return new Change(networks, List.of(), List.of(), List.of(), List.of(), Map.of());
  }

  /** Takes out and puts in at once: no packet sees anything in between. */
  public static Change replace(
      List<Network> networks, List<Mapping> before, List<PublishedMapping> now) {
    return new Change(networks, before, now, List.of(), List.of(), Map.of());
  }

  /** These, published anew. */
  public static List<PublishedMapping> startingAtZero(List<Mapping> mappings) {
    return mappings.stream()
        .map(mapping -> new PublishedMapping(mapping, MappingCounters.ZERO))
        .toList();
  }

  /** The mappings that are taken out and not put in again in another form. */
  Set<MappingId> gone() {
    Set<MappingId> gone = new LinkedHashSet<>();
    withdraw.forEach(mapping -> gone.add(mapping.id()));
    publish.forEach(again -> gone.remove(again.mapping().id()));
    return gone;
  }

  public boolean isEmpty() {
    return networks.isEmpty()
        && withdraw.isEmpty()
        && publish.isEmpty()
        && drain.isEmpty()
        && drained.isEmpty()
        && traffic.isEmpty();
  }

  /** What it does, as it reads behind "cannot". */
  @Override
  public String toString() {
    if (!publish.isEmpty()) {
      String what =
          publish.size() == 1
              ? publish.get(0).mapping().key().toString()
              : publish.size() + " mappings";
      return (withdraw.isEmpty() ? "publish " : "change ") + what;
    }
    if (!withdraw.isEmpty()) {
      return "withdraw "
          + (withdraw.size() == 1
              ? withdraw.get(0).key().toString()
              : withdraw.size() + " mappings");
    }
    if (!traffic.isEmpty()) {
      return "note what " + traffic.size() + " mappings have carried";
    }
    return networks.isEmpty()
        ? "note " + Math.max(drain.size(), drained.size()) + " drained mappings"
        : "attach " + networks.size() + " networks";
  }
}
