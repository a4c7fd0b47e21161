package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NG_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NG_MODULUS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NG_OFFSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_NG_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_NG_INCREMENTAL;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_NG_RANDOM;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Puts a number into a register: counted up, or random ({@code enum nft_ng_attributes}). The value
 * is 32 bits in host byte order.
 *
 * @param dreg where it goes
 * @param modulus how many different numbers there are
 * @param type NFT_NG_INCREMENTAL (one counter for all packets) or NFT_NG_RANDOM ({@code enum
 *     nft_ng_types})
 * @param offset the smallest number
 */
public record Numgen(int dreg, int modulus, int type, int offset) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "numgen";

  /** A random number from 0 to {@code modulus - 1}. */
  public static Numgen random(int dreg, int modulus) {
    return new Numgen(dreg, modulus, NFT_NG_RANDOM, 0);
  }

  /** The next number from 0 to {@code modulus - 1}, round and round. */
  public static Numgen incremental(int dreg, int modulus) {
    return new Numgen(dreg, modulus, NFT_NG_INCREMENTAL, 0);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_NG_DREG, dreg);
    out.attrU32be(NFTA_NG_MODULUS, modulus);
    out.attrU32be(NFTA_NG_TYPE, type);
    out.attrU32be(NFTA_NG_OFFSET, offset);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Numgen decode(AttributeCursor inside) {
    int dreg = ABSENT;
    Integer modulus = null;
    int type = ABSENT;
    int offset = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_NG_DREG -> dreg = inside.u32be();
        case NFTA_NG_MODULUS -> modulus = inside.u32be();
        case NFTA_NG_TYPE -> type = inside.u32be();
        case NFTA_NG_OFFSET -> offset = inside.u32be();
        default -> {}
      }
    }
    return new Numgen(
        present(dreg, "NFTA_NG_DREG"),
        present(modulus, "NFTA_NG_MODULUS"),
        present(type, "NFTA_NG_TYPE"),
        offset);
  }

  @Override
  public String toString() {
    return "numgen reg "
        + dreg
        + " = "
        + Text.name(List.of("inc", "random"), type)
        + " mod "
        + Integer.toUnsignedString(modulus)
        + (offset == 0 ? "" : " offset " + Integer.toUnsignedString(offset));
  }
}
