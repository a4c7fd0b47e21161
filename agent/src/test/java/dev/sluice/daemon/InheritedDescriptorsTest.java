package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The variables of sd_listen_fds(3). */
class InheritedDescriptorsTest {

  /** Fails if counting starts elsewhere than at 3, or if the last of two with one name is taken. */
  @Test
  void numbersAreCountedFromThreeInTheOrderOfTheNames() {
    assertThat(
            InheritedDescriptors.parse(
                Map.of("LISTEN_PID", "77", "LISTEN_FDS", "4", "LISTEN_FDNAMES", "api:table::table"),
                77))
        .containsOnly(entry("api", 3), entry("table", 4), entry("", 5));
  }

  /** Fails if any of the three variables is believed without a look at the others. */
  @ParameterizedTest
  @CsvSource({
    "78, 1, table", // another process, which handed its environment on
    "'', 1, table",
    "77, '', table",
    "77, 0, table",
    "77, -1, table",
    "77, x, table",
    "77, 99999999999, table",
  })
  void whatIsNotMeantForThisProcessIsLeftAlone(String pid, String count, String names) {
    assertThat(
            InheritedDescriptors.parse(
                Map.of("LISTEN_PID", pid, "LISTEN_FDS", count, "LISTEN_FDNAMES", names), 77))
        .isEmpty();
    assertThat(InheritedDescriptors.parse(Map.of(), 77)).isEmpty();
  }

  /** Fails if more descriptors are taken than were handed over, or than have names. */
  @Test
  void theShorterOfCountAndNamesCounts() {
    assertThat(
            InheritedDescriptors.parse(
                Map.of("LISTEN_PID", "77", "LISTEN_FDS", "1", "LISTEN_FDNAMES", "a:b"), 77))
        .containsOnly(entry("a", 3));
    assertThat(
            InheritedDescriptors.parse(
                Map.of("LISTEN_PID", "77", "LISTEN_FDS", "3", "LISTEN_FDNAMES", "a"), 77))
        .containsOnly(entry("a", 3));
  }
}
