package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.FlowRecord.Kind;
import dev.sluice.conntrack.PlayedEvents;
import org.junit.jupiter.api.Test;

/** Which ends are remembered. */
class RecentEndsTest {
  private final RecentEnds ends = new RecentEnds();
  private final PlayedEvents played = new PlayedEvents(16);

  private static FlowRecord end(int number, long startNanos, int sourcePort) {
    return PlayedEvents.record(
        events ->
            events
                .event(Kind.DESTROY, 17)
                .id(number)
                .addresses("198.18.0.2", "198.18.0.1", "172.30.0.2", "198.18.0.2")
                .ports(sourcePort, 53, 53, sourcePort)
                .start(startNanos)
                .publish());
  }

  /** Fails if the start, the id or the tuple is left out of what tells flows apart. */
  @Test
  void anEndIsToldByIdTupleAndStart() {
    ends.add(end(1, 1_000, 5));
    assertThat(ends.contains(end(1, 1_000, 5))).isTrue();
    assertThat(ends.contains(end(1, 1_001, 5))).isFalse();
    assertThat(ends.contains(end(2, 1_000, 5))).isFalse();
    assertThat(ends.contains(end(1, 1_000, 6))).isFalse();
    assertThat(played.ring().size()).isZero();
  }

  /** Fails if fewer are remembered than promised, or memory grows without end. */
  @Test
  void theLastAreRemembered() {
    int total = 3 * RecentEnds.REMEMBERED;
    FlowRecord record = end(0, 0, 1);
    java.nio.ByteBuffer bytes =
        java.nio.ByteBuffer.allocate(192).order(java.nio.ByteOrder.nativeOrder());
    record.copyTo(bytes, 0);
    record.wrap(bytes, 0);
    for (int i = 0; i < total; i++) {
      bytes.putLong(144, i);
      ends.add(record);
    }
    int remembered = 0;
    for (int i = total - 1; i >= 0; i--) {
      bytes.putLong(144, i);
      if (!ends.contains(record)) {
        break;
      }
      remembered++;
    }
    assertThat(remembered).isBetween(RecentEnds.REMEMBERED, 2 * RecentEnds.REMEMBERED);
  }
}
