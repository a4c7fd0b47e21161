package dev.sluice.netlink;

import static dev.sluice.netlink.LinuxNetlink.NLMSG_DONE;
import static dev.sluice.netlink.LinuxNetlink.NLMSG_ERROR;

import dev.sluice.ffi.Errno;
import java.nio.ByteBuffer;
import java.util.StringJoiner;

/**
 * Writes netlink messages as indented text, one attribute a line, names where the schema knows
 * them.
 */
public final class MessagePrinter {
  private static final int BYTES_SHOWN = 48;

  private MessagePrinter() {}

  /** Never throws on malformed bytes: what cannot be read is printed as such. */
  public static String print(ByteBuffer bytes, int offset, int length, MessageSchema schema) {
    StringBuilder out = new StringBuilder();
    MessageCursor cursor = new MessageCursor(bytes, offset, length);
    try {
      while (cursor.next()) {
        message(cursor, schema, out);
      }
    } catch (MalformedMessageException e) {
      out.append("  ! ").append(e.getMessage()).append('\n');
    }
    return out.toString();
  }

  private static void message(MessageCursor cursor, MessageSchema schema, StringBuilder out) {
    int type = cursor.type();
    out.append(typeName(type, schema)).append(" length=").append(cursor.length());
    out.append(" flags=").append(flags(type, cursor.flags()));
    out.append(" seq=").append(Integer.toUnsignedString(cursor.sequence()));
    out.append(" port=").append(Integer.toUnsignedString(cursor.portId())).append('\n');
    if (type == NLMSG_ERROR || type == NLMSG_DONE) {
      if (cursor.payloadLength() >= 4) {
        int errno = -cursor.headerU32(0);
        out.append("  ").append(errno == 0 ? "success" : Errno.describe(errno)).append('\n');
      }
      return;
    }
    int header = schema.headerBytes(type);
    if (header > 0 && cursor.payloadLength() >= header) {
      out.append("  header ").append(hex(cursor.buffer(), cursor.payloadOffset(), header));
      out.append('\n');
    }
    int skip = HeaderLayout.align(header);
    if (cursor.payloadLength() > skip) {
      attributes(
          cursor.buffer(),
          cursor.payloadOffset() + skip,
          cursor.payloadLength() - skip,
          schema.attributes(type),
          1,
          out);
    }
  }

  private static void attributes(
      ByteBuffer bytes,
      int offset,
      int length,
      AttributeSchema schema,
      int depth,
      StringBuilder out) {
    AttributeCursor cursor = AttributeCursor.over(bytes, offset, length);
    while (cursor.next()) {
      out.append("  ".repeat(depth)).append(schema.name(cursor.type()));
      AttributeSchema.Attribute known = schema.attribute(cursor.type());
      if (known != null && known.shape() == AttributeSchema.Shape.NEST) {
        out.append('\n');
        attributes(
            bytes,
            cursor.offset(),
            cursor.length(),
            schema.inside(cursor.type(), AttributeCursor.over(bytes, offset, length)),
            depth + 1,
            out);
      } else {
        out.append(' ').append(value(cursor, known)).append('\n');
      }
    }
  }

  private static String value(
      AttributeCursor cursor, AttributeSchema.@org.jspecify.annotations.Nullable Attribute known) {
    String raw = hex(cursor.buffer(), cursor.offset(), cursor.length());
    if (known == null) {
      return raw;
    }
    return switch (known.shape()) {
      case U8 -> cursor.length() == 1 ? String.valueOf(cursor.u8()) : raw;
      case U16_BE -> cursor.length() == 2 ? String.valueOf(cursor.u16be()) : raw;
      case U32 -> cursor.length() == 4 ? Integer.toUnsignedString(cursor.u32()) : raw;
      case U32_BE -> cursor.length() == 4 ? Integer.toUnsignedString(cursor.u32be()) : raw;
      case S32_BE -> cursor.length() == 4 ? String.valueOf(cursor.u32be()) : raw;
      case U64_BE -> cursor.length() == 8 ? Long.toUnsignedString(cursor.u64be()) : raw;
      case STRING -> '"' + cursor.string() + '"';
      case FLAG, BYTES, NEST -> raw;
    };
  }

  private static String typeName(int type, MessageSchema schema) {
    return switch (type) {
      case LinuxNetlink.NLMSG_NOOP -> "NLMSG_NOOP";
      case NLMSG_ERROR -> "NLMSG_ERROR";
      case NLMSG_DONE -> "NLMSG_DONE";
      case LinuxNetlink.NLMSG_OVERRUN -> "NLMSG_OVERRUN";
      default -> schema.name(type);
    };
  }

  /**
   * Known names; what is left over as hex. Bits above 0x80 depend on whether the message gets,
   * makes or deletes.
   */
  private static String flags(int type, int flags) {
    StringJoiner names = new StringJoiner("|");
    int rest = flags;
    String[] low = {"REQUEST", "MULTI", "ACK", "ECHO", "DUMP_INTR", "DUMP_FILTERED"};
    for (int bit = 0; bit < low.length; bit++) {
      if ((rest & 1 << bit) != 0) {
        names.add(low[bit]);
        rest &= ~(1 << bit);
      }
    }
    if (type == NLMSG_ERROR) {
      if ((rest & LinuxNetlink.NLM_F_CAPPED) != 0) {
        names.add("CAPPED");
        rest &= ~LinuxNetlink.NLM_F_CAPPED;
      }
      if ((rest & LinuxNetlink.NLM_F_ACK_TLVS) != 0) {
        names.add("ACK_TLVS");
        rest &= ~LinuxNetlink.NLM_F_ACK_TLVS;
      }
    }
    if (rest != 0 || names.length() == 0) {
      names.add("0x" + Integer.toHexString(rest));
    }
    return names.toString();
  }

  private static String hex(ByteBuffer bytes, int offset, int length) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < Math.min(length, BYTES_SHOWN); i++) {
      if (i > 0) {
        out.append(' ');
      }
      int value = bytes.get(offset + i) & 0xff;
      out.append(Character.forDigit(value >>> 4, 16)).append(Character.forDigit(value & 15, 16));
    }
    return length > BYTES_SHOWN ? out + " … " + length + " bytes" : out.toString();
  }
}
