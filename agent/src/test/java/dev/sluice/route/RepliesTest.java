package dev.sluice.route;

import static dev.sluice.route.LinuxRtnetlink.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.testing.Golden;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The kernel's answers to {@code ip}, read by our decoders. */
class RepliesTest {
  /** Fails if one of the attributes is skipped or taken from another place. */
  @Test
  void linksAreRead() {
    List<Link> links = Captured.replies("link-show", RTM_NEWLINK, LinkMessages::decode);

    assertThat(links)
        .extracting(
            link ->
                "%d %s %s %d up=%s master=%s linked=%s@%s"
                    .formatted(
                        link.index(),
                        link.name(),
                        link.kind(),
                        link.mtuBytes(),
                        link.isUp(),
                        text(link.masterIndex()),
                        text(link.linkedIndex()),
                        text(link.linkedNamespaceId())))
        .containsExactly(
            "1 lo  65536 up=true master=- linked=-@-",
            "2 eth0 veth 1500 up=true master=- linked=2@0",
            "3 br0 bridge 1400 up=true master=- linked=-@-",
            "5 v1renamed veth 1500 up=false master=- linked=4@0",
            "6 vc1 veth 1500 up=true master=3 linked=3@0",
            "7 br9 bridge 1400 up=false master=- linked=-@-");
    assertThat(links.get(0).mac()).contains(MacAddress.parse("00:00:00:00:00:00"));
    assertThat(links.get(0).isLoopback()).isTrue();
    assertThat(links.get(2).mac()).contains(MacAddress.parse("02:00:00:00:00:01"));
    assertThat(links.get(2).alias()).contains("sluice network web");
    assertThat(links.get(3).alias()).isEmpty();
  }

  /** Fails if the mode of a bridge port is not looked for where the kernel puts it. */
  @Test
  void hairpinModeIsReadOfThePort() {
    assertThat(Captured.replies("link-show-bridge-port", RTM_NEWLINK, LinkMessages::decode))
        .filteredOn(link -> link.name().equals("vc1"))
        .last()
        .extracting(Link::hairpin)
        .isEqualTo(true);
    assertThat(Captured.replies("link-show", RTM_NEWLINK, LinkMessages::decode))
        .filteredOn(Link::hairpin)
        .extracting(Link::name)
        .containsExactly("vc1");
  }

  /** Fails if one of a port's settings is taken for another. */
  @Test
  void isolationIsReadOfThePort() {
    assertThat(Captured.replies("link-show-port", RTM_NEWLINK, LinkMessages::decode))
        .filteredOn(link -> link.name().equals("vp1"))
        .last()
        .satisfies(
            link -> {
              assertThat(link.hairpin()).isTrue();
              assertThat(link.isolated()).isTrue();
            });
    assertThat(Captured.replies("link-show", RTM_NEWLINK, LinkMessages::decode))
        .noneMatch(Link::isolated);
  }

  /**
   * Fails if what AF_BRIDGE tells about a port is taken for the link, or 0, which stands for a peer
   * that has gone, for an index.
   */
  @Test
  void aDeletedPortIsReadOnceWithItsAlias() {
    assertThat(Captured.replies("event-port", RTM_DELLINK, LinkMessages::decode))
        .singleElement()
        .satisfies(
            link -> {
              assertThat(link.index()).isEqualTo(10);
              assertThat(link.name()).isEqualTo("vp1");
              assertThat(link.alias()).contains("wire of web");
              assertThat(link.isUp()).isFalse();
              assertThat(link.masterIndex()).isEmpty();
              assertThat(link.linkedIndex()).isEmpty();
            });
  }

  /** Fails if RTNH_F_ONLINK is not read, or the scope of such a route is another one. */
  @Test
  void onLinkRoutesAreRead() {
    assertThat(Captured.replies("route-show-onlink", RTM_NEWROUTE, RouteMessages::decode))
        .contains(
            Route.via(Prefix.parse("10.10.0.0/16"), IpAddress.parse("203.0.113.1"))
                .withLink(2)
                .onLink()
                .withProtocol(RTPROT_BOOT));
    assertThat(Captured.replies("route-show-onlink6", RTM_NEWROUTE, RouteMessages::decode))
        .contains(
            Route.via(Prefix.parse("2001:db8:10::/64"), IpAddress.parse("fd99::1"))
                .withLink(2)
                .onLink()
                .withProtocol(RTPROT_BOOT)
                .withMetric(1024));
  }

  /** Fails if IFA_LOCAL and IFA_ADDRESS are confused, or the long flags are not read. */
  @Test
  void addressesAreRead() {
    assertThat(
            Captured.replies("address-show-all", RTM_NEWADDR, AddressMessages::decode).stream()
                .filter(address -> address.scope() != RT_SCOPE_LINK)
                .map(
                    address ->
                        "%d %s scope %d flags %#x"
                            .formatted(
                                address.linkIndex(),
                                address.text(),
                                address.scope(),
                                address.flags())))
        .containsExactly(
            "1 127.0.0.1/8 scope 254 flags 0x80",
            "1 198.18.0.1/32 scope 0 flags 0x80",
            "2 172.30.0.1/24 scope 0 flags 0x80",
            "3 172.31.0.1/24 scope 0 flags 0x80",
            "1 2001:db8:18::1/128 scope 0 flags 0x80",
            "1 ::1/128 scope 254 flags 0x80",
            "2 fd30::1/64 scope 0 flags 0x80",
            "3 fd31::1/64 scope 0 flags 0x82");
  }

  /** Fails if one of the attributes of a route is skipped or misread. */
  @Test
  void routesAreRead() {
    assertThat(Captured.replies("route-show", RTM_NEWROUTE, RouteMessages::decode))
        .contains(
            Route.via(Prefix.parse("0.0.0.0/0"), IpAddress.parse("172.30.0.9"))
                .withLink(2)
                .withProtocol(RTPROT_BOOT),
            Route.direct(Prefix.parse("10.9.0.0/16"), 2).withProtocol(RTPROT_BOOT),
            Route.direct(Prefix.parse("172.30.0.0/24"), 2)
                .withProtocol(RTPROT_KERNEL)
                .withPreferredSource(IpAddress.parse("172.30.0.1")));
    assertThat(Captured.replies("route-show6", RTM_NEWROUTE, RouteMessages::decode))
        .contains(
            Route.via(Prefix.parse("::/0"), IpAddress.parse("fd30::9"))
                .withLink(2)
                .withProtocol(RTPROT_BOOT)
                .withMetric(1024));
    assertThat(Captured.replies("route-show-local", RTM_NEWROUTE, RouteMessages::decode))
        .contains(
            Route.local(Prefix.parse("198.18.7.0/24"), 1).withProtocol(RTPROT_BOOT),
            Route.local(Prefix.parse("172.30.0.1/32"), 2)
                .withProtocol(RTPROT_KERNEL)
                .withPreferredSource(IpAddress.parse("172.30.0.1")));
  }

  /** Fails if the answer to a lookup is thrown away because it is flagged as cached. */
  @Test
  void theAnswerToALookupIsRead() {
    assertThat(Captured.replies("route-get", RTM_NEWROUTE, RouteMessages::decodeAny))
        .singleElement()
        .hasToString("192.0.2.1/32 via 172.30.0.9 link 2 src 172.30.0.1");
    assertThat(Captured.replies("route-get6", RTM_NEWROUTE, RouteMessages::decodeAny))
        .singleElement()
        .hasToString("2001:db8::1/128 via fd30::9 link 2 src fd30::1 metric 1024");
    assertThat(Captured.replies("route-get", RTM_NEWROUTE, RouteMessages::decode)).isEmpty();
  }

  /** Fails if the state, the link or the hardware address is read from elsewhere. */
  @Test
  void neighboursAreRead() {
    assertThat(Captured.replies("neighbour-show", RTM_NEWNEIGH, NeighbourMessages::decode))
        .contains(
            Neighbour.permanent(
                2, IpAddress.parse("172.30.0.77"), MacAddress.parse("02:00:00:00:00:77")),
            Neighbour.permanent(
                2, IpAddress.parse("fd30::77"), MacAddress.parse("02:00:00:00:00:77")));
  }

  /** Fails if the change of a queueing discipline or a filter is not told, or of another link. */
  @Test
  void changesOfTrafficControlAreRead() {
    List<StationEvent> all = new ArrayList<>();
    for (byte[] bytes : Golden.load("route/event-traffic-control").receivedMessages()) {
      MessageCursor message = new MessageCursor(Captured.nativeOrder(bytes), 0, bytes.length);
      assertThat(message.next()).isTrue();
      all.addAll(told(message));
    }
    // What clsact and its filter begin with and end with; chains are nobody's concern.
    assertThat(all).hasSize(4).containsOnly(new StationEvent.TrafficControl(5));
  }

  private static List<StationEvent> told(MessageCursor message) {
    List<StationEvent> told = new ArrayList<>();
    StationMonitor.tell(message, told::add);
    return told;
  }

  /** Fails if the writing and the reading half do not agree on all fields. */
  @Test
  void whatIsWrittenIsReadBack() {
    Neighbour neighbour =
        new Neighbour(
            70_000,
            IpAddress.parse("2001:db8::7"),
            Optional.of(MacAddress.parse("fe:dc:ba:98:76:54")),
            NUD_REACHABLE,
            NTF_ROUTER);
    assertThat(read(NeighbourMessages.add(neighbour), NeighbourMessages::decode))
        .contains(neighbour);
    InterfaceAddress address =
        new InterfaceAddress(
            70_000,
            IpAddress.parse("10.0.0.1"),
            32,
            Optional.of(IpAddress.parse("10.0.0.9")),
            RT_SCOPE_LINK,
            IFA_F_NOPREFIXROUTE | IFA_F_NODAD);
    assertThat(read(AddressMessages.add(address), AddressMessages::decode)).contains(address);
    for (Route route :
        List.of(
            Route.via(Prefix.parse("::/0"), IpAddress.parse("fe80::1"))
                .withLink(70_000)
                .withTable(0xffff_fffe)
                .withMetric(Route.MAX_METRIC)
                .withPreferredSource(IpAddress.parse("fd30::1")),
            Route.via(Prefix.parse("10.0.0.0/8"), IpAddress.parse("fe80::1")).withLink(7),
            Route.via(Prefix.parse("10.0.0.0/8"), IpAddress.parse("10.0.0.1"))
                .withNextHops(
                    List.of(
                        NextHop.via(IpAddress.parse("10.0.0.1")).withWeight(256),
                        NextHop.via(IpAddress.parse("fe80::1")).withLink(7),
                        NextHop.direct(9).withFlags(RTNH_F_ONLINK))),
            Route.rejecting(Prefix.parse("2001:db8::/32"), RTN_BLACKHOLE))) {
      assertThat(read(RouteMessages.add(route), RouteMessages::decode)).contains(route);
    }
  }

  /**
   * Fails if a message cut short is read past its end or throws anything but the exception for it.
   */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "link-show",
        "address-show-all",
        "route-show6",
        "route-get",
        "neighbour-show",
        "event-traffic-control"
      })
  void aMessageCutShortIsRefusedOrReadAsFarAsItGoes(String capture) {
    for (byte[] message : Golden.load("route/" + capture).receivedMessages()) {
      for (int length = 16; length < message.length; length++) {
        byte[] cut = Arrays.copyOf(message, length);
        ByteBuffer bytes = Captured.nativeOrder(cut).putInt(0, length);
        try {
          decodeAny(new MessageCursor(bytes, 0, length));
        } catch (MalformedMessageException e) {
          assertThat(e).hasMessageMatching(".+");
        }
      }
    }
  }

  /** Fails if a length or a number inside that cannot be is taken. */
  @Test
  void contradictionsAreRefused() {
    MessageWriter prefixTooLong = new MessageWriter(64).begin(RTM_NEWROUTE, 0, 0);
    FixedHeaders.rtmsg(prefixTooLong, AF_INET, 33, RT_TABLE_MAIN, 0, 0, RTN_UNICAST, 0).end();
    assertThatThrownBy(() -> read(prefixTooLong, RouteMessages::decode))
        .isInstanceOf(MalformedMessageException.class)
        .hasMessage("prefix length 33 of an IPv4 address");

    MessageWriter wrongFamily = new MessageWriter(64).begin(RTM_NEWADDR, 0, 0);
    FixedHeaders.ifaddrmsg(wrongFamily, AF_INET6, 64, 0, 0, 1)
        .attrBytes(IFA_ADDRESS, new byte[] {10, 0, 0, 1})
        .end();
    assertThatThrownBy(() -> read(wrongFamily, AddressMessages::decode))
        .isInstanceOf(MalformedMessageException.class)
        .hasMessage("attribute 1 has 4 bytes where an IPv6 address has 16");

    MessageWriter noAddress = new MessageWriter(64).begin(RTM_NEWADDR, 0, 0);
    FixedHeaders.ifaddrmsg(noAddress, AF_INET, 24, 0, 0, 1).end();
    assertThatThrownBy(() -> read(noAddress, AddressMessages::decode))
        .isInstanceOf(MalformedMessageException.class)
        .hasMessage("RTM_NEWADDR has neither IFA_LOCAL nor IFA_ADDRESS");

    for (int badLength : new int[] {0, 7, 9, 0xffff}) {
      MessageWriter hops = new MessageWriter(64).begin(RTM_NEWROUTE, 0, 0);
      FixedHeaders.rtmsg(hops, AF_INET, 0, RT_TABLE_MAIN, 0, 0, RTN_UNICAST, 0)
          .beginPlainNest(RTA_MULTIPATH)
          .u16(badLength)
          .u8(0)
          .u8(0)
          .u32(1)
          .endNest()
          .end();
      assertThatThrownBy(() -> read(hops, RouteMessages::decode))
          .isInstanceOf(MalformedMessageException.class)
          .hasMessage("next hop out of bounds: length=" + badLength + ", remaining=8");
    }
  }

  /**
   * Fails if a family of its own is taken for a link, an address or a route of the Internet, or a
   * wireless event for a link without a name.
   */
  @Test
  void otherFamiliesAreSkipped() {
    MessageWriter bridgePort = new MessageWriter(64).begin(RTM_NEWLINK, 0, 0);
    FixedHeaders.ifinfomsg(bridgePort, AF_BRIDGE, 3, 0, 0).attrString(IFLA_IFNAME, "p").end();
    assertThat(read(bridgePort, LinkMessages::decode)).isEmpty();
    MessageWriter wirelessEvent = new MessageWriter(64).begin(RTM_NEWLINK, 0, 0);
    FixedHeaders.ifinfomsg(wirelessEvent, AF_UNSPEC, 3, 0, 0).attrBytes(11, new byte[8]).end();
    assertThat(read(wirelessEvent, LinkMessages::decode)).isEmpty();
    MessageWriter mplsRoute = new MessageWriter(64).begin(RTM_NEWROUTE, 0, 0);
    FixedHeaders.rtmsg(mplsRoute, 28, 20, RT_TABLE_MAIN, 0, 0, RTN_UNICAST, 0).end();
    assertThat(read(mplsRoute, RouteMessages::decode)).isEmpty();
    MessageWriter forwardingEntry = new MessageWriter(64).begin(RTM_NEWNEIGH, 0, 0);
    FixedHeaders.ndmsg(forwardingEntry, AF_BRIDGE, 3, NUD_PERMANENT, 0)
        .attrBytes(NDA_LLADDR, new byte[6])
        .end();
    assertThat(read(forwardingEntry, NeighbourMessages::decode)).isEmpty();
  }

  private static Object decodeAny(MessageCursor message) {
    if (!message.next()) {
      throw new AssertionError("no message");
    }
    return switch (message.type()) {
      case RTM_NEWLINK -> LinkMessages.decode(message);
      case RTM_NEWADDR -> AddressMessages.decode(message);
      case RTM_NEWROUTE -> RouteMessages.decodeAny(message);
      case RTM_NEWNEIGH -> NeighbourMessages.decode(message);
      case RTM_NEWQDISC, RTM_DELQDISC, RTM_NEWTFILTER, RTM_DELTFILTER -> told(message);
      default -> message;
    };
  }

  private static <T> Optional<T> read(
      MessageWriter message, Function<MessageCursor, Optional<T>> decoder) {
    MessageCursor cursor = new MessageCursor(message.bytes(), 0, message.length());
    if (!cursor.next()) {
      throw new AssertionError("no message");
    }
    return decoder.apply(cursor);
  }

  private static String text(OptionalInt number) {
    return number.isPresent() ? String.valueOf(number.getAsInt()) : "-";
  }
}
