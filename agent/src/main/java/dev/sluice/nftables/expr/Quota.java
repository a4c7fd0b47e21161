package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Decoding.present;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUOTA_BYTES;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUOTA_CONSUMED;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUOTA_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_QUOTA_F_INV;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;

/**
 * Goes on until a number of bytes has passed ({@code enum nft_quota_attributes}).
 *
 * @param bytes how many may pass
 * @param consumed how many have passed
 * @param flags NFT_QUOTA_F_INV: go on from then on ({@code quota over}); NFT_QUOTA_F_DEPLETED is
 *     the kernel's
 */
public record Quota(long bytes, long consumed, int flags) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "quota";

  /** Goes on until {@code bytes} have passed. */
  public static Quota until(long bytes) {
    return new Quota(bytes, 0, 0);
  }

  /** Goes on once {@code bytes} have passed. */
  public static Quota over(long bytes) {
    return new Quota(bytes, 0, NFT_QUOTA_F_INV);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    out.attrU64be(NFTA_QUOTA_BYTES, bytes);
    out.attrU64be(NFTA_QUOTA_CONSUMED, consumed);
    out.attrU32be(NFTA_QUOTA_FLAGS, flags);
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Quota decode(AttributeCursor inside) {
    Long bytes = null;
    long consumed = 0;
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_QUOTA_BYTES -> bytes = inside.u64be();
        case NFTA_QUOTA_CONSUMED -> consumed = inside.u64be();
        case NFTA_QUOTA_FLAGS -> flags = inside.u32be();
        default -> {}
      }
    }
    return new Quota(present(bytes, "NFTA_QUOTA_BYTES"), consumed, flags);
  }

  @Override
  public String toString() {
    return "quota bytes %s consumed %s flags %d"
        .formatted(Long.toUnsignedString(bytes), Long.toUnsignedString(consumed), flags);
  }
}
