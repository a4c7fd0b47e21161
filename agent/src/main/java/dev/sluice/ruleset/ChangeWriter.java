package dev.sluice.ruleset;

import dev.sluice.model.Draining;
import dev.sluice.model.LinkedPort;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.NamesAt;
import dev.sluice.model.Network;
import dev.sluice.model.OpenPort;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxChange;
import dev.sluice.model.SourceRate;
import dev.sluice.model.Traffic;
import dev.sluice.net.Family;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Verdict;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** Writes a change as the operations of one transaction, whose number grows with the change. */
final class ChangeWriter {
  private final TableId table;
  private final Skeleton skeleton;
  private final Batch batch;

  ChangeWriter(TableId table, Batch batch) {
    this.table = table;
    this.skeleton = new Skeleton(table);
    this.batch = batch;
  }

  /** The chain and set of one distinct rate. */
  private record RateChain(Family family, String kind, SourceRate rate) {
    String name() {
      return SetNames.rate(family, kind, rate);
    }

    static Set<RateChain> of(List<Mapping> mappings) {
      Set<RateChain> chains = new LinkedHashSet<>();
      for (Mapping mapping : mappings) {
        mapping
            .options()
            .sourceRate()
            .ifPresent(
                rate -> chains.add(new RateChain(mapping.family(), SetNames.kind(mapping), rate)));
      }
      return chains;
    }
  }

  /**
   * Writes the change.
   *
   * @param elementsOf reads a set's elements; asked only where a mapping with a rate, a SYN proxy
   *     or several containers is withdrawn
   * @param counted the mappings whose traffic is noted already
   */
  void write(Change change, Function<String, List<SetElement>> elementsOf, Set<MappingId> counted) {
    Map<String, List<SetElement>> bySet = new LinkedHashMap<>();
    Map<String, Set<SetElement>> staying = staying(change);
    for (Mapping mapping : change.withdraw()) {
      merge(bySet, MappingCodec.keys(mapping));
      without(staying, OptionsCodec.elements(mapping))
          .forEach(
              (set, elements) ->
                  merge(bySet, Map.of(set, elements.stream().map(ChangeWriter::keyOf).toList())));
    }
    for (Draining drained : change.drain().ended()) {
      merge(bySet, Map.of(SetNames.DRAINING, List.of(DrainingCodec.key(drained))));
    }
    for (MappingId id : outdated(change, counted)) {
      merge(bySet, Map.of(SetNames.TRAFFIC, TrafficCodec.keys(id)));
    }
    for (Network network : change.detach()) {
      NetworkCodec.elements(network)
          .forEach(
              (set, elements) ->
                  merge(bySet, Map.of(set, elements.stream().map(ChangeWriter::keyOf).toList())));
    }
    NamesCodec.elements(change.names().close())
        .forEach(
            (set, elements) ->
                merge(bySet, Map.of(set, elements.stream().map(ChangeWriter::keyOf).toList())));
    merge(bySet, PortCodec.open(change.ports().close()));
    change
        .sandbox()
        .ifPresent(
            of -> {
              of.before()
                  .ifPresent(
                      one -> merge(bySet, Map.of(SetNames.SANDBOXES, SandboxCodec.keys(one))));
              merge(bySet, PortCodec.linked(of.closed()));
            });
    bySet.forEach((set, keys) -> batch.deleteElements(table, set, keys));

    List<Mapping> published = change.publish().stream().map(PublishedMapping::mapping).toList();
    Set<RateChain> wanted = RateChain.of(published);
    Set<RateChain> unused = RateChain.of(change.withdraw());
    unused.removeAll(wanted);
    dropUnused(unused, change.withdraw(), elementsOf);
    Set<SpreadChain> unusedSpreads = spreads(change.withdraw());
    unusedSpreads.removeAll(spreads(published));
    dropUnusedSpreads(unusedSpreads, change.withdraw(), elementsOf);
    if (published.stream().noneMatch(one -> one.options().synProxy())) {
      dropUnusedSynProxy(change.withdraw(), elementsOf);
    }
    writeContents(
        new Contents(
            change.attach(),
            change.publish(),
            change.drain().begun(),
            change.traffic(),
            change.sandbox().flatMap(SandboxChange::after).stream().toList(),
            change.sandbox().map(SandboxChange::opened).orElse(Set.of()),
            change.ports().open(),
            change.names().open(),
            false),
        staying);
  }

  /**
   * The elements of options that are the same before and after the change. They are left alone: one
   * that is made anew has no connections to count against its limit yet.
   */
  private static Map<String, Set<SetElement>> staying(Change change) {
    Map<String, Set<SetElement>> before = new HashMap<>();
    for (Mapping mapping : change.withdraw()) {
      OptionsCodec.elements(mapping)
          .forEach(
              (set, elements) ->
                  before.computeIfAbsent(set, name -> new HashSet<>()).addAll(elements));
    }
    Map<String, Set<SetElement>> staying = new HashMap<>();
    if (before.isEmpty()) {
      return staying;
    }
    for (PublishedMapping published : change.publish()) {
      OptionsCodec.elements(published.mapping())
          .forEach(
              (set, elements) ->
                  elements.stream()
                      .filter(before.getOrDefault(set, Set.of())::contains)
                      .forEach(staying.computeIfAbsent(set, name -> new HashSet<>())::add));
    }
    return staying;
  }

  private static Map<String, List<SetElement>> without(
      Map<String, Set<SetElement>> staying, Map<String, List<SetElement>> bySet) {
    Map<String, List<SetElement>> rest = new LinkedHashMap<>();
    bySet.forEach(
        (set, elements) -> {
          Set<SetElement> same = staying.getOrDefault(set, Set.of());
          List<SetElement> others = elements.stream().filter(one -> !same.contains(one)).toList();
          if (!others.isEmpty()) {
            rest.put(set, others);
          }
        });
    return rest;
  }

  /** What can be put into a table. */
  record Contents(
      List<Network> networks,
      List<PublishedMapping> mappings,
      List<Draining> draining,
      Map<MappingId, Traffic> traffic,
      List<Sandbox> sandboxes,
      Set<LinkedPort> linked,
      Set<OpenPort> open,
      Set<NamesAt> names,
      boolean loopbackByProxy) {}

  /** Puts these into a table that has room for them. */
  void writeContents(Contents contents) {
    writeContents(contents, Map.of());
  }

  private void writeContents(Contents contents, Map<String, Set<SetElement>> staying) {
    List<PublishedMapping> mappings = contents.mappings();
    RateChain.of(mappings.stream().map(PublishedMapping::mapping).toList())
        .forEach(one -> skeleton.writeRate(batch, one.family(), one.kind(), one.rate()));
    spreads(mappings.stream().map(PublishedMapping::mapping).toList())
        .forEach(one -> skeleton.writeSpread(batch, one));
    if (mappings.stream().anyMatch(one -> one.mapping().options().synProxy())) {
      skeleton.writeSynProxy(batch);
    }
    Map<String, List<SetElement>> bySet = new LinkedHashMap<>();
    contents.networks().forEach(network -> merge(bySet, NetworkCodec.elements(network)));
    merge(bySet, PortCodec.open(contents.open()));
    merge(bySet, PortCodec.linked(contents.linked()));
    // "add": a network that is attached already, or a port that several mappings open, is the same
    // elements again.
    bySet.forEach((set, elements) -> batch.addElements(table, set, elements));
    if (contents.loopbackByProxy()) {
      batch.addElements(table, SetNames.LOOPBACK6, Skeleton.loopbackElements());
    }
    bySet.clear();
    merge(bySet, NamesCodec.elements(contents.names()));
    for (PublishedMapping one : mappings) {
      Mapping mapping = one.mapping();
      merge(bySet, MappingCodec.elements(one));
      merge(bySet, without(staying, OptionsCodec.elements(mapping)));
    }
    contents
        .draining()
        .forEach(
            one -> merge(bySet, Map.of(SetNames.DRAINING, List.of(DrainingCodec.element(one)))));
    merge(bySet, Map.of(SetNames.TRAFFIC, TrafficCodec.elements(contents.traffic())));
    contents
        .sandboxes()
        .forEach(one -> merge(bySet, Map.of(SetNames.SANDBOXES, SandboxCodec.elements(one))));
    bySet.forEach((set, elements) -> batch.createElements(table, set, elements));
  }

  /** Whose noted traffic is replaced, or no longer wanted. */
  private static Set<MappingId> outdated(Change change, Set<MappingId> counted) {
    Set<MappingId> outdated = new LinkedHashSet<>(change.gone());
    outdated.addAll(change.traffic().keySet());
    outdated.retainAll(counted);
    return outdated;
  }

  /** A rate nobody has any more takes its chain and its set along. */
  private void dropUnused(
      Set<RateChain> candidates,
      List<Mapping> withdrawn,
      Function<String, List<SetElement>> elementsOf) {
    for (RateChain one : candidates) {
      long users =
          elementsOf.apply(SetNames.rated(one.family(), one.kind())).stream()
              .filter(
                  element ->
                      OptionsCodec.rateOf(element, one.family(), one.kind())
                          .filter(one.rate()::equals)
                          .isPresent())
              .count();
      long leaving =
          withdrawn.stream()
              .filter(mapping -> RateChain.of(List.of(mapping)).contains(one))
              .mapToLong(mapping -> mapping.hostPorts().size())
              .sum();
      if (users == leaving) {
        batch.deleteChain(table, one.name()).deleteSet(table, one.name());
      }
    }
  }

  private static Set<SpreadChain> spreads(List<Mapping> mappings) {
    Set<SpreadChain> spreads = new LinkedHashSet<>();
    for (Mapping mapping : mappings) {
      if (!mapping.isRelayed() && !mapping.backends().isSingle()) {
        spreads.add(SpreadChain.of(mapping));
      }
    }
    return spreads;
  }

  /** A way to pick a container that nobody has any more takes its chain along. */
  private void dropUnusedSpreads(
      Set<SpreadChain> candidates,
      List<Mapping> withdrawn,
      Function<String, List<SetElement>> elementsOf) {
    for (SpreadChain one : candidates) {
      Data goesThere = Data.of(Verdict.goTo(one.name()));
      long users =
          elementsOf.apply(SetNames.steered(one.family(), one.kind())).stream()
              .filter(element -> goesThere.equals(element.data()))
              .count();
      long leaving =
          withdrawn.stream()
              .filter(mapping -> spreads(List.of(mapping)).contains(one))
              .mapToLong(mapping -> mapping.hostPorts().size())
              .sum();
      if (users == leaving) {
        batch.deleteChain(table, one.name());
      }
    }
  }

  /** The last proxied port takes the chains along that packets pass. */
  private void dropUnusedSynProxy(
      List<Mapping> withdrawn, Function<String, List<SetElement>> elementsOf) {
    long leaving =
        withdrawn.stream()
            .filter(mapping -> mapping.options().synProxy())
            .mapToLong(mapping -> mapping.hostPorts().size())
            .sum();
    if (leaving == 0) {
      return;
    }
    long proxied = 0;
    for (Family family : Family.values()) {
      for (String kind : OptionsCodec.KINDS) {
        proxied += elementsOf.apply(SetNames.proxied(family, kind)).size();
      }
    }
    if (proxied == leaving) {
      skeleton.endSynProxy(batch);
    }
  }

  private static SetElement keyOf(SetElement element) {
    if (element.isIntervalEnd()) {
      return element;
    }
    SetElement key = SetElement.of(element.key());
    return element.keyEnd() == null ? key : key.upTo(element.keyEnd());
  }

  private static void merge(
      Map<String, List<SetElement>> into, Map<String, List<SetElement>> from) {
    from.forEach(
        (set, elements) -> into.computeIfAbsent(set, name -> new ArrayList<>()).addAll(elements));
  }
}
