package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CMP_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CMP_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CMP_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_CMP_EQ;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_CMP_NEQ;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Compares a register with a value; the rule ends here if it does not hold ({@code enum
 * nft_cmp_attributes}). Values compare as bytes: numbers must lie in network byte order to be
 * ordered.
 *
 * @param op NFT_CMP_* ({@code enum nft_cmp_ops})
 * @param sreg what is compared
 * @param value with what; its length says how many bytes
 */
public record Cmp(int op, int sreg, Bytes value) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "cmp";

  /** Goes on if the register holds {@code value}. */
  public static Cmp eq(int sreg, Bytes value) {
    return new Cmp(NFT_CMP_EQ, sreg, value);
  }

  /** Goes on if the register holds anything but {@code value}. */
  public static Cmp neq(int sreg, Bytes value) {
    return new Cmp(NFT_CMP_NEQ, sreg, value);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_CMP_SREG, sreg);
    out.attrU32be(NFTA_CMP_OP, op);
    Data.of(value).write(out, NFTA_CMP_DATA);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Cmp decode(AttributeCursor inside) {
    int op = ABSENT;
    int sreg = ABSENT;
    Bytes value = null;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_CMP_SREG -> sreg = inside.u32be();
        case NFTA_CMP_OP -> op = inside.u32be();
        case NFTA_CMP_DATA -> value = Data.readValue(inside.nested());
        default -> {}
      }
    }
    return new Cmp(
        present(op, "NFTA_CMP_OP"),
        present(sreg, "NFTA_CMP_SREG"),
        present(value, "NFTA_CMP_DATA"));
  }

  @Override
  public String toString() {
    String name = Text.name(List.of("eq", "neq", "lt", "lte", "gt", "gte"), op);
    return "cmp " + name + " reg " + sreg + " " + Text.words(value);
  }
}
