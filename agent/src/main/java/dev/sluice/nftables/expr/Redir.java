package dev.sluice.nftables.expr;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_REDIR_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_REDIR_REG_PROTO_MAX;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_REDIR_REG_PROTO_MIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_NAT_RANGE_PROTO_SPECIFIED;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;

/**
 * Translates the connection's destination to this host ({@code enum nft_redir_attributes}).
 *
 * @param portMin register of the port or the first of a range, or {@link Register#NONE}
 * @param portMax register of the last port of a range, or {@link Register#NONE}
 * @param flags NF_NAT_RANGE_*
 */
public record Redir(int portMin, int portMax, int flags) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "redir";

  /** The packet's own port. */
  public static Redir samePort() {
    return new Redir(Register.NONE, Register.NONE, 0);
  }

  /** The port in {@code port}. */
  public static Redir toPort(int port) {
    return new Redir(port, Register.NONE, NF_NAT_RANGE_PROTO_SPECIFIED);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    if (portMin != Register.NONE) {
      out.attrU32be(NFTA_REDIR_REG_PROTO_MIN, portMin);
    }
    if (portMax != Register.NONE) {
      out.attrU32be(NFTA_REDIR_REG_PROTO_MAX, portMax);
    }
    if (flags != 0) {
      out.attrU32be(NFTA_REDIR_FLAGS, flags);
    }
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Redir decode(AttributeCursor inside) {
    int portMin = Register.NONE;
    int portMax = Register.NONE;
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_REDIR_REG_PROTO_MIN -> portMin = inside.u32be();
        case NFTA_REDIR_REG_PROTO_MAX -> portMax = inside.u32be();
        case NFTA_REDIR_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    return new Redir(portMin, portMax, flags);
  }

  @Override
  public String toString() {
    return "redir"
        + Text.register("proto_min", portMin)
        + Text.register("proto_max", portMax)
        + Text.flags(flags);
  }
}
