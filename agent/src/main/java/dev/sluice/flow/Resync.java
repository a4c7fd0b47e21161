package dev.sluice.flow;

import dev.sluice.conntrack.DumpFailedException;
import dev.sluice.conntrack.EntryReader;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings the flow table up to date with the kernel's, at the start and after every gap, a piece at
 * a time between the events, so that nothing has to wait for it.
 *
 * <pre>
 *        wanted               caught up                   all read            caught up
 *   idle ------> catching up -----------> comparing (dump) --------> settling -----------> concluding
 *    ^                                                                                         |
 *    +-----------------------------------------------------------------------------------------+
 * </pre>
 *
 * <p>A flow that was known before the dump, and is not in it, has ended; its end is either still on
 * its way, and comes while it settles, or was lost. A flow in the dump that nobody knows has begun;
 * likewise. So nothing is concluded before every event from before the end of the dump has been
 * read. And the dump does not begin before every event from before the gap has been read: of a flow
 * of which something is heard later, nothing was lost yet.
 *
 * <p>Conclusions are made in portions, as fast as the consumers read them, but for those that
 * hardly read. The reader's thread only.
 */
final class Resync implements FlowTracker.GapListener {
  private static final Logger LOG = LoggerFactory.getLogger(Resync.class);

  /** Events are queued a moment after the table has changed. */
  static final long SLACK_NANOS = 2_000_000;

  /** At most a quarter of the time goes into dumps, and at most four a second. */
  private static final long MIN_PAUSE_NANOS = 250_000_000;

  private static final int PAUSE_FACTOR = 3;

  /**
   * How often it is looked whether flows have ended that are older than the agent; less often if a
   * dump takes more than a hundredth of that.
   */
  private static final long OLDER_NANOS = 5_000_000_000L;

  private static final int OLDER_FACTOR = 100;

  /** When a dump that failed, or did not show all, is tried again. */
  private static final long FAILED_NANOS = 1_000_000_000L;

  private static final int SETTLE_MILLIS = 20;
  private static final int RETRY_MILLIS = 100;

  /** How long a consumer that hardly reads holds up a portion of conclusions. */
  private static final long PORTION_NANOS = 20_000_000;

  private enum Phase {
    IDLE,
    CATCHING_UP,
    COMPARING,
    SETTLING,
    CONCLUDING
  }

  private final FlowTracker tracker;
  private final Supplier<? extends EntryReader> dumps;
  private final Runnable sync;
  private final LongSupplier buckets;

  private Phase phase = Phase.IDLE;
  private boolean wanted = true;
  private @Nullable EntryReader dump;
  private long bucketsBefore;
  private long gapsBefore;

  /** Before it goes on, every event that was queued until then is to be handled. */
  private long awaitedNanos;

  private long beganNanos;
  private long endedNanos;
  private long endedWallNanos;
  private long nextPortionNanos;
  private long notBeforeNanos = System.nanoTime();
  private long lookForOlderNanos = notBeforeNanos;
  private volatile long completed;
  private volatile boolean current;

  /**
   * @param dumps begins to read the kernel's table
   * @param sync makes the source of events tell how far it is
   * @param buckets how many buckets the kernel's table has: while that changes, a dump may miss
   *     entries
   */
  Resync(
      FlowTracker tracker,
      Supplier<? extends EntryReader> dumps,
      Runnable sync,
      LongSupplier buckets) {
    this.tracker = tracker;
    this.dumps = dumps;
    this.sync = sync;
    this.buckets = buckets;
    tracker.onGap(this);
  }

  @Override
  public void onGap() {
    wanted = true;
    current = false;
  }

  /** Whether the flow table is that of the kernel, but for events on their way. From any thread. */
  boolean isCurrent() {
    return current && !tracker.isFull();
  }

  /** How often the tables were compared. From any thread. */
  long completed() {
    return completed;
  }

  /**
   * Does the next piece.
   *
   * @return how long the caller may wait for events before it calls again, ms
   */
  int step(int idleMillis) {
    return switch (phase) {
      case IDLE -> stepIdle(idleMillis);
      case CATCHING_UP, SETTLING -> {
        sync.run();
        yield SETTLE_MILLIS;
      }
      case COMPARING -> stepComparing();
      case CONCLUDING -> stepConcluding();
    };
  }

  private int stepIdle(int idleMillis) {
    if (!wanted && tracker.older() > 0) {
      wanted = System.nanoTime() - lookForOlderNanos >= 0;
    }
    if (!wanted) {
      return idleMillis;
    }
    long leftNanos = notBeforeNanos - System.nanoTime();
    if (leftNanos > 0) {
      return (int) Math.min(idleMillis, leftNanos / 1_000_000 + 1);
    }
    wanted = false;
    gapsBefore = tracker.gaps();
    awaitedNanos = System.nanoTime();
    phase = Phase.CATCHING_UP;
    sync.run();
    return SETTLE_MILLIS;
  }

  private void begin() {
    beganNanos = System.nanoTime();
    try {
      bucketsBefore = buckets.getAsLong();
      tracker.beginComparison();
      dump = dumps.get();
      phase = Phase.COMPARING;
    } catch (RuntimeException e) {
      giveUp(e); // as when there are no descriptors left for a moment
    }
  }

  private int stepComparing() {
    EntryReader reader = dump;
    if (reader == null) {
      throw new IllegalStateException("comparing without a dump");
    }
    long bucketsAfter;
    try {
      if (reader.read(tracker::onEntry)) {
        return 0;
      }
      if (reader.malformed() > 0) {
        // They must not be taken for ended.
        throw new DumpFailedException(
            reader.malformed() + " entries could not be understood", false, null);
      }
      bucketsAfter = buckets.getAsLong();
    } catch (RuntimeException e) {
      giveUp(e);
      return RETRY_MILLIS;
    }
    closeDump();
    endedNanos = System.nanoTime();
    endedWallNanos = EventLog.nowNanos();
    awaitedNanos = endedNanos;
    pause();
    if (bucketsAfter != bucketsBefore) {
      // Entries were moved under the dump; what it did not show may be there all the same.
      wanted = true;
      phase = Phase.IDLE;
      return 0;
    }
    phase = Phase.SETTLING;
    sync.run();
    return SETTLE_MILLIS;
  }

  private void giveUp(RuntimeException e) {
    closeDump();
    if (!(e instanceof DumpFailedException failed) || !failed.isTableChanged()) {
      LOG.warn("the table of connections cannot be read, it is tried again: {}", e.getMessage());
    }
    endedNanos = System.nanoTime();
    notBeforeNanos = endedNanos + FAILED_NANOS;
    wanted = true;
    phase = Phase.IDLE;
  }

  private void pause() {
    long took = endedNanos - beganNanos;
    notBeforeNanos = endedNanos + Math.max(MIN_PAUSE_NANOS, PAUSE_FACTOR * took);
    lookForOlderNanos = endedNanos + Math.max(OLDER_NANOS, OLDER_FACTOR * took);
  }

  /** Every event that was queued before {@code drainedNanos} has been handled. */
  void reached(long drainedNanos) {
    if (drainedNanos - awaitedNanos <= SLACK_NANOS) {
      return;
    }
    if (phase == Phase.CATCHING_UP) {
      begin();
    } else if (phase == Phase.SETTLING) {
      tracker.beginConclusions();
      nextPortionNanos = System.nanoTime();
      phase = Phase.CONCLUDING;
    }
  }

  @SuppressWarnings("NonAtomicVolatileUpdate")
  private int stepConcluding() {
    long now = System.nanoTime();
    if (now - nextPortionNanos < 0 && tracker.isAheadOfConsumers()) {
      return 1;
    }
    nextPortionNanos = now + PORTION_NANOS;
    if (!tracker.conclude(gapsBefore, endedWallNanos)) {
      phase = Phase.IDLE;
      completed++;
      // A table without room for all flows is compared again, until it has.
      wanted |= tracker.isFull();
      current = !wanted;
    }
    return 0;
  }

  /** Ends a dump that is under way. */
  void close() {
    closeDump();
  }

  private void closeDump() {
    EntryReader open = dump;
    if (open != null) {
      open.close();
      dump = null;
    }
  }
}
