package dev.sluice.netlink;

import static dev.sluice.netlink.HeaderLayout.ATTRIBUTE_HEADER_BYTES;
import static dev.sluice.netlink.HeaderLayout.ATTRIBUTE_TYPE_OFFSET;
import static dev.sluice.netlink.HeaderLayout.align;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * Reads a run of attributes in place:
 *
 * <pre>{@code
 * while (cursor.next()) {
 *   switch (cursor.type()) {
 *     case NFTA_TABLE_NAME -> name = cursor.string();
 *     case NFTA_TABLE_FLAGS -> flags = cursor.u32be();
 *     default -> {} // newer kernels add attributes: skip what is not known
 *   }
 * }
 * }</pre>
 *
 * <p>Every read checks the attribute's length; lengths that run over the end throw {@link
 * MalformedMessageException}.
 */
public final class AttributeCursor {
  private final ByteBuffer bytes;
  private final int end;
  private int nextAttribute;
  private int type;
  private int payload;
  private int payloadLength;

  private AttributeCursor(ByteBuffer bytes, int offset, int end) {
    this.bytes = bytes;
    this.nextAttribute = offset;
    this.end = end;
  }

  /**
   * @param bytes in native byte order; absolute access only, its position is not touched
   * @param offset where the first attribute's header starts
   * @param length bytes of all attributes together
   */
  public static AttributeCursor over(ByteBuffer bytes, int offset, int length) {
    if (offset < 0 || length < 0 || offset > bytes.limit() - length) {
      throw new MalformedMessageException(
          "attributes lie outside the message: offset="
              + offset
              + ", length="
              + length
              + ", limit="
              + bytes.limit());
    }
    return new AttributeCursor(bytes, offset, offset + length);
  }

  /** Moves to the next attribute; false at the end. */
  public boolean next() {
    int remaining = end - nextAttribute;
    if (remaining == 0) {
      return false;
    }
    if (remaining < ATTRIBUTE_HEADER_BYTES) {
      throw new MalformedMessageException(remaining + " bytes left over behind the last attribute");
    }
    int length = bytes.getShort(nextAttribute) & 0xffff;
    if (length < ATTRIBUTE_HEADER_BYTES || length > remaining) {
      throw new MalformedMessageException(
          "attribute length out of bounds: length="
              + length
              + ", remaining="
              + remaining
              + ", offset="
              + nextAttribute);
    }
    type =
        bytes.getShort(nextAttribute + ATTRIBUTE_TYPE_OFFSET) & 0xffff & LinuxNetlink.NLA_TYPE_MASK;
    payload = nextAttribute + ATTRIBUTE_HEADER_BYTES;
    payloadLength = length - ATTRIBUTE_HEADER_BYTES;
    // The last attribute of a message may come without its padding.
    nextAttribute += Math.min(align(length), remaining);
    return true;
  }

  /** Type of the current attribute without the NLA_F_ bits. */
  public int type() {
    return type;
  }

  /** Payload bytes of the current attribute. */
  public int length() {
    return payloadLength;
  }

  /** Where the payload starts in the underlying buffer. */
  public int offset() {
    return payload;
  }

  public ByteBuffer buffer() {
    return bytes;
  }

  public int u8() {
    expect(1);
    return bytes.get(payload) & 0xff;
  }

  public int u16() {
    expect(2);
    return bytes.getShort(payload) & 0xffff;
  }

  public int u16be() {
    expect(2);
    return (bytes.get(payload) & 0xff) << 8 | (bytes.get(payload + 1) & 0xff);
  }

  /** The 32 bits in host order; unsigned values wrap, see {@link Integer#toUnsignedLong}. */
  public int u32() {
    expect(4);
    return bytes.getInt(payload);
  }

  public int u32be() {
    expect(4);
    int value = bytes.getInt(payload);
    return bytes.order() == ByteOrder.BIG_ENDIAN ? value : Integer.reverseBytes(value);
  }

  public long u64() {
    expect(8);
    return bytes.getLong(payload);
  }

  public long u64be() {
    expect(8);
    long value = bytes.getLong(payload);
    return bytes.order() == ByteOrder.BIG_ENDIAN ? value : Long.reverseBytes(value);
  }

  /** Text up to the first NUL or the end of the payload. */
  public String string() {
    int length = 0;
    while (length < payloadLength && bytes.get(payload + length) != 0) {
      length++;
    }
    byte[] text = new byte[length];
    bytes.get(payload, text);
    return new String(text, StandardCharsets.UTF_8);
  }

  public byte[] bytes() {
    byte[] copy = new byte[payloadLength];
    bytes.get(payload, copy);
    return copy;
  }

  /** The attributes inside the current one. */
  public AttributeCursor nested() {
    return new AttributeCursor(bytes, payload, payload + payloadLength);
  }

  private void expect(int length) {
    if (payloadLength != length) {
      throw new MalformedMessageException(
          "attribute "
              + type
              + " has "
              + payloadLength
              + " bytes where "
              + length
              + " are expected");
    }
  }
}
