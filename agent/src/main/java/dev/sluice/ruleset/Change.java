package dev.sluice.ruleset;

import dev.sluice.model.Draining;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.NamesAt;
import dev.sluice.model.Network;
import dev.sluice.model.OpenPort;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.SandboxChange;
import dev.sluice.model.Traffic;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What one transaction does to the table. Withdrawals come first, so a change can replace a
 * mapping.
 *
 * @param attach networks to put in that are not in it yet
 * @param detach networks to take out
 * @param withdraw mappings to take out
 * @param publish mappings to put in, with what their counters begin at
 * @param names what becomes of where names are answered
 * @param ports what becomes of the ports of routed networks
 * @param drain what becomes of withdrawn mappings whose connections live on
 * @param traffic what mappings have carried, to be kept for the next agent; {@link Traffic#NONE} to
 *     keep it no longer
 * @param sandbox what becomes of a sandbox
 */
public record Change(
    List<Network> attach,
    List<Network> detach,
    List<Mapping> withdraw,
    List<PublishedMapping> publish,
    Names names,
    Ports ports,
    Drain drain,
    Map<MappingId, Traffic> traffic,
    Optional<SandboxChange> sandbox) {

  /** Nothing. */
  public static final Change NONE = of(List.of(), List.of(), List.of(), List.of(), Map.of());

  private static Change of(
      List<Network> attach,
      List<Network> detach,
      List<Mapping> withdraw,
      List<PublishedMapping> publish,
      Map<MappingId, Traffic> traffic) {
    return new Change(
        attach,
        detach,
        withdraw,
        publish,
        Names.NONE,
        Ports.NONE,
        Drain.NONE,
        traffic,
        Optional.empty());
  }

  /**
   * Where questions for names are led to.
   *
   * @param close where nobody answers any more
   * @param open where somebody answers from now on
   */
  public record Names(Set<NamesAt> close, Set<NamesAt> open) {
    public static final Names NONE = new Names(Set.of(), Set.of());

    public Names {
      close = Set.copyOf(close);
      open = Set.copyOf(open);
    }
  }

  /**
   * Ports of containers on routed networks, which are reached without translation.
   *
   * @param close those that nobody may connect to any more
   * @param open those that everybody may connect to from now on, or already
   */
  public record Ports(Set<OpenPort> close, Set<OpenPort> open) {
    public static final Ports NONE = new Ports(Set.of(), Set.of());

    public Ports {
      close = Set.copyOf(close);
      open = Set.copyOf(open);
    }
  }

  /**
   * Mappings whose connections live on for some time.
   *
   * @param begun withdrawn mappings whose connections are to be cut later
   * @param ended those for which that has been done
   */
  public record Drain(List<Draining> begun, List<Draining> ended) {
    public static final Drain NONE = new Drain(List.of(), List.of());

    public Drain {
      begun = List.copyOf(begun);
      ended = List.copyOf(ended);
    }
  }

  public Change {
    attach = List.copyOf(attach);
    detach = List.copyOf(detach);
    withdraw = List.copyOf(withdraw);
    publish = List.copyOf(publish);
    traffic = Map.copyOf(traffic);
  }

  public static Change publish(List<Network> networks, List<Mapping> mappings) {
    return replace(networks, List.of(), startingAtZero(mappings));
  }

  public static Change withdraw(List<Mapping> mappings) {
    return replace(List.of(), mappings, List.of());
  }

  /** Takes mappings back and notes that their connections are to be cut later. */
  public static Change withdraw(List<Mapping> mappings, List<Draining> drain) {
    return withdraw(mappings).with(new Drain(drain, List.of()));
  }

  public static Change drained(List<Draining> drained) {
    return NONE.with(new Drain(List.of(), drained));
  }

  public static Change traffic(Map<MappingId, Traffic> traffic) {
    return of(List.of(), List.of(), List.of(), List.of(), traffic);
  }

  public static Change attach(List<Network> networks) {
    return replace(networks, List.of(), List.of());
  }

  public static Change detach(Network network) {
    return of(List.of(), List.of(network), List.of(), List.of(), Map.of());
  }

  /** Follows a bridge that has got another name. */
  public static Change rename(Network before, Network now) {
    return of(List.of(now), List.of(before), List.of(), List.of(), Map.of());
  }

  /** Takes out and puts in at once: no packet sees anything in between. */
  public static Change replace(
      List<Network> networks, List<Mapping> before, List<PublishedMapping> now) {
    return of(networks, List.of(), before, now, Map.of());
  }

  public Change with(Names changed) {
    return new Change(attach, detach, withdraw, publish, changed, ports, drain, traffic, sandbox);
  }

  public Change with(Ports changed) {
    return new Change(attach, detach, withdraw, publish, names, changed, drain, traffic, sandbox);
  }

  public Change with(Drain changed) {
    return new Change(attach, detach, withdraw, publish, names, ports, changed, traffic, sandbox);
  }

  public Change with(SandboxChange changed) {
    return new Change(
        attach, detach, withdraw, publish, names, ports, drain, traffic, Optional.of(changed));
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
    return equals(NONE);
  }

  /** What it does, as it reads behind "cannot". */
  @Override
  public String toString() {
    if (sandbox.isPresent()) {
      return (sandbox.get().after().isPresent() ? "note the sandbox " : "forget the sandbox ")
          + sandbox.get().name();
    }
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
    if (!detach.isEmpty()) {
      return "detach " + detach.size() + " networks";
    }
    return attach.isEmpty()
        ? "note " + Math.max(drain.begun().size(), drain.ended().size()) + " drained mappings"
        : "attach " + attach.size() + " networks";
  }
}
