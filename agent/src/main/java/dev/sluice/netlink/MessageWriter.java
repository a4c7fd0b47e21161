package dev.sluice.netlink;

import static dev.sluice.netlink.HeaderLayout.ATTRIBUTE_HEADER_BYTES;
import static dev.sluice.netlink.HeaderLayout.FLAGS_OFFSET;
import static dev.sluice.netlink.HeaderLayout.HEADER_BYTES;
import static dev.sluice.netlink.HeaderLayout.LENGTH_OFFSET;
import static dev.sluice.netlink.HeaderLayout.PORT_ID_OFFSET;
import static dev.sluice.netlink.HeaderLayout.SEQUENCE_OFFSET;
import static dev.sluice.netlink.HeaderLayout.TYPE_OFFSET;
import static dev.sluice.netlink.HeaderLayout.align;

import dev.sluice.ffi.NativeBuffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Writes netlink messages, one behind the other, into memory the kernel can read. Reused for
 * request after request it allocates nothing; it grows when it must, up to {@value #MAX_CAPACITY}
 * bytes.
 *
 * <p>Numbers are written in host byte order unless the method name says {@code be} (big endian,
 * which netfilter uses for almost everything).
 *
 * <p>Not thread-safe.
 */
public final class MessageWriter {
  /** More than the largest batch of the agent (65,536 mappings) needs. */
  public static final int MAX_CAPACITY = 256 << 20;

  /** The largest attribute, its header included: nla_len is 16 bits wide. */
  public static final int MAX_ATTRIBUTE_BYTES = 0xffff;

  private static final int MAX_NESTING = 16;

  private NativeBuffer memory;
  private ByteBuffer bytes;
  private int position;
  private int messageStart = -1;
  private int messages;
  private final int[] nests = new int[MAX_NESTING];
  private int depth;

  public MessageWriter(int initialCapacityBytes) {
    memory = NativeBuffer.allocate(initialCapacityBytes);
    bytes = memory.bytes();
  }

  /** A writer of 8 KiB: enough for any single request. */
  public MessageWriter() {
    this(8192);
  }

  public MessageWriter reset() {
    position = 0;
    messageStart = -1;
    messages = 0;
    depth = 0;
    return this;
  }

  /** Bytes written so far. */
  public int length() {
    return position;
  }

  /** Messages begun so far. */
  public int messages() {
    return messages;
  }

  public long address() {
    return memory.address();
  }

  /** The memory, for reading back what was written; valid until the next write. */
  public ByteBuffer bytes() {
    return bytes;
  }

  public byte[] toByteArray() {
    byte[] copy = new byte[position];
    bytes.get(0, copy);
    return copy;
  }

  /**
   * Begins a message; everything up to {@link #end} belongs to it.
   *
   * @param type nlmsg_type, unsigned 16 bits
   * @param flags NLM_F_*
   * @param sequence nlmsg_seq; {@link NetlinkClient} assigns its own when it sends a single request
   */
  public MessageWriter begin(int type, int flags, int sequence) {
    if (messageStart >= 0) {
      throw new IllegalStateException("begin() inside a message: end() the previous one first");
    }
    pad();
    reserve(HEADER_BYTES);
    messageStart = position;
    messages++;
    bytes
        .putInt(position + LENGTH_OFFSET, 0)
        .putShort(position + TYPE_OFFSET, (short) type)
        .putShort(position + FLAGS_OFFSET, (short) flags)
        .putInt(position + SEQUENCE_OFFSET, sequence)
        .putInt(position + PORT_ID_OFFSET, 0);
    position += HEADER_BYTES;
    return this;
  }

  /** Ends the message begun last and fills in its length. */
  public MessageWriter end() {
    if (messageStart < 0 || depth != 0) {
      throw new IllegalStateException(
          "end() with messageStart=" + messageStart + ", open nested attributes=" + depth);
    }
    bytes.putInt(messageStart + LENGTH_OFFSET, position - messageStart);
    messageStart = -1;
    return this;
  }

  /** Sets flags of the message that starts at {@code messageOffset} in addition to those it has. */
  public void addFlags(int messageOffset, int flags) {
    int at = messageOffset + FLAGS_OFFSET;
    bytes.putShort(at, (short) (bytes.getShort(at) | flags));
  }

  void setSequence(int messageOffset, int sequence) {
    bytes.putInt(messageOffset + SEQUENCE_OFFSET, sequence);
  }

  // ---- fixed headers behind struct nlmsghdr

  public MessageWriter u8(int value) {
    reserve(1);
    bytes.put(position, (byte) value);
    position += 1;
    return this;
  }

  public MessageWriter u16(int value) {
    reserve(2);
    bytes.putShort(position, (short) value);
    position += 2;
    return this;
  }

  public MessageWriter u16be(int value) {
    return u16(bigEndian((short) value));
  }

  public MessageWriter u32(int value) {
    reserve(4);
    bytes.putInt(position, value);
    position += 4;
    return this;
  }

  // ---- attributes

  /**
   * Begins a nested attribute (NLA_F_NESTED is added); what is written up to {@link #endNest} lies
   * inside.
   */
  public MessageWriter beginNest(int type) {
    return beginPlainNest(type | LinuxNetlink.NLA_F_NESTED);
  }

  /**
   * As {@link #beginNest}, without the flag: rtnetlink's older attributes are compared byte by byte
   * without it.
   */
  public MessageWriter beginPlainNest(int type) {
    if (depth == MAX_NESTING) {
      throw new IllegalStateException("attributes nested deeper than " + MAX_NESTING);
    }
    pad();
    reserve(ATTRIBUTE_HEADER_BYTES);
    nests[depth++] = position;
    bytes.putShort(position, (short) 0).putShort(position + 2, (short) type);
    position += ATTRIBUTE_HEADER_BYTES;
    return this;
  }

  public MessageWriter endNest() {
    if (depth == 0) {
      throw new IllegalStateException("endNest() without beginNest()");
    }
    int start = nests[--depth];
    int length = position - start;
    if (length > MAX_ATTRIBUTE_BYTES) {
      throw new IllegalStateException(
          "nested attribute too large: type="
              + (bytes.getShort(start + 2) & 0xffff & LinuxNetlink.NLA_TYPE_MASK)
              + ", length="
              + length
              + ", maximum="
              + MAX_ATTRIBUTE_BYTES);
    }
    bytes.putShort(start, (short) length);
    return this;
  }

  /** Bytes written into the innermost open nested attribute, its header included. */
  public int nestLength() {
    return position - nests[depth - 1];
  }

  public MessageWriter attrU8(int type, int value) {
    int at = attribute(type, 1);
    bytes.put(at, (byte) value);
    return this;
  }

  public MessageWriter attrU16(int type, int value) {
    int at = attribute(type, 2);
    bytes.putShort(at, (short) value);
    return this;
  }

  public MessageWriter attrU16be(int type, int value) {
    return attrU16(type, bigEndian((short) value));
  }

  public MessageWriter attrU32(int type, int value) {
    int at = attribute(type, 4);
    bytes.putInt(at, value);
    return this;
  }

  public MessageWriter attrU32be(int type, int value) {
    return attrU32(type, bigEndian(value));
  }

  public MessageWriter attrU64be(int type, long value) {
    int at = attribute(type, 8);
    bytes.putLong(at, bigEndian(value));
    return this;
  }

  /**
   * A NUL-terminated string (NLA_NUL_STRING), ASCII or UTF-8.
   *
   * @throws IllegalArgumentException if it contains NUL: the kernel would read a shorter one
   */
  public MessageWriter attrString(int type, String value) {
    if (value.indexOf('\0') >= 0) {
      throw new IllegalArgumentException("string attribute with NUL: type=" + type);
    }
    byte[] text = value.getBytes(StandardCharsets.UTF_8);
    int at = attribute(type, text.length + 1);
    bytes.put(at, text).put(at + text.length, (byte) 0);
    return this;
  }

  public MessageWriter attrBytes(int type, byte[] value) {
    int at = attribute(type, value.length);
    bytes.put(at, value);
    return this;
  }

  /** An attribute without payload: its presence is its meaning. */
  public MessageWriter attrFlag(int type) {
    attribute(type, 0);
    return this;
  }

  /** Writes the attribute's header and zeroed padding, and returns where the payload goes. */
  private int attribute(int type, int payloadLength) {
    int length = ATTRIBUTE_HEADER_BYTES + payloadLength;
    if (length > MAX_ATTRIBUTE_BYTES) {
      throw new IllegalArgumentException(
          "attribute too large: type="
              + type
              + ", length="
              + length
              + ", maximum="
              + MAX_ATTRIBUTE_BYTES);
    }
    int padded = align(length);
    pad();
    reserve(padded);
    int at = position;
    bytes.putShort(at, (short) length).putShort(at + 2, (short) type);
    for (int i = length; i < padded; i++) {
      bytes.put(at + i, (byte) 0);
    }
    position += padded;
    return at + ATTRIBUTE_HEADER_BYTES;
  }

  /** A fixed header need not be a multiple of four bytes; what follows it starts at one. */
  private void pad() {
    while (position != align(position)) {
      u8(0);
    }
  }

  private void reserve(int additional) {
    if (position + additional > bytes.capacity()) {
      grow(position + additional);
    }
  }

  private void grow(int needed) {
    if (needed > MAX_CAPACITY) {
      throw new IllegalStateException(
          "netlink request too large: needed=" + needed + ", maximum=" + MAX_CAPACITY);
    }
    int capacity = Math.min(MAX_CAPACITY, Math.max(needed, bytes.capacity() * 2));
    NativeBuffer larger = NativeBuffer.allocate(capacity);
    larger.bytes().put(0, bytes, 0, position);
    memory = larger;
    bytes = larger.bytes();
  }

  private static short bigEndian(short value) {
    return NATIVE_IS_BIG ? value : Short.reverseBytes(value);
  }

  private static int bigEndian(int value) {
    return NATIVE_IS_BIG ? value : Integer.reverseBytes(value);
  }

  private static long bigEndian(long value) {
    return NATIVE_IS_BIG ? value : Long.reverseBytes(value);
  }

  private static final boolean NATIVE_IS_BIG = ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN;

  @Override
  public String toString() {
    return "MessageWriter[messages="
        + messages
        + ", length="
        + position
        + ", nests="
        + Arrays.toString(Arrays.copyOf(nests, depth))
        + "]";
  }
}
