package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;

import dev.sluice.model.Balance;
import dev.sluice.model.Destination;
import dev.sluice.model.DrainTime;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.UpdateRequest;
import dev.sluice.model.UpdateRequest.BackendsChange;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Traffic;
import dev.sluice.testing.Traffic.Held;
import java.net.ServerSocket;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Ports that lead to several containers. */
class BackendsIT extends AgentCase {
  private static final List<String> ALL = List.of(Lab.C1, Lab.C2, Lab.C3);

  BackendsIT() {
    super(3);
  }

  private static Destination to(Balance balance, String... targets) {
    return Destination.parse(List.of(targets)).with(Optional.of(balance));
  }

  private List<Mapping> publish(String name, Destination to, String... specs) {
    return agent.publish(
        new PublishRequest(
            Arrays.stream(specs).map(PortSpec::parse).toList(),
            to,
            Optional.of(new MappingName(name)),
            Owner.CLI,
            MappingOptions.NONE));
  }

  private Map<String, Integer> servers(String address, int port, int connections) {
    try (Held held = lab.client().traffic().hold(address, port, connections)) {
      assertThat(held.answered()).isEqualTo(connections);
      return held.servers();
    }
  }

  private long rules() {
    return nft.ruleset().lines().filter(line -> line.contains(" dnat ip")).count();
  }

  /** Fails if a container gets more or fewer turns than its weight says, or its family none. */
  @ParameterizedTest
  @EnumSource
  void connectionsAreSharedOutByWeight(Ownership ownership) {
    start(ownership);
    publish(
        "web",
        to(Balance.ROUND_ROBIN, Lab.C1 + "=2", Lab.C2, Lab.C3, Lab.C1_6, Lab.C2_6),
        "8080:80");
    assertThat(servers(Lab.HOST, 8080, 40))
        .containsOnly(entry("c1", 20), entry("c2", 10), entry("c3", 10));
    assertThat(servers(Lab.HOST6, 8080, 40)).containsOnly(entry("c1", 20), entry("c2", 20));
    PublishedMapping four = only(id("web", "0.0.0.0:8080->80/tcp"));
    assertThat(four.counters().connections()).isEqualTo(40);
    assertThat(four.counters().byBackend())
        .containsOnly(
            entry(IpAddress.parse(Lab.C1), 20L),
            entry(IpAddress.parse(Lab.C2), 10L),
            entry(IpAddress.parse(Lab.C3), 10L));
  }

  private String id(String name, String text) {
    return agent.publisher().find(name).stream()
        .map(PublishedMapping::mapping)
        .filter(one -> one.hostText().equals(text))
        .map(one -> one.id().toString())
        .findFirst()
        .orElseThrow();
  }

  /**
   * Fails if two mappings that take turns share one counter: the one that is asked every second
   * time would see every second container only.
   */
  @Test
  void oneMappingDoesNotTakeTheTurnsOfAnother() {
    start(Ownership.AUTO);
    int first = counterOf(publish("web", to(Balance.ROUND_ROBIN, Lab.C1, Lab.C2), "8080:80"));
    // One mapping in 64 has the same counter.
    while (counterOf(publish("other", to(Balance.ROUND_ROBIN, Lab.C1, Lab.C2), "8081:80"))
        == first) {
      agent.publisher().unpublish("other");
    }
    Map<String, Integer> servers = new TreeMap<>();
    for (int i = 0; i < 10; i++) {
      lab.client().traffic().tcp(Lab.HOST, 8081);
      servers.merge(lab.client().traffic().tcp(Lab.HOST, 8080).server(), 1, Integer::sum);
    }
    assertThat(servers).containsOnly(entry("c1:80", 5), entry("c2:80", 5));
  }

  /** Fails if whoever else publishes, changes or withdraws ports makes the turns begin anew. */
  @ParameterizedTest
  @EnumSource
  void turnsGoOnWhileOthersComeAndGo(Ownership ownership) {
    start(ownership);
    int first = counterOf(publish("web", to(Balance.ROUND_ROBIN, Lab.C1, Lab.C2), "8080:80"));
    String[] hundred = IntStream.range(9000, 9100).mapToObj(i -> i + ":80").toArray(String[]::new);
    Optional<Mapping> sharing = Optional.empty();
    while (sharing.isEmpty()) {
      if (publishedTexts().size() > 1) {
        agent.publisher().unpublish("others");
      }
      sharing =
          publish("others", to(Balance.ROUND_ROBIN, Lab.C1, Lab.C2), hundred).stream()
              .filter(one -> counterOf(List.of(one)) == first)
              .findFirst();
    }
    Map<String, Integer> servers = new TreeMap<>();
    for (int i = 0; i < 6; i++) {
      servers.merge(lab.client().traffic().tcp(Lab.HOST, 8080).server(), 1, Integer::sum);
      if (i == 3) {
        agent.publisher().unpublish("others");
        publish("others", to(Balance.ROUND_ROBIN, Lab.C1, Lab.C2), hundred);
      } else if (i < 3) {
        agent.update(
            UpdateRequest.of(sharing.get().id().toString())
                .withOptions(OptionsChange.NONE.withMaxConnections(OptionalInt.of(100 + i))));
      }
    }
    assertThat(servers).containsOnly(entry("c1:80", 3), entry("c2:80", 3));
  }

  /** Fails if a way to pick that went with its last mapping is taken to be there still. */
  @ParameterizedTest
  @EnumSource
  void aWayToPickComesBack(Ownership ownership) {
    start(ownership);
    for (int i = 0; i < 2; i++) {
      publish("web", to(Balance.RANDOM, Lab.C1, Lab.C2), "8080:80");
      assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).matches("c[12]:80");
      agent.update(UpdateRequest.of("web").to(to(Balance.SOURCE, Lab.C1, Lab.C2)));
      agent.update(UpdateRequest.of("web").to(to(Balance.RANDOM, Lab.C1, Lab.C2)));
      assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).matches("c[12]:80");
      agent.publisher().unpublish("web");
      assertThat(nft.ruleset()).doesNotContain("spread_");
    }
  }

  private static int counterOf(List<Mapping> published) {
    return (int) published.get(0).id().bits() & 63;
  }

  /** Fails if a client changes its container by itself, or when another container leaves. */
  @Test
  void aSourceKeepsItsContainer() {
    start(Ownership.AUTO);
    publish("web", to(Balance.SOURCE, Lab.C1, Lab.C2, Lab.C3), "8080:80");
    Map<String, Integer> mine = servers(Lab.HOST, 8080, 12);
    assertThat(mine).hasSize(1);
    String container = mine.keySet().iterator().next();
    String other = container.equals("c1") ? Lab.C2 : Lab.C1;
    // Which container a client has is no chance: it stays when the table is written anew.
    restart(Ownership.AUTO);
    assertThat(servers(Lab.HOST, 8080, 12)).containsOnlyKeys(container);
    String only = ALL.get(container.charAt(1) - '1');
    agent.update(UpdateRequest.of("web").with(new BackendsChange(Destination.NONE, of(only))));
    assertThat(servers(Lab.HOST, 8080, 12)).hasSize(1).doesNotContainKey(container);
    agent.update(UpdateRequest.of("web").with(new BackendsChange(of(only), Destination.NONE)));
    assertThat(servers(Lab.HOST, 8080, 12))
        .as("as %s was never gone", other)
        .containsOnlyKeys(container);
  }

  private static Destination of(String... targets) {
    return Destination.parse(List.of(targets));
  }

  /**
   * Fails if a removed container gets new connections, those it has are cut without --cut, or udp
   * goes on to it.
   */
  @ParameterizedTest
  @EnumSource
  void oneIsDrained(Ownership ownership) {
    start(ownership);
    publish("web", to(Balance.ROUND_ROBIN, Lab.C1, Lab.C2), "8080:80", "5353:53/udp");
    try (Held held = lab.client().traffic().hold(Lab.HOST, 8080, 8)) {
      assertThat(held.servers()).containsOnly(entry("c1", 4), entry("c2", 4));
      agent.update(UpdateRequest.of("web").with(new BackendsChange(Destination.NONE, of(Lab.C1))));
      assertThat(held.alive()).isEqualTo(8);
      assertThat(servers(Lab.HOST, 8080, 4)).containsOnly(entry("c2", 4));
      // Where one is left, it is an element like any other.
      assertThat(nft.ruleset()).doesNotContain("spread_");
      agent.update(
          UpdateRequest.of("web").with(new BackendsChange(of(Lab.C3 + "=3"), Destination.NONE)));
      assertThat(servers(Lab.HOST, 8080, 8)).containsOnly(entry("c2", 2), entry("c3", 6));
      agent.update(
          UpdateRequest.of("web").with(new BackendsChange(Destination.NONE, of(Lab.C2))).cutting());
      assertThat(held.alive()).as("those of the first live on").isEqualTo(4);
    }
  }

  /**
   * What a packet meets whose lookups a transaction comes between: a pick among more slots than
   * there are, a pick by a chain whose rules are not for it yet, a pick for what has one container
   * by now, and neither. Fails if a rule behind the first lookups is missing.
   */
  @Test
  void aPacketThatMeetsTheChangeIsServed() {
    start(Ownership.OFF);
    publish("web", to(Balance.ROUND_ROBIN, Lab.C1, Lab.C2), "8080:80");
    agent.close(); // who would mend what is broken here
    assertThat(servers(Lab.HOST, 8080, 6)).containsOnly(entry("c1", 3), entry("c2", 3));
    nft.apply("delete element inet sluice slots_any4 { tcp . 8080 . 1 }");
    assertThat(servers(Lab.HOST, 8080, 6)).containsOnly(entry("c1", 6));
    nft.apply("flush chain inet sluice " + spreadChain());
    assertThat(servers(Lab.HOST, 8080, 6)).containsOnly(entry("c1", 6));

    nft.apply(
        "delete element inet sluice slots_any4 { tcp . 8080 . 0 }\n"
            + "add element inet sluice any4 { tcp . 8080 : %s . 80 }\n".formatted(Lab.C2)
            + "delete rule inet sluice publish4 handle "
            + handleOfFirst("map @any4"));
    assertThat(servers(Lab.HOST, 8080, 6)).containsOnly(entry("c2", 6));
    assertThat(connectionsBy("steered_any4")).isEqualTo(24);

    nft.apply("delete element inet sluice steered_any4 { tcp . 8080 }");
    assertThat(servers(Lab.HOST, 8080, 6)).containsOnly(entry("c2", 6));
  }

  private String spreadChain() {
    return nft.run("list", "chains", "inet")
        .stdout()
        .lines()
        .filter(line -> line.contains("chain spread_turn_2_"))
        .map(line -> line.replaceAll(".*chain (\\w+).*", "$1"))
        .findFirst()
        .orElseThrow();
  }

  private String handleOfFirst(String endOfRule) {
    return nft.run("-a", "list", "chain", "inet", "sluice", "publish4")
        .stdout()
        .lines()
        .filter(line -> line.contains(endOfRule + " #"))
        .findFirst()
        .map(line -> line.substring(line.lastIndexOf(' ') + 1))
        .orElseThrow();
  }

  /** Counted by the only element of the map. */
  private long connectionsBy(String map) {
    String listed = nft.run("list", "map", "inet", "sluice", map).stdout();
    return Long.parseLong(listed.replaceAll("(?s).* packets (\\d+) .*", "$1"));
  }

  /** Fails if connections are refused, or go to who was removed, while the containers change. */
  @Test
  void nobodyNoticesTheChange() throws Exception {
    start(Ownership.AUTO);
    publish("web", to(Balance.RANDOM, Lab.C1, Lab.C2), "8080:80");
    Thread changes =
        new Thread(
            () -> {
              for (int i = 0; i < 50; i++) {
                agent.update(UpdateRequest.of("web").to(to(Balance.ROUND_ROBIN, Lab.C3, Lab.C2)));
                agent.update(UpdateRequest.of("web").to(to(Balance.RANDOM, Lab.C1)));
                agent.update(
                    UpdateRequest.of("web").to(to(Balance.SOURCE, Lab.C1, Lab.C2, Lab.C3)));
              }
            });
    changes.start();
    int answered = 0;
    while (changes.isAlive() || answered < 50) {
      Traffic.Answer answer = lab.client().traffic().tcp(Lab.HOST, 8080);
      assertThat(answer.server()).as("%s", answer).matches("c[123]:80");
      answered++;
    }
    changes.join();
  }

  /** Fails if the names, weights or shares of the containers are not in the table. */
  @ParameterizedTest
  @EnumSource
  void areReadBackAsTheyWere(Ownership ownership) {
    start(ownership);
    publish("a", to(Balance.SOURCE, Lab.C3, Lab.C1 + "=2", Lab.C2), "8080:80");
    publish("b", to(Balance.RANDOM, Lab.C2 + "=4", Lab.C1 + "=6"), Lab.HOST + ":8081-8084:81-84");
    publish("c", to(Balance.ROUND_ROBIN, Lab.C2_6, Lab.C1_6), "[" + Lab.HOST6 + "]:8085:80/udp");
    assertThat(servers(Lab.HOST, 8080, 3)).hasSize(1);
    List<PublishedMapping> before = agent.publisher().published();
    assertThat(before)
        .extracting(one -> one.mapping().backends().toString())
        .containsExactly(
            "172.31.0.2 and 172.30.0.2=2 and 172.30.0.3",
            "172.30.0.3=4 and 172.30.0.2=6",
            "fd30::3 and fd30::2");
    restart(ownership);
    assertThat(agent.publisher().published()).isEqualTo(before);
    agent.publisher().unpublish("a");
    agent.publisher().unpublish("b");
    agent.publisher().unpublish("c");
    assertThat(nft.ruleset())
        .doesNotContain("spread_")
        .doesNotContain("tcp . 80")
        .doesNotContain("udp . 80");
  }

  /** Fails if the number of rules grows with the mappings. */
  @Test
  void rulesDoNotGrowWithMappings() {
    start(Ownership.AUTO);
    publish("first", to(Balance.RANDOM, Lab.C1, Lab.C2), "7000:80");
    publish("second", to(Balance.SOURCE, Lab.C1, Lab.C2), "7001:80");
    long before = rules();
    for (int i = 0; i < 40; i++) {
      publish(
          "more" + i,
          to(i % 2 == 0 ? Balance.RANDOM : Balance.SOURCE, Lab.C1, Lab.C2),
          7002 + i + ":80");
    }
    assertThat(rules()).isEqualTo(before);
    agent.publisher().unpublish("first");
    assertThat(rules()).as("others pick the same way").isEqualTo(before);
  }

  /** Fails if a guard does not stand before a port with several containers. */
  @Test
  void optionsHoldForAll() {
    start(Ownership.AUTO);
    publish("web", to(Balance.ROUND_ROBIN, Lab.C1, Lab.C2), "8080:80");
    try (Held held = lab.client().traffic().hold(Lab.HOST, 8080, 4, Lab.CLIENT_2)) {
      assertThat(held.answered()).isEqualTo(4);
      agent.update(
          UpdateRequest.of("web")
              .withOptions(
                  OptionsChange.NONE
                      .withAllowedSources(List.of(Prefix.parseBlock(Lab.CLIENT + "/32")))
                      .withMaxConnections(OptionalInt.of(3))));
      assertThat(held.alive()).as("from where nobody may any more").isZero();
    }
    try (Held held = lab.client().traffic().hold(Lab.HOST, 8080, 6)) {
      assertThat(held.answered()).isEqualTo(3);
      assertThat(held.servers()).containsOnlyKeys("c1", "c2");
    }
    agent.update(UpdateRequest.of("web").to(IpAddress.parse(Lab.C3)));
    assertThat(only("web").mapping().options().maxConnections()).hasValue(3);
  }

  /** Fails if a change that leaves nobody, or means somebody else, is carried out in part. */
  @Test
  void whatCannotBeIsRefusedAndChangesNothing() {
    start(Ownership.AUTO);
    publish("web", to(Balance.ROUND_ROBIN, Lab.C1, Lab.C2), "8080:80");
    List<Object> before = state();
    refused(new BackendsChange(Destination.NONE, of(Lab.C1, Lab.C2)), "would lead nowhere");
    refused(new BackendsChange(Destination.NONE, of(Lab.C3)), "web does not lead to 172.31.0.2");
    refused(new BackendsChange(of(Lab.C1_6), Destination.NONE), "web has no IPv6 ports");
    refused(new BackendsChange(Destination.NONE, of(Lab.C1 + "=2")), "needs no weight");
    refused(new BackendsChange(of("203.0.113.9"), Destination.NONE), "no route leads to");
    assertThat(state()).isEqualTo(before);
  }

  /**
   * Fails if how connections are shared, or a weight, is forgotten while there is one container.
   */
  @Test
  void whatIsSaidOfSharingStays() {
    start(Ownership.AUTO);
    publish("web", to(Balance.SOURCE, Lab.C1 + "=3", Lab.C2), "8080:80");
    agent.update(UpdateRequest.of("web").with(new BackendsChange(Destination.NONE, of(Lab.C2))));
    restart(Ownership.AUTO);
    agent.update(UpdateRequest.of("web").with(new BackendsChange(of(Lab.C3), Destination.NONE)));
    assertThat(only("web").mapping().backends())
        .isEqualTo(to(Balance.SOURCE, Lab.C1 + "=3", Lab.C3).resolve(name -> List.of()).get(0));
    // New containers, and not a word about how they share.
    agent.update(UpdateRequest.of("web").to(of(Lab.C2, Lab.C3)));
    assertThat(only("web").mapping().backends().balance()).isEqualTo(Balance.SOURCE);
    agent.update(UpdateRequest.of("web").to(Destination.NONE.with(Optional.of(Balance.RANDOM))));
    assertThat(only("web").mapping().backends().balance()).isEqualTo(Balance.RANDOM);
  }

  /**
   * Fails if the containers are counted before those that leave are gone, or further ports go to
   * containers that have nothing to do with them.
   */
  @Test
  void allMayBeExchangedAndFurtherPortsFollow() {
    start(Ownership.AUTO);
    publish("web", to(Balance.RANDOM, Lab.C1 + "=59", Lab.C2), "8080:80");
    agent.update(UpdateRequest.of("web").with(new BackendsChange(of(Lab.C3 + "=59"), of(Lab.C1))));
    agent.update(UpdateRequest.of("web").adding(PortSpec.parse("8081:7000")));
    assertThat(agent.publisher().find("web"))
        .extracting(one -> one.mapping().backends().toString())
        .containsOnly("172.30.0.3 and 172.31.0.2=59");
    agent.publishAs("web", Lab.C1, "8082:80");
    List<Object> before = state();
    assertThatThrownBy(
            () -> agent.update(UpdateRequest.of("web").adding(PortSpec.parse("8083:80"))))
        .isInstanceOf(PublishException.class)
        .hasMessageContaining("lead to different containers");
    assertThat(state()).isEqualTo(before);
  }

  /**
   * Fails if a port to several containers, which another process has taken while no agent ran, is
   * published once more: two maps of the table would have it.
   */
  @Test
  void aPortThatIsNotHeldIsStillTaken() throws Exception {
    start(Ownership.AUTO);
    publish("web", to(Balance.RANDOM, Lab.C1, Lab.C2), "8000-8010:7000-7010");
    agent.close();
    try (NetworkNamespace host = NetworkNamespace.open(lab.host().path());
        ServerSocket thief = host.call(() -> new ServerSocket(8005))) {
      assertThat(thief.isBound()).isTrue();
      agent = LabAgent.start(lab.host(), Ownership.AUTO);
      agent.inside(() -> agent.publisher().resume());
      assertThatThrownBy(() -> agent.publish(Lab.C3, "8003:80"))
          .isInstanceOf(PublishException.class)
          .hasMessageContaining("8003/tcp is already published as web");
    }
  }

  private void refused(BackendsChange change, String why) {
    assertThatThrownBy(() -> agent.update(UpdateRequest.of("web").with(change)))
        .isInstanceOf(PublishException.class)
        .hasMessageContaining(why);
  }

  /** Fails if the drain of a port forgets one of its containers. */
  @Test
  void aDrainEndsTheConnectionsToAll() throws Exception {
    start(Ownership.AUTO);
    publish("web", to(Balance.ROUND_ROBIN, Lab.C1, Lab.C2, Lab.C3), "8080:80");
    try (Held held = lab.client().traffic().hold(Lab.HOST, 8080, 6)) {
      agent.inside(() -> agent.publisher().drain("web", DrainTime.parse("2s")));
      restart(Ownership.AUTO);
      assertThat(held.alive()).isEqualTo(6);
      assertThat(agent.publisher().draining()).hasSize(3);
      long giveUp = System.nanoTime() + 10_000_000_000L;
      while (!agent.publisher().draining().isEmpty() && System.nanoTime() < giveUp) {
        Thread.sleep(100);
      }
      assertThat(held.alive()).isZero();
    }
  }
}
