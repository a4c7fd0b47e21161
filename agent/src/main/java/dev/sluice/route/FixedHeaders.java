package dev.sluice.route;

import dev.sluice.netlink.MessageWriter;

/**
 * Where the fields of rtnetlink's fixed headers lie, counted from the end of struct nlmsghdr. All
 * are in host byte order.
 *
 * <pre>
 *  struct ifinfomsg                                   struct ifaddrmsg
 *  0      1     2      4       8       12             0      1      2     3     4
 *  +------+-----+------+-------+-------+--------+     +------+------+-----+-----+-------+
 *  |family| pad | type | index | flags | change |     |family|prefix|flags|scope| index |
 *  +------+-----+------+-------+-------+--------+     +------+------+-----+-----+-------+
 *
 *  struct rtmsg
 *  0      1       2       3     4     5        6     7    8
 *  +------+-------+-------+-----+-----+--------+-----+----+-------+
 *  |family|dst len|src len| tos |table|protocol|scope|type| flags |
 *  +------+-------+-------+-----+-----+--------+-----+----+-------+
 *
 *  struct ndmsg                                       struct rtnexthop
 *  0      1         4       8       10    11          0     2     3    4
 *  +------+---------+-------+-------+-----+----+      +-----+-----+----+-------+
 *  |family|   pad   | index | state |flags|type|      | len |flags|hops| index |  attributes …
 *  +------+---------+-------+-------+-----+----+      +-----+-----+----+-------+
 *
 *  struct tcmsg
 *  0      1         4       8        12       16      20
 *  +------+---------+-------+--------+--------+-------+
 *  |family|   pad   | index | handle | parent | info  |
 *  +------+---------+-------+--------+--------+-------+
 * </pre>
 */
final class FixedHeaders {
  static final int IFINFOMSG_BYTES = 16;
  static final int IFI_FAMILY_OFFSET = 0;
  static final int IFI_INDEX_OFFSET = 4;
  static final int IFI_FLAGS_OFFSET = 8;

  static final int IFADDRMSG_BYTES = 8;
  static final int IFA_FAMILY_OFFSET = 0;
  static final int IFA_PREFIXLEN_OFFSET = 1;
  static final int IFA_FLAGS_OFFSET = 2;
  static final int IFA_SCOPE_OFFSET = 3;
  static final int IFA_INDEX_OFFSET = 4;

  static final int RTMSG_BYTES = 12;
  static final int RTM_FAMILY_OFFSET = 0;
  static final int RTM_DST_LEN_OFFSET = 1;
  static final int RTM_TABLE_OFFSET = 4;
  static final int RTM_PROTOCOL_OFFSET = 5;
  static final int RTM_SCOPE_OFFSET = 6;
  static final int RTM_TYPE_OFFSET = 7;
  static final int RTM_FLAGS_OFFSET = 8;

  static final int NDMSG_BYTES = 12;
  static final int NDM_FAMILY_OFFSET = 0;
  static final int NDM_IFINDEX_OFFSET = 4;
  static final int NDM_STATE_OFFSET = 8;
  static final int NDM_FLAGS_OFFSET = 10;

  static final int TCM_IFINDEX_OFFSET = 4;

  static final int RTNEXTHOP_BYTES = 8;
  static final int RTNH_LEN_OFFSET = 0;
  static final int RTNH_FLAGS_OFFSET = 2;
  static final int RTNH_HOPS_OFFSET = 3;
  static final int RTNH_IFINDEX_OFFSET = 4;

  /** struct rtgenmsg: one byte, the family. */
  static final int RTGENMSG_BYTES = 1;

  private FixedHeaders() {}

  static MessageWriter ifinfomsg(
      MessageWriter writer, int family, int index, int flags, int change) {
    return writer.u8(family).u8(0).u16(0).u32(index).u32(flags).u32(change);
  }

  static MessageWriter ifaddrmsg(
      MessageWriter writer, int family, int prefixLengthBits, int flags, int scope, int index) {
    return writer.u8(family).u8(prefixLengthBits).u8(flags).u8(scope).u32(index);
  }

  static MessageWriter rtmsg(
      MessageWriter writer,
      int family,
      int destinationLengthBits,
      int table,
      int protocol,
      int scope,
      int type,
      int flags) {
    writer.u8(family).u8(destinationLengthBits).u8(0).u8(0);
    return writer.u8(table).u8(protocol).u8(scope).u8(type).u32(flags);
  }

  static MessageWriter ndmsg(MessageWriter writer, int family, int index, int state, int flags) {
    return writer.u8(family).u8(0).u16(0).u32(index).u16(state).u8(flags).u8(0);
  }

  /** With the padding that aligns what follows. */
  static MessageWriter rtgenmsg(MessageWriter writer, int family) {
    return writer.u8(family).u8(0).u16(0);
  }
}
