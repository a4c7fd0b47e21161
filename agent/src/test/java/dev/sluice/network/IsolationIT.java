package dev.sluice.network;

import static dev.sluice.testing.Traffic.Outcome.ANSWERED;
import static dev.sluice.testing.Traffic.Outcome.REFUSED;
import static dev.sluice.testing.Traffic.Outcome.TIMEOUT;
import static dev.sluice.testing.Traffic.Outcome.UNREACHABLE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Egress;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.net.IpAddress;
import dev.sluice.testing.Attempts;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Probe;
import dev.sluice.testing.Traffic;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Who reaches whom on networks of ours. What must not arrive is first seen to arrive: with the
 * network open, or its rule taken away.
 */
class IsolationIT extends NetworkCase {
  private static final double SOON_SECONDS = 1.5;

  private void dualStack(String name, boolean internal, boolean isolated) {
    create(
        new NetworkRequest(
            name,
            Optional.empty(),
            List.of(),
            true,
            OptionalInt.empty(),
            new Egress.Masquerade(),
            internal,
            isolated,
            Owner.CLI));
  }

  private Traffic.Outcome from(String sandbox, String address, int port) {
    return namespace(sandbox).traffic().tcp(address, port, SOON_SECONDS).outcome();
  }

  private record Way(String from, String to, String network, int port) {
    @Override
    public String toString() {
      return from + " to " + to + ":" + port;
    }
  }

  /** What comes of each way, by whatever family; all are taken at once. */
  private List<String> seen(List<Way> ways) {
    Map<Way, List<String>> addresses = new LinkedHashMap<>();
    ways.forEach(way -> addresses.put(way, addresses(way.to(), way.network())));
    Map<Map.Entry<Way, List<String>>, Set<Traffic.Outcome>> seen =
        Attempts.atOnce(
            addresses.entrySet(),
            one ->
                new TreeSet<>(
                    Attempts.atOnce(
                            one.getValue(),
                            address -> from(one.getKey().from(), address, one.getKey().port()))
                        .values()));
    return seen.entrySet().stream()
        .map(one -> one.getKey().getKey() + " " + one.getValue())
        .toList();
  }

  private void bridgeNetfilter(int on) {
    lab.host()
        .sysctl(
            "net.bridge.bridge-nf-call-iptables=" + on,
            "net.bridge.bridge-nf-call-ip6tables=" + on);
  }

  /** Fails if siblings are kept apart, or networks are not. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void networksAreApartAndSiblingsTogether(int bridgeNetfilter) {
    bridgeNetfilter(bridgeNetfilter);
    dualStack("blue", false, false);
    dualStack("green", false, false);
    for (String[] one : new String[][] {{"a", "blue"}, {"b", "blue"}, {"c", "green"}}) {
      join(one[0], List.of(one[1]));
      serve(one[0], "80", "");
    }
    assertThat(
            seen(
                List.of(
                    new Way("a", "b", "blue", 80),
                    new Way("a", "c", "green", 80),
                    new Way("c", "a", "blue", 80))))
        .containsExactly("a to b:80 [ANSWERED]", "a to c:80 [TIMEOUT]", "c to a:80 [TIMEOUT]");
    connect("c", "blue");
    assertThat(from("a", address("c", "blue"), 80)).isEqualTo(ANSWERED);
  }

  /** Fails if a routed network opens more than what is published, or closes it too early. */
  @Test
  void aRoutedNetworkIsOpenWhereItIsPublished() {
    create(request("open", false, false, new Egress.Routed(), "10.92.0.0/24"));
    lab.client().ip("route add 10.92.0.0/24 via " + Lab.HOST);
    join("web", List.of("open"), "8080:80", "9090:80");
    serve("web", "80,81", "");
    lab.client().traffic().serve("outside", "82", "");
    Traffic client = lab.client().traffic();
    assertThat(client.tcp("10.92.0.2", 80).server()).isEqualTo("web:80");
    assertThat(client.tcp("10.92.0.2", 81, SOON_SECONDS).outcome()).isEqualTo(TIMEOUT);
    assertThat(client.tcp(Lab.HOST, 8080).server()).isEqualTo("web:80");
    assertThat(namespace("web").traffic().tcp(Lab.CLIENT, 82).peer()).isEqualTo("10.92.0.2");
    String first = agent.publisher().published().get(0).mapping().id().toString();
    agent.unpublish(first);
    assertThat(client.tcp("10.92.0.2", 80).server())
        .as("the other leads there")
        .isEqualTo("web:80");
    restart();
    assertThat(client.tcp("10.92.0.2", 80).server()).as("read back").isEqualTo("web:80");
    agent.unpublish("web");
    assertThat(client.tcp("10.92.0.2", 80, SOON_SECONDS).outcome()).isEqualTo(TIMEOUT);
  }

  /** Fails if an internal network reaches another by a port of that which is published. */
  @Test
  void anInternalNetworkDoesNotReachPublishedPortsOfOthers() {
    network("dark", "10.88.0.0/24");
    network("blue", "10.89.0.0/24");
    create(request("inside", true, false, new Egress.Masquerade(), "10.90.0.0/24"));
    join("web", List.of("blue"), "8080:80");
    serve("web", "80", "");
    join("open", List.of("dark"));
    join("closed", List.of("inside"));
    assertThat(from("open", "10.88.0.1", 8080)).as("the control").isEqualTo(ANSWERED);
    assertThat(from("closed", "10.90.0.1", 8080)).isEqualTo(TIMEOUT);
  }

  /** Fails if something gets out of an internal network, or into it. */
  @Test
  void anInternalNetworkHasNoWayOut() {
    dualStack("dark", true, false);
    join("a", List.of("dark"));
    join("b", List.of("dark"));
    serve("b", "80", "");
    lab.client().traffic().serve("outside", "82", "");
    assertThat(from("a", address("b", "dark"), 80)).isEqualTo(ANSWERED);
    assertThat(from("a", Lab.CLIENT, 82)).isEqualTo(UNREACHABLE);
    // Also with a route of its own making.
    String gateway =
        agent
            .networking()
            .topology()
            .network("dark")
            .orElseThrow()
            .settings()
            .gateways()
            .get(0)
            .toString();
    namespace("a").ip("route add default via " + gateway);
    assertThat(from("a", Lab.CLIENT, 82)).isEqualTo(TIMEOUT);
    // The control: without the rule of the network it gets out.
    stop();
    nft.apply("delete table inet sluice");
    lab.client().ip("route add 10.201.0.0/16 via " + Lab.HOST);
    assertThat(from("a", Lab.CLIENT, 82)).isEqualTo(ANSWERED);
    start();
  }

  /**
   * FOUNDING's table: who reaches a port that is exposed, linked or published, on a network whose
   * sandboxes are apart. Fails if they are not, or links and published ports do not open them.
   */
  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void isolatedSandboxesReachWhatIsLinkedOrPublished(int bridgeNetfilter) {
    bridgeNetfilter(bridgeNetfilter);
    dualStack("apart", false, true);
    join(sandboxRequest("plain", List.of("apart"), List.of(), List.of()));
    join(sandboxRequest("db", List.of("apart"), List.of("80/tcp"), List.of()));
    join(sandboxRequest("web", List.of("apart"), List.of(), List.of(), "8080:80"));
    join(sandboxRequest("linked", List.of("apart"), List.of(), List.of("plain", "db", "web")));
    join(sandboxRequest("stranger", List.of("apart"), List.of(), List.of()));
    for (String server : List.of("plain", "db", "web")) {
      serve(server, "80,81", "");
    }
    assertThat(
            seen(
                List.of(
                    new Way("linked", "plain", "apart", 80),
                    new Way("linked", "db", "apart", 80),
                    new Way("linked", "db", "apart", 81),
                    new Way("linked", "web", "apart", 80),
                    new Way("stranger", "db", "apart", 80))))
        .containsExactly(
            "linked to plain:80 [TIMEOUT]",
            "linked to db:80 [ANSWERED]",
            "linked to db:81 [TIMEOUT]",
            "linked to web:80 [ANSWERED]",
            "stranger to db:80 [TIMEOUT]");
    // Where bridged packets are filtered the bridge is handed what was translated.
    assertThat(from("stranger", Lab.HOST, 8080))
        .as("published")
        .isEqualTo(bridgeNetfilter == 0 ? ANSWERED : TIMEOUT);
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("web:80");
    // It does not help to say that everybody is a neighbour.
    namespace("stranger").ip("address add " + address("stranger", "apart") + "/24 dev eth0");
    assertThat(arrivals("stranger", "db")).isZero();
    // The control: the bridge alone keeps them apart.
    lab.host().ip("link set " + wire("stranger") + " type bridge_slave isolated off");
    if (bridgeNetfilter == 0) {
      assertThat(arrivals("stranger", "db")).isPositive();
    }
    restart();
    assertThat(from("linked", address("db", "apart"), 80)).as("read back").isEqualTo(ANSWERED);
    leave("linked");
    assertThat(nft.ruleset()).doesNotContain(address("db", "apart") + " . tcp . 80");
  }

  private String wire(String sandbox) {
    return "sl" + sandbox(sandbox).orElseThrow().endpoints().get(0).id();
  }

  /** How many of a hundred datagrams, sent from interface to interface, come there. */
  private long arrivals(String from, String to) {
    String source = address(from, "apart");
    String packet = "IP(src='" + source + "',dst='" + address(to, "apart") + "')/UDP(dport=9)";
    try (Probe probe = Probe.in(namespace(to), "ip saddr " + source + " udp dport 9")) {
      namespace(from).traffic().inject("eth0", namespace(to).mac("eth0"), 100, packet);
      return probe.settledPackets();
    }
  }

  /** Row 28. Fails if a packet that belongs to no connection leaves untranslated. */
  @Test
  void whatBelongsToNoConnectionDoesNotLeave() {
    network("blue", "10.93.0.0/24");
    join("web", List.of("blue"));
    Netns web = namespace("web");
    String gatewayMac = lab.host().mac("sl-blue");
    String packet =
        "IP(src='10.93.0.2',dst='" + Lab.CLIENT + "')/TCP(sport=80,dport=4000,flags='R',seq=1)";
    try (Probe probe = Probe.in(lab.client(), "ip saddr 10.93.0.2")) {
      web.traffic().inject("eth0", gatewayMac, 100, packet);
      assertThat(probe.settledPackets()).isZero();
      stop();
      nft.apply("delete table inet sluice");
      web.traffic().inject("eth0", gatewayMac, 100, packet);
      probe.awaitPackets(100);
    }
    start();
  }

  /** Row 30. Fails if the host or a sibling takes a router's advertisement from a sandbox. */
  @Test
  void noSandboxIsARouter() {
    dualStack("blue", false, false);
    join("rogue", List.of("blue"));
    Netns victim = namespace("victim");
    victim.sysctl("net.ipv6.conf.default.accept_ra=1"); // as in a kernel that was just booted
    join("victim", List.of("blue"));
    String advertisement =
        "IPv6(src='fe80::bad',dst='ff02::1',hlim=255)/ICMPv6ND_RA(routerlifetime=1800)"
            + "/ICMPv6NDOptPrefixInfo(prefix='2001:db8:bad::',prefixlen=64,L=1,A=1)";
    advertise(advertisement);
    assertThat(victim.exec("ip", "-6", "route").orFail().stdout()).doesNotContain("2001:db8:bad");
    assertThat(lab.host().exec("ip", "-6", "route").orFail().stdout())
        .doesNotContain("2001:db8:bad");
    // The control: one that listens takes it.
    victim.sysctl("net.ipv6.conf.eth0.accept_ra=2");
    advertise(advertisement);
    await(
        "the advertisement is taken",
        () -> victim.exec("ip", "-6", "route").orFail().stdout().contains("2001:db8:bad"));
  }

  private void advertise(String packet) {
    namespace("rogue").traffic().inject("eth0", "33:33:00:00:00:01", 5, packet);
  }

  /** Fails if the source address that the outside sees is another than the one that was asked. */
  @Test
  void aFixedSourceIsWhatTheOutsideSees() {
    create(
        request(
            "fixed",
            false,
            false,
            new Egress.FixedSource(List.of(IpAddress.parse(Lab.HOST_2))),
            "10.94.0.0/24"));
    join("web", List.of("fixed"));
    lab.client().traffic().serve("outside", "82", "");
    assertThat(namespace("web").traffic().tcp(Lab.CLIENT, 82).peer()).isEqualTo(Lab.HOST_2);
    assertThat(from("web", Lab.HOST, 4711)).isEqualTo(REFUSED);
  }
}
