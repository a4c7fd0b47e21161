package dev.sluice.flow;

import dev.sluice.model.Alarm;
import dev.sluice.model.Alarm.Level;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * When the fullness of the table is an alarm. A level that was not reached before is one at once;
 * while the pressure lasts it is repeated once a minute, whatever it does meanwhile; it is over
 * when the table has had room for a while. Not thread-safe.
 */
final class Pressure {
  static final int WARNING_PERCENT = 80;
  static final int CRITICAL_PERCENT = 95;

  /** Lower than the first level, lest the alarm comes and goes. */
  static final int CALM_PERCENT = 75;

  static final long CALM_NANOS = TimeUnit.SECONDS.toNanos(2);
  static final long REPEAT_NANOS = TimeUnit.MINUTES.toNanos(1);

  private static final String FLOODS =
      "; a flood from few sources is stopped by sluice update NAME --source-rate 20/second, one with"
          + " forged sources by publishing with --syn-proxy";

  private Level level = Level.CLEARED;
  private Level highest = Level.CLEARED;
  private long lostBefore;
  private long lostAtStart;
  private long saidAtNanos;
  private long pressedAtNanos;

  /**
   * @param lost what the table had cost before the first sample, which is no news
   */
  Pressure(long lost) {
    this.lostBefore = lost;
  }

  /** The level now. */
  Level level() {
    return level;
  }

  /**
   * Takes the next sample.
   *
   * @param time for people
   * @param nanos for measuring, as from {@link System#nanoTime}
   * @param limit 0 if there is none
   * @param lost packets dropped and connections given up early, ever
   * @param advice how the table is made larger, the beginning of a sentence in the imperative
   */
  Optional<Alarm> next(
      Instant time, long nanos, long entries, long limit, long lost, String advice) {
    long lostNow = lost - lostBefore;
    boolean calm = entries * 100 < limit * CALM_PERCENT || limit == 0;
    Level reached = reached(entries, limit, calm ? 0 : lostNow);
    if (highest == Level.CLEARED) {
      lostAtStart = lostBefore;
    }
    lostBefore = lost;
    if (!calm) {
      pressedAtNanos = nanos;
    }
    if (highest == Level.CLEARED && reached == Level.CLEARED) {
      return Optional.empty();
    }
    if (calm && nanos - pressedAtNanos >= CALM_NANOS) {
      level = Level.CLEARED;
      highest = Level.CLEARED;
      return Optional.of(alarm(time, entries, limit, lost - lostAtStart, ""));
    }
    level = reached == Level.CLEARED ? Level.WARNING : reached;
    boolean worse = highest == Level.CLEARED || level.compareTo(highest) > 0;
    if (!worse && nanos - saidAtNanos < REPEAT_NANOS) {
      return Optional.empty();
    }
    highest = worse ? level : highest;
    saidAtNanos = nanos;
    return Optional.of(alarm(time, entries, limit, lost - lostAtStart, advice + FLOODS));
  }

  private static Level reached(long entries, long limit, long lostNow) {
    if (limit == 0) {
      return Level.CLEARED;
    }
    if (entries >= limit || lostNow > 0) {
      return Level.FULL;
    }
    long hundredfold = entries * 100;
    return hundredfold >= limit * CRITICAL_PERCENT
        ? Level.CRITICAL
        : hundredfold >= limit * WARNING_PERCENT ? Level.WARNING : Level.CLEARED;
  }

  private Alarm alarm(Instant time, long entries, long limit, long drops, String remedy) {
    String filled = entries + " of " + limit + " connections";
    String cost =
        drops == 0 ? "" : "; " + drops + " were dropped or given up early since that began";
    String text =
        switch (level) {
          case WARNING, CRITICAL ->
              "the connection table is "
                  + entries * 100 / limit
                  + " % full: "
                  + filled
                  + cost
                  + "; when it is full, new connections are dropped: "
                  + remedy;
          case FULL ->
              "the connection table is full, and new connections are dropped: "
                  + filled
                  + cost
                  + ": "
                  + remedy;
          case CLEARED -> "the connection table has room again: " + filled + cost;
        };
    return new Alarm(time, Alarm.Subject.CONNECTION_TABLE, level, entries, limit, drops, text);
  }
}
