package dev.sluice.flow;

import static dev.sluice.conntrack.FlowRecordDescriptor.RECORD_BYTES;

import dev.sluice.conntrack.FlowRecord;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * Ends of flows that wait for what the fast path has carried of them, and events of others with the
 * same tuples that came behind, in their order; at most {@value #CAPACITY}. One thread; memory is
 * taken with the first.
 */
final class PendingEvents {
  static final int CAPACITY = 1 << 14;

  /** So long an event waits at most. */
  static final long PATIENCE_NANOS = 1_000_000_000L;

  private @Nullable ByteBuffer records;
  private final MappingIndex.@Nullable Publication[] owners =
      new MappingIndex.@Nullable Publication[CAPACITY];
  private final boolean[] synthesised = new boolean[CAPACITY];
  private final long[] since = new long[CAPACITY];
  private int first;
  private int size;

  boolean isEmpty() {
    return size == 0;
  }

  boolean isFull() {
    return size == CAPACITY;
  }

  void add(FlowRecord event, MappingIndex.@Nullable Publication owner, boolean isSynthesised) {
    ByteBuffer memory = records;
    if (memory == null) {
      memory = ByteBuffer.allocateDirect(CAPACITY * RECORD_BYTES).order(ByteOrder.nativeOrder());
      records = memory;
    }
    int at = (first + size) % CAPACITY;
    event.copyTo(memory, at * RECORD_BYTES);
    owners[at] = owner;
    synthesised[at] = isSynthesised;
    since[at] = System.nanoTime();
    size++;
  }

  /** Copies the record that has waited longest; there is one. */
  void copyFirst(ByteBuffer target) {
    if (records != null) {
      target.put(0, records, first * RECORD_BYTES, RECORD_BYTES);
    }
  }

  /** Whether the first has waited long enough. */
  boolean isFirstLate() {
    return System.nanoTime() - since[first] > PATIENCE_NANOS;
  }

  boolean isFirstSynthesised() {
    return synthesised[first];
  }

  /** Removes the first: the mapping that led the flow. */
  MappingIndex.@Nullable Publication removeFirst() {
    MappingIndex.Publication owner = owners[first];
    owners[first] = null;
    first = (first + 1) % CAPACITY;
    size--;
    return owner;
  }
}
