package dev.sluice.conntrack;

import static dev.sluice.conntrack.EventRingDescriptor.HEAD_OFFSET;
import static dev.sluice.conntrack.EventRingDescriptor.RECORDS_OFFSET;
import static dev.sluice.conntrack.EventRingDescriptor.SLOTS_OFFSET;
import static dev.sluice.conntrack.EventRingDescriptor.TAIL_OFFSET;
import static dev.sluice.conntrack.FlowRecordDescriptor.KIND_OFFSET;
import static dev.sluice.conntrack.FlowRecordDescriptor.RECORD_BYTES;
import static dev.sluice.conntrack.FlowRecordDescriptor.SLUICE_KIND_GAP;

import dev.sluice.ffi.NativeBuffer;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.IntFunction;

/**
 * The consumer's end of the ring that the thread in C fills (see {@link EventRingDescriptor}). The
 * loop of a reader:
 *
 * <pre>{@code
 * while (ring.await(1_000) != EventRing.Readiness.ENDED) {
 *   while (ring.poll(handler, 1_024) > 0) {}
 * }
 * }</pre>
 *
 * <p>For one thread at a time. Reading allocates nothing.
 */
public final class EventRing {
  /** Receives the records, in the order of the kernel's. */
  public interface Handler {
    /** An event; the record is only valid during the call. */
    void onFlow(FlowRecord record);

    /** Events are missing; the record is only valid during the call. */
    void onGap(GapRecord gap);
  }

  /** What {@link #await} found. */
  public enum Readiness {
    /** There is something to read. */
    READY,
    /** Nothing came in time. */
    TIMEOUT,
    /** The source was stopped or closed, and everything has been read. */
    ENDED
  }

  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private final ByteBuffer bytes;
  private final long mask;
  private final IntFunction<Readiness> waiter;
  private final FlowRecord flow;
  private final GapRecord gap;
  private long tail;

  /**
   * @param memory a ring whose header is initialised
   * @param waiter waits for the timeout in ms, or less
   */
  EventRing(NativeBuffer memory, IntFunction<Readiness> waiter) {
    this.bytes = memory.bytes();
    this.mask = bytes.getInt(SLOTS_OFFSET) - 1L;
    this.waiter = waiter;
    this.flow = new FlowRecord(bytes);
    this.gap = new GapRecord(bytes);
    this.tail = bytes.getLong(TAIL_OFFSET);
  }

  /**
   * Hands over what is there, up to {@code limit} records, and then gives their place back. If the
   * handler throws, the record it was given counts as read.
   *
   * @param limit at least 1; much less than the ring's size, as the place comes back at the end
   *     only
   * @return how many records were handed over, 0 if there are none
   */
  public int poll(Handler handler, int limit) {
    if (limit < 1) {
      throw new IllegalArgumentException("limit must be at least 1: limit=" + limit);
    }
    long next = tail;
    long end = Math.min((long) LONG.getAcquire(bytes, HEAD_OFFSET), next + limit);
    int count = (int) (end - next);
    try {
      while (next < end) {
        int offset = RECORDS_OFFSET + (int) (next & mask) * RECORD_BYTES;
        next++;
        if (bytes.get(offset + KIND_OFFSET) == SLUICE_KIND_GAP) {
          handler.onGap(gap.wrap(bytes, offset));
        } else {
          handler.onFlow(flow.wrap(bytes, offset));
        }
      }
    } finally {
      tail = next;
      LONG.setRelease(bytes, TAIL_OFFSET, next);
    }
    return count;
  }

  /**
   * Waits until there is something to read.
   *
   * @param timeoutMillis -1 for as long as it takes; may return {@link Readiness#TIMEOUT} earlier
   * @throws dev.sluice.ffi.ShimException if the thread had to give up because the socket failed,
   *     and everything has been read
   */
  public Readiness await(int timeoutMillis) {
    if (size() > 0) {
      return Readiness.READY;
    }
    return waiter.apply(timeoutMillis);
  }

  /**
   * How far the stream reaches, by the clock of {@link System#nanoTime}: every event that the
   * kernel had queued by then has been read, or waits in the ring, or is part of a gap. To be asked
   * before the records are read. {@link EventSource#sync} makes it move while nothing happens.
   */
  public long drainedNanos() {
    return (long) LONG.getAcquire(bytes, EventRingDescriptor.DRAINED_NS_OFFSET);
  }

  /** How many records wait to be read. */
  public int size() {
    return (int) ((long) LONG.getAcquire(bytes, HEAD_OFFSET) - tail);
  }

  /** How many records there is room for. */
  public int capacity() {
    return (int) mask + 1;
  }
}
