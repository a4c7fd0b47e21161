package dev.sluice.conntrack;

import static dev.sluice.conntrack.LinuxNfConntrack.*;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageCursor;

/**
 * What one processor has counted in one namespace's table since the namespace was made (struct
 * ip_conntrack_stat in linux/netfilter/nf_conntrack_common.h). Every counter has 32 bits and goes
 * on at 0 behind 4,294,967,295; one that this kernel does not have is 0.
 *
 * @param cpu number of the processor
 * @param found searches for a free tuple, for translation, that found one in use
 * @param invalid packets that belong to no connection and cannot begin one
 * @param inserted entries made by requests over netlink; those that packets make are not counted
 * @param insertFailed entries that could not be made: the tuple was taken meanwhile, or the chain
 *     of its bucket too long
 * @param dropped packets dropped because no entry could be made for them: the table was full, or
 *     there was no memory
 * @param earlyDropped entries given up before their time, to make room in a full table
 * @param errors packets too damaged to be tracked
 * @param searchRestarts searches begun again since the table was resized meanwhile
 * @param clashesResolved packets that lost a race for the same tuple, and use the winner's entry
 * @param chainsTooLong entries that could not be made since their bucket's chain was too long
 */
public record CpuStatistics(
    int cpu,
    long found,
    long invalid,
    long inserted,
    long insertFailed,
    long dropped,
    long earlyDropped,
    long errors,
    long searchRestarts,
    long clashesResolved,
    long chainsTooLong) {
  /** Offset of the resource id in struct nfgenmsg, which is the number of the processor. */
  private static final int CPU_OFFSET = 2;

  static CpuStatistics decode(MessageCursor message) {
    long[] counters = new long[CTA_STATS_CHAIN_TOOLONG + 1];
    AttributeCursor attribute = message.attributes(Requests.NFGENMSG_BYTES);
    while (attribute.next()) {
      if (attribute.type() < counters.length) {
        counters[attribute.type()] = Integer.toUnsignedLong(attribute.u32be());
      }
    }
    return new CpuStatistics(
        message.headerU16be(CPU_OFFSET),
        counters[CTA_STATS_FOUND],
        counters[CTA_STATS_INVALID],
        counters[CTA_STATS_INSERT],
        counters[CTA_STATS_INSERT_FAILED],
        counters[CTA_STATS_DROP],
        counters[CTA_STATS_EARLY_DROP],
        counters[CTA_STATS_ERROR],
        counters[CTA_STATS_SEARCH_RESTART],
        counters[CTA_STATS_CLASH_RESOLVE],
        counters[CTA_STATS_CHAIN_TOOLONG]);
  }
}
