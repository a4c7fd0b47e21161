package dev.sluice.net;

import static dev.sluice.net.MalformedValueException.quote;

import java.util.Locale;
import java.util.Optional;

/** Protocols above IP, with the numbers IANA assigned to them. */
public enum Protocol {
  /** Transmission Control Protocol. */
  TCP("tcp", 6),
  /** User Datagram Protocol. */
  UDP("udp", 17),
  /** Stream Control Transmission Protocol. */
  SCTP("sctp", 132),
  /** Internet Control Message Protocol for IPv4. */
  ICMP("icmp", 1),
  /** Internet Control Message Protocol for IPv6. */
  ICMPV6("icmpv6", 58);

  private final String text;
  private final int number;

  Protocol(String text, int number) {
    this.text = text;
    this.number = number;
  }

  /** The number in the IP header, 0 to 255. */
  public int number() {
    return number;
  }

  /** Whether it distinguishes conversations by ports, so that it can be published. */
  public boolean hasPorts() {
    return this == TCP || this == UDP || this == SCTP;
  }

  /** The protocol with this number, empty if it is none of ours. */
  public static Optional<Protocol> ofNumber(int number) {
    return switch (number) {
      case 1 -> Optional.of(ICMP);
      case 6 -> Optional.of(TCP);
      case 17 -> Optional.of(UDP);
      case 58 -> Optional.of(ICMPV6);
      case 132 -> Optional.of(SCTP);
      default -> Optional.empty();
    };
  }

  /** The name of the protocol with this number, or the number itself where we know no name. */
  public static String nameOf(int number) {
    return ofNumber(number).map(Protocol::toString).orElseGet(() -> Integer.toString(number));
  }

  /**
   * Reads a name in any case.
   *
   * @throws MalformedValueException if it is not the name of a protocol above
   */
  public static Protocol parse(String text) {
    String lowerCase = text.toLowerCase(Locale.ROOT);
    for (Protocol protocol : values()) {
      if (protocol.text.equals(lowerCase)) {
        return protocol;
      }
    }
    throw new MalformedValueException(
        text, 0, "protocol " + quote(text) + " is none of tcp, udp, sctp, icmp, icmpv6");
  }

  /** The lower-case name: {@code tcp}, {@code udp}, {@code sctp}, {@code icmp}, {@code icmpv6}. */
  @Override
  public String toString() {
    return text;
  }
}
