package dev.sluice.flow;

import dev.sluice.model.Alarm;
import dev.sluice.model.Alarm.Level;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * When it is an alarm that connections find no source port: where many leave with one address for
 * the same end, the kernel drops the first packet of the next without a word. It is one at once,
 * and once a minute while that goes on; it is over when ports are free again and none was missed
 * for a while.
 *
 * <p>The counters alone only raise a suspicion: two connections that get into each other's way look
 * the same. Looking at all connections shows whether ports were the reason. As that takes long
 * where there are many, it is done less and less often while it shows nothing. Not thread-safe.
 */
final class PortExhaustion {
  /**
   * Ports that the kernel tries, at most, before it gives up, in runs of 128, 64, 32, 16 and 8
   * (NF_NAT_MAX_ATTEMPTS in net/netfilter/nf_nat_core.c); older kernels try all. Each is counted as
   * found in use, so that a packet that was dropped for want of a port shows in that.
   */
  static final int SEARCHES = 128;

  /**
   * If fewer are in use it was something else: with a quarter in use, however they lie, a search in
   * five runs that begin anywhere fails once in a thousand times.
   */
  static final int SUSPICIOUS_PERCENT = 25;

  /**
   * If so many are in use, ports have run out. With fewer it may be so, if those in use lie close
   * together, or something else.
   */
  static final int FULL_PERCENT = 90;

  /** If fewer are in use, the search finds one: it fails once in 300,000 times. */
  static final int CALM_PERCENT = 95;

  static final long CALM_NANOS = TimeUnit.SECONDS.toNanos(2);
  static final long REPEAT_NANOS = TimeUnit.MINUTES.toNanos(1);

  /** Between two looks at all connections, which take 2 µs each, at first. */
  static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  /** Each look that shows nothing doubles it, up to this. */
  static final long LONGEST_LOOK_NANOS = TimeUnit.SECONDS.toNanos(60);

  private final Supplier<Optional<PortUse>> census;
  private Level level = Level.CLEARED;
  private long dropped;

  // Since it began, or since the last look that showed nothing.
  private long missed;
  private long missedAtNanos;
  private long saidAtNanos;
  private long lookedAtNanos;
  private boolean hasLooked;
  private long untilLookNanos;
  private long intervalNanos = LOOK_NANOS;

  /**
   * @param census looks at all connections; empty if that is not possible
   */
  PortExhaustion(Supplier<Optional<PortUse>> census) {
    this.census = census;
  }

  /**
   * Of the packets that no entry was made for, how many may have found no port, since so many ports
   * were tried.
   *
   * @param dropped packets dropped since the last sample
   * @param insertFailed entries that could not be made
   * @param found ports that were tried and in use
   */
  static long missed(long dropped, long insertFailed, long found) {
    return Math.min(Math.min(dropped, insertFailed), found / SEARCHES);
  }

  /**
   * {@link Level#FULL}: no port was free for some; {@link Level#WARNING}: that may be so; else
   * {@link Level#CLEARED}.
   */
  Level level() {
    return level;
  }

  /** Packets that were dropped for want of a port, as looking has shown, since the beginning. */
  long dropped() {
    return dropped;
  }

  /**
   * Takes the next sample.
   *
   * @param time for people
   * @param nanos for measuring, as from {@link System#nanoTime}
   * @param missedNow see {@link #missed}
   */
  Optional<Alarm> next(Instant time, long nanos, long missedNow) {
    if (missedNow > 0) {
      if (level == Level.CLEARED && nanos - missedAtNanos >= LONGEST_LOOK_NANOS) {
        // What was suspected before has nothing to do with this.
        missed = 0;
        intervalNanos = LOOK_NANOS;
      }
      missedAtNanos = nanos;
      missed += missedNow;
      if (level == Level.FULL) {
        dropped += missedNow;
        return isDue(nanos) ? suspect(time, nanos) : Optional.empty();
      }
      return mayLook(nanos) ? suspect(time, nanos) : Optional.empty();
    }
    if (level != Level.CLEARED && nanos - missedAtNanos >= CALM_NANOS && mayLook(nanos)) {
      return calm(time, nanos);
    }
    return Optional.empty();
  }

  private boolean isDue(long nanos) {
    return nanos - saidAtNanos >= REPEAT_NANOS;
  }

  private boolean mayLook(long nanos) {
    return !hasLooked || nanos - lookedAtNanos >= untilLookNanos;
  }

  private Optional<PortUse> look(long nanos) {
    hasLooked = true;
    lookedAtNanos = nanos;
    untilLookNanos = intervalNanos;
    intervalNanos = Math.min(2 * intervalNanos, LONGEST_LOOK_NANOS);
    return census.get();
  }

  private void lookOftenAgain() {
    intervalNanos = LOOK_NANOS;
    untilLookNanos = LOOK_NANOS;
  }

  private Optional<Alarm> suspect(Instant time, long nanos) {
    Optional<PortUse> use = look(nanos);
    Level before = level;
    // Who cannot count knows no more than before.
    Level now =
        use.map(PortExhaustion::judge).orElse(before == Level.FULL ? before : Level.WARNING);
    if (now == Level.FULL) {
      lookOftenAgain();
      if (before != Level.FULL) {
        dropped += missed;
      }
    }
    if (now == Level.CLEARED) {
      if (before != Level.CLEARED) {
        return Optional.of(over(time, use));
      }
      missed = 0;
      return Optional.empty();
    }
    level = now;
    if (now == before && !isDue(nanos)) {
      return Optional.empty();
    }
    saidAtNanos = nanos;
    return Optional.of(alarm(time, use, now == Level.FULL ? exhausted(use) : unclear(use)));
  }

  private static Level judge(PortUse use) {
    if (use.percent() >= FULL_PERCENT) {
      return Level.FULL;
    }
    return use.percent() >= SUSPICIOUS_PERCENT ? Level.WARNING : Level.CLEARED;
  }

  private Optional<Alarm> calm(Instant time, long nanos) {
    Optional<PortUse> use = look(nanos);
    if (level == Level.FULL && use.filter(one -> one.percent() >= CALM_PERCENT).isPresent()) {
      return Optional.empty();
    }
    return Optional.of(over(time, use));
  }

  private String exhausted(Optional<PortUse> use) {
    return "no source port is free"
        + use.map(one -> " from " + one.where() + ", " + counted(one)).orElse("")
        + "; "
        + missed
        + " new connections dropped: "
        + SourcePortStatistics.REMEDY;
  }

  private String unclear(Optional<PortUse> use) {
    return missed
        + " new connections could not be entered and were dropped; source ports "
        + use.map(one -> "from " + one.where() + ": " + counted(one))
            .orElse("in use could not be counted")
        + "; if it goes on: "
        + SourcePortStatistics.REMEDY;
  }

  private Alarm over(Instant time, Optional<PortUse> use) {
    boolean wasFull = level == Level.FULL;
    level = Level.CLEARED;
    if (wasFull) {
      lookOftenAgain();
    }
    Alarm alarm =
        alarm(
            time,
            use,
            (wasFull ? "source ports are free again" : "new connections are entered again")
                + use.filter(one -> one.used() > 0)
                    .map(one -> "; most ports are in use from " + one.where() + ", " + counted(one))
                    .orElse("")
                + "; "
                + missed
                + " connections were dropped");
    missed = 0;
    return alarm;
  }

  private static String counted(PortUse use) {
    return (use.isExact() ? "" : "about ") + use.used() + " of " + use.range() + " in use";
  }

  private Alarm alarm(Instant time, Optional<PortUse> use, String text) {
    return new Alarm(
        time,
        Alarm.Subject.SOURCE_PORTS,
        level,
        use.map(PortUse::used).orElse(0),
        use.map(PortUse::range).orElse(0),
        missed,
        text);
  }
}
