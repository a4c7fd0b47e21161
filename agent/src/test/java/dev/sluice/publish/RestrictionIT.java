package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.SourceRate;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.Prefix;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Traffic.Answer;
import dev.sluice.testing.Traffic.Held;
import dev.sluice.testing.Traffic.Outcome;
import java.net.DatagramSocket;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Who may use a port, and how much: for new connections and for those there are already. */
class RestrictionIT extends AgentCase {
  /** A port as it is published, and where a client finds it. */
  private record Form(String spec, String target, String host, int port, String server) {
    boolean isIpv6() {
      return target.contains(":");
    }
  }

  private static final List<Form> FORMS =
      List.of(
          new Form("8080:80", Lab.C1, Lab.HOST, 8080, "c1:80"),
          new Form(Lab.HOST + ":8081:80", Lab.C1, Lab.HOST, 8081, "c1:80"),
          new Form("7000-7009:7000-7009", Lab.C1, Lab.HOST, 7003, "c1:7003"),
          new Form("9000-9003:7000-7003", Lab.C1, Lab.HOST, 9003, "c1:7003"),
          new Form("8080:80", Lab.C1_6, Lab.HOST6, 8080, "c1:80"),
          new Form("[" + Lab.HOST6 + "]:8081:80", Lab.C1_6, Lab.HOST6, 8081, "c1:80"),
          new Form("7000-7009:7000-7009", Lab.C1_6, Lab.HOST6, 7009, "c1:7009"));

  private static final List<Prefix> FIRST_CLIENT =
      List.of(Prefix.parseBlock(Lab.CLIENT), Prefix.parseBlock(Lab.CLIENT6));

  RestrictionIT() {
    super(2);
  }

  private static OptionsChange allow(List<Prefix> sources) {
    return OptionsChange.NONE.withAllowedSources(sources);
  }

  private static OptionsChange limit(int connections) {
    return OptionsChange.NONE.withMaxConnections(OptionalInt.of(connections));
  }

  private void restrict(String name, OptionsChange change) {
    agent.update(UpdateRequest.of(name).withOptions(change));
  }

  private List<String> servers(Netns from, String source, String source6) {
    List<Supplier<String>> attempts = new ArrayList<>();
    for (Form form : FORMS) {
      String address = form.isIpv6() ? source6 : source;
      attempts.add(
          () ->
              address.isEmpty()
                  ? from.traffic().tcp(form.host(), form.port()).server()
                  : from.traffic().tcpFrom(address, form.host(), form.port()).server());
    }
    return together(attempts);
  }

  private static List<String> everyForm() {
    return FORMS.stream().map(Form::server).toList();
  }

  private static List<String> nobody() {
    return FORMS.stream().map(form -> "").toList();
  }

  /**
   * Fails if the guard of a kind does not stand before its map, a family's blocks are lost, a range
   * with options is looked for in the map without guards, or the host itself is kept out.
   */
  @ParameterizedTest
  @EnumSource
  void onlyAllowedSourcesGetInAndTheHostAlways(Ownership ownership) {
    start(ownership);
    FORMS.forEach(form -> agent.publishAs("web", form.target(), form.spec()));
    assertThat(servers(lab.client(), Lab.CLIENT_2, CLIENT6_2))
        .as("what is not restricted arrives")
        .isEqualTo(everyForm());

    restrict("web", allow(FIRST_CLIENT));
    assertThat(servers(lab.client(), Lab.CLIENT, Lab.CLIENT6)).isEqualTo(everyForm());
    assertThat(servers(lab.client(), Lab.CLIENT_2, CLIENT6_2)).isEqualTo(nobody());
    assertThat(servers(lab.host(), "", "")).as("the host itself").isEqualTo(everyForm());
    assertThat(agent.publisher().find("web"))
        .extracting(one -> one.mapping().options().allowedSources())
        .allMatch(sources -> sources.size() == 1 && FIRST_CLIENT.contains(sources.get(0)));

    // Wider blocks that contain those before: one transaction takes out and puts in.
    restrict("web", allow(List.of(Prefix.parse("198.18.0.0/24"), Prefix.parse("2001:db8::/32"))));
    assertThat(servers(lab.client(), Lab.CLIENT_2, CLIENT6_2)).isEqualTo(everyForm());
    restrict("web", allow(FIRST_CLIENT));
    assertThat(servers(lab.client(), Lab.CLIENT_2, CLIENT6_2)).isEqualTo(nobody());
    restrict("web", allow(List.of()));
    assertThat(servers(lab.client(), Lab.CLIENT_2, CLIENT6_2)).isEqualTo(everyForm());
    agent.unpublish("web");
    assertThat(agent.reservations().descriptors()).isZero();
    assertThat(elements()).isZero();
  }

  /** Elements of all sets of options. */
  private long elements() {
    return nft.json("list", "table", "inet", "sluice").stream()
        .filter(object -> object.has("set") || object.has("map"))
        .map(object -> object.has("set") ? object.get("set") : object.get("map"))
        .filter(
            set ->
                set.get("name").asString().matches("(guarded|restricted|allow|limited|rated)_.*"))
        .filter(set -> set.has("elem"))
        .count();
  }

  /** Fails if a source that is forbidden now keeps its connection, or an allowed one loses it. */
  @ParameterizedTest
  @EnumSource
  void whatIsForbiddenNowIsCut(Ownership ownership) {
    start(ownership);
    agent.publishAs("web", Lab.C1, "8080:80", Lab.HOST + ":8081:80", "7000-7009:7000-7009");
    agent.publishAs("web", Lab.C1, "5353:53/udp");
    agent.publishAs("web", Lab.C1_6, "8080:80");
    DatagramSocket allowed = udpSocket(lab.client(), Lab.CLIENT, 0);
    DatagramSocket forbidden = udpSocket(lab.client(), Lab.CLIENT_2, 0);
    try (Held any = hold(8080, Lab.CLIENT);
        Held exact = hold(8081, Lab.CLIENT);
        Held range = hold(7004, Lab.CLIENT);
        Held six = lab.client().traffic().hold(Lab.HOST6, 8080, 1, Lab.CLIENT6);
        Held anyCut = hold(8080, Lab.CLIENT_2);
        Held exactCut = hold(8081, Lab.CLIENT_2);
        Held rangeCut = hold(7004, Lab.CLIENT_2);
        Held sixCut = lab.client().traffic().hold(Lab.HOST6, 8080, 1, CLIENT6_2);
        Held local = lab.host().traffic().hold(Lab.HOST, 8080, 1)) {
      assertThat(ask(allowed, Lab.HOST, 5353)).isEqualTo("c1:53");
      assertThat(ask(forbidden, Lab.HOST, 5353)).isEqualTo("c1:53");
      assertThat(alive(anyCut, exactCut, rangeCut, sixCut)).containsOnly(1);

      restrict("web", allow(FIRST_CLIENT));
      assertThat(alive(any, exact, range, six, local)).containsOnly(1);
      assertThat(alive(anyCut, exactCut, rangeCut, sixCut)).containsOnly(0);
      assertThat(ask(allowed, Lab.HOST, 5353)).isEqualTo("c1:53");
      assertThat(ask(forbidden, Lab.HOST, 5353)).isEmpty();

      restrict("web", allow(List.of()));
      assertThat(ask(forbidden, Lab.HOST, 5353)).isEqualTo("c1:53");
      assertThat(alive(any, exact, range, six, local)).containsOnly(1);
    }
  }

  private Held hold(int port, String source) {
    return lab.client().traffic().hold(Lab.HOST, port, 1, source);
  }

  private static List<Integer> alive(Held... held) {
    List<Supplier<Integer>> pings = new ArrayList<>();
    for (Held one : held) {
      pings.add(one::alive);
    }
    return together(pings);
  }

  /**
   * Fails if one connection more gets in, one that was closed counts on, or the host is counted.
   */
  @ParameterizedTest
  @EnumSource
  void noMoreConnectionsThanTheLimit(Ownership ownership) {
    start(ownership);
    agent.publish(
        request(
            "web",
            List.of(Lab.C1, Lab.C1_6),
            MappingOptions.NONE.withMaxConnections(OptionalInt.of(2)),
            "8080:80"));
    agent.publish(
        request(
            "exact",
            List.of(Lab.C1),
            MappingOptions.NONE.withMaxConnections(OptionalInt.of(1)),
            Lab.HOST + ":8080:80"));
    for (String host : List.of(Lab.HOST_2, Lab.HOST6)) {
      try (Held first = lab.client().traffic().hold(host, 8080, 1)) {
        try (Held second = lab.client().traffic().hold(host, 8080, 2);
            Held local = lab.host().traffic().hold(host, 8080, 2)) {
          assertThat(List.of(first.answered(), second.answered(), local.answered()))
              .as(host)
              .containsExactly(1, 1, 2);
        }
        assertThat(getsIn(host)).as("after one was closed").isTrue();
      }
    }
    try (Held other = lab.client().traffic().hold(Lab.HOST, 8080, 2)) {
      assertThat(other.answered()).as("a limit of its own").isEqualTo(1);
    }
  }

  /** Whether one more gets in within seconds: the end of another takes a few packets. */
  private boolean getsIn(String host) {
    for (int attempt = 0; attempt < 10; attempt++) {
      try (Held one = lab.client().traffic().hold(host, 8080, 1)) {
        if (one.answered() == 1) {
          return true;
        }
      }
    }
    return false;
  }

  /**
   * Fails if others than the youngest are cut, or the host's own; or if the elements of a limit are
   * written anew by a change that does not concern it: the kernel would begin to count at zero.
   */
  @ParameterizedTest
  @EnumSource
  void aLowerLimitCutsTheYoungestAndKeepsCounting(Ownership ownership) {
    start(ownership);
    agent.publishAs("web", Lab.C1, "8080:80");
    try (Held older = lab.client().traffic().hold(Lab.HOST, 8080, 2);
        Held younger = lab.client().traffic().hold(Lab.HOST, 8080, 3);
        Held local = lab.host().traffic().hold(Lab.HOST, 8080, 3)) {
      assertThat(alive(older, younger, local)).containsExactly(2, 3, 3);
      restrict("web", limit(2));
      assertThat(alive(older, younger, local)).containsExactly(2, 0, 3);
    }
    try (Held two = lab.client().traffic().hold(Lab.HOST, 8080, 2)) {
      assertThat(two.answered()).isEqualTo(2);
      agent.update(
          UpdateRequest.of("web").named("shop").to(dev.sluice.net.IpAddress.parse(Lab.C2)));
      assertThat(lab.client().traffic().hold(Lab.HOST, 8080, 1).answered()).isZero();
      restrict("shop", allow(FIRST_CLIENT.subList(0, 1)));
      assertThat(lab.client().traffic().hold(Lab.HOST, 8080, 1).answered()).isZero();
      assertThat(two.alive()).isEqualTo(2);
      restrict("shop", OptionsChange.NONE.withMaxConnections(OptionalInt.empty()));
      assertThat(lab.client().traffic().hold(Lab.HOST, 8080, 1).servers()).containsEntry("c2", 1);
    }
  }

  /**
   * Fails if a source may connect more often, one source uses up what another may, or a rate does
   * not recover.
   */
  @ParameterizedTest
  @EnumSource
  void aSourceConnectsAsOftenAsItsRateAllows(Ownership ownership) throws InterruptedException {
    start(ownership);
    agent.publish(
        request("web", List.of(Lab.C1, Lab.C1_6), rate("30/minute"), "8080:80", "8081:80"));
    List<Held> burst =
        together(
            List.of(
                () -> lab.client().traffic().hold(Lab.HOST, 8080, 31, Lab.CLIENT),
                () -> lab.client().traffic().hold(Lab.HOST6, 8080, 31, Lab.CLIENT6)));
    assertThat(burst).extracting(Held::answered).containsExactly(30, 30);
    assertThat(hold(8080, Lab.CLIENT_2).answered()).as("another source").isEqualTo(1);
    assertThat(hold(8081, Lab.CLIENT).answered()).as("another port").isEqualTo(1);
    Answer local = lab.host().traffic().tcp(Lab.HOST, 8080);
    assertThat(local.server()).isEqualTo("c1:80");
    Thread.sleep(2_100); // 30 a minute is one every two seconds
    assertThat(lab.client().traffic().hold(Lab.HOST, 8080, 2, Lab.CLIENT).answered()).isEqualTo(1);
    burst.forEach(Held::close);
  }

  private static MappingOptions rate(String text) {
    return MappingOptions.NONE.withSourceRate(Optional.of(SourceRate.parse(text)));
  }

  /** Fails if a rate leaves its chain behind, or one that others have takes it along. */
  @ParameterizedTest
  @EnumSource
  void theChainOfARateLivesAsLongAsTheRate(Ownership ownership) {
    start(ownership);
    assertThat(rateChains()).isEmpty();
    agent.publish(
        request("a", List.of(Lab.C1), rate("20/second"), "8080:80", "9000-9003:7000-7003"));
    agent.publish(request("b", List.of(Lab.C1), rate("20/second"), "8082:80"));
    agent.publish(request("c", List.of(Lab.C1, Lab.C1_6), rate("100/minute"), "8083:80"));
    agent.publish(request("d", List.of(Lab.C1), rate("20/second"), Lab.HOST + ":8080:80"));
    assertThat(rateChains())
        .containsExactlyInAnyOrder(
            "rate_any4_20_second",
            "rate_any4_100_minute",
            "rate_any6_100_minute",
            "rate_exact4_20_second");
    restart(ownership);
    assertThat(agent.publisher().find("a"))
        .extracting(one -> one.mapping().options())
        .containsOnly(rate("20/second"));
    agent.unpublish("a");
    assertThat(rateChains()).hasSize(4);
    restrict("b", OptionsChange.NONE.withSourceRate(Optional.of(SourceRate.parse("5/hour"))));
    assertThat(rateChains()).contains("rate_any4_5_hour").doesNotContain("rate_any4_20_second");
    restrict("b", OptionsChange.NONE.withSourceRate(Optional.empty()));
    agent.unpublish("c");
    agent.unpublish("d");
    assertThat(rateChains()).isEmpty();
    assertThat(agent.unpublish("b")).hasSize(1);
  }

  private List<String> rateChains() {
    return nft.json("list", "table", "inet", "sluice").stream()
        .filter(object -> object.has("chain"))
        .map(object -> object.get("chain").get("name").asString())
        .filter(name -> name.startsWith("rate_"))
        .toList();
  }

  /** Fails if a restriction is a rule per mapping. */
  @Test
  void twoHundredRestrictedMappingsHaveTheRulesOfOne() {
    start(Ownership.AUTO);
    MappingOptions options =
        new MappingOptions(
            FIRST_CLIENT.subList(0, 1),
            OptionalInt.of(100),
            Optional.of(SourceRate.parse("20/second")));
    agent.publish(request("one", List.of(Lab.C1), options, "8080:80"));
    long rulesOfOne = rules();
    agent.publish(
        request(
            "many",
            List.of(Lab.C1),
            options,
            IntStream.range(0, 199)
                .mapToObj(i -> (10_000 + i) + ":" + (i % 2 == 0 ? 80 : 8080))
                .toArray(String[]::new)));
    assertThat(agent.publisher().published())
        .hasSize(200)
        .extracting(PublishedMapping::mapping)
        .allMatch(mapping -> mapping.options().equals(options));
    assertThat(rules()).isEqualTo(rulesOfOne).isGreaterThan(20);
    assertThat(lab.client().traffic().tcpFrom(Lab.CLIENT, Lab.HOST, 10_198).server())
        .isEqualTo("c1:80");
    assertThat(lab.client().traffic().tcpFrom(Lab.CLIENT_2, Lab.HOST, 10_198).outcome())
        .isEqualTo(Outcome.TIMEOUT);
  }

  private long rules() {
    return nft.json("list", "table", "inet", "sluice").stream()
        .filter(object -> object.has("rule"))
        .count();
  }
}
