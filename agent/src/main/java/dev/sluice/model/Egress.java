package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** Which source address the outside sees when a container of a network talks to it. */
public sealed interface Egress {

  /** The address of the host on the interface the packet leaves by, whichever that is. */
  record Masquerade() implements Egress {}

  /**
   * Always the same address of the host.
   *
   * @param addresses one address, or one of each family
   */
  record FixedSource(List<IpAddress> addresses) implements Egress {
    /**
     * Copies and checks the list.
     *
     * @throws IllegalArgumentException if it is empty, or has two of a family or an address that
     *     cannot be a source
     */
    public FixedSource {
      addresses = List.copyOf(addresses);
      if (addresses.isEmpty()) {
        throw new IllegalArgumentException("a fixed source needs an address");
      }
      Set<Family> seen = EnumSet.noneOf(Family.class);
      for (IpAddress address : addresses) {
        if (address.isAny() || address.isMulticast()) {
          throw new IllegalArgumentException(address + " cannot be a source address");
        }
        if (!seen.add(address.family())) {
          throw new IllegalArgumentException(
              "a fixed source has at most one "
                  + address.family().title()
                  + " address: "
                  + addresses);
        }
      }
    }

    /**
     * The same for a list that people wrote.
     *
     * @throws InvalidNetworkException as the constructor
     */
    public static FixedSource of(List<IpAddress> addresses) {
      try {
        return new FixedSource(addresses);
      } catch (IllegalArgumentException e) {
        throw new InvalidNetworkException(String.valueOf(e.getMessage()));
      }
    }
  }

  /** The address of the container itself: the outside has a route to it. */
  record Routed() implements Egress {}

  /**
   * Whatever others have arranged: a network of somebody else, of which only published ports are
   * our business. Neither the source address nor what may come in is decided here.
   */
  record Unmanaged() implements Egress {}

  /** As it is called where it needs no more words: {@code masquerade}, {@code routed}. */
  default String text() {
    if (this instanceof FixedSource fixed) {
      return fixed.addresses().stream().map(IpAddress::toString).collect(Collectors.joining(", "));
    }
    if (this instanceof Masquerade) {
      return "masquerade";
    }
    return this instanceof Routed ? "routed" : "unmanaged";
  }
}
