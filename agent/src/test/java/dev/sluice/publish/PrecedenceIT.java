package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Precedence;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Traffic.Outcome;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** One address before every address before a range, in whatever order they come and go. */
class PrecedenceIT extends AgentCase {
  PrecedenceIT() {
    super(3);
  }

  private void publish(Precedence which) {
    switch (which) {
      case EXACT -> {
        agent.publishAs("EXACT", Lab.C1, Lab.HOST + ":7005:80");
        agent.publishAs("EXACT", Lab.C1_6, "[" + Lab.HOST6 + "]:7005:80");
      }
      case ANY -> {
        agent.publishAs("ANY", Lab.C2, "7005:80");
        agent.publishAs("ANY", Lab.C2_6, "7005:80");
      }
      case RANGE -> {
        agent.publishAs("RANGE", Lab.C3, "7000-7009:7000-7009");
        agent.publishAs("RANGE", Lab.C3_6, "7000-7009:7000-7009");
      }
    }
  }

  /** Who answers on an address of the host while these are published; empty: nobody. */
  private static String winner(Set<Precedence> published, boolean exactAddress) {
    if (exactAddress && published.contains(Precedence.EXACT)) {
      return "c1:80";
    }
    if (published.contains(Precedence.ANY)) {
      return "c2:80";
    }
    return published.contains(Precedence.RANGE) ? "c3:7005" : "";
  }

  private void check(Set<Precedence> published) {
    for (String host : List.of(Lab.HOST, Lab.HOST_2, Lab.HOST6, Lab.HOST6_2)) {
      boolean exact = host.equals(Lab.HOST) || host.equals(Lab.HOST6);
      assertThat(lab.client().traffic().tcp(host, 7005).server())
          .as("%s with %s", host, published)
          .isEqualTo(winner(published, exact));
    }
    assertThat(lab.client().traffic().tcp(Lab.HOST, 7006).server())
        .isEqualTo(published.contains(Precedence.RANGE) ? "c3:7006" : "");
  }

  /**
   * Fails if the maps are looked up in another order, a mapping shuts another precedence out, or a
   * socket stays open that holds for what is gone.
   */
  @ParameterizedTest
  @CsvSource({
    "EXACT ANY RANGE, RANGE ANY EXACT, AUTO",
    "EXACT RANGE ANY, ANY EXACT RANGE, OFF",
    "ANY EXACT RANGE, EXACT ANY RANGE, AUTO",
    "ANY RANGE EXACT, EXACT RANGE ANY, OFF",
    "RANGE EXACT ANY, RANGE EXACT ANY, OFF",
    "RANGE ANY EXACT, ANY RANGE EXACT, AUTO",
  })
  void exactBeatsAnyBeatsRange(String come, String go, Ownership ownership) {
    start(ownership);
    Set<Precedence> published = EnumSet.noneOf(Precedence.class);
    for (String one : come.split(" ", -1)) {
      publish(Precedence.valueOf(one));
      published.add(Precedence.valueOf(one));
      check(published);
    }
    restart(ownership);
    assertThat(agent.reservations().descriptors()).as("one socket a port and family").isEqualTo(20);
    for (String one : go.split(" ", -1)) {
      agent.unpublish(one);
      published.remove(Precedence.valueOf(one));
      check(published);
    }
    assertThat(agent.reservations().descriptors()).isZero();
    assertThat(lab.client().traffic().tcp(Lab.HOST, 7005).outcome()).isEqualTo(Outcome.REFUSED);
  }
}
