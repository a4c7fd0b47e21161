package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Alarm;
import dev.sluice.model.Alarm.Level;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** When missing source ports are an alarm, and when they are one no longer. */
class PortExhaustionTest {
  private static final Instant START = Instant.parse("2026-11-21T09:00:00Z");

  private Optional<PortUse> use = Optional.of(used(64_500));
  private int looks;
  private final PortExhaustion ports =
      new PortExhaustion(
          () -> {
            looks++;
            return use;
          });
  private long millis;

  private static PortUse used(int count) {
    return new PortUse("198.18.0.1 to 198.18.0.2:53/udp", count, 64_512, true);
  }

  private Optional<Alarm> after(long laterMillis, long missed) {
    millis += laterMillis;
    return ports.next(START.plusMillis(millis), TimeUnit.MILLISECONDS.toNanos(millis), missed);
  }

  private Optional<Level> level(long laterMillis, long missed) {
    return after(laterMillis, missed).map(Alarm::level);
  }

  /** Fails if packets that were dropped for another reason count, or one that was not does not. */
  @Test
  void onlyWhatManySearchesWereMadeForIsCounted() {
    assertThat(PortExhaustion.missed(7, 7, 7 * 248)).isEqualTo(7);
    assertThat(PortExhaustion.missed(7, 7, 127)).isZero();
    assertThat(PortExhaustion.missed(7, 2, 7 * 248)).isEqualTo(2);
    assertThat(PortExhaustion.missed(0, 7, 7 * 248)).isZero();
  }

  /** Fails if an alarm waits, comes twice, or does not say where. */
  @Test
  void theFirstMissedPortIsAnAlarmAtOnce() {
    assertThat(after(250, 0)).isEmpty();
    Alarm alarm = after(250, 3).orElseThrow();
    assertThat(alarm.subject()).isEqualTo(Alarm.Subject.SOURCE_PORTS);
    assertThat(alarm.text())
        .startsWith(
            "no source port is free from 198.18.0.1 to 198.18.0.2:53/udp, 64500 of 64512 in use;"
                + " 3 new connections dropped: ");
    assertThat(alarm.entries()).isEqualTo(64_500);
    assertThat(alarm.drops()).isEqualTo(3);
    assertThat(after(250, 5)).isEmpty();
    assertThat(ports.level()).isEqualTo(Level.FULL);
    assertThat(ports.dropped()).as("those since then too").isEqualTo(8);
  }

  /** Fails if connections that got into each other's way otherwise are an alarm. */
  @Test
  void whereFewPortsAreInUseItIsNone() {
    use = Optional.of(used(16_000));
    assertThat(after(250, 3)).isEmpty();
    use = Optional.of(used(17_000));
    assertThat(after(250, 4)).as("the last look was just now").isEmpty();
    assertThat(after(250, 5).orElseThrow().drops()).isEqualTo(9);
    assertThat(looks).isEqualTo(2);
  }

  /**
   * Fails if it is said that no port is free where many are, or what was dropped there is counted
   * as for want of one.
   */
  @Test
  void whereManyPortsAreFreeItIsAWarning() {
    use = Optional.of(used(19_353));
    Alarm alarm = after(250, 1).orElseThrow();
    assertThat(alarm.level()).isEqualTo(Level.WARNING);
    assertThat(alarm.text())
        .startsWith(
            "1 new connections could not be entered and were dropped; source ports from 198.18.0.1"
                + " to 198.18.0.2:53/udp: 19353 of 64512 in use; if it goes on: let some networks");
    assertThat(ports.level()).isEqualTo(Level.WARNING);
    assertThat(ports.dropped()).isZero();
    assertThat(after(500, 2)).as("it was said just now").isEmpty();
    Alarm over = after(2_000, 0).orElseThrow();
    assertThat(over.level()).isEqualTo(Level.CLEARED);
    assertThat(over.text()).startsWith("new connections are entered again; ").contains("; 3 conn");
    assertThat(ports.dropped()).isZero();
  }

  /** Fails if a warning hides that the ports run out, or what was dropped until then is lost. */
  @Test
  void aWarningBecomesAnAlarmWhenThePortsRunOut() {
    use = Optional.of(used(64_512 * 89 / 100));
    assertThat(level(250, 3)).contains(Level.WARNING);
    use = Optional.of(used(64_512 * 90 / 100 + 1));
    assertThat(level(500, 4)).contains(Level.FULL);
    assertThat(ports.dropped()).isEqualTo(7);
  }

  /** Fails if what had another reason counts as dropped for want of a port. */
  @Test
  void whatLookingAcquitsIsNotCounted() {
    use = Optional.of(used(16_000));
    assertThat(after(250, 3)).isEmpty();
    assertThat(ports.dropped()).isZero();
    use = Optional.of(used(64_500));
    assertThat(level(500, 2)).contains(Level.FULL);
    assertThat(ports.dropped()).isEqualTo(2);
  }

  /**
   * Fails if clashes that go on and mean nothing have all connections looked at again and again, or
   * no longer at all; or if one after a long calm is not looked into at once.
   */
  @Test
  void whatShowsNothingIsLookedAtLessAndLessOften() {
    use = Optional.of(used(16_000));
    List<Long> looked = new ArrayList<>();
    for (int i = 0; i < 4 * 200; i++) {
      int before = looks;
      assertThat(after(250, 1)).isEmpty();
      if (looks > before) {
        looked.add(millis - 250);
      }
    }
    assertThat(looked)
        .containsExactly(
            0L, 500L, 1_500L, 3_500L, 7_500L, 15_500L, 31_500L, 63_500L, 123_500L, 183_500L);
    after(60_000, 1);
    assertThat(looks).isEqualTo(11);
    after(500, 1);
    assertThat(looks).isEqualTo(12);
  }

  /** Fails if what showed nothing before keeps an alarm from being followed closely. */
  @Test
  void ofWhatIsAnAlarmTheEndIsLookedForOftenAgain() {
    use = Optional.of(used(16_000));
    after(250, 1);
    after(500, 1);
    after(1_000, 1);
    use = Optional.of(used(64_500));
    assertThat(level(2_000, 1)).contains(Level.FULL);
    use = Optional.of(used(16_000));
    assertThat(level(2_000, 0)).contains(Level.CLEARED);
    use = Optional.of(used(64_500));
    assertThat(level(500, 1)).contains(Level.FULL);
  }

  /** Fails if nobody is told because nobody could count, or more than is known. */
  @Test
  void withoutACountItIsAWarning() {
    use = Optional.empty();
    Alarm alarm = after(250, 3).orElseThrow();
    assertThat(alarm.level()).isEqualTo(Level.WARNING);
    assertThat(alarm.text())
        .startsWith(
            "3 new connections could not be entered and were dropped; source ports in use could not"
                + " be counted; ");
    assertThat(ports.dropped()).isZero();
    assertThat(level(2_000, 0)).contains(Level.CLEARED);
  }

  /** Fails if it is over while no port is free, or with the first packet that found one. */
  @Test
  void itIsOverWhenPortsAreFreeForAWhile() {
    assertThat(level(250, 3)).contains(Level.FULL);
    use = Optional.of(used(64_512 * 94 / 100));
    assertThat(after(1_900, 0)).isEmpty();
    assertThat(after(50, 1)).isEmpty();
    assertThat(after(1_999, 0)).isEmpty();
    use = Optional.of(used(64_512 * 95 / 100 + 1));
    assertThat(after(1, 0)).as("in use, though nobody asks").isEmpty();
    use = Optional.of(used(64_512 * 94 / 100));
    Alarm over = after(500, 0).orElseThrow();
    assertThat(over.level()).isEqualTo(Level.CLEARED);
    assertThat(over.text()).endsWith("; 4 connections were dropped");
    assertThat(after(60_000, 0)).isEmpty();
    assertThat(after(250, 2).orElseThrow().drops()).as("since that began").isEqualTo(2);
  }

  /** Fails if an alarm that lasts is forgotten, or is repeated more often than once a minute. */
  @Test
  void whatLastsIsRepeatedOnceAMinute() {
    assertThat(level(250, 3)).contains(Level.FULL);
    assertThat(level(59_999, 3)).isEmpty();
    assertThat(level(1, 3)).contains(Level.FULL);
    assertThat(level(250, 3)).isEmpty();
  }
}
