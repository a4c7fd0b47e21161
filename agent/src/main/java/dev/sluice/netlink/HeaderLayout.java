package dev.sluice.netlink;

/**
 * Where the fields of netlink's fixed structures lie. All fields are in host byte order.
 *
 * <pre>
 *  struct nlmsghdr                          struct nlattr
 *  0        4     6     8      12     16    0     2      4
 *  +--------+-----+-----+------+------+     +-----+------+---------+-----+
 *  | length | type|flags| seq  | port |     | len | type | payload | pad |
 *  +--------+-----+-----+------+------+     +-----+------+---------+-----+
 *  length covers the header and what follows, padding to 4 comes after it;
 *  the same holds for an attribute's len.
 * </pre>
 */
final class HeaderLayout {
  static final int LENGTH_OFFSET = 0;
  static final int TYPE_OFFSET = 4;
  static final int FLAGS_OFFSET = 6;
  static final int SEQUENCE_OFFSET = 8;
  static final int PORT_ID_OFFSET = 12;

  /** sizeof(struct nlmsghdr). */
  static final int HEADER_BYTES = 16;

  static final int ATTRIBUTE_LENGTH_OFFSET = 0;
  static final int ATTRIBUTE_TYPE_OFFSET = 2;

  /** sizeof(struct nlattr). */
  static final int ATTRIBUTE_HEADER_BYTES = 4;

  /** In struct nlmsgerr: the negative errno, then the header of the request it answers. */
  static final int ERROR_BYTES = 4;

  private HeaderLayout() {}

  /** Rounds up to a multiple of four (NLMSG_ALIGN, NLA_ALIGN). */
  static int align(int length) {
    return (length + 3) & ~3;
  }
}
