package dev.sluice.route;

import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import java.util.Optional;

/**
 * What is known about the hardware address behind an address on a link (ARP, neighbour discovery).
 *
 * @param linkIndex the link
 * @param address the neighbour's address
 * @param mac its hardware address; empty while it is being looked for, and for proxy entries
 * @param state NUD_* of {@link LinuxRtnetlink}
 * @param flags NTF_* of {@link LinuxRtnetlink}
 */
public record Neighbour(
    int linkIndex, IpAddress address, Optional<MacAddress> mac, int state, int flags) {

  /** An entry that stays until it is removed. */
  public static Neighbour permanent(int linkIndex, IpAddress address, MacAddress mac) {
    return new Neighbour(linkIndex, address, Optional.of(mac), LinuxRtnetlink.NUD_PERMANENT, 0);
  }

  /** Whether the entry stays until it is removed. */
  public boolean isPermanent() {
    return (state & LinuxRtnetlink.NUD_PERMANENT) != 0;
  }
}
