package dev.sluice.net;

/** The two families of Internet addresses. */
public enum Family {
  /** Internet Protocol version 4 (RFC 791): addresses of 32 bits. */
  IPV4("ipv4", 32),
  /** Internet Protocol version 6 (RFC 8200): addresses of 128 bits. */
  IPV6("ipv6", 128);

  private final String text;
  private final int bits;

  Family(String text, int bits) {
    this.text = text;
    this.bits = bits;
  }

  /** Length of an address in bits: 32 or 128. */
  public int bits() {
    return bits;
  }

  /** Length of an address in bytes: 4 or 16. */
  public int bytes() {
    return bits / 8;
  }

  /** The name for people in the middle of a sentence: {@code IPv4} or {@code IPv6}. */
  public String title() {
    return this == IPV4 ? "IPv4" : "IPv6";
  }

  /** The name in output and interfaces: {@code ipv4} or {@code ipv6}. */
  @Override
  public String toString() {
    return text;
  }
}
