package dev.sluice.conntrack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** The reader, with the producer played in Java. */
class EventRingTest {
  /** Collects what it is given, as text. */
  private static final class Collector implements EventRing.Handler {
    private final List<String> seen = new ArrayList<>();

    @Override
    public void onFlow(FlowRecord record) {
      seen.add("flow " + record.id());
    }

    @Override
    public void onGap(GapRecord gap) {
      seen.add(gap.toString());
    }
  }

  /** Fails if a record is read twice, left out, or read from another slot than n modulo slots. */
  @Test
  void readsRoundAndRoundInOrder() {
    RingMemory memory = new RingMemory(16);
    EventRing ring = memory.ring();
    Collector collector = new Collector();
    for (int i = 0; i < 100; i++) {
      memory.event(i);
      if (i % 7 == 6) {
        assertThat(ring.size()).isEqualTo(7);
        assertThat(ring.poll(collector, 100)).isEqualTo(7);
      }
    }
    assertThat(ring.poll(collector, 100)).isEqualTo(2);
    assertThat(ring.poll(collector, 100)).isZero();
    assertThat(collector.seen)
        .containsExactlyElementsOf(LongStream.range(0, 100).mapToObj(id -> "flow " + id).toList());
    assertThat(memory.tail()).isEqualTo(100);
    assertThat(ring.capacity()).isEqualTo(16);
  }

  /** Fails if the limit is ignored, or the place of unread records is given back. */
  @Test
  void readsUpToTheLimit() {
    RingMemory memory = new RingMemory(16);
    EventRing ring = memory.ring();
    for (int i = 0; i < 10; i++) {
      memory.event(i);
    }
    Collector collector = new Collector();
    assertThat(ring.poll(collector, 3)).isEqualTo(3);
    assertThat(memory.tail()).isEqualTo(3);
    assertThat(collector.seen).containsExactly("flow 0", "flow 1", "flow 2");
    assertThat(ring.size()).isEqualTo(7);
    assertThatThrownBy(() -> ring.poll(collector, 0)).hasMessageContaining("limit=0");
  }

  /** Fails if a gap is taken for an event or its numbers are read from the wrong place. */
  @Test
  void gapsComeInTheirPlace() {
    RingMemory memory = new RingMemory(16);
    memory.event(1);
    memory.gap(812);
    memory.event(2);
    Collector collector = new Collector();
    memory.ring().poll(collector, 10);
    assertThat(collector.seen).containsExactly("flow 1", "GAP RING lost=812 from=5 to=9", "flow 2");
  }

  /**
   * Fails if a record that makes the handler throw is handed over again and again, or skips one.
   */
  @Test
  void aRecordThatFailedIsReadAndTheNextIsNot() {
    RingMemory memory = new RingMemory(16);
    EventRing ring = memory.ring();
    memory.event(1);
    memory.event(2);
    memory.event(3);
    Collector collector = new Collector();
    EventRing.Handler failing =
        new EventRing.Handler() {
          @Override
          public void onFlow(FlowRecord record) {
            if (record.id() == 2) {
              throw new IllegalStateException("broken handler");
            }
          }

          @Override
          public void onGap(GapRecord gap) {}
        };
    assertThatThrownBy(() -> ring.poll(failing, 10)).hasMessage("broken handler");
    assertThat(memory.tail()).isEqualTo(2);
    ring.poll(collector, 10);
    assertThat(collector.seen).containsExactly("flow 3");
  }

  /** Fails if memory that the producer never wrote is taken for an event. */
  @Test
  void unwrittenMemoryIsNotAnEvent() {
    RingMemory memory = new RingMemory(16);
    memory.next();
    memory.publish();
    EventRing.Handler handler =
        new EventRing.Handler() {
          @Override
          public void onFlow(FlowRecord record) {
            record.kind();
          }

          @Override
          public void onGap(GapRecord gap) {}
        };
    assertThatThrownBy(() -> memory.ring().poll(handler, 1)).hasMessageContaining("kind=0");
  }

  /** Fails if await does not see what is there, or asks the kernel although something is there. */
  @Test
  void awaitLooksBeforeItWaits() {
    RingMemory memory = new RingMemory(16);
    EventRing ring = memory.ring();
    assertThat(ring.await(0)).isEqualTo(EventRing.Readiness.TIMEOUT);
    memory.event(1);
    assertThat(ring.await(0)).isEqualTo(EventRing.Readiness.READY);
  }

  /** Adds up every accessor, so that none is left out of the measurement. */
  private static final class Summer implements EventRing.Handler {
    private final FlowRecord kept = new FlowRecord();
    private long sum;
    private long records;

    @Override
    public void onFlow(FlowRecord r) {
      records++;
      sum +=
          (r.kind() == FlowRecord.Kind.NEW ? 1 : 0)
              + r.eventNanos()
              + r.protocol()
              + r.id()
              + r.status()
              + r.mark();
      sum += r.originalZone() + r.replyZone() + r.zone() + r.timeoutSeconds() + r.protocolState();
      sum += r.originalSourcePort() + r.originalDestinationPort();
      sum += r.replySourcePort() + r.replyDestinationPort();
      sum += r.originalIcmpType() + r.originalIcmpCode() + r.replyIcmpType() + r.replyIcmpCode();
      sum += r.originalSource4() + r.originalSourceHigh() + r.originalSourceLow();
      sum += r.originalDestination4() + r.originalDestinationHigh() + r.originalDestinationLow();
      sum += r.replySource4() + r.replySourceHigh() + r.replySourceLow();
      sum += r.replyDestination4() + r.replyDestinationHigh() + r.replyDestinationLow();
      sum += r.originalPackets() + r.originalBytes() + r.replyPackets() + r.replyBytes();
      sum += r.startNanos() + r.stopNanos() + (r.hasLabel(127) ? 1 : 0);
      sum += r.hasKernelTime() || r.hasTimeout() || r.hasProtocolState() || r.hasPorts() ? 1 : 0;
      sum += r.hasIcmp() || r.hasCounters() || r.hasStart() || r.hasStop() ? 1 : 0;
      sum += r.hasLabels() || r.hasHelper() || r.isIpv6() ? 1 : 0;
      r.copyTo(kept);
    }

    @Override
    public void onGap(GapRecord gap) {
      records++;
      sum +=
          (gap.cause() == GapRecord.Cause.RING ? 1 : 0)
              + gap.lost()
              + gap.fromNanos()
              + gap.toNanos();
    }
  }

  /** Fails if any accessor, copyTo or poll itself makes an object per record. */
  @Test
  void readingAllocatesNothing() {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long thread = Thread.currentThread().getId();
    Summer summer = new Summer();
    int slots = 1 << 17;
    long allocated = Long.MAX_VALUE;
    // The first round loads classes and links the handles.
    for (int round = 0; round < 2; round++) {
      RingMemory memory = new RingMemory(slots);
      EventRing ring = memory.ring();
      for (int i = 0; i < 100_000; i++) {
        if (i % 1_000 == 0) {
          memory.gap(1);
        } else {
          memory.event(i);
        }
      }
      summer.records = 0;
      long before = threads.getThreadAllocatedBytes(thread);
      while (ring.poll(summer, 256) > 0) {}
      allocated = threads.getThreadAllocatedBytes(thread) - before;
    }
    assertThat(summer.records).isEqualTo(100_000);
    assertThat(summer.sum).isNotZero();
    assertThat(allocated).as("bytes allocated for 100,000 records").isLessThan(1_024);
  }
}
