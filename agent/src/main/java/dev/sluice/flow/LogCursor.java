package dev.sluice.flow;

import static dev.sluice.flow.LogEntryDescriptor.LINE_OFFSET;
import static dev.sluice.flow.LogEntryDescriptor.NEXT_SEQUENCE_OFFSET;
import static dev.sluice.flow.LogEntryDescriptor.SEQUENCE_OFFSET;
import static dev.sluice.flow.LogEntryDescriptor.SHAPE_OFFSET;
import static dev.sluice.flow.LogEntryDescriptor.TIME_OFFSET;

import dev.sluice.model.FlowEvent.GapCause;
import org.jspecify.annotations.Nullable;

/** A place in an {@link EventLog}. */
final class LogCursor implements EventStream.Cursor {
  private static final long NANOS_PER_MILLI = 1_000_000;

  private final EventLog log;
  private final LineFilter filter;

  /** Of the next entry; may be overwritten by the time it is read. */
  private long position;

  /** The number of the event at position. */
  private long sequence;

  /** When the last event before position happened. */
  private long passedNanos;

  // A gap that was found but did not fit into the target yet; none if missed is 0.
  private long missed;
  private long missedFrom;
  private long missedFromNanos;
  private long missedToNanos;
  private @Nullable LogEntry gap;

  /** The thread that waits for events of this cursor. */
  volatile @Nullable Thread waiter;

  LogCursor(EventLog log, LineFilter filter, long position, long sequence, long passedNanos) {
    this.log = log;
    this.filter = filter;
    this.position = position;
    this.sequence = sequence;
    this.passedNanos = passedNanos;
  }

  /** Moves to the entry of event {@code wanted}, or to the oldest one, with a gap before it. */
  void seek(long wanted) {
    sequence = wanted;
    moveToOldest();
    while (sequence < wanted && position < log.endPosition()) {
      long following = log.longAt(position + NEXT_SEQUENCE_OFFSET);
      long time = log.longAt(position + TIME_OFFSET);
      long shape = log.longAt(position + SHAPE_OFFSET);
      if (!log.isRetained(position)) {
        sequence = wanted;
        moveToOldest();
      } else if (following > wanted) {
        return; // a gap in the midst of which the wanted event lies
      } else {
        position += LogEntryDescriptor.entryBytes(LogEntryDescriptor.lineBytes(shape));
        sequence = following;
        passedNanos = time;
      }
    }
  }

  @Override
  public int read(byte[] target, int timeoutMillis) throws InterruptedException {
    if (target.length < EventStream.MAX_LINE_BYTES) {
      throw new IllegalArgumentException(
          "a line may have "
              + EventStream.MAX_LINE_BYTES
              + " bytes: target.length="
              + target.length);
    }
    long deadline = System.nanoTime() + timeoutMillis * NANOS_PER_MILLI;
    while (true) {
      if (Thread.interrupted()) {
        throw new InterruptedException();
      }
      // Looked at first: what was appended before the end is read before the end is told.
      boolean ended = log.hasEnded();
      int length = copyLines(target);
      if (length > 0) {
        return length;
      }
      if (ended) {
        return -1;
      }
      long left = deadline - System.nanoTime();
      if (left <= 0) {
        return 0;
      }
      log.await(this, position, left);
    }
  }

  @Override
  public void close() {
    log.unregister(this);
  }

  private int copyLines(byte[] target) {
    int length = 0;
    long end = log.endPosition();
    while (true) {
      if (missed > 0) {
        int gapLength = copyGap(target, length);
        if (gapLength == 0) {
          return length;
        }
        length += gapLength;
      }
      if (position >= end) {
        return length;
      }
      long following = log.longAt(position + NEXT_SEQUENCE_OFFSET);
      long time = log.longAt(position + TIME_OFFSET);
      long shape = log.longAt(position + SHAPE_OFFSET);
      boolean wanted = filter.admits(log, position, shape);
      if (!log.isRetained(position)) {
        moveToOldest();
        continue;
      }
      int lineBytes = LogEntryDescriptor.lineBytes(shape);
      if (wanted) {
        if (lineBytes > target.length - length) {
          return length;
        }
        log.copy(position + LINE_OFFSET, target, length, lineBytes);
        if (!log.isRetained(position)) {
          moveToOldest();
          continue;
        }
        length += lineBytes;
      }
      position += LogEntryDescriptor.entryBytes(lineBytes);
      sequence = following;
      passedNanos = time;
    }
  }

  /** Goes on at the oldest entry there is, and remembers what was missed if that is later. */
  private void moveToOldest() {
    while (true) {
      long oldest = log.oldestPosition();
      long oldestSequence = log.longAt(oldest + SEQUENCE_OFFSET);
      long oldestNanos = log.longAt(oldest + TIME_OFFSET);
      if (log.isRetained(oldest)) {
        admit(sequence, oldestSequence, oldestNanos);
        position = oldest;
        sequence = oldestSequence;
        return;
      }
    }
  }

  private void admit(long from, long to, long toNanos) {
    if (to <= from) {
      return;
    }
    if (missed == 0) {
      missedFrom = from;
      missedFromNanos = passedNanos;
    }
    missed += to - from;
    missedToNanos = toNanos;
  }

  private int copyGap(byte[] target, int at) {
    LogEntry entry = gap;
    if (entry == null) {
      entry = new LogEntry();
      gap = entry;
    }
    entry.setGap(
        missedFrom,
        GapCause.SLOW_CONSUMER,
        missed,
        missedFromNanos,
        Math.max(missedFromNanos, missedToNanos));
    int length = entry.line.length();
    if (length > target.length - at) {
      return 0;
    }
    System.arraycopy(entry.line.bytes(), 0, target, at, length);
    missed = 0;
    return length;
  }
}
