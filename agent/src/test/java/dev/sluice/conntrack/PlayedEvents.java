package dev.sluice.conntrack;

import static dev.sluice.conntrack.FlowRecordDescriptor.*;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.nio.ByteBuffer;
import java.util.function.Consumer;
import java.util.function.IntFunction;

/** A source of events played in Java, for tests of those who read its ring. */
public final class PlayedEvents {
  private final RingMemory memory;

  public PlayedEvents(int slots) {
    this.memory = new RingMemory(slots);
  }

  /** The ring; {@code waiter} says what its reader finds when there is nothing to read. */
  public EventRing ring(IntFunction<EventRing.Readiness> waiter) {
    return memory.ring(waiter);
  }

  /** The ring of a source to which nothing happens. */
  public EventRing ring() {
    return memory.ring();
  }

  /** A record of its own with what {@code event} last published. */
  public static FlowRecord record(Consumer<PlayedEvents> event) {
    PlayedEvents played = new PlayedEvents(16);
    event.accept(played);
    FlowRecord kept = new FlowRecord();
    played
        .ring()
        .poll(
            new EventRing.Handler() {
              @Override
              public void onFlow(FlowRecord record) {
                record.copyTo(kept);
              }

              @Override
              public void onGap(GapRecord gap) {
                throw new AssertionError("not an event: " + gap);
              }
            },
            16);
    return kept;
  }

  /** Publishes a gap. */
  public PlayedEvents gap(GapRecord.Cause cause, long lost, long fromNanos, long toNanos) {
    int at = memory.next();
    ByteBuffer bytes = memory.bytes();
    bytes.put(at + GapRecordDescriptor.KIND_OFFSET, (byte) SLUICE_KIND_GAP);
    bytes.put(
        at + GapRecordDescriptor.CAUSE_OFFSET,
        (byte)
            switch (cause) {
              case RECEIVE_BUFFER -> GapRecordDescriptor.SLUICE_CAUSE_RECEIVE_BUFFER;
              case RING -> GapRecordDescriptor.SLUICE_CAUSE_RING_OVERFLOW;
              case MALFORMED -> GapRecordDescriptor.SLUICE_CAUSE_MALFORMED;
            });
    bytes.putLong(at + GapRecordDescriptor.LOST_OFFSET, lost);
    bytes.putLong(at + GapRecordDescriptor.FROM_NS_OFFSET, fromNanos);
    bytes.putLong(at + GapRecordDescriptor.TO_NS_OFFSET, toNanos);
    memory.publish();
    return this;
  }

  /** Everything that the kernel had queued by then is in the ring, by System.nanoTime. */
  public void drained(long nanos) {
    memory.bytes().putLong(EventRingDescriptor.DRAINED_NS_OFFSET, nanos);
  }

  /** An event that is not published yet. */
  public Event event(FlowRecord.Kind kind, int protocol) {
    return new Event(kind, protocol);
  }

  /** Sets fields of the next record. */
  public final class Event {
    private final int at = memory.next();
    private final ByteBuffer bytes = memory.bytes();

    private Event(FlowRecord.Kind kind, int protocol) {
      bytes.put(
          at + KIND_OFFSET,
          (byte)
              switch (kind) {
                case NEW -> SLUICE_KIND_NEW;
                case UPDATE -> SLUICE_KIND_UPDATE;
                case DESTROY -> SLUICE_KIND_DESTROY;
                case ENTRY -> SLUICE_KIND_ENTRY;
              });
      bytes.put(at + PROTO_OFFSET, (byte) protocol);
    }

    /** The time, as the reader of the socket took it. */
    public Event at(long nanos) {
      bytes.putLong(at + EVENT_NS_OFFSET, nanos);
      return this;
    }

    /** The time, as the kernel tells it. */
    public Event atKernel(long nanos) {
      return at(nanos).with(SLUICE_HAS_EVENT_TIME);
    }

    public Event id(long id) {
      bytes.putInt(at + ID_OFFSET, (int) id);
      return with(SLUICE_HAS_ID);
    }

    /** The addresses: source and destination of the original, then of the reply. */
    public Event addresses(String... four) {
      int[] fields = {ORIG_SRC_OFFSET, ORIG_DST_OFFSET, REPLY_SRC_OFFSET, REPLY_DST_OFFSET};
      for (int i = 0; i < fields.length; i++) {
        IpAddress address = IpAddress.parse(four[i]);
        bytes.put(
            at + FAMILY_OFFSET,
            (byte)
                (address.family() == Family.IPV6
                    ? LinuxNfConntrack.AF_INET6
                    : LinuxNfConntrack.AF_INET));
        bytes.put(at + fields[i], address.toBytes());
      }
      return this;
    }

    /** The ports, in the order of the addresses. */
    public Event ports(int... four) {
      bytes.putShort(at + ORIG_SRC_PORT_OFFSET, (short) four[0]);
      bytes.putShort(at + ORIG_DST_PORT_OFFSET, (short) four[1]);
      bytes.putShort(at + REPLY_SRC_PORT_OFFSET, (short) four[2]);
      bytes.putShort(at + REPLY_DST_PORT_OFFSET, (short) four[3]);
      return with(SLUICE_HAS_PORTS);
    }

    public Event icmp(int id, int originalType, int replyType, int code) {
      bytes.put(at + ORIG_ICMP_TYPE_OFFSET, (byte) originalType);
      bytes.put(at + REPLY_ICMP_TYPE_OFFSET, (byte) replyType);
      bytes.put(at + ORIG_ICMP_CODE_OFFSET, (byte) code);
      bytes.put(at + REPLY_ICMP_CODE_OFFSET, (byte) code);
      bytes.putShort(at + ORIG_SRC_PORT_OFFSET, (short) id);
      bytes.putShort(at + REPLY_SRC_PORT_OFFSET, (short) id);
      return with(SLUICE_HAS_ICMP);
    }

    public Event status(int bits) {
      bytes.putInt(at + STATUS_OFFSET, bits);
      return with(SLUICE_HAS_STATUS);
    }

    public Event protocolState(int state) {
      bytes.put(at + PROTO_STATE_OFFSET, (byte) state);
      return with(SLUICE_HAS_PROTO_STATE);
    }

    public Event timeoutSeconds(long seconds) {
      bytes.putInt(at + TIMEOUT_SECONDS_OFFSET, (int) seconds);
      return with(SLUICE_HAS_TIMEOUT);
    }

    public Event mark(int mark) {
      bytes.putInt(at + MARK_OFFSET, mark);
      return with(SLUICE_HAS_MARK);
    }

    public Event zone(int zone) {
      bytes.putShort(at + ZONE_OFFSET, (short) zone);
      return with(SLUICE_HAS_ZONE);
    }

    /** Packets and bytes of the original, then of the reply. */
    public Event counters(long... four) {
      bytes.putLong(at + ORIG_PACKETS_OFFSET, four[0]);
      bytes.putLong(at + ORIG_BYTES_OFFSET, four[1]);
      bytes.putLong(at + REPLY_PACKETS_OFFSET, four[2]);
      bytes.putLong(at + REPLY_BYTES_OFFSET, four[3]);
      return with(SLUICE_HAS_ORIG_COUNTERS | SLUICE_HAS_REPLY_COUNTERS);
    }

    public Event start(long nanos) {
      bytes.putLong(at + START_NS_OFFSET, nanos);
      return with(SLUICE_HAS_START);
    }

    public Event stop(long nanos) {
      bytes.putLong(at + STOP_NS_OFFSET, nanos);
      return with(SLUICE_HAS_STOP);
    }

    public PlayedEvents publish() {
      memory.publish();
      return PlayedEvents.this;
    }

    private Event with(int bits) {
      bytes.putInt(at + PRESENT_OFFSET, bytes.getInt(at + PRESENT_OFFSET) | bits);
      return this;
    }
  }
}
