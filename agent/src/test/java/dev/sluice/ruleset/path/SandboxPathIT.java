package dev.sluice.ruleset.path;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Egress;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.PathQuestion;
import dev.sluice.model.PathReport.Outcome;
import dev.sluice.model.PathReport.Way;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.Subnet;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.Nftables;
import dev.sluice.publish.LabAgent;
import dev.sluice.route.Rtnetlink;
import dev.sluice.ruleset.Ownership;
import dev.sluice.sysctl.Sysctl;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentSkipListMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is said about sandboxes, which have routes and servers of their own, is what happens. */
class SandboxPathIT {
  private final Map<String, Netns> sandboxes = new ConcurrentSkipListMap<>();
  private Lab lab;
  private LabAgent agent;

  @BeforeEach
  void start() {
    lab = Lab.builder().containers(0).agentWillConfigureHost().noServers().build();
    agent = LabAgent.start(lab.host(), Ownership.AUTO);
    agent.inside(() -> agent.publisher().resume());
    network("blue", false, false, "10.201.0.0/24");
    network("green", false, false, "10.202.0.0/24");
    network("dark", true, false, "10.203.0.0/24");
    network("apart", false, true, "10.204.0.0/24");
  }

  @AfterEach
  void end() {
    agent.close();
    sandboxes.values().forEach(Netns::close);
    lab.close();
  }

  private void network(String name, boolean internal, boolean isolated, String subnet) {
    NetworkRequest request =
        new NetworkRequest(
            name,
            Optional.empty(),
            List.of(Subnet.of(Prefix.parse(subnet))),
            false,
            OptionalInt.empty(),
            new Egress.Masquerade(),
            internal,
            isolated,
            Owner.CLI);
    agent.inside(() -> agent.networking().create(request));
  }

  private void join(String name, String network, List<String> links, String... publish) {
    Netns namespace = Netns.create(name);
    sandboxes.put(name, namespace);
    SandboxRequest request =
        new SandboxRequest(
            new SandboxName(name),
            namespace.path().toString(),
            List.of(Attachment.to(network)),
            List.of(ExposeSpec.parse("80")),
            links.stream().map(SandboxLink::parse).toList(),
            Arrays.stream(publish).map(PortSpec::parse).toList(),
            MappingOptions.NONE,
            Owner.CLI);
    agent.inside(() -> agent.networking().create(request));
  }

  private Netns namespace(String sandbox) {
    return Objects.requireNonNull(sandboxes.get(sandbox));
  }

  private String address(String sandbox) {
    return agent
        .networking()
        .topology()
        .sandbox(new SandboxName(sandbox))
        .orElseThrow()
        .endpoints()
        .get(0)
        .addresses()
        .get(0)
        .toString();
  }

  private List<Way> explain(int port, Optional<String> from, Optional<String> to) {
    return agent.inside(
        () ->
            new Explainer(
                    Nftables.open(),
                    Rtnetlink.open(),
                    new Sysctl(),
                    () ->
                        new Explainer.Known(
                            agent.publisher().published().stream()
                                .map(PublishedMapping::mapping)
                                .toList(),
                            agent.networking().topology().networks(),
                            agent.networking().topology().sandboxes()))
                .explain(new PathQuestion(port, Protocol.TCP, from, to.map(IpAddress::parse)))
                .ways());
  }

  /** What is said about one sender, which must be what happens. */
  private Outcome agreed(String from, String to, int port) {
    Netns sender = from.equals("client") ? lab.client() : sandboxes.getOrDefault(from, lab.host());
    List<Way> ways =
        explain(port, Optional.of(from.equals("client") ? Lab.CLIENT : from), Optional.of(to));
    assertThat(ways).hasSize(1);
    Way way = ways.get(0);
    assertThat(way.outcome() == Outcome.ARRIVES)
        .as("%s to %s:%d: %s", from, to, port, way)
        .isEqualTo(!sender.traffic().tcp(to, port).blocked());
    assertThat(way.certain()).isTrue();
    return way.outcome();
  }

  /** Fails if somebody's way to a published port is told otherwise than it goes. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void everybodyReachesAPublishedPort(int bridgeNetfilter) {
    lab.host().sysctl("net.bridge.bridge-nf-call-iptables=" + bridgeNetfilter);
    join("web", "blue", List.of(), "8080:80");
    join("sibling", "blue", List.of());
    join("other", "green", List.of());
    namespace("web").traffic().serve("web", "80", "");
    for (String from : List.of("client", "host", "web", "sibling", "other")) {
      assertThat(agreed(from, Lab.HOST, 8080)).as(from).isEqualTo(Outcome.ARRIVES);
    }
    for (String from : List.of("host", "sibling")) {
      assertThat(agreed(from, address("web"), 80)).as(from).isEqualTo(Outcome.ARRIVES);
    }
    assertThat(agreed("other", address("web"), 80)).isEqualTo(Outcome.DROPPED);
    List<Way> all = explain(8080, Optional.empty(), Optional.empty());
    assertThat(all)
        .extracting(Way::title)
        .contains(
            "from the container itself, web",
            "from a container of the same network, sibling",
            "from a container of another network, other");
    assertThat(all).extracting(Way::outcome).containsOnly(Outcome.ARRIVES);
  }

  /** Fails if a mapping is said to work although nobody serves the container's port. */
  @Test
  void aPortNobodyServesIsNamed() {
    join("web", "blue", List.of(), "8080:80");
    assertThat(agreed("client", Lab.HOST, 8080)).isEqualTo(Outcome.REFUSED);
    Way way = explain(8080, Optional.of(Lab.CLIENT), Optional.empty()).get(0);
    assertThat(way.verdict()).contains("(web)").contains("nothing listens");
    // A server for loopback only is none.
    namespace("web").start("/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "80");
    assertThat(agreed("client", Lab.HOST, 8080)).isEqualTo(Outcome.REFUSED);
  }

  /** Fails if it is not seen what an internal network is cut off from. */
  @Test
  void anInternalNetworkIsNamed() {
    join("inside", "dark", List.of());
    join("sibling", "dark", List.of());
    join("web", "blue", List.of(), "8080:80");
    namespace("web").traffic().serve("web", "80", "");
    namespace("sibling").traffic().serve("sibling", "80", "");
    lab.client().traffic().serve("outside", "82", "");
    assertThat(agreed("inside", address("sibling"), 80)).isEqualTo(Outcome.ARRIVES);
    assertThat(agreed("inside", Lab.CLIENT, 82)).isEqualTo(Outcome.UNREACHABLE);
    assertThat(agreed("web", Lab.CLIENT, 82)).isEqualTo(Outcome.ARRIVES);
    assertThat(agreed("inside", Lab.HOST, 8080)).isEqualTo(Outcome.UNREACHABLE);
    assertThat(explain(82, Optional.of("inside"), Optional.of(Lab.CLIENT)).get(0).verdict())
        .contains("dark is internal");
    // With a route of its own making it is the rule that is named.
    namespace("inside").ip("route add default via 10.203.0.1");
    assertThat(agreed("inside", Lab.CLIENT, 82)).isEqualTo(Outcome.DROPPED);
  }

  /** Fails if it is not seen who may reach whom on a network that keeps containers apart. */
  @Test
  void whatIsKeptApartIsReachedByLinksAndPublishedPortsOnly() {
    join("web", "apart", List.of(), "8080:80");
    join("linked", "apart", List.of("web"));
    join("stranger", "apart", List.of());
    namespace("web").traffic().serve("web", "80", "");
    assertThat(agreed("linked", address("web"), 80)).isEqualTo(Outcome.ARRIVES);
    assertThat(agreed("stranger", address("web"), 80)).isEqualTo(Outcome.DROPPED);
    assertThat(agreed("stranger", Lab.HOST, 8080)).isEqualTo(Outcome.ARRIVES);
    lab.host().sysctl("net.bridge.bridge-nf-call-iptables=1");
    assertThat(agreed("stranger", Lab.HOST, 8080)).isEqualTo(Outcome.DROPPED);
  }
}
