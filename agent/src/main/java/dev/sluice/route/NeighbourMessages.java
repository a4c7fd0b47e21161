package dev.sluice.route;

import static dev.sluice.netlink.LinuxNetlink.NLM_F_CREATE;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_EXCL;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REPLACE;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;
import static dev.sluice.route.FixedHeaders.ndmsg;
import static dev.sluice.route.LinuxRtnetlink.*;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageWriter;
import java.util.Optional;

/** RTM_*NEIGH: struct ndmsg and NDA_* attributes. */
final class NeighbourMessages {
  private NeighbourMessages() {}

  static MessageWriter dump() {
    MessageWriter writer = new MessageWriter(64).begin(RTM_GETNEIGH, NLM_F_REQUEST, 0);
    return ndmsg(writer, AF_UNSPEC, 0, 0, 0).end();
  }

  /** Of all bridges. */
  static MessageWriter dumpForwarding() {
    MessageWriter writer = new MessageWriter(64).begin(RTM_GETNEIGH, NLM_F_REQUEST, 0);
    return ndmsg(writer, AF_BRIDGE, 0, 0, 0).end();
  }

  static MessageWriter add(Neighbour neighbour) {
    return write(RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, neighbour);
  }

  static MessageWriter replace(Neighbour neighbour) {
    return write(RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE, neighbour);
  }

  static MessageWriter remove(int linkIndex, IpAddress address) {
    return write(
        RTM_DELNEIGH, NLM_F_REQUEST, new Neighbour(linkIndex, address, Optional.empty(), 0, 0));
  }

  private static MessageWriter write(int type, int messageFlags, Neighbour neighbour) {
    MessageWriter writer = new MessageWriter(128).begin(type, messageFlags, 0);
    ndmsg(
        writer,
        Addresses.number(neighbour.address().family()),
        neighbour.linkIndex(),
        neighbour.state(),
        neighbour.flags());
    writer.attrBytes(NDA_DST, neighbour.address().toBytes());
    neighbour.mac().ifPresent(mac -> writer.attrBytes(NDA_LLADDR, mac.toBytes()));
    return writer.end();
  }

  /**
   * Reads RTM_NEWNEIGH and RTM_DELNEIGH; empty for families that are not the Internet's (a bridge's
   * forwarding entries).
   */
  static Optional<Neighbour> decode(MessageCursor message) {
    Optional<Family> known = Addresses.family(message.headerU8(FixedHeaders.NDM_FAMILY_OFFSET));
    Optional<IpAddress> address = Optional.empty();
    Optional<MacAddress> mac = Optional.empty();
    AttributeCursor attribute = message.attributes(FixedHeaders.NDMSG_BYTES);
    while (known.isPresent() && attribute.next()) {
      switch (attribute.type()) {
        case NDA_DST -> address = Optional.of(Addresses.read(attribute, known.get()));
        case NDA_LLADDR -> {
          if (attribute.length() == MacAddress.BYTES) {
            mac = Optional.of(MacAddress.fromBytes(attribute.bytes()));
          }
        }
        default -> {}
      }
    }
    if (address.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        new Neighbour(
            message.headerU32(FixedHeaders.NDM_IFINDEX_OFFSET),
            address.get(),
            mac,
            message.headerU16(FixedHeaders.NDM_STATE_OFFSET),
            message.headerU8(FixedHeaders.NDM_FLAGS_OFFSET)));
  }

  /**
   * Reads RTM_NEWNEIGH and RTM_DELNEIGH of a bridge; empty for other families, for what a device
   * that is no port knows itself (vxlan), for the addresses of the ports themselves, and for
   * entries of a VLAN.
   */
  static Optional<ForwardingEntry> decodeForwarding(MessageCursor message) {
    if (message.headerU8(FixedHeaders.NDM_FAMILY_OFFSET) != AF_BRIDGE
        || (message.headerU16(FixedHeaders.NDM_STATE_OFFSET) & NUD_PERMANENT) != 0) {
      return Optional.empty();
    }
    Optional<MacAddress> mac = Optional.empty();
    int bridge = 0;
    AttributeCursor attribute = message.attributes(FixedHeaders.NDMSG_BYTES);
    while (attribute.next()) {
      switch (attribute.type()) {
        case NDA_LLADDR -> {
          if (attribute.length() == MacAddress.BYTES) {
            mac = Optional.of(MacAddress.fromBytes(attribute.bytes()));
          }
        }
        case NDA_MASTER -> bridge = attribute.u32();
        case NDA_VLAN -> {
          return Optional.empty();
        }
        default -> {}
      }
    }
    if (mac.isEmpty() || bridge == 0) {
      return Optional.empty();
    }
    int port = message.headerU32(FixedHeaders.NDM_IFINDEX_OFFSET);
    return Optional.of(new ForwardingEntry(bridge, mac.get(), port));
  }
}
