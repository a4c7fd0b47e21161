package dev.sluice.netlink;

import static dev.sluice.netlink.HeaderLayout.FLAGS_OFFSET;
import static dev.sluice.netlink.HeaderLayout.HEADER_BYTES;
import static dev.sluice.netlink.HeaderLayout.PORT_ID_OFFSET;
import static dev.sluice.netlink.HeaderLayout.SEQUENCE_OFFSET;
import static dev.sluice.netlink.HeaderLayout.TYPE_OFFSET;
import static dev.sluice.netlink.HeaderLayout.align;

import java.nio.ByteBuffer;

/** Walks the messages of one datagram in place. */
public final class MessageCursor {
  private ByteBuffer bytes;
  private int end;
  private int start;
  private int next;
  private int length;

  /**
   * A cursor over {@code length} bytes of {@code bytes} (native byte order), from {@code offset}.
   */
  public MessageCursor(ByteBuffer bytes, int offset, int length) {
    this.bytes = bytes;
    wrap(bytes, offset, length);
  }

  /** Starts again on other bytes. */
  public MessageCursor wrap(ByteBuffer bytes, int offset, int length) {
    if (offset < 0 || length < 0 || offset > bytes.limit() - length) {
      throw new MalformedMessageException(
          "messages lie outside the datagram: offset="
              + offset
              + ", length="
              + length
              + ", limit="
              + bytes.limit());
    }
    this.bytes = bytes;
    this.next = offset;
    this.end = offset + length;
    return this;
  }

  /** Moves to the next message; false at the end of the datagram. */
  public boolean next() {
    int remaining = end - next;
    if (remaining == 0) {
      return false;
    }
    if (remaining < HEADER_BYTES) {
      throw new MalformedMessageException(
          "datagram ends inside a message header: " + remaining + " bytes left");
    }
    start = next;
    length = bytes.getInt(start);
    if (length < HEADER_BYTES || length > remaining) {
      throw new MalformedMessageException(
          "message length out of bounds: length="
              + Integer.toUnsignedLong(length)
              + ", remaining="
              + remaining);
    }
    next = start + Math.min(align(length), remaining);
    return true;
  }

  public int type() {
    return bytes.getShort(start + TYPE_OFFSET) & 0xffff;
  }

  /** For netfilter messages: the NFNL_SUBSYS_* in the upper byte of the type. */
  public int subsystem() {
    return type() >>> 8;
  }

  /** For netfilter messages: the subsystem's own message number in the lower byte of the type. */
  public int subtype() {
    return type() & 0xff;
  }

  public int flags() {
    return bytes.getShort(start + FLAGS_OFFSET) & 0xffff;
  }

  public int sequence() {
    return bytes.getInt(start + SEQUENCE_OFFSET);
  }

  /** Port of the socket a notification was caused by, or of the receiver of a reply. */
  public int portId() {
    return bytes.getInt(start + PORT_ID_OFFSET);
  }

  public ByteBuffer buffer() {
    return bytes;
  }

  /** Where the message starts in {@link #buffer()}. */
  public int offset() {
    return start;
  }

  /** The whole message, header included, padding not. */
  public int length() {
    return length;
  }

  public int payloadOffset() {
    return start + HEADER_BYTES;
  }

  public int payloadLength() {
    return length - HEADER_BYTES;
  }

  /** Byte {@code index} of the family's fixed header. */
  public int headerU8(int index) {
    checkHeader(index, 1);
    return bytes.get(start + HEADER_BYTES + index) & 0xff;
  }

  public int headerU16(int index) {
    checkHeader(index, 2);
    return bytes.getShort(start + HEADER_BYTES + index) & 0xffff;
  }

  public int headerU16be(int index) {
    return headerU8(index) << 8 | headerU8(index + 1);
  }

  public int headerU32(int index) {
    checkHeader(index, 4);
    return bytes.getInt(start + HEADER_BYTES + index);
  }

  /** The attributes behind a fixed header of {@code headerLength} bytes. */
  public AttributeCursor attributes(int headerLength) {
    int skip = align(headerLength);
    if (headerLength < 0 || payloadLength() < headerLength) {
      throw new MalformedMessageException(
          "message of type "
              + type()
              + " is shorter than its header: "
              + payloadLength()
              + " < "
              + headerLength);
    }
    return AttributeCursor.over(
        bytes,
        payloadOffset() + Math.min(skip, payloadLength()),
        Math.max(0, payloadLength() - skip));
  }

  private void checkHeader(int index, int size) {
    if (index < 0 || index + size > payloadLength()) {
      throw new MalformedMessageException(
          "message of type " + type() + " ends inside its header: payload=" + payloadLength());
    }
  }
}
