package dev.sluice.ruleset.path;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PathQuestion;
import dev.sluice.model.PathReport;
import dev.sluice.model.PathReport.Outcome;
import dev.sluice.model.PathReport.Way;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.Nftables;
import dev.sluice.publish.LabAgent;
import dev.sluice.route.Rtnetlink;
import dev.sluice.ruleset.Ownership;
import dev.sluice.sysctl.Sysctl;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Ran;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/**
 * A laboratory with an agent in which what is explained is compared with what packets do: for each
 * sender a real attempt, and the same question asked.
 */
@TestInstance(Lifecycle.PER_CLASS)
abstract class PathCase {
  final Lab lab = Lab.builder().containers(3).agentWillConfigureHost().build();
  final Nft nft = Nft.in(lab.host());
  LabAgent agent;

  @BeforeAll
  void setUp() {
    lab.host().sysctl("net.ipv4.icmp_ratelimit=0");
  }

  @BeforeEach
  void start() {
    agent = LabAgent.start(lab.host(), Ownership.OFF);
  }

  @AfterEach
  void forget() {
    agent.close();
    nft.apply("flush ruleset");
    for (String variant : List.of("iptables-legacy", "ip6tables-legacy")) {
      for (String chain : List.of("INPUT", "FORWARD", "OUTPUT")) {
        lab.host().exec(variant, "-P", chain, "ACCEPT");
      }
      for (String table : List.of("filter", "nat", "mangle", "raw")) {
        lab.host().exec(variant, "-t", table, "-F");
        lab.host().exec(variant, "-t", table, "-X");
      }
    }
    lab.host().sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
  }

  @AfterAll
  void tearDown() {
    lab.close();
  }

  Explainer explainer() {
    return new Explainer(
        Nftables.open(),
        Rtnetlink.open(),
        new Sysctl(),
        () ->
            new Explainer.Known(
                agent.publisher().published().stream().map(PublishedMapping::mapping).toList(),
                agent.networking().topology().networks(),
                agent.networking().topology().sandboxes()));
  }

  PathReport explain(int port, Protocol protocol, Optional<String> from, Optional<IpAddress> to) {
    return agent.inside(() -> explainer().explain(new PathQuestion(port, protocol, from, to)));
  }

  Way way(String from, String to, int port) {
    List<Way> ways =
        explain(port, Protocol.TCP, Optional.of(from), Optional.of(IpAddress.parse(to))).ways();
    assertThat(ways).hasSize(1);
    return ways.get(0);
  }

  /** {@code publish -p SPEC --to TARGET --name NAME} with options. */
  void publish(String name, String target, MappingOptions options, String... specs) {
    agent.publish(
        new PublishRequest(
            java.util.Arrays.stream(specs).map(PortSpec::parse).toList(),
            List.of(IpAddress.parse(target)),
            Optional.of(new MappingName(name)),
            Owner.CLI,
            options));
  }

  /** Runs a program on the host; its failure is a failure. */
  Ran host(String... command) {
    return lab.host().exec(command).orFail();
  }

  /** Who sends, by the address it is asked about. */
  Map<String, Netns> senders(String to) {
    boolean six = to.contains(":");
    Map<String, Netns> senders = new LinkedHashMap<>();
    senders.put(six ? Lab.CLIENT6 : Lab.CLIENT, lab.client());
    senders.put(PathQuestion.HOST, lab.host());
    senders.put(six ? Lab.C1_6 : Lab.C1, lab.c1());
    senders.put(six ? Lab.C2_6 : Lab.C2, lab.c2());
    senders.put(six ? Lab.C3_6 : Lab.C3, lab.c3());
    return senders;
  }

  /**
   * For each sender what is said, which must be what happens.
   *
   * @return what is said, by sender
   */
  Map<String, Outcome> agreed(String to, int port) {
    Map<String, CompletableFuture<Boolean>> attempts = new LinkedHashMap<>();
    senders(to)
        .forEach(
            (name, netns) ->
                attempts.put(
                    name,
                    CompletableFuture.supplyAsync(() -> !netns.traffic().tcp(to, port).blocked())));
    Map<String, Outcome> said = new LinkedHashMap<>();
    attempts.forEach(
        (name, arrived) -> {
          Way way = way(name, to, port);
          assertThat(way.outcome() == Outcome.ARRIVES)
              .as("%s to %s:%d: %s", name, to, port, way)
              .isEqualTo(arrived.join());
          assertThat(way.certain()).as("%s", way).isTrue();
          assertThat(way.outcome() == Outcome.ARRIVES)
              .as("a remedy where it does not arrive: %s", way)
              .isEqualTo(way.remedy().isEmpty());
          said.put(name, way.outcome());
        });
    return said;
  }
}
