package dev.sluice.route;

import static dev.sluice.netlink.LinuxNetlink.NLM_F_CREATE;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_EXCL;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;
import static dev.sluice.route.FixedHeaders.IFINFOMSG_BYTES;
import static dev.sluice.route.FixedHeaders.ifinfomsg;
import static dev.sluice.route.LinuxRtnetlink.*;

import dev.sluice.net.MacAddress;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageWriter;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalInt;

/** RTM_*LINK: struct ifinfomsg and IFLA_* attributes. */
final class LinkMessages {
  private static final int NEW_FLAGS = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;

  private LinkMessages() {}

  static MessageWriter dump() {
    return begin(RTM_GETLINK, 0).end();
  }

  static MessageWriter get(int index) {
    return begin(RTM_GETLINK, index).end();
  }

  static MessageWriter get(String name) {
    return begin(RTM_GETLINK, 0).attrString(IFLA_IFNAME, name).end();
  }

  /** Without the alias, which the kernel only takes for a link that exists. */
  static MessageWriter createBridge(String name, BridgeOptions options) {
    MessageWriter writer = new MessageWriter(512).begin(RTM_NEWLINK, NEW_FLAGS, 0);
    ifinfomsg(writer, AF_UNSPEC, 0, 0, 0);
    options.mac().ifPresent(mac -> writer.attrBytes(IFLA_ADDRESS, mac.toBytes()));
    options.mtuBytes().ifPresent(bytes -> writer.attrU32(IFLA_MTU, bytes));
    writer.attrString(IFLA_IFNAME, name);
    writer.beginPlainNest(IFLA_LINKINFO);
    text(writer, IFLA_INFO_KIND, "bridge");
    return writer.endNest().end();
  }

  /**
   * The peer is a complete message of its own inside the request, from its ifinfomsg on. It cannot
   * ask for IFF_UP: the kernel opens the peer before it has its wire (ENOTCONN, veth_open).
   *
   * @param peerNamespaceFd the descriptor of {@link VethOptions#peerNamespace}
   */
  static MessageWriter createVeth(VethOptions options, OptionalInt peerNamespaceFd) {
    MessageWriter writer = new MessageWriter(512).begin(RTM_NEWLINK, NEW_FLAGS, 0);
    int up = options.up() ? IFF_UP : 0;
    ifinfomsg(writer, AF_UNSPEC, 0, up, up);
    options.mtuBytes().ifPresent(bytes -> writer.attrU32(IFLA_MTU, bytes));
    options.masterIndex().ifPresent(index -> writer.attrU32(IFLA_MASTER, index));
    writer.attrString(IFLA_IFNAME, options.name());
    writer.beginPlainNest(IFLA_LINKINFO);
    text(writer, IFLA_INFO_KIND, "veth");
    writer.beginPlainNest(IFLA_INFO_DATA).beginPlainNest(VETH_INFO_PEER);
    ifinfomsg(writer, AF_UNSPEC, 0, 0, 0);
    options.peerMac().ifPresent(mac -> writer.attrBytes(IFLA_ADDRESS, mac.toBytes()));
    options.mtuBytes().ifPresent(bytes -> writer.attrU32(IFLA_MTU, bytes));
    peerNamespaceFd.ifPresent(fd -> writer.attrU32(IFLA_NET_NS_FD, fd));
    writer.attrString(IFLA_IFNAME, options.peerName());
    return writer.endNest().endNest().endNest().end();
  }

  static MessageWriter setUp(int index, boolean up) {
    MessageWriter writer = new MessageWriter(64).begin(RTM_NEWLINK, NLM_F_REQUEST, 0);
    return ifinfomsg(writer, AF_UNSPEC, index, up ? IFF_UP : 0, IFF_UP).end();
  }

  /**
   * Makes the link a port of another.
   *
   * @param masterIndex 0: of none
   */
  static MessageWriter setMaster(int index, int masterIndex) {
    return begin(RTM_NEWLINK, index).attrU32(IFLA_MASTER, masterIndex).end();
  }

  static MessageWriter rename(int index, String name) {
    return begin(RTM_NEWLINK, index).attrString(IFLA_IFNAME, name).end();
  }

  static MessageWriter setAlias(int index, String alias) {
    return text(begin(RTM_NEWLINK, index), IFLA_IFALIAS, alias).end();
  }

  static MessageWriter setMtu(int index, int bytes) {
    return begin(RTM_NEWLINK, index).attrU32(IFLA_MTU, bytes).end();
  }

  static MessageWriter setMac(int index, MacAddress mac) {
    return begin(RTM_NEWLINK, index).attrBytes(IFLA_ADDRESS, mac.toBytes()).end();
  }

  static MessageWriter move(int index, int namespaceFd) {
    return begin(RTM_NEWLINK, index).attrU32(IFLA_NET_NS_FD, namespaceFd).end();
  }

  static MessageWriter setHairpin(int index, boolean on) {
    MessageWriter writer = new MessageWriter(64).begin(RTM_SETLINK, NLM_F_REQUEST, 0);
    ifinfomsg(writer, AF_BRIDGE, index, 0, 0);
    writer.beginNest(IFLA_PROTINFO).attrU8(IFLA_BRPORT_MODE, on ? 1 : 0);
    return writer.endNest().end();
  }

  /**
   * The kernel takes a port's settings from the same message as those of the link, and before them:
   * a port is isolated when it comes up. {@code ip} also names a kind, "bridge_slave", for which
   * newer kernels look for a module each time.
   */
  static MessageWriter setPort(int index, PortOptions options) {
    MessageWriter writer = new MessageWriter(512).begin(RTM_NEWLINK, NLM_F_REQUEST, 0);
    int up = options.up() ? IFF_UP : 0;
    ifinfomsg(writer, AF_UNSPEC, index, up, up);
    options.alias().ifPresent(alias -> text(writer, IFLA_IFALIAS, alias));
    writer.beginPlainNest(IFLA_LINKINFO);
    writer
        .beginPlainNest(IFLA_INFO_SLAVE_DATA)
        .attrU8(IFLA_BRPORT_MODE, options.hairpin() ? 1 : 0)
        .attrU8(IFLA_BRPORT_ISOLATED, options.isolated() ? 1 : 0);
    return writer.endNest().endNest().end();
  }

  static MessageWriter delete(int index) {
    return begin(RTM_DELLINK, index).end();
  }

  /**
   * Reads RTM_NEWLINK and RTM_DELLINK; empty for messages of a family of its own, which tell about
   * a part of the link only (AF_BRIDGE: that it is or was a port), and for those without a name,
   * which tell about an event of a wireless one (net/wireless/wext-core.c).
   */
  static Optional<Link> decode(MessageCursor message) {
    if (message.headerU8(FixedHeaders.IFI_FAMILY_OFFSET) != AF_UNSPEC) {
      return Optional.empty();
    }
    String name = "";
    int mtuBytes = 0;
    LinkInfo info = LinkInfo.NONE;
    Optional<MacAddress> mac = Optional.empty();
    OptionalInt master = OptionalInt.empty();
    Optional<String> alias = Optional.empty();
    OptionalInt linked = OptionalInt.empty();
    OptionalInt linkedNamespace = OptionalInt.empty();
    AttributeCursor attribute = message.attributes(IFINFOMSG_BYTES);
    while (attribute.next()) {
      switch (attribute.type()) {
        case IFLA_IFNAME -> name = attribute.string();
        case IFLA_MTU -> mtuBytes = attribute.u32();
        case IFLA_ADDRESS -> {
          if (attribute.length() == MacAddress.BYTES) {
            mac = Optional.of(MacAddress.fromBytes(attribute.bytes()));
          }
        }
        case IFLA_MASTER -> master = OptionalInt.of(attribute.u32());
        case IFLA_IFALIAS -> alias = Optional.of(attribute.string());
        case IFLA_LINK -> {
          // 0: a veth whose other end has been deleted just now.
          if (attribute.u32() != 0) {
            linked = OptionalInt.of(attribute.u32());
          }
        }
        case IFLA_LINK_NETNSID -> linkedNamespace = OptionalInt.of(attribute.u32());
        case IFLA_LINKINFO -> info = LinkInfo.decode(attribute.nested());
        default -> {} // newer kernels add attributes: skip what is not known
      }
    }
    if (name.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        new Link(
            message.headerU32(FixedHeaders.IFI_INDEX_OFFSET),
            name,
            info.kind(),
            message.headerU32(FixedHeaders.IFI_FLAGS_OFFSET),
            mtuBytes,
            mac,
            master,
            alias,
            linked,
            linkedNamespace,
            info.hairpin(),
            info.isolated()));
  }

  private static MessageWriter begin(int type, int index) {
    MessageWriter writer = new MessageWriter(512).begin(type, NLM_F_REQUEST, 0);
    return ifinfomsg(writer, AF_UNSPEC, index, 0, 0);
  }

  /** A text without a terminating NUL: the kernel would count it as a character of an alias. */
  private static MessageWriter text(MessageWriter writer, int type, String value) {
    return writer.attrBytes(type, value.getBytes(StandardCharsets.UTF_8));
  }

  /** IFLA_LINKINFO as far as we read it. */
  private record LinkInfo(String kind, boolean hairpin, boolean isolated) {
    static final LinkInfo NONE = new LinkInfo("", false, false);

    static LinkInfo decode(AttributeCursor attribute) {
      String kind = "";
      boolean bridgePort = false;
      boolean hairpin = false;
      boolean isolated = false;
      while (attribute.next()) {
        switch (attribute.type()) {
          case IFLA_INFO_KIND -> kind = attribute.string();
          // The kernel writes the kind before the data.
          case IFLA_INFO_SLAVE_KIND -> bridgePort = attribute.string().equals("bridge");
          case IFLA_INFO_SLAVE_DATA -> {
            AttributeCursor port = attribute.nested();
            while (bridgePort && port.next()) {
              switch (port.type()) {
                case IFLA_BRPORT_MODE -> hairpin = port.u8() != 0;
                case IFLA_BRPORT_ISOLATED -> isolated = port.u8() != 0;
                default -> {}
              }
            }
          }
          default -> {}
        }
      }
      return new LinkInfo(kind, hairpin, isolated);
    }
  }
}
