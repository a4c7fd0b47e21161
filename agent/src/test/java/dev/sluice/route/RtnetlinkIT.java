package dev.sluice.route;

import static dev.sluice.route.LinuxRtnetlink.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.NetlinkClient;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetlinkTransport;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Netns;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The library against the live kernel; the witness is {@code ip -json}, never the library itself.
 */
class RtnetlinkIT {
  private static final JsonMapper JSON = new JsonMapper();

  private Netns here;
  private Netns there;
  private NetworkNamespace hereFile;
  private NetworkNamespace thereFile;
  private Rtnetlink rtnetlink;

  @BeforeEach
  void open() {
    here = Netns.create("route");
    there = Netns.create("route-peer");
    hereFile = NetworkNamespace.open(here.path());
    thereFile = NetworkNamespace.open(there.path());
    rtnetlink = Rtnetlink.open(hereFile);
  }

  @AfterEach
  void close() {
    rtnetlink.close();
    thereFile.close();
    hereFile.close();
    there.close();
    here.close();
  }

  // ---- links

  /** Fails if an option is not written, or the alias is not set on the new bridge. */
  @Test
  void aBridgeHasTheOptionsItWasCreatedWith() {
    Link made =
        rtnetlink.createBridge(
            "br0",
            BridgeOptions.DEFAULT
                .withMtu(1400)
                .withMac(MacAddress.parse("02:00:00:00:00:0b"))
                .withAlias("the blue network"));

    JsonNode seen = link("br0");
    assertThat(seen.path("linkinfo").path("info_kind").asString()).isEqualTo("bridge");
    assertThat(seen.path("mtu").asInt()).isEqualTo(1400);
    assertThat(seen.path("address").asString()).isEqualTo("02:00:00:00:00:0b");
    assertThat(seen.path("ifalias").asString()).isEqualTo("the blue network");
    assertThat(made.index()).isEqualTo(seen.path("ifindex").asInt());
    assertThat(made.alias()).contains("the blue network");
    assertThat(made.isBridge()).isTrue();
    assertThat(made.isUp()).isFalse();
  }

  /** Fails if a bridge stays behind whose alias was refused. */
  @Test
  void aBridgeWhoseAliasIsRefusedIsGone() {
    BridgeOptions options = BridgeOptions.DEFAULT.withAlias("x".repeat(256));

    refused(() -> rtnetlink.createBridge("br0", options), Errno.ERANGE)
        .hasMessageStartingWith("cannot set the alias of link ");

    assertThat(here.exec("ip", "link", "show", "br0").succeeded()).isFalse();
  }

  /** Fails if the peer is made in this namespace, or its name is lost. */
  @Test
  void theOtherEndOfAVethIsMadeInTheOtherNamespace() {
    Link wire = rtnetlink.createVeth("wire", "eth0", Optional.of(thereFile));

    JsonNode near = link("wire");
    JsonNode far = json(there, "ip", "-j", "-d", "link", "show", "eth0").get(0);
    assertThat(near.path("linkinfo").path("info_kind").asString()).isEqualTo("veth");
    assertThat(far.path("linkinfo").path("info_kind").asString()).isEqualTo("veth");
    assertThat(wire.linkedIndex()).hasValue(far.path("ifindex").asInt());
    assertThat(wire.linkedNamespaceId()).hasValue(near.path("link_netnsid").asInt());
    assertThat(rtnetlink.namespaceId(thereFile)).isEqualTo(wire.linkedNamespaceId());
  }

  /** Fails if one of the options is not written, or for the wrong end. */
  @Test
  void aVethHasTheOptionsItWasCreatedWith() {
    Link bridge = rtnetlink.createBridge("br0", BridgeOptions.DEFAULT);
    rtnetlink.setUp(bridge.index(), true);

    Link wire =
        rtnetlink.createVeth(
            VethOptions.of("wire", "eth0")
                .withPeerNamespace(thereFile)
                .withMtu(1400)
                .withMaster(bridge.index())
                .withPeerMac(MacAddress.parse("02:00:0a:01:00:02"))
                .withUp()
                .withPeerUp());

    JsonNode near = link("wire");
    assertThat(near.path("mtu").asInt()).isEqualTo(1400);
    assertThat(near.path("master").asString()).isEqualTo("br0");
    assertThat(near.path("address").asString()).isNotEqualTo("02:00:0a:01:00:02");
    assertThat(near.path("ifindex").asInt()).isEqualTo(wire.index());
    JsonNode far = json(there, "ip", "-j", "link", "show", "eth0").get(0);
    assertThat(far.path("mtu").asInt()).isEqualTo(1400);
    assertThat(far.path("address").asString()).isEqualTo("02:00:0a:01:00:02");
    assertThat(far.has("master")).isFalse();
    assertThat(has(far.path("flags"), "UP")).isTrue();
    assertThat(wire.masterIndex()).hasValue(bridge.index());
    assertThat(wire.isUp()).isTrue();
    assertThat(wire.isRunning()).isTrue();
  }

  /** Fails if an end is switched on that was not asked for, or the wrong one. */
  @Test
  void theEndsOfAVethAreSwitchedOnOneByOne() {
    rtnetlink.createVeth(VethOptions.of("a", "b").withUp());
    rtnetlink.createVeth(VethOptions.of("c", "d").withPeerUp());
    rtnetlink.createVeth(VethOptions.of("e", "f"));

    assertThat(flags("a")).contains("UP");
    assertThat(flags("b")).doesNotContain("UP");
    assertThat(flags("c")).doesNotContain("UP");
    assertThat(flags("d")).contains("UP");
    assertThat(flags("e")).doesNotContain("UP");
    assertThat(flags("f")).doesNotContain("UP");
  }

  /** Fails if a veth stays behind of which the kernel refused a part. */
  @Test
  void aVethWhoseBridgeIsNoneIsNotMade() {
    VethOptions options =
        VethOptions.of("wire", "eth0").withPeerNamespace(thereFile).withMaster(4711).withUp();

    refused(() -> rtnetlink.createVeth(options), Errno.EINVAL)
        .hasMessageStartingWith(
            "cannot create veth \"wire\" with peer \"eth0\" in " + there.path() + ": EINVAL");

    assertThat(rtnetlink.links()).extracting(Link::name).containsExactly("lo");
    assertThat(there.exec("ip", "link", "show", "eth0").succeeded()).isFalse();
  }

  /** Fails if a veth stays behind whose peer could not be switched on. */
  @Test
  void aVethWhosePeerStaysDownIsDeleted() {
    NetlinkTransport real = NetlinkSocket.open(LinuxNetlink.NETLINK_ROUTE, hereFile);
    NetlinkTransport noSwitch =
        new NetlinkTransport() {
          @Override
          public int portId() {
            return real.portId();
          }

          @Override
          public void send(long address, int length, String operation) {
            if (operation.endsWith(" up")) {
              throw new SystemCallException(operation, Errno.ENOBUFS);
            }
            real.send(address, length, operation);
          }

          @Override
          public int receive(NativeBuffer buffer, int timeoutMillis) {
            return real.receive(buffer, timeoutMillis);
          }

          @Override
          public void close() {
            real.close();
          }
        };
    try (Rtnetlink failing = new Rtnetlink(new NetlinkClient(noSwitch, RouteSchema.INSTANCE))) {
      assertThatThrownBy(() -> failing.createVeth(VethOptions.of("left", "right").withPeerUp()))
          .isInstanceOf(SystemCallException.class)
          .hasMessageContaining("ENOBUFS");
    }

    assertThat(rtnetlink.links()).extracting(Link::name).containsExactly("lo");
  }

  /** Fails if a veth without a namespace does not get its peer here. */
  @Test
  void bothEndsOfAVethCanBeInOneNamespace() {
    Link left = rtnetlink.createVeth("left", "right", Optional.empty());

    assertThat(left.linkedIndex()).hasValue(link("right").path("ifindex").asInt());
    assertThat(left.linkedNamespaceId()).isEmpty();
    assertThat(link("left").path("link").asString()).isEqualTo("right");
  }

  /** Fails if namespaces that know nothing of each other are said to. */
  @Test
  void aNamespaceWithoutConnectionHasNoId() {
    assertThat(rtnetlink.namespaceId(thereFile)).isEmpty();
  }

  /** Fails if IFF_UP is not set, not cleared, or another flag changes with it. */
  @Test
  void linksGoUpAndDown() {
    Link left = rtnetlink.createVeth("left", "right", Optional.empty());
    int right = rtnetlink.link("right").orElseThrow().index();

    rtnetlink.setUp(left.index(), true);
    assertThat(flags("left")).contains("UP");
    assertThat(rtnetlink.link(left.index()).orElseThrow().isRunning()).isFalse();
    rtnetlink.setUp(right, true);
    assertThat(rtnetlink.link(left.index()).orElseThrow().isRunning()).isTrue();

    rtnetlink.setUp(left.index(), false);
    assertThat(flags("left")).doesNotContain("UP").contains("BROADCAST", "MULTICAST");
  }

  /** Fails if IFLA_MASTER is not written, or not cleared. */
  @Test
  void aPortJoinsAndLeavesItsBridge() {
    Link bridge = rtnetlink.createBridge("br0", BridgeOptions.DEFAULT);
    Link port = rtnetlink.createVeth("left", "right", Optional.empty());

    rtnetlink.setMaster(port.index(), bridge.index());
    assertThat(link("left").path("master").asString()).isEqualTo("br0");
    assertThat(rtnetlink.link("left").orElseThrow().masterIndex()).hasValue(bridge.index());

    rtnetlink.removeMaster(port.index());
    assertThat(link("left").has("master")).isFalse();
    assertThat(rtnetlink.link("left").orElseThrow().masterIndex()).isEmpty();
  }

  /** Fails if IFLA_BRPORT_MODE is not written, or is read from elsewhere. */
  @Test
  void hairpinModeIsSetPerPort() {
    Link bridge = rtnetlink.createBridge("br0", BridgeOptions.DEFAULT);
    Link port = rtnetlink.createVeth("left", "right", Optional.empty());
    int other = rtnetlink.link("right").orElseThrow().index();
    rtnetlink.setMaster(port.index(), bridge.index());
    rtnetlink.setMaster(other, bridge.index());

    rtnetlink.setHairpin(port.index(), true);
    assertThat(hairpin("left")).isTrue();
    assertThat(hairpin("right")).isFalse();
    assertThat(rtnetlink.link("left").orElseThrow().hairpin()).isTrue();
    assertThat(rtnetlink.link("right").orElseThrow().hairpin()).isFalse();

    rtnetlink.setHairpin(port.index(), false);
    assertThat(hairpin("left")).isFalse();
    assertThat(rtnetlink.link("left").orElseThrow().hairpin()).isFalse();
  }

  /** Fails if a setting of the port is not written, or written as another. */
  @Test
  void aPortIsSetUpInOneRequest() {
    Link bridge = rtnetlink.createBridge("br0", BridgeOptions.DEFAULT);
    int left =
        rtnetlink.createVeth(VethOptions.of("left", "right").withMaster(bridge.index())).index();
    rtnetlink.setMaster(rtnetlink.link("right").orElseThrow().index(), bridge.index());

    rtnetlink.setPort(left, PortOptions.DEFAULT.withAlias("wire to web").withIsolated(true));
    assertThat(port("left")).isEqualTo("wire to web isolated=true hairpin=false up=false");
    assertThat(port("right")).isEqualTo("- isolated=false hairpin=false up=false");
    assertThat(rtnetlink.link(left).orElseThrow())
        .satisfies(
            read -> {
              assertThat(read.isolated()).isTrue();
              assertThat(read.hairpin()).isFalse();
            });

    rtnetlink.setPort(left, PortOptions.DEFAULT.withHairpin(true).withUp());
    assertThat(port("left")).isEqualTo("wire to web isolated=false hairpin=true up=true");

    rtnetlink.setPort(left, PortOptions.DEFAULT.withAlias(""));
    assertThat(port("left")).isEqualTo("- isolated=false hairpin=false up=true");
  }

  /** Fails if the sentence is another, or half of the settings is made. */
  @Test
  void aPortIsNotSetUpHalf() {
    Link bridge = rtnetlink.createBridge("br0", BridgeOptions.DEFAULT);
    int port =
        rtnetlink.createVeth(VethOptions.of("left", "right").withMaster(bridge.index())).index();
    int none = rtnetlink.link("right").orElseThrow().index();
    PortOptions options = PortOptions.DEFAULT.withAlias("blue").withIsolated(true).withUp();

    refused(() -> rtnetlink.setPort(none, options), Errno.EOPNOTSUPP)
        .hasMessageStartingWith("cannot set up link " + none + " as a bridge port: EOPNOTSUPP");
    refused(() -> rtnetlink.setPort(port, options.withAlias("x".repeat(256))), Errno.ERANGE);

    assertThat(link("right").has("ifalias")).isFalse();
    assertThat(flags("right")).doesNotContain("UP");
    assertThat(port("left")).isEqualTo("- isolated=false hairpin=false up=false");
  }

  /** Fails if one of the setters writes another attribute. */
  @Test
  void nameAliasMtuAndMacCanBeChanged() {
    int index = rtnetlink.createVeth("left", "right", Optional.empty()).index();

    rtnetlink.rename(index, "renamed");
    rtnetlink.setAlias(index, "wire to web, größer");
    rtnetlink.setMtu(index, 9000);
    rtnetlink.setMac(index, MacAddress.parse("02:42:ac:11:00:02"));

    JsonNode seen = link("renamed");
    assertThat(seen.path("ifalias").asString()).isEqualTo("wire to web, größer");
    assertThat(seen.path("mtu").asInt()).isEqualTo(9000);
    assertThat(seen.path("address").asString()).isEqualTo("02:42:ac:11:00:02");
    Link read = rtnetlink.link("renamed").orElseThrow();
    assertThat(read.index()).isEqualTo(index);
    assertThat(read.mtuBytes()).isEqualTo(9000);
    assertThat(read.mac()).contains(MacAddress.parse("02:42:ac:11:00:02"));
    assertThat(read.alias()).contains("wire to web, größer");

    rtnetlink.setAlias(index, "");
    assertThat(link("renamed").has("ifalias")).isFalse();
  }

  /** Fails if the 255 bytes a kernel keeps do not fit, because a NUL is written behind them. */
  @Test
  void anAliasCanBeAsLongAsTheKernelAllows() {
    int index = rtnetlink.createVeth("left", "right", Optional.empty()).index();

    rtnetlink.setAlias(index, "a".repeat(255));

    assertThat(link("left").path("ifalias").asString()).hasSize(255);
  }

  /** Fails if the link stays, or is moved elsewhere. */
  @Test
  void aLinkMovesToAnotherNamespace() {
    int index = rtnetlink.createVeth("left", "right", Optional.empty()).index();

    rtnetlink.moveTo(index, thereFile);

    assertThat(rtnetlink.link("left")).isEmpty();
    assertThat(here.exec("ip", "link", "show", "left").succeeded()).isFalse();
    assertThat(there.exec("ip", "link", "show", "left").succeeded()).isTrue();
  }

  /** Fails if another link is deleted, or the wrong message is sent. */
  @Test
  void aDeletedVethTakesItsPeerAlong() {
    rtnetlink.createBridge("br0", BridgeOptions.DEFAULT);
    Link wire = rtnetlink.createVeth("wire", "eth0", Optional.of(thereFile));

    rtnetlink.deleteLink(wire.index());

    assertThat(rtnetlink.links()).extracting(Link::name).containsExactly("lo", "br0");
    assertThat(there.exec("ip", "link", "show", "eth0").succeeded()).isFalse();
  }

  /** Fails if a link is left out of the list, or one of its fields is read wrongly. */
  @Test
  void linksAreListedAsIpShowsThem() {
    Link bridge = rtnetlink.createBridge("br0", BridgeOptions.DEFAULT.withAlias("blue"));
    rtnetlink.createVeth("wire", "eth0", Optional.of(thereFile));
    Link left = rtnetlink.createVeth("left", "right", Optional.empty());
    rtnetlink.setMaster(left.index(), bridge.index());
    rtnetlink.setUp(bridge.index(), true);

    List<String> expected = new ArrayList<>();
    for (JsonNode seen : json(here, "ip", "-j", "-d", "link", "show")) {
      expected.add(
          "%d %s kind=%s mtu=%d mac=%s master=%s alias=%s up=%s loopback=%s"
              .formatted(
                  seen.path("ifindex").asInt(),
                  seen.path("ifname").asString(),
                  seen.path("linkinfo").path("info_kind").asString(""),
                  seen.path("mtu").asInt(),
                  seen.path("address").asString(),
                  seen.path("master").asString("-"),
                  seen.path("ifalias").asString("-"),
                  has(seen.path("flags"), "UP"),
                  has(seen.path("flags"), "LOOPBACK")));
    }
    List<Link> links = rtnetlink.links();
    assertThat(links)
        .extracting(
            link ->
                "%d %s kind=%s mtu=%d mac=%s master=%s alias=%s up=%s loopback=%s"
                    .formatted(
                        link.index(),
                        link.name(),
                        link.kind(),
                        link.mtuBytes(),
                        link.mac().map(MacAddress::toString).orElse("-"),
                        link.masterIndex().isPresent() ? "br0" : "-",
                        link.alias().orElse("-"),
                        link.isUp(),
                        link.isLoopback()))
        .containsExactlyElementsOf(expected);
    assertThat(links).hasSize(5);
  }

  /** Fails if a dump that needs several datagrams is cut after the first. */
  @Test
  void hundredsOfLinksAreListed() {
    IntStream.range(0, 150).forEach(i -> rtnetlink.createVeth("l" + i, "r" + i, Optional.empty()));

    assertThat(rtnetlink.links()).hasSize(301);
  }

  /** Fails if NLM_F_EXCL is missing, or the operation is not told. */
  @Test
  void aNameThatIsTakenIsRefused() {
    rtnetlink.createBridge("br0", BridgeOptions.DEFAULT);

    refused(() -> rtnetlink.createBridge("br0", BridgeOptions.DEFAULT), Errno.EEXIST)
        .hasMessage("cannot create bridge \"br0\": EEXIST (file exists)");
    refused(() -> rtnetlink.createVeth("br0", "x", Optional.of(thereFile)), Errno.EEXIST)
        .hasMessage(
            "cannot create veth \"br0\" with peer \"x\" in "
                + there.path()
                + ": EEXIST (file exists)");
  }

  /** Fails if the kernel's words or the attribute are not told. */
  @Test
  void aNameThatIsTooLongIsRefused() {
    refused(() -> rtnetlink.createBridge("sixteen-bytes-xy", BridgeOptions.DEFAULT), Errno.ERANGE)
        .hasMessageStartingWith(
            "cannot create bridge \"sixteen-bytes-xy\": ERANGE (numerical result out of range)")
        .hasMessageEndingWith("at RTM_NEWLINK/IFLA_IFNAME");
  }

  /** Fails if a name that the kernel expands (br%d) or cuts is sent to it. */
  @Test
  void aNameThatIsAPatternIsRefused() {
    for (String name : List.of("br%d", "", "a\0b")) {
      assertThatThrownBy(() -> rtnetlink.createBridge(name, BridgeOptions.DEFAULT))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("cannot be the name of a link");
    }
    assertThat(rtnetlink.links()).extracting(Link::name).containsExactly("lo");
  }

  /** Fails if links that do not exist are not told from others. */
  @Test
  void aLinkThatDoesNotExistIsAbsentOrRefused() {
    int port = rtnetlink.createVeth("left", "right", Optional.empty()).index();

    assertThat(rtnetlink.link("nowhere")).isEmpty();
    assertThat(rtnetlink.link(4711)).isEmpty();
    refused(() -> rtnetlink.setMaster(port, 4711), Errno.EINVAL)
        .hasMessage(
            "cannot make link %d a port of link 4711: EINVAL (invalid argument)".formatted(port));
    refused(() -> rtnetlink.setUp(4711, true), Errno.ENODEV)
        .hasMessage("cannot set link 4711 up: ENODEV (no such device)");
    refused(() -> rtnetlink.deleteLink(4711), Errno.ENODEV)
        .hasMessage("cannot delete link 4711: ENODEV (no such device)");
  }

  // ---- addresses

  /** Fails if the prefix length, the flags or the link of an address are not written. */
  @Test
  void addressesAreAddedAsIpShowsThem() {
    int index = rtnetlink.createBridge("br0", BridgeOptions.DEFAULT).index();

    rtnetlink.addAddress(index, IpAddress.parse("172.30.0.1"), 24, 0);
    rtnetlink.addAddress(index, IpAddress.parse("fd30::1"), 64, IFA_F_NODAD);
    rtnetlink.addAddress(index, IpAddress.parse("fd30::2"), 128, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);

    assertThat(ipAddresses("br0"))
        .containsExactlyInAnyOrder(
            "172.30.0.1/24", "fd30::1/64 nodad", "fd30::2/128 nodad noprefixroute");
  }

  /** Fails if an address of another link is listed, or one of its fields is read wrongly. */
  @Test
  void addressesAreListed() {
    here.ip(
        "link add br0 type bridge",
        "link add br1 type bridge",
        "link set br0 up",
        "addr add 172.30.0.1/24 dev br0",
        "addr add fd30::1/64 dev br0 nodad",
        "addr add 10.0.0.1 peer 10.0.0.9/32 dev br1");
    int br0 = rtnetlink.link("br0").orElseThrow().index();
    int br1 = rtnetlink.link("br1").orElseThrow().index();

    InterfaceAddress v4 =
        new InterfaceAddress(
            br0,
            IpAddress.parse("172.30.0.1"),
            24,
            Optional.empty(),
            RT_SCOPE_UNIVERSE,
            IFA_F_PERMANENT);
    assertThat(rtnetlink.addresses(br0))
        .filteredOn(address -> !address.address().isLinkLocal())
        .containsExactly(
            v4,
            new InterfaceAddress(
                br0,
                IpAddress.parse("fd30::1"),
                64,
                Optional.empty(),
                RT_SCOPE_UNIVERSE,
                IFA_F_PERMANENT | IFA_F_NODAD));
    assertThat(rtnetlink.addresses(br1))
        .containsExactly(
            new InterfaceAddress(
                br1,
                IpAddress.parse("10.0.0.1"),
                32,
                Optional.of(IpAddress.parse("10.0.0.9")),
                RT_SCOPE_UNIVERSE,
                IFA_F_PERMANENT));
    assertThat(rtnetlink.addresses())
        .contains(v4)
        .extracting(InterfaceAddress::text)
        .contains("127.0.0.1/8", "::1/128", "fd30::1/64", "10.0.0.1/32");
    assertThat(rtnetlink.addresses(4711)).isEmpty();
  }

  /** Fails if an address is not removed, or errors do not name it. */
  @Test
  void addressesAreRemoved() {
    int index = rtnetlink.createBridge("br0", BridgeOptions.DEFAULT).index();
    IpAddress v4 = IpAddress.parse("172.30.0.1");
    IpAddress v6 = IpAddress.parse("fd30::1");
    rtnetlink.addAddress(index, v4, 24, 0);
    rtnetlink.addAddress(index, v6, 64, 0);

    refused(() -> rtnetlink.addAddress(index, v4, 24, 0), Errno.EEXIST)
        .hasMessageStartingWith(
            "cannot add address 172.30.0.1/24 to link %d: EEXIST (file exists)".formatted(index));
    rtnetlink.removeAddress(index, v4, 24);
    rtnetlink.removeAddress(index, v6, 64);

    assertThat(ipAddresses("br0")).isEmpty();
    refused(() -> rtnetlink.removeAddress(index, v4, 24), Errno.EADDRNOTAVAIL)
        .hasMessageStartingWith(
            "cannot remove address 172.30.0.1/24 from link " + index + ": EADDRNOTAVAIL");
    refused(() -> rtnetlink.addAddress(4711, v4, 24, 0), Errno.ENODEV);
    assertThatThrownBy(() -> rtnetlink.addAddress(index, v4, 33, 0))
        .hasMessage("the prefix length of 172.30.0.1 is in 0–32: prefixLengthBits=33");
  }

  // ---- routes

  /** Fails if one of a route's fields is not written. */
  @Test
  void routesAreAddedAsIpShowsThem() {
    int index = wireWithAddresses();

    rtnetlink.addRoute(Route.via(prefix("0.0.0.0/0"), IpAddress.parse("172.30.0.9")));
    rtnetlink.addRoute(
        Route.via(prefix("10.1.0.0/16"), IpAddress.parse("172.30.0.9"))
            .withMetric(70)
            .withPreferredSource(IpAddress.parse("172.30.0.1"))
            .withTable(1000));
    rtnetlink.addRoute(Route.direct(prefix("10.2.0.0/16"), index));
    rtnetlink.addRoute(Route.rejecting(prefix("10.3.0.0/16"), RTN_UNREACHABLE));
    rtnetlink.addRoute(Route.via(prefix("::/0"), IpAddress.parse("fd30::9")).withMetric(5));
    rtnetlink.addRoute(Route.local(prefix("::1/128"), index).withMetric(10));
    rtnetlink.addRoute(
        Route.via(prefix("10.4.0.0/16"), IpAddress.parse("192.0.2.1"))
            .withNextHops(
                List.of(
                    NextHop.via(IpAddress.parse("192.0.2.1"))
                        .withLink(index)
                        .withFlags(RTNH_F_ONLINK))));
    rtnetlink.addRoute(
        Route.via(prefix("10.5.0.0/16"), IpAddress.parse("172.30.0.8"))
            .withNextHops(
                List.of(
                    NextHop.via(IpAddress.parse("172.30.0.8")).withWeight(3),
                    NextHop.via(IpAddress.parse("fd30::8")).withLink(index))));

    assertThat(ipRoutes("-4", "table", "all", "proto", "static"))
        .containsExactlyInAnyOrder(
            "default via 172.30.0.9 dev left",
            "10.1.0.0/16 via 172.30.0.9 dev left table 1000 src 172.30.0.1 metric 70",
            "10.2.0.0/16 dev left scope link",
            "unreachable 10.3.0.0/16",
            "10.4.0.0/16 via 192.0.2.1 dev left onlink",
            "10.5.0.0/16 nexthop via 172.30.0.8 dev left weight 3"
                + " nexthop via inet6 fd30::8 dev left weight 1");
    assertThat(ipRoutes("-6", "table", "all", "proto", "static"))
        .containsExactlyInAnyOrder(
            "default via fd30::9 dev left metric 5 pref medium",
            "local ::1 dev left table local metric 10 pref medium");
  }

  /** Fails if a route is read otherwise than it was written, whoever wrote it. */
  @Test
  void routesAreListed() {
    int index = wireWithAddresses();
    here.ip(
        "route add default via 172.30.0.9 proto static",
        "route add 10.1.0.0/16 via 172.30.0.9 src 172.30.0.1 metric 70 table 1000 proto static",
        "route add 10.2.0.0/16 dev left proto static",
        "route add prohibit 10.3.0.0/16 proto static",
        "route add 10.4.0.0/16 via 192.0.2.1 dev left onlink proto static",
        "route add 10.5.0.0/16 proto static nexthop via 172.30.0.8 dev left weight 3"
            + " nexthop via inet6 fd30::8 dev left",
        "route add default via fd30::9 proto static",
        "route add local ::1/128 dev left table local metric 10 proto static",
        "route add 2001:db8:5::/48 proto static nexthop via fd30::8 dev left"
            + " nexthop via fd30::9 dev left weight 2");

    assertThat(rtnetlink.routes())
        .filteredOn(route -> route.protocol() == RTPROT_STATIC)
        .containsExactlyInAnyOrder(
            Route.via(prefix("0.0.0.0/0"), IpAddress.parse("172.30.0.9")).withLink(index),
            Route.via(prefix("10.1.0.0/16"), IpAddress.parse("172.30.0.9"))
                .withLink(index)
                .withMetric(70)
                .withPreferredSource(IpAddress.parse("172.30.0.1"))
                .withTable(1000),
            Route.direct(prefix("10.2.0.0/16"), index),
            Route.rejecting(prefix("10.3.0.0/16"), RTN_PROHIBIT),
            Route.via(prefix("10.4.0.0/16"), IpAddress.parse("192.0.2.1"))
                .withNextHops(
                    List.of(
                        NextHop.via(IpAddress.parse("192.0.2.1"))
                            .withLink(index)
                            .withFlags(RTNH_F_ONLINK))),
            Route.via(prefix("10.5.0.0/16"), IpAddress.parse("172.30.0.8"))
                .withNextHops(
                    List.of(
                        NextHop.via(IpAddress.parse("172.30.0.8")).withLink(index).withWeight(3),
                        NextHop.via(IpAddress.parse("fd30::8")).withLink(index))),
            Route.via(prefix("::/0"), IpAddress.parse("fd30::9")).withLink(index).withMetric(1024),
            Route.local(prefix("::1/128"), index).withMetric(10),
            Route.via(prefix("2001:db8:5::/48"), IpAddress.parse("fd30::8"))
                .withNextHops(
                    List.of(
                        NextHop.via(IpAddress.parse("fd30::8")).withLink(index),
                        NextHop.via(IpAddress.parse("fd30::9")).withLink(index).withWeight(2)))
                .withMetric(1024));
    assertThat(rtnetlink.routes(Family.IPV4))
        .extracting(Route::toString)
        .contains(
            "172.30.0.0/24 link %d src 172.30.0.1".formatted(index),
            "local 172.30.0.1/32 link %d table 255 src 172.30.0.1".formatted(index))
        .hasSize(ipRoutes("-4", "table", "all").size());
  }

  /** Fails if RTNH_F_ONLINK is not written, not read, or such a route cannot be removed. */
  @Test
  void aGatewayOutsideEverySubnetIsTakenToBeOnTheLink() {
    int index = rtnetlink.createVeth(VethOptions.of("left", "right").withUp().withPeerUp()).index();
    rtnetlink.addAddress(index, IpAddress.parse("10.9.0.2"), 32, 0);
    rtnetlink.addAddress(index, IpAddress.parse("fd90::2"), 128, IFA_F_NODAD);
    Route v4 = Route.via(prefix("0.0.0.0/0"), IpAddress.parse("203.0.113.1")).withLink(index);
    Route v6 = Route.via(prefix("::/0"), IpAddress.parse("fd99::1")).withLink(index);

    refused(() -> rtnetlink.addRoute(v4), Errno.ENETUNREACH);
    rtnetlink.addRoute(v4.onLink());
    rtnetlink.addRoute(v6.onLink());

    assertThat(ipRoutes("-4", "proto", "static"))
        .containsExactly("default via 203.0.113.1 dev left onlink");
    assertThat(ipRoutes("-6", "proto", "static"))
        .containsExactly("default via fd99::1 dev left metric 1024 onlink pref medium");
    List<Route> read =
        rtnetlink.routes().stream().filter(route -> route.protocol() == RTPROT_STATIC).toList();
    assertThat(read).containsExactly(v4.onLink(), v6.onLink().withMetric(1024));
    read.forEach(rtnetlink::removeRoute);
    assertThat(ipRoutes("-4", "proto", "static")).isEmpty();
    assertThat(ipRoutes("-6", "proto", "static")).isEmpty();
  }

  /** Fails if replacing adds a second route, or removing needs more than the route itself. */
  @Test
  void routesAreReplacedAndRemoved() {
    wireWithAddresses();
    Route first = Route.via(prefix("10.1.0.0/16"), IpAddress.parse("172.30.0.8"));
    Route second = Route.via(prefix("10.1.0.0/16"), IpAddress.parse("172.30.0.9"));
    rtnetlink.addRoute(first);

    refused(() -> rtnetlink.addRoute(second), Errno.EEXIST)
        .hasMessage("cannot add route 10.1.0.0/16 via 172.30.0.9: EEXIST (file exists)");
    rtnetlink.replaceRoute(second);
    assertThat(ipRoutes("-4", "proto", "static"))
        .containsExactly("10.1.0.0/16 via 172.30.0.9 dev left");

    rtnetlink.removeRoute(second);
    assertThat(ipRoutes("-4", "proto", "static")).isEmpty();
    refused(() -> rtnetlink.removeRoute(second), 3)
        .hasMessage("cannot remove route 10.1.0.0/16 via 172.30.0.9: ESRCH (no such process)");
    refused(
            () ->
                rtnetlink.addRoute(Route.via(prefix("10.9.0.0/16"), IpAddress.parse("192.0.2.1"))),
            Errno.ENETUNREACH)
        .hasMessageStartingWith("cannot add route 10.9.0.0/16 via 192.0.2.1: ENETUNREACH");
  }

  /** Fails if a route that was read cannot be removed as it is. */
  @Test
  void everyStaticRouteThatIsListedCanBeRemoved() {
    wireWithAddresses();
    here.ip(
        "route add 10.1.0.0/16 via 172.30.0.9 metric 70 table 1000 proto static",
        "route add 10.5.0.0/16 proto static nexthop via 172.30.0.8 weight 3"
            + " nexthop via inet6 fd30::8 dev left",
        "route add blackhole 10.6.0.0/16 proto static",
        "route add 2001:db8:5::/48 via fd30::9 proto static",
        "route add local ::1/128 dev left table local metric 10 proto static");

    rtnetlink.routes().stream()
        .filter(route -> route.protocol() == RTPROT_STATIC)
        .forEach(rtnetlink::removeRoute);

    assertThat(ipRoutes("-4", "table", "all", "proto", "static")).isEmpty();
    assertThat(ipRoutes("-6", "table", "all", "proto", "static")).isEmpty();
  }

  /** Fails if the lookup reads another attribute, or no longer tells own addresses from others. */
  @Test
  void theRouteToAnAddressIsTheOneTheKernelTakes() {
    int index = wireWithAddresses();
    here.ip(
        "route add 10.1.0.0/16 via 172.30.0.9",
        "route add 2001:db8:5::/48 via fd30::9",
        "route add 10.2.0.0/16 dev left table 1000",
        "rule add to 10.2.0.0/16 lookup 1000");

    Route direct = rtnetlink.routeTo(IpAddress.parse("172.30.0.7")).orElseThrow();
    assertThat(direct.linkIndex()).hasValue(index);
    assertThat(direct.gateway()).isEmpty();
    assertThat(direct.preferredSource()).contains(IpAddress.parse("172.30.0.1"));
    assertThat(direct.type()).isEqualTo(RTN_UNICAST);

    Route routed = rtnetlink.routeTo(IpAddress.parse("10.1.2.3")).orElseThrow();
    assertThat(routed.destination()).isEqualTo(prefix("10.1.2.3/32"));
    assertThat(routed.gateway()).contains(IpAddress.parse("172.30.0.9"));
    assertThat(routed.linkIndex()).hasValue(index);
    Route routed6 = rtnetlink.routeTo(IpAddress.parse("2001:db8:5::1")).orElseThrow();
    assertThat(routed6.gateway()).contains(IpAddress.parse("fd30::9"));
    assertThat(routed6.linkIndex()).hasValue(index);

    assertThat(rtnetlink.routeTo(IpAddress.parse("172.30.0.1")).orElseThrow().type())
        .isEqualTo(RTN_LOCAL);
    assertThat(rtnetlink.routeTo(IpAddress.parse("fd30::1")).orElseThrow().type())
        .isEqualTo(RTN_LOCAL);
    assertThat(rtnetlink.routeTo(IpAddress.parse("10.2.0.1")).orElseThrow().table())
        .isEqualTo(1000);
  }

  /** Fails if one of the ways to have no route becomes an error. */
  @Test
  void thereIsNoRouteToWhatIsUnreachable() {
    wireWithAddresses();
    here.ip(
        "route add unreachable 10.1.0.0/16",
        "route add prohibit 10.2.0.0/16",
        "route add blackhole 10.3.0.0/16",
        "route add unreachable 2001:db8:1::/48",
        "route add prohibit 2001:db8:2::/48",
        "route add blackhole 2001:db8:3::/48");

    for (String address :
        List.of(
            "198.51.100.1",
            "10.1.0.1",
            "10.2.0.1",
            "10.3.0.1",
            "2001:db8:9::1",
            "2001:db8:1::1",
            "2001:db8:2::1",
            "2001:db8:3::1")) {
      assertThat(rtnetlink.routeTo(IpAddress.parse(address))).as(address).isEmpty();
    }
  }

  // ---- neighbours

  /** Fails if an entry's state, address or link is written or read wrongly. */
  @Test
  void neighboursAreAddedReplacedListedAndRemoved() {
    int index = wireWithAddresses();
    IpAddress v4 = IpAddress.parse("172.30.0.9");
    IpAddress v6 = IpAddress.parse("fd30::9");
    Neighbour first = Neighbour.permanent(index, v4, MacAddress.parse("02:00:00:00:00:01"));
    Neighbour second = Neighbour.permanent(index, v4, MacAddress.parse("02:00:00:00:00:02"));
    Neighbour third = Neighbour.permanent(index, v6, MacAddress.parse("02:00:00:00:00:03"));

    rtnetlink.addNeighbour(first);
    refused(() -> rtnetlink.addNeighbour(second), Errno.EEXIST)
        .hasMessage(
            "cannot add neighbour 172.30.0.9 (02:00:00:00:00:02) on link %d: EEXIST (file exists)"
                .formatted(index));
    rtnetlink.replaceNeighbour(second);
    rtnetlink.addNeighbour(third);

    assertThat(rtnetlink.neighbours())
        .filteredOn(Neighbour::isPermanent)
        .containsExactlyInAnyOrder(second, third);
    List<String> seen = new ArrayList<>();
    for (JsonNode neighbour : json(here, "ip", "-j", "neigh", "show", "nud", "permanent")) {
      seen.add(
          neighbour.path("dst").asString()
              + " "
              + neighbour.path("dev").asString()
              + " "
              + neighbour.path("lladdr").asString());
    }
    assertThat(seen)
        .containsExactlyInAnyOrder(
            "172.30.0.9 left 02:00:00:00:00:02", "fd30::9 left 02:00:00:00:00:03");

    rtnetlink.removeNeighbour(index, v4);
    rtnetlink.removeNeighbour(index, v6);
    assertThat(here.exec("ip", "neigh", "show", "nud", "permanent").orFail().stdout()).isEmpty();
    refused(() -> rtnetlink.removeNeighbour(index, v4), Errno.ENOENT)
        .hasMessageStartingWith("cannot remove neighbour 172.30.0.9 of link " + index);
  }

  /** Fails if the socket belongs to another namespace than it was opened for. */
  @Test
  void eachClientSeesItsOwnNamespace() {
    rtnetlink.createBridge("br0", BridgeOptions.DEFAULT);

    try (Rtnetlink other = Rtnetlink.open(thereFile)) {
      assertThat(other.links()).extracting(Link::name).containsExactly("lo");
      assertThat(other.link("br0")).isEmpty();
    }
  }

  /** "left" and "right", up; 172.30.0.1/24 and fd30::1/64 on "left", whose index is returned. */
  private int wireWithAddresses() {
    here.ip(
        "link add left type veth peer name right",
        "link set left up",
        "link set right up",
        "addr add 172.30.0.1/24 dev left",
        "addr add fd30::1/64 dev left nodad");
    return rtnetlink.link("left").orElseThrow().index();
  }

  private static AbstractThrowableAssert<?, ? extends Throwable> refused(
      ThrowingCallable call, int errno) {
    return assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            NetlinkException.class, e -> assertThat(e.errno()).as(e.getMessage()).isEqualTo(errno));
  }

  private JsonNode link(String name) {
    return json(here, "ip", "-j", "-d", "link", "show", name).get(0);
  }

  private List<String> flags(String name) {
    List<String> flags = new ArrayList<>();
    link(name).path("flags").forEach(flag -> flags.add(flag.asString()));
    return flags;
  }

  private String port(String name) {
    JsonNode seen = link(name);
    JsonNode settings = seen.path("linkinfo").path("info_slave_data");
    return "%s isolated=%s hairpin=%s up=%s"
        .formatted(
            seen.path("ifalias").asString("-"),
            settings.path("isolated").asBoolean(),
            settings.path("hairpin").asBoolean(),
            has(seen.path("flags"), "UP"));
  }

  private boolean hairpin(String name) {
    return link(name).path("linkinfo").path("info_slave_data").path("hairpin").asBoolean();
  }

  private static boolean has(JsonNode array, String text) {
    for (JsonNode element : array) {
      if (element.asString().equals(text)) {
        return true;
      }
    }
    return false;
  }

  /** The addresses on a link that are not link-local, with the flags that a request can set. */
  private List<String> ipAddresses(String name) {
    List<String> found = new ArrayList<>();
    for (JsonNode address : json(here, "ip", "-j", "addr", "show", name).get(0).path("addr_info")) {
      if (!address.path("scope").asString().equals("link")) {
        found.add(
            address.path("local").asString()
                + "/"
                + address.path("prefixlen").asInt()
                + (address.path("nodad").asBoolean(false) ? " nodad" : "")
                + (address.path("noprefixroute").asBoolean(false) ? " noprefixroute" : ""));
      }
    }
    return found;
  }

  /** The lines of {@code ip route show}, multipath routes on one line. */
  private List<String> ipRoutes(String family, String... filter) {
    List<String> command = new ArrayList<>(List.of("ip", family, "-oneline", "route", "show"));
    command.addAll(List.of(filter));
    return here.exec(command.toArray(String[]::new))
        .orFail()
        .stdout()
        .lines()
        .map(line -> line.replace("\\", " ").replaceAll("\\s+", " ").strip())
        .toList();
  }

  private static JsonNode json(Netns netns, String... command) {
    return JSON.readTree(netns.exec(command).orFail().stdout());
  }

  private static Prefix prefix(String text) {
    return Prefix.parse(text);
  }
}
