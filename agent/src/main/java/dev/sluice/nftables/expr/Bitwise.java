package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_MASK;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_BITWISE_XOR;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_BITWISE_LSHIFT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_BITWISE_MASK_XOR;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_BITWISE_RSHIFT;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.netlink.MessageWriter;

/** Masks and flips bits, or shifts them ({@code enum nft_bitwise_attributes}). */
public sealed interface Bitwise extends Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "bitwise";

  /**
   * {@code dreg = (sreg & mask) ^ xor}.
   *
   * <p>NFTA_BITWISE_OP is left out, as nft does for prefixes and flags; for the {@code and}, {@code
   * or} and {@code xor} of a rule's text it states NFT_BITWISE_MASK_XOR. The kernel takes both for
   * the same and always reports it.
   *
   * @param sreg what is masked
   * @param dreg where the result goes
   * @param mask the bits that stay; its length says how many bytes
   * @param xor the bits that flip; as long as {@code mask}
   */
  record MaskXor(int sreg, int dreg, Bytes mask, Bytes xor) implements Bitwise {
    public MaskXor {
      if (mask.length() != xor.length()) {
        throw new IllegalArgumentException("mask and xor differ in length: " + mask + ", " + xor);
      }
    }

    @Override
    public void encode(MessageWriter out) {
      out.attrU32be(NFTA_BITWISE_SREG, sreg);
      out.attrU32be(NFTA_BITWISE_DREG, dreg);
      out.attrU32be(NFTA_BITWISE_LEN, mask.length());
      Data.of(mask).write(out, NFTA_BITWISE_MASK);
      Data.of(xor).write(out, NFTA_BITWISE_XOR);
    }

    @Override
    public String toString() {
      return "bitwise reg %d = ( reg %d & %s ) ^ %s"
          .formatted(dreg, sreg, Text.words(mask), Text.words(xor));
    }
  }

  /**
   * {@code dreg = sreg << bits} or {@code >>}, over 32-bit words in host byte order.
   *
   * @param op NFT_BITWISE_LSHIFT or NFT_BITWISE_RSHIFT ({@code enum nft_bitwise_ops})
   * @param sreg what is shifted
   * @param dreg where the result goes
   * @param length of both in bytes, a multiple of 4
   * @param bits the number of bits as 32 bits in host byte order
   */
  record Shift(int op, int sreg, int dreg, int length, Bytes bits) implements Bitwise {
    @Override
    public void encode(MessageWriter out) {
      out.attrU32be(NFTA_BITWISE_SREG, sreg);
      out.attrU32be(NFTA_BITWISE_DREG, dreg);
      out.attrU32be(NFTA_BITWISE_OP, op);
      out.attrU32be(NFTA_BITWISE_LEN, length);
      Data.of(bits).write(out, NFTA_BITWISE_DATA);
    }

    @Override
    public String toString() {
      return "bitwise reg %d = ( reg %d %s %s )"
          .formatted(dreg, sreg, op == NFT_BITWISE_LSHIFT ? "<<" : ">>", Text.words(bits));
    }
  }

  /** Keeps the bits of {@code mask} in {@code register} and clears the others. */
  static Bitwise mask(int register, Bytes mask) {
    return mask(register, register, mask, Bytes.EMPTY.padTo(mask.length()));
  }

  /** {@code dreg = (sreg & mask) ^ xor}. */
  static Bitwise mask(int sreg, int dreg, Bytes mask, Bytes xor) {
    return new MaskXor(sreg, dreg, mask, xor);
  }

  /** Shifts a 32-bit register to the left. */
  static Bitwise shiftLeft(int register, int bits) {
    return new Shift(NFT_BITWISE_LSHIFT, register, register, 4, Bytes.ofU32Host(bits));
  }

  /** Shifts a 32-bit register to the right. */
  static Bitwise shiftRight(int register, int bits) {
    return new Shift(NFT_BITWISE_RSHIFT, register, register, 4, Bytes.ofU32Host(bits));
  }

  @Override
  default String name() {
    return NAME;
  }

  /**
   * Whether the content of NFTA_EXPR_DATA is one of these forms; since Linux 6.13 there are
   * operations on two registers.
   */
  static boolean understands(AttributeCursor inside) {
    while (inside.next()) {
      if (inside.type() == NFTA_BITWISE_OP) {
        return Integer.compareUnsigned(inside.u32be(), NFT_BITWISE_RSHIFT) <= 0;
      }
    }
    return true;
  }

  /** Reads the content of NFTA_EXPR_DATA, if it {@linkplain #understands understands} it. */
  static Bitwise decode(AttributeCursor inside) {
    int op = NFT_BITWISE_MASK_XOR;
    int sreg = ABSENT;
    int dreg = ABSENT;
    int length = ABSENT;
    Bytes mask = null;
    Bytes xor = null;
    Bytes bits = null;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_BITWISE_SREG -> sreg = inside.u32be();
        case NFTA_BITWISE_DREG -> dreg = inside.u32be();
        case NFTA_BITWISE_OP -> op = inside.u32be();
        case NFTA_BITWISE_LEN -> length = inside.u32be();
        case NFTA_BITWISE_MASK -> mask = Data.readValue(inside.nested());
        case NFTA_BITWISE_XOR -> xor = Data.readValue(inside.nested());
        case NFTA_BITWISE_DATA -> bits = Data.readValue(inside.nested());
        default -> {}
      }
    }
    present(sreg, "NFTA_BITWISE_SREG");
    present(dreg, "NFTA_BITWISE_DREG");
    present(length, "NFTA_BITWISE_LEN");
    if (op != NFT_BITWISE_MASK_XOR) {
      return new Shift(op, sreg, dreg, length, present(bits, "NFTA_BITWISE_DATA"));
    }
    return maskXor(
        sreg, dreg, length, present(mask, "NFTA_BITWISE_MASK"), present(xor, "NFTA_BITWISE_XOR"));
  }

  private static MaskXor maskXor(int sreg, int dreg, int length, Bytes mask, Bytes xor) {
    if (mask.length() != length || xor.length() != length) {
      throw new MalformedMessageException(
          "bitwise over " + length + " bytes with mask " + mask + " and xor " + xor);
    }
    return new MaskXor(sreg, dreg, mask, xor);
  }
}
