package dev.sluice.nftables;

import dev.sluice.net.Bytes;
import dev.sluice.net.IpAddress;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Puts together the key or data of a set element: {@code Key.of().u8(6).u16(8080).bytes()} is
 * {@code tcp . 8080}. Each field is padded to a multiple of 4 bytes as soon as another follows it;
 * a single field is not padded, because the kernel compares its length with the set's.
 */
public final class Key {
  /** IFNAMSIZ of linux/if.h. */
  private static final int INTERFACE_NAME_BYTES = 16;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream(48);
  private int fields;

  private Key() {}

  public static Key of() {
    return new Key();
  }

  public Key address(IpAddress address) {
    return field(address.toBytes());
  }

  public Key u8(int value) {
    return field(new byte[] {(byte) value});
  }

  /** Two bytes in network byte order: a port. */
  public Key u16(int value) {
    return field(new byte[] {(byte) (value >>> 8), (byte) value});
  }

  /** An interface's name, filled up with zeros to 16 bytes as the kernel compares it. */
  public Key interfaceName(String name) {
    byte[] text = name.getBytes(StandardCharsets.US_ASCII);
    if (text.length >= INTERFACE_NAME_BYTES) {
      throw new IllegalArgumentException("interface name too long: " + name);
    }
    byte[] padded = new byte[INTERFACE_NAME_BYTES];
    System.arraycopy(text, 0, padded, 0, text.length);
    return field(padded);
  }

  private Key field(byte[] value) {
    pad();
    out.writeBytes(value);
    fields++;
    return this;
  }

  private void pad() {
    while (out.size() % 4 != 0) {
      out.write(0);
    }
  }

  public Bytes bytes() {
    if (fields > 1) {
      pad();
    }
    return Bytes.of(out.toByteArray());
  }
}
