package dev.sluice.conntrack;

/**
 * Constants of {@code linux/netfilter/nfnetlink_conntrack.h}, {@code
 * linux/netfilter/nf_conntrack_common.h} and {@code linux/netfilter/nf_conntrack_tcp.h}, in the
 * kernel's spelling, grouped by the enum they come from.
 */
public final class LinuxNfConntrack {
  // enum cntl_msg_types
  public static final int IPCTNL_MSG_CT_NEW = 0;
  public static final int IPCTNL_MSG_CT_GET = 1;
  public static final int IPCTNL_MSG_CT_DELETE = 2;
  public static final int IPCTNL_MSG_CT_GET_CTRZERO = 3;
  public static final int IPCTNL_MSG_CT_GET_STATS_CPU = 4;
  public static final int IPCTNL_MSG_CT_GET_STATS = 5;
  public static final int IPCTNL_MSG_CT_GET_DYING = 6;
  public static final int IPCTNL_MSG_CT_GET_UNCONFIRMED = 7;

  // enum ctattr_type
  public static final int CTA_TUPLE_ORIG = 1;
  public static final int CTA_TUPLE_REPLY = 2;
  public static final int CTA_STATUS = 3;
  public static final int CTA_PROTOINFO = 4;
  public static final int CTA_HELP = 5;
  public static final int CTA_NAT_SRC = 6;
  public static final int CTA_TIMEOUT = 7;
  public static final int CTA_MARK = 8;
  public static final int CTA_COUNTERS_ORIG = 9;
  public static final int CTA_COUNTERS_REPLY = 10;
  public static final int CTA_USE = 11;
  public static final int CTA_ID = 12;
  public static final int CTA_NAT_DST = 13;
  public static final int CTA_TUPLE_MASTER = 14;
  public static final int CTA_SEQ_ADJ_ORIG = 15;
  public static final int CTA_SEQ_ADJ_REPLY = 16;
  public static final int CTA_SECMARK = 17;
  public static final int CTA_ZONE = 18;
  public static final int CTA_SECCTX = 19;
  public static final int CTA_TIMESTAMP = 20;
  public static final int CTA_MARK_MASK = 21;
  public static final int CTA_LABELS = 22;
  public static final int CTA_LABELS_MASK = 23;
  public static final int CTA_SYNPROXY = 24;
  public static final int CTA_FILTER = 25;
  public static final int CTA_STATUS_MASK = 26;

  /** Since Linux 6.14: when the event happened, ns since 1970. Not in Debian 12's headers. */
  public static final int CTA_TIMESTAMP_EVENT = 27;

  // enum ctattr_tuple
  public static final int CTA_TUPLE_IP = 1;
  public static final int CTA_TUPLE_PROTO = 2;
  public static final int CTA_TUPLE_ZONE = 3;

  // enum ctattr_ip
  public static final int CTA_IP_V4_SRC = 1;
  public static final int CTA_IP_V4_DST = 2;
  public static final int CTA_IP_V6_SRC = 3;
  public static final int CTA_IP_V6_DST = 4;

  // enum ctattr_l4proto
  public static final int CTA_PROTO_NUM = 1;
  public static final int CTA_PROTO_SRC_PORT = 2;
  public static final int CTA_PROTO_DST_PORT = 3;
  public static final int CTA_PROTO_ICMP_ID = 4;
  public static final int CTA_PROTO_ICMP_TYPE = 5;
  public static final int CTA_PROTO_ICMP_CODE = 6;
  public static final int CTA_PROTO_ICMPV6_ID = 7;
  public static final int CTA_PROTO_ICMPV6_TYPE = 8;
  public static final int CTA_PROTO_ICMPV6_CODE = 9;

  // enum ctattr_protoinfo
  public static final int CTA_PROTOINFO_TCP = 1;
  public static final int CTA_PROTOINFO_DCCP = 2;
  public static final int CTA_PROTOINFO_SCTP = 3;

  // enum ctattr_protoinfo_tcp
  public static final int CTA_PROTOINFO_TCP_STATE = 1;
  public static final int CTA_PROTOINFO_TCP_WSCALE_ORIGINAL = 2;
  public static final int CTA_PROTOINFO_TCP_WSCALE_REPLY = 3;
  public static final int CTA_PROTOINFO_TCP_FLAGS_ORIGINAL = 4;
  public static final int CTA_PROTOINFO_TCP_FLAGS_REPLY = 5;

  /** nf_conntrack_tcp.h: windows are not watched. */
  public static final int IP_CT_TCP_FLAG_BE_LIBERAL = 0x08;

  // enum ctattr_protoinfo_dccp
  public static final int CTA_PROTOINFO_DCCP_STATE = 1;
  public static final int CTA_PROTOINFO_DCCP_ROLE = 2;
  public static final int CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ = 3;

  // enum ctattr_protoinfo_sctp
  public static final int CTA_PROTOINFO_SCTP_STATE = 1;
  public static final int CTA_PROTOINFO_SCTP_VTAG_ORIGINAL = 2;
  public static final int CTA_PROTOINFO_SCTP_VTAG_REPLY = 3;

  // enum ctattr_counters
  public static final int CTA_COUNTERS_PACKETS = 1;
  public static final int CTA_COUNTERS_BYTES = 2;
  public static final int CTA_COUNTERS32_PACKETS = 3;
  public static final int CTA_COUNTERS32_BYTES = 4;

  // enum ctattr_tstamp
  public static final int CTA_TIMESTAMP_START = 1;
  public static final int CTA_TIMESTAMP_STOP = 2;

  // enum ctattr_help
  public static final int CTA_HELP_NAME = 1;
  public static final int CTA_HELP_INFO = 2;

  // enum ctattr_secctx
  public static final int CTA_SECCTX_NAME = 1;

  // enum ctattr_seqadj
  public static final int CTA_SEQADJ_CORRECTION_POS = 1;
  public static final int CTA_SEQADJ_OFFSET_BEFORE = 2;
  public static final int CTA_SEQADJ_OFFSET_AFTER = 3;

  // enum ctattr_synproxy
  public static final int CTA_SYNPROXY_ISN = 1;
  public static final int CTA_SYNPROXY_ITS = 2;
  public static final int CTA_SYNPROXY_TSOFF = 3;

  // enum ctattr_stats_cpu
  public static final int CTA_STATS_SEARCHED = 1;
  public static final int CTA_STATS_FOUND = 2;
  public static final int CTA_STATS_NEW = 3;
  public static final int CTA_STATS_INVALID = 4;
  public static final int CTA_STATS_IGNORE = 5;
  public static final int CTA_STATS_DELETE = 6;
  public static final int CTA_STATS_DELETE_LIST = 7;
  public static final int CTA_STATS_INSERT = 8;
  public static final int CTA_STATS_INSERT_FAILED = 9;
  public static final int CTA_STATS_DROP = 10;
  public static final int CTA_STATS_EARLY_DROP = 11;
  public static final int CTA_STATS_ERROR = 12;
  public static final int CTA_STATS_SEARCH_RESTART = 13;
  public static final int CTA_STATS_CLASH_RESOLVE = 14;
  public static final int CTA_STATS_CHAIN_TOOLONG = 15;

  // enum ctattr_stats_global
  public static final int CTA_STATS_GLOBAL_ENTRIES = 1;
  public static final int CTA_STATS_GLOBAL_MAX_ENTRIES = 2;

  // enum ctattr_filter
  public static final int CTA_FILTER_ORIG_FLAGS = 1;
  public static final int CTA_FILTER_REPLY_FLAGS = 2;

  // net/netfilter/nf_internals.h: bits of CTA_FILTER_ORIG_FLAGS and CTA_FILTER_REPLY_FLAGS. Not in
  // the exported headers, but part of the interface since Linux 5.8.
  public static final int CTA_FILTER_F_CTA_IP_SRC = 1 << 0;
  public static final int CTA_FILTER_F_CTA_IP_DST = 1 << 1;
  public static final int CTA_FILTER_F_CTA_TUPLE_ZONE = 1 << 2;
  public static final int CTA_FILTER_F_CTA_PROTO_NUM = 1 << 3;
  public static final int CTA_FILTER_F_CTA_PROTO_SRC_PORT = 1 << 4;
  public static final int CTA_FILTER_F_CTA_PROTO_DST_PORT = 1 << 5;
  public static final int CTA_FILTER_F_CTA_PROTO_ICMP_TYPE = 1 << 6;
  public static final int CTA_FILTER_F_CTA_PROTO_ICMP_CODE = 1 << 7;
  public static final int CTA_FILTER_F_CTA_PROTO_ICMP_ID = 1 << 8;
  public static final int CTA_FILTER_F_CTA_PROTO_ICMPV6_TYPE = 1 << 9;
  public static final int CTA_FILTER_F_CTA_PROTO_ICMPV6_CODE = 1 << 10;
  public static final int CTA_FILTER_F_CTA_PROTO_ICMPV6_ID = 1 << 11;

  // linux/netfilter/nf_conntrack_common.h: enum ip_conntrack_status
  public static final int IPS_EXPECTED = 1 << 0;
  public static final int IPS_SEEN_REPLY = 1 << 1;
  public static final int IPS_ASSURED = 1 << 2;
  public static final int IPS_CONFIRMED = 1 << 3;
  public static final int IPS_SRC_NAT = 1 << 4;
  public static final int IPS_DST_NAT = 1 << 5;
  public static final int IPS_SEQ_ADJUST = 1 << 6;
  public static final int IPS_SRC_NAT_DONE = 1 << 7;
  public static final int IPS_DST_NAT_DONE = 1 << 8;
  public static final int IPS_DYING = 1 << 9;
  public static final int IPS_FIXED_TIMEOUT = 1 << 10;
  public static final int IPS_TEMPLATE = 1 << 11;
  public static final int IPS_UNTRACKED = 1 << 12;
  public static final int IPS_HELPER = 1 << 13;
  public static final int IPS_OFFLOAD = 1 << 14;
  public static final int IPS_HW_OFFLOAD = 1 << 15;
  public static final int IPS_NAT_MASK = IPS_DST_NAT | IPS_SRC_NAT;

  // linux/netfilter/nf_conntrack_tcp.h: enum tcp_conntrack
  public static final int TCP_CONNTRACK_NONE = 0;
  public static final int TCP_CONNTRACK_SYN_SENT = 1;
  public static final int TCP_CONNTRACK_SYN_RECV = 2;
  public static final int TCP_CONNTRACK_ESTABLISHED = 3;
  public static final int TCP_CONNTRACK_FIN_WAIT = 4;
  public static final int TCP_CONNTRACK_CLOSE_WAIT = 5;
  public static final int TCP_CONNTRACK_LAST_ACK = 6;
  public static final int TCP_CONNTRACK_TIME_WAIT = 7;
  public static final int TCP_CONNTRACK_CLOSE = 8;
  public static final int TCP_CONNTRACK_SYN_SENT2 = 9;

  // linux/socket.h, as in nfgenmsg.nfgen_family
  public static final int AF_UNSPEC = 0;
  public static final int AF_INET = 2;
  public static final int AF_INET6 = 10;

  // linux/in.h, linux/in6.h
  public static final int IPPROTO_ICMP = 1;
  public static final int IPPROTO_TCP = 6;
  public static final int IPPROTO_UDP = 17;
  public static final int IPPROTO_ICMPV6 = 58;

  private LinuxNfConntrack() {}
}
