package dev.sluice.conntrack;

import dev.sluice.ffi.ShimField;
import java.util.List;

/**
 * Layout of the ring between the thread in C (producer) and Java (consumer): this header, then
 * {@code slots} records. As native/src/record.h has it; compared when the library is loaded.
 *
 * <pre>
 *   +-------------+-------------+-------------+-----------------------------+
 *   |   version   |record_bytes |    slots    |           unused            |    0
 *   +-------------+-------------+-------------+-----------------------------+
 *   |           head            |        drained_ns         |    unused     |  128  producer
 *   +---------------------------+-------------------------------------------+
 *   |           tail            |                  unused                   |  256  consumer
 *   +-------------+-------------+-------------------------------------------+
 *   |   sleeps    |                        unused                           |  384  both
 *   +-------------+---------------------------------------------------------+
 *   |                         slots x 192 bytes                             |  512
 * </pre>
 *
 * <p>head and tail count records since the start and never wrap in practice; record n lies in slot
 * n % slots. Each side stores its own with release order and reads the other's with acquire order.
 * consumer_sleeps is the futex of {@code sluice_ring_wait}; Java does not touch it. drained_ns
 * (CLOCK_MONOTONIC) says how far the stream reaches: what the kernel had queued by then lies in
 * front of the head that is read after it.
 */
public final class EventRingDescriptor {
  /** The memory's alignment: what each side writes lies on a pair of cache lines of its own. */
  public static final int ALIGNMENT = 128;

  public static final int VERSION_OFFSET = 0;
  public static final int RECORD_BYTES_OFFSET = 4;
  public static final int SLOTS_OFFSET = 8;
  public static final int HEAD_OFFSET = 128;
  public static final int DRAINED_NS_OFFSET = 136;
  public static final int TAIL_OFFSET = 256;
  public static final int CONSUMER_SLEEPS_OFFSET = 384;

  /** Where the first record lies: the size of the header. */
  public static final int RECORDS_OFFSET = 512;

  /** The structure and all its fields, as the library must export them. */
  static final List<ShimField> LAYOUT =
      List.of(
          new ShimField("ring", 0, RECORDS_OFFSET),
          new ShimField("ring.version", VERSION_OFFSET, Integer.BYTES),
          new ShimField("ring.record_bytes", RECORD_BYTES_OFFSET, Integer.BYTES),
          new ShimField("ring.slots", SLOTS_OFFSET, Integer.BYTES),
          new ShimField("ring.head", HEAD_OFFSET, Long.BYTES),
          new ShimField("ring.drained_ns", DRAINED_NS_OFFSET, Long.BYTES),
          new ShimField("ring.tail", TAIL_OFFSET, Long.BYTES),
          new ShimField("ring.consumer_sleeps", CONSUMER_SLEEPS_OFFSET, Integer.BYTES));

  private EventRingDescriptor() {}
}
