package dev.sluice.nftables.expr;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_MASQ_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_MASQ_REG_PROTO_MAX;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_MASQ_REG_PROTO_MIN;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;

/**
 * Translates the connection's source to the address of the interface it leaves by ({@code enum
 * nft_masq_attributes}).
 *
 * @param portMin register of the port or the first of a range, or {@link Register#NONE}
 * @param portMax register of the last port of a range, or {@link Register#NONE}
 * @param flags NF_NAT_RANGE_*
 */
public record Masq(int portMin, int portMax, int flags) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "masq";

  /** Any free port. */
  public static Masq any(int flags) {
    return new Masq(Register.NONE, Register.NONE, flags);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    if (flags != 0) {
      out.attrU32be(NFTA_MASQ_FLAGS, flags);
    }
    if (portMin != Register.NONE) {
      out.attrU32be(NFTA_MASQ_REG_PROTO_MIN, portMin);
    }
    if (portMax != Register.NONE) {
      out.attrU32be(NFTA_MASQ_REG_PROTO_MAX, portMax);
    }
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Masq decode(AttributeCursor inside) {
    int portMin = Register.NONE;
    int portMax = Register.NONE;
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_MASQ_REG_PROTO_MIN -> portMin = inside.u32be();
        case NFTA_MASQ_REG_PROTO_MAX -> portMax = inside.u32be();
        case NFTA_MASQ_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    return new Masq(portMin, portMax, flags);
  }

  @Override
  public String toString() {
    return "masq"
        + Text.register("proto_min", portMin)
        + Text.register("proto_max", portMax)
        + Text.flags(flags);
  }
}
