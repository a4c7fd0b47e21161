package dev.sluice.conntrack;

import dev.sluice.ffi.ShimField;
import java.util.List;

/**
 * Layout of a flow event in the ring: 192 bytes, three cache lines. It is described once more in
 * native/src/record.h, and the two are compared, field by field, whenever the library is loaded.
 *
 * <pre>
 *    0        1        2        3        4        5        6        7
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |  kind  | family | proto  |p. state|      zone       |    reserved     |    0
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                               event_ns                                |    8
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |              present              |                id                 |   16
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |              status               |               mark                |   24
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |          timeout_seconds          |o. type |o. code |r. type |r. code |   32
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |  orig_src_port  |  orig_dst_port  | reply_src_port  | reply_dst_port  |   40
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                         orig_src  (16 bytes)                          |   48
 *   |                         orig_dst  (16 bytes)                          |   64
 *   |                         reply_src (16 bytes)                          |   80
 *   |                         reply_dst (16 bytes)                          |   96
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                             orig_packets                              |  112
 *   |                             orig_bytes                                |  120
 *   |                             reply_packets                             |  128
 *   |                             reply_bytes                               |  136
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                             start_ns                                  |  144
 *   |                             stop_ns                                   |  152
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                          labels (16 bytes)                            |  160
 *   |                          helper (16 bytes)                            |  176
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 * </pre>
 *
 * <p>Integers are in host byte order, addresses are the bytes of the packet (IPv4: the first four,
 * the rest zero), times are ns since 1970.
 */
public final class FlowRecordDescriptor {
  /** Size of every record in the ring, gaps included. */
  public static final int RECORD_BYTES = 192;

  public static final int KIND_OFFSET = 0;
  public static final int FAMILY_OFFSET = 1;
  public static final int PROTO_OFFSET = 2;
  public static final int PROTO_STATE_OFFSET = 3;
  public static final int ZONE_OFFSET = 4;
  public static final int RESERVED_OFFSET = 6;
  public static final int EVENT_NS_OFFSET = 8;
  public static final int PRESENT_OFFSET = 16;
  public static final int ID_OFFSET = 20;
  public static final int STATUS_OFFSET = 24;
  public static final int MARK_OFFSET = 28;
  public static final int TIMEOUT_SECONDS_OFFSET = 32;
  public static final int ORIG_ICMP_TYPE_OFFSET = 36;
  public static final int ORIG_ICMP_CODE_OFFSET = 37;
  public static final int REPLY_ICMP_TYPE_OFFSET = 38;
  public static final int REPLY_ICMP_CODE_OFFSET = 39;
  public static final int ORIG_SRC_PORT_OFFSET = 40;
  public static final int ORIG_DST_PORT_OFFSET = 42;
  public static final int REPLY_SRC_PORT_OFFSET = 44;
  public static final int REPLY_DST_PORT_OFFSET = 46;
  public static final int ORIG_SRC_OFFSET = 48;
  public static final int ORIG_DST_OFFSET = 64;
  public static final int REPLY_SRC_OFFSET = 80;
  public static final int REPLY_DST_OFFSET = 96;
  public static final int ORIG_PACKETS_OFFSET = 112;
  public static final int ORIG_BYTES_OFFSET = 120;
  public static final int REPLY_PACKETS_OFFSET = 128;
  public static final int REPLY_BYTES_OFFSET = 136;
  public static final int START_NS_OFFSET = 144;
  public static final int STOP_NS_OFFSET = 152;
  public static final int LABELS_OFFSET = 160;
  public static final int HELPER_OFFSET = 176;

  /** Bytes of an address, of either family. */
  public static final int ADDRESS_BYTES = 16;

  public static final int LABELS_BYTES = 16;

  /** Bytes of the helper's name, padded with NULs. */
  public static final int HELPER_BYTES = 16;

  // enum sluice_kind; 0 is never written, so that unwritten memory is not an event
  public static final int SLUICE_KIND_NEW = 1;
  public static final int SLUICE_KIND_UPDATE = 2;
  public static final int SLUICE_KIND_DESTROY = 3;
  public static final int SLUICE_KIND_GAP = 4;
  public static final int SLUICE_KIND_ENTRY = 5;

  // enum sluice_present: which optional fields the kernel sent
  public static final int SLUICE_HAS_ID = 1 << 0;
  public static final int SLUICE_HAS_STATUS = 1 << 1;
  public static final int SLUICE_HAS_MARK = 1 << 2;
  public static final int SLUICE_HAS_TIMEOUT = 1 << 3;
  public static final int SLUICE_HAS_PROTO_STATE = 1 << 4;
  public static final int SLUICE_HAS_PORTS = 1 << 5;
  public static final int SLUICE_HAS_ICMP = 1 << 6;
  public static final int SLUICE_HAS_ZONE = 1 << 7;
  public static final int SLUICE_HAS_ORIG_ZONE = 1 << 8;
  public static final int SLUICE_HAS_REPLY_ZONE = 1 << 9;
  public static final int SLUICE_HAS_ORIG_COUNTERS = 1 << 10;
  public static final int SLUICE_HAS_REPLY_COUNTERS = 1 << 11;
  public static final int SLUICE_HAS_START = 1 << 12;
  public static final int SLUICE_HAS_STOP = 1 << 13;
  public static final int SLUICE_HAS_EVENT_TIME = 1 << 14;
  public static final int SLUICE_HAS_LABELS = 1 << 15;
  public static final int SLUICE_HAS_HELPER = 1 << 16;

  /** The structure and all its fields, as the library must export them. */
  static final List<ShimField> LAYOUT =
      List.of(
          new ShimField("flow", 0, RECORD_BYTES),
          new ShimField("flow.kind", KIND_OFFSET, Byte.BYTES),
          new ShimField("flow.family", FAMILY_OFFSET, Byte.BYTES),
          new ShimField("flow.proto", PROTO_OFFSET, Byte.BYTES),
          new ShimField("flow.proto_state", PROTO_STATE_OFFSET, Byte.BYTES),
          new ShimField("flow.zone", ZONE_OFFSET, Short.BYTES),
          new ShimField("flow.reserved", RESERVED_OFFSET, Short.BYTES),
          new ShimField("flow.event_ns", EVENT_NS_OFFSET, Long.BYTES),
          new ShimField("flow.present", PRESENT_OFFSET, Integer.BYTES),
          new ShimField("flow.id", ID_OFFSET, Integer.BYTES),
          new ShimField("flow.status", STATUS_OFFSET, Integer.BYTES),
          new ShimField("flow.mark", MARK_OFFSET, Integer.BYTES),
          new ShimField("flow.timeout_seconds", TIMEOUT_SECONDS_OFFSET, Integer.BYTES),
          new ShimField("flow.orig_icmp_type", ORIG_ICMP_TYPE_OFFSET, Byte.BYTES),
          new ShimField("flow.orig_icmp_code", ORIG_ICMP_CODE_OFFSET, Byte.BYTES),
          new ShimField("flow.reply_icmp_type", REPLY_ICMP_TYPE_OFFSET, Byte.BYTES),
          new ShimField("flow.reply_icmp_code", REPLY_ICMP_CODE_OFFSET, Byte.BYTES),
          new ShimField("flow.orig_src_port", ORIG_SRC_PORT_OFFSET, Short.BYTES),
          new ShimField("flow.orig_dst_port", ORIG_DST_PORT_OFFSET, Short.BYTES),
          new ShimField("flow.reply_src_port", REPLY_SRC_PORT_OFFSET, Short.BYTES),
          new ShimField("flow.reply_dst_port", REPLY_DST_PORT_OFFSET, Short.BYTES),
          new ShimField("flow.orig_src", ORIG_SRC_OFFSET, ADDRESS_BYTES),
          new ShimField("flow.orig_dst", ORIG_DST_OFFSET, ADDRESS_BYTES),
          new ShimField("flow.reply_src", REPLY_SRC_OFFSET, ADDRESS_BYTES),
          new ShimField("flow.reply_dst", REPLY_DST_OFFSET, ADDRESS_BYTES),
          new ShimField("flow.orig_packets", ORIG_PACKETS_OFFSET, Long.BYTES),
          new ShimField("flow.orig_bytes", ORIG_BYTES_OFFSET, Long.BYTES),
          new ShimField("flow.reply_packets", REPLY_PACKETS_OFFSET, Long.BYTES),
          new ShimField("flow.reply_bytes", REPLY_BYTES_OFFSET, Long.BYTES),
          new ShimField("flow.start_ns", START_NS_OFFSET, Long.BYTES),
          new ShimField("flow.stop_ns", STOP_NS_OFFSET, Long.BYTES),
          new ShimField("flow.labels", LABELS_OFFSET, LABELS_BYTES),
          new ShimField("flow.helper", HELPER_OFFSET, HELPER_BYTES));

  private FlowRecordDescriptor() {}
}
