package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOOKUP_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOOKUP_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOOKUP_SET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOOKUP_SET_ID;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LOOKUP_SREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_LOOKUP_F_INV;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;

/**
 * Looks a register up in a set or map ({@code enum nft_lookup_attributes}). Without a hit the rule
 * ends here; with a hit in a map its data goes to {@code dreg}, for a verdict map to {@link
 * Register#VERDICT}.
 *
 * @param set its name
 * @param setId NFTA_LOOKUP_SET_ID, how a set of the same batch is known before it has a name of its
 *     own; 0 for none. The kernel never reports it
 * @param sreg where the key starts
 * @param dreg where the data goes, {@link Register#NONE} for a set
 * @param inverted whether the rule ends on a hit instead
 */
public record Lookup(String set, int setId, int sreg, int dreg, boolean inverted)
    implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "lookup";

  /** Goes on if the key is in the set. */
  public static Lookup in(String set, int sreg) {
    return new Lookup(set, 0, sreg, Register.NONE, false);
  }

  /** Goes on if the key is not in the set. */
  public static Lookup notIn(String set, int sreg) {
    return new Lookup(set, 0, sreg, Register.NONE, true);
  }

  /** Goes on with the key's data in {@code dreg}, if it is in the map. */
  public static Lookup map(String map, int sreg, int dreg) {
    return new Lookup(map, 0, sreg, dreg, false);
  }

  /** Does what the verdict map says for the key, if it is in it. */
  public static Lookup verdict(String map, int sreg) {
    return map(map, sreg, Register.VERDICT);
  }

  /** The same with {@code setId}. */
  public Lookup withSetId(int setId) {
    return new Lookup(set, setId, sreg, dreg, inverted);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_LOOKUP_SREG, sreg);
    if (dreg != Register.NONE) {
      out.attrU32be(NFTA_LOOKUP_DREG, dreg);
    }
    out.attrString(NFTA_LOOKUP_SET, set);
    if (setId != 0) {
      out.attrU32be(NFTA_LOOKUP_SET_ID, setId);
    }
    if (inverted) {
      out.attrU32be(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    }
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Lookup decode(AttributeCursor inside) {
    String set = null;
    int setId = 0;
    int sreg = ABSENT;
    int dreg = Register.NONE;
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_LOOKUP_SET -> set = inside.string();
        case NFTA_LOOKUP_SET_ID -> setId = inside.u32be();
        case NFTA_LOOKUP_SREG -> sreg = inside.u32be();
        case NFTA_LOOKUP_DREG -> dreg = inside.u32be();
        case NFTA_LOOKUP_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    return new Lookup(
        present(set, "NFTA_LOOKUP_SET"),
        setId,
        present(sreg, "NFTA_LOOKUP_SREG"),
        dreg,
        (flags & NFT_LOOKUP_F_INV) != 0);
  }

  @Override
  public String toString() {
    return "lookup reg "
        + sreg
        + " set "
        + set
        + (dreg == Register.NONE ? "" : " dreg " + dreg)
        + (inverted ? " 0x1" : "");
  }
}
