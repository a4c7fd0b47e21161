package dev.sluice.net;

import static dev.sluice.net.MalformedValueException.quote;

/**
 * An IPv6 address, without a zone.
 *
 * @param high the first 64 bits, unsigned, the first byte of the address in the highest eight
 * @param low the last 64 bits, unsigned
 */
public record Ip6Address(long high, long low) implements IpAddress {
  /** {@code ::}: no address, or every local one. */
  public static final Ip6Address ANY = new Ip6Address(0, 0);

  /** {@code ::1}. */
  public static final Ip6Address LOOPBACK = new Ip6Address(0, 1);

  private static final int GROUPS = 8;

  /**
   * Reads the three forms of RFC 4291 section 2.2: eight groups of one to four hexadecimal digits
   * of either case, one {@code ::} for one or more groups of zeros, and the last 32 bits as a
   * dotted quad. Zones ({@code fe80::1%eth0}) are refused: they name an interface of one host.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public static Ip6Address parse(String text) {
    if (text.isEmpty()) {
      throw new MalformedValueException(text, 0, "an IP address is missing");
    }
    if (text.indexOf(':') < 0) {
      throw new MalformedValueException(text, 0, quote(text) + " is not an IPv6 address");
    }
    int[] groups = new int[GROUPS];
    int count = 0;
    int gap = -1; // how many groups stand before the "::"
    int gapAt = 0;
    int at = 0;
    if (text.startsWith("::")) {
      gap = 0;
      at = 2;
    }
    while (at < text.length()) {
      int end = at;
      int value = 0;
      while (end < text.length() && end - at <= 4 && hexValue(text.charAt(end)) >= 0) {
        value = value << 4 | hexValue(text.charAt(end));
        end++;
      }
      if (end == at) {
        throw unexpected(text, at);
      }
      if (count == GROUPS) {
        throw new MalformedValueException(text, at, named(text) + " has more than 8 groups");
      }
      if (end < text.length() && text.charAt(end) == '.') {
        if (count > GROUPS - 2) {
          throw new MalformedValueException(
              text, at, named(text) + " has no room for a dotted quad of 32 bits here");
        }
        int quad = embeddedQuad(text, at);
        groups[count++] = quad >>> 16;
        groups[count++] = quad & 0xffff;
        break;
      }
      if (end - at > 4) {
        throw new MalformedValueException(
            text, at, "a group of " + named(text) + " has more than 4 digits");
      }
      groups[count++] = value;
      at = end;
      if (at == text.length()) {
        break;
      }
      if (text.charAt(at) != ':') {
        throw unexpected(text, at);
      }
      at++;
      if (at == text.length()) {
        throw unexpected(text, at);
      }
      if (text.charAt(at) == ':') {
        if (gap >= 0) {
          throw new MalformedValueException(
              text, at - 1, named(text) + " has \"::\" twice, so its length is ambiguous");
        }
        gap = count;
        gapAt = at - 1;
        at++;
      }
    }
    if (gap < 0 && count < GROUPS) {
      throw new MalformedValueException(
          text, text.length(), named(text) + " has " + count + " of 8 groups");
    }
    if (gap >= 0 && count == GROUPS) {
      throw new MalformedValueException(
          text, gapAt, named(text) + " has all 8 groups, so nothing is left for \"::\"");
    }
    return spread(groups, count, gap < 0 ? count : gap);
  }

  /**
   * The address in these 16 bytes, in network byte order.
   *
   * @throws IllegalArgumentException if there are not 16
   */
  public static Ip6Address fromBytes(byte[] bytes) {
    if (bytes.length != 16) {
      throw new IllegalArgumentException(
          "an IPv6 address has 16 bytes: bytes.length=" + bytes.length);
    }
    long high = 0;
    long low = 0;
    for (int i = 0; i < 8; i++) {
      high = high << 8 | (bytes[i] & 0xff);
      low = low << 8 | (bytes[i + 8] & 0xff);
    }
    return new Ip6Address(high, low);
  }

  @Override
  public Family family() {
    return Family.IPV6;
  }

  @Override
  public byte[] toBytes() {
    byte[] bytes = new byte[16];
    for (int i = 0; i < 8; i++) {
      bytes[i] = (byte) (high >>> (56 - 8 * i));
      bytes[i + 8] = (byte) (low >>> (56 - 8 * i));
    }
    return bytes;
  }

  @Override
  public boolean isAny() {
    return (high | low) == 0;
  }

  @Override
  public boolean isLoopback() {
    return high == 0 && low == 1;
  }

  @Override
  public boolean isMulticast() {
    return high >>> 56 == 0xff;
  }

  @Override
  public boolean isLinkLocal() {
    return high >>> 54 == 0xfe80 >>> 6;
  }

  /** Whether this is in {@code ::ffff:0:0/96}: an IPv4 address in IPv6 form (RFC 4291, 2.5.5.2). */
  public boolean isIpv4Mapped() {
    return high == 0 && low >>> 32 == 0xffff;
  }

  /** The {@linkplain #isIpv4Mapped() mapped} form of an IPv4 address. */
  public static Ip6Address mapped(Ip4Address address) {
    return new Ip6Address(0, 0xffffL << 32 | Integer.toUnsignedLong(address.bits()));
  }

  /** The IPv4 address if this {@linkplain #isIpv4Mapped() is a mapped one}, else this address. */
  public IpAddress unmapped() {
    return isIpv4Mapped() ? new Ip4Address((int) low) : this;
  }

  @Override
  public Ip6Address firstOfPrefix(int lengthBits) {
    return new Ip6Address(high & ~highHostMask(lengthBits), low & ~lowHostMask(lengthBits));
  }

  @Override
  public Ip6Address lastOfPrefix(int lengthBits) {
    return new Ip6Address(high | highHostMask(lengthBits), low | lowHostMask(lengthBits));
  }

  /**
   * The canonical text of RFC 5952: lower case, no leading zeros, {@code ::} for the first of the
   * longest runs of two or more zero groups, and a dotted quad at the end of mapped addresses.
   */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(45);
    if (isIpv4Mapped()) {
      text.append("::ffff:");
      new Ip4Address((int) low).appendTo(text);
      return text.toString();
    }
    int runStart = -1;
    int runLength = 1; // a single zero group is written out
    for (int i = 0; i < GROUPS; i++) {
      int length = 0;
      while (i + length < GROUPS && group(i + length) == 0) {
        length++;
      }
      if (length > runLength) {
        runStart = i;
        runLength = length;
      }
      i += length;
    }
    for (int i = 0; i < GROUPS; i++) {
      if (i == runStart) {
        text.append("::");
        i += runLength - 1;
        continue;
      }
      if (i > 0 && text.charAt(text.length() - 1) != ':') {
        text.append(':');
      }
      text.append(Integer.toHexString(group(i)));
    }
    return text.toString();
  }

  private int group(int index) {
    long half = index < 4 ? high : low;
    return (int) (half >>> (48 - 16 * (index & 3))) & 0xffff;
  }

  /** Moves the groups behind the gap to the end and leaves zeros in between. */
  private static Ip6Address spread(int[] groups, int count, int gap) {
    long high = 0;
    long low = 0;
    int zeros = GROUPS - count;
    for (int i = 0; i < GROUPS; i++) {
      int group = i < gap ? groups[i] : i < gap + zeros ? 0 : groups[i - zeros];
      if (i < 4) {
        high = high << 16 | group;
      } else {
        low = low << 16 | group;
      }
    }
    return new Ip6Address(high, low);
  }

  private static int embeddedQuad(String text, int at) {
    try {
      return Ip4Address.parse(text.substring(at)).bits();
    } catch (MalformedValueException e) {
      throw e.within(text, at);
    }
  }

  private static long highHostMask(int lengthBits) {
    checkLength(lengthBits);
    return lengthBits >= 64 ? 0 : -1L >>> lengthBits;
  }

  private static long lowHostMask(int lengthBits) {
    checkLength(lengthBits);
    return lengthBits <= 64 ? -1L : lengthBits == 128 ? 0 : -1L >>> (lengthBits - 64);
  }

  private static void checkLength(int lengthBits) {
    if (lengthBits < 0 || lengthBits > 128) {
      throw new IllegalArgumentException(
          "an IPv6 prefix length is in 0–128: lengthBits=" + lengthBits);
    }
  }

  /** The value of an ASCII hexadecimal digit, or -1; Character.digit takes other scripts too. */
  private static int hexValue(char c) {
    return c < 0x80 ? Character.digit(c, 16) : -1;
  }

  private static String named(String text) {
    return "IPv6 address " + quote(text);
  }

  private static MalformedValueException unexpected(String text, int at) {
    if (at == text.length()) {
      return new MalformedValueException(text, at, named(text) + " ends where a group must follow");
    }
    if (text.charAt(at) == '%') {
      return new MalformedValueException(
          text, at, named(text) + " has a zone, which only one host understands; leave it out");
    }
    String character = quote(text.substring(at, at + 1));
    return new MalformedValueException(
        text, at, character + " does not belong into " + named(text));
  }
}
