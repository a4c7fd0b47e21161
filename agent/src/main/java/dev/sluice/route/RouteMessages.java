package dev.sluice.route;

import static dev.sluice.netlink.LinuxNetlink.NLM_F_CREATE;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_EXCL;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REPLACE;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;
import static dev.sluice.route.FixedHeaders.RTMSG_BYTES;
import static dev.sluice.route.FixedHeaders.RTNEXTHOP_BYTES;
import static dev.sluice.route.FixedHeaders.rtmsg;
import static dev.sluice.route.LinuxRtnetlink.*;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageWriter;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** RTM_*ROUTE: struct rtmsg and RTA_* attributes. */
final class RouteMessages {
  /** The part of rtm_flags that holds the RTNH_F_* of a route with one next hop. */
  private static final int NEXT_HOP_FLAGS = 0xff;

  private RouteMessages() {}

  static MessageWriter dump(Family family) {
    MessageWriter writer = new MessageWriter(64).begin(RTM_GETROUTE, NLM_F_REQUEST, 0);
    return rtmsg(writer, Addresses.number(family), 0, 0, 0, 0, 0, 0).end();
  }

  /** Asks which route packets to {@code destination} take. */
  static MessageWriter lookUp(IpAddress destination) {
    Family family = destination.family();
    MessageWriter writer = new MessageWriter(64).begin(RTM_GETROUTE, NLM_F_REQUEST, 0);
    // IPv4 names the main table, whatever table the route was found in, unless it is asked for it;
    // IPv6 always names the right one and refuses the flag.
    int flags = family == Family.IPV4 ? RTM_F_LOOKUP_TABLE : 0;
    rtmsg(writer, Addresses.number(family), family.bits(), 0, 0, 0, 0, flags);
    return writer.attrBytes(RTA_DST, destination.toBytes()).end();
  }

  /** Asks which route such a packet takes. */
  static MessageWriter lookUp(RouteQuery query) {
    Family family = query.destination().family();
    MessageWriter writer = new MessageWriter(128).begin(RTM_GETROUTE, NLM_F_REQUEST, 0);
    int flags = family == Family.IPV4 ? RTM_F_LOOKUP_TABLE : 0;
    int sourceBits = query.source().isPresent() ? family.bits() : 0;
    writer.u8(Addresses.number(family)).u8(family.bits()).u8(sourceBits).u8(0);
    writer.u8(0).u8(0).u8(0).u8(0).u32(flags);
    writer.attrBytes(RTA_DST, query.destination().toBytes());
    query.source().ifPresent(source -> writer.attrBytes(RTA_SRC, source.toBytes()));
    query.inputLink().ifPresent(index -> writer.attrU32(RTA_IIF, index));
    if (query.mark() != 0) {
      writer.attrU32(RTA_MARK, query.mark());
    }
    return writer.end();
  }

  static MessageWriter add(Route route) {
    return write(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, route);
  }

  static MessageWriter replace(Route route) {
    return write(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE, route);
  }

  static MessageWriter remove(Route route) {
    return write(RTM_DELROUTE, NLM_F_REQUEST, route);
  }

  private static MessageWriter write(int messageType, int messageFlags, Route route) {
    MessageWriter writer = new MessageWriter(512).begin(messageType, messageFlags, 0);
    Family family = route.family();
    Prefix destination = route.destination();
    List<NextHop> hops = route.nextHops();
    boolean shortTable = route.table() >>> 8 == 0;
    rtmsg(
        writer,
        Addresses.number(family),
        destination.lengthBits(),
        shortTable ? route.table() : RT_TABLE_UNSPEC,
        route.protocol(),
        route.scope(),
        route.type(),
        hops.size() == 1 ? hops.get(0).flags() & RTNH_F_ONLINK : 0);
    if (!route.isDefault()) {
      writer.attrBytes(RTA_DST, destination.address().toBytes());
    }
    if (hops.size() == 1) {
      hops.get(0).gateway().ifPresent(gateway -> gateway(writer, gateway, family));
    }
    route.preferredSource().ifPresent(source -> writer.attrBytes(RTA_PREFSRC, source.toBytes()));
    if (route.metric() != 0) {
      writer.attrU32(RTA_PRIORITY, (int) route.metric());
    }
    if (!shortTable) {
      writer.attrU32(RTA_TABLE, route.table());
    }
    if (hops.size() == 1) {
      hops.get(0).linkIndex().ifPresent(index -> writer.attrU32(RTA_OIF, index));
    } else if (hops.size() > 1) {
      writer.beginPlainNest(RTA_MULTIPATH);
      hops.forEach(hop -> nextHop(writer, hop, family));
      writer.endNest();
    }
    return writer.end();
  }

  private static void gateway(MessageWriter writer, IpAddress gateway, Family family) {
    if (gateway.family() == family) {
      writer.attrBytes(RTA_GATEWAY, gateway.toBytes());
      return;
    }
    // struct rtvia: the family in host byte order, then the address.
    writer.beginPlainNest(RTA_VIA).u16(Addresses.number(gateway.family()));
    for (byte octet : gateway.toBytes()) {
      writer.u8(octet);
    }
    writer.endNest();
    // Two bytes of family in front of 4 or 16: always two short of a multiple of four.
    writer.u16(0);
  }

  private static void nextHop(MessageWriter writer, NextHop hop, Family family) {
    // struct rtnexthop opens with its length, like an attribute but without a type.
    int length =
        RTNEXTHOP_BYTES
            + hop.gateway()
                .map(
                    to ->
                        to.family() == family
                            ? 4 + family.bytes()
                            : 4 + 2 + to.family().bytes() + 2)
                .orElse(0);
    writer.u16(length).u8(hop.flags() & RTNH_F_ONLINK).u8(hop.weight() - 1);
    writer.u32(hop.linkIndex().orElse(0));
    hop.gateway().ifPresent(gateway -> gateway(writer, gateway, family));
  }

  /**
   * Reads RTM_NEWROUTE and RTM_DELROUTE; empty for families that are not the Internet's, and for
   * cached exceptions, which are no entries of a table.
   */
  static Optional<Route> decode(MessageCursor message) {
    boolean cached = (message.headerU32(FixedHeaders.RTM_FLAGS_OFFSET) & RTM_F_CLONED) != 0;
    return cached ? Optional.empty() : decodeAny(message);
  }

  /**
   * As {@link #decode}, for the answer to {@link #lookUp}, which is always flagged as a cached one.
   */
  static Optional<Route> decodeAny(MessageCursor message) {
    Optional<Family> known = Addresses.family(message.headerU8(FixedHeaders.RTM_FAMILY_OFFSET));
    if (known.isEmpty()) {
      return Optional.empty();
    }
    Family family = known.get();
    IpAddress destination = IpAddress.any(family);
    Optional<IpAddress> gateway = Optional.empty();
    OptionalInt linkIndex = OptionalInt.empty();
    Optional<IpAddress> preferredSource = Optional.empty();
    List<NextHop> hops = new ArrayList<>();
    int table = message.headerU8(FixedHeaders.RTM_TABLE_OFFSET);
    long metric = 0;
    AttributeCursor attribute = message.attributes(RTMSG_BYTES);
    while (attribute.next()) {
      switch (attribute.type()) {
        case RTA_DST -> destination = Addresses.read(attribute, family);
        case RTA_GATEWAY -> gateway = Optional.of(Addresses.read(attribute, family));
        case RTA_VIA -> gateway = readVia(attribute);
        case RTA_OIF -> linkIndex = OptionalInt.of(attribute.u32());
        case RTA_PREFSRC -> preferredSource = Optional.of(Addresses.read(attribute, family));
        case RTA_PRIORITY -> metric = Integer.toUnsignedLong(attribute.u32());
        case RTA_TABLE -> table = attribute.u32();
        case RTA_MULTIPATH -> readNextHops(attribute, family, hops);
        default -> {}
      }
    }
    if (hops.isEmpty() && (gateway.isPresent() || linkIndex.isPresent())) {
      int flags = message.headerU32(FixedHeaders.RTM_FLAGS_OFFSET) & NEXT_HOP_FLAGS;
      hops.add(new NextHop(gateway, linkIndex, 1, flags));
    }
    int lengthBits =
        Addresses.prefixLength(message.headerU8(FixedHeaders.RTM_DST_LEN_OFFSET), family);
    return Optional.of(
        new Route(
            Prefix.containing(destination, lengthBits),
            hops,
            message.headerU8(FixedHeaders.RTM_TYPE_OFFSET),
            table,
            message.headerU8(FixedHeaders.RTM_PROTOCOL_OFFSET),
            message.headerU8(FixedHeaders.RTM_SCOPE_OFFSET),
            metric,
            preferredSource));
  }

  /** struct rtvia: the gateway of a route of the other family. */
  private static Optional<IpAddress> readVia(AttributeCursor attribute) {
    if (attribute.length() < 2) {
      throw new MalformedMessageException("RTA_VIA has " + attribute.length() + " bytes");
    }
    Optional<Family> known =
        Addresses.family(attribute.buffer().getShort(attribute.offset()) & 0xffff);
    byte[] bytes = attribute.bytes();
    return known.map(
        family -> Addresses.read(Arrays.copyOfRange(bytes, 2, bytes.length), RTA_VIA, family));
  }

  private static void readNextHops(AttributeCursor attribute, Family family, List<NextHop> hops) {
    ByteBuffer bytes = attribute.buffer();
    int at = attribute.offset();
    int end = at + attribute.length();
    while (at < end) {
      int length =
          end - at < RTNEXTHOP_BYTES
              ? 0
              : bytes.getShort(at + FixedHeaders.RTNH_LEN_OFFSET) & 0xffff;
      if (length < RTNEXTHOP_BYTES || length > end - at) {
        throw new MalformedMessageException(
            "next hop out of bounds: length=" + length + ", remaining=" + (end - at));
      }
      Optional<IpAddress> gateway = Optional.empty();
      AttributeCursor inside =
          AttributeCursor.over(bytes, at + RTNEXTHOP_BYTES, length - RTNEXTHOP_BYTES);
      while (inside.next()) {
        if (inside.type() == RTA_GATEWAY) {
          gateway = Optional.of(Addresses.read(inside, family));
        } else if (inside.type() == RTA_VIA) {
          gateway = readVia(inside);
        }
      }
      int index = bytes.getInt(at + FixedHeaders.RTNH_IFINDEX_OFFSET);
      hops.add(
          new NextHop(
              gateway,
              index == 0 ? OptionalInt.empty() : OptionalInt.of(index),
              (bytes.get(at + FixedHeaders.RTNH_HOPS_OFFSET) & 0xff) + 1,
              bytes.get(at + FixedHeaders.RTNH_FLAGS_OFFSET) & 0xff));
      at += (length + 3) & ~3;
    }
  }
}
