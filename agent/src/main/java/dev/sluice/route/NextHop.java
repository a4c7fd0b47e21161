package dev.sluice.route;

import dev.sluice.net.IpAddress;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * One of the ways a route leads.
 *
 * @param gateway the router, usually of the route's family; empty if the destination is on the link
 * @param linkIndex the link to send on; if empty in a request, the kernel finds it by the gateway
 * @param weight share among several next hops, 1 to 256
 * @param flags RTNH_F_* of {@link LinuxRtnetlink}; RTNH_F_ONLINK makes the kernel believe that the
 *     gateway is on the link
 */
public record NextHop(Optional<IpAddress> gateway, OptionalInt linkIndex, int weight, int flags) {

  public NextHop {
    if (weight < 1 || weight > 256) {
      throw new IllegalArgumentException("the weight of a next hop is in 1–256: weight=" + weight);
    }
  }

  /** Straight onto a link. */
  public static NextHop direct(int linkIndex) {
    return new NextHop(Optional.empty(), OptionalInt.of(linkIndex), 1, 0);
  }

  /** To a router, over the link that leads there. */
  public static NextHop via(IpAddress gateway) {
    return new NextHop(Optional.of(gateway), OptionalInt.empty(), 1, 0);
  }

  public NextHop withLink(int index) {
    return new NextHop(gateway, OptionalInt.of(index), weight, flags);
  }

  public NextHop withWeight(int share) {
    return new NextHop(gateway, linkIndex, share, flags);
  }

  public NextHop withFlags(int bits) {
    return new NextHop(gateway, linkIndex, weight, bits);
  }

  /** The same with a gateway that is on the link, whatever the addresses of the link say. */
  public NextHop onLink() {
    return withFlags(flags | LinuxRtnetlink.RTNH_F_ONLINK);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    gateway.ifPresent(address -> text.append(" via ").append(address));
    linkIndex.ifPresent(index -> text.append(" link ").append(index));
    if (weight != 1) {
      text.append(" weight ").append(weight);
    }
    if ((flags & LinuxRtnetlink.RTNH_F_ONLINK) != 0) {
      text.append(" onlink");
    }
    return text.toString().strip();
  }
}
