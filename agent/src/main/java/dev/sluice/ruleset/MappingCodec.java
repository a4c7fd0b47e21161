package dev.sluice.ruleset;

import dev.sluice.model.Backends;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Precedence;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.Key;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Verdict;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Mappings as elements and back.
 *
 * <ul>
 *   <li>one host address: {@code exact4 { 198.18.0.1 . tcp . 8080 : 172.30.0.2 . 80 }}
 *   <li>every local address: {@code any4 { tcp . 8080 : 172.30.0.2 . 80 }}
 *   <li>a range whose ports stay what they are: {@code range4_tcp { 7000-7009 : 172.30.0.2 }}, one
 *       interval
 *   <li>any other range: one element a port, all with the same id
 *   <li>several containers: {@code steered_any4 { tcp . 8080 : jump spread_turn_3_17_any4 }}, with
 *       the containers in {@link SlotCodec slots}
 *   <li>one that the userland proxy serves: {@code steered_any6 { tcp . 8080 : accept }}
 * </ul>
 */
final class MappingCodec {
  private MappingCodec() {}

  /** The elements to create, by the name of their map. */
  static Map<String, List<SetElement>> elements(Mapping mapping) {
    return elements(new PublishedMapping(mapping, MappingCounters.ZERO));
  }

  /** As {@link #elements(Mapping)}, with counters that go on where others ended. */
  static Map<String, List<SetElement>> elements(PublishedMapping published) {
    Mapping mapping = published.mapping();
    long connections = published.counters().connections();
    Bytes metadata = MappingMetadata.of(mapping).encode();
    if (isSteered(mapping)) {
      return steered(published, metadata);
    }
    if (mapping.precedence() == Precedence.RANGE) {
      Bytes target = Key.of().address(mapping.targetAddress()).bytes();
      return Map.of(
          SetNames.of(mapping),
          interval(
              mapping.hostPorts(),
              SetElement.of(port(mapping.hostPorts().first()))
                  .to(target)
                  .withUserdata(metadata)
                  .with(counter(connections))));
    }
    List<SetElement> elements = new ArrayList<>(mapping.hostPorts().size());
    for (int i = 0; i < mapping.hostPorts().size(); i++) {
      Bytes target =
          Key.of().address(mapping.targetAddress()).u16(mapping.targetPorts().first() + i).bytes();
      elements.add(
          SetElement.of(key(mapping, mapping.hostPorts().first() + i))
              .to(target)
              .withUserdata(metadata)
              // Where a range is several elements, the first carries the past of all.
              .with(counter(i == 0 ? connections : 0)));
    }
    return Map.of(SetNames.of(mapping), elements);
  }

  /** Whether what its key leads to is a verdict, and the containers are elsewhere. */
  static boolean isSteered(Mapping mapping) {
    return mapping.isRelayed() || !mapping.backends().isSingle();
  }

  private static Map<String, List<SetElement>> steered(PublishedMapping published, Bytes metadata) {
    Mapping mapping = published.mapping();
    MappingCounters counters = published.counters();
    Data verdict =
        Data.of(
            mapping.isRelayed() ? Verdict.ACCEPT : Verdict.jump(SpreadChain.of(mapping).name()));
    List<SetElement> heads = new ArrayList<>(mapping.hostPorts().size());
    List<SetElement> slots = new ArrayList<>();
    for (int i = 0; i < mapping.hostPorts().size(); i++) {
      Bytes key = key(mapping, mapping.hostPorts().first() + i);
      heads.add(
          SetElement.of(key)
              .to(verdict)
              .withUserdata(metadata)
              .with(counter(i == 0 ? counters.connections() : 0)));
      slots.addAll(
          SlotCodec.elements(
              mapping,
              key,
              mapping.targetPorts().first() + i,
              i == 0 ? counters.byBackend() : Map.of()));
    }
    return Map.of(
        SetNames.of(mapping),
        heads,
        SetNames.slots(mapping.family(), SetNames.kind(mapping)),
        slots);
  }

  /** Nothing at zero: the map gives each element a counter of its own. */
  private static Expression[] counter(long connections) {
    return connections == 0 ? new Expression[0] : new Expression[] {new Counter(connections, 0)};
  }

  /**
   * The elements' keys, for deleting them, by the name of their map; without {@link SlotCodec
   * slots}.
   */
  static Map<String, List<SetElement>> keys(Mapping mapping) {
    if (mapping.precedence() == Precedence.RANGE) {
      return Map.of(
          SetNames.of(mapping),
          interval(mapping.hostPorts(), SetElement.of(port(mapping.hostPorts().first()))));
    }
    return Map.of(SetNames.of(mapping), portKeys(mapping));
  }

  /** One key for each host port. */
  static List<SetElement> portKeys(Mapping mapping) {
    List<SetElement> keys = new ArrayList<>(mapping.hostPorts().size());
    for (int i = 0; i < mapping.hostPorts().size(); i++) {
      keys.add(SetElement.of(key(mapping, mapping.hostPorts().first() + i)));
    }
    return keys;
  }

  /** The key of one host port in exact4, exact6, any4 or any6. */
  static Bytes key(Mapping mapping, int port) {
    Key key = Key.of();
    mapping.hostAddress().ifPresent(key::address);
    return key.u8(mapping.protocol().number()).u16(port).bytes();
  }

  private static Bytes port(int port) {
    return Key.of().u16(port).bytes();
  }

  private static List<SetElement> interval(PortRange ports, SetElement start) {
    // An interval that reaches the highest port has no key behind it.
    return ports.last() == 0xffff
        ? List.of(start)
        : List.of(start, SetElement.intervalEnd(port(ports.last() + 1)));
  }

  /** One port, or one interval, as it was read from a map. */
  record Published(
      MappingMetadata metadata,
      Protocol protocol,
      Family family,
      Optional<IpAddress> hostAddress,
      PortRange hostPorts,
      Backends backends,
      PortRange targetPorts,
      long connections,
      Map<IpAddress, Long> byBackend) {}

  /** Reads an element of exact4, exact6, any4 or any6; empty if it is not one of ours. */
  static Optional<Published> read(SetElement element, Family family, boolean exact) {
    Optional<MappingMetadata> metadata = MappingMetadata.decode(element.userdata());
    if (metadata.isEmpty() || !(element.data() instanceof Data.Value target)) {
      return Optional.empty();
    }
    int addressBytes = family.bits() / Byte.SIZE;
    int targetPort = target.bytes().u16be(addressBytes);
    IpAddress address = IpAddress.fromBytes(target.bytes().slice(0, addressBytes).toArray());
    return read(
        element,
        family,
        exact,
        metadata.get(),
        new SlotCodec.Port(metadata.get().only(address), PortRange.of(targetPort), Map.of()));
  }

  /**
   * Reads an element of steered_*.
   *
   * @param slots those of its port
   * @return empty if it is not one of ours, or not whole
   */
  static Optional<Published> readSteered(
      SetElement element, Family family, boolean exact, List<SetElement> slots) {
    return MappingMetadata.decode(element.userdata())
        .flatMap(
            metadata ->
                SlotCodec.read(slots, family, metadata)
                    // One container of this family is where no mapping of one has it.
                    .filter(
                        port -> !port.backends().isSingle() || port.backends().family() != family)
                    .flatMap(port -> read(element, family, exact, metadata, port)));
  }

  private static Optional<Published> read(
      SetElement element,
      Family family,
      boolean exact,
      MappingMetadata metadata,
      SlotCodec.Port target) {
    int addressBytes = family.bits() / Byte.SIZE;
    int at = exact ? addressBytes : 0;
    Optional<IpAddress> hostAddress =
        exact
            ? Optional.of(IpAddress.fromBytes(element.key().slice(0, addressBytes).toArray()))
            : Optional.empty();
    int hostPort = element.key().u16be(at + 4);
    return Protocol.ofNumber(element.key().u8(at))
        .map(
            known ->
                new Published(
                    metadata,
                    known,
                    family,
                    hostAddress,
                    PortRange.of(hostPort),
                    target.backends(),
                    target.targetPort(),
                    connections(element),
                    target.connections()));
  }

  /**
   * Reads the elements of one of the range maps: starts with data, and the keys behind the
   * intervals.
   */
  static List<Published> readIntervals(
      List<SetElement> elements, Family family, Protocol protocol) {
    List<SetElement> sorted = new ArrayList<>(elements);
    // Where one interval ends as the next begins, the end sorts first.
    sorted.sort(
        Comparator.comparingInt((SetElement e) -> e.key().u16be(0))
            .thenComparing(e -> !e.isIntervalEnd()));
    List<Published> found = new ArrayList<>();
    for (int i = 0; i < sorted.size(); i++) {
      SetElement start = sorted.get(i);
      Optional<MappingMetadata> metadata = MappingMetadata.decode(start.userdata());
      if (start.isIntervalEnd()
          || metadata.isEmpty()
          || !(start.data() instanceof Data.Value target)) {
        continue;
      }
      int last = i + 1 < sorted.size() ? sorted.get(i + 1).key().u16be(0) - 1 : 0xffff;
      PortRange ports = new PortRange(start.key().u16be(0), last);
      found.add(
          new Published(
              metadata.get(),
              protocol,
              family,
              Optional.empty(),
              ports,
              metadata.get().only(IpAddress.fromBytes(target.bytes().toArray())),
              ports,
              connections(start),
              Map.of()));
    }
    return found;
  }

  /**
   * Joins the elements of each mapping: those with the same id, each a port further than the one
   * before.
   *
   * @param options gives those of a mapping that was joined without
   * @param odd gets the id of each mapping whose elements somebody has changed so that there can be
   *     no such mapping; it is left out
   */
  static List<PublishedMapping> join(
      List<Published> elements,
      Function<Mapping, MappingOptions> options,
      Consumer<MappingId> odd) {
    Map<Long, List<Published>> byId = new LinkedHashMap<>();
    for (Published element : elements) {
      byId.computeIfAbsent(element.metadata().id().bits(), id -> new ArrayList<>(1)).add(element);
    }
    List<PublishedMapping> mappings = new ArrayList<>(byId.size());
    for (List<Published> parts : byId.values()) {
      try {
        mappings.add(join(parts, options));
      } catch (IllegalArgumentException e) {
        // Ports out of order, as many as no mapping has, other containers: somebody else's work.
        odd.accept(parts.get(0).metadata().id());
      }
    }
    return mappings;
  }

  private static PublishedMapping join(
      List<Published> parts, Function<Mapping, MappingOptions> options) {
    parts.sort(Comparator.comparingInt(part -> part.hostPorts().first()));
    Published first = parts.get(0);
    Published last = parts.get(parts.size() - 1);
    long connections = parts.stream().mapToLong(Published::connections).sum();
    Map<IpAddress, Long> byBackend = new HashMap<>();
    parts.forEach(
        part -> part.byBackend().forEach((address, n) -> byBackend.merge(address, n, Long::sum)));
    Mapping mapping =
        new Mapping(
            first.metadata().id(),
            first.metadata().name(),
            first.metadata().owner(),
            first.protocol(),
            first.family(),
            first.hostAddress(),
            new PortRange(first.hostPorts().first(), last.hostPorts().last()),
            first.backends(),
            new PortRange(first.targetPorts().first(), last.targetPorts().last()),
            first.metadata().createdAt(),
            MappingOptions.NONE);
    return new PublishedMapping(
        mapping.withOptions(
            options.apply(mapping).withProxyProtocolPort(first.metadata().proxyProtocolPort())),
        new MappingCounters(connections, mapping.backends().isSingle() ? Map.of() : byBackend));
  }

  private static long connections(SetElement element) {
    // The nat hook sees the first packet of a connection only, so packets are connections here.
    return element.counter().map(Counter::packets).orElse(0L);
  }
}
