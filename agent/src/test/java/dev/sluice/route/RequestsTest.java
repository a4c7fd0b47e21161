package dev.sluice.route;

import static dev.sluice.route.LinuxRtnetlink.*;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.MessagePrinter;
import dev.sluice.netlink.MessageWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Our requests, byte for byte those of {@code ip} and {@code bridge}. */
class RequestsTest {
  private static final int ETH0 = 2;
  private static final int BR0 = 3;
  private static final int V1 = 5;
  private static final int VC1 = 6;

  /** Fails if a header field, an attribute, its order, its flags or its padding is another one. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("requests")
  void aRequestIsTheOneIpSends(String capture, int type, MessageWriter request) {
    byte[] expected = Captured.request(capture, type);
    byte[] actual = Captured.bytes(acknowledged(request));

    assertThat(print(actual)).isEqualTo(print(expected));
    assertThat(actual).isEqualTo(expected);
  }

  /**
   * {@code ip} writes a kind, "bridge_slave", in front of the settings of a port; it is the one
   * attribute we leave out. Fails if anything else is another, or it is written.
   */
  @Test
  void aPortIsSetUpAsIpDoesWithoutAKind() {
    int infoAt = 16 + FixedHeaders.IFINFOMSG_BYTES + 4 + "wire of web".length() + 1;
    int kindBytes = 4 + "bridge_slave".length();
    byte[] captured = Captured.request("link-set-port", RTM_NEWLINK);
    assertThat(new String(captured, infoAt + 8, kindBytes - 4, US_ASCII)).isEqualTo("bridge_slave");
    byte[] expected = new byte[captured.length - kindBytes];
    System.arraycopy(captured, 0, expected, 0, infoAt + 4);
    int restAt = infoAt + 4 + kindBytes;
    System.arraycopy(captured, restAt, expected, infoAt + 4, captured.length - restAt);
    ByteBuffer lengths = Captured.nativeOrder(expected);
    lengths.putInt(0, expected.length).putShort(infoAt, (short) (expected.length - infoAt));

    PortOptions options =
        PortOptions.DEFAULT.withAlias("wire of web").withHairpin(true).withIsolated(true).withUp();
    byte[] actual = Captured.bytes(acknowledged(LinkMessages.setPort(10, options)));

    assertThat(actual).isEqualTo(expected);
  }

  static Stream<Arguments> requests() {
    return Stream.of(
        arguments(
            "link-add-bridge",
            RTM_NEWLINK,
            LinkMessages.createBridge("br0", BridgeOptions.DEFAULT)),
        arguments(
            "link-add-mtu",
            RTM_NEWLINK,
            LinkMessages.createBridge("br9", BridgeOptions.DEFAULT.withMtu(1400))),
        arguments(
            "link-add-veth",
            RTM_NEWLINK,
            LinkMessages.createVeth(VethOptions.of("v1", "v2"), OptionalInt.empty())),
        arguments(
            "link-add-veth-netns",
            RTM_NEWLINK,
            LinkMessages.createVeth(VethOptions.of("vc1", "ceth0"), OptionalInt.of(4))),
        arguments(
            "link-add-veth-port",
            RTM_NEWLINK,
            LinkMessages.createVeth(
                VethOptions.of("vp1", "ceth1")
                    .withMtu(1400)
                    .withMaster(9)
                    .withPeerMac(MacAddress.parse("02:00:00:00:00:02"))
                    .withUp(),
                OptionalInt.of(4))),
        arguments("link-set-up", RTM_NEWLINK, LinkMessages.setUp(BR0, true)),
        arguments("link-set-down", RTM_NEWLINK, LinkMessages.setUp(BR0, false)),
        arguments("link-set-master", RTM_NEWLINK, LinkMessages.setMaster(VC1, BR0)),
        arguments("link-set-nomaster", RTM_NEWLINK, LinkMessages.setMaster(V1, 0)),
        arguments("link-set-name", RTM_NEWLINK, LinkMessages.rename(V1, "v1renamed")),
        arguments("link-set-alias", RTM_NEWLINK, LinkMessages.setAlias(BR0, "sluice network web")),
        arguments("link-set-mtu", RTM_NEWLINK, LinkMessages.setMtu(BR0, 1400)),
        arguments(
            "link-set-address",
            RTM_NEWLINK,
            LinkMessages.setMac(BR0, MacAddress.parse("02:00:00:00:00:01"))),
        arguments("link-set-netns", RTM_NEWLINK, LinkMessages.move(4, 4)),
        arguments("link-set-hairpin", RTM_SETLINK, LinkMessages.setHairpin(VC1, true)),
        arguments("link-delete", RTM_DELLINK, LinkMessages.delete(BR0)),
        arguments("address-add", RTM_NEWADDR, AddressMessages.add(address("172.31.0.1", 24, 0))),
        arguments(
            "address-add6", RTM_NEWADDR, AddressMessages.add(address("fd31::1", 64, IFA_F_NODAD))),
        arguments(
            "address-delete", RTM_DELADDR, AddressMessages.remove(address("172.31.0.1", 24, 0))),
        arguments(
            "address-delete6", RTM_DELADDR, AddressMessages.remove(address("fd31::1", 64, 0))),
        arguments("address-show-all", RTM_GETADDR, dump(AddressMessages.dump(0))),
        arguments("address-show", RTM_GETADDR, dump(AddressMessages.dump(BR0))),
        arguments(
            "route-add-default",
            RTM_NEWROUTE,
            RouteMessages.add(byHand(Route.via(prefix("0.0.0.0/0"), ip("172.30.0.9"))))),
        arguments(
            "route-add-link",
            RTM_NEWROUTE,
            RouteMessages.add(byHand(Route.direct(prefix("10.9.0.0/16"), ETH0)))),
        arguments(
            "route-add-local",
            RTM_NEWROUTE,
            RouteMessages.add(byHand(Route.local(prefix("198.18.7.0/24"), 1)))),
        arguments(
            "route-add-local6",
            RTM_NEWROUTE,
            RouteMessages.add(byHand(Route.local(prefix("::1/128"), BR0).withMetric(10)))),
        arguments(
            "error-bad-gateway",
            RTM_NEWROUTE,
            RouteMessages.add(byHand(Route.via(prefix("10.8.0.0/16"), ip("203.0.113.1"))))),
        arguments(
            "route-add-onlink",
            RTM_NEWROUTE,
            RouteMessages.add(
                byHand(
                    Route.via(prefix("10.10.0.0/16"), ip("203.0.113.1")).withLink(ETH0).onLink()))),
        arguments(
            "route-add-onlink6",
            RTM_NEWROUTE,
            RouteMessages.add(
                byHand(
                    Route.via(prefix("2001:db8:10::/64"), ip("fd99::1")).withLink(ETH0).onLink()))),
        arguments("route-get", RTM_GETROUTE, RouteMessages.lookUp(ip("192.0.2.1"))),
        arguments("route-get6", RTM_GETROUTE, RouteMessages.lookUp(ip("2001:db8::1"))),
        arguments(
            "route-get-arriving",
            RTM_GETROUTE,
            RouteMessages.lookUp(
                new RouteQuery(
                    ip("192.0.2.1"), Optional.of(ip("172.30.0.77")), OptionalInt.of(ETH0), 5))),
        arguments(
            "route-get-arriving6",
            RTM_GETROUTE,
            RouteMessages.lookUp(
                new RouteQuery(
                    ip("2001:db8::1"), Optional.of(ip("fd30::77")), OptionalInt.of(ETH0), 0))),
        arguments(
            "neighbour-add",
            RTM_NEWNEIGH,
            NeighbourMessages.add(
                Neighbour.permanent(
                    ETH0, ip("172.30.0.77"), MacAddress.parse("02:00:00:00:00:77")))),
        arguments(
            "neighbour-add6",
            RTM_NEWNEIGH,
            NeighbourMessages.add(
                Neighbour.permanent(ETH0, ip("fd30::77"), MacAddress.parse("02:00:00:00:00:77")))),
        arguments("neighbour-show", RTM_GETNEIGH, dump(NeighbourMessages.dump())));
  }

  private static InterfaceAddress address(String text, int prefixLengthBits, int flags) {
    return new InterfaceAddress(
        BR0, ip(text), prefixLengthBits, Optional.empty(), RT_SCOPE_UNIVERSE, flags);
  }

  /** {@code ip route add} without a protocol. */
  private static Route byHand(Route route) {
    return route.withProtocol(RTPROT_BOOT);
  }

  private static MessageWriter dump(MessageWriter request) {
    return withFlags(request, LinuxNetlink.NLM_F_DUMP);
  }

  /** The client asks for the ACK of what is no GET; {@code ip} reads the answer to a GET alone. */
  private static MessageWriter acknowledged(MessageWriter request) {
    boolean get = (request.bytes().getShort(4) - RTM_NEWLINK) % 4 == 2;
    return get ? request : withFlags(request, LinuxNetlink.NLM_F_ACK);
  }

  private static MessageWriter withFlags(MessageWriter request, int flags) {
    ByteBuffer bytes = request.bytes();
    bytes.putShort(6, (short) (bytes.getShort(6) | flags));
    return request;
  }

  private static String print(byte[] message) {
    return MessagePrinter.print(
        ByteBuffer.wrap(message).order(ByteOrder.nativeOrder()),
        0,
        message.length,
        RouteSchema.INSTANCE);
  }

  private static IpAddress ip(String text) {
    return IpAddress.parse(text);
  }

  private static Prefix prefix(String text) {
    return Prefix.parse(text);
  }
}
