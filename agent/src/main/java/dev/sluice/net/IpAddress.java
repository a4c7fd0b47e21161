package dev.sluice.net;

/**
 * An Internet address of either family.
 *
 * <p>The order is numeric and unsigned, all IPv4 addresses before all IPv6 addresses. The families
 * never mix: {@code ::ffff:1.2.3.4} is an IPv6 address and not equal to {@code 1.2.3.4}; {@link
 * Ip6Address#unmapped()} turns the one into the other.
 */
public sealed interface IpAddress extends Comparable<IpAddress> permits Ip4Address, Ip6Address {

  /**
   * Reads an address: a dotted quad without short or octal forms ({@link Ip4Address#parse}), or the
   * text of RFC 4291 section 2.2 without a zone ({@link Ip6Address#parse}). Names are not looked
   * up.
   *
   * @throws MalformedValueException if the text is anything else
   */
  static IpAddress parse(String text) {
    return text.indexOf(':') >= 0 ? Ip6Address.parse(text) : Ip4Address.parse(text);
  }

  /**
   * The address in these bytes, in network byte order.
   *
   * @throws IllegalArgumentException if there are not 4 or 16 of them
   */
  static IpAddress fromBytes(byte[] bytes) {
    return switch (bytes.length) {
      case 4 -> Ip4Address.fromBytes(bytes);
      case 16 -> Ip6Address.fromBytes(bytes);
      default ->
          throw new IllegalArgumentException(
              "an address has 4 or 16 bytes: bytes.length=" + bytes.length);
    };
  }

  /** The family this address belongs to. */
  Family family();

  /** The address in network byte order: 4 or 16 bytes, a new array each time. */
  byte[] toBytes();

  /** Whether this is the unspecified address, {@code 0.0.0.0} or {@code ::}. */
  boolean isAny();

  /** Whether this is in {@code 127.0.0.0/8} or is {@code ::1}. */
  boolean isLoopback();

  /** Whether this is in {@code 224.0.0.0/4} or {@code ff00::/8}. */
  boolean isMulticast();

  /** Whether this is in {@code 169.254.0.0/16} or {@code fe80::/10}. */
  boolean isLinkLocal();

  /**
   * The lowest address that shares the leading {@code lengthBits} bits: the others become 0.
   *
   * @param lengthBits 0 to {@code family().bits()}
   */
  IpAddress firstOfPrefix(int lengthBits);

  /**
   * The highest address that shares the leading {@code lengthBits} bits: the others become 1.
   *
   * @param lengthBits 0 to {@code family().bits()}
   */
  IpAddress lastOfPrefix(int lengthBits);

  /** The unspecified address of a family, which stands for every local address. */
  static IpAddress any(Family family) {
    return family == Family.IPV4 ? Ip4Address.ANY : Ip6Address.ANY;
  }

  @Override
  default int compareTo(IpAddress other) {
    if (this instanceof Ip4Address a && other instanceof Ip4Address b) {
      return Integer.compareUnsigned(a.bits(), b.bits());
    }
    if (this instanceof Ip6Address a && other instanceof Ip6Address b) {
      int order = Long.compareUnsigned(a.high(), b.high());
      return order != 0 ? order : Long.compareUnsigned(a.low(), b.low());
    }
    return family().compareTo(other.family());
  }
}
