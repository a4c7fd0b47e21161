package dev.sluice.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.Subnet;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.network.NetworkException.Kind;
import dev.sluice.publish.PublishException;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Traffic;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Networks and sandboxes: what they are in the kernel, who has which address, what goes back. */
class NetworksIT extends NetworkCase {

  /** Fails if the bridge, a gateway, the wire, an address or a route is missing, or the ports. */
  @Test
  void aSandboxIsConnectedAndItsPortsArePublished() {
    create(
        new NetworkRequest(
            "blue",
            Optional.empty(),
            List.of(),
            true,
            OptionalInt.of(1400),
            new Egress.Masquerade(),
            false,
            false,
            Owner.CLI));
    join("web", List.of("blue"), "8080:80", "5353:53/udp");
    serve("web", "80", "53");

    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("web:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST6, 8080).server()).isEqualTo("web:80");
    assertThat(lab.client().traffic().udp(Lab.HOST, 5353).server()).isEqualTo("web:53");
    // The way out, with the host's address.
    lab.client().traffic().serve("outside", "81", "");
    assertThat(namespace("web").traffic().tcp(Lab.CLIENT, 81).peer()).isEqualTo(Lab.HOST);
    assertThat(namespace("web").traffic().tcp(Lab.CLIENT6, 81).peer()).isIn(Lab.HOST6, Lab.HOST6_2);

    String links = lab.host().exec("ip", "-d", "link").orFail().stdout();
    assertThat(links)
        .containsPattern("sl-blue:.* mtu 1400 .*state UP")
        .contains("alias sluice network blue")
        .containsPattern("alias sluice endpoint [0-9a-f]{12} web blue")
        .containsPattern("bridge_slave .*hairpin on.* isolated off");
    String within = namespace("web").exec("ip", "-d", "link", "show", "eth0").orFail().stdout();
    assertThat(within).contains("mtu 1400").contains("02:73:");
    assertThat(namespace("web").sysctlValue("net.ipv6.conf.eth0.accept_ra")).isEqualTo("0");
    assertThat(published())
        .containsExactly(
            "0.0.0.0:5353->53/udp " + address("web", "blue"),
            "0.0.0.0:8080->80/tcp " + address("web", "blue"),
            "[::]:5353->53/udp " + addresses("web", "blue").get(1),
            "[::]:8080->80/tcp " + addresses("web", "blue").get(1));

    leave("web");
    assertThat(published()).isEmpty();
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).outcome())
        .isEqualTo(Traffic.Outcome.REFUSED);
    assertThat(namespace("web").exec("ip", "-o", "link").orFail().stdout()).doesNotContain("eth0");
    agent.inside(() -> agent.networking().remove("blue"));
    assertThat(lab.host().exec("ip", "-o", "link").orFail().stdout()).doesNotContain("sluice");
  }

  /** Fails if anything of a network or a sandbox is not read back, or an address is given twice. */
  @Test
  void everythingIsReadBackAfterARestart() {
    Network blue =
        create(
            new NetworkRequest(
                "blue",
                Optional.of(new InterfaceName("my-bridge")),
                List.of(
                    new Subnet(
                        Prefix.parse("10.77.0.0/24"),
                        Optional.of(IpAddress.parse("10.77.0.254")),
                        Optional.of(Prefix.parse("10.77.0.64/26"))),
                    Subnet.of(Prefix.parse("fd77::/64"))),
                false,
                OptionalInt.empty(),
                new Egress.FixedSource(List.of(IpAddress.parse(Lab.HOST_2))),
                false,
                false,
                Owner.DOCKER));
    Network dark = create(request("dark", true, true, new Egress.Masquerade(), "10.78.0.0/24"));
    join(
        sandboxRequest(
            "db", List.of("blue"), List.of("5432/tcp", "9000-9003/udp"), List.of(), "80"));
    Sandbox web =
        join(sandboxRequest(
                "web", List.of("dark", "blue"), List.of(), List.of("db:store"), "8080:80"))
            .sandbox();
    List<String> published = published();
    restart();
    assertThat(agent.networking().topology().networks()).containsExactly(blue, dark);
    assertThat(sandbox("web")).contains(web);
    assertThat(sandbox("db").orElseThrow().exposed()).hasSize(3);
    assertThat(published()).isEqualTo(published);
    assertThat(address("web", "blue")).startsWith("10.77.0.");
    join("third", List.of("blue"));
    assertThat(Set.of(address("db", "blue"), address("web", "blue"), address("third", "blue")))
        .hasSize(3);
    // A port that was published by name is still the sandbox's.
    disconnect("web", "blue");
    assertThat(published()).hasSize(2).allMatch(text -> text.contains("->80/tcp"));
  }

  /** Fails if the ports of a sandbox do not follow it, or stay where nobody is left. */
  @Test
  void publishedPortsFollowTheirSandboxFromNetworkToNetwork() {
    network("blue", "10.81.0.0/24");
    network("green", "10.82.0.0/24");
    join("web", List.of("blue"), "8080:80");
    serve("web", "80", "");
    connect("web", "green");
    assertThat(published()).containsExactly("0.0.0.0:8080->80/tcp 10.81.0.2");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("web:80");
    disconnect("web", "blue");
    assertThat(published()).containsExactly("0.0.0.0:8080->80/tcp 10.82.0.2");
    // Also the default route has moved, or no answer would come.
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("web:80");
    disconnect("web", "green");
    assertThat(published()).isEmpty();
    assertThat(sandbox("web")).isPresent();
    connect("web", "blue");
    assertThat(address("web", "blue")).isEqualTo("10.81.0.3");
  }

  /** Fails if something is half made when a later step cannot be done. */
  @Test
  void aRequestThatFailsLeavesNothing() {
    network("blue", "10.83.0.0/24");
    network("green", "10.84.0.0/24");
    join("web", List.of("blue"), "8080:80");
    namespace("other").ip("link add eth1 type veth peer name there");
    List<String> before = state();
    // The last step: the port is taken. Before it, two networks have been joined.
    assertThatThrownBy(() -> join("other", List.of("blue", "green"), "80", "8080:80"))
        .isInstanceOf(PublishException.class)
        .hasMessageContaining("8080");
    assertThat(state()).isEqualTo(before);
    // The second network is not there.
    assertThatThrownBy(() -> join("other", List.of("blue", "red")))
        .hasMessage("there is no network red; see sluice network ls");
    assertThat(state()).isEqualTo(before);
    // The interface's name is taken.
    SandboxName other = new SandboxName("other");
    assertThatThrownBy(
            () ->
                agent.inside(
                    () ->
                        agent
                            .networking()
                            .connect(
                                other,
                                new Attachment(
                                    "blue",
                                    List.of(),
                                    List.of(),
                                    Optional.of(new InterfaceName("eth1"))),
                                Optional.of(namespace("other").path().toString()),
                                Owner.CLI)))
        .hasMessage("the sandbox other has an interface \"eth1\" already: choose another name");
    assertThat(state()).isEqualTo(before);
    assertThat(namespace("other").exec("ip", "-o", "link").orFail().stdout())
        .doesNotContain("eth0");
    // Addresses that were promised are free again: the next one gets one, and all are given once.
    join("other", List.of("blue", "green"));
    assertThat(address("other", "blue")).isNotEqualTo(address("web", "blue"));
  }

  /** Fails if a subnet of somebody else is taken, or a mistake is not told. */
  @Test
  void whatOverlapsOrIsTakenIsRefused() {
    network("blue", "10.85.0.0/24");
    refused(
        "10.85.0.0/25",
        "the subnet 10.85.0.0/25 overlaps the subnet 10.85.0.0/24 of the network blue: choose another");
    refused(
        "198.18.0.0/16",
        "the subnet 198.18.0.0/16 overlaps the host's route to 198.18.0.0/24: choose another");
    assertThatThrownBy(() -> network("blue"))
        .hasMessage("there is a network blue already")
        .isInstanceOfSatisfying(
            NetworkException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CONFLICT));
    assertThatThrownBy(
            () ->
                create(
                    request(
                        "fixed",
                        false,
                        false,
                        new Egress.FixedSource(List.of(IpAddress.parse("203.0.113.9"))))))
        .hasMessageStartingWith("the source address 203.0.113.9 is no address of this host");
    join("web", List.of("blue"));
    assertThatThrownBy(() -> agent.inside(() -> agent.networking().remove("blue")))
        .hasMessage("the network blue is in use by web: disconnect them first");
    assertThatThrownBy(() -> join("web", List.of("blue")))
        .hasMessage("there is a sandbox web already");
    leave("web");
    agent.publish("10.85.0.9", "9999:80");
    assertThatThrownBy(() -> agent.inside(() -> agent.networking().remove("blue")))
        .isInstanceOf(PublishException.class)
        .hasMessageContaining("has published ports")
        .hasMessageContaining("9999");
  }

  private void refused(String subnet, String sentence) {
    List<String> before = state();
    assertThatThrownBy(() -> network("other", subnet)).hasMessage(sentence);
    assertThat(state()).isEqualTo(before);
  }

  /** Fails if a subnet is chosen that the host has a route to. */
  @Test
  void chosenSubnetsAvoidTheHostsRoutesAndEachOther() {
    lab.host().ip("route add 10.201.0.0/23 via " + Lab.CLIENT);
    Network first = network("a");
    Network second = network("b");
    assertThat(first.subnets()).containsExactly(Prefix.parse("10.201.2.0/24"));
    assertThat(second.subnets()).containsExactly(Prefix.parse("10.201.3.0/24"));
  }

  /** Fails if an address is given twice, the gateway's or the broadcast's is, or it is not said. */
  @Test
  void anExhaustedNetworkSaysSo() {
    network("tiny", "10.86.0.0/29");
    for (int i = 0; i < 5; i++) {
      join("s" + i, List.of("tiny"));
    }
    assertThat(
            IntStream.range(0, 5)
                .mapToObj(i -> address("s" + i, "tiny"))
                .collect(Collectors.toSet()))
        .containsExactlyInAnyOrder("10.86.0.2", "10.86.0.3", "10.86.0.4", "10.86.0.5", "10.86.0.6");
    assertThatThrownBy(() -> join("late", List.of("tiny")))
        .hasMessageStartingWith("the network tiny has no free IPv4 address in 10.86.0.0/29");
    leave("s2");
    join("late", List.of("tiny"));
    assertThat(address("late", "tiny")).isEqualTo("10.86.0.4");
  }

  /** Fails if something else than a namespace of its own is taken for a sandbox. */
  @Test
  void whatIsNoSandboxIsRefused() {
    network("blue");
    Netns other = namespace("web");
    List<String> before = state();
    assertNoSandbox("/etc/hostname", "\"/etc/hostname\" is not a network namespace");
    assertNoSandbox("/run/netns/none", "there is no network namespace at \"/run/netns/none\"");
    assertNoSandbox(
        "/proc/self/ns/mnt", "\"/proc/self/ns/mnt\" is a namespace, but not a network namespace");
    assertNoSandbox(
        lab.host().path().toString(),
        "\""
            + lab.host().path()
            + "\" is the host's own network namespace, which cannot be a sandbox");
    join("web", List.of("blue"));
    assertNoSandbox(
        other.path().toString(),
        "the network namespace \""
            + other.path()
            + "\" is the sandbox web already: connect that to more networks instead");
    leave("web");
    assertThat(state()).isEqualTo(before);
  }

  private void assertNoSandbox(String path, String sentence) {
    assertThatThrownBy(
            () ->
                agent.inside(
                    () ->
                        agent
                            .networking()
                            .connect(
                                new SandboxName("bad"),
                                Attachment.to("blue"),
                                Optional.of(path),
                                Owner.CLI)))
        .hasMessage(sentence);
  }

  /** Fails if a bridge of somebody else takes the place of a network of ours. */
  @Test
  void anExistingBridgeDoesNotTakeANetworksName() {
    network("lab", "10.87.0.0/24");
    join("web", List.of("lab"));
    lab.host().ip("link add lab type bridge", "link set lab up", "addr add 10.86.0.1/24 dev lab");
    agent.publish("10.86.0.9", "9090:90");
    assertThat(agent.networking().topology().networks())
        .extracting(Network::name)
        .containsExactly("lab", "lab-bridge");
    restart();
    assertThat(lab.host().exec("ip", "-o", "link").orFail().stdout()).contains("sl-lab");
    assertThat(address("web", "lab")).isEqualTo("10.87.0.2");
  }

  /** Fails if neighbours of an IPv6 network have the same hardware address. */
  @Test
  void addressesOfAnIpv6NetworkHaveHardwareAddressesOfTheirOwn() {
    network("six", "fd66::/64");
    join("a", List.of("six"));
    agent.inside(
        () ->
            agent
                .networking()
                .connect(
                    new SandboxName("b"),
                    new Attachment(
                        "six", List.of(IpAddress.parse("fd66::1e2")), List.of(), Optional.empty()),
                    Optional.of(namespace("b").path().toString()),
                    Owner.CLI));
    serve("a", "80", "");
    assertThat(
            Set.of(
                lab.host().mac("sl-six"), namespace("a").mac("eth0"), namespace("b").mac("eth0")))
        .hasSize(3);
    assertThat(namespace("b").traffic().tcp(address("a", "six"), 80).server()).isEqualTo("a:80");
  }
}
