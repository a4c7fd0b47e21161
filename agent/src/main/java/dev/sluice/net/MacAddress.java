package dev.sluice.net;

import static dev.sluice.net.MalformedValueException.quote;

/**
 * An Ethernet hardware address.
 *
 * @param bits the 48 bits, the first octet on the wire in the highest eight of them
 */
public record MacAddress(long bits) implements Comparable<MacAddress> {
  /** Bytes of an address (ETH_ALEN, linux/if_ether.h). */
  public static final int BYTES = 6;

  private static final int TEXT_LENGTH = 17;

  /**
   * Checks the range.
   *
   * @throws IllegalArgumentException if more than 48 bits are used
   */
  public MacAddress {
    if (bits >>> 48 != 0) {
      throw new IllegalArgumentException(
          "a hardware address has 48 bits: bits=0x" + Long.toHexString(bits));
    }
  }

  /**
   * Reads six octets of two hexadecimal digits with colons between them: {@code 02:42:ac:11:00:02}.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public static MacAddress parse(String text) {
    long bits = 0;
    for (int i = 0; i < TEXT_LENGTH; i++) {
      boolean colon = i % 3 == 2;
      if (i >= text.length() || !(colon ? text.charAt(i) == ':' : isHexDigit(text.charAt(i)))) {
        throw malformed(text, i);
      }
      if (!colon) {
        bits = bits << 4 | Character.digit(text.charAt(i), 16);
      }
    }
    if (text.length() > TEXT_LENGTH) {
      throw malformed(text, TEXT_LENGTH);
    }
    return new MacAddress(bits);
  }

  /**
   * The address in these bytes, in the order of the wire.
   *
   * @throws IllegalArgumentException if there are not 6
   */
  public static MacAddress fromBytes(byte[] bytes) {
    if (bytes.length != BYTES) {
      throw new IllegalArgumentException(
          "a hardware address has 6 bytes: bytes.length=" + bytes.length);
    }
    long bits = 0;
    for (byte octet : bytes) {
      bits = bits << 8 | (octet & 0xff);
    }
    return new MacAddress(bits);
  }

  /** The address in the order of the wire, a new array each time. */
  public byte[] toBytes() {
    byte[] bytes = new byte[BYTES];
    for (int i = 0; i < BYTES; i++) {
      bytes[i] = (byte) (bits >>> (40 - 8 * i));
    }
    return bytes;
  }

  /** Whether frames to this address go to several stations (the lowest bit of the first octet). */
  public boolean isMulticast() {
    return (bits >>> 40 & 1) != 0;
  }

  /** Unsigned, octet by octet. */
  @Override
  public int compareTo(MacAddress other) {
    return Long.compare(bits, other.bits);
  }

  /** Lower case with colons, the form that {@link #parse} reads. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(TEXT_LENGTH);
    for (int shift = 44; shift >= 0; shift -= 4) {
      text.append(Character.forDigit((int) (bits >>> shift) & 15, 16));
      if (shift % 8 == 0 && shift > 0) {
        text.append(':');
      }
    }
    return text.toString();
  }

  // Character.digit takes the digits of other scripts too.
  private static boolean isHexDigit(char c) {
    return c < 0x80 && Character.digit(c, 16) >= 0;
  }

  private static MalformedValueException malformed(String text, int column) {
    return new MalformedValueException(
        text,
        Math.min(column, text.length()),
        quote(text) + " is not a hardware address such as 02:42:ac:11:00:02");
  }
}
