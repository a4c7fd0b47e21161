package dev.sluice.net;

import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * An immutable run of bytes, equal by content. Used where a protocol has opaque values: keys, user
 * data.
 */
public final class Bytes {
  public static final Bytes EMPTY = new Bytes(new byte[0]);

  private final byte[] value;

  private Bytes(byte[] value) {
    this.value = value;
  }

  /** Copies {@code value}. */
  public static Bytes of(byte... value) {
    return value.length == 0 ? EMPTY : new Bytes(value.clone());
  }

  /** The UTF-8 bytes of {@code text}, without a terminating NUL. */
  public static Bytes ofText(String text) {
    return new Bytes(text.getBytes(StandardCharsets.UTF_8));
  }

  /** From hexadecimal digits without separators, {@code "ac1e0002"}. */
  public static Bytes ofHex(String digits) {
    return new Bytes(HexFormat.of().parseHex(digits));
  }

  /** Two bytes, most significant first. */
  public static Bytes ofU16be(int value) {
    return new Bytes(new byte[] {(byte) (value >>> 8), (byte) value});
  }

  /** Four bytes, most significant first. */
  public static Bytes ofU32be(int value) {
    return new Bytes(
        new byte[] {
          (byte) (value >>> 24), (byte) (value >>> 16), (byte) (value >>> 8), (byte) value
        });
  }

  /** Four bytes in this machine's order, as the kernel keeps its own numbers. */
  public static Bytes ofU32Host(int value) {
    return ofU32be(
        ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN ? value : Integer.reverseBytes(value));
  }

  public int length() {
    return value.length;
  }

  /** The unsigned byte at {@code index}. */
  public int u8(int index) {
    return value[index] & 0xff;
  }

  /** The two bytes at {@code index}, most significant first. */
  public int u16be(int index) {
    return u8(index) << 8 | u8(index + 1);
  }

  /** The four bytes at {@code index}, most significant first. */
  public int u32be(int index) {
    return u16be(index) << 16 | u16be(index + 2);
  }

  public Bytes slice(int from, int length) {
    return new Bytes(Arrays.copyOfRange(value, from, from + length));
  }

  public Bytes concat(Bytes other) {
    byte[] joined = Arrays.copyOf(value, value.length + other.value.length);
    System.arraycopy(other.value, 0, joined, value.length, other.value.length);
    return new Bytes(joined);
  }

  /** This, followed by zeros up to {@code length} bytes. */
  public Bytes padTo(int length) {
    return length <= value.length ? this : new Bytes(Arrays.copyOf(value, length));
  }

  /** As UTF-8. */
  public String toText() {
    return new String(value, StandardCharsets.UTF_8);
  }

  public byte[] toArray() {
    return value.clone();
  }

  public String hex() {
    return HexFormat.of().formatHex(value);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Bytes bytes && Arrays.equals(value, bytes.value);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(value);
  }

  @Override
  public String toString() {
    return "0x" + hex();
  }
}
