package dev.sluice.flow;

import static dev.sluice.flow.FrameDescriptor.*;

import dev.sluice.conntrack.FlowRecordDescriptor;
import dev.sluice.model.FlowEvent.GapCause;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/** A place in an {@link EventLog}. */
final class LogCursor implements EventStream.Cursor {
  private static final long NANOS_PER_MILLI = 1_000_000;

  /**
   * Who fell out does not go on at the very edge, where the next event would push it out again, but
   * this part of the log ahead of it.
   */
  private static final int HEADROOM = 8;

  private final EventLog log;
  private final FrameFilter filter;
  private final EventStream.Format format;
  private final long firstSequence;

  /** The entry that is looked at, copied out of the log. */
  private final ByteBuffer frame = ByteBuffer.allocate(FRAME_BYTES).order(ByteOrder.nativeOrder());

  private final EventLine line = new EventLine(frame);

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

  /** Fell out, and has not reached the end of the log since. */
  private boolean behind;

  private volatile boolean evicted;

  /** The gap in front of the eviction's end is told, or on its way. */
  private boolean saidGoodbye;

  /** Where the reader was when it last came; for those who look whether it still does. */
  private volatile long reached;

  private volatile Runnable onEviction = () -> {};

  /** The thread that waits for events of this cursor. */
  volatile @Nullable Thread waiter;

  LogCursor(
      EventLog log,
      FlowFilter filter,
      EventStream.Format format,
      long position,
      long sequence,
      long passedNanos) {
    this.log = log;
    this.filter = new FrameFilter(filter);
    this.format = format;
    this.position = position;
    this.reached = position;
    this.firstSequence = sequence;
    this.sequence = sequence;
    this.passedNanos = passedNanos;
  }

  /** Moves to the entry of event {@code wanted}, or to the oldest one, with a gap before it. */
  void seek(long wanted) {
    while (true) {
      long low = log.oldestPosition();
      long high = log.endPosition();
      while (low < high) {
        long middle = (low + high) >>> 1;
        if (log.longAt(middle, NEXT_SEQUENCE_OFFSET) <= wanted) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      long found = log.longAt(low, SEQUENCE_OFFSET);
      if (!log.isRetained(low)) {
        continue;
      }
      position = low;
      sequence = wanted;
      if (found > wanted) {
        admit(wanted, found, timeAt(low));
      }
      // Else it is the event, or a gap in the midst of which it lies.
      sequence = found;
      reached = low;
      return;
    }
  }

  @Override
  public int read(byte[] target, int timeoutMillis) throws InterruptedException {
    if (target.length < EventStream.MAX_ENTRY_BYTES) {
      throw new IllegalArgumentException(
          "an event may have "
              + EventStream.MAX_ENTRY_BYTES
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
      int length = copyEntries(target);
      reached = position;
      if (length > 0) {
        return length;
      }
      if (ended || evicted) {
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
  public long firstSequence() {
    return firstSequence;
  }

  /** Where the reader was when it last came. */
  long reached() {
    return reached;
  }

  @Override
  public void onEviction(Runnable action) {
    onEviction = action;
  }

  /**
   * Evicts a consumer that has not come while the log was written once over since it fell out: it
   * hangs in something else, as in a connection whose peer reads nothing.
   */
  void evictIfStalled(long oldest) {
    if (oldest - reached > log.capacity() && evict()) {
      onEviction.run();
    }
  }

  /** Whether it is this call that evicts it. */
  private synchronized boolean evict() {
    if (evicted) {
      return false;
    }
    evicted = true;
    log.countEviction();
    return true;
  }

  @Override
  public boolean isEvicted() {
    return evicted;
  }

  @Override
  public void close() {
    log.unregister(this);
  }

  private int copyEntries(byte[] target) {
    int length = 0;
    long end = log.endPosition();
    while (true) {
      if (evicted && !saidGoodbye) {
        saidGoodbye = true;
        admit(sequence, log.nextSequence(), EventLog.nowNanos());
      }
      if (missed > 0) {
        int gapLength = copyGap(target, length);
        if (gapLength == 0) {
          return length;
        }
        length += gapLength;
      }
      if (evicted) {
        return length;
      }
      if (position >= end) {
        behind = false;
        return length;
      }
      log.copyFrame(position, frame, 0);
      if (!log.isRetained(position)) {
        fallOut();
        continue;
      }
      if (filter.admits(frame)) {
        int entryLength = copyFrame(target, length);
        if (entryLength == 0) {
          return length;
        }
        length += entryLength;
      }
      position++;
      sequence = frame.getLong(NEXT_SEQUENCE_OFFSET);
      passedNanos = frame.getLong(RECORD_OFFSET + FlowRecordDescriptor.EVENT_NS_OFFSET);
    }
  }

  /** Writes the entry in {@link #frame}: how many bytes, 0 if there is no room. */
  private int copyFrame(byte[] target, int at) {
    if (format == EventStream.Format.FRAMES) {
      if (FRAME_BYTES > target.length - at) {
        return 0;
      }
      frame.get(0, target, at, FRAME_BYTES);
      return FRAME_BYTES;
    }
    AsciiBuffer text = line.write();
    if (text.length() > target.length - at) {
      return 0;
    }
    System.arraycopy(text.bytes(), 0, target, at, text.length());
    return text.length();
  }

  /** The entry at position was overwritten: goes on behind it, and remembers what was missed. */
  private void fallOut() {
    if (behind) {
      var unused = evict();
      return;
    }
    behind = true;
    while (true) {
      long oldest = log.oldestPosition();
      long target = Math.min(log.endPosition(), oldest + log.capacity() / HEADROOM);
      long targetSequence = log.longAt(target, SEQUENCE_OFFSET);
      long targetNanos = target < log.endPosition() ? timeAt(target) : EventLog.nowNanos();
      if (log.isRetained(target)) {
        admit(sequence, targetSequence, targetNanos);
        position = target;
        sequence = targetSequence;
        return;
      }
    }
  }

  private long timeAt(long entry) {
    return log.longAt(entry, RECORD_OFFSET + FlowRecordDescriptor.EVENT_NS_OFFSET);
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
    EventLog.writeGap(
        frame,
        0,
        GapCause.SLOW_CONSUMER,
        missed,
        false,
        missedFromNanos,
        Math.max(missedFromNanos, missedToNanos));
    frame.putLong(SEQUENCE_OFFSET, missedFrom);
    frame.putLong(NEXT_SEQUENCE_OFFSET, missedFrom + missed);
    int length = copyFrame(target, at);
    if (length > 0) {
      missed = 0;
    }
    return length;
  }
}
