package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_REJECT_ICMP_CODE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_REJECT_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_REJECT_ICMPX_UNREACH;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_REJECT_TCP_RST;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;

/**
 * Drops the packet and tells the sender ({@code enum nft_reject_attributes}).
 *
 * @param type NFT_REJECT_* ({@code enum nft_reject_types})
 * @param code for ICMP the code of "destination unreachable" of the packet's family, for ICMPX an
 *     NFT_REJECT_ICMPX_*, for a TCP reset 0
 */
public record Reject(int type, int code) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "reject";

  /** With a TCP reset; the rule must have matched TCP. */
  public static Reject tcpReset() {
    return new Reject(NFT_REJECT_TCP_RST, 0);
  }

  /**
   * With an ICMP or ICMPv6 error, whichever fits the packet.
   *
   * @param code NFT_REJECT_ICMPX_* ({@code enum nft_reject_inet_code})
   */
  public static Reject icmpx(int code) {
    return new Reject(NFT_REJECT_ICMPX_UNREACH, code);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_REJECT_TYPE, type);
    out.attrU8(NFTA_REJECT_ICMP_CODE, code);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Reject decode(AttributeCursor inside) {
    int type = ABSENT;
    int code = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_REJECT_TYPE -> type = inside.u32be();
        case NFTA_REJECT_ICMP_CODE -> code = inside.u8();
        default -> {}
      }
    }
    return new Reject(present(type, "NFTA_REJECT_TYPE"), code);
  }

  @Override
  public String toString() {
    return "reject type " + type + " code " + code;
  }
}
