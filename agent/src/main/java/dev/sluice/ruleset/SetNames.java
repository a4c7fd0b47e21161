package dev.sluice.ruleset;

import dev.sluice.model.Mapping;
import dev.sluice.model.SourceRate;
import dev.sluice.net.Family;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Protocol;
import java.util.List;
import java.util.Optional;

/**
 * Names inside the table. A suffix 4 or 6 is the family; exact: one host address; any: every local
 * address.
 */
final class SetNames {
  static final String BRIDGES = "bridges";
  static final String INTRA = "intra";
  static final String INBOUND = "inbound";
  static final String DRAINING = "draining";
  static final String TRAFFIC = "traffic";
  static final String OUTBOUND = "outbound";
  static final String SANDBOXES = "sandboxes";

  /** Whether {@code ::1} is the userland proxy's. */
  static final String LOOPBACK6 = "loopback6";

  /** What {@link #kind} can be. */
  static final List<String> KINDS = List.of("exact", "any");

  private SetNames() {}

  static String exact(Family family) {
    return "exact" + suffix(family);
  }

  static String any(Family family) {
    return "any" + suffix(family);
  }

  static String range(Family family, Protocol protocol) {
    return "range" + suffix(family) + "_" + protocol;
  }

  static String home(Family family) {
    return "home" + suffix(family);
  }

  static String egress(Family family) {
    return "egress" + suffix(family);
  }

  static String source(Family family) {
    return "source" + suffix(family);
  }

  static String open(Family family) {
    return "open" + suffix(family);
  }

  static String linked(Family family) {
    return "linked" + suffix(family);
  }

  static char suffix(Family family) {
    return family == Family.IPV4 ? '4' : '6';
  }

  static String steered(Family family, String kind) {
    return "steered_" + kind + suffix(family);
  }

  static String slots(Family family, String kind) {
    return "slots_" + kind + suffix(family);
  }

  static String guarded(Family family, String kind) {
    return "guarded_" + kind + suffix(family);
  }

  static String restricted(Family family, String kind) {
    return "restricted_" + kind + suffix(family);
  }

  static String allow(Family family, String kind) {
    return "allow_" + kind + suffix(family);
  }

  static String limited(Family family, String kind) {
    return "limited_" + kind + suffix(family);
  }

  static String rated(Family family, String kind) {
    return "rated_" + kind + suffix(family);
  }

  static String proxied(Family family, String kind) {
    return "proxied_" + kind + suffix(family);
  }

  static String guardChain(Family family, String kind) {
    return "guard_" + kind + suffix(family);
  }

  /** The chain of a rate, and the set of the sources it has seen. */
  static String rate(Family family, String kind, SourceRate rate) {
    return ratePrefix(family, kind) + rate.connections() + "_" + rate.per();
  }

  /** The rate a chain is for; empty for any other chain. */
  static Optional<SourceRate> rateOf(String chain, Family family, String kind) {
    String prefix = ratePrefix(family, kind);
    if (!chain.startsWith(prefix)) {
      return Optional.empty();
    }
    try {
      return Optional.of(SourceRate.parse(chain.substring(prefix.length()).replace('_', '/')));
    } catch (MalformedValueException e) {
      return Optional.empty(); // somebody else's chain, where the table has no owner
    }
  }

  private static String ratePrefix(Family family, String kind) {
    return "rate_" + kind + suffix(family) + "_";
  }

  /** In the names of sets: one host address, or every one. */
  static String kind(Mapping mapping) {
    return mapping.hostAddress().isPresent() ? "exact" : "any";
  }

  /** The map the elements go into that hold the mapping's metadata. */
  static String of(Mapping mapping) {
    if (MappingCodec.isSteered(mapping)) {
      return steered(mapping.family(), kind(mapping));
    }
    return switch (mapping.precedence()) {
      case EXACT -> exact(mapping.family());
      case ANY -> any(mapping.family());
      case RANGE -> range(mapping.family(), mapping.protocol());
    };
  }
}
