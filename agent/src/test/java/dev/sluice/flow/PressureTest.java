package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Alarm;
import dev.sluice.model.Alarm.Level;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** When a full table is an alarm, and when it is one no longer. */
class PressureTest {
  private static final Instant START = Instant.parse("2026-11-21T09:00:00Z");
  private static final long LIMIT = 1_000;

  private final Pressure pressure = new Pressure(7);
  private long millis;

  private Optional<Alarm> after(long laterMillis, long entries, long lost) {
    millis += laterMillis;
    return pressure.next(
        START.plusMillis(millis),
        TimeUnit.MILLISECONDS.toNanos(millis),
        entries,
        LIMIT,
        lost,
        "buy memory");
  }

  private Optional<Level> level(long laterMillis, long entries, long lost) {
    return after(laterMillis, entries, lost).map(Alarm::level);
  }

  /** Fails if a threshold is off by one connection. */
  @Test
  void eachThresholdIsOneAlarmAtOnce() {
    assertThat(level(250, 799, 7)).isEmpty();
    assertThat(level(250, 800, 7)).contains(Level.WARNING);
    assertThat(level(250, 949, 7)).isEmpty();
    assertThat(level(250, 950, 7)).contains(Level.CRITICAL);
    assertThat(level(250, 999, 7)).isEmpty();
    assertThat(level(250, 1_000, 7)).contains(Level.FULL);
    assertThat(level(250, 1_000, 7)).isEmpty();
    assertThat(pressure.level()).isEqualTo(Level.FULL);
  }

  /** Fails if a table that was full between two looks, and dropped something, passes for roomy. */
  @Test
  void dropsAreAFullTableWhateverTheCount() {
    assertThat(level(250, 990, 8)).contains(Level.FULL);
  }

  /** Fails if what was dropped long before the agent's start, or in an empty table, is an alarm. */
  @Test
  void dropsOfOtherTimesAndCausesAreNone() {
    assertThat(level(250, 990, 7)).contains(Level.CRITICAL);
    Pressure other = new Pressure(0);
    assertThat(other.next(START, 0, 100, LIMIT, 5, "")).isEmpty();
  }

  /** Fails if an alarm comes and goes with every connection around a threshold. */
  @Test
  void itIsOverBelowThreeQuartersForAWhile() {
    assertThat(level(250, 820, 7)).contains(Level.WARNING);
    assertThat(level(250, 760, 7)).isEmpty();
    assertThat(level(5_000, 760, 7)).isEmpty();
    assertThat(level(250, 749, 7)).isEmpty();
    assertThat(level(250, 820, 7)).isEmpty();
    assertThat(level(250, 700, 7)).isEmpty();
    assertThat(level(1_500, 700, 7)).isEmpty();
    assertThat(level(250, 700, 7)).contains(Level.CLEARED);
    assertThat(level(250, 700, 7)).isEmpty();
    assertThat(level(250, 800, 7)).contains(Level.WARNING);
  }

  /** Fails if an alarm that lasts is forgotten, or is repeated more often than once a minute. */
  @Test
  void whatLastsIsRepeatedOnceAMinute() {
    assertThat(level(250, 1_000, 9)).contains(Level.FULL);
    int repeated = 0;
    for (int i = 0; i < 4 * 60 * 3; i++) {
      // Up and down between all levels.
      repeated += after(250, 800 + i % 3 * 100, 9).isPresent() ? 1 : 0;
    }
    assertThat(repeated).isEqualTo(3);
  }

  /** Fails if a person is not told the figures, what was lost since it began, or what to do. */
  @Test
  void theTextSaysWhatIsTheCaseAndWhatToDo() {
    assertThat(after(250, 812, 7).orElseThrow().text())
        .isEqualTo(
            "the connection table is 81 % full: 812 of 1000 connections; when it is full, new"
                + " connections are dropped: buy memory; a flood from few sources is stopped by"
                + " sluice update NAME --source-rate 20/second, one with forged sources by"
                + " publishing with --syn-proxy");
    Alarm full = after(250, 1_000, 19).orElseThrow();
    assertThat(full.text())
        .startsWith(
            "the connection table is full, and new connections are dropped: 1000 of 1000"
                + " connections; 12 were dropped or given up early since that began: buy memory");
    assertThat(full.drops()).isEqualTo(12);
    assertThat(full.time()).isEqualTo(START.plusMillis(500));
    assertThat(after(250, 5, 20)).isEmpty();
    assertThat(after(2_000, 5, 20).orElseThrow().text())
        .isEqualTo(
            "the connection table has room again: 5 of 1000 connections; 13 were dropped or given"
                + " up early since that began");
  }

  /** Fails if a table without a limit can be full. */
  @Test
  void withoutALimitThereIsNoPressure() {
    assertThat(pressure.next(START, 0, 5_000_000, 0, 7, "")).isEmpty();
  }
}
