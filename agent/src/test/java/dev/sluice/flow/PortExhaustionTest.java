package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Alarm;
import dev.sluice.model.Alarm.Level;
import java.time.Instant;
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

  /** Fails if nobody is told because nobody could count. */
  @Test
  void withoutACountItIsAnAlarmAllTheSame() {
    use = Optional.empty();
    assertThat(after(250, 3).orElseThrow().text())
        .startsWith("no source port is free; 3 new connections dropped: ");
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
