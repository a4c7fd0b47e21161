package dev.sluice.flow;

/**
 * Layout of an entry of the {@link EventLog}: what filters look at, then the line. Integers are in
 * host byte order; IPv4 addresses have the IPv6 form {@code ::ffff:a.b.c.d}.
 *
 * <pre>
 *    0        1        2        3        4        5        6        7
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                               sequence                                |    0
 *   |                             next sequence                             |    8
 *   |                               time (ns)                               |   16
 *   |                              mapping id                               |   24
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |            line bytes             |  label offset   |lab. len|protocol|   32
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                  source of the original (16 bytes)                    |   40
 *   |                destination of the original (16 bytes)                 |   56
 *   |                    source of the reply (16 bytes)                     |   72
 *   |                  destination of the reply (16 bytes)                  |   88
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |  line … newline, padded to 8 bytes                                    |  104
 * </pre>
 *
 * <p>The entry stands for the events from sequence to next sequence: one, or all those that a gap
 * admits. The label's offset counts from the line's first byte; its length is 0 where no mapping
 * led the flow. A gap has protocol {@value #GAP}.
 */
final class LogEntryDescriptor {
  static final int SEQUENCE_OFFSET = 0;
  static final int NEXT_SEQUENCE_OFFSET = 8;
  static final int TIME_OFFSET = 16;
  static final int MAPPING_ID_OFFSET = 24;

  /** Line bytes (lowest 32 bits), label offset (16), label length (8), protocol (8). */
  static final int SHAPE_OFFSET = 32;

  static final int ADDRESSES_OFFSET = 40;
  static final int LINE_OFFSET = 104;

  static final int ADDRESS_LONGS = 8;

  /** In place of a protocol; the number is reserved (IANA). */
  static final int GAP = 255;

  private LogEntryDescriptor() {}

  static long shape(int lineBytes, int labelOffset, int labelLength, int protocol) {
    return lineBytes | (long) labelOffset << 32 | (long) labelLength << 48 | (long) protocol << 56;
  }

  static int lineBytes(long shape) {
    return (int) shape;
  }

  static int labelOffset(long shape) {
    return (int) (shape >>> 32) & 0xffff;
  }

  static int labelLength(long shape) {
    return (int) (shape >>> 48) & 0xff;
  }

  static int protocol(long shape) {
    return (int) (shape >>> 56);
  }

  /** Bytes of the log that an entry takes. */
  static int entryBytes(int lineBytes) {
    return LINE_OFFSET + lineBytes + 7 & -8;
  }
}
