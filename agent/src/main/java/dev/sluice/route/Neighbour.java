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
  /** States in which packets are sent to the address (net/neighbour.h, not exported). */
  private static final int NUD_VALID =
      LinuxRtnetlink.NUD_PERMANENT
          | LinuxRtnetlink.NUD_NOARP
          | LinuxRtnetlink.NUD_REACHABLE
          | LinuxRtnetlink.NUD_PROBE
          | LinuxRtnetlink.NUD_STALE
          | LinuxRtnetlink.NUD_DELAY;

  /** An entry that stays until it is removed. */
  public static Neighbour permanent(int linkIndex, IpAddress address, MacAddress mac) {
    return new Neighbour(linkIndex, address, Optional.of(mac), LinuxRtnetlink.NUD_PERMANENT, 0);
  }

  /** Whether the entry stays until it is removed. */
  public boolean isPermanent() {
    return (state & LinuxRtnetlink.NUD_PERMANENT) != 0;
  }

  /** Whether its hardware address is known, and packets are sent there (NUD_VALID). */
  public boolean isValid() {
    return mac.isPresent() && (state & NUD_VALID) != 0;
  }
}
