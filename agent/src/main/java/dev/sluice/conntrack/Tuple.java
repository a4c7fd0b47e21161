package dev.sluice.conntrack;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.util.OptionalInt;

/**
 * One direction of an entry: what the headers of its packets have in common (struct
 * nf_conntrack_tuple). Together with the zone, either direction names the entry.
 *
 * @param source where the packets come from
 * @param destination where they go, of the same family
 * @param protocol the number in the IP header, 0 to 255 (IPPROTO_*)
 * @param detail what the protocol puts behind the addresses to tell flows apart
 */
public record Tuple(IpAddress source, IpAddress destination, int protocol, Detail detail) {

  /** What a protocol puts behind the addresses to tell flows apart. */
  public sealed interface Detail {}

  /**
   * TCP, UDP, SCTP and their like; the keys of GRE take the same place.
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
   * ICMP and ICMPv6.
   *
   * @param type the type of the message, 0 to 255
   * @param code the code of the message, 0 to 255
   * @param id the identifier of the echo, 0 to 65535
   */
  public record Icmp(int type, int code, int id) implements Detail {
    /**
     * Checks the numbers.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public Icmp {
      checkRange("ICMP type", type, 0xff);
      checkRange("ICMP code", code, 0xff);
      checkRange("ICMP id", id, 0xffff);
    }
  }

  /** Any other protocol: the addresses are all there is. */
  public record AddressesOnly() implements Detail {}

  /** The only value of {@link AddressesOnly} that is needed. */
  public static final Detail ADDRESSES_ONLY = new AddressesOnly();

  /**
   * Checks the parts.
   *
   * @throws IllegalArgumentException if the families differ or the protocol is out of range
   */
  public Tuple {
    checkRange("protocol", protocol, 0xff);
    if (source.family() != destination.family()) {
      throw new IllegalArgumentException(
          "a tuple is of one family: source=" + source + ", destination=" + destination);
    }
  }

  /** A tuple of a protocol with ports. */
  public static Tuple of(
      int protocol, IpAddress source, int sourcePort, IpAddress destination, int destinationPort) {
    return new Tuple(source, destination, protocol, new Ports(sourcePort, destinationPort));
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

  /** As {@code conntrack} writes it: {@code src=198.18.0.2 dst=198.18.0.1 sport=40112 dport=80}. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(80);
    text.append("proto=").append(protocol);
    text.append(" src=").append(source).append(" dst=").append(destination);
    if (detail instanceof Ports ports) {
      text.append(" sport=").append(ports.source()).append(" dport=").append(ports.destination());
    } else if (detail instanceof Icmp icmp) {
      text.append(" type=").append(icmp.type());
      text.append(" code=").append(icmp.code());
      text.append(" id=").append(icmp.id());
    }
    return text.toString();
  }

  private static void checkRange(String what, int value, int max) {
    if (value < 0 || value > max) {
      throw new IllegalArgumentException(what + " " + value + " is not in 0–" + max);
    }
  }
}
