package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.util.OptionalInt;

/**
 * One direction of a flow: what the headers of its packets have in common.
 *
 * @param protocol the number in the IP header, 0 to 255
 * @param source where the packets come from
 * @param destination where they go, of the same family
 * @param detail what distinguishes this flow from others between the two
 */
public record FlowTuple(int protocol, IpAddress source, IpAddress destination, Detail detail) {

  /** What a protocol puts behind the addresses to tell flows apart. */
  public sealed interface Detail {}

  /**
   * tcp, udp, sctp and their like.
   *
   * @param source the source port, 0 to 65535
   * @param destination the destination port, 0 to 65535
   */
  public record Ports(int source, int destination) implements Detail {
    /**
     * Checks the ports.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public Ports {
      checkRange("source port", source, 0xffff);
      checkRange("destination port", destination, 0xffff);
    }
  }

  /**
   * icmp and icmpv6.
   *
   * @param type the type of the message, 0 to 255, 8 (128 for IPv6) for an echo request
   * @param code the code of the message, 0 to 255
   * @param id the identifier of the echo, 0 to 65535, different for each {@code ping}
   */
  public record Icmp(int type, int code, int id) implements Detail {
    /**
     * Checks the numbers.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public Icmp {
      checkRange("type", type, 0xff);
      checkRange("code", code, 0xff);
      checkRange("id", id, 0xffff);
    }
  }

  /** Any other protocol: the addresses are all there is. */
  public record AddressesOnly() implements Detail {}

  /**
   * Checks the parts.
   *
   * @throws IllegalArgumentException if the families differ or the protocol is out of range
   */
  public FlowTuple {
    checkRange("protocol", protocol, 0xff);
    if (source.family() != destination.family()) {
      throw new IllegalArgumentException(
          "a tuple is of one family: source=" + source + ", destination=" + destination);
    }
  }

  /** A tuple of a protocol with ports. */
  public static FlowTuple of(
      Protocol protocol,
      IpAddress source,
      int sourcePort,
      IpAddress destination,
      int destinationPort) {
    return new FlowTuple(
        protocol.number(), source, destination, new Ports(sourcePort, destinationPort));
  }

  /** The family of both addresses. */
  public Family family() {
    return source.family();
  }

  /** The source port, empty if the protocol has none. */
  public OptionalInt sourcePort() {
    return detail instanceof Ports ports ? OptionalInt.of(ports.source()) : OptionalInt.empty();
  }

  /** The destination port, empty if the protocol has none. */
  public OptionalInt destinationPort() {
    return detail instanceof Ports ports
        ? OptionalInt.of(ports.destination())
        : OptionalInt.empty();
  }

  /** As people read it: {@code tcp 198.18.0.2:40112 -> 198.18.0.1:8080}. */
  @Override
  public String toString() {
    String name = Protocol.nameOf(protocol);
    if (detail instanceof Ports ports) {
      return name
          + " "
          + endText(source, ports.source())
          + " -> "
          + endText(destination, ports.destination());
    }
    String addresses = name + " " + source + " -> " + destination;
    return detail instanceof Icmp icmp
        ? addresses + " type " + icmp.type() + " code " + icmp.code() + " id " + icmp.id()
        : addresses;
  }

  private static String endText(IpAddress address, int port) {
    return address.family() == Family.IPV6 ? "[" + address + "]:" + port : address + ":" + port;
  }

  private static void checkRange(String what, int value, int max) {
    if (value < 0 || value > max) {
      throw new IllegalArgumentException(what + " " + value + " is not in 0–" + max);
    }
  }
}
