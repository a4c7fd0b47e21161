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
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.expr.Data;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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

    static Optional<RateChain> of(Mapping mapping) {
      return mapping
          .options()
          .sourceRate()
          .map(rate -> new RateChain(mapping.family(), SetNames.kind(mapping), rate));
    }

    static Set<RateChain> of(List<Mapping> mappings) {
      Set<RateChain> chains = new LinkedHashSet<>();
      mappings.forEach(mapping -> of(mapping).ifPresent(chains::add));
      return chains;
    }
  }

  /**
   * Writes the change.
   *
   * @param elementsOf reads a set's elements; asked only where a mapping with a rate, a SYN proxy
   *     or several containers is withdrawn, or one that the userland proxy serves, and once a set
   * @param counted the mappings whose traffic is noted already
   * @param spreads the names of the {@linkplain SpreadChain chains} that are there
   * @return the names of those that are there once the change is in force
   */
  Set<String> write(
      Change change,
      Function<String, List<SetElement>> elementsOf,
      Set<MappingId> counted,
      Set<String> spreads) {
    Map<String, List<SetElement>> read = new HashMap<>();
    Function<String, List<SetElement>> once = set -> read.computeIfAbsent(set, elementsOf);
    Map<String, List<SetElement>> bySet = new LinkedHashMap<>();
    Map<String, Set<SetElement>> staying = staying(change);
    for (Mapping mapping : change.withdraw()) {
      merge(bySet, MappingCodec.keys(mapping));
      without(staying, OptionsCodec.elements(mapping))
          .forEach(
              (set, elements) ->
                  merge(bySet, Map.of(set, elements.stream().map(ChangeWriter::keyOf).toList())));
    }
    List<Mapping> steered = change.withdraw().stream().filter(MappingCodec::isSteered).toList();
    merge(bySet, slotKeys(steered, once));
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
    dropUnusedRates(RateChain.of(published), change.withdraw(), once);
    Set<String> unused = unusedSpreads(published, steered, once);
    unused.forEach(chain -> batch.deleteChain(table, chain));
    if (published.stream().noneMatch(one -> one.options().synProxy())) {
      dropUnusedSynProxy(change.withdraw(), once);
    }
    Set<String> made =
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
            staying,
            spreads);
    if (unused.isEmpty() && made.isEmpty()) {
      return spreads;
    }
    Set<String> now = new HashSet<>(spreads);
    now.removeAll(unused);
    now.addAll(made);
    return now;
  }

  /**
   * The keys of the slots of these mappings, as they are in the table: where it has no owner,
   * somebody may have taken one away, and nothing at all would be deleted with it.
   */
  private static Map<String, List<SetElement>> slotKeys(
      List<Mapping> steered, Function<String, List<SetElement>> elementsOf) {
    Map<String, List<SetElement>> bySet = new LinkedHashMap<>();
    keysIn(mapping -> SetNames.slots(mapping.family(), SetNames.kind(mapping)), steered)
        .forEach(
            (set, ports) -> {
              List<SetElement> keys =
                  elementsOf.apply(set).stream()
                      .filter(slot -> ports.contains(SlotCodec.portKey(slot)))
                      .map(ChangeWriter::keyOf)
                      .toList();
              if (!keys.isEmpty()) {
                bySet.put(set, keys);
              }
            });
    return bySet;
  }

  /** The keys of the host ports of these mappings, by the set of each. */
  private static Map<String, Set<Bytes>> keysIn(
      Function<Mapping, String> setOf, List<Mapping> mappings) {
    Map<String, Set<Bytes>> bySet = new LinkedHashMap<>();
    for (Mapping mapping : mappings) {
      Set<Bytes> keys = bySet.computeIfAbsent(setOf.apply(mapping), set -> new HashSet<>());
      MappingCodec.portKeys(mapping).forEach(key -> keys.add(key.key()));
    }
    return bySet;
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
    writeContents(contents, Map.of(), Set.of());
  }

  /**
   * As above.
   *
   * @param spreads the names of the chains that are there and stay as they are
   * @return the names of those that were not there
   */
  private Set<String> writeContents(
      Contents contents, Map<String, Set<SetElement>> staying, Set<String> spreads) {
    List<PublishedMapping> mappings = contents.mappings();
    RateChain.of(mappings.stream().map(PublishedMapping::mapping).toList())
        .forEach(one -> skeleton.writeRate(batch, one.family(), one.kind(), one.rate()));
    Map<String, SpreadChain> wanted =
        spreads(mappings.stream().map(PublishedMapping::mapping).toList());
    wanted.keySet().removeAll(spreads);
    wanted.values().forEach(one -> skeleton.writeSpread(batch, one));
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
    return wanted.keySet();
  }

  /** Whose noted traffic is replaced, or no longer wanted. */
  private static Set<MappingId> outdated(Change change, Set<MappingId> counted) {
    Set<MappingId> outdated = new LinkedHashSet<>(change.gone());
    outdated.addAll(change.traffic().keySet());
    outdated.retainAll(counted);
    return outdated;
  }

  /** A rate nobody has any more takes its chain and its set along. */
  private void dropUnusedRates(
      Set<RateChain> wanted,
      List<Mapping> withdrawn,
      Function<String, List<SetElement>> elementsOf) {
    List<Mapping> leaving =
        withdrawn.stream()
            .filter(
                mapping -> RateChain.of(mapping).filter(one -> !wanted.contains(one)).isPresent())
            .toList();
    Set<String> unused =
        leftBehind(
            keysIn(mapping -> SetNames.rated(mapping.family(), SetNames.kind(mapping)), leaving),
            elementsOf);
    for (RateChain one : RateChain.of(leaving)) {
      if (unused.contains(one.name())) {
        batch.deleteChain(table, one.name()).deleteSet(table, one.name());
      }
    }
  }

  private static Map<String, SpreadChain> spreads(List<Mapping> mappings) {
    Map<String, SpreadChain> spreads = new LinkedHashMap<>();
    for (Mapping mapping : mappings) {
      if (!mapping.isRelayed() && !mapping.backends().isSingle()) {
        SpreadChain one = SpreadChain.of(mapping);
        spreads.put(one.name(), one);
      }
    }
    return spreads;
  }

  /** A way to pick a container that nobody has any more takes its chain along. */
  private static Set<String> unusedSpreads(
      List<Mapping> published,
      List<Mapping> withdrawn,
      Function<String, List<SetElement>> elementsOf) {
    Set<String> unused = leftBehind(keysIn(SetNames::of, withdrawn), elementsOf);
    unused.removeIf(chain -> !SpreadChain.isOne(chain));
    unused.removeAll(spreads(published).keySet());
    return unused;
  }

  /** The chains that elements of verdict maps lead to if they have these keys, and only those. */
  private static Set<String> leftBehind(
      Map<String, Set<Bytes>> leaving, Function<String, List<SetElement>> elementsOf) {
    Set<String> left = new LinkedHashSet<>();
    leaving.forEach(
        (map, keys) -> {
          Set<String> kept = new HashSet<>();
          for (SetElement element : elementsOf.apply(map)) {
            if (element.data() instanceof Data.OfVerdict to && to.verdict().chain() != null) {
              (keys.contains(element.key()) ? left : kept).add(to.verdict().chain());
            }
          }
          left.removeAll(kept);
        });
    return left;
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
      for (String kind : SetNames.KINDS) {
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
