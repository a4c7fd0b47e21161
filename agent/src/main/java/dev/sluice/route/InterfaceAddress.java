package dev.sluice.route;

import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import java.util.Optional;

/**
 * An address on a link.
 *
 * @param linkIndex the link
 * @param address the host's own address
 * @param prefixLengthBits how many leading bits the link's neighbours share with it
 * @param peer the other end of a point-to-point link, which the prefix then belongs to
 * @param scope RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_SCOPE_HOST
 * @param flags IFA_F_* of {@link LinuxRtnetlink}
 */
public record InterfaceAddress(
    int linkIndex,
    IpAddress address,
    int prefixLengthBits,
    Optional<IpAddress> peer,
    int scope,
    int flags) {

  /** The block of addresses reached directly over the link. */
  public Prefix prefix() {
    return Prefix.containing(peer.orElse(address), prefixLengthBits);
  }

  /**
   * Whether duplicate address detection still runs, or has found a duplicate: the address cannot be
   * used then.
   */
  public boolean isTentative() {
    return (flags & LinuxRtnetlink.IFA_F_TENTATIVE) != 0;
  }

  /** As {@code ip address} writes it: {@code 172.30.0.1/24}. */
  public String text() {
    return address + "/" + prefixLengthBits;
  }
}
