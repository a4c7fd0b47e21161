package dev.sluice.fastpath;

import dev.sluice.ffi.ShimField;
import java.util.List;

/**
 * Layout of one direction of a flow that is carried, as native/src/record.h has it; compared when
 * the programs are loaded. Integers are in host byte order, addresses as on the wire, IPv4 in the
 * first four bytes.
 *
 * <pre>
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   | family | proto  | ended  |  zero  |    src_port     |    dst_port     |    0
 *   |                            src  (16 bytes)                            |    8
 *   |                            dst  (16 bytes)                            |   24
 *   |                          new_src (16 bytes)                           |   40
 *   |                          new_dst (16 bytes)                           |   56
 *   |  new_src_port   |  new_dst_port   |            from_device            |   72
 *   |             to_device             |                mtu                |   80
 *   |                                packets                                |   88
 *   |                                 bytes                                 |   96
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 * </pre>
 */
final class OffloadDescriptor {
  static final int RECORD_BYTES = 104;
  static final int ADDRESS_BYTES = 16;

  static final int FAMILY_OFFSET = 0;
  static final int PROTO_OFFSET = 1;
  static final int ENDED_OFFSET = 2;
  static final int ZERO_OFFSET = 3;
  static final int SRC_PORT_OFFSET = 4;
  static final int DST_PORT_OFFSET = 6;
  static final int SRC_OFFSET = 8;
  static final int DST_OFFSET = 24;
  static final int NEW_SRC_OFFSET = 40;
  static final int NEW_DST_OFFSET = 56;
  static final int NEW_SRC_PORT_OFFSET = 72;
  static final int NEW_DST_PORT_OFFSET = 74;
  static final int FROM_DEVICE_OFFSET = 76;
  static final int TO_DEVICE_OFFSET = 80;
  static final int MTU_OFFSET = 84;
  static final int PACKETS_OFFSET = 88;
  static final int BYTES_OFFSET = 96;

  // bits/socket.h
  static final int AF_INET = 2;
  static final int AF_INET6 = 10;

  /** The structure and all its fields, as the library must export them. */
  static final List<ShimField> LAYOUT =
      List.of(
          new ShimField("offload", 0, RECORD_BYTES),
          new ShimField("offload.family", FAMILY_OFFSET, Byte.BYTES),
          new ShimField("offload.proto", PROTO_OFFSET, Byte.BYTES),
          new ShimField("offload.ended", ENDED_OFFSET, Byte.BYTES),
          new ShimField("offload.zero", ZERO_OFFSET, Byte.BYTES),
          new ShimField("offload.src_port", SRC_PORT_OFFSET, Short.BYTES),
          new ShimField("offload.dst_port", DST_PORT_OFFSET, Short.BYTES),
          new ShimField("offload.src", SRC_OFFSET, ADDRESS_BYTES),
          new ShimField("offload.dst", DST_OFFSET, ADDRESS_BYTES),
          new ShimField("offload.new_src", NEW_SRC_OFFSET, ADDRESS_BYTES),
          new ShimField("offload.new_dst", NEW_DST_OFFSET, ADDRESS_BYTES),
          new ShimField("offload.new_src_port", NEW_SRC_PORT_OFFSET, Short.BYTES),
          new ShimField("offload.new_dst_port", NEW_DST_PORT_OFFSET, Short.BYTES),
          new ShimField("offload.from_device", FROM_DEVICE_OFFSET, Integer.BYTES),
          new ShimField("offload.to_device", TO_DEVICE_OFFSET, Integer.BYTES),
          new ShimField("offload.mtu", MTU_OFFSET, Integer.BYTES),
          new ShimField("offload.packets", PACKETS_OFFSET, Long.BYTES),
          new ShimField("offload.bytes", BYTES_OFFSET, Long.BYTES));

  private OffloadDescriptor() {}
}
