package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_LEN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_MODULUS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_OFFSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_SEED;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_HASH_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_HASH_JENKINS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_HASH_SYM;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.OptionalInt;

/**
 * Puts a hash into a register: of another register, or of the flow whichever way it goes ({@code
 * enum nft_hash_attributes}). The value is 32 bits in host byte order.
 *
 * @param sreg what is hashed; {@link Register#NONE} for the symmetric hash
 * @param dreg where the hash goes
 * @param length how many bytes are hashed; 0 for the symmetric hash
 * @param modulus how many different values there are
 * @param seed empty: the kernel takes a random one
 * @param offset the smallest value
 * @param type NFT_HASH_JENKINS or NFT_HASH_SYM ({@code enum nft_hash_types})
 */
public record Hash(
    int sreg, int dreg, int length, int modulus, OptionalInt seed, int offset, int type)
    implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "hash";

  /**
   * Jenkins' hash of {@code length} bytes from {@code sreg}, reduced to 0 … {@code modulus - 1}.
   */
  public static Hash jenkins(int sreg, int length, int dreg, int modulus) {
    return new Hash(sreg, dreg, length, modulus, OptionalInt.empty(), 0, NFT_HASH_JENKINS);
  }

  /** A hash of the flow that is the same for both directions. */
  public static Hash symmetric(int dreg, int modulus) {
    return new Hash(Register.NONE, dreg, 0, modulus, OptionalInt.empty(), 0, NFT_HASH_SYM);
  }

  /** The same with a seed of the caller's, for a hash that can be predicted. */
  public Hash withSeed(int seed) {
    return new Hash(sreg, dreg, length, modulus, OptionalInt.of(seed), offset, type);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    if (sreg != Register.NONE) {
      out.attrU32be(NFTA_HASH_SREG, sreg);
    }
    out.attrU32be(NFTA_HASH_DREG, dreg);
    if (length != 0) {
      out.attrU32be(NFTA_HASH_LEN, length);
    }
    out.attrU32be(NFTA_HASH_MODULUS, modulus);
    if (seed.isPresent()) {
      out.attrU32be(NFTA_HASH_SEED, seed.getAsInt());
    }
    out.attrU32be(NFTA_HASH_OFFSET, offset);
    out.attrU32be(NFTA_HASH_TYPE, type);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Hash decode(AttributeCursor inside) {
    int sreg = Register.NONE;
    int dreg = ABSENT;
    int length = 0;
    Integer modulus = null;
    OptionalInt seed = OptionalInt.empty();
    int offset = 0;
    int type = NFT_HASH_JENKINS;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_HASH_SREG -> sreg = inside.u32be();
        case NFTA_HASH_DREG -> dreg = inside.u32be();
        case NFTA_HASH_LEN -> length = inside.u32be();
        case NFTA_HASH_MODULUS -> modulus = inside.u32be();
        case NFTA_HASH_SEED -> seed = OptionalInt.of(inside.u32be());
        case NFTA_HASH_OFFSET -> offset = inside.u32be();
        case NFTA_HASH_TYPE -> type = inside.u32be();
        default -> {}
      }
    }
    return new Hash(
        sreg,
        present(dreg, "NFTA_HASH_DREG"),
        length,
        present(modulus, "NFTA_HASH_MODULUS"),
        seed,
        offset,
        type);
  }

  @Override
  public String toString() {
    String function =
        type == NFT_HASH_SYM
            ? "symhash()"
            : "jhash(reg %d, %d, 0x%x)".formatted(sreg, length, seed.orElse(0));
    return "hash reg "
        + dreg
        + " = "
        + function
        + " % mod "
        + Integer.toUnsignedString(modulus)
        + (offset == 0 ? "" : " offset " + Integer.toUnsignedString(offset));
  }
}
