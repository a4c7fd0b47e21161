package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Mapping;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.publish.PublishException.Kind;
import dev.sluice.publish.Publisher.Applied;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Traffic.Held;
import dev.sluice.testing.Traffic.Outcome;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Ports that are changed in use, and what a file of ports asks for. */
class UpdateIT extends AgentCase {
  UpdateIT() {
    super(2);
  }

  private static PortSpec[] specs(String... texts) {
    return java.util.Arrays.stream(texts).map(PortSpec::parse).toArray(PortSpec[]::new);
  }

  /** Fails if a part of an update is left out, or takes effect although another is refused. */
  @ParameterizedTest
  @EnumSource
  void portsComeAndGoAndTheNameChangesAtOnce(Ownership ownership) {
    start(ownership);
    agent.publishAs("web", Lab.C1, "8080:80", "8081:8080", "5353:53/udp");
    try (Held kept = lab.client().traffic().hold(Lab.HOST, 8081, 2);
        Held gone = lab.client().traffic().hold(Lab.HOST, 8080, 2)) {
      List<Mapping> now =
          agent.update(
              UpdateRequest.of("web")
                  .named("shop")
                  .removing(specs("80"))
                  .adding(specs("8080:8080", "7000-7003:7000-7003")));
      assertThat(now).hasSize(4);
      assertThat(publishedTexts())
          .containsExactly(
              "shop 0.0.0.0:5353->53/udp",
              "shop 0.0.0.0:7000-7003->7000-7003/tcp",
              "shop 0.0.0.0:8080->8080/tcp",
              "shop 0.0.0.0:8081->8080/tcp");
      assertThat(List.of(kept.alive(), gone.alive())).containsExactly(2, 0);
      assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:8080");
      assertThat(lab.client().traffic().tcp(Lab.HOST, 7002).server()).isEqualTo("c1:7002");
      assertThat(agent.reservations().descriptors()).isEqualTo(7);

      List<Object> before = stateWithoutCounters();
      assertRefused(
          Kind.NOT_FOUND,
          "80/tcp of shop is not published; see sluice ps",
          () ->
              agent.update(
                  UpdateRequest.of("shop").named("x").removing(specs("80")).adding(specs("9:9"))));
      assertRefused(
          Kind.CONFLICT,
          "port 8081/tcp on 0.0.0.0 is taken: published as shop (0.0.0.0:8081->8080/tcp); unpublish that first, or choose another host port",
          () ->
              agent.update(
                  UpdateRequest.of("shop")
                      .removing(specs("8080:8080"))
                      .adding(specs("9000:80", "8081:80"))
                      .to(IpAddress.parse(Lab.C2))));
      assertRefused(
          Kind.INVALID,
          "shop has no IPv6 ports that could lead to fd30::3",
          () -> agent.update(UpdateRequest.of("shop").to(IpAddress.parse(Lab.C2_6))));
      assertRefused(
          Kind.NOT_FOUND,
          "no route leads to the target 203.0.113.9: give the address of a container on a bridge of this host",
          () -> agent.update(UpdateRequest.of("shop").to(IpAddress.parse("203.0.113.9"))));
      assertThat(stateWithoutCounters()).isEqualTo(before);
      assertThat(kept.alive()).isEqualTo(2);
    }
    agent.unpublish("shop");
    assertThat(agent.reservations().descriptors()).isZero();
  }

  private List<Object> stateWithoutCounters() {
    return List.of(
        nft.ruleset().replaceAll("counter packets \\d+ bytes \\d+", "counter"),
        agent.reservations().descriptors());
  }

  private static void assertRefused(
      Kind kind, String sentence, org.assertj.core.api.ThrowableAssert.ThrowingCallable request) {
    assertThatThrownBy(request)
        .isInstanceOfSatisfying(PublishException.class, e -> assertThat(e.kind()).isEqualTo(kind))
        .hasMessage(sentence);
  }

  /** Fails if a change in place makes a new mapping of the old one, or forgets what it counted. */
  @ParameterizedTest
  @EnumSource
  void idTimeOwnerAndCounterSurviveEveryChange(Ownership ownership) {
    start(ownership);
    agent.publishAs("web", Lab.C1, "8080:80");
    agent.publishAs("range", Lab.C1, "7000-7009:7000-7009");
    for (int i = 0; i < 3; i++) {
      lab.client().traffic().tcp(Lab.HOST, 8080);
      lab.client().traffic().tcp(Lab.HOST, 7000 + i);
    }
    List<UpdateRequest> changes =
        List.of(
            UpdateRequest.of("").named("other"),
            UpdateRequest.of("").to(IpAddress.parse(Lab.C2)),
            UpdateRequest.of("")
                .withOptions(OptionsChange.NONE.withMaxConnections(OptionalInt.of(9))),
            UpdateRequest.of("")
                .withOptions(OptionsChange.NONE.withMaxConnections(OptionalInt.empty())));
    for (String name : List.of("web", "range")) {
      Mapping before = only(name).mapping();
      String id = before.id().toString();
      for (UpdateRequest change : changes) {
        agent.update(
            new UpdateRequest(
                id,
                change.name(),
                change.to(),
                change.backends(),
                change.options(),
                change.add(),
                change.remove(),
                false));
        PublishedMapping now = only(id);
        assertThat(now.mapping().id()).isEqualTo(before.id());
        assertThat(now.mapping().createdAt()).isEqualTo(before.createdAt());
        assertThat(now.mapping().owner()).isEqualTo(before.owner());
        assertThat(now.counters().connections()).as("%s", now).isEqualTo(3);
      }
      assertThat(only(id).mapping())
          .isEqualTo(before.withName(changes.get(0).name()).withTarget(IpAddress.parse(Lab.C2)));
      agent.update(UpdateRequest.of(id).named("done-" + name));
    }
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c2:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 7007).server()).isEqualTo("c2:7007");
    assertThat(only("done-web").counters().connections()).isEqualTo(4);
    agent.unpublish("done-web");
    agent.unpublish("done-range");
    assertThat(agent.reservations().descriptors()).isZero();
  }

  private Applied apply(PublishRequest... requests) {
    return agent.inside(() -> agent.publisher().apply(Owner.FILE, List.of(requests)));
  }

  private static PublishRequest file(String name, String target, String... specs) {
    return request(Owner.FILE, name, List.of(target), MappingOptions.NONE, specs);
  }

  /**
   * Fails if what is asked for already is touched, what is not asked for any more stays, a port
   * cannot change hands within one request, or somebody else's mapping is taken back.
   */
  @ParameterizedTest
  @EnumSource
  void applyMakesItSo(Ownership ownership) {
    start(ownership);
    agent.publishAs("hand", Lab.C1, "9999:80");
    Applied first =
        apply(
            file("web", Lab.C1, "8080:80", "8081:8080"),
            file("range", Lab.C1, "7000-7009:8000-8009"));
    assertThat(
            List.of(first.published().size(), first.withdrawn().size(), first.unchanged().size()))
        .containsExactly(3, 0, 0);
    List<Object> state = state();
    Applied again =
        apply(
            file("web", Lab.C1, "8080:80", "8081:8080"),
            file("range", Lab.C1, "7000-7009:8000-8009"));
    assertThat(
            List.of(again.published().size(), again.withdrawn().size(), again.unchanged().size()))
        .containsExactly(0, 0, 3);
    assertThat(state()).as("nothing to do").isEqualTo(state);

    try (Held kept = lab.client().traffic().hold(Lab.HOST, 8080, 1)) {
      // 8081 goes to another name, and 7005 out of the middle of a range to a mapping of its own.
      Applied moved =
          apply(
              file("web", Lab.C1, "8080:80"),
              file("shop", Lab.C2, "8081:80"),
              file("one", Lab.C2, "7005:80"));
      assertThat(moved.published())
          .extracting(one -> one.label() + " " + one.hostText())
          .containsExactly("shop 0.0.0.0:8081->80/tcp", "one 0.0.0.0:7005->80/tcp");
      assertThat(moved.withdrawn()).hasSize(2);
      assertThat(kept.alive()).isEqualTo(1);
    }
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8081).server()).isEqualTo("c2:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 7005).server()).isEqualTo("c2:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 7004).outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(agent.reservations().descriptors()).isEqualTo(4);

    // One port that is taken, and nothing of it happens: the range is still reserved, too.
    List<Object> before = stateWithoutCounters();
    assertRefused(
        Kind.CONFLICT,
        "port 9999/tcp on 0.0.0.0 is taken: published as hand (0.0.0.0:9999->80/tcp); unpublish that first, or choose another host port",
        () -> apply(file("wide", Lab.C1, "8080-8089:7000-7009"), file("web", Lab.C1, "9999:80")));
    assertThat(stateWithoutCounters()).isEqualTo(before);

    assertThat(apply().withdrawn()).hasSize(3);
    assertThat(publishedTexts()).containsExactly("hand 0.0.0.0:9999->80/tcp");
    assertThat(agent.reservations().descriptors()).isEqualTo(1);
  }
}
