package dev.sluice.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.route.Rtnetlink;
import dev.sluice.sysctl.Sysctl;
import dev.sluice.testing.Netns;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which network an address is on, and what the host is set to for it. */
class HostNetworksIT {
  @AutoClose private static Netns host;
  @AutoClose private static NetworkNamespace namespace;
  @AutoClose private HostNetworks networks;

  @BeforeAll
  static void build() {
    host = Netns.create("host");
    host.ip(
        "link add br0 type bridge",
        "link set br0 up",
        "addr add 172.30.0.1/24 dev br0",
        "addr add 172.30.1.1/24 dev br0",
        "addr add fd30::1/64 dev br0",
        "link add bare0 type bridge",
        "link set bare0 up",
        "route add 10.50.0.0/24 dev bare0",
        "link add half0 type bridge",
        "link set half0 up",
        "addr add 10.61.0.1/24 dev half0",
        "route add 10.60.0.0/24 dev half0",
        "link add out0 type veth peer name peer0",
        "link set out0 up",
        "link set peer0 up",
        "addr add 198.18.0.1/24 dev out0",
        "route add 203.0.113.0/24 via 198.18.0.2",
        "route add unreachable 10.70.0.0/24");
    namespace = NetworkNamespace.open(host.path());
  }

  @BeforeEach
  void open() {
    networks = new HostNetworks(Rtnetlink.open(namespace), new Sysctl());
  }

  /** Fails if a subnet is lost, or the link-local one is taken for one of the containers'. */
  @Test
  void theNetworkOfAContainerIsTheBridgeWithAllItsSubnets() {
    Network expected =
        new Network(
            "br0",
            new InterfaceName("br0"),
            List.of(
                Prefix.parse("172.30.0.0/24"),
                Prefix.parse("172.30.1.0/24"),
                Prefix.parse("fd30::/64")),
            new Egress.Masquerade());
    assertThat(networks.behind(IpAddress.parse("172.30.1.9"))).isEqualTo(expected);
    assertThat(networks.behind(IpAddress.parse("fd30::9"))).isEqualTo(expected);
    assertThat(networks.onInterface(new InterfaceName("br0"))).isEqualTo(expected);
  }

  /** Fails if a packet would be sent where no container can be, or the sentence says nothing. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          172.30.0.1  | the target 172.30.0.1 is an address of this host itself: give the address of a container
          127.0.0.1   | the target 127.0.0.1 is an address of this host itself: give the address of a container
          203.0.113.9 | the target 203.0.113.9 is not on a network of this host but behind the router 198.18.0.2: give the address of a container on a bridge of this host
          192.0.2.9   | no route leads to the target 192.0.2.9: give the address of a container on a bridge of this host
          2001:db8::9 | no route leads to the target 2001:db8::9: give the address of a container on a bridge of this host
          10.70.0.9   | no route leads to the target 10.70.0.9: give the address of a container on a bridge of this host
          10.50.0.9   | the interface bare0 has no address, so no network is known behind it
          10.60.0.9   | the target 10.60.0.9 is reached through half0, which has no address in its subnet: give half0 an address of the containers' network
          198.18.0.9  | the target 198.18.0.9 is on out0, which is not a bridge: give the address of a container on a bridge of this host
          """)
  void anAddressWithoutANetworkIsExplainedInOneSentence(String target, String sentence) {
    assertThatThrownBy(() -> networks.behind(IpAddress.parse(target)))
        .isInstanceOf(UnknownTargetException.class)
        .hasMessage(sentence);
  }

  /** Fails if a missing interface is not named. */
  @Test
  void aMissingInterfaceIsNamed() {
    assertThatThrownBy(() -> networks.onInterface(new InterfaceName("br9")))
        .isInstanceOf(UnknownTargetException.class)
        .hasMessage("this host has no interface br9");
  }

  /** Fails if a parameter is not set, set twice, or not recorded with the value it had. */
  @Test
  void whatIsChangedForANetworkIsRecordedOnce() throws Exception {
    host.sysctl(
        "net.ipv4.ip_forward=0",
        "net.ipv6.conf.all.forwarding=0",
        "net.ipv4.conf.br0.route_localnet=0",
        "net.ipv4.conf.br0.send_redirects=1",
        "net.ipv4.conf.all.send_redirects=1",
        "net.ipv6.conf.br0.accept_ra=1");
    Network network = networks.behind(IpAddress.parse("172.30.0.9"));
    for (int i = 0; i < 2; i++) {
      namespace.call(
          () -> {
            networks.prepare(network);
            return null;
          });
    }
    assertThat(networks.changes())
        .extracting(Sysctl.Changed::toString)
        .containsExactly(
            "net/ipv4/ip_forward: 0 → 1",
            "net/ipv4/conf/br0/route_localnet: 0 → 1",
            "net/ipv4/conf/br0/send_redirects: 1 → 0",
            "net/ipv6/conf/br0/accept_ra: 1 → 0",
            "net/ipv6/conf/all/forwarding: 0 → 1");
    assertThat(host.sysctlValue("net.ipv4.ip_forward")).isEqualTo("1");
    assertThat(host.sysctlValue("net.ipv4.conf.br0.route_localnet")).isEqualTo("1");
    assertThat(host.sysctlValue("net.ipv4.conf.out0.route_localnet")).isEqualTo("0");
    assertThat(host.exec("ip", "-6", "route", "show", "table", "local", "::1").stdout())
        .contains("local ::1 dev br0");
  }

  /**
   * Fails if a host that has its IPv6 routes from router advertisements loses them by forwarding:
   * the kernel then takes them only with accept_ra=2.
   */
  @Test
  void anUplinkThatTookRouterAdvertisementsGoesOnTakingThem() throws Exception {
    host.sysctl(
        "net.ipv6.conf.all.forwarding=0",
        "net.ipv6.conf.out0.accept_ra=1",
        "net.ipv6.conf.peer0.accept_ra=1");
    host.exec("ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", "out0", "proto", "ra")
        .orFail();
    try {
      Network network = networks.behind(IpAddress.parse("fd30::9"));
      namespace.call(
          () -> {
            networks.prepare(network);
            return null;
          });
      assertThat(host.sysctlValue("net.ipv6.conf.out0.accept_ra")).isEqualTo("2");
      assertThat(host.sysctlValue("net.ipv6.conf.peer0.accept_ra")).isEqualTo("1");
      assertThat(networks.changes())
          .contains(new Sysctl.Changed("net/ipv6/conf/out0/accept_ra", "1", "2"));
    } finally {
      host.ip("route del default via fe80::1 dev out0");
    }
  }
}
