package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.ConntrackEntry;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.FlowRecord.Kind;
import dev.sluice.conntrack.FlowRecordDescriptor;
import dev.sluice.conntrack.PlayedEvents;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The table of open flows, against a map that does the same with objects. */
class FlowTableTest {
  private static final int TCP = 6;
  private static final int UDP = 17;

  private final FlowTable table = new FlowTable(1 << 20);

  private static FlowRecord flow(long id, int protocol, int source, int destination) {
    return PlayedEvents.record(
        played ->
            played
                .event(Kind.NEW, protocol)
                .at(id)
                .id(id)
                .addresses("198.18.0.2", "198.18.0.1", "172.30.0.2", "198.18.0.2")
                .ports(source, destination, 80, source)
                .status(0x1a8)
                .publish());
  }

  private int insert(FlowRecord flow) {
    return table.insert(flow, null, flow.eventNanos(), 0, 0);
  }

  private List<Long> to(int protocol, int port) {
    List<Long> ids = new ArrayList<>();
    ByteBuffer bytes =
        ByteBuffer.allocate(FlowRecordDescriptor.RECORD_BYTES).order(ByteOrder.nativeOrder());
    FlowRecord record = new FlowRecord().wrap(bytes, 0);
    table.walkTo(protocol, port);
    for (int slot = table.walkOn(); slot != FlowTable.NONE; slot = table.walkOn()) {
      table.copyForCaller(slot, FlowRecordDescriptor.SLUICE_KIND_UPDATE, bytes);
      ids.add(record.id());
    }
    return ids;
  }

  /**
   * Fails if a flow is lost or found twice in a chain, be it of a bucket, of a port or of free
   * slots, while the index grows and slots are used again.
   */
  @Test
  void itHoldsWhatAMapHolds() {
    Random random = new Random(42);
    Map<Long, FlowRecord> expected = new HashMap<>();
    Map<Long, Integer> slots = new HashMap<>();
    List<Long> ids = new ArrayList<>();
    for (int round = 0; round < 60_000; round++) {
      if (ids.isEmpty() || random.nextInt(5) < 3) {
        // Ids that collide in a bucket, as hashes do.
        long id = round * 1024L;
        FlowRecord flow = flow(id, random.nextBoolean() ? TCP : UDP, round, random.nextInt(50));
        expected.put(id, flow);
        slots.put(id, insert(flow));
        ids.add(id);
      } else {
        long id = ids.set(random.nextInt(ids.size()), ids.get(ids.size() - 1));
        ids.remove(ids.size() - 1);
        FlowRecord flow = expected.remove(id);
        if (flow == null) {
          continue;
        }
        int slot = table.find(flow);
        assertThat(slot).isEqualTo(slots.remove(id));
        table.remove(slot);
        assertThat(table.find(flow)).isEqualTo(FlowTable.NONE);
      }
    }
    assertThat(table.size()).isEqualTo(expected.size()).isGreaterThan(5_000);
    Set<Integer> seen = new HashSet<>();
    table.forEach(slot -> assertThat(seen.add(slot)).isTrue());
    assertThat(seen).containsExactlyInAnyOrderElementsOf(slots.values());
    expected.forEach((id, flow) -> assertThat(table.find(flow)).isEqualTo(slots.get(id)));
    for (int port = 0; port < 50; port++) {
      int wanted = port;
      for (int protocol : new int[] {TCP, UDP}) {
        assertThat(to(protocol, port))
            .containsExactlyInAnyOrderElementsOf(
                expected.values().stream()
                    .filter(
                        one ->
                            one.originalDestinationPort() == wanted && one.protocol() == protocol)
                    .map(FlowRecord::id)
                    .toList());
      }
    }
    // 128 bytes, the mapping that leads it, and the index.
    assertThat(table.memoryBytes()).isLessThan(200L * 65_536);
  }

  /**
   * Fails if a walk loses its way when the flow it comes to next goes, and its slot is used again.
   */
  @Test
  void aWalkMeetsEveryFlowThatStaysOnce() {
    Random random = new Random(42);
    Map<Integer, FlowRecord> staying = new HashMap<>();
    List<Integer> going = new ArrayList<>();
    for (int i = 0; i < 2_000; i++) {
      FlowRecord flow = flow(i, TCP, i, 80);
      int slot = insert(flow);
      if (i % 2 == 0) {
        staying.put(slot, flow);
      } else {
        going.add(slot);
      }
    }
    Set<Integer> met = new HashSet<>();
    table.walkTo(TCP, 80);
    for (int slot = table.walkOn(); slot != FlowTable.NONE; slot = table.walkOn()) {
      assertThat(!staying.containsKey(slot) || met.add(slot)).as("once").isTrue();
      // The one that comes next is the one before it: they are entered at the front.
      if (going.remove((Integer) (slot - 1))) {
        table.remove(slot - 1);
        insert(flow(5_000 + slot, TCP, slot, random.nextBoolean() ? 80 : 81));
      }
    }
    assertThat(met).containsAll(staying.keySet());
    table.walkTo(TCP, 80);
    table.endWalk();
    assertThat(table.walkOn()).isEqualTo(FlowTable.NONE);
  }

  /** Fails if flows of the same id are taken for each other by less than the whole tuple. */
  @Test
  void flowsOfTheSameIdAreToldByTupleAndZone() {
    int slot = insert(flow(7, TCP, 1, 2));
    assertThat(table.find(flow(7, TCP, 1, 2))).isEqualTo(slot);
    assertThat(table.find(flow(7, TCP, 1, 3))).isEqualTo(FlowTable.NONE);
    assertThat(table.find(flow(7, UDP, 1, 2))).isEqualTo(FlowTable.NONE);
    FlowRecord zoned =
        PlayedEvents.record(
            played ->
                played
                    .event(Kind.NEW, TCP)
                    .id(7)
                    .addresses("198.18.0.2", "198.18.0.1", "172.30.0.2", "198.18.0.2")
                    .ports(1, 2, 80, 1)
                    .zone(9)
                    .publish());
    assertThat(table.find(zoned)).isEqualTo(FlowTable.NONE);
    FlowRecord six =
        PlayedEvents.record(
            played ->
                played
                    .event(Kind.NEW, TCP)
                    .id(8)
                    .addresses("2001:db8::1", "2001:db8::2", "2001:db8::2", "2001:db8::1")
                    .ports(1, 2, 2, 1)
                    .publish());
    insert(six);
    FlowRecord other =
        PlayedEvents.record(
            played ->
                played
                    .event(Kind.NEW, TCP)
                    .id(8)
                    .addresses("2001:db8::1", "2001:db8::3", "2001:db8::3", "2001:db8::1")
                    .ports(1, 2, 2, 1)
                    .publish());
    assertThat(table.find(other)).isEqualTo(FlowTable.NONE);
    assertThat(table.find(six)).isNotEqualTo(FlowTable.NONE);
  }

  /** Fails if a field is not kept, or comes back as another. */
  @Test
  void whatItKnowsComesBackAsARecord() {
    FlowRecord began =
        PlayedEvents.record(
            played ->
                played
                    .event(Kind.NEW, TCP)
                    .at(5_000)
                    .id(0xfeed_beefL)
                    .addresses("2001:db8::1", "2001:db8::2", "fd30::2", "2001:db8::4")
                    .ports(65535, 8080, 80, 32768)
                    .status(0x8)
                    .protocolState(1)
                    .zone(65534)
                    .mark(-1)
                    .publish());
    int slot = insert(began);
    FlowRecord changed =
        PlayedEvents.record(
            played -> {
              PlayedEvents.Event event =
                  played.event(Kind.UPDATE, TCP).at(6_000).status(0x1ae).protocolState(3);
              event.id(0xfeed_beefL).publish();
            });
    assertThat(table.isInState(slot, changed)).isFalse();
    table.update(slot, changed);
    assertThat(table.isInState(slot, changed)).isTrue();
    ByteBuffer bytes =
        ByteBuffer.allocate(FlowRecordDescriptor.RECORD_BYTES).order(ByteOrder.nativeOrder());
    table.copyTo(slot, FlowRecordDescriptor.SLUICE_KIND_DESTROY, 7_000, bytes);
    FlowRecord record = new FlowRecord().wrap(bytes, 0);
    assertThat(record.kind()).isEqualTo(Kind.DESTROY);
    assertThat(record.eventNanos()).isEqualTo(7_000);
    assertThat(record.hasStart()).as("nobody told when it started").isFalse();
    assertThat(record.hasTimeout()).isFalse();
    assertThat(record.hasCounters()).isFalse();
    ConntrackEntry entry = record.toEntry();
    assertThat(entry.id()).isEqualTo(0xfeed_beefL);
    assertThat(entry.original()).isEqualTo(began.original());
    assertThat(entry.reply()).isEqualTo(began.reply());
    assertThat(entry.status()).isEqualTo(0x1ae);
    assertThat(entry.mark()).as("a mark that is not sent is 0").isZero();
    assertThat(entry.zone()).isEqualTo(65534);
    assertThat(entry.tcpState()).hasValue(3);
    table.setStart(slot, 4_999);
    table.set(slot, FlowTable.FLAG_EXACT_START);
    table.copyTo(slot, FlowRecordDescriptor.SLUICE_KIND_DESTROY, 7_000, bytes);
    assertThat(record.startNanos()).isEqualTo(4_999);
  }

  /** Fails if a full table overwrites, grows, or does not use again what became free. */
  @Test
  void aFullTableTakesNothingIn() {
    FlowTable small = new FlowTable(3);
    for (int i = 0; i < 3; i++) {
      assertThat(small.insert(flow(i, TCP, i, 1), null, 0, 0, 0)).isEqualTo(i);
    }
    assertThat(small.insert(flow(9, TCP, 9, 1), null, 0, 0, 0)).isEqualTo(FlowTable.NONE);
    small.remove(1);
    assertThat(small.insert(flow(9, TCP, 9, 1), null, 0, 0, 0)).isEqualTo(1);
    assertThat(small.size()).isEqualTo(3);
  }
}
