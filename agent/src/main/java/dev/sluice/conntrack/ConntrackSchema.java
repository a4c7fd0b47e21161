package dev.sluice.conntrack;

import static dev.sluice.conntrack.LinuxNfConntrack.*;

import dev.sluice.netlink.AttributeSchema;
import dev.sluice.netlink.AttributeSchema.Shape;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.MessageSchema;

/** Names and shapes of ctnetlink messages, for readable dumps and the paths in error messages. */
public final class ConntrackSchema implements MessageSchema {
  /** The only instance that is needed. */
  public static final ConntrackSchema INSTANCE = new ConntrackSchema();

  private static final AttributeSchema IP =
      AttributeSchema.builder()
          .bytes(CTA_IP_V4_SRC, "CTA_IP_V4_SRC")
          .bytes(CTA_IP_V4_DST, "CTA_IP_V4_DST")
          .bytes(CTA_IP_V6_SRC, "CTA_IP_V6_SRC")
          .bytes(CTA_IP_V6_DST, "CTA_IP_V6_DST")
          .build();

  private static final AttributeSchema PROTO =
      AttributeSchema.builder()
          .u8(CTA_PROTO_NUM, "CTA_PROTO_NUM")
          .add(CTA_PROTO_SRC_PORT, "CTA_PROTO_SRC_PORT", Shape.U16_BE)
          .add(CTA_PROTO_DST_PORT, "CTA_PROTO_DST_PORT", Shape.U16_BE)
          .add(CTA_PROTO_ICMP_ID, "CTA_PROTO_ICMP_ID", Shape.U16_BE)
          .u8(CTA_PROTO_ICMP_TYPE, "CTA_PROTO_ICMP_TYPE")
          .u8(CTA_PROTO_ICMP_CODE, "CTA_PROTO_ICMP_CODE")
          .add(CTA_PROTO_ICMPV6_ID, "CTA_PROTO_ICMPV6_ID", Shape.U16_BE)
          .u8(CTA_PROTO_ICMPV6_TYPE, "CTA_PROTO_ICMPV6_TYPE")
          .u8(CTA_PROTO_ICMPV6_CODE, "CTA_PROTO_ICMPV6_CODE")
          .build();

  private static final AttributeSchema TUPLE =
      AttributeSchema.builder()
          .nest(CTA_TUPLE_IP, "CTA_TUPLE_IP", () -> IP)
          .nest(CTA_TUPLE_PROTO, "CTA_TUPLE_PROTO", () -> PROTO)
          .add(CTA_TUPLE_ZONE, "CTA_TUPLE_ZONE", Shape.U16_BE)
          .build();

  private static final AttributeSchema TCP =
      AttributeSchema.builder()
          .u8(CTA_PROTOINFO_TCP_STATE, "CTA_PROTOINFO_TCP_STATE")
          .u8(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, "CTA_PROTOINFO_TCP_WSCALE_ORIGINAL")
          .u8(CTA_PROTOINFO_TCP_WSCALE_REPLY, "CTA_PROTOINFO_TCP_WSCALE_REPLY")
          .bytes(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, "CTA_PROTOINFO_TCP_FLAGS_ORIGINAL")
          .bytes(CTA_PROTOINFO_TCP_FLAGS_REPLY, "CTA_PROTOINFO_TCP_FLAGS_REPLY")
          .build();

  private static final AttributeSchema DCCP =
      AttributeSchema.builder()
          .u8(CTA_PROTOINFO_DCCP_STATE, "CTA_PROTOINFO_DCCP_STATE")
          .u8(CTA_PROTOINFO_DCCP_ROLE, "CTA_PROTOINFO_DCCP_ROLE")
          .u64be(CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ, "CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ")
          .build();

  private static final AttributeSchema SCTP =
      AttributeSchema.builder()
          .u8(CTA_PROTOINFO_SCTP_STATE, "CTA_PROTOINFO_SCTP_STATE")
          .u32be(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, "CTA_PROTOINFO_SCTP_VTAG_ORIGINAL")
          .u32be(CTA_PROTOINFO_SCTP_VTAG_REPLY, "CTA_PROTOINFO_SCTP_VTAG_REPLY")
          .build();

  private static final AttributeSchema PROTOINFO =
      AttributeSchema.builder()
          .nest(CTA_PROTOINFO_TCP, "CTA_PROTOINFO_TCP", () -> TCP)
          .nest(CTA_PROTOINFO_DCCP, "CTA_PROTOINFO_DCCP", () -> DCCP)
          .nest(CTA_PROTOINFO_SCTP, "CTA_PROTOINFO_SCTP", () -> SCTP)
          .build();

  private static final AttributeSchema COUNTERS =
      AttributeSchema.builder()
          .u64be(CTA_COUNTERS_PACKETS, "CTA_COUNTERS_PACKETS")
          .u64be(CTA_COUNTERS_BYTES, "CTA_COUNTERS_BYTES")
          .build();

  private static final AttributeSchema TIMESTAMP =
      AttributeSchema.builder()
          .u64be(CTA_TIMESTAMP_START, "CTA_TIMESTAMP_START")
          .u64be(CTA_TIMESTAMP_STOP, "CTA_TIMESTAMP_STOP")
          .build();

  private static final AttributeSchema HELP =
      AttributeSchema.builder()
          .string(CTA_HELP_NAME, "CTA_HELP_NAME")
          .bytes(CTA_HELP_INFO, "CTA_HELP_INFO")
          .build();

  private static final AttributeSchema SECCTX =
      AttributeSchema.builder().string(CTA_SECCTX_NAME, "CTA_SECCTX_NAME").build();

  private static final AttributeSchema SEQADJ =
      AttributeSchema.builder()
          .u32be(CTA_SEQADJ_CORRECTION_POS, "CTA_SEQADJ_CORRECTION_POS")
          .u32be(CTA_SEQADJ_OFFSET_BEFORE, "CTA_SEQADJ_OFFSET_BEFORE")
          .u32be(CTA_SEQADJ_OFFSET_AFTER, "CTA_SEQADJ_OFFSET_AFTER")
          .build();

  private static final AttributeSchema SYNPROXY =
      AttributeSchema.builder()
          .u32be(CTA_SYNPROXY_ISN, "CTA_SYNPROXY_ISN")
          .u32be(CTA_SYNPROXY_ITS, "CTA_SYNPROXY_ITS")
          .u32be(CTA_SYNPROXY_TSOFF, "CTA_SYNPROXY_TSOFF")
          .build();

  private static final AttributeSchema FILTER =
      AttributeSchema.builder()
          .add(CTA_FILTER_ORIG_FLAGS, "CTA_FILTER_ORIG_FLAGS", Shape.U32)
          .add(CTA_FILTER_REPLY_FLAGS, "CTA_FILTER_REPLY_FLAGS", Shape.U32)
          .build();

  private static final AttributeSchema ENTRY =
      AttributeSchema.builder()
          .nest(CTA_TUPLE_ORIG, "CTA_TUPLE_ORIG", () -> TUPLE)
          .nest(CTA_TUPLE_REPLY, "CTA_TUPLE_REPLY", () -> TUPLE)
          .u32be(CTA_STATUS, "CTA_STATUS")
          .nest(CTA_PROTOINFO, "CTA_PROTOINFO", () -> PROTOINFO)
          .nest(CTA_HELP, "CTA_HELP", () -> HELP)
          .u32be(CTA_TIMEOUT, "CTA_TIMEOUT")
          .u32be(CTA_MARK, "CTA_MARK")
          .nest(CTA_COUNTERS_ORIG, "CTA_COUNTERS_ORIG", () -> COUNTERS)
          .nest(CTA_COUNTERS_REPLY, "CTA_COUNTERS_REPLY", () -> COUNTERS)
          .u32be(CTA_USE, "CTA_USE")
          .u32be(CTA_ID, "CTA_ID")
          .nest(CTA_TUPLE_MASTER, "CTA_TUPLE_MASTER", () -> TUPLE)
          .nest(CTA_SEQ_ADJ_ORIG, "CTA_SEQ_ADJ_ORIG", () -> SEQADJ)
          .nest(CTA_SEQ_ADJ_REPLY, "CTA_SEQ_ADJ_REPLY", () -> SEQADJ)
          .u32be(CTA_SECMARK, "CTA_SECMARK")
          .add(CTA_ZONE, "CTA_ZONE", Shape.U16_BE)
          .nest(CTA_SECCTX, "CTA_SECCTX", () -> SECCTX)
          .nest(CTA_TIMESTAMP, "CTA_TIMESTAMP", () -> TIMESTAMP)
          .u32be(CTA_MARK_MASK, "CTA_MARK_MASK")
          .bytes(CTA_LABELS, "CTA_LABELS")
          .bytes(CTA_LABELS_MASK, "CTA_LABELS_MASK")
          .nest(CTA_SYNPROXY, "CTA_SYNPROXY", () -> SYNPROXY)
          .nest(CTA_FILTER, "CTA_FILTER", () -> FILTER)
          .u32be(CTA_STATUS_MASK, "CTA_STATUS_MASK")
          .u64be(CTA_TIMESTAMP_EVENT, "CTA_TIMESTAMP_EVENT")
          .build();

  private static final AttributeSchema STATISTICS =
      AttributeSchema.builder()
          .u32be(CTA_STATS_GLOBAL_ENTRIES, "CTA_STATS_GLOBAL_ENTRIES")
          .u32be(CTA_STATS_GLOBAL_MAX_ENTRIES, "CTA_STATS_GLOBAL_MAX_ENTRIES")
          .build();

  private static final AttributeSchema CPU_STATISTICS =
      AttributeSchema.builder()
          .u32be(CTA_STATS_SEARCHED, "CTA_STATS_SEARCHED")
          .u32be(CTA_STATS_FOUND, "CTA_STATS_FOUND")
          .u32be(CTA_STATS_NEW, "CTA_STATS_NEW")
          .u32be(CTA_STATS_INVALID, "CTA_STATS_INVALID")
          .u32be(CTA_STATS_IGNORE, "CTA_STATS_IGNORE")
          .u32be(CTA_STATS_DELETE, "CTA_STATS_DELETE")
          .u32be(CTA_STATS_DELETE_LIST, "CTA_STATS_DELETE_LIST")
          .u32be(CTA_STATS_INSERT, "CTA_STATS_INSERT")
          .u32be(CTA_STATS_INSERT_FAILED, "CTA_STATS_INSERT_FAILED")
          .u32be(CTA_STATS_DROP, "CTA_STATS_DROP")
          .u32be(CTA_STATS_EARLY_DROP, "CTA_STATS_EARLY_DROP")
          .u32be(CTA_STATS_ERROR, "CTA_STATS_ERROR")
          .u32be(CTA_STATS_SEARCH_RESTART, "CTA_STATS_SEARCH_RESTART")
          .u32be(CTA_STATS_CLASH_RESOLVE, "CTA_STATS_CLASH_RESOLVE")
          .u32be(CTA_STATS_CHAIN_TOOLONG, "CTA_STATS_CHAIN_TOOLONG")
          .build();

  private ConntrackSchema() {}

  @Override
  public String name(int messageType) {
    if (!isConntrack(messageType)) {
      return "message " + messageType;
    }
    return switch (messageType & 0xff) {
      case IPCTNL_MSG_CT_NEW -> "IPCTNL_MSG_CT_NEW";
      case IPCTNL_MSG_CT_GET -> "IPCTNL_MSG_CT_GET";
      case IPCTNL_MSG_CT_DELETE -> "IPCTNL_MSG_CT_DELETE";
      case IPCTNL_MSG_CT_GET_CTRZERO -> "IPCTNL_MSG_CT_GET_CTRZERO";
      case IPCTNL_MSG_CT_GET_STATS_CPU -> "IPCTNL_MSG_CT_GET_STATS_CPU";
      case IPCTNL_MSG_CT_GET_STATS -> "IPCTNL_MSG_CT_GET_STATS";
      case IPCTNL_MSG_CT_GET_DYING -> "IPCTNL_MSG_CT_GET_DYING";
      case IPCTNL_MSG_CT_GET_UNCONFIRMED -> "IPCTNL_MSG_CT_GET_UNCONFIRMED";
      default -> "conntrack message " + (messageType & 0xff);
    };
  }

  @Override
  public int headerBytes(int messageType) {
    return isConntrack(messageType) ? Requests.NFGENMSG_BYTES : 0;
  }

  @Override
  public AttributeSchema attributes(int messageType) {
    if (!isConntrack(messageType)) {
      return AttributeSchema.UNKNOWN;
    }
    return switch (messageType & 0xff) {
      case IPCTNL_MSG_CT_NEW,
          IPCTNL_MSG_CT_GET,
          IPCTNL_MSG_CT_DELETE,
          IPCTNL_MSG_CT_GET_CTRZERO,
          IPCTNL_MSG_CT_GET_DYING,
          IPCTNL_MSG_CT_GET_UNCONFIRMED ->
          ENTRY;
      case IPCTNL_MSG_CT_GET_STATS -> STATISTICS;
      case IPCTNL_MSG_CT_GET_STATS_CPU -> CPU_STATISTICS;
      default -> AttributeSchema.UNKNOWN;
    };
  }

  private static boolean isConntrack(int messageType) {
    return messageType >>> 8 == LinuxNetlink.NFNL_SUBSYS_CTNETLINK;
  }
}
