package dev.sluice.conntrack;

import dev.sluice.ffi.NativeBuffer;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.IntFunction;

/** The producer's end of a ring, played in Java. */
final class RingMemory {
  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private final NativeBuffer memory;
  private final ByteBuffer bytes;
  private final int slots;
  private long head;

  RingMemory(int slots) {
    this.slots = slots;
    this.memory =
        NativeBuffer.allocateAligned(
            EventRingDescriptor.RECORDS_OFFSET + slots * FlowRecordDescriptor.RECORD_BYTES,
            EventRingDescriptor.ALIGNMENT);
    this.bytes = memory.bytes();
    bytes.putInt(EventRingDescriptor.SLOTS_OFFSET, slots);
  }

  EventRing ring() {
    return ring(timeout -> EventRing.Readiness.TIMEOUT);
  }

  /** A ring whose reader waits with {@code waiter}, which is given the timeout in ms. */
  EventRing ring(IntFunction<EventRing.Readiness> waiter) {
    return new EventRing(memory, waiter);
  }

  /** Room for the next record: where it lies in {@link #bytes}. */
  int next() {
    int at =
        EventRingDescriptor.RECORDS_OFFSET
            + (int) (head % slots) * FlowRecordDescriptor.RECORD_BYTES;
    bytes.put(at, new byte[FlowRecordDescriptor.RECORD_BYTES]);
    head++;
    return at;
  }

  /** Writes and publishes an event that is told by its id. */
  void event(int id) {
    int at = next();
    bytes.put(at + FlowRecordDescriptor.KIND_OFFSET, (byte) FlowRecordDescriptor.SLUICE_KIND_NEW);
    bytes.put(at + FlowRecordDescriptor.FAMILY_OFFSET, (byte) LinuxNfConntrack.AF_INET);
    bytes.putInt(at + FlowRecordDescriptor.ID_OFFSET, id);
    publish();
  }

  void gap(long lost) {
    int at = next();
    bytes.put(at + GapRecordDescriptor.KIND_OFFSET, (byte) FlowRecordDescriptor.SLUICE_KIND_GAP);
    bytes.put(
        at + GapRecordDescriptor.CAUSE_OFFSET,
        (byte) GapRecordDescriptor.SLUICE_CAUSE_RING_OVERFLOW);
    bytes.putLong(at + GapRecordDescriptor.LOST_OFFSET, lost);
    bytes.putLong(at + GapRecordDescriptor.FROM_NS_OFFSET, 5);
    bytes.putLong(at + GapRecordDescriptor.TO_NS_OFFSET, 9);
    publish();
  }

  void publish() {
    LONG.setRelease(bytes, EventRingDescriptor.HEAD_OFFSET, head);
  }

  long tail() {
    return (long) LONG.getAcquire(bytes, EventRingDescriptor.TAIL_OFFSET);
  }

  ByteBuffer bytes() {
    return bytes;
  }
}
