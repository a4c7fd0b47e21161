package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.EntryReader;
import dev.sluice.conntrack.EventRing;
import dev.sluice.conntrack.FlowRecord.Kind;
import dev.sluice.conntrack.GapRecord;
import dev.sluice.conntrack.PlayedDump;
import dev.sluice.conntrack.PlayedEvents;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
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
