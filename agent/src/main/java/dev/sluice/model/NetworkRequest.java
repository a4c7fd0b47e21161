package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * A network that is to be made.
 *
 * @param name what it is called
 * @param bridge what the interface of its bridge is called; empty to derive it from the name
 * @param subnets at most one of each family; where there is none, one is chosen
 * @param ipv6 whether it has an IPv6 subnet also where none is given
 * @param mtuBytes the largest packet, 1280 to 65535 bytes where there is IPv6, else 68 to 65535;
 *     empty for that of the way to the outside
 * @param egress how its containers look to the outside
 * @param internal whether its containers reach nothing outside it
 * @param isolated whether its containers reach each other only where one is linked to another
 * @param owner who asks
 */
public record NetworkRequest(
    String name,
    Optional<InterfaceName> bridge,
    List<Subnet> subnets,
    boolean ipv6,
    OptionalInt mtuBytes,
    Egress egress,
    boolean internal,
    boolean isolated,
    Owner owner) {
  /** The largest packet that IP knows. */
  public static final int MAX_MTU_BYTES = 65_535;

  /** The least that IPv4 and IPv6 must carry (RFC 791, RFC 8200 section 5). */
  public static final int MIN_MTU4_BYTES = 68;

  public static final int MIN_MTU6_BYTES = 1_280;

  /**
   * Checks what can be checked without the host.
   *
   * @throws dev.sluice.net.MalformedValueException if the name breaks the rule
   * @throws InvalidNetworkException if the parts contradict each other
   */
  public NetworkRequest {
    Names.check("network name", name);
    subnets = List.copyOf(subnets);
    Set<Family> families = EnumSet.noneOf(Family.class);
    for (Subnet subnet : subnets) {
      if (!families.add(subnet.prefix().family())) {
        throw new InvalidNetworkException(
            "the network "
                + name
                + " has two "
                + subnet.prefix().family().title()
                + " subnets: one of each family is possible");
      }
    }
    boolean hasIpv6 = ipv6 || families.contains(Family.IPV6);
    if (mtuBytes.isPresent()) {
      int least = hasIpv6 ? MIN_MTU6_BYTES : MIN_MTU4_BYTES;
      if (mtuBytes.getAsInt() < least || mtuBytes.getAsInt() > MAX_MTU_BYTES) {
        throw new InvalidNetworkException(
            "the MTU of the network "
                + name
                + " must be "
                + least
                + " to "
                + MAX_MTU_BYTES
                + " bytes, not "
                + mtuBytes.getAsInt());
      }
    }
    if (internal && !(egress instanceof Egress.Masquerade)) {
      throw new InvalidNetworkException(
          "the network "
              + name
              + " is internal, so nothing of it leaves the host: leave out "
              + (egress instanceof Egress.Routed ? "the routed mode" : "the source address"));
    }
    if (isolated && egress instanceof Egress.Routed) {
      throw new InvalidNetworkException(
          "the network "
              + name
              + " cannot be both routed and isolated: its containers would be reached from"
              + " everywhere but from each other");
    }
    if (egress instanceof Egress.FixedSource fixed) {
      for (IpAddress source : fixed.addresses()) {
        checkSource(name, source, hasIpv6, subnets.isEmpty() || families.contains(Family.IPV4));
      }
    }
  }

  private static void checkSource(String name, IpAddress source, boolean hasIpv6, boolean hasIpv4) {
    if (!(source.family() == Family.IPV6 ? hasIpv6 : hasIpv4)) {
      throw new InvalidNetworkException(
          "the source address "
              + source
              + " serves nobody: the network "
              + name
              + " has no "
              + source.family().title()
              + " subnet");
    }
  }

  /** A network with everything chosen for it. */
  public static NetworkRequest of(String name, Owner owner) {
    return new NetworkRequest(
        name,
        Optional.empty(),
        List.of(),
        false,
        OptionalInt.empty(),
        new Egress.Masquerade(),
        false,
        false,
        owner);
  }
}
