package dev.sluice.nftables.expr;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SYNPROXY_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SYNPROXY_MSS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SYNPROXY_WSCALE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_SYNPROXY_OPT_MSS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_SYNPROXY_OPT_SACK_PERM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_SYNPROXY_OPT_TIMESTAMP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_SYNPROXY_OPT_WSCALE;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;

/**
 * Answers first packets of tcp with a SYN cookie and opens the connection to the server once a
 * client has sent the cookie back ({@code enum nft_synproxy_attributes}). At the input and forward
 * hooks only, for packets that connection tracking does not know: what it answers or opens a
 * connection with ends here, an acknowledgement without a cookie of its own is dropped, every other
 * packet goes on.
 *
 * @param mss the segment size the client is told, 0 to 65535 bytes; counts with NF_SYNPROXY_OPT_MSS
 * @param windowScale the window scale the client is told, 0 to 14; counts with
 *     NF_SYNPROXY_OPT_WSCALE. With less than the server's the client sees a smaller window than
 *     there is, with more a larger one
 * @param flags NF_SYNPROXY_OPT_*: options that the server takes
 */
public record Synproxy(int mss, int windowScale, int flags) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "synproxy";

  /** For a server that takes every option the kernel can keep in a cookie. */
  public static Synproxy withAllOptions(int mss, int windowScale) {
    return new Synproxy(
        mss,
        windowScale,
        NF_SYNPROXY_OPT_MSS
            | NF_SYNPROXY_OPT_WSCALE
            | NF_SYNPROXY_OPT_SACK_PERM
            | NF_SYNPROXY_OPT_TIMESTAMP);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU16be(NFTA_SYNPROXY_MSS, mss);
    out.attrU8(NFTA_SYNPROXY_WSCALE, windowScale);
    out.attrU32be(NFTA_SYNPROXY_FLAGS, flags);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Synproxy decode(AttributeCursor inside) {
    int mss = 0;
    int windowScale = 0;
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_SYNPROXY_MSS -> mss = inside.u16be();
        case NFTA_SYNPROXY_WSCALE -> windowScale = inside.u8();
        case NFTA_SYNPROXY_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    return new Synproxy(mss, windowScale, flags);
  }

  /** As {@code nft --debug=netlink} has it, which does not show the flags. */
  @Override
  public String toString() {
    return "synproxy mss " + mss + " wscale " + windowScale;
  }
}
