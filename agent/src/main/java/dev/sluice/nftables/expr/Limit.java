package dev.sluice.nftables.expr;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIMIT_BURST;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIMIT_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIMIT_RATE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIMIT_TYPE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_LIMIT_UNIT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_LIMIT_PKTS;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.List;

/**
 * Goes on while a rate is not exceeded ({@code enum nft_limit_attributes}): a token bucket.
 *
 * @param rate packets or bytes per unit of time
 * @param unitSeconds 1, 60, 3600, 86400 or 604800
 * @param burst how many more may come at once
 * @param type NFT_LIMIT_PKTS or NFT_LIMIT_PKT_BYTES ({@code enum nft_limit_type})
 * @param flags NFT_LIMIT_F_INV: go on once it is exceeded ({@code limit rate over})
 */
public record Limit(long rate, long unitSeconds, int burst, int type, int flags)
    implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "limit";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU64be(NFTA_LIMIT_RATE, rate);
    out.attrU64be(NFTA_LIMIT_UNIT, unitSeconds);
    out.attrU32be(NFTA_LIMIT_BURST, burst);
    out.attrU32be(NFTA_LIMIT_TYPE, type);
    out.attrU32be(NFTA_LIMIT_FLAGS, flags);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Limit decode(AttributeCursor inside) {
    long rate = 0;
    long unitSeconds = 0;
    int burst = 0;
    int type = NFT_LIMIT_PKTS;
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_LIMIT_RATE -> rate = inside.u64be();
        case NFTA_LIMIT_UNIT -> unitSeconds = inside.u64be();
        case NFTA_LIMIT_BURST -> burst = inside.u32be();
        case NFTA_LIMIT_TYPE -> type = inside.u32be();
        case NFTA_LIMIT_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    if (rate == 0 || unitSeconds == 0) {
      throw Decoding.missing("NFTA_LIMIT_RATE or NFTA_LIMIT_UNIT");
    }
    return new Limit(rate, unitSeconds, burst, type, flags);
  }

  @Override
  public String toString() {
    return "limit rate %s/%s burst %s type %s flags 0x%x"
        .formatted(
            Long.toUnsignedString(rate),
            unitName(),
            Integer.toUnsignedString(burst),
            Text.name(List.of("packets", "bytes"), type),
            flags);
  }

  private String unitName() {
    // No switch: its labels would have to be ints.
    if (unitSeconds == 1) {
      return "second";
    }
    if (unitSeconds == 60) {
      return "minute";
    }
    if (unitSeconds == 3_600) {
      return "hour";
    }
    if (unitSeconds == 86_400) {
      return "day";
    }
    return unitSeconds == 604_800 ? "week" : unitSeconds + " seconds";
  }
}
