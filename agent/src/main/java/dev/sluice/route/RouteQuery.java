package dev.sluice.route;

import dev.sluice.net.IpAddress;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A packet whose route is asked for.
 *
 * @param destination where it goes
 * @param source where it comes from, of the destination's family; empty for the address the kernel
 *     chooses. For a packet of the host's own it must be one of its addresses
 * @param inputLink the link it came in by; empty for a packet of the host's own
 * @param mark the packet's mark; 0 for none
 */
public record RouteQuery(
    IpAddress destination, Optional<IpAddress> source, OptionalInt inputLink, int mark) {

  /** A packet of this host, from the address it chooses. */
  public static RouteQuery to(IpAddress destination) {
    return new RouteQuery(destination, Optional.empty(), OptionalInt.empty(), 0);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("a packet");
    source.ifPresent(address -> text.append(" from ").append(address));
    text.append(" to ").append(destination);
    inputLink.ifPresent(index -> text.append(" that came in by link ").append(index));
    return text.toString();
  }
}
