package dev.sluice.nftables;

import static dev.sluice.netlink.LinuxNetlink.NFNL_SUBSYS_NFTABLES;
import static dev.sluice.netlink.LinuxNetlink.NLA_F_NESTED;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXPR_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_EXPR_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOOKUP_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ELEM_LIST_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_DELSETELEM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWSETELEM;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * The bytes of a message as lines, an attribute each, so that two messages can be compared and a
 * difference read. It knows nothing of the encoder under test: lengths, the nested flag and order
 * are all it goes by.
 *
 * <p>Left out are the sequence number, and the numbers by which one batch refers to its sets
 * (NFTA_SET_ID and those that repeat it): each program counts them in its own way, and nft names
 * even sets that exist already by them.
 */
public final class WireText {
  private static final int NLMSG_HDRLEN = 16;
  private static final int NFGENMSG_LENGTH = 4;
  private static final int NLA_HDRLEN = 4;

  private WireText() {}

  /** The nf_tables messages of a batch, without its begin and end. */
  public static List<byte[]> messages(Batch batch) {
    ByteBuffer all = ByteBuffer.wrap(batch.messages().toByteArray()).order(ByteOrder.nativeOrder());
    List<byte[]> messages = new ArrayList<>();
    while (all.hasRemaining()) {
      byte[] message = new byte[(all.getInt(all.position()) + 3) & ~3];
      all.get(message);
      messages.add(message);
    }
    return ofNfTables(messages);
  }

  /** Those of the messages that belong to nf_tables: without the frame of the batch. */
  public static List<byte[]> ofNfTables(List<byte[]> messages) {
    return messages.stream().filter(m -> type(m) >>> 8 == NFNL_SUBSYS_NFTABLES).toList();
  }

  private static int type(byte[] message) {
    return ByteBuffer.wrap(message).order(ByteOrder.nativeOrder()).getShort(4) & 0xffff;
  }

  /** The number of the operation, NFT_MSG_NEWRULE for instance. */
  public static int operation(byte[] message) {
    return type(message) & 0xff;
  }

  /** The text of one attribute at the top level, "" if it is absent. */
  public static String string(byte[] message, int attribute) {
    ByteBuffer in = attributes(message);
    while (in.remaining() >= NLA_HDRLEN) {
      int start = in.position();
      int length = in.getShort() & 0xffff;
      if ((in.getShort() & 0xffff) == attribute) {
        byte[] text = new byte[length - NLA_HDRLEN];
        in.get(text);
        return zeroTerminated(text);
      }
      in.position(Math.min(in.limit(), start + ((length + 3) & ~3)));
    }
    return "";
  }

  /** Type, flags, family, and the attributes, a line each. */
  public static String of(byte[] message) {
    ByteBuffer header = ByteBuffer.wrap(message).order(ByteOrder.nativeOrder());
    StringBuilder text = new StringBuilder();
    text.append("message 0x%03x flags 0x%x".formatted(type(message), header.getShort(6)));
    text.append(" family ").append(message[NLMSG_HDRLEN]).append('\n');
    write(attributes(message), 1, ownNumber(operation(message)), "", text);
    return text.toString();
  }

  private static ByteBuffer attributes(byte[] message) {
    ByteBuffer in = ByteBuffer.wrap(message).order(ByteOrder.nativeOrder());
    int length = in.getInt(0);
    return in.limit(length).position(NLMSG_HDRLEN + NFGENMSG_LENGTH);
  }

  /** The attribute that holds nft's or our own number of a set. */
  private static int ownNumber(int operation) {
    return switch (operation) {
      case NFT_MSG_NEWSET -> NFTA_SET_ID;
      case NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM -> NFTA_SET_ELEM_LIST_SET_ID;
      default -> -1;
    };
  }

  private static void write(
      ByteBuffer in, int depth, int skip, String expression, StringBuilder text) {
    String name = expression;
    while (in.remaining() >= NLA_HDRLEN) {
      int start = in.position();
      int length = in.getShort() & 0xffff;
      int rawType = in.getShort() & 0xffff;
      int type = rawType & ~NLA_F_NESTED;
      byte[] value = new byte[length - NLA_HDRLEN];
      in.get(value);
      in.position(Math.min(in.limit(), start + ((length + 3) & ~3)));
      if (type == skip) {
        continue;
      }
      text.append("  ".repeat(depth)).append(type);
      if ((rawType & NLA_F_NESTED) == 0) {
        text.append(": ").append(HexFormat.of().formatHex(value));
        if (type == NFTA_EXPR_NAME) {
          name = zeroTerminated(value);
          if (name.chars().allMatch(c -> c > ' ' && c < 0x7f) && name.length() > 1) {
            text.append(" (").append(name).append(')');
          }
        }
        text.append('\n');
        continue;
      }
      text.append(" {\n");
      boolean lookup = type == NFTA_EXPR_DATA && name.equals("lookup");
      write(
          ByteBuffer.wrap(value).order(ByteOrder.nativeOrder()),
          depth + 1,
          lookup ? NFTA_LOOKUP_SET_ID : -1,
          "",
          text);
      text.append("  ".repeat(depth)).append("}\n");
    }
  }

  private static String zeroTerminated(byte[] value) {
    int length = 0;
    while (length < value.length && value[length] != 0) {
      length++;
    }
    return new String(value, 0, length, StandardCharsets.UTF_8);
  }

  /**
   * The text without NFTA_BITWISE_OP where it is NFT_BITWISE_MASK_XOR, which nft states for flags
   * and leaves out elsewhere; this library always leaves it out.
   */
  public static String withoutStatedMaskXor(String text) {
    return text.replaceAll("(\\(bitwise\\)\\s+2 \\{(?:\\s+[12]: \\w{8}){2})\\s+6: 00000000", "$1");
  }
}
