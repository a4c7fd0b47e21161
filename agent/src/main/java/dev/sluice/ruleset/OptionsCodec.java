package dev.sluice.ruleset;

import dev.sluice.model.Mapping;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.SourceRate;
import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.expr.Connlimit;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Verdict;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;

/**
 * The options of mappings as elements and back. A key in {@code guarded_*} sends a first packet
 * through the guard of its kind; only the options a mapping has cost elements beside that:
 *
 * <ul>
 *   <li>allowed sources: the key in {@code restricted_*}, and for each block {@code allow_any4 {
 *       tcp . 8080 . 10.0.0.0/8 }}
 *   <li>most connections: {@code limited_any4 { tcp . 8080 ct count over 100 }}
 *   <li>rate of a source: {@code rated_any4 { tcp . 8080 : jump rate_any4_20_second }}
 *   <li>SYN proxy: the key in {@code proxied_*}
 * </ul>
 */
final class OptionsCodec {
  private OptionsCodec() {}

  /** Set name to elements, none for a mapping without options. */
  static Map<String, List<SetElement>> elements(Mapping mapping) {
    MappingOptions options = mapping.options();
    if (options.isUnrestricted()) {
      return Map.of();
    }
    Map<String, List<SetElement>> bySet = new LinkedHashMap<>();
    Family family = mapping.family();
    String kind = SetNames.kind(mapping);
    for (SetElement element : MappingCodec.portKeys(mapping)) {
      Bytes key = element.key();
      append(
          bySet,
          SetNames.guarded(family, kind),
          element.to(Data.of(Verdict.jump(SetNames.guardChain(family, kind)))));
      if (!options.allowedSources().isEmpty()) {
        append(bySet, SetNames.restricted(family, kind), element);
        for (Prefix block : options.allowedSources()) {
          append(
              bySet,
              SetNames.allow(family, kind),
              SetElement.of(key.concat(address(block.first())))
                  .upTo(key.concat(address(block.last()))));
        }
      }
      options
          .maxConnections()
          .ifPresent(
              limit ->
                  append(
                      bySet, SetNames.limited(family, kind), element.with(Connlimit.over(limit))));
      options
          .sourceRate()
          .ifPresent(
              rate ->
                  append(
                      bySet,
                      SetNames.rated(family, kind),
                      element.to(Data.of(Verdict.jump(SetNames.rate(family, kind, rate))))));
      if (options.synProxy()) {
        append(bySet, SetNames.proxied(family, kind), element);
      }
    }
    return bySet;
  }

  private static void append(Map<String, List<SetElement>> bySet, String set, SetElement element) {
    bySet.computeIfAbsent(set, name -> new ArrayList<>()).add(element);
  }

  /**
   * Reads the options of every mapping that has some.
   *
   * @param elementsOf gives the elements of a set by its name
   * @return the options of a mapping, by the key of its first port
   */
  static Function<Mapping, MappingOptions> read(Function<String, List<SetElement>> elementsOf) {
    Map<Guarded, MappingOptions> found = new HashMap<>();
    for (Family family : Family.values()) {
      for (String kind : SetNames.KINDS) {
        // One dump tells that there is nothing more to read, which is the rule.
        if (!elementsOf.apply(SetNames.guarded(family, kind)).isEmpty()) {
          read(elementsOf, family, kind, found);
        }
      }
    }
    return mapping ->
        found.isEmpty()
            ? MappingOptions.NONE
            : found.getOrDefault(
                new Guarded(
                    mapping.family(),
                    SetNames.kind(mapping),
                    MappingCodec.key(mapping, mapping.hostPorts().first())),
                MappingOptions.NONE);
  }

  /** What a guard stands before. */
  private record Guarded(Family family, String kind, Bytes key) {}

  private static void read(
      Function<String, List<SetElement>> elementsOf,
      Family family,
      String kind,
      Map<Guarded, MappingOptions> found) {
    Map<Bytes, List<Prefix>> sources = new HashMap<>();
    for (SetElement element : elementsOf.apply(SetNames.allow(family, kind))) {
      int keyBytes = element.key().length() - family.bits() / Byte.SIZE;
      Bytes last = element.keyEnd() == null ? element.key() : element.keyEnd();
      Prefix.between(addressBehind(element.key(), keyBytes), addressBehind(last, keyBytes))
          .ifPresent(
              block ->
                  sources
                      .computeIfAbsent(element.key().slice(0, keyBytes), key -> new ArrayList<>())
                      .add(block));
    }
    sources.forEach(
        (key, blocks) ->
            found.merge(
                new Guarded(family, kind, key),
                MappingOptions.NONE.withAllowedSources(blocks),
                (before, now) -> before.withAllowedSources(blocks)));
    for (SetElement element : elementsOf.apply(SetNames.limited(family, kind))) {
      for (Expression expression : element.expressions()) {
        if (expression instanceof Connlimit limit) {
          OptionalInt count = OptionalInt.of(limit.count());
          found.merge(
              new Guarded(family, kind, element.key()),
              MappingOptions.NONE.withMaxConnections(count),
              (before, now) -> before.withMaxConnections(count));
        }
      }
    }
    for (SetElement element : elementsOf.apply(SetNames.rated(family, kind))) {
      rateOf(element, family, kind)
          .ifPresent(
              rate ->
                  found.merge(
                      new Guarded(family, kind, element.key()),
                      MappingOptions.NONE.withSourceRate(Optional.of(rate)),
                      (before, now) -> before.withSourceRate(Optional.of(rate))));
    }
    for (SetElement element : elementsOf.apply(SetNames.proxied(family, kind))) {
      found.merge(
          new Guarded(family, kind, element.key()),
          MappingOptions.NONE.withSynProxy(true),
          (before, now) -> before.withSynProxy(true));
    }
  }

  /** The rate an element of {@code rated_*} leads to. */
  static Optional<SourceRate> rateOf(SetElement element, Family family, String kind) {
    return element.data() instanceof Data.OfVerdict to && to.verdict().chain() != null
        ? SetNames.rateOf(to.verdict().chain(), family, kind)
        : Optional.empty();
  }

  private static IpAddress addressBehind(Bytes key, int at) {
    return IpAddress.fromBytes(key.slice(at, key.length() - at).toArray());
  }

  private static Bytes address(IpAddress address) {
    return Bytes.of(address.toBytes());
  }
}
