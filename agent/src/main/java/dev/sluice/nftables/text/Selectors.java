package dev.sluice.nftables.text;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.nftables.expr.Ct;
import dev.sluice.nftables.expr.Exthdr;
import dev.sluice.nftables.expr.Fib;
import dev.sluice.nftables.expr.Numgen;
import dev.sluice.nftables.expr.Rt;
import dev.sluice.nftables.text.Operand.Selector;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;

/** Words for what a rule can look at, except the packet's own headers. */
final class Selectors {
  /** NFT_FIB_F_PRESENT: whether there is a route at all ({@code enum nft_fib_flags}). */
  private static final int FIB_PRESENT = 1 << 5;

  private static final List<String> FIB_FLAGS = List.of("saddr", "daddr", "mark", "iif", "oif");

  /** Kinds of TCP options (linux/tcp.h). */
  private static final Map<Integer, String> TCP_OPTIONS =
      Map.of(2, "maxseg", 3, "window", 4, "sack-perm", 5, "sack", 8, "timestamp");

  /** Types of IPv4 options (linux/ip.h). */
  private static final Map<Integer, String> IP_OPTIONS =
      Map.of(7, "rr", 131, "lsrr", 137, "ssrr", 148, "ra");

  /** IPv6 extension headers (linux/in6.h). */
  private static final Map<Integer, String> EXTENSION_HEADERS =
      Map.of(0, "hbh", 43, "rt", 44, "frag", 60, "dst", 135, "mh");

  private static final int TCP_OPTION_MAXSEG = 2;
  private static final int TCP_OPTION_WINDOW = 3;

  private Selectors() {}

  /**
   * @param key NFT_META_*
   */
  static Optional<Selector> meta(int key) {
    return Optional.ofNullable(
        switch (key) {
          case NFT_META_LEN -> Selector.of("meta length", ValueType.INTEGER, 4);
          case NFT_META_PROTOCOL -> Selector.of("meta protocol", ValueType.ETHER_TYPE);
          case NFT_META_MARK -> Selector.of("meta mark", ValueType.MARK);
          case NFT_META_IIF -> Selector.of("iif", ValueType.IFINDEX);
          case NFT_META_OIF -> Selector.of("oif", ValueType.IFINDEX);
          case NFT_META_IIFNAME -> Selector.of("iifname", ValueType.IFNAME);
          case NFT_META_OIFNAME -> Selector.of("oifname", ValueType.IFNAME);
          case NFT_META_IFTYPE -> Selector.of("meta iiftype", ValueType.INTERFACE_TYPE);
          case NFT_META_SKUID -> Selector.of("meta skuid", ValueType.INTEGER, 4);
          case NFT_META_SKGID -> Selector.of("meta skgid", ValueType.INTEGER, 4);
          case NFT_META_NFTRACE -> Selector.of("meta nftrace", ValueType.INTEGER, 1);
          case NFT_META_NFPROTO -> Selector.of("meta nfproto", ValueType.NFPROTO);
          case NFT_META_L4PROTO -> Selector.of("meta l4proto", ValueType.INET_PROTO);
          case NFT_META_PKTTYPE -> Selector.of("meta pkttype", ValueType.PACKET_TYPE);
          case NFT_META_CPU -> Selector.of("meta cpu", ValueType.INTEGER, 4);
          case NFT_META_IIFGROUP -> Selector.of("iifgroup", ValueType.INTEGER, 4);
          case NFT_META_OIFGROUP -> Selector.of("oifgroup", ValueType.INTEGER, 4);
          case NFT_META_CGROUP -> Selector.of("meta cgroup", ValueType.INTEGER, 4);
          default -> null;
        });
  }

  static Selector ct(Ct ct) throws InexpressibleException {
    String direction =
        switch (ct.direction()) {
          case Ct.ORIGINAL -> "ct original ";
          case Ct.REPLY -> "ct reply ";
          default -> "ct ";
        };
    boolean directed = ct.direction() != Ct.EITHER;
    Selector selector =
        switch (ct.key()) {
          case NFT_CT_STATE -> Selector.of("ct state", ValueType.CT_STATE);
          case NFT_CT_DIRECTION -> Selector.of("ct direction", ValueType.CT_DIRECTION);
          case NFT_CT_STATUS -> Selector.of("ct status", ValueType.CT_STATUS);
          case NFT_CT_MARK -> Selector.of("ct mark", ValueType.MARK);
          case NFT_CT_HELPER -> Selector.of("ct helper", ValueType.HELPER);
          case NFT_CT_EVENTMASK -> Selector.of("ct event", ValueType.CT_EVENT);
          case NFT_CT_L3PROTOCOL -> Selector.of(direction + "l3proto", ValueType.NFPROTO);
          case NFT_CT_PROTOCOL -> Selector.of(direction + "protocol", ValueType.INET_PROTO);
          case NFT_CT_PROTO_SRC -> Selector.of(direction + "proto-src", ValueType.INET_SERVICE);
          case NFT_CT_PROTO_DST -> Selector.of(direction + "proto-dst", ValueType.INET_SERVICE);
          case NFT_CT_PKTS -> Selector.of(direction + "packets", ValueType.INTEGER, 8);
          case NFT_CT_BYTES -> Selector.of(direction + "bytes", ValueType.INTEGER, 8);
          case NFT_CT_AVGPKT -> Selector.of(direction + "avgpkt", ValueType.INTEGER, 8);
          case NFT_CT_ZONE -> Selector.of(direction + "zone", ValueType.INTEGER, 2);
          case NFT_CT_SRC_IP -> Selector.of(direction + "ip saddr", ValueType.IPV4_ADDR);
          case NFT_CT_DST_IP -> Selector.of(direction + "ip daddr", ValueType.IPV4_ADDR);
          case NFT_CT_SRC_IP6 -> Selector.of(direction + "ip6 saddr", ValueType.IPV6_ADDR);
          case NFT_CT_DST_IP6 -> Selector.of(direction + "ip6 daddr", ValueType.IPV6_ADDR);
          case NFT_CT_ID -> Selector.of("ct id", ValueType.INTEGER, 4);
          default -> throw new InexpressibleException(ct);
        };
    boolean needsDirection =
        switch (ct.key()) {
          case NFT_CT_PROTO_SRC,
              NFT_CT_PROTO_DST,
              NFT_CT_SRC_IP,
              NFT_CT_DST_IP,
              NFT_CT_SRC_IP6,
              NFT_CT_DST_IP6 ->
              true;
          default -> false;
        };
    if ((needsDirection && !directed) || (directed && !selector.text().startsWith(direction))) {
      throw new InexpressibleException(ct);
    }
    return selector;
  }

  static Selector fib(Fib fib) throws InexpressibleException {
    StringJoiner asked = new StringJoiner(" . ", "fib ", " ");
    for (int bit = 0; bit < FIB_FLAGS.size(); bit++) {
      if ((fib.flags() & 1 << bit) != 0) {
        asked.add(FIB_FLAGS.get(bit));
      }
    }
    boolean present = (fib.flags() & FIB_PRESENT) != 0;
    return switch (fib.result()) {
      case NFT_FIB_RESULT_OIF ->
          present
              ? Selector.of(asked + "oif", ValueType.BOOLEAN)
              : Selector.of(asked + "oif", ValueType.IFINDEX);
      case NFT_FIB_RESULT_OIFNAME ->
          present
              ? Selector.of(asked + "oifname", ValueType.BOOLEAN)
              : Selector.of(asked + "oifname", ValueType.IFNAME);
      case NFT_FIB_RESULT_ADDRTYPE -> Selector.of(asked + "type", ValueType.FIB_TYPE);
      default -> throw new InexpressibleException(fib);
    };
  }

  static Selector rt(Rt rt) throws InexpressibleException {
    return switch (rt.key()) {
      case NFT_RT_CLASSID -> Selector.of("rt classid", ValueType.INTEGER, 4);
      case NFT_RT_NEXTHOP4 -> Selector.of("rt ip nexthop", ValueType.IPV4_ADDR);
      case NFT_RT_NEXTHOP6 -> Selector.of("rt ip6 nexthop", ValueType.IPV6_ADDR);
      case NFT_RT_TCPMSS -> Selector.of("rt mtu", ValueType.INTEGER, 2);
      case NFT_RT_XFRM -> Selector.of("rt ipsec", ValueType.BOOLEAN);
      default -> throw new InexpressibleException(rt);
    };
  }

  static Selector numgen(Numgen numgen) {
    return Selector.of(
        numgen(numgen.type(), numgen.modulus(), numgen.offset()), ValueType.INTEGER, 4);
  }

  static String numgen(int type, int modulus, int offset) {
    return "numgen "
        + (type == NFT_NG_INCREMENTAL ? "inc" : "random")
        + " mod "
        + Integer.toUnsignedString(modulus)
        + (offset == 0 ? "" : " offset " + Integer.toUnsignedString(offset));
  }

  /** A TCP option, or whether there is a header or an option of a kind. */
  static Selector exthdr(Exthdr exthdr) throws InexpressibleException {
    boolean present = !exthdr.set() && (exthdr.flags() & NFT_EXTHDR_F_PRESENT) != 0;
    Map<Integer, String> names =
        switch (exthdr.op()) {
          case NFT_EXTHDR_OP_IPV6 -> EXTENSION_HEADERS;
          case NFT_EXTHDR_OP_TCPOPT -> TCP_OPTIONS;
          case NFT_EXTHDR_OP_IPV4 -> IP_OPTIONS;
          default -> throw new InexpressibleException(exthdr);
        };
    String name = names.get(exthdr.type());
    if (name != null && present) {
      String kind =
          switch (exthdr.op()) {
            case NFT_EXTHDR_OP_IPV6 -> "exthdr ";
            case NFT_EXTHDR_OP_TCPOPT -> "tcp option ";
            default -> "ip option ";
          };
      return Selector.of(kind + name, ValueType.BOOLEAN);
    }
    if (exthdr.op() == NFT_EXTHDR_OP_TCPOPT && exthdr.offset() == 2) {
      if (exthdr.type() == TCP_OPTION_MAXSEG && exthdr.length() == 2) {
        return Selector.of("tcp option maxseg size", ValueType.BIG_NUMBER, 2);
      }
      if (exthdr.type() == TCP_OPTION_WINDOW && exthdr.length() == 1) {
        return Selector.of("tcp option window count", ValueType.BIG_NUMBER, 1);
      }
    }
    throw new InexpressibleException(exthdr);
  }
}
