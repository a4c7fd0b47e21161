package dev.sluice.daemon;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.api.Declarations.Outcome;
import dev.sluice.config.PortsFile;
import dev.sluice.config.PortsFileException;
import dev.sluice.model.Declaration;
import dev.sluice.model.DeclaredChange;
import dev.sluice.model.Endpoint;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.MappingId;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxName;
import dev.sluice.net.Family;
import dev.sluice.network.NetworkException;
import dev.sluice.publish.LabAgent;
import dev.sluice.publish.PublishException;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Networks, sandboxes and ports of a declaration, carried out in a real kernel. */
class DeclaredNetworksIT {
  private static final String NETWORKS =
      """
      networks:
        - name: blue
          subnets: [10.201.0.0/24, "fd01::/64"]
        - name: green
          subnets: [{subnet: 10.202.0.0/24, gateway: 10.202.0.254, range: 10.202.0.128/25}]
          icc: false
          egress: [198.18.0.77]
      """;

  private static final String EVERYTHING =
      NETWORKS
          + """
          sandboxes:
            - name: web
              netns: WEB
              networks: [blue, {network: green, addresses: [10.202.0.130], aliases: [www]}]
              links: [db:store]
            - {name: db, netns: DB, networks: [green], expose: [5432]}
          ports:
            - {name: site, target: web, publish: [8080:80]}
            - {target: 10.202.0.130, publish: [8081:80]}
          """;

  private static final DeclaredPorts.Bridges NO_BRIDGES =
      new DeclaredPorts.Bridges() {
        @Override
        public void attach(InterfaceName bridge) {
          throw new AssertionError("nobody declared " + bridge);
        }

        @Override
        public void check(InterfaceName bridge) {
          throw new AssertionError("nobody declared " + bridge);
        }
      };

  private final Map<String, Netns> namespaces = new ConcurrentSkipListMap<>();
  private Lab lab;
  private LabAgent agent;
  private DeclaredPorts declared;

  @BeforeEach
  void start() {
    lab = Lab.builder().containers(0).agentWillConfigureHost().noServers().build();
    agent = LabAgent.start(lab.host(), Ownership.AUTO);
    agent.inside(() -> agent.publisher().resume());
    agent.follow();
    declared =
        new DeclaredPorts(
            Path.of("/nonexistent/ports.yaml"), agent.publisher(), agent.networking(), NO_BRIDGES);
  }

  @AfterEach
  void end() {
    declared.close();
    agent.close();
    namespaces.values().forEach(Netns::close);
    lab.close();
  }

  // ---- asking for things

  private Netns namespace(String role) {
    return namespaces.computeIfAbsent(role, Netns::create);
  }

  /** Reads a file; a role in capitals stands for the path of the namespace that plays it. */
  private Declaration declaration(String text) {
    for (String role : List.of("WEB", "DB")) {
      text = text.replace("netns: " + role, "netns: " + namespace(role).path());
    }
    if (!text.contains("ports:")) {
      text += "ports: []\n";
    }
    try {
      return PortsFile.read("f", new ByteArrayInputStream(text.getBytes(UTF_8)));
    } catch (IOException | PortsFileException e) {
      throw new IllegalArgumentException(e);
    }
  }

  private Outcome apply(String text, boolean prune) {
    Declaration declaration = declaration(text);
    return agent.inside(() -> declared.apply(declaration, prune));
  }

  private Outcome compare(String text, boolean prune) {
    Declaration declaration = declaration(text);
    return agent.inside(() -> declared.compare(declaration, prune));
  }

  // ---- looking

  private static List<String> lines(Outcome outcome) {
    return outcome.changes().stream().map(DeclaredChange::toString).toList();
  }

  private static List<String> ofNetworks(Outcome outcome) {
    return lines(outcome).stream().filter(line -> !line.contains(" port ")).toList();
  }

  private Sandbox sandbox(String name) {
    return agent.networking().topology().sandbox(new SandboxName(name)).orElseThrow();
  }

  private List<String> networksOf(String sandbox) {
    return sandbox(sandbox).endpoints().stream().map(Endpoint::network).toList();
  }

  private Map<Integer, MappingId> ids() {
    return agent.publisher().published().stream()
        .map(one -> one.mapping())
        .filter(one -> one.family() == Family.IPV4)
        .collect(Collectors.toMap(one -> one.hostPorts().first(), one -> one.id()));
  }

  /** The links, addresses and routes of the host, and the table. */
  private List<String> state() {
    List<String> state = new ArrayList<>();
    state.add(Nft.in(lab.host()).ruleset());
    for (String what : List.of("link", "address", "route")) {
      state.add(
          lab.host()
              .exec("ip", "-o", what)
              .orFail()
              .stdout()
              .replaceAll(
                  "qlen \\d+|state \\w+|,LOWER_UP|NO-CARRIER,| linkdown|\\d+: \\S+ +inet6 fe80::.*\\n",
                  ""));
    }
    return state;
  }

  /** The same without what the kernel numbers anew. */
  private List<String> namedState() {
    return state().stream()
        .map(
            text ->
                text.replaceAll("(?m)^\\d+: ", "")
                    .replaceAll("@if\\d+|link-netnsid \\d+|sl[0-9a-f]{12}", "")
                    .replaceAll("link/ether (\\S+)(.*sluice endpoint) \\w+", "$2"))
        .map(text -> text.lines().map(String::strip).sorted().collect(Collectors.joining("\n")))
        .toList();
  }

  // ---- what is declared comes

  /**
   * Fails if a dry run changes something or says something else than is done then, if a sandbox is
   * made before one it is linked to, or if the second time anything at all is changed.
   */
  @Test
  void whatIsDeclaredComesAtOnceAndTheSecondTimeNothingChanges() {
    List<String> before = state();
    Outcome dry = compare(EVERYTHING, false);
    assertThat(state()).isEqualTo(before);
    assertThat(lines(dry))
        .containsExactly(
            "+ network blue 10.201.0.0/24 fd01::/64",
            "+ network green 10.202.0.0/24",
            "+ sandbox db on green",
            "+ sandbox web on blue, green",
            "+ port site 8080:80/tcp to web",
            "+ port 8081:80/tcp to 10.202.0.130");
    assertThat(dry.unchanged()).isZero();

    Outcome done = apply(EVERYTHING, false);
    assertThat(ofNetworks(done)).isEqualTo(ofNetworks(dry));
    assertThat(networksOf("web")).containsExactly("blue", "green");
    assertThat(sandbox("web").on("green").orElseThrow().aliases())
        .containsExactly(new SandboxName("www"));
    assertThat(agent.networking().topology().network("green").orElseThrow().settings().isolated())
        .isTrue();
    namespace("WEB").traffic().serve("web", "80", "53");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("web:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST6, 8080).server()).isEqualTo("web:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8081).server()).isEqualTo("web:80");

    List<String> there = state();
    assertThat(lines(compare(EVERYTHING, true))).isEmpty();
    Outcome again = apply(EVERYTHING, true);
    assertThat(lines(again)).isEmpty();
    assertThat(again.unchanged()).isEqualTo(4 + 3);
    assertThat(state()).isEqualTo(there);
  }

  /**
   * Fails if a sandbox that differs is taken down as a whole, or only half of the difference is
   * made up: the port is to stay published, and to follow.
   */
  @Test
  void aSandboxJoinsAndLeavesWhatDiffers() {
    apply(EVERYTHING, false);
    MappingId site = ids().get(8080);
    String other =
        EVERYTHING
            .replaceFirst("networks:", "networks:\n  - {name: red, subnets: [10.203.0.0/24]}")
            .replace("networks: [blue, {", "networks: [red, {")
            .replace("aliases: [www]", "aliases: [intranet]")
            .replace("links: [db:store]", "expose: [80/tcp]");
    Outcome dry = compare(other, false);
    assertThat(lines(dry))
        .contains(
            "+ network red 10.203.0.0/24",
            "~ sandbox web: joins red, joins green anew, leaves blue, links nothing instead of"
                + " db:store, exposes 80/tcp instead of nothing");
    Outcome done = apply(other, false);
    assertThat(ofNetworks(done)).isEqualTo(ofNetworks(dry));
    assertThat(networksOf("web")).containsExactlyInAnyOrder("red", "green");
    assertThat(sandbox("web").links()).isEmpty();
    assertThat(sandbox("web").exposed()).hasSize(1);
    assertThat(sandbox("web").on("green").orElseThrow().aliases())
        .containsExactly(new SandboxName("intranet"));
    assertThat(ids()).containsEntry(8080, site);
    namespace("WEB").traffic().serve("web", "80", "53");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("web:80");
    assertThat(lines(apply(other, false))).isEmpty();
  }

  /**
   * Fails if what is not declared any more goes unasked or unnamed, or if something of it is left
   * where it is to go.
   */
  @Test
  void whatIsNotDeclaredAnyMoreGoesIfAskedTo() {
    apply("networks: []\n", false);
    List<String> before = state();
    apply(EVERYTHING, false);
    String rest = NETWORKS.substring(0, NETWORKS.indexOf("  - name: green"));

    Outcome kept = apply(rest, false);
    assertThat(ofNetworks(kept))
        .containsExactly("= sandbox db", "= sandbox web", "= network green 10.202.0.0/24");
    assertThat(networksOf("web")).containsExactly("blue", "green");
    assertThat(ids()).isEmpty();

    assertThat(lines(compare(rest, true)))
        .containsExactly("- sandbox db", "- sandbox web", "- network green 10.202.0.0/24");
    assertThat(networksOf("web")).containsExactly("blue", "green");
    assertThat(lines(apply(rest, true)))
        .containsExactly("- sandbox db", "- sandbox web", "- network green 10.202.0.0/24");
    assertThat(agent.networking().topology().sandboxes()).isEmpty();
    apply("networks: []\n", true);
    assertThat(state()).isEqualTo(before);
  }

  /** Fails if a namespace cannot be given another name in one step. */
  @Test
  void aSandboxCanBeRenamed() {
    apply(EVERYTHING, false);
    String renamed =
        EVERYTHING.replace("name: web", "name: shop").replace("target: web", "target: shop");
    assertThatThrownBy(() -> apply(renamed, false))
        .isInstanceOf(NetworkException.class)
        .hasMessageContaining("is the sandbox web already");
    assertThat(ofNetworks(apply(renamed, true)))
        .containsExactly("- sandbox web", "+ sandbox shop on blue, green");
    namespace("WEB").traffic().serve("shop", "80", "53");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("shop:80");
  }

  /** Fails if a sandbox stays with the namespace that had its path before. */
  @Test
  void anotherNamespaceOfTheSamePathTakesTheSandboxOver() {
    apply(EVERYTHING, false);
    String moved = EVERYTHING.replace("netns: WEB", "netns: " + namespace("OTHER").path());
    assertThat(ofNetworks(compare(moved, false)))
        .containsExactly("~ sandbox web: another network namespace");
    apply(moved, false);
    namespace("OTHER").traffic().serve("other", "80", "53");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("other:80");
    assertThat(lines(apply(moved, false))).isEmpty();
  }

  // ---- what cannot be

  /**
   * Fails if a network is changed under those who use it, if the difference is not named, or if one
   * that nobody uses is not made anew.
   */
  @Test
  void aNetworkIsMadeAnewOnlyWhileNobodyIsOnIt() {
    apply(EVERYTHING, false);
    List<String> before = state();
    String changed = EVERYTHING.replace("10.201.0.0/24", "10.204.0.0/24");
    assertThatThrownBy(() -> compare(changed, false))
        .isInstanceOf(NetworkException.class)
        .hasMessage(
            "the network blue is not as declared (subnet 10.204.0.0/24 instead of 10.201.0.0/24)"
                + " and cannot be changed while it is in use by web: disconnect them first, or give"
                + " the declared one another name");
    assertThatThrownBy(() -> apply(changed, false)).hasMessageContaining("cannot be changed");
    assertThat(state()).isEqualTo(before);

    apply(NETWORKS, true);
    String other = NETWORKS.replace("icc: false", "mtu: 1400").replace("198.18.0.77", "198.18.0.1");
    assertThat(lines(apply(other, false)))
        .containsExactly(
            "~ network green: mtu 1400 instead of 1500, egress 198.18.0.1 instead of 198.18.0.77,"
                + " icc true instead of false");
    assertThat(lab.host().exec("ip", "-o", "link", "show", "sl-green").orFail().stdout())
        .contains("mtu 1400");
    assertThat(lines(apply(other, false))).isEmpty();
  }

  /** Fails if networks of others are changed, or must be declared in other words than they are. */
  @Test
  void networksOfOthersAreUsedAsTheyAreOrRefused() {
    agent.inside(() -> agent.networking().create(NetworkRequest.of("hers", Owner.CLI)));
    List<String> before = state();
    assertThat(lines(apply("networks: [{name: hers}]\n", true))).isEmpty();
    assertThatThrownBy(() -> apply("networks: [{name: hers, internal: true}]\n", true))
        .isInstanceOf(NetworkException.class)
        .hasMessage(
            "the network hers, made by cli, is not as declared (internal true instead of false):"
                + " remove it with sluice network rm hers, or give the declared one another name");
    assertThat(lines(apply("networks: []\n", true))).isEmpty();
    assertThat(state()).isEqualTo(before);
  }

  static Stream<Arguments> failures() {
    return Stream.of(
        Arguments.of(
            "a network",
            "  - {name: late, subnets: [198.18.0.0/25]}\n",
            "[green]",
            "8080",
            "the subnet 198.18.0.0/25 overlaps the host's route"),
        Arguments.of(
            "a sandbox",
            "",
            "[{network: green, addresses: [10.202.0.254]}]",
            "8080",
            "10.202.0.254"),
        Arguments.of("a port", "", "[green]", "9999", "9999"),
        Arguments.of("a removal", "", "[green]", "8080", "the network old has published ports"));
  }

  /**
   * Fails if anything is left of a declaration of which a step fails, or if something that was
   * there before is lost. Prune, so that all kinds of steps are on the way.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("failures")
  void whateverFailsAllIsAsBefore(
      String what, String network, String networksOfDb, String port, String message) {
    apply(
        """
        networks: [{name: old, subnets: [10.205.0.0/24]}]
        sandboxes:
          - {name: web, netns: WEB, networks: [old]}
        ports:
          - {name: stays, target: web, publish: [7000:80]}
          - {name: goes, target: web, publish: [7001:80]}
        """,
        false);
    if (what.equals("a removal")) {
      agent.publish("10.205.0.77", "7002:80");
    }
    lab.host().traffic().serve("host", "9999", "9998");
    List<String> before = namedState();
    Map<Integer, MappingId> ids = ids();
    String text =
        EVERYTHING
            .replace("sandboxes:\n", network + "sandboxes:\n")
            .replace("netns: DB, networks: [green]", "netns: DB, networks: " + networksOfDb)
            .replace(
                "8080:80]}", port + ":80]}\n  - {name: stays, target: web, publish: [7000:80]}");
    assertThatThrownBy(() -> apply(text, true))
        .isInstanceOfAny(NetworkException.class, PublishException.class)
        .hasMessageContaining(message);
    assertThat(agent.networking().topology().networks())
        .singleElement()
        .satisfies(one -> assertThat(one.name()).isEqualTo("old"));
    assertThat(networksOf("web")).containsExactly("old");
    assertThat(ids().keySet()).isEqualTo(ids.keySet());
    assertThat(ids()).containsEntry(7000, ids.get(7000));
    assertThat(withoutIds(namedState())).isEqualTo(withoutIds(before));
  }

  /** What is published again has another id, and counts from 0. */
  private static List<String> withoutIds(List<String> state) {
    return state.subList(1, state.size());
  }

  /** Fails if a missing namespace, or a network nobody declared, is noticed only half-way. */
  @Test
  void whatIsMissingIsNamedBeforeAnythingChanges() {
    List<String> before = state();
    String missing = EVERYTHING.replace("netns: DB", "netns: nosuch");
    assertThatThrownBy(() -> compare(missing, false))
        .isInstanceOf(NetworkException.class)
        .hasMessage("there is no network namespace at \"/run/netns/nosuch\"");
    String undeclared = EVERYTHING.replace("networks: [green], expose", "networks: [grey], expose");
    assertThatThrownBy(() -> apply(undeclared, false))
        .isInstanceOf(NetworkException.class)
        .hasMessage(
            "the sandbox db is to be on the network grey, which is not there: declare it under"
                + " \"networks\"");
    String nobody = EVERYTHING.replace("target: web", "target: nobody");
    assertThatThrownBy(() -> apply(nobody, false))
        .isInstanceOf(PublishException.class)
        .hasMessageContaining("there is no sandbox nobody");
    assertThat(state()).isEqualTo(before);
  }
}
