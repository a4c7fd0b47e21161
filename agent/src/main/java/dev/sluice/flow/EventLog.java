package dev.sluice.flow;

import static dev.sluice.flow.FrameDescriptor.*;

import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.FlowRecordDescriptor;
import dev.sluice.conntrack.GapRecordDescriptor;
import dev.sluice.model.Alarm;
import dev.sluice.model.FlowEvent.GapCause;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The last events, in a ring of {@linkplain FrameDescriptor frames}: one writer, any number of
 * cursors. The writer never waits and makes no text: what it overwrites, a cursor that has not read
 * it finds missing and says so with a gap; lines are made by who reads them.
 *
 * <p><b>Sequence numbers</b> count events, from 1, those that were lost too: a gap that admits n
 * events takes n numbers. So from the numbers of any two events follows exactly how many lie
 * between them, and what a slow cursor missed is known without a count of its own.
 *
 * <p><b>How readers and writer agree.</b> Positions count entries since the log was opened; entries
 * lie from {@code oldest} to {@code end}. To append, the writer first moves {@code oldest} past
 * what it will overwrite, then writes, then moves {@code end}. A reader copies what it wants and
 * then looks whether {@code oldest} is still not beyond it; if it is, the copy is worth nothing.
 * The fences make that order visible to each other (a sequence lock with one counter per entry, as
 * it were). The sequence number of the entry that will follow is written at {@code end} in advance,
 * so every position from {@code oldest} to {@code end} says which event it stands for.
 *
 * <p>Memory is taken when it is first written to, off the heap, and kept.
 */
public final class EventLog implements EventStream {
  /** Events that are retained, unless the caller says otherwise: 36 MiB when all are in use. */
  public static final int DEFAULT_CAPACITY = 1 << 17;

  public static final int MIN_CAPACITY = 16;
  public static final int MAX_CAPACITY = 1 << 24;

  private static final int CHUNK_ENTRIES = 1 << 12;

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

  private final String id = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());
  private final @Nullable ByteBuffer[] chunks;
  private final int chunkEntries;
  private final int capacity;
  private final long openedNanos = nowNanos();

  private volatile long oldest;
  private volatile long end;
  private volatile boolean ended;

  /** The writer's: what the next event will be. */
  private long next = 1;

  /** Replaced, under the lock of this object, when a cursor comes or goes. */
  private volatile LogCursor[] cursors = new LogCursor[0];

  private final AtomicInteger waiting = new AtomicInteger();
  private volatile long evicted;

  /** A log of {@value #DEFAULT_CAPACITY} events. */
  public EventLog() {
    this(DEFAULT_CAPACITY);
  }

  /**
   * A log of the given size.
   *
   * @param capacity events that are retained, a power of two from 16 to 16,777,216; {@value
   *     FrameDescriptor#FRAME_BYTES} bytes each
   */
  public EventLog(int capacity) {
    if (capacity < MIN_CAPACITY || capacity > MAX_CAPACITY || Integer.bitCount(capacity) != 1) {
      throw new IllegalArgumentException(
          "capacity must be a power of two from 16 to 16777216: capacity=" + capacity);
    }
    this.capacity = capacity;
    this.chunkEntries = Math.min(CHUNK_ENTRIES, capacity);
    this.chunks = new @Nullable ByteBuffer[capacity / chunkEntries];
    frameForWriter(0).putLong(offset(0) + SEQUENCE_OFFSET, next);
    END.setRelease(this, 0L);
  }

  @Override
  public String id() {
    return id;
  }

  @Override
  public Cursor follow(FlowFilter filter, Format format) {
    long position;
    long sequence;
    do {
      position = end;
      sequence = longAt(position, SEQUENCE_OFFSET);
    } while (!isRetained(position));
    return register(new LogCursor(this, filter, format, position, sequence, nowNanos()));
  }

  @Override
  public Cursor from(long seq, FlowFilter filter, Format format) {
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
    LogCursor cursor = new LogCursor(this, filter, format, 0, seq, openedNanos);
    cursor.seek(seq);
    return register(cursor);
  }

  /** The number of the oldest event that is retained; that of the next one if none is. */
  public long oldestSequence() {
    while (true) {
      long position = oldest;
      long sequence = longAt(position, SEQUENCE_OFFSET);
      if (isRetained(position)) {
        return sequence;
      }
    }
  }

  /** The number that the next event will have. */
  public long nextSequence() {
    while (true) {
      long position = end;
      long sequence = longAt(position, SEQUENCE_OFFSET);
      if (isRetained(position)) {
        return sequence;
      }
    }
  }

  /** How many entries are retained. */
  public long retained() {
    // In this order, so that it is never negative.
    long first = oldest;
    return Math.min(end - first, capacity);
  }

  /** How many events can be retained. */
  public int capacity() {
    return capacity;
  }

  /** How many cursors are open. */
  public int consumers() {
    return cursors.length;
  }

  /** How many consumers were too slow and lost their cursor. */
  public long evictedConsumers() {
    return evicted;
  }

  // ---- the writer

  /**
   * Appends an event of a flow. Waiting cursors learn of it with the next {@link #wakeConsumers}.
   *
   * @param publication the mapping that led the flow
   */
  void appendFlow(
      FlowRecord flow, MappingIndex.@Nullable Publication publication, boolean synthesised) {
    ByteBuffer chunk = begin();
    int at = offset(end);
    flow.copyTo(chunk, at + RECORD_OFFSET);
    if (publication == null) {
      chunk.putLong(at + MAPPING_ID_OFFSET, 0);
      chunk.putLong(at + LABEL_LENGTH_OFFSET, 0);
    } else {
      chunk.putLong(at + MAPPING_ID_OFFSET, publication.mapping.id().bits());
      chunk.putLong(at + LABEL_LENGTH_OFFSET, 0);
      chunk.put(at + LABEL_LENGTH_OFFSET, (byte) publication.label.length);
      chunk.put(at + LABEL_OFFSET, publication.label);
    }
    if (synthesised) {
      chunk.put(at + FLAGS_OFFSET, (byte) FLAG_SYNTHESISED);
    }
    commit(chunk, at, 1);
  }

  /** Appends a gap, which takes {@code lost} sequence numbers. */
  void appendGap(GapCause cause, long lost, boolean atMost, long fromNanos, long toNanos) {
    ByteBuffer chunk = begin();
    int at = offset(end);
    writeGap(chunk, at, cause, lost, atMost, fromNanos, toNanos);
    commit(chunk, at, lost);
  }

  /** Appends an alarm; its text is cut to what a record can hold. */
  void appendAlarm(Alarm alarm) {
    ByteBuffer chunk = begin();
    int at = offset(end);
    clear(chunk, at);
    int record = at + RECORD_OFFSET;
    byte[] text = alarm.text().getBytes(StandardCharsets.UTF_8);
    int length = Math.min(text.length, ALARM_TEXT_BYTES);
    while (length < text.length && (text[length] & 0xc0) == 0x80) {
      length--; // not in the midst of a character
    }
    chunk.put(record + FlowRecordDescriptor.KIND_OFFSET, (byte) KIND_ALARM);
    chunk.put(record + ALARM_LEVEL_OFFSET, (byte) number(alarm.level()));
    chunk.put(record + ALARM_SUBJECT_OFFSET, (byte) number(alarm.subject()));
    chunk.putShort(record + ALARM_TEXT_LENGTH_OFFSET, (short) length);
    chunk.putLong(record + FlowRecordDescriptor.EVENT_NS_OFFSET, MappingIndex.nanos(alarm.time()));
    chunk.putLong(record + ALARM_ENTRIES_OFFSET, alarm.entries());
    chunk.putLong(record + ALARM_LIMIT_OFFSET, alarm.limit());
    chunk.putLong(record + ALARM_DROPS_OFFSET, alarm.drops());
    chunk.put(record + ALARM_TEXT_OFFSET, text, 0, length);
    commit(chunk, at, 1);
  }

  /** Everything of a gap's frame but its sequence numbers. */
  static void writeGap(
      ByteBuffer frame,
      int at,
      GapCause cause,
      long lost,
      boolean atMost,
      long fromNanos,
      long toNanos) {
    clear(frame, at);
    int record = at + RECORD_OFFSET;
    frame.put(
        record + GapRecordDescriptor.KIND_OFFSET, (byte) FlowRecordDescriptor.SLUICE_KIND_GAP);
    frame.put(record + GapRecordDescriptor.CAUSE_OFFSET, (byte) FrameDescriptor.number(cause));
    frame.put(record + GapRecordDescriptor.AT_MOST_OFFSET, (byte) (atMost ? 1 : 0));
    frame.putLong(record + GapRecordDescriptor.EVENT_NS_OFFSET, toNanos);
    frame.putLong(record + GapRecordDescriptor.LOST_OFFSET, lost);
    frame.putLong(record + GapRecordDescriptor.FROM_NS_OFFSET, fromNanos);
    frame.putLong(record + GapRecordDescriptor.TO_NS_OFFSET, toNanos);
  }

  private static int number(Alarm.Level level) {
    return switch (level) {
      case WARNING -> ALARM_WARNING;
      case CRITICAL -> ALARM_CRITICAL;
      case FULL -> ALARM_FULL;
      case CLEARED -> ALARM_CLEARED;
    };
  }

  private static int number(Alarm.Subject subject) {
    return switch (subject) {
      case CONNECTION_TABLE -> ALARM_CONNECTION_TABLE;
      case SOURCE_PORTS -> ALARM_SOURCE_PORTS;
    };
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

  /** Evicts consumers that have stopped to read; to be called now and then. */
  void evictStalled() {
    long first = oldest;
    for (LogCursor cursor : cursors) {
      cursor.evictIfStalled(first);
    }
  }

  /** Whether a consumer has still to read more than a quarter of what the log can hold. */
  boolean isCrowded() {
    long position = end;
    for (LogCursor cursor : cursors) {
      if (!cursor.isEvicted() && position - cursor.reached() > capacity / 4) {
        return true;
      }
    }
    return false;
  }

  /** Nothing more will come: cursors read what is there and then find the end. */
  void end() {
    ended = true;
    wakeConsumers();
  }

  /** Not the sequence: readers may be looking at it, as it stands there in advance. */
  private static void clear(ByteBuffer frame, int at) {
    for (int i = MAPPING_ID_OFFSET; i < FRAME_BYTES; i += Long.BYTES) {
      frame.putLong(at + i, 0);
    }
  }

  /** Makes room at the end, and for the number behind it. */
  private ByteBuffer begin() {
    long position = end;
    long limit = position + 2 - capacity;
    if (oldest < limit) {
      OLDEST.setOpaque(this, limit);
      // What is written from here on must not be seen before the new oldest.
      VarHandle.releaseFence();
    }
    return frameForWriter(position);
  }

  private void commit(ByteBuffer chunk, int at, long events) {
    long position = end;
    chunk.putLong(at + SEQUENCE_OFFSET, next);
    next += events;
    chunk.putLong(at + NEXT_SEQUENCE_OFFSET, next);
    frameForWriter(position + 1).putLong(offset(position + 1) + SEQUENCE_OFFSET, next);
    END.setRelease(this, position + 1);
  }

  private ByteBuffer frameForWriter(long position) {
    int index = chunkIndex(position);
    ByteBuffer chunk = chunks[index];
    if (chunk == null) {
      chunk = ByteBuffer.allocateDirect(chunkEntries * FRAME_BYTES).order(ByteOrder.nativeOrder());
      chunks[index] = chunk;
    }
    return chunk;
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

  /** A number of a frame's; may be torn, see {@link #isRetained}. */
  long longAt(long position, int field) {
    return frame(position).getLong(offset(position) + field);
  }

  /** Copies a frame, which may be torn. */
  void copyFrame(long position, ByteBuffer target, int at) {
    target.put(at, frame(position), offset(position), FRAME_BYTES);
  }

  /** As far as the end, and where the end is, there is a chunk. */
  @SuppressWarnings("NullAway")
  private ByteBuffer frame(long position) {
    return chunks[chunkIndex(position)];
  }

  private int chunkIndex(long position) {
    return (int) (position & (capacity - 1)) / chunkEntries;
  }

  private int offset(long position) {
    return (int) (position & (chunkEntries - 1)) * FRAME_BYTES;
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
    LogCursor[] more = Arrays.copyOf(cursors, cursors.length + 1);
    more[cursors.length] = cursor;
    cursors = more;
    return cursor;
  }

  synchronized void unregister(LogCursor cursor) {
    cursors = Arrays.stream(cursors).filter(other -> other != cursor).toArray(LogCursor[]::new);
  }

  synchronized void countEviction() {
    evicted = evicted + 1;
  }

  static long nowNanos() {
    return MappingIndex.nanos(Instant.now());
  }
}
