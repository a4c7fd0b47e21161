package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_FAMILY;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_REG_ADDR_MAX;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_REG_ADDR_MIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_REG_PROTO_MAX;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_REG_PROTO_MIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NAT_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_NAT_DNAT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_NAT_SNAT;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Translates the connection's source or destination ({@code enum nft_nat_attributes}). It ends the
 * rule and, in a NAT chain, decides for the whole connection.
 *
 * <p>The kernel reports a range where a single address or port was given, and the flags it derived
 * from the registers (NF_NAT_RANGE_MAP_IPS, NF_NAT_RANGE_PROTO_SPECIFIED).
 *
 * @param type NFT_NAT_SNAT or NFT_NAT_DNAT ({@code enum nft_nat_types})
 * @param family NFPROTO_IPV4 or NFPROTO_IPV6
 * @param addressMin register of the address or the first of a range, or {@link Register#NONE}
 * @param addressMax register of the last address of a range, or {@link Register#NONE}
 * @param portMin register of the port or the first of a range, or {@link Register#NONE}
 * @param portMax register of the last port of a range, or {@link Register#NONE}
 * @param flags NF_NAT_RANGE_*
 */
public record Nat(
    int type, int family, int addressMin, int addressMax, int portMin, int portMax, int flags)
    implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "nat";

  /** To the address in {@code address}, and if it is a register to the port in {@code port}. */
  public static Nat destination(int family, int address, int port) {
    return new Nat(NFT_NAT_DNAT, family, address, Register.NONE, port, Register.NONE, 0);
  }

  /** From the address in {@code address}. */
  public static Nat source(int family, int address, int flags) {
    return new Nat(
        NFT_NAT_SNAT, family, address, Register.NONE, Register.NONE, Register.NONE, flags);
  }

  /** The same with {@code flags}. */
  public Nat withFlags(int flags) {
    return new Nat(type, family, addressMin, addressMax, portMin, portMax, flags);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_NAT_TYPE, type);
    out.attrU32be(NFTA_NAT_FAMILY, family);
    register(out, NFTA_NAT_REG_ADDR_MIN, addressMin);
    register(out, NFTA_NAT_REG_ADDR_MAX, addressMax);
    register(out, NFTA_NAT_REG_PROTO_MIN, portMin);
    register(out, NFTA_NAT_REG_PROTO_MAX, portMax);
    if (flags != 0) {
      out.attrU32be(NFTA_NAT_FLAGS, flags);
    }
  }

  private static void register(MessageWriter out, int type, int register) {
    if (register != Register.NONE) {
      out.attrU32be(type, register);
    }
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Nat decode(AttributeCursor inside) {
    int type = ABSENT;
    int family = ABSENT;
    int addressMin = Register.NONE;
    int addressMax = Register.NONE;
    int portMin = Register.NONE;
    int portMax = Register.NONE;
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_NAT_TYPE -> type = inside.u32be();
        case NFTA_NAT_FAMILY -> family = inside.u32be();
        case NFTA_NAT_REG_ADDR_MIN -> addressMin = inside.u32be();
        case NFTA_NAT_REG_ADDR_MAX -> addressMax = inside.u32be();
        case NFTA_NAT_REG_PROTO_MIN -> portMin = inside.u32be();
        case NFTA_NAT_REG_PROTO_MAX -> portMax = inside.u32be();
        case NFTA_NAT_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    return new Nat(
        present(type, "NFTA_NAT_TYPE"),
        present(family, "NFTA_NAT_FAMILY"),
        addressMin,
        addressMax,
        portMin,
        portMax,
        flags);
  }

  @Override
  public String toString() {
    return "nat "
        + Text.name(List.of("snat", "dnat"), type)
        + " "
        + Text.family(family)
        + Text.register("addr_min", addressMin)
        + Text.register("addr_max", addressMax)
        + Text.register("proto_min", portMin)
        + Text.register("proto_max", portMax)
        + Text.flags(flags);
  }
}
