package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_IMMEDIATE_DATA;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_IMMEDIATE_DREG;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;

/**
 * Puts a value into a register, or ends the rule with a verdict ({@code enum
 * nft_immediate_attributes}).
 *
 * @param dreg where it goes; {@link Register#VERDICT} for a verdict
 * @param data what
 */
public record Immediate(int dreg, Data data) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "immediate";

  /** Puts {@code value} into {@code dreg}. */
  public static Immediate value(int dreg, Bytes value) {
    return new Immediate(dreg, Data.of(value));
  }

  /** Ends the rule with {@code verdict}. */
  public static Immediate verdict(Verdict verdict) {
    return new Immediate(Register.VERDICT, Data.of(verdict));
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_IMMEDIATE_DREG, dreg);
    data.write(out, NFTA_IMMEDIATE_DATA);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Immediate decode(AttributeCursor inside) {
    int dreg = ABSENT;
    Data data = null;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_IMMEDIATE_DREG -> dreg = inside.u32be();
        case NFTA_IMMEDIATE_DATA -> data = Data.read(inside.nested());
        default -> {}
      }
    }
    return new Immediate(
        present(dreg, "NFTA_IMMEDIATE_DREG"), present(data, "NFTA_IMMEDIATE_DATA"));
  }

  @Override
  public String toString() {
    return "immediate reg " + dreg + " " + data;
  }
}
