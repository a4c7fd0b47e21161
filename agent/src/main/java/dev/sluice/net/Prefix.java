package dev.sluice.net;

import static dev.sluice.net.MalformedValueException.quote;

import java.util.Optional;

/**
 * A block of addresses that share their leading bits, such as {@code 10.0.0.0/8}.
 *
 * @param address the lowest address of the block
 * @param lengthBits how many leading bits are shared, 0 to the length of an address
 */
public record Prefix(IpAddress address, int lengthBits) implements Comparable<Prefix> {

  /**
   * Checks the parts.
   *
   * @throws IllegalArgumentException if the length does not fit the family, or the address has bits
   *     set behind it
   */
  public Prefix {
    if (!address.equals(address.firstOfPrefix(lengthBits))) {
      throw new IllegalArgumentException(hostBitsProblem(address, lengthBits));
    }
  }

  /** The block of this length that contains the address, whose remaining bits may be anything. */
  public static Prefix containing(IpAddress address, int lengthBits) {
    return new Prefix(address.firstOfPrefix(lengthBits), lengthBits);
  }

  /** The block that begins and ends with these addresses; empty if there is none. */
  public static Optional<Prefix> between(IpAddress first, IpAddress last) {
    for (int lengthBits = first.family().bits(); lengthBits >= 0; lengthBits--) {
      if (last.equals(first.lastOfPrefix(lengthBits))
          && first.equals(first.firstOfPrefix(lengthBits))) {
        return Optional.of(new Prefix(first, lengthBits));
      }
    }
    return Optional.empty();
  }

  /** The block of one address. */
  public static Prefix of(IpAddress address) {
    return new Prefix(address, address.family().bits());
  }

  /**
   * Reads {@code address/length}. The bits behind the length must be 0: {@code 10.1.2.3/8} is
   * refused, and the message names {@code 10.0.0.0/8}.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public static Prefix parse(String text) {
    int slash = text.indexOf('/');
    if (slash < 0) {
      throw new MalformedValueException(
          text, text.length(), quote(text) + " has no prefix length, such as /24");
    }
    IpAddress address;
    try {
      address = IpAddress.parse(text.substring(0, slash));
    } catch (MalformedValueException e) {
      throw e.within(text, 0);
    }
    int lengthBits = parseLength(text, slash + 1, address.family());
    if (!address.equals(address.firstOfPrefix(lengthBits))) {
      throw new MalformedValueException(text, 0, hostBitsProblem(address, lengthBits));
    }
    return new Prefix(address, lengthBits);
  }

  /**
   * Reads {@code address/length} as {@link #parse}, or one address, which is a block of its own.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public static Prefix parseBlock(String text) {
    return text.indexOf('/') < 0 ? of(IpAddress.parse(text)) : parse(text);
  }

  /** The family of all addresses in the block. */
  public Family family() {
    return address.family();
  }

  /** The lowest address of the block. */
  public IpAddress first() {
    return address;
  }

  /** The highest address of the block. */
  public IpAddress last() {
    return address.lastOfPrefix(lengthBits);
  }

  /** Whether the address is in the block; never for an address of the other family. */
  public boolean contains(IpAddress candidate) {
    return candidate.family() == family() && candidate.firstOfPrefix(lengthBits).equals(address);
  }

  /** Whether every address of the other block is in this one. */
  public boolean contains(Prefix other) {
    return other.lengthBits >= lengthBits && contains(other.address);
  }

  /** Whether the blocks have an address in common, which means that one contains the other. */
  public boolean overlaps(Prefix other) {
    return contains(other) || other.contains(this);
  }

  /** By lowest address, wider blocks first. */
  @Override
  public int compareTo(Prefix other) {
    int order = address.compareTo(other.address);
    return order != 0 ? order : Integer.compare(lengthBits, other.lengthBits);
  }

  /** The form that {@link #parse} reads. */
  @Override
  public String toString() {
    return address + "/" + lengthBits;
  }

  private static int parseLength(String text, int at, Family family) {
    String digits = text.substring(at);
    int lengthBits = DecimalText.parse(digits, family.bits());
    boolean leadingZero = digits.length() > 1 && digits.charAt(0) == '0';
    if (lengthBits < 0 || lengthBits > family.bits() || leadingZero) {
      throw new MalformedValueException(
          text,
          at,
          "prefix length "
              + quote(digits)
              + " is not in 0–"
              + family.bits()
              + ", as an "
              + family.title()
              + " prefix needs");
    }
    return lengthBits;
  }

  private static String hostBitsProblem(IpAddress address, int lengthBits) {
    return address
        + "/"
        + lengthBits
        + " has bits set behind its length; the prefix is "
        + containing(address, lengthBits);
  }
}
