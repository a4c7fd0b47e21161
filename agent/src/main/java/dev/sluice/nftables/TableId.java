package dev.sluice.nftables;

import dev.sluice.nftables.uapi.LinuxNfTables;

/**
 * Names a table.
 *
 * @param family NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_ARP, NFPROTO_BRIDGE or
 *     NFPROTO_NETDEV
 * @param name up to 255 bytes
 */
public record TableId(int family, String name) {
  /** A table for IPv4 and IPv6 together. */
  public static TableId inet(String name) {
    return new TableId(LinuxNfTables.NFPROTO_INET, name);
  }

  /** As nft writes it: {@code inet sluice}. */
  @Override
  public String toString() {
    String familyName =
        switch (family) {
          case LinuxNfTables.NFPROTO_INET -> "inet";
          case LinuxNfTables.NFPROTO_IPV4 -> "ip";
          case LinuxNfTables.NFPROTO_IPV6 -> "ip6";
          case LinuxNfTables.NFPROTO_ARP -> "arp";
          case LinuxNfTables.NFPROTO_BRIDGE -> "bridge";
          case LinuxNfTables.NFPROTO_NETDEV -> "netdev";
          default -> "family " + family;
        };
    return familyName + " " + name;
  }
}
