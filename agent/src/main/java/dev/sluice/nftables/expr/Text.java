package dev.sluice.nftables.expr;

import dev.sluice.net.Bytes;
import dev.sluice.nftables.uapi.LinuxNfTables;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.StringJoiner;

/** How {@code nft --debug=netlink} writes the parts of an expression. */
final class Text {
  private Text() {}

  /** Data as 32-bit words in host byte order, the last one filled with zeros. */
  static String words(Bytes bytes) {
    ByteBuffer padded =
        ByteBuffer.wrap(bytes.padTo(Register.padded(bytes.length())).toArray())
            .order(ByteOrder.nativeOrder());
    StringJoiner words = new StringJoiner(" ");
    while (padded.hasRemaining()) {
      words.add("0x%08x".formatted(padded.getInt()));
    }
    return words.toString();
  }

  /** The name at {@code index}; the number if there is none. */
  static String name(List<String> names, int index) {
    return index >= 0 && index < names.size() && !names.get(index).isEmpty()
        ? names.get(index)
        : String.valueOf(index);
  }

  /** An address family as nft spells it (NFPROTO_*). */
  static String family(int family) {
    return switch (family) {
      case LinuxNfTables.NFPROTO_INET -> "inet";
      case LinuxNfTables.NFPROTO_IPV4 -> "ip";
      case LinuxNfTables.NFPROTO_IPV6 -> "ip6";
      default -> String.valueOf(family);
    };
  }

  /** {@code " label reg N"}, or nothing without a register. */
  static String register(String label, int register) {
    return register == Register.NONE ? "" : " " + label + " reg " + register;
  }

  /** {@code " flags 0xN"}, or nothing for 0. */
  static String flags(int flags) {
    return flags == 0 ? "" : " flags 0x" + Integer.toHexString(flags);
  }
}
