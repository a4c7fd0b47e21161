package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.EntryReader;
import dev.sluice.conntrack.EventRing;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.FlowRecord.Kind;
import dev.sluice.conntrack.GapRecord;
import dev.sluice.conntrack.PlayedDump;
import dev.sluice.conntrack.PlayedEvents;
import dev.sluice.model.FlowEvent.GapCause;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** The reader's life: it begins, reads, and ends or fails in a way that everybody can see. */
class EventReaderTest {
  private final PlayedEvents played = new PlayedEvents(64);
  private final EventLog log = new EventLog(64);
  private final byte[] target = new byte[EventStream.MAX_ENTRY_BYTES];

  private int events;

  private void event() {
    played
        .event(Kind.NEW, 17)
        .at(1)
        .id(++events)
        .addresses("198.18.0.2", "198.18.0.1", "198.18.0.1", "198.18.0.2")
        .ports(1, 2, 2, 1)
        .publish();
  }

  /** Fails if events are not counted, or closing does not end the thread and the stream. */
  @Test
  void itReadsUntilItIsClosed() throws InterruptedException {
    CountDownLatch closed = new CountDownLatch(1);
    EventRing ring =
        played.ring(
            timeout -> {
              LockSupport.parkNanos(100_000);
              return closed.getCount() == 0
                  ? EventRing.Readiness.ENDED
                  : EventRing.Readiness.TIMEOUT;
            });
    EventReader reader = reader(ring, closed::countDown);
    EventStream.Cursor cursor = log.follow(FlowFilter.ALL, EventStream.Format.LINES);
    reader.start();
    event();
    event();
    played.gap(GapRecord.Cause.RECEIVE_BUFFER, 40, 1, 2);
    await(() -> reader.statistics().nextSequence() == 43);
    EventStatistics statistics = reader.statistics();
    assertThat(statistics.state()).isEqualTo(EventStatistics.State.RUNNING);
    assertThat(statistics.failure()).isEmpty();
    assertThat(statistics.received()).isEqualTo(2);
    assertThat(statistics.lostReceiveBuffer()).isEqualTo(40);
    assertThat(statistics.lost()).isEqualTo(40);
    assertThat(statistics.consumers()).isEqualTo(1);
    assertThat(statistics.oldestSequence()).isEqualTo(1);
    assertThat(statistics.retained()).isEqualTo(3);

    reader.close();
    reader.close();
    assertThat(reader.statistics().state()).isEqualTo(EventStatistics.State.STOPPED);
    assertThat(cursor.read(target, 1_000)).isPositive();
    assertThat(cursor.read(target, 1_000)).isEqualTo(-1);
  }

  /** Fails if a reader that cannot go on keeps silent about it. */
  @Test
  void aFailureIsSeenByEverybody() throws InterruptedException {
    EventRing ring =
        played.ring(
            timeout -> {
              throw new IllegalStateException("recvmmsg: No buffer space available");
            });
    EventReader reader = reader(ring, () -> {});
    EventStream.Cursor cursor = log.follow(FlowFilter.ALL, EventStream.Format.LINES);
    event();
    reader.start();
    assertThat(cursor.read(target, 10_000)).isPositive();
    assertThat(cursor.read(target, 10_000)).isEqualTo(-1);
    EventStatistics statistics = reader.statistics();
    assertThat(statistics.state()).isEqualTo(EventStatistics.State.FAILED);
    assertThat(statistics.failure())
        .hasValue("flow events are no longer read: recvmmsg: No buffer space available");
    assertThat(statistics.received()).isEqualTo(1);
    reader.close();
    assertThat(reader.statistics().state()).isEqualTo(EventStatistics.State.FAILED);
  }

  /** A source whose ring is always read to the end, and whose first dump shows many flows. */
  private static final class ManyFlows implements EventReader.Source {
    final PlayedEvents played = new PlayedEvents(1 << 13);
    final Queue<EntryReader> dumps = new ConcurrentLinkedQueue<>();
    private final CountDownLatch closed = new CountDownLatch(1);

    ManyFlows(int flows) {
      dumps.add(new ManyEntries(flows));
    }

    @Override
    public EventRing ring() {
      return played.ring(
          timeout -> {
            LockSupport.parkNanos(Math.min(timeout, 1) * 500_000L);
            return closed.getCount() == 0 ? EventRing.Readiness.ENDED : EventRing.Readiness.TIMEOUT;
          });
    }

    @Override
    public void sync() {
      played.drained(System.nanoTime());
    }

    @Override
    public EntryReader dump() {
      EntryReader next = dumps.poll();
      return next == null ? new PlayedDump() : next;
    }

    @Override
    public void close() {
      closed.countDown();
    }
  }

  private static PlayedEvents.Event flow(PlayedEvents events, Kind kind, int id) {
    return events
        .event(kind, 6)
        .at(1_700_000_000_000_000_000L)
        .id(id)
        .addresses("198.18.0.2", "198.18.0.1", "198.18.0.1", "198.18.0.2")
        .ports(id & 0xffff, 8080, 8080, id & 0xffff);
  }

  /** A dump of flows with the ids from 0. */
  private static final class ManyEntries implements EntryReader {
    private final PlayedEvents entries = new PlayedEvents(512);
    private final EventRing ring = entries.ring();
    private final int flows;
    private int next;

    ManyEntries(int flows) {
      this.flows = flows;
    }

    @Override
    public boolean read(Consumer<FlowRecord> consumer) {
      int end = Math.min(flows, next + 256);
      if (next == end) {
        return false;
      }
      for (; next < end; next++) {
        flow(entries, Kind.ENTRY, next).publish();
      }
      ring.poll(
          new EventRing.Handler() {
            @Override
            public void onFlow(FlowRecord record) {
              consumer.accept(record);
            }

            @Override
            public void onGap(GapRecord gap) {
              throw new AssertionError(gap);
            }
          },
          512);
      return true;
    }

    @Override
    public int malformed() {
      return 0;
    }

    @Override
    public void close() {}
  }

  /**
   * Fails if the ends that a comparison concludes push a consumer out of the log that reads 100,000
   * events a second, if one is missing or told twice, or if new events wait until all are told.
   */
  @Test
  void conclusionsPushNobodyOutOfTheLog() throws InterruptedException {
    int flows = 300_000;
    int later = 1_000_000;
    ManyFlows source = new ManyFlows(flows);
    EventLog events = new EventLog();
    EventReader reader = new EventReader(source, new MappingIndex(), events, 2 * flows, () -> 0);
    reader.start();
    await(() -> reader.statistics().isCurrent());
    assertThat(reader.statistics().openFlows()).isEqualTo(flows);
    EventStream.Cursor cursor = events.follow(FlowFilter.ALL, EventStream.Format.FRAMES);
    source.played.gap(GapRecord.Cause.RING, 7, 1, 2);

    BitSet ended = new BitSet(flows);
    List<GapCause> gaps = new ArrayList<>();
    byte[] target = new byte[1 << 16];
    EventFrame frame = new EventFrame(ByteBuffer.wrap(target).order(ByteOrder.nativeOrder()));
    int between = 0;
    int began = 0;
    long deadline = System.nanoTime() + 60_000_000_000L;
    while (ended.cardinality() < flows && System.nanoTime() < deadline) {
      flow(source.played, Kind.NEW, later + began++).publish();
      int length = cursor.read(target, 0);
      for (int at = 0; at < length; at += FrameDescriptor.FRAME_BYTES) {
        frame.wrap(ByteBuffer.wrap(target).order(ByteOrder.nativeOrder()), at);
        if (frame.isGap()) {
          gaps.add(frame.gapCause());
        } else if (frame.flow().id() < flows) {
          assertThat(frame.flow().kind()).isEqualTo(Kind.DESTROY);
          assertThat(frame.isSynthesised()).isTrue();
          int id = (int) frame.flow().id();
          assertThat(ended.get(id)).as("told before: %s", id).isFalse();
          ended.set(id);
        } else if (ended.cardinality() > 0) {
          between++;
        }
      }
      LockSupport.parkNanos(2_000_000);
    }
    assertThat(ended.cardinality()).isEqualTo(flows);
    assertThat(gaps).containsExactly(GapCause.RING);
    assertThat(between).as("events amid the conclusions").isGreaterThan(300);
    assertThat(reader.statistics().evictedConsumers()).isZero();
    reader.close();
  }

  /**
   * Fails if a flow is missing or there twice where an answer takes several portions, or what is
   * made of it holds up the reader.
   */
  @Test
  void flowsOfAPortAreHandedOverByTheirAsker() {
    int flows = 30_000;
    ManyFlows source = new ManyFlows(flows);
    EventReader reader = new EventReader(source, new MappingIndex(), log, flows, () -> 0);
    assertThat(reader.forEachTo(List.of(), flow -> {})).as("before it reads").isFalse();
    reader.start();
    await(() -> reader.statistics().isCurrent());
    Thread asker = Thread.currentThread();
    BitSet seen = new BitSet(flows);
    boolean known =
        reader.forEachTo(
            List.of(new LiveFlows.Port(6, 80), new LiveFlows.Port(6, 8080)),
            flow -> {
              assertThat(Thread.currentThread()).isSameAs(asker);
              assertThat(seen.get((int) flow.id())).isFalse();
              seen.set((int) flow.id());
            });
    assertThat(known).isTrue();
    assertThat(seen.cardinality()).isEqualTo(flows);
    reader.close();
  }

  private EventReader reader(EventRing ring, Runnable close) {
    EventReader.Source source =
        new EventReader.Source() {
          @Override
          public EventRing ring() {
            return ring;
          }

          @Override
          public void sync() {}

          @Override
          public EntryReader dump() {
            return new PlayedDump();
          }

          @Override
          public void close() {
            close.run();
          }
        };
    return new EventReader(source, new MappingIndex(), log, 1_000, () -> 0);
  }

  private static void await(BooleanSupplier condition) {
    long deadline = System.nanoTime() + 10_000_000_000L;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("still not so after 10 s");
      }
      LockSupport.parkNanos(1_000_000);
    }
  }
}
