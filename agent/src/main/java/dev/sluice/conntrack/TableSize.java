package dev.sluice.conntrack;

import static dev.sluice.conntrack.LinuxNfConntrack.CTA_STATS_GLOBAL_ENTRIES;
import static dev.sluice.conntrack.LinuxNfConntrack.CTA_STATS_GLOBAL_MAX_ENTRIES;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageCursor;

/**
 * How full the table of one network namespace is (ctnetlink_stat_ct in
 * net/netfilter/nf_conntrack_netlink.c).
 *
 * @param entries entries of this namespace, those that are just being made or deleted included
 * @param limit how many every namespace may have, net.netfilter.nf_conntrack_max; 0 if there is no
 *     limit, or the kernel does not tell it (before Linux 4.18)
 */
public record TableSize(long entries, long limit) {
  static TableSize decode(MessageCursor message) {
    long entries = 0;
    long limit = 0;
    AttributeCursor attribute = message.attributes(Requests.NFGENMSG_BYTES);
    while (attribute.next()) {
      switch (attribute.type()) {
        case CTA_STATS_GLOBAL_ENTRIES -> entries = Integer.toUnsignedLong(attribute.u32be());
        case CTA_STATS_GLOBAL_MAX_ENTRIES -> limit = Integer.toUnsignedLong(attribute.u32be());
        default -> {}
      }
    }
    return new TableSize(entries, limit);
  }
}
