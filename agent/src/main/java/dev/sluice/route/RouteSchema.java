package dev.sluice.route;

import static dev.sluice.route.LinuxRtnetlink.*;

import dev.sluice.netlink.AttributeSchema;
import dev.sluice.netlink.AttributeSchema.Shape;
import dev.sluice.netlink.MessageSchema;
import java.util.Map;

/** The names of rtnetlink's messages and attributes, for readable dumps and error paths. */
public enum RouteSchema implements MessageSchema {
  /** There is only one. */
  INSTANCE;

  private static final AttributeSchema BRIDGE_PORT =
      AttributeSchema.builder()
          .u8(IFLA_BRPORT_STATE, "IFLA_BRPORT_STATE")
          .u8(IFLA_BRPORT_MODE, "IFLA_BRPORT_MODE")
          .u8(IFLA_BRPORT_GUARD, "IFLA_BRPORT_GUARD")
          .u8(IFLA_BRPORT_PROTECT, "IFLA_BRPORT_PROTECT")
          .u8(IFLA_BRPORT_FAST_LEAVE, "IFLA_BRPORT_FAST_LEAVE")
          .u8(IFLA_BRPORT_LEARNING, "IFLA_BRPORT_LEARNING")
          .u8(IFLA_BRPORT_UNICAST_FLOOD, "IFLA_BRPORT_UNICAST_FLOOD")
          .u8(IFLA_BRPORT_ISOLATED, "IFLA_BRPORT_ISOLATED")
          .build();

  private static final AttributeSchema BRIDGE =
      AttributeSchema.builder()
          .add(IFLA_BR_FORWARD_DELAY, "IFLA_BR_FORWARD_DELAY", Shape.U32)
          .add(IFLA_BR_STP_STATE, "IFLA_BR_STP_STATE", Shape.U32)
          .u8(IFLA_BR_VLAN_FILTERING, "IFLA_BR_VLAN_FILTERING")
          .u8(IFLA_BR_MCAST_SNOOPING, "IFLA_BR_MCAST_SNOOPING")
          .build();

  // The peer starts with a struct ifinfomsg, which a schema cannot say: its bytes are shown.
  private static final AttributeSchema VETH =
      AttributeSchema.builder().bytes(VETH_INFO_PEER, "VETH_INFO_PEER").build();

  private static final AttributeSchema LINKINFO =
      AttributeSchema.builder()
          .string(IFLA_INFO_KIND, "IFLA_INFO_KIND")
          .nestSelectedBy(
              IFLA_INFO_DATA,
              "IFLA_INFO_DATA",
              IFLA_INFO_KIND,
              Map.of("bridge", () -> BRIDGE, "veth", () -> VETH))
          .string(IFLA_INFO_SLAVE_KIND, "IFLA_INFO_SLAVE_KIND")
          .nestSelectedBy(
              IFLA_INFO_SLAVE_DATA,
              "IFLA_INFO_SLAVE_DATA",
              IFLA_INFO_SLAVE_KIND,
              Map.of("bridge", () -> BRIDGE_PORT))
          .build();

  private static final AttributeSchema LINK =
      AttributeSchema.builder()
          .bytes(IFLA_ADDRESS, "IFLA_ADDRESS")
          .bytes(IFLA_BROADCAST, "IFLA_BROADCAST")
          .string(IFLA_IFNAME, "IFLA_IFNAME")
          .add(IFLA_MTU, "IFLA_MTU", Shape.U32)
          .add(IFLA_LINK, "IFLA_LINK", Shape.U32)
          .string(IFLA_QDISC, "IFLA_QDISC")
          .bytes(IFLA_STATS, "IFLA_STATS")
          .add(IFLA_MASTER, "IFLA_MASTER", Shape.U32)
          .nest(IFLA_PROTINFO, "IFLA_PROTINFO", () -> BRIDGE_PORT)
          .add(IFLA_TXQLEN, "IFLA_TXQLEN", Shape.U32)
          .bytes(IFLA_MAP, "IFLA_MAP")
          .u8(IFLA_OPERSTATE, "IFLA_OPERSTATE")
          .u8(IFLA_LINKMODE, "IFLA_LINKMODE")
          .nest(IFLA_LINKINFO, "IFLA_LINKINFO", () -> LINKINFO)
          .add(IFLA_NET_NS_PID, "IFLA_NET_NS_PID", Shape.U32)
          .string(IFLA_IFALIAS, "IFLA_IFALIAS")
          .bytes(IFLA_STATS64, "IFLA_STATS64")
          .bytes(IFLA_AF_SPEC, "IFLA_AF_SPEC")
          .add(IFLA_GROUP, "IFLA_GROUP", Shape.U32)
          .add(IFLA_NET_NS_FD, "IFLA_NET_NS_FD", Shape.U32)
          .add(IFLA_EXT_MASK, "IFLA_EXT_MASK", Shape.U32)
          .add(IFLA_PROMISCUITY, "IFLA_PROMISCUITY", Shape.U32)
          .add(IFLA_NUM_TX_QUEUES, "IFLA_NUM_TX_QUEUES", Shape.U32)
          .add(IFLA_NUM_RX_QUEUES, "IFLA_NUM_RX_QUEUES", Shape.U32)
          .u8(IFLA_CARRIER, "IFLA_CARRIER")
          .add(IFLA_CARRIER_CHANGES, "IFLA_CARRIER_CHANGES", Shape.U32)
          .add(IFLA_LINK_NETNSID, "IFLA_LINK_NETNSID", Shape.U32)
          .u8(IFLA_PROTO_DOWN, "IFLA_PROTO_DOWN")
          .add(IFLA_GSO_MAX_SEGS, "IFLA_GSO_MAX_SEGS", Shape.U32)
          .add(IFLA_GSO_MAX_SIZE, "IFLA_GSO_MAX_SIZE", Shape.U32)
          .add(IFLA_EVENT, "IFLA_EVENT", Shape.U32)
          .add(IFLA_NEW_NETNSID, "IFLA_NEW_NETNSID", Shape.U32)
          .add(IFLA_TARGET_NETNSID, "IFLA_TARGET_NETNSID", Shape.U32)
          .add(IFLA_NEW_IFINDEX, "IFLA_NEW_IFINDEX", Shape.U32)
          .add(IFLA_MIN_MTU, "IFLA_MIN_MTU", Shape.U32)
          .add(IFLA_MAX_MTU, "IFLA_MAX_MTU", Shape.U32)
          .string(IFLA_ALT_IFNAME, "IFLA_ALT_IFNAME")
          .bytes(IFLA_PERM_ADDRESS, "IFLA_PERM_ADDRESS")
          .build();

  private static final AttributeSchema ADDRESS =
      AttributeSchema.builder()
          .bytes(IFA_ADDRESS, "IFA_ADDRESS")
          .bytes(IFA_LOCAL, "IFA_LOCAL")
          .string(IFA_LABEL, "IFA_LABEL")
          .bytes(IFA_BROADCAST, "IFA_BROADCAST")
          .bytes(IFA_CACHEINFO, "IFA_CACHEINFO")
          .add(IFA_FLAGS, "IFA_FLAGS", Shape.U32)
          .add(IFA_RT_PRIORITY, "IFA_RT_PRIORITY", Shape.U32)
          .u8(IFA_PROTO, "IFA_PROTO")
          .build();

  private static final AttributeSchema ROUTE =
      AttributeSchema.builder()
          .bytes(RTA_DST, "RTA_DST")
          .bytes(RTA_SRC, "RTA_SRC")
          .add(RTA_IIF, "RTA_IIF", Shape.U32)
          .add(RTA_OIF, "RTA_OIF", Shape.U32)
          .bytes(RTA_GATEWAY, "RTA_GATEWAY")
          .add(RTA_PRIORITY, "RTA_PRIORITY", Shape.U32)
          .bytes(RTA_PREFSRC, "RTA_PREFSRC")
          .bytes(RTA_METRICS, "RTA_METRICS")
          // A run of struct rtnexthop, not of attributes.
          .bytes(RTA_MULTIPATH, "RTA_MULTIPATH")
          .add(RTA_FLOW, "RTA_FLOW", Shape.U32)
          .bytes(RTA_CACHEINFO, "RTA_CACHEINFO")
          .add(RTA_TABLE, "RTA_TABLE", Shape.U32)
          .add(RTA_MARK, "RTA_MARK", Shape.U32)
          .bytes(RTA_VIA, "RTA_VIA")
          .u8(RTA_PREF, "RTA_PREF")
          .add(RTA_EXPIRES, "RTA_EXPIRES", Shape.U32)
          .add(RTA_UID, "RTA_UID", Shape.U32)
          .add(RTA_NH_ID, "RTA_NH_ID", Shape.U32)
          .build();

  private static final AttributeSchema NEIGHBOUR =
      AttributeSchema.builder()
          .bytes(NDA_DST, "NDA_DST")
          .bytes(NDA_LLADDR, "NDA_LLADDR")
          .bytes(NDA_CACHEINFO, "NDA_CACHEINFO")
          .add(NDA_PROBES, "NDA_PROBES", Shape.U32)
          .bytes(NDA_VLAN, "NDA_VLAN")
          .add(NDA_IFINDEX, "NDA_IFINDEX", Shape.U32)
          .add(NDA_MASTER, "NDA_MASTER", Shape.U32)
          .u8(NDA_PROTOCOL, "NDA_PROTOCOL")
          .build();

  private static final AttributeSchema NAMESPACE =
      AttributeSchema.builder()
          .add(NETNSA_NSID, "NETNSA_NSID", Shape.U32)
          .add(NETNSA_PID, "NETNSA_PID", Shape.U32)
          .add(NETNSA_FD, "NETNSA_FD", Shape.U32)
          .build();

  @Override
  public String name(int messageType) {
    return switch (messageType) {
      case RTM_NEWLINK -> "RTM_NEWLINK";
      case RTM_DELLINK -> "RTM_DELLINK";
      case RTM_GETLINK -> "RTM_GETLINK";
      case RTM_SETLINK -> "RTM_SETLINK";
      case RTM_NEWADDR -> "RTM_NEWADDR";
      case RTM_DELADDR -> "RTM_DELADDR";
      case RTM_GETADDR -> "RTM_GETADDR";
      case RTM_NEWROUTE -> "RTM_NEWROUTE";
      case RTM_DELROUTE -> "RTM_DELROUTE";
      case RTM_GETROUTE -> "RTM_GETROUTE";
      case RTM_NEWNEIGH -> "RTM_NEWNEIGH";
      case RTM_DELNEIGH -> "RTM_DELNEIGH";
      case RTM_GETNEIGH -> "RTM_GETNEIGH";
      case RTM_NEWNSID -> "RTM_NEWNSID";
      case RTM_GETNSID -> "RTM_GETNSID";
      default -> "message " + messageType;
    };
  }

  @Override
  public int headerBytes(int messageType) {
    return switch (messageType) {
      case RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK -> FixedHeaders.IFINFOMSG_BYTES;
      case RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR -> FixedHeaders.IFADDRMSG_BYTES;
      case RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE -> FixedHeaders.RTMSG_BYTES;
      case RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH -> FixedHeaders.NDMSG_BYTES;
      case RTM_NEWNSID, RTM_GETNSID -> FixedHeaders.RTGENMSG_BYTES;
      default -> 0;
    };
  }

  @Override
  public AttributeSchema attributes(int messageType) {
    return switch (messageType) {
      case RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK -> LINK;
      case RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR -> ADDRESS;
      case RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE -> ROUTE;
      case RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH -> NEIGHBOUR;
      case RTM_NEWNSID, RTM_GETNSID -> NAMESPACE;
      default -> AttributeSchema.UNKNOWN;
    };
  }
}
