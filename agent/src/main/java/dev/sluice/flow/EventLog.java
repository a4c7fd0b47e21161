package dev.sluice.flow;

import static dev.sluice.flow.LogEntryDescriptor.ADDRESSES_OFFSET;
import static dev.sluice.flow.LogEntryDescriptor.LINE_OFFSET;
import static dev.sluice.flow.LogEntryDescriptor.MAPPING_ID_OFFSET;
import static dev.sluice.flow.LogEntryDescriptor.NEXT_SEQUENCE_OFFSET;
import static dev.sluice.flow.LogEntryDescriptor.SEQUENCE_OFFSET;
import static dev.sluice.flow.LogEntryDescriptor.SHAPE_OFFSET;
import static dev.sluice.flow.LogEntryDescriptor.TIME_OFFSET;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.time.Instant;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * The last events, as lines, in a ring of bytes: one writer, any number of cursors. The writer
 * never waits: what it overwrites, a cursor that has not read it finds missing and says so with a
 * gap line.
 *
 * <p><b>Sequence numbers</b> count events, from 1, those that were lost too: a gap line that admits
 * n events takes n numbers. So from the numbers of any two lines follows exactly how many events
 * lie between them, and what a slow cursor missed is known without a count of its own.
 *
 * <p><b>How readers and writer agree.</b> Positions are bytes since the log was opened and never
 * wrap; entries lie from {@code oldest} to {@code end}. To append, the writer first moves {@code
 * oldest} past what it will overwrite, then writes, then moves {@code end}. A reader copies what it
 * wants and then looks whether {@code oldest} is still not beyond it; if it is, the copy is worth
 * nothing. The fences make that order visible to each other (a sequence lock with one counter per
 * entry, as it were). The sequence number of the entry that will follow is written at {@code end}
 * in advance, so every position from {@code oldest} to {@code end} says which event it stands for.
 */
public final class EventLog implements EventStream {
  public static final int DEFAULT_CAPACITY_BYTES = 8 << 20;
  public static final int MIN_CAPACITY_BYTES = 64 << 10;
  public static final int MAX_CAPACITY_BYTES = 1 << 30;

  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
  private static final VarHandle OLDEST;
  private static final VarHandle END;

  static {
    try {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      OLDEST = lookup.findVarHandle(EventLog.class, "oldest", long.class);
      END = lookup.findVarHandle(EventLog.class, "end", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final byte[] bytes;
  private final int mask;
  private final long openedNanos = nowNanos();

  private volatile long oldest;
  private volatile long end;
  private volatile boolean ended;

  /** The writer's: what the next event will be. */
  private long next = 1;

  /** Replaced, under the lock of this object, when a cursor comes or goes. */
  private volatile LogCursor[] cursors = new LogCursor[0];

  private final AtomicInteger waiting = new AtomicInteger();

  /** A log of {@value #DEFAULT_CAPACITY_BYTES} bytes. */
  public EventLog() {
    this(DEFAULT_CAPACITY_BYTES);
  }

  /**
   * A log of the given size. An event takes about 550 bytes.
   *
   * @param capacityBytes a power of two from 65,536 to 1,073,741,824
   */
  public EventLog(int capacityBytes) {
    if (capacityBytes < MIN_CAPACITY_BYTES
        || capacityBytes > MAX_CAPACITY_BYTES
        || Integer.bitCount(capacityBytes) != 1) {
      throw new IllegalArgumentException(
          "capacityBytes must be a power of two from 65536 to 1073741824: capacityBytes="
              + capacityBytes);
    }
    this.bytes = new byte[capacityBytes];
    this.mask = capacityBytes - 1;
    LONG.set(bytes, SEQUENCE_OFFSET, next);
    END.setRelease(this, 0L);
  }

  @Override
  public Cursor follow(FlowFilter filter) {
    long position;
    long sequence;
    do {
      position = end;
      sequence = longAt(position + SEQUENCE_OFFSET);
    } while (!isRetained(position));
    return register(new LogCursor(this, new LineFilter(filter), position, sequence, nowNanos()));
  }

  @Override
  public Cursor from(long seq, FlowFilter filter) {
    if (seq < 1) {
      throw new IllegalArgumentException(
          "events are numbered from 1, so there is no event " + seq + " to begin with");
    }
    long following = nextSequence();
    if (seq > following) {
      throw new IllegalArgumentException(
          "event "
              + seq
              + " has not happened yet: the next one is "
              + following
              + "; if the agent was restarted since, begin with 1 again");
    }
    LogCursor cursor = new LogCursor(this, new LineFilter(filter), 0, 1, openedNanos);
    cursor.seek(seq);
    return register(cursor);
  }

  /** The number of the oldest event that is retained; that of the next one if none is. */
  public long oldestSequence() {
    while (true) {
      long position = oldest;
      long sequence = longAt(position + SEQUENCE_OFFSET);
      if (isRetained(position)) {
        return sequence;
      }
    }
  }

  /** The number that the next event will have. */
  public long nextSequence() {
    while (true) {
      long position = end;
      long sequence = longAt(position + SEQUENCE_OFFSET);
      if (isRetained(position)) {
        return sequence;
      }
    }
  }

  /** Bytes in use. */
  public long retainedBytes() {
    // In this order, so that it is never negative.
    long first = oldest;
    return Math.min(end - first, bytes.length);
  }

  /** How many cursors are open. */
  public int consumers() {
    return cursors.length;
  }

  // ---- the writer

  /**
   * Appends an entry that was made with the {@linkplain #nextForWriter next} sequence number.
   * Waiting cursors learn of it with the next {@link #wakeConsumers}.
   */
  void append(LogEntry entry) {
    int lineBytes = entry.line.length();
    long position = end;
    long after = position + LogEntryDescriptor.entryBytes(lineBytes);
    evictUpTo(after + Long.BYTES - bytes.length);

    putLong(position + SEQUENCE_OFFSET, next);
    next += entry.events;
    putLong(position + NEXT_SEQUENCE_OFFSET, next);
    putLong(position + TIME_OFFSET, entry.timeNanos);
    putLong(position + MAPPING_ID_OFFSET, entry.mappingId);
    putLong(
        position + SHAPE_OFFSET,
        LogEntryDescriptor.shape(lineBytes, entry.labelOffset, entry.labelLength, entry.protocol));
    for (int i = 0; i < entry.addresses.length; i++) {
      putLong(position + ADDRESSES_OFFSET + i * (long) Long.BYTES, entry.addresses[i]);
    }
    int at = index(position + LINE_OFFSET);
    int first = Math.min(lineBytes, bytes.length - at);
    System.arraycopy(entry.line.bytes(), 0, bytes, at, first);
    System.arraycopy(entry.line.bytes(), first, bytes, 0, lineBytes - first);
    putLong(after + SEQUENCE_OFFSET, next);
    END.setRelease(this, after);
  }

  /** The number of the next event, for the thread that appends. */
  long nextForWriter() {
    return next;
  }

  /** Wakes the cursors that wait, if there are any. */
  void wakeConsumers() {
    // Pairs with await(): either we see that it waits, or it sees the new end.
    VarHandle.fullFence();
    if (waiting.get() == 0) {
      return;
    }
    for (LogCursor cursor : cursors) {
      Thread waiter = cursor.waiter;
      if (waiter != null) {
        LockSupport.unpark(waiter);
      }
    }
  }

  /** Nothing more will come: cursors read what is there and then find the end. */
  void end() {
    ended = true;
    wakeConsumers();
  }

  private void evictUpTo(long limit) {
    long position = oldest;
    if (position >= limit) {
      return;
    }
    while (position < limit) {
      int lineBytes = LogEntryDescriptor.lineBytes(longAt(position + SHAPE_OFFSET));
      position += LogEntryDescriptor.entryBytes(lineBytes);
    }
    OLDEST.setOpaque(this, position);
    // What is written from here on must not be seen before the new oldest.
    VarHandle.releaseFence();
  }

  private void putLong(long position, long value) {
    LONG.set(bytes, index(position), value);
  }

  // ---- cursors

  /** Where the oldest entry lies at this moment. */
  long oldestPosition() {
    return oldest;
  }

  /** Where the next entry will lie. */
  long endPosition() {
    return end;
  }

  /** Whether what was read before at {@code position} and behind it was not overwritten. */
  boolean isRetained(long position) {
    VarHandle.acquireFence();
    return (long) OLDEST.getOpaque(this) <= position;
  }

  /** May be torn; see {@link #isRetained}. As everything lies at multiples of 8, it never wraps. */
  long longAt(long position) {
    return (long) LONG.get(bytes, index(position));
  }

  byte byteAt(long position) {
    return bytes[index(position)];
  }

  void copy(long position, byte[] target, int at, int length) {
    int from = index(position);
    int first = Math.min(length, bytes.length - from);
    System.arraycopy(bytes, from, target, at, first);
    System.arraycopy(bytes, 0, target, at + first, length - first);
  }

  boolean hasEnded() {
    return ended;
  }

  /** Waits until there is something at {@code position}, the time is over, or for no reason. */
  void await(LogCursor cursor, long position, long nanos) {
    cursor.waiter = Thread.currentThread();
    waiting.incrementAndGet();
    try {
      if (end == position && !ended) {
        LockSupport.parkNanos(this, nanos);
      }
    } finally {
      waiting.decrementAndGet();
      cursor.waiter = null;
    }
  }

  private synchronized LogCursor register(LogCursor cursor) {
    LogCursor[] more = new LogCursor[cursors.length + 1];
    System.arraycopy(cursors, 0, more, 0, cursors.length);
    more[cursors.length] = cursor;
    cursors = more;
    return cursor;
  }

  synchronized void unregister(LogCursor cursor) {
    cursors = Arrays.stream(cursors).filter(other -> other != cursor).toArray(LogCursor[]::new);
  }

  private int index(long position) {
    return (int) position & mask;
  }

  private static long nowNanos() {
    Instant now = Instant.now();
    return now.getEpochSecond() * 1_000_000_000L + now.getNano();
  }
}
