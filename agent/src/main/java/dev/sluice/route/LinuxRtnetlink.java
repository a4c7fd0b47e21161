package dev.sluice.route;

/**
 * Constants of rtnetlink in the kernel's spelling, grouped by the header they come from: {@code
 * linux/rtnetlink.h}, {@code if_link.h}, {@code if_addr.h}, {@code neighbour.h}, {@code
 * if_bridge.h}, {@code veth.h}, {@code net_namespace.h}, {@code if.h}. A test compares them with
 * what a C program prints from the headers.
 */
public final class LinuxRtnetlink {

  // linux/rtnetlink.h: message types
  public static final int RTM_NEWLINK = 16;
  public static final int RTM_DELLINK = 17;
  public static final int RTM_GETLINK = 18;
  public static final int RTM_SETLINK = 19;
  public static final int RTM_NEWADDR = 20;
  public static final int RTM_DELADDR = 21;
  public static final int RTM_GETADDR = 22;
  public static final int RTM_NEWROUTE = 24;
  public static final int RTM_DELROUTE = 25;
  public static final int RTM_GETROUTE = 26;
  public static final int RTM_NEWNEIGH = 28;
  public static final int RTM_DELNEIGH = 29;
  public static final int RTM_GETNEIGH = 30;
  public static final int RTM_NEWQDISC = 36;
  public static final int RTM_DELQDISC = 37;
  public static final int RTM_NEWTFILTER = 44;
  public static final int RTM_DELTFILTER = 45;
  public static final int RTM_NEWNSID = 88;
  public static final int RTM_GETNSID = 90;

  // linux/rtnetlink.h: multicast groups (enum rtnetlink_groups)
  public static final int RTNLGRP_LINK = 1;
  public static final int RTNLGRP_NEIGH = 3;
  public static final int RTNLGRP_TC = 4;
  public static final int RTNLGRP_IPV4_IFADDR = 5;
  public static final int RTNLGRP_IPV4_ROUTE = 7;
  public static final int RTNLGRP_IPV6_IFADDR = 9;
  public static final int RTNLGRP_IPV6_ROUTE = 11;

  // linux/rtnetlink.h: struct tcmsg's tcm_ifindex where it is about a block of filters
  public static final int TCM_IFINDEX_MAGIC_BLOCK = 0xffffffff;

  // linux/rtnetlink.h: enum rtattr_type_t
  public static final int RTA_DST = 1;
  public static final int RTA_SRC = 2;
  public static final int RTA_IIF = 3;
  public static final int RTA_OIF = 4;
  public static final int RTA_GATEWAY = 5;
  public static final int RTA_PRIORITY = 6;
  public static final int RTA_PREFSRC = 7;
  public static final int RTA_METRICS = 8;
  public static final int RTA_MULTIPATH = 9;
  public static final int RTA_FLOW = 11;
  public static final int RTA_CACHEINFO = 12;
  public static final int RTA_TABLE = 15;
  public static final int RTA_MARK = 16;
  public static final int RTA_VIA = 18;
  public static final int RTA_PREF = 20;
  public static final int RTA_ENCAP_TYPE = 21;
  public static final int RTA_ENCAP = 22;
  public static final int RTA_EXPIRES = 23;
  public static final int RTA_UID = 25;
  public static final int RTA_NH_ID = 30;

  // linux/rtnetlink.h: rtm_type
  public static final int RTN_UNSPEC = 0;
  public static final int RTN_UNICAST = 1;
  public static final int RTN_LOCAL = 2;
  public static final int RTN_BROADCAST = 3;
  public static final int RTN_ANYCAST = 4;
  public static final int RTN_MULTICAST = 5;
  public static final int RTN_BLACKHOLE = 6;
  public static final int RTN_UNREACHABLE = 7;
  public static final int RTN_PROHIBIT = 8;
  public static final int RTN_THROW = 9;
  public static final int RTN_NAT = 10;

  // linux/rtnetlink.h: rtm_protocol
  public static final int RTPROT_UNSPEC = 0;
  public static final int RTPROT_REDIRECT = 1;
  public static final int RTPROT_KERNEL = 2;
  public static final int RTPROT_BOOT = 3;
  public static final int RTPROT_STATIC = 4;
  public static final int RTPROT_RA = 9;
  public static final int RTPROT_DHCP = 16;

  // linux/rtnetlink.h: enum rt_scope_t
  public static final int RT_SCOPE_UNIVERSE = 0;
  public static final int RT_SCOPE_SITE = 200;
  public static final int RT_SCOPE_LINK = 253;
  public static final int RT_SCOPE_HOST = 254;
  public static final int RT_SCOPE_NOWHERE = 255;

  // linux/rtnetlink.h: enum rt_class_t
  public static final int RT_TABLE_UNSPEC = 0;
  public static final int RT_TABLE_DEFAULT = 253;
  public static final int RT_TABLE_MAIN = 254;
  public static final int RT_TABLE_LOCAL = 255;

  // linux/rtnetlink.h: rtm_flags
  public static final int RTM_F_CLONED = 0x200;
  public static final int RTM_F_LOOKUP_TABLE = 0x1000;
  public static final int RTM_F_FIB_MATCH = 0x2000;

  // linux/rtnetlink.h: rtnh_flags
  public static final int RTNH_F_DEAD = 0x1;
  public static final int RTNH_F_PERVASIVE = 0x2;
  public static final int RTNH_F_ONLINK = 0x4;
  public static final int RTNH_F_OFFLOAD = 0x8;
  public static final int RTNH_F_LINKDOWN = 0x10;

  // linux/if_link.h
  public static final int IFLA_ADDRESS = 1;
  public static final int IFLA_BROADCAST = 2;
  public static final int IFLA_IFNAME = 3;
  public static final int IFLA_MTU = 4;
  public static final int IFLA_LINK = 5;
  public static final int IFLA_QDISC = 6;
  public static final int IFLA_STATS = 7;
  public static final int IFLA_MASTER = 10;
  public static final int IFLA_PROTINFO = 12;
  public static final int IFLA_TXQLEN = 13;
  public static final int IFLA_MAP = 14;
  public static final int IFLA_OPERSTATE = 16;
  public static final int IFLA_LINKMODE = 17;
  public static final int IFLA_LINKINFO = 18;
  public static final int IFLA_NET_NS_PID = 19;
  public static final int IFLA_IFALIAS = 20;
  public static final int IFLA_STATS64 = 23;
  public static final int IFLA_AF_SPEC = 26;
  public static final int IFLA_GROUP = 27;
  public static final int IFLA_NET_NS_FD = 28;
  public static final int IFLA_EXT_MASK = 29;
  public static final int IFLA_PROMISCUITY = 30;
  public static final int IFLA_NUM_TX_QUEUES = 31;
  public static final int IFLA_NUM_RX_QUEUES = 32;
  public static final int IFLA_CARRIER = 33;
  public static final int IFLA_CARRIER_CHANGES = 35;
  public static final int IFLA_LINK_NETNSID = 37;
  public static final int IFLA_PROTO_DOWN = 39;
  public static final int IFLA_GSO_MAX_SEGS = 40;
  public static final int IFLA_GSO_MAX_SIZE = 41;
  public static final int IFLA_EVENT = 44;
  public static final int IFLA_NEW_NETNSID = 45;
  public static final int IFLA_TARGET_NETNSID = 46;
  public static final int IFLA_NEW_IFINDEX = 49;
  public static final int IFLA_MIN_MTU = 50;
  public static final int IFLA_MAX_MTU = 51;
  public static final int IFLA_ALT_IFNAME = 53;
  public static final int IFLA_PERM_ADDRESS = 54;

  // linux/if_link.h: inside IFLA_LINKINFO
  public static final int IFLA_INFO_KIND = 1;
  public static final int IFLA_INFO_DATA = 2;
  public static final int IFLA_INFO_XSTATS = 3;
  public static final int IFLA_INFO_SLAVE_KIND = 4;
  public static final int IFLA_INFO_SLAVE_DATA = 5;

  // linux/if_link.h: a bridge's IFLA_INFO_DATA
  public static final int IFLA_BR_FORWARD_DELAY = 1;
  public static final int IFLA_BR_STP_STATE = 5;
  public static final int IFLA_BR_VLAN_FILTERING = 7;
  public static final int IFLA_BR_MCAST_SNOOPING = 23;

  // linux/if_link.h: a bridge port's IFLA_INFO_SLAVE_DATA and IFLA_PROTINFO
  public static final int IFLA_BRPORT_STATE = 1;
  public static final int IFLA_BRPORT_PRIORITY = 2;
  public static final int IFLA_BRPORT_COST = 3;
  public static final int IFLA_BRPORT_MODE = 4;
  public static final int IFLA_BRPORT_GUARD = 5;
  public static final int IFLA_BRPORT_PROTECT = 6;
  public static final int IFLA_BRPORT_FAST_LEAVE = 7;
  public static final int IFLA_BRPORT_LEARNING = 8;
  public static final int IFLA_BRPORT_UNICAST_FLOOD = 9;
  public static final int IFLA_BRPORT_ISOLATED = 33;

  // linux/if_bridge.h: flags in IFLA_AF_SPEC of an AF_BRIDGE message
  public static final int BRIDGE_FLAGS_MASTER = 0x1;
  public static final int BRIDGE_FLAGS_SELF = 0x2;

  // linux/veth.h
  public static final int VETH_INFO_PEER = 1;

  // linux/if.h: ifi_flags
  public static final int IFF_UP = 0x1;
  public static final int IFF_BROADCAST = 0x2;
  public static final int IFF_LOOPBACK = 0x8;
  public static final int IFF_POINTOPOINT = 0x10;
  public static final int IFF_RUNNING = 0x40;
  public static final int IFF_NOARP = 0x80;
  public static final int IFF_PROMISC = 0x100;
  public static final int IFF_ALLMULTI = 0x200;
  public static final int IFF_MASTER = 0x400;
  public static final int IFF_SLAVE = 0x800;
  public static final int IFF_MULTICAST = 0x1000;
  public static final int IFF_LOWER_UP = 0x10000;
  public static final int IFF_DORMANT = 0x20000;

  // linux/if.h: sizes with the terminating NUL
  public static final int IFNAMSIZ = 16;
  public static final int IFALIASZ = 256;

  // linux/if_addr.h
  public static final int IFA_ADDRESS = 1;
  public static final int IFA_LOCAL = 2;
  public static final int IFA_LABEL = 3;
  public static final int IFA_BROADCAST = 4;
  public static final int IFA_CACHEINFO = 6;
  public static final int IFA_FLAGS = 8;
  public static final int IFA_RT_PRIORITY = 9;
  public static final int IFA_PROTO = 11;

  // linux/if_addr.h: ifa_flags
  public static final int IFA_F_SECONDARY = 0x1;
  public static final int IFA_F_NODAD = 0x2;
  public static final int IFA_F_OPTIMISTIC = 0x4;
  public static final int IFA_F_DADFAILED = 0x8;
  public static final int IFA_F_HOMEADDRESS = 0x10;
  public static final int IFA_F_DEPRECATED = 0x20;
  public static final int IFA_F_TENTATIVE = 0x40;
  public static final int IFA_F_PERMANENT = 0x80;
  public static final int IFA_F_MANAGETEMPADDR = 0x100;
  public static final int IFA_F_NOPREFIXROUTE = 0x200;
  public static final int IFA_F_STABLE_PRIVACY = 0x800;

  // linux/neighbour.h
  public static final int NDA_DST = 1;
  public static final int NDA_LLADDR = 2;
  public static final int NDA_CACHEINFO = 3;
  public static final int NDA_PROBES = 4;
  public static final int NDA_VLAN = 5;
  public static final int NDA_IFINDEX = 8;
  public static final int NDA_MASTER = 9;
  public static final int NDA_PROTOCOL = 12;

  // linux/neighbour.h: ndm_state
  public static final int NUD_INCOMPLETE = 0x1;
  public static final int NUD_REACHABLE = 0x2;
  public static final int NUD_STALE = 0x4;
  public static final int NUD_DELAY = 0x8;
  public static final int NUD_PROBE = 0x10;
  public static final int NUD_FAILED = 0x20;
  public static final int NUD_NOARP = 0x40;
  public static final int NUD_PERMANENT = 0x80;
  public static final int NUD_NONE = 0;

  // linux/neighbour.h: ndm_flags
  public static final int NTF_USE = 0x1;
  public static final int NTF_SELF = 0x2;
  public static final int NTF_MASTER = 0x4;
  public static final int NTF_PROXY = 0x8;
  public static final int NTF_ROUTER = 0x80;

  // linux/net_namespace.h
  public static final int NETNSA_NSID = 1;
  public static final int NETNSA_PID = 2;
  public static final int NETNSA_FD = 3;
  public static final int NETNSA_NSID_NOT_ASSIGNED = -1;

  // bits/socket.h
  public static final int AF_UNSPEC = 0;
  public static final int AF_INET = 2;
  public static final int AF_INET6 = 10;
  public static final int AF_BRIDGE = 7;

  private LinuxRtnetlink() {}
}
