package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CONNLIMIT_COUNT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CONNLIMIT_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_CONNLIMIT_F_INV;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;

/**
 * Goes on while no more than {@code count} connections are open ({@code ct count}, {@code enum
 * nft_connlimit_attributes}). As the expression of a set element it counts the element's own
 * connections.
 *
 * @param count connections
 * @param flags NFT_CONNLIMIT_F_INV: go on when there are more ({@code ct count over})
 */
public record Connlimit(int count, int flags) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "connlimit";

  /** Goes on when there are more than {@code count} connections. */
  public static Connlimit over(int count) {
    return new Connlimit(count, NFT_CONNLIMIT_F_INV);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_CONNLIMIT_COUNT, count);
    out.attrU32be(NFTA_CONNLIMIT_FLAGS, flags);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Connlimit decode(AttributeCursor inside) {
    Integer count = null;
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_CONNLIMIT_COUNT -> count = inside.u32be();
        case NFTA_CONNLIMIT_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    return new Connlimit(present(count, "NFTA_CONNLIMIT_COUNT"), flags);
  }

  @Override
  public String toString() {
    return "connlimit count "
        + Integer.toUnsignedString(count)
        + " flags "
        + Integer.toHexString(flags);
  }
}
