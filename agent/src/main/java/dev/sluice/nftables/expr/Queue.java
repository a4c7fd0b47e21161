package dev.sluice.nftables.expr;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUEUE_FLAGS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUEUE_NUM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUEUE_SREG_QNUM;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_QUEUE_TOTAL;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_QUEUE_FLAG_BYPASS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_QUEUE_FLAG_CPU_FANOUT;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;

/**
 * Hands the packet to a program ({@code enum nft_queue_attributes}).
 *
 * @param first the queue, or the first of several
 * @param total how many queues there are; 0 if a register says which one
 * @param sreg register with the queue's number, or {@link Register#NONE}
 * @param flags NFT_QUEUE_FLAG_*
 */
public record Queue(int first, int total, int sreg, int flags) implements Expression {
  /** NFTA_EXPR_NAME. */
  public static final String NAME = "queue";

  /** Spreads over {@code total} queues from {@code first} on. */
  public static Queue numbers(int first, int total, int flags) {
    return new Queue(first, total, Register.NONE, flags);
  }

  /** The queue whose number is in {@code sreg}. */
  public static Queue register(int sreg, int flags) {
    return new Queue(0, 0, sreg, flags);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void encode(MessageWriter out) {
    if (sreg == Register.NONE) {
      out.attrU16be(NFTA_QUEUE_NUM, first);
      out.attrU16be(NFTA_QUEUE_TOTAL, total);
    }
    if (flags != 0) {
      out.attrU16be(NFTA_QUEUE_FLAGS, flags);
    }
    if (sreg != Register.NONE) {
      out.attrU32be(NFTA_QUEUE_SREG_QNUM, sreg);
    }
  }

  /** Reads the content of NFTA_EXPR_DATA. */
  public static Queue decode(AttributeCursor inside) {
    int first = 0;
    int total = 0;
    int sreg = Register.NONE;
    int flags = 0;
    while (inside.next()) {
      switch (inside.type()) {
        case NFTA_QUEUE_NUM -> first = inside.u16be();
        case NFTA_QUEUE_TOTAL -> total = inside.u16be();
        case NFTA_QUEUE_FLAGS -> flags = inside.u16be();
        case NFTA_QUEUE_SREG_QNUM -> sreg = inside.u32be();
        default -> {}
      }
    }
    return new Queue(first, total, sreg, flags);
  }

  @Override
  public String toString() {
    String which =
        sreg != Register.NONE
            ? "sreg_qnum " + sreg
            : "num " + first + (total > 1 ? "-" + (first + total - 1) : "");
    return "queue "
        + which
        + ((flags & NFT_QUEUE_FLAG_BYPASS) != 0 ? " bypass" : "")
        + ((flags & NFT_QUEUE_FLAG_CPU_FANOUT) != 0 ? " fanout" : "");
  }
}
