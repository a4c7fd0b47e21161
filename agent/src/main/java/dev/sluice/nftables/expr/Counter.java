package dev.sluice.nftables.expr;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_COUNTER_BYTES;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_COUNTER_PACKETS;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;

/**
 * Counts what passes ({@code enum nft_counter_attributes}).
 *
 * @param packets packets so far, unsigned; what is written is where the count starts
 * @param bytes bytes so far, unsigned
 */
public record Counter(long packets, long bytes) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "counter";

  /** Starts at nothing. */
  public static final Counter ZERO = new Counter(0, 0);

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    if (bytes != 0) {
      out.attrU64be(NFTA_COUNTER_BYTES, bytes);
    }
    if (packets != 0) {
      out.attrU64be(NFTA_COUNTER_PACKETS, packets);
    }
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Counter decode(AttributeCursor inside) {
    long packets = 0;
    long bytes = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_COUNTER_PACKETS -> packets = inside.u64be();
        case NFTA_COUNTER_BYTES -> bytes = inside.u64be();
        default -> {}
      }
    }
    return new Counter(packets, bytes);
  }

  @Override
  public String toString() {
    return "counter pkts "
        + Long.toUnsignedString(packets)
        + " bytes "
        + Long.toUnsignedString(bytes);
  }
}
