package dev.sluice.ruleset.path;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Walks are repeated with every answer to what cannot be known. */
class ChoicesTest {
  /** Fails if a combination is left out or told twice, or the usual answers do not come first. */
  @Test
  void everyCombinationIsTriedOnceTheUsualFirst() {
    List<String> walks =
        Choices.everyWalk(
            choices -> {
              boolean rate = choices.holds(true, "the rate");
              // What is asked may depend on what was answered.
              int backend = rate ? choices.choose(3, 1, "the backend") : -1;
              return rate + " " + backend;
            });
    assertThat(walks).containsExactly("true 1", "false -1", "true 0", "true 2");
  }

  /** Fails if questions without end are walked without end. */
  @Test
  void thereIsALimit() {
    List<Integer> walks =
        Choices.everyWalk(
            choices -> {
              int sum = 0;
              for (int i = 0; i < 20; i++) {
                sum += choices.choose(20, 0, "number " + i);
              }
              return sum;
            });
    assertThat(walks).hasSize(64).startsWith(0);
  }

  /** Fails if what differs from the usual is not marked. */
  @Test
  void whatIsUnusualIsTold() {
    List<List<Boolean>> usual =
        Choices.everyWalk(
            choices -> {
              choices.holds(false, "a");
              return choices.asked().stream().map(Choices.Choice::isUsual).toList();
            });
    assertThat(usual).containsExactly(List.of(true), List.of(false));
  }
}
