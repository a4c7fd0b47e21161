package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Draining;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingOptions;
import dev.sluice.net.Prefix;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Traffic.Held;
import dev.sluice.testing.Traffic.Outcome;
import java.net.DatagramSocket;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Ports taken back while their connections live on. */
class DrainIT extends AgentCase {
  private static final MappingOptions LIMITED =
      new MappingOptions(
          List.of(Prefix.parse("198.18.0.0/24")), OptionalInt.of(50), Optional.empty());

  DrainIT() {
    super(2);
  }

  /** Fails if draining cuts a connection, admits a new one, or leaves a udp flow alone. */
  @ParameterizedTest
  @EnumSource
  void connectionsLiveOnAndNothingNewGetsIn(Ownership ownership) {
    start(ownership);
    agent.publish(
        request("web", List.of(Lab.C1, Lab.C1_6), MappingOptions.NONE, "8080:80", "5353:53/udp"));
    DatagramSocket udp = udpSocket(lab.client(), Lab.CLIENT, 0);
    try (Held four = lab.client().traffic().hold(Lab.HOST, 8080, 3);
        Held six = lab.client().traffic().hold(Lab.HOST6, 8080, 2)) {
      assertThat(ask(udp, Lab.HOST, 5353)).isEqualTo("c1:53");
      assertThat(agent.drain("web", "forever")).hasSize(4);
      assertThat(agent.publisher().published()).isEmpty();
      assertThat(agent.publisher().draining()).as("no end to wait for").isEmpty();
      assertThat(agent.reservations().descriptors()).isZero();
      assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).outcome()).isEqualTo(Outcome.REFUSED);
      assertThat(lab.client().traffic().tcp(Lab.HOST6, 8080).outcome()).isEqualTo(Outcome.REFUSED);
      assertThat(ask(udp, Lab.HOST, 5353)).isEmpty();
      assertThat(List.of(four.alive(), six.alive())).containsExactly(3, 2);
    }
  }

  /**
   * Fails if connections outlive the time, end before it, or those of a port that was published
   * again meanwhile end with them.
   */
  @ParameterizedTest
  @EnumSource
  void theEndOfTheTimeCutsWhatIsLeftAndNothingNewer(Ownership ownership) {
    start(ownership);
    agent.publish(request("web", List.of(Lab.C1), LIMITED, "8080:80", "7000-7009:7000-7009"));
    try (Held old = lab.client().traffic().hold(Lab.HOST, 8080, 2);
        Held range = lab.client().traffic().hold(Lab.HOST, 7005, 1)) {
      List<Mapping> drained = agent.drain("web", "1500ms");
      assertThat(agent.publisher().draining())
          .extracting(one -> one.mapping().id())
          .containsExactlyInAnyOrderElementsOf(drained.stream().map(Mapping::id).toList());
      // With an option: what is cut is not picked up in its middle by the mapping that came after.
      agent.publish(request("web", List.of(Lab.C1), LIMITED, "8080:80"));
      try (Held young = lab.client().traffic().hold(Lab.HOST, 8080, 2)) {
        assertThat(List.of(old.alive(), range.alive(), young.alive())).containsExactly(2, 1, 2);
        awaitDrained();
        assertThat(List.of(old.alive(), range.alive(), young.alive())).containsExactly(0, 0, 2);
      }
    }
  }

  /** Fails if a restart forgets what drains, or the new agent begins the time anew. */
  @ParameterizedTest
  @EnumSource
  void aRestartKeepsTheTime(Ownership ownership) {
    start(ownership);
    String name = "n" + "x".repeat(63);
    agent.publishAs(name, Lab.C1, "8080:80");
    agent.publishAs(name, Lab.C1_6, "[" + Lab.HOST6 + "]:8080:80");
    try (Held four = lab.client().traffic().hold(Lab.HOST, 8080, 2);
        Held six = lab.client().traffic().hold(Lab.HOST6, 8080, 2)) {
      Instant before = Instant.now();
      agent.drain(name, "2s");
      List<Draining> noted = agent.publisher().draining();
      restart(ownership);
      assertThat(agent.publisher().draining())
          .isEqualTo(noted)
          .hasSize(2)
          .allMatch(one -> one.mapping().name().orElseThrow().text().equals(name));
      assertThat(List.of(four.alive(), six.alive())).containsExactly(2, 2);
      awaitDrained();
      assertThat(Duration.between(before, Instant.now()))
          .isBetween(ofMillis(2_000), ofMillis(4_500));
      assertThat(List.of(four.alive(), six.alive())).containsExactly(0, 0);
    }
  }

  private static Duration ofMillis(long millis) {
    return Duration.ofMillis(millis);
  }

  /** The notes go when the connections have been cut. */
  private void awaitDrained() {
    Instant deadline = Instant.now().plusSeconds(6);
    while (!agent.publisher().draining().isEmpty()) {
      assertThat(Instant.now()).as("still draining").isBefore(deadline);
      try {
        Thread.sleep(20);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
