package dev.sluice.ruleset.path;

import dev.sluice.net.Bytes;
import java.util.Arrays;

/**
 * Bytes of which some bits may be unknown. Those have a typical value, which says what is usual.
 */
final class Bits {
  private final byte[] typical;

  /** 1 for each bit that is certain. */
  private final byte[] known;

  private Bits(byte[] typical, byte[] known) {
    this.typical = typical;
    this.known = known;
  }

  /**
   * @param typical the value, with a guess where it is not known
   * @param known 1 for each bit that is certain; as long as {@code typical}
   */
  static Bits of(Bytes typical, Bytes known) {
    return new Bits(typical.toArray(), known.toArray());
  }

  static Bits of(Bytes value) {
    byte[] ones = new byte[value.length()];
    Arrays.fill(ones, (byte) 0xff);
    return new Bits(value.toArray(), ones);
  }

  static Bits u8(int value) {
    return of(Bytes.of((byte) value));
  }

  static Bits u16be(int value) {
    return of(Bytes.ofU16be(value));
  }

  static Bits u32Host(int value) {
    return of(Bytes.ofU32Host(value));
  }

  /** Nothing is known of it; usually it is this. */
  static Bits unknown(Bytes usually) {
    return new Bits(usually.toArray(), new byte[usually.length()]);
  }

  static Bits unknown(int length) {
    return new Bits(new byte[length], new byte[length]);
  }

  int length() {
    return typical.length;
  }

  boolean isCertain() {
    for (byte bits : known) {
      if (bits != (byte) 0xff) {
        return false;
      }
    }
    return true;
  }

  /** The typical value. */
  Bytes value() {
    return Bytes.of(typical);
  }

  /** 1 for each bit that is certain. */
  Bytes known() {
    return Bytes.of(known);
  }

  /** Writes it where the bytes of registers or headers are kept, value and knowledge apart. */
  void copyTo(byte[] values, byte[] certain, int offset) {
    System.arraycopy(typical, 0, values, offset, typical.length);
    System.arraycopy(known, 0, certain, offset, known.length);
  }

  Bits slice(int from, int length) {
    return new Bits(
        Arrays.copyOfRange(typical, from, from + length),
        Arrays.copyOfRange(known, from, from + length));
  }

  /** {@code (this & mask) ^ xor}. */
  Bits masked(Bytes mask, Bytes xor) {
    byte[] value = new byte[length()];
    byte[] certain = new byte[length()];
    for (int i = 0; i < value.length; i++) {
      value[i] = (byte) ((typical[i] & mask.u8(i)) ^ xor.u8(i));
      // What the mask clears is certain to be clear.
      certain[i] = (byte) (known[i] | ~mask.u8(i));
    }
    return new Bits(value, certain);
  }

  /** Whether it could be {@code value}, as far as is known. */
  boolean canBe(Bytes value) {
    for (int i = 0; i < length(); i++) {
      if (((typical[i] ^ value.u8(i)) & known[i] & 0xff) != 0) {
        return false;
      }
    }
    return true;
  }

  /** The smallest and the largest it can be, read as a number, most significant byte first. */
  Bytes least() {
    byte[] value = new byte[length()];
    for (int i = 0; i < value.length; i++) {
      value[i] = (byte) (typical[i] & known[i]);
    }
    return Bytes.of(value);
  }

  Bytes most() {
    byte[] value = new byte[length()];
    for (int i = 0; i < value.length; i++) {
      value[i] = (byte) ((typical[i] & known[i]) | ~known[i]);
    }
    return Bytes.of(value);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Bits bits
        && Arrays.equals(typical, bits.typical)
        && Arrays.equals(known, bits.known);
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(typical) + Arrays.hashCode(known);
  }

  @Override
  public String toString() {
    return Bytes.of(typical) + "/" + Bytes.of(known);
  }
}
