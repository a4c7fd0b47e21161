package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RANGE_FROM_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RANGE_OP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RANGE_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RANGE_TO_DATA;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Goes on if a register lies in a range, or does not ({@code enum nft_range_attributes}); both ends
 * belong to it. Values compare as bytes.
 *
 * @param op NFT_RANGE_EQ or NFT_RANGE_NEQ ({@code enum nft_range_ops})
 * @param sreg what is compared
 * @param from the lower end
 * @param to the upper end
 */
public record Range(int op, int sreg, Bytes from, Bytes to) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "range";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_RANGE_SREG, sreg);
    out.attrU32be(NFTA_RANGE_OP, op);
    Data.of(from).write(out, NFTA_RANGE_FROM_DATA);
    Data.of(to).write(out, NFTA_RANGE_TO_DATA);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Range decode(AttributeCursor inside) {
    int op = ABSENT;
    int sreg = ABSENT;
    Bytes from = null;
    Bytes to = null;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_RANGE_SREG -> sreg = inside.u32be();
        case NFTA_RANGE_OP -> op = inside.u32be();
        case NFTA_RANGE_FROM_DATA -> from = Data.readValue(inside.nested());
        case NFTA_RANGE_TO_DATA -> to = Data.readValue(inside.nested());
        default -> {}
      }
    }
    return new Range(
        present(op, "NFTA_RANGE_OP"),
        present(sreg, "NFTA_RANGE_SREG"),
        present(from, "NFTA_RANGE_FROM_DATA"),
        present(to, "NFTA_RANGE_TO_DATA"));
  }

  @Override
  public String toString() {
    return "range "
        + Text.name(List.of("eq", "neq"), op)
        + " reg "
        + sreg
        + " "
        + Text.words(from)
        + " "
        + Text.words(to);
  }
}
