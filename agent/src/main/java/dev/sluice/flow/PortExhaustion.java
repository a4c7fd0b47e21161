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
 * for a while. Not thread-safe.
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

  /** If fewer are in use, the search finds one: it fails once in 300,000 times. */
  static final int CALM_PERCENT = 95;

  static final long CALM_NANOS = TimeUnit.SECONDS.toNanos(2);
  static final long REPEAT_NANOS = TimeUnit.MINUTES.toNanos(1);

  /** Between two looks at all connections, which take 2 µs each. */
  static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

  private final Supplier<Optional<PortUse>> census;
  private boolean raised;
  private long missed;
  private long missedAtNanos;
  private long saidAtNanos;
  private long lookedAtNanos;
  private boolean hasLooked;

  /**
   * @param census looks at all connections; empty if that is not possible
   */
  PortExhaustion(Supplier<Optional<PortUse>> census) {
    this.census = census;
  }

  /**
   * Of the packets that no entry was made for, how many found no port: those of which it is certain
   * since so many ports were tried.
   *
   * @param dropped packets dropped since the last sample
   * @param insertFailed entries that could not be made
   * @param found ports that were tried and in use
   */
  static long missed(long dropped, long insertFailed, long found) {
    return Math.min(Math.min(dropped, insertFailed), found / SEARCHES);
  }

  Level level() {
    return raised ? Level.FULL : Level.CLEARED;
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
      missedAtNanos = nanos;
      missed += missedNow;
      boolean due = raised ? nanos - saidAtNanos >= REPEAT_NANOS : mayLook(nanos);
      return due ? suspect(time, nanos) : Optional.empty();
    }
    if (raised && nanos - missedAtNanos >= CALM_NANOS && mayLook(nanos)) {
      return calm(time, nanos);
    }
    return Optional.empty();
  }

  private boolean mayLook(long nanos) {
    return !hasLooked || nanos - lookedAtNanos >= LOOK_NANOS;
  }

  private Optional<PortUse> look(long nanos) {
    hasLooked = true;
    lookedAtNanos = nanos;
    return census.get();
  }

  private Optional<Alarm> suspect(Instant time, long nanos) {
    Optional<PortUse> use = look(nanos);
    if (!raised && use.filter(one -> one.percent() < SUSPICIOUS_PERCENT).isPresent()) {
      missed = 0;
      return Optional.empty();
    }
    raised = true;
    saidAtNanos = nanos;
    return Optional.of(
        alarm(
            time,
            use,
            "no source port is free"
                + use.map(one -> " from " + one.where() + ", " + counted(one)).orElse("")
                + "; "
                + missed
                + " new connections dropped: "
                + SourcePortStatistics.REMEDY));
  }

  private Optional<Alarm> calm(Instant time, long nanos) {
    Optional<PortUse> use = look(nanos);
    if (use.filter(one -> one.percent() >= CALM_PERCENT).isPresent()) {
      return Optional.empty();
    }
    raised = false;
    Alarm alarm =
        alarm(
            time,
            use,
            "source ports are free again"
                + use.filter(one -> one.used() > 0)
                    .map(one -> "; most are in use from " + one.where() + ", " + counted(one))
                    .orElse("")
                + "; "
                + missed
                + " connections were dropped");
    missed = 0;
    return Optional.of(alarm);
  }

  private static String counted(PortUse use) {
    return (use.isExact() ? "" : "about ") + use.used() + " of " + use.range() + " in use";
  }

  private Alarm alarm(Instant time, Optional<PortUse> use, String text) {
    return new Alarm(
        time,
        Alarm.Subject.SOURCE_PORTS,
        level(),
        use.map(PortUse::used).orElse(0),
        use.map(PortUse::range).orElse(0),
        missed,
        text);
  }
}
