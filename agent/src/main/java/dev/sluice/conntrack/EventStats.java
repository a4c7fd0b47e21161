package dev.sluice.conntrack;

import dev.sluice.ffi.ShimField;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Counters of an {@link EventSource} since it was opened. Each is exact; they are read one after
 * the other while the thread works.
 *
 * @param received events that arrived and were decoded: started + updated + ended; all but ringLost
 *     of them went into the ring
 * @param started NEW events
 * @param updated UPDATE events
 * @param ended DESTROY events
 * @param malformed messages that could not be decoded; each is part of a gap
 * @param ignored messages that are no conntrack events, or did not come from the kernel
 * @param unknownAttributes attributes that this version does not know, skipped
 * @param receiveBufferLost events the kernel dropped because the socket's receive buffer was full
 * @param ringLost events for which the ring had no room
 * @param gaps gap records written
 * @param batches reads of the socket that returned something
 * @param wakeups times the reader was woken
 * @param cpuNanos processor time of the thread
 * @param receiveBufferBytes the receive buffer as the kernel accounts it
 * @param errno why the thread gave up; 0 while it works, or if it was stopped
 * @param receiveBufferGrowths times the receive buffer was enlarged after a loss
 * @param reliable whether the kernel keeps ends of flows that it could not deliver
 * @param reliableLeft times the thread left that mode because the ring was full for too long
 * @param malformedBytes size of the first malformed message, 0 if there was none
 * @param malformedHex the beginning of that message, hexadecimal
 */
public record EventStats(
    long received,
    long started,
    long updated,
    long ended,
    long malformed,
    long ignored,
    long unknownAttributes,
    long receiveBufferLost,
    long ringLost,
    long gaps,
    long batches,
    long wakeups,
    long cpuNanos,
    long receiveBufferBytes,
    int errno,
    long receiveBufferGrowths,
    boolean reliable,
    long reliableLeft,
    long malformedBytes,
    String malformedHex) {

  static final int BYTES = 920;

  private static final int RECEIVED_OFFSET = 0;
  private static final int NEW_EVENTS_OFFSET = 8;
  private static final int UPDATE_EVENTS_OFFSET = 16;
  private static final int DESTROY_EVENTS_OFFSET = 24;
  private static final int MALFORMED_OFFSET = 32;
  private static final int IGNORED_OFFSET = 40;
  private static final int UNKNOWN_ATTRIBUTES_OFFSET = 48;
  private static final int KERNEL_LOST_OFFSET = 56;
  private static final int RING_LOST_OFFSET = 64;
  private static final int GAPS_OFFSET = 72;
  private static final int BATCHES_OFFSET = 80;
  private static final int WAKEUPS_OFFSET = 88;
  private static final int CPU_NS_OFFSET = 96;
  private static final int RCVBUF_BYTES_OFFSET = 104;
  private static final int ERROR_OFFSET = 112;
  private static final int MALFORMED_BYTES_OFFSET = 120;
  private static final int MALFORMED_HEX_OFFSET = 128;
  private static final int MALFORMED_HEX_BYTES = 768;
  private static final int RCVBUF_GROWTHS_OFFSET = 896;
  private static final int RELIABLE_OFFSET = 904;
  private static final int RELIABLE_LEFT_OFFSET = 912;

  /** The structure and all its fields, as the library must export them. */
  static final List<ShimField> LAYOUT =
      List.of(
          new ShimField("stats", 0, BYTES),
          new ShimField("stats.received", RECEIVED_OFFSET, Long.BYTES),
          new ShimField("stats.new_events", NEW_EVENTS_OFFSET, Long.BYTES),
          new ShimField("stats.update_events", UPDATE_EVENTS_OFFSET, Long.BYTES),
          new ShimField("stats.destroy_events", DESTROY_EVENTS_OFFSET, Long.BYTES),
          new ShimField("stats.malformed", MALFORMED_OFFSET, Long.BYTES),
          new ShimField("stats.ignored", IGNORED_OFFSET, Long.BYTES),
          new ShimField("stats.unknown_attributes", UNKNOWN_ATTRIBUTES_OFFSET, Long.BYTES),
          new ShimField("stats.kernel_lost", KERNEL_LOST_OFFSET, Long.BYTES),
          new ShimField("stats.ring_lost", RING_LOST_OFFSET, Long.BYTES),
          new ShimField("stats.gaps", GAPS_OFFSET, Long.BYTES),
          new ShimField("stats.batches", BATCHES_OFFSET, Long.BYTES),
          new ShimField("stats.wakeups", WAKEUPS_OFFSET, Long.BYTES),
          new ShimField("stats.cpu_ns", CPU_NS_OFFSET, Long.BYTES),
          new ShimField("stats.rcvbuf_bytes", RCVBUF_BYTES_OFFSET, Long.BYTES),
          new ShimField("stats.error", ERROR_OFFSET, Long.BYTES),
          new ShimField("stats.malformed_bytes", MALFORMED_BYTES_OFFSET, Long.BYTES),
          new ShimField("stats.malformed_hex", MALFORMED_HEX_OFFSET, MALFORMED_HEX_BYTES),
          new ShimField("stats.rcvbuf_growths", RCVBUF_GROWTHS_OFFSET, Long.BYTES),
          new ShimField("stats.reliable", RELIABLE_OFFSET, Long.BYTES),
          new ShimField("stats.reliable_left", RELIABLE_LEFT_OFFSET, Long.BYTES));

  /** Events that did not reach the ring, for whatever reason. */
  public long lost() {
    return receiveBufferLost + ringLost + malformed;
  }

  static EventStats read(ByteBuffer bytes) {
    return new EventStats(
        bytes.getLong(RECEIVED_OFFSET),
        bytes.getLong(NEW_EVENTS_OFFSET),
        bytes.getLong(UPDATE_EVENTS_OFFSET),
        bytes.getLong(DESTROY_EVENTS_OFFSET),
        bytes.getLong(MALFORMED_OFFSET),
        bytes.getLong(IGNORED_OFFSET),
        bytes.getLong(UNKNOWN_ATTRIBUTES_OFFSET),
        bytes.getLong(KERNEL_LOST_OFFSET),
        bytes.getLong(RING_LOST_OFFSET),
        bytes.getLong(GAPS_OFFSET),
        bytes.getLong(BATCHES_OFFSET),
        bytes.getLong(WAKEUPS_OFFSET),
        bytes.getLong(CPU_NS_OFFSET),
        bytes.getLong(RCVBUF_BYTES_OFFSET),
        (int) bytes.getLong(ERROR_OFFSET),
        bytes.getLong(RCVBUF_GROWTHS_OFFSET),
        bytes.getLong(RELIABLE_OFFSET) != 0,
        bytes.getLong(RELIABLE_LEFT_OFFSET),
        bytes.getLong(MALFORMED_BYTES_OFFSET),
        RecordText.read(
            bytes, MALFORMED_HEX_OFFSET, MALFORMED_HEX_BYTES, StandardCharsets.US_ASCII));
  }
}
