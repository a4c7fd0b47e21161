package dev.sluice.route;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MalformedMessageException;
import java.util.Optional;

/** Addresses and families as rtnetlink writes them. */
final class Addresses {
  private Addresses() {}

  /** AF_INET, AF_INET6. */
  static int number(Family family) {
    return family == Family.IPV4 ? LinuxRtnetlink.AF_INET : LinuxRtnetlink.AF_INET6;
  }

  /** The family with this number; empty for all others, such as MPLS. */
  static Optional<Family> family(int number) {
    return switch (number) {
      case LinuxRtnetlink.AF_INET -> Optional.of(Family.IPV4);
      case LinuxRtnetlink.AF_INET6 -> Optional.of(Family.IPV6);
      default -> Optional.empty();
    };
  }

  /** The address that is the payload of the current attribute. */
  static IpAddress read(AttributeCursor attribute, Family family) {
    return read(attribute.bytes(), attribute.type(), family);
  }

  static IpAddress read(byte[] bytes, int attributeType, Family family) {
    if (bytes.length != family.bytes()) {
      throw new MalformedMessageException(
          "attribute "
              + attributeType
              + " has "
              + bytes.length
              + " bytes where an "
              + family.title()
              + " address has "
              + family.bytes());
    }
    return IpAddress.fromBytes(bytes);
  }

  /** Checks a prefix length that came from the kernel. */
  static int prefixLength(int lengthBits, Family family) {
    if (lengthBits > family.bits()) {
      throw new MalformedMessageException(
          "prefix length " + lengthBits + " of an " + family.title() + " address");
    }
    return lengthBits;
  }
}
