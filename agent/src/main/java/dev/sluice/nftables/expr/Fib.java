package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_FIB_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_FIB_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_FIB_F_DADDR;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_FIB_F_PRESENT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_FIB_F_SADDR;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_FIB_RESULT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_FIB_RESULT_ADDRTYPE;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;
import java.util.StringJoiner;

/**
 * Asks the routing table about the packet ({@code enum nft_fib_attributes}).
 *
 * @param dreg where the answer goes
 * @param result NFT_FIB_RESULT_*: interface index, interface name, or address type (RTN_*, 32 bits
 *     in host byte order)
 * @param flags NFTA_FIB_F_*: which of the packet's properties take part, and NFTA_FIB_F_PRESENT for
 *     a mere yes or no
 */
public record Fib(int dreg, int result, int flags) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "fib";

  /** What kind of address the destination is: RTN_LOCAL, RTN_UNICAST … */
  public static Fib destinationType(int dreg) {
    return new Fib(dreg, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR);
  }

  /** What kind of address the source is. */
  public static Fib sourceType(int dreg) {
    return new Fib(dreg, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_SADDR);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_FIB_FLAGS, flags);
    out.attrU32be(NFTA_FIB_RESULT, result);
    out.attrU32be(NFTA_FIB_DREG, dreg);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Fib decode(AttributeCursor inside) {
    int dreg = ABSENT;
    int result = ABSENT;
    int flags = ABSENT;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_FIB_DREG -> dreg = inside.u32be();
        case NFTA_FIB_RESULT -> result = inside.u32be();
        case NFTA_FIB_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    return new Fib(
        present(dreg, "NFTA_FIB_DREG"),
        present(result, "NFTA_FIB_RESULT"),
        present(flags, "NFTA_FIB_FLAGS"));
  }

  @Override
  public String toString() {
    List<String> names = List.of("saddr", "daddr", "mark", "iif", "oif");
    StringJoiner asked = new StringJoiner(" . ");
    for (int bit = 0; bit < names.size(); bit++) {
      if ((flags & 1 << bit) != 0) {
        asked.add(names.get(bit));
      }
    }
    return "fib "
        + asked
        + " "
        + Text.name(List.of("", "oif", "oifname", "type"), result)
        + ((flags & NFTA_FIB_F_PRESENT) != 0 ? " present" : "")
        + " => reg "
        + dreg;
  }
}
