package dev.sluice.conntrack;

import static dev.sluice.conntrack.LinuxNfConntrack.*;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.MessageWriter;
import java.util.Optional;

/**
 * Writes ctnetlink requests: struct nfgenmsg and the attributes, in the order conntrack-tools uses.
 */
final class Requests {
  /** sizeof(struct nfgenmsg): family (8 bits), version (8), resource id (16). */
  static final int NFGENMSG_BYTES = 4;

  private Requests() {}

  /**
   * Asks for the entries of a dump.
   *
   * @param kernelSide false: only the family is asked for, which every kernel understands
   */
  static void dump(MessageWriter request, ConntrackFilter filter, boolean kernelSide) {
    Optional<Family> family = filter.impliedFamily();
    begin(request, IPCTNL_MSG_CT_GET, family.map(Requests::number).orElse(AF_UNSPEC));
    if (kernelSide) {
      filter
          .mark()
          .ifPresent(
              mark ->
                  request.attrU32be(CTA_MARK, mark.value()).attrU32be(CTA_MARK_MASK, mark.mask()));
      filter
          .status()
          .ifPresent(
              status ->
                  request
                      .attrU32be(CTA_STATUS, status.value())
                      .attrU32be(CTA_STATUS_MASK, status.mask()));
      filter.zone().ifPresent(zone -> request.attrU16be(CTA_ZONE, zone));
      // Without a family the kernel refuses to look at tuples.
      if (family.isPresent()) {
        int originalFlags = flags(filter.original());
        int replyFlags = flags(filter.reply());
        tuple(request, CTA_TUPLE_ORIG, filter.original(), originalFlags);
        tuple(request, CTA_TUPLE_REPLY, filter.reply(), replyFlags);
        if ((originalFlags | replyFlags) != 0) {
          request.beginNest(CTA_FILTER);
          if (originalFlags != 0) {
            request.attrU32(CTA_FILTER_ORIG_FLAGS, originalFlags);
          }
          if (replyFlags != 0) {
            request.attrU32(CTA_FILTER_REPLY_FLAGS, replyFlags);
          }
          request.endNest();
        }
      }
    }
    request.end();
  }

  /** Asks for the entry with this original tuple. */
  static void get(MessageWriter request, Tuple original, int zone) {
    begin(request, IPCTNL_MSG_CT_GET, number(original.family()));
    tuple(request, CTA_TUPLE_ORIG, original);
    zone(request, zone);
    request.end();
  }

  /** Asks to delete the entry with this original tuple, if it has this id. */
  static void delete(MessageWriter request, ConntrackEntry entry) {
    begin(request, IPCTNL_MSG_CT_DELETE, number(entry.family()));
    // A request without a tuple would mean the whole table.
    tuple(request, CTA_TUPLE_ORIG, entry.original());
    zone(request, entry.originalZone());
    request.attrU32be(CTA_ID, (int) entry.id());
    request.end();
  }

  /**
   * Asks that the windows of the TCP entry with this original tuple are watched no longer, in both
   * directions. Each flag comes with a mask of those that change.
   */
  static void liberal(MessageWriter request, Tuple original) {
    begin(request, IPCTNL_MSG_CT_NEW, number(original.family()));
    tuple(request, CTA_TUPLE_ORIG, original);
    byte[] flags = {IP_CT_TCP_FLAG_BE_LIBERAL, IP_CT_TCP_FLAG_BE_LIBERAL};
    request.beginNest(CTA_PROTOINFO).beginNest(CTA_PROTOINFO_TCP);
    request.attrBytes(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, flags);
    request.attrBytes(CTA_PROTOINFO_TCP_FLAGS_REPLY, flags);
    request.endNest().endNest().end();
  }

  /** Asks for the number of entries and the limit. */
  static void size(MessageWriter request) {
    begin(request, IPCTNL_MSG_CT_GET_STATS, AF_UNSPEC);
    request.end();
  }

  /** Asks for the counters of each processor. */
  static void statistics(MessageWriter request) {
    begin(request, IPCTNL_MSG_CT_GET_STATS_CPU, AF_UNSPEC);
    request.end();
  }

  private static void begin(MessageWriter request, int subtype, int family) {
    request
        .begin(LinuxNetlink.NFNL_SUBSYS_CTNETLINK << 8 | subtype, LinuxNetlink.NLM_F_REQUEST, 0)
        .u8(family)
        .u8(LinuxNetlink.NFNETLINK_V0)
        .u16be(0);
  }

  private static void tuple(MessageWriter request, int attribute, Tuple tuple) {
    request.beginNest(attribute);
    request.beginNest(CTA_TUPLE_IP);
    addresses(request, Optional.of(tuple.source()), Optional.of(tuple.destination()));
    request.endNest();
    request.beginNest(CTA_TUPLE_PROTO);
    request.attrU8(CTA_PROTO_NUM, tuple.protocol());
    if (tuple.detail() instanceof Tuple.Ports ports) {
      request.attrU16be(CTA_PROTO_SRC_PORT, ports.source());
      request.attrU16be(CTA_PROTO_DST_PORT, ports.destination());
    } else if (tuple.detail() instanceof Tuple.Icmp icmp) {
      boolean v4 = tuple.protocol() == IPPROTO_ICMP;
      request.attrU8(v4 ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, icmp.code());
      request.attrU8(v4 ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE, icmp.type());
      request.attrU16be(v4 ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, icmp.id());
    }
    request.endNest();
    request.endNest();
  }

  /** Writes what {@code flags} announce of a partial tuple; nothing if they announce nothing. */
  private static void tuple(MessageWriter request, int attribute, TupleFilter tuple, int flags) {
    if (flags == 0) {
      return;
    }
    request.beginNest(attribute);
    if ((flags & (CTA_FILTER_F_CTA_IP_SRC | CTA_FILTER_F_CTA_IP_DST)) != 0) {
      request.beginNest(CTA_TUPLE_IP);
      addresses(request, tuple.source(), tuple.destination());
      request.endNest();
    }
    if ((flags & CTA_FILTER_F_CTA_PROTO_NUM) != 0) {
      request.beginNest(CTA_TUPLE_PROTO);
      tuple.protocol().ifPresent(number -> request.attrU8(CTA_PROTO_NUM, number));
      tuple.sourcePort().ifPresent(port -> request.attrU16be(CTA_PROTO_SRC_PORT, port));
      tuple.destinationPort().ifPresent(port -> request.attrU16be(CTA_PROTO_DST_PORT, port));
      request.endNest();
    }
    request.endNest();
  }

  /** Which parts of a tuple the kernel can be trusted to compare (CTA_FILTER_F_*). */
  private static int flags(TupleFilter tuple) {
    int flags = 0;
    // Kernels from 5.8 to at least 6.18 compare IPv6 addresses the wrong way round: asked for an
    // address, they return the entries that do not have it (ctnetlink_filter_match_tuple).
    if (tuple.family().orElse(Family.IPV6) == Family.IPV4) {
      flags |= tuple.source().isPresent() ? CTA_FILTER_F_CTA_IP_SRC : 0;
      flags |= tuple.destination().isPresent() ? CTA_FILTER_F_CTA_IP_DST : 0;
    }
    // Ports mean nothing to the kernel without a protocol.
    if (tuple.protocol().isPresent()) {
      flags |= CTA_FILTER_F_CTA_PROTO_NUM;
      flags |= tuple.sourcePort().isPresent() ? CTA_FILTER_F_CTA_PROTO_SRC_PORT : 0;
      flags |= tuple.destinationPort().isPresent() ? CTA_FILTER_F_CTA_PROTO_DST_PORT : 0;
    }
    return flags;
  }

  private static void addresses(
      MessageWriter request, Optional<IpAddress> source, Optional<IpAddress> destination) {
    source.ifPresent(
        address ->
            request.attrBytes(
                address.family() == Family.IPV4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC,
                address.toBytes()));
    destination.ifPresent(
        address ->
            request.attrBytes(
                address.family() == Family.IPV4 ? CTA_IP_V4_DST : CTA_IP_V6_DST,
                address.toBytes()));
  }

  private static void zone(MessageWriter request, int zone) {
    if (zone != 0) {
      request.attrU16be(CTA_ZONE, zone);
    }
  }

  private static int number(Family family) {
    return family == Family.IPV4 ? AF_INET : AF_INET6;
  }
}
