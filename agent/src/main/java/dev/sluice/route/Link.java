package dev.sluice.route;

import dev.sluice.net.MacAddress;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A network interface as the kernel describes it.
 *
 * @param index its number in this namespace, positive
 * @param name its name, 1 to 15 bytes
 * @param kind what kind of virtual device it is, such as {@code bridge} or {@code veth}; empty for
 *     others
 * @param flags IFF_UP, IFF_RUNNING and others of {@link LinuxRtnetlink}
 * @param mtuBytes the largest packet it takes, without the link's own header
 * @param mac its hardware address; empty for devices that have none, or one that is not six bytes
 *     long
 * @param masterIndex the bridge or other device it is a port of
 * @param alias the text an operator gave it, up to 255 bytes
 * @param linkedIndex IFLA_LINK: the other end of a veth pair, or the device below a VLAN; its index
 *     counts in the namespace {@code linkedNamespaceId}
 * @param linkedNamespaceId IFLA_LINK_NETNSID: the namespace of {@code linkedIndex}, if it is
 *     another one; {@link Rtnetlink#namespaceId} tells which
 * @param hairpin whether it is a bridge port that sends a frame back out where it came in
 * @param isolated whether it is a bridge port that exchanges no frames with other isolated ones
 */
public record Link(
    int index,
    String name,
    String kind,
    int flags,
    int mtuBytes,
    Optional<MacAddress> mac,
    OptionalInt masterIndex,
    Optional<String> alias,
    OptionalInt linkedIndex,
    OptionalInt linkedNamespaceId,
    boolean hairpin,
    boolean isolated) {

  /** Whether it was switched on (IFF_UP). */
  public boolean isUp() {
    return (flags & LinuxRtnetlink.IFF_UP) != 0;
  }

  /** Whether it can carry packets now (IFF_RUNNING): it is up and has a carrier. */
  public boolean isRunning() {
    return (flags & LinuxRtnetlink.IFF_RUNNING) != 0;
  }

  /** Whether it is a loopback device (IFF_LOOPBACK). */
  public boolean isLoopback() {
    return (flags & LinuxRtnetlink.IFF_LOOPBACK) != 0;
  }

  /** Whether it is a bridge. */
  public boolean isBridge() {
    return kind.equals("bridge");
  }
}
