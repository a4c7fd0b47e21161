package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.util.Optional;

/**
 * Ports of the host that can be given away only once within a {@link Precedence}: a binding of one
 * address, one of every address, and a range of every address may share a port.
 *
 * @param protocol tcp, udp or sctp
 * @param family the family of the connections it takes
 * @param address one local address of that family; empty for every one
 * @param ports the ports
 * @param precedence {@link Precedence#EXACT} if and only if there is an address
 */
public record HostBinding(
    Protocol protocol,
    Family family,
    Optional<IpAddress> address,
    PortRange ports,
    Precedence precedence) {

  /**
   * Checks the parts.
   *
   * @throws InvalidMappingException if the protocol has no ports, or the address is of the other
   *     family, or none that one connection could be made to
   */
  public HostBinding {
    check(protocol, family, address);
    if ((precedence == Precedence.EXACT) != address.isPresent()) {
      throw new IllegalArgumentException(
          "precedence "
              + precedence
              + " with address "
              + address.map(Object::toString).orElse("any"));
    }
  }

  /** A binding of one address, or of every address port by port. */
  public HostBinding(
      Protocol protocol, Family family, Optional<IpAddress> address, PortRange ports) {
    this(protocol, family, address, ports, address.isPresent() ? Precedence.EXACT : Precedence.ANY);
  }

  /** The same for other ports. */
  public HostBinding withPorts(PortRange other) {
    return new HostBinding(protocol, family, address, other, precedence);
  }

  /** Whether both claim a port of the same address, or of every address. */
  public boolean overlaps(HostBinding other) {
    return protocol == other.protocol
        && family == other.family
        && precedence == other.precedence
        && address.equals(other.address)
        && ports.overlaps(other.ports);
  }

  /** The address, {@code 0.0.0.0} or {@code ::} where it is every one. */
  public IpAddress addressOrAny() {
    return address.orElse(IpAddress.any(family));
  }

  /** As people write it: {@code 0.0.0.0:8080/tcp}, {@code [::1]:5000-5010/udp}. */
  @Override
  public String toString() {
    return withPorts(addressOrAny(), ports) + "/" + protocol;
  }

  /** What the constructor checks. */
  static void check(Protocol protocol, Family family, Optional<IpAddress> address) {
    if (!protocol.hasPorts()) {
      throw new InvalidMappingException(
          "protocol " + protocol + " has no ports; tcp, udp and sctp can be published");
    }
    if (address.isPresent()) {
      IpAddress exact = address.get();
      if (exact.family() != family) {
        throw new InvalidMappingException(
            exact + " is not an " + family.title() + " address, but the connections are");
      }
      if (exact.isAny()) {
        throw new InvalidMappingException(
            exact + " is not one address; leave the address out to bind every one");
      }
      if (exact.isMulticast()) {
        throw new InvalidMappingException(
            "host address " + exact + " is a multicast group, which no port can be published on");
      }
    }
  }

  static String withPorts(IpAddress address, PortRange ports) {
    return address.family() == Family.IPV6 ? "[" + address + "]:" + ports : address + ":" + ports;
  }
}
