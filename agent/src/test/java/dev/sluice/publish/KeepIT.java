package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.InterfaceName;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Network;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishRequest;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Traffic.Outcome;
import java.net.ServerSocket;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Ports that a container runtime keeps by a name of its own, beside those of others. */
class KeepIT extends AgentCase {
  private static final MappingName POD = new MappingName("pod");

  KeepIT() {
    super(2);
  }

  private static PublishRequest pod(Owner owner, String target, String... specs) {
    return request(owner, "pod", List.of(target), MappingOptions.NONE, specs);
  }

  private List<Mapping> keep(Owner owner, PublishRequest... requests) {
    return agent.inside(() -> agent.publisher().keep(owner, POD, List.of(requests)));
  }

  private List<Mapping> withdraw(Owner owner) {
    return agent.inside(() -> agent.publisher().withdraw(owner, POD));
  }

  private static List<MappingId> ids(List<Mapping> mappings) {
    return mappings.stream().map(Mapping::id).toList();
  }

  /**
   * Fails if the index of names is not made anew after a restart, if a mapping that is asked for
   * again is made anew or forgets what it counted, or if the mappings of another owner with the
   * same name are taken for these.
   */
  @ParameterizedTest
  @EnumSource
  void whatARuntimeKeepsIsJustWhatItAsksFor(Ownership ownership) {
    start(ownership);
    agent.publishAs("pod", Lab.C2, "9000:80");
    List<Mapping> first = keep(Owner.CNI, pod(Owner.CNI, Lab.C1, "8080:80", "8081:8080"));
    lab.client().traffic().tcp(Lab.HOST, 8080);
    String before = nft.ruleset();
    assertThat(ids(keep(Owner.CNI, pod(Owner.CNI, Lab.C1, "8080:80", "8081:8080"))))
        .isEqualTo(ids(first));
    assertThat(nft.ruleset()).as("asked for again").isEqualTo(before);

    restart(ownership);
    List<Mapping> now = keep(Owner.CNI, pod(Owner.CNI, Lab.C1, "8080:80", "8082:8080"));
    assertThat(now).extracting(Mapping::id).contains(first.get(0).id());
    assertThat(publishedTexts())
        .containsExactly(
            "pod 0.0.0.0:8080->80/tcp", "pod 0.0.0.0:8082->8080/tcp", "pod 0.0.0.0:9000->80/tcp");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8082).server()).isEqualTo("c1:8080");

    // The other owner's is a change of its options, which must keep what was counted.
    keep(
        Owner.CNI,
        request(
            Owner.CNI,
            "pod",
            List.of(Lab.C1),
            MappingOptions.NONE.withMaxConnections(OptionalInt.of(9)),
            "8080:80"));
    assertThat(agent.publisher().find(first.get(0).id().toString()))
        .singleElement()
        .satisfies(one -> assertThat(one.counters().connections()).isEqualTo(1));

    assertThat(withdraw(Owner.DOCKER_DRIVER)).isEmpty();
    assertThat(agent.publisher().namesOf(Owner.CNI)).containsExactly(POD);
    assertThat(ids(withdraw(Owner.CNI))).containsExactly(first.get(0).id());
    assertThat(agent.publisher().namesOf(Owner.CNI)).isEmpty();
    assertThat(publishedTexts()).containsExactly("pod 0.0.0.0:9000->80/tcp");
    assertThat(agent.reservations().descriptors()).isOne();
  }

  /**
   * Fails if a port is bound, or refused, whose owner holds it itself; or if a restart complains of
   * the process that has it.
   */
  @ParameterizedTest
  @EnumSource
  void whoHoldsItsPortsItselfIsNotRefusedThem(Ownership ownership) throws Exception {
    start(ownership);
    try (ServerSocket engine = agent.inside(() -> new ServerSocket(8080))) {
      assertThat(engine.isBound()).isTrue();
      assertThatThrownBy(() -> keep(Owner.CNI, pod(Owner.CNI, Lab.C1, "8080:80")))
          .isInstanceOf(PublishException.class)
          .hasMessageContaining("8080/tcp");
      keep(Owner.DOCKER, pod(Owner.DOCKER, Lab.C1, "8080:80"));
      assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
      assertThat(agent.reservations().descriptors()).isZero();

      restart(ownership);
      assertThat(agent.inside(() -> agent.publisher().mend())).isEmpty();
      keep(Owner.DOCKER, pod(Owner.DOCKER, Lab.C2, "8080:80"));
      assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c2:80");
      assertThat(agent.reservations().descriptors()).isZero();
      withdraw(Owner.DOCKER);
    }
    assertThat(publishedTexts()).isEmpty();
  }

  /**
   * Fails if the first published port of a container runtime takes its network over: neighbours
   * that reach the containers by a route would be cut off, and what the containers send would get
   * the host's address. Or if the network stays as it was when its operator gives it to us.
   */
  @ParameterizedTest
  @EnumSource
  void theNetworkOfARuntimeStaysItsOwn(Ownership ownership) {
    start(ownership);
    lab.client().ip("route replace 172.30.0.0/24 via " + Lab.HOST);
    keep(Owner.CNI, pod(Owner.CNI, Lab.C1, "8080:80"));
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
    assertThat(lab.client().traffic().tcp(Lab.C1, 8080).server()).isEqualTo("c1:8080");
    assertThat(nft.ruleset()).doesNotContain("172.30.0.0/24 : goto masq");

    agent.inside(
        () -> {
          Network network = agent.networks().onInterface(new InterfaceName("br0"));
          agent.publisher().attach(network);
          return network;
        });
    assertThat(lab.client().traffic().tcp(Lab.C1, 8080).outcome()).isEqualTo(Outcome.TIMEOUT);
    assertThat(nft.ruleset()).contains("172.30.0.0/24 : goto masq");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
  }
}
