package dev.sluice.net;

import static dev.sluice.net.MalformedValueException.quote;

/**
 * An address and a port.
 *
 * @param address the address
 * @param port the port, 1 to 65535
 */
public record SocketAddr(IpAddress address, int port) implements Comparable<SocketAddr> {

  /**
   * Checks the port.
   *
   * @throws IllegalArgumentException if it is not in 1–65535
   */
  public SocketAddr {
    Port.check(port);
  }

  /**
   * Reads {@code 1.2.3.4:80} or {@code [::1]:80}; an IPv6 address needs the brackets.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public static SocketAddr parse(String text) {
    int addressStart = text.startsWith("[") ? 1 : 0;
    int addressEnd = addressStart == 1 ? text.indexOf(']') : text.indexOf(':');
    if (addressStart == 1 && addressEnd < 0) {
      throw new MalformedValueException(
          text, text.length(), "\"]\" is missing behind the IPv6 address in " + quote(text));
    }
    int colon = addressStart == 1 ? addressEnd + 1 : addressEnd;
    if (colon < 0 || colon >= text.length() || text.charAt(colon) != ':') {
      throw new MalformedValueException(
          text,
          colon < 0 ? text.length() : colon,
          "\":\" and a port must follow the address in " + quote(text));
    }
    if (addressStart == 0 && text.indexOf(':', colon + 1) >= 0) {
      throw new MalformedValueException(
          text, 0, "the IPv6 address in " + quote(text) + " needs brackets, such as [::1]:80");
    }
    String addressText = text.substring(addressStart, addressEnd);
    IpAddress address;
    try {
      address = addressStart == 1 ? Ip6Address.parse(addressText) : Ip4Address.parse(addressText);
    } catch (MalformedValueException e) {
      throw e.within(text, addressStart);
    }
    try {
      return new SocketAddr(address, Port.parse(text.substring(colon + 1)));
    } catch (MalformedValueException e) {
      throw e.within(text, colon + 1);
    }
  }

  /** By address, then by port. */
  @Override
  public int compareTo(SocketAddr other) {
    int order = address.compareTo(other.address);
    return order != 0 ? order : Integer.compare(port, other.port);
  }

  /** The form that {@link #parse} reads. */
  @Override
  public String toString() {
    return address.family() == Family.IPV6 ? "[" + address + "]:" + port : address + ":" + port;
  }
}
