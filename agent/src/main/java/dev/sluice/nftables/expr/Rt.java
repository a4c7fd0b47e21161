package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.ABSENT;
import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RT_DREG;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RT_KEY;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Reads a property of the packet's route ({@code enum nft_rt_attributes}).
 *
 * @param key NFT_RT_* ({@code enum nft_rt_keys})
 * @param dreg where it goes
 */
public record Rt(int key, int dreg) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "rt";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU32be(NFTA_RT_KEY, key);
    out.attrU32be(NFTA_RT_DREG, dreg);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Rt decode(AttributeCursor inside) {
    int key = ABSENT;
    int dreg = ABSENT;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_RT_KEY -> key = inside.u32be();
        case NFTA_RT_DREG -> dreg = inside.u32be();
        default -> {}
      }
    }
    return new Rt(present(key, "NFTA_RT_KEY"), present(dreg, "NFTA_RT_DREG"));
  }

  @Override
  public String toString() {
    String name = Text.name(List.of("classid", "nexthop4", "nexthop6", "tcpmss", "ipsec"), key);
    return "rt load " + name + " => reg " + dreg;
  }
}
