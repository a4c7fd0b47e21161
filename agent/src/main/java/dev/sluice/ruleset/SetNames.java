package dev.sluice.ruleset;

import dev.sluice.model.Mapping;
import dev.sluice.net.Family;
import dev.sluice.net.Protocol;

/**
 * Names inside the table. A suffix 4 or 6 is the family; exact: one host address; any: every local
 * address.
 */
final class SetNames {
  static final String BRIDGES = "bridges";
  static final String INTRA = "intra";
  static final String INBOUND = "inbound";
  static final String OUTBOUND = "outbound";

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

  static char suffix(Family family) {
    return family == Family.IPV4 ? '4' : '6';
  }

  /** The map a mapping's elements go into. */
  static String of(Mapping mapping) {
    if (mapping.hostAddress().isPresent()) {
      return exact(mapping.family());
    }
    return isInterval(mapping)
        ? range(mapping.family(), mapping.protocol())
        : any(mapping.family());
  }

  /**
   * Whether the mapping is one interval: several ports, the same on both sides, every local
   * address, tcp or udp.
   */
  static boolean isInterval(Mapping mapping) {
    return mapping.hostAddress().isEmpty()
        && mapping.hostPorts().size() > 1
        && mapping.hostPorts().equals(mapping.targetPorts())
        && (mapping.protocol() == Protocol.TCP || mapping.protocol() == Protocol.UDP);
  }
}
