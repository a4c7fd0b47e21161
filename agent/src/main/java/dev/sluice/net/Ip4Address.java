package dev.sluice.net;

import static dev.sluice.net.MalformedValueException.quote;

/**
 * An IPv4 address.
 *
 * @param bits the 32 bits, the first octet in the highest eight; as a number it is unsigned
 */
public record Ip4Address(int bits) implements IpAddress {
  /** {@code 0.0.0.0}: no address, or every local one. */
  public static final Ip4Address ANY = new Ip4Address(0);

  /** {@code 127.0.0.1}. */
  public static final Ip4Address LOOPBACK = new Ip4Address(0x7f00_0001);

  /**
   * Reads four decimal numbers from 0 to 255 with dots between them, each without leading zeros:
   * {@code 127.1}, {@code 0x7f.0.0.1} and {@code 010.0.0.1} mean different things to different
   * programs, so they are refused.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public static Ip4Address parse(String text) {
    if (text.isEmpty()) {
      throw new MalformedValueException(text, 0, "an IP address is missing");
    }
    if (!isDigit(text.charAt(0))) {
      throw new MalformedValueException(
          text, 0, quote(text) + " is not an IP address (names are not looked up)");
    }
    int bits = 0;
    int at = 0;
    for (int octets = 1; ; octets++) {
      int end = at;
      int value = 0;
      while (end < text.length() && isDigit(text.charAt(end))) {
        value = Math.min(value * 10 + (text.charAt(end) - '0'), 256);
        end++;
      }
      if (end == at) {
        throw unexpected(text, at);
      }
      if (value > 255) {
        throw new MalformedValueException(
            text,
            at,
            "number " + quote(text.substring(at, end)) + " of " + named(text) + " exceeds 255");
      }
      if (end - at > 1 && text.charAt(at) == '0') {
        throw new MalformedValueException(
            text,
            at,
            "number "
                + quote(text.substring(at, end))
                + " of "
                + named(text)
                + " has a leading zero, which some programs read as octal");
      }
      bits = bits << 8 | value;
      at = end;
      if (at == text.length()) {
        if (octets < 4) {
          throw new MalformedValueException(
              text, at, named(text) + " has " + octets + " of 4 numbers");
        }
        return new Ip4Address(bits);
      }
      if (text.charAt(at) != '.') {
        throw unexpected(text, at);
      }
      if (octets == 4) {
        throw new MalformedValueException(text, at, named(text) + " goes on after 4 numbers");
      }
      at++;
    }
  }

  /**
   * The address in these 4 bytes, in network byte order.
   *
   * @throws IllegalArgumentException if there are not 4
   */
  public static Ip4Address fromBytes(byte[] bytes) {
    if (bytes.length != 4) {
      throw new IllegalArgumentException(
          "an IPv4 address has 4 bytes: bytes.length=" + bytes.length);
    }
    return new Ip4Address(
        (bytes[0] & 0xff) << 24
            | (bytes[1] & 0xff) << 16
            | (bytes[2] & 0xff) << 8
            | (bytes[3] & 0xff));
  }

  @Override
  public Family family() {
    return Family.IPV4;
  }

  @Override
  public byte[] toBytes() {
    return new byte[] {
      (byte) (bits >>> 24), (byte) (bits >>> 16), (byte) (bits >>> 8), (byte) bits
    };
  }

  @Override
  public boolean isAny() {
    return bits == 0;
  }

  @Override
  public boolean isLoopback() {
    return bits >>> 24 == 127;
  }

  @Override
  public boolean isMulticast() {
    return bits >>> 28 == 0xe;
  }

  @Override
  public boolean isLinkLocal() {
    return bits >>> 16 == 0xa9fe;
  }

  @Override
  public Ip4Address firstOfPrefix(int lengthBits) {
    return new Ip4Address(bits & ~hostMask(lengthBits));
  }

  @Override
  public Ip4Address lastOfPrefix(int lengthBits) {
    return new Ip4Address(bits | hostMask(lengthBits));
  }

  /** The dotted quad. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(15);
    appendTo(text);
    return text.toString();
  }

  void appendTo(StringBuilder text) {
    text.append(bits >>> 24)
        .append('.')
        .append(bits >>> 16 & 0xff)
        .append('.')
        .append(bits >>> 8 & 0xff)
        .append('.')
        .append(bits & 0xff);
  }

  private static int hostMask(int lengthBits) {
    if (lengthBits < 0 || lengthBits > 32) {
      throw new IllegalArgumentException(
          "an IPv4 prefix length is in 0–32: lengthBits=" + lengthBits);
    }
    // Shifting an int by 32 shifts it by 0.
    return lengthBits == 32 ? 0 : -1 >>> lengthBits;
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  private static String named(String text) {
    return "IPv4 address " + quote(text);
  }

  private static MalformedValueException unexpected(String text, int at) {
    if (at == text.length()) {
      return new MalformedValueException(
          text, at, named(text) + " ends where a number must follow");
    }
    String character = quote(text.substring(at, at + 1));
    return new MalformedValueException(
        text, at, character + " does not belong into " + named(text));
  }
}
