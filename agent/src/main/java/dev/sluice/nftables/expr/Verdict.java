package dev.sluice.nftables.expr;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.nftables.uapi.LinuxNfTables;
import org.jspecify.annotations.Nullable;

/**
 * What happens to a packet: a netfilter verdict (linux/netfilter.h) or an nf_tables one ({@code
 * enum nft_verdicts}).
 *
 * @param code NF_DROP, NF_ACCEPT, NFT_CONTINUE, NFT_BREAK, NFT_JUMP, NFT_GOTO or NFT_RETURN
 * @param chain where a jump or goto leads; null for the others
 */
public record Verdict(int code, @Nullable String chain) {
  public static final Verdict ACCEPT = new Verdict(LinuxNfTables.NF_ACCEPT, null);
  public static final Verdict DROP = new Verdict(LinuxNfTables.NF_DROP, null);
  public static final Verdict RETURN = new Verdict(LinuxNfTables.NFT_RETURN, null);
  public static final Verdict CONTINUE = new Verdict(LinuxNfTables.NFT_CONTINUE, null);
  public static final Verdict BREAK = new Verdict(LinuxNfTables.NFT_BREAK, null);

  public static Verdict jump(String chain) {
    return new Verdict(LinuxNfTables.NFT_JUMP, chain);
  }

  public static Verdict goTo(String chain) {
    return new Verdict(LinuxNfTables.NFT_GOTO, chain);
  }

  void write(MessageWriter out) {
    out.beginNest(LinuxNfTables.NFTA_DATA_VERDICT);
    out.attrU32be(LinuxNfTables.NFTA_VERDICT_CODE, code);
    if (chain != null) {
      out.attrString(LinuxNfTables.NFTA_VERDICT_CHAIN, chain);
    }
    out.endNest();
  }

  /**
   * Reads the content of NFTA_DATA_VERDICT, or of NFTA_TRACE_VERDICT.
   *
   * @throws dev.sluice.netlink.MalformedMessageException if it has no code
   */
  public static Verdict read(AttributeCursor inside) {
    Integer code = null;
    String chain = null;
    while (inside.next()) {
      switch (inside.type()) {
        case LinuxNfTables.NFTA_VERDICT_CODE -> code = inside.u32be();
        case LinuxNfTables.NFTA_VERDICT_CHAIN -> chain = inside.string();
        default -> {}
      }
    }
    return new Verdict(Decoding.present(code, "NFTA_VERDICT_CODE"), chain);
  }

  @Override
  public String toString() {
    return switch (code) {
      case LinuxNfTables.NF_ACCEPT -> "accept";
      case LinuxNfTables.NF_DROP -> "drop";
      case LinuxNfTables.NFT_CONTINUE -> "continue";
      case LinuxNfTables.NFT_BREAK -> "break";
      case LinuxNfTables.NFT_JUMP -> "jump -> " + chain;
      case LinuxNfTables.NFT_GOTO -> "goto -> " + chain;
      case LinuxNfTables.NFT_RETURN -> "return";
      default -> "verdict " + code;
    };
  }
}
