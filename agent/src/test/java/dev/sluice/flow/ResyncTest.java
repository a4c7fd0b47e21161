package dev.sluice.flow;

import static dev.sluice.flow.Mappings.mapping;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.DumpFailedException;
import dev.sluice.conntrack.EntryReader;
import dev.sluice.conntrack.EventRing;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.FlowRecord.Kind;
import dev.sluice.conntrack.GapRecord;
import dev.sluice.conntrack.PlayedDump;
import dev.sluice.conntrack.PlayedEvents;
import dev.sluice.model.Activity;
import dev.sluice.model.Mapping;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Which events are told, told once more, or concluded: events and dumps are played, and every case
 * is written down as a line {@code event id [synthesised]}.
 */
class ResyncTest {
  private static final int TCP = 6;
  private static final int DNAT = 0x1a8;
  private static final long BASE = 1_700_000_000_000_000_000L;
  private static final long MILLI = 1_000_000;

  private final MappingIndex index = new MappingIndex();
  private final EventLog log = new EventLog(1024);
  private final FlowTracker tracker = new FlowTracker(index, log, new FlowTable(1 << 16));
  private final PlayedEvents played = new PlayedEvents(64);
  private final EventRing ring = played.ring();
  private final EventStream.Cursor cursor = log.follow(FlowFilter.ALL, EventStream.Format.LINES);
  private final Deque<EntryReader> dumps = new ArrayDeque<>();
  private long buckets = 1024;
  private int syncs;
  private final Resync resync = new Resync(tracker, dumps::remove, () -> syncs++, () -> buckets);

  /** A flow that began at BASE + start ms. */
  private PlayedEvents.Event event(Kind kind, long id, long startMillis) {
    PlayedEvents.Event event =
        played
            .event(kind, TCP)
            .id(id)
            .addresses("198.18.0.2", "198.18.0.1", "172.30.0.2", "198.18.0.2")
            .ports((int) id, 8080, 80, (int) id)
            .status(DNAT)
            .protocolState(1);
    return switch (kind) {
      case NEW, UPDATE -> event.atKernel(BASE + startMillis * MILLI + 1);
      case DESTROY, ENTRY ->
          event.atKernel(BASE + startMillis * MILLI + 10).start(BASE + startMillis * MILLI);
    };
  }

  private void tell(Kind kind, long id, long startMillis) {
    event(kind, id, startMillis).publish();
    ring.poll(tracker, 64);
  }

  private static FlowRecord entry(long id, long startMillis) {
    return PlayedEvents.record(
        events ->
            events
                .event(Kind.ENTRY, TCP)
                .id(id)
                .addresses("198.18.0.2", "198.18.0.1", "172.30.0.2", "198.18.0.2")
                .ports((int) id, 8080, 80, (int) id)
                .status(DNAT)
                .protocolState(1)
                .at(BASE + startMillis * MILLI + 10)
                .start(BASE + startMillis * MILLI)
                .publish());
  }

  private void gap() {
    played.gap(GapRecord.Cause.RECEIVE_BUFFER, 5, BASE, BASE + 1);
    ring.poll(tracker, 64);
  }

  /**
   * Runs the comparison to its end, with {@code meanwhile} between the dump and its conclusions.
   */
  private void compare(Runnable meanwhile, FlowRecord... entries) {
    long before = resync.completed();
    long early = System.nanoTime();
    beginDump(new PlayedDump(entries));
    readDump(entries.length);
    resync.reached(early); // as far as the stream has been read: too early for conclusions
    resync.step(1);
    meanwhile.run();
    catchUp();
    for (int i = 0; i < 1_000 && resync.completed() == before; i++) {
      LockSupport.parkNanos(resync.step(1) * MILLI);
    }
    assertThat(resync.completed()).isEqualTo(before + 1);
  }

  /** Goes on until the dump is asked for; everything that was told before has been read. */
  private void beginDump(EntryReader dump) {
    dumps.add(dump);
    for (int i = 0; i < 1_000 && !dumps.isEmpty(); i++) {
      LockSupport.parkNanos(resync.step(1) * MILLI);
      resync.reached(System.nanoTime());
    }
    assertThat(dumps).isEmpty();
  }

  private void readDump(int entries) {
    for (int i = 0; i <= entries; i++) {
      resync.step(1);
    }
  }

  /** Everything that was told so far has been read. */
  private void catchUp() {
    LockSupport.parkNanos(4 * MILLI);
    resync.reached(System.nanoTime());
  }

  private void compare(FlowRecord... entries) {
    compare(() -> {}, entries);
  }

  private List<String> told() {
    return lines().stream()
        .map(
            line ->
                line.get("event").asString()
                    + (line.has("id") ? " " + line.get("id").asString() : "")
                    + (line.has("synthesised") ? " synthesised" : ""))
        .toList();
  }

  private List<JsonNode> lines() {
    List<JsonNode> lines = new ArrayList<>();
    byte[] target = new byte[1 << 16];
    try {
      for (int length = cursor.read(target, 0); length > 0; length = cursor.read(target, 0)) {
        new String(target, 0, length, StandardCharsets.US_ASCII)
            .lines()
            .forEach(line -> lines.add(JsonMapper.shared().readTree(line)));
      }
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
    return lines;
  }

  /** Fails if flows older than the agent are announced, or their ends are not told, or twice. */
  @Test
  void endsOfFlowsOlderThanTheAgentAreTold() {
    compare(entry(1, -60_000), entry(2, -50_000));
    assertThat(told()).isEmpty();
    assertThat(tracker.open()).isEqualTo(2);
    assertThat(resync.isCurrent()).isTrue();
    tell(Kind.DESTROY, 1, -60_000);
    tell(Kind.DESTROY, 1, -60_000);
    assertThat(told()).containsExactly("destroy 1");
    assertThat(tracker.duplicates()).isEqualTo(1);
    assertThat(tracker.open()).isEqualTo(1);
  }

  /** Fails if what was missed in a gap is not concluded, or not marked, or taken from elsewhere. */
  @Test
  void afterAGapWhatWasMissedIsConcluded() {
    compare();
    tell(Kind.NEW, 1, 0);
    tell(Kind.NEW, 2, 0);
    tell(Kind.NEW, 3, 0);
    gap();
    assertThat(resync.isCurrent()).isFalse();
    FlowRecord changed =
        PlayedEvents.record(
            events ->
                events
                    .event(Kind.ENTRY, TCP)
                    .id(3)
                    .addresses("198.18.0.2", "198.18.0.1", "172.30.0.2", "198.18.0.2")
                    .ports(3, 8080, 80, 3)
                    .status(DNAT | 2)
                    .protocolState(3)
                    .start(BASE)
                    .publish());
    compare(entry(1, 0), entry(4, 7), changed);
    assertThat(told())
        .containsExactly(
            "new 1",
            "new 2",
            "new 3",
            "gap",
            "destroy 2 synthesised",
            "update 3 synthesised",
            "new 4 synthesised");
    assertThat(tracker.synthesised()).isEqualTo(3);
    assertThat(resync.isCurrent()).isTrue();
    // And never again.
    tell(Kind.DESTROY, 1, 0);
    tell(Kind.DESTROY, 3, 0);
    tell(Kind.DESTROY, 4, 7);
    compare0AfterGap();
    assertThat(told()).containsExactly("destroy 1", "destroy 3", "destroy 4", "gap");
  }

  private void compare0AfterGap() {
    gap();
    compare();
  }

  /** Fails if a conclusion does not wait for events that were on their way. */
  @Test
  void eventsOnTheirWayComeBeforeConclusions() {
    compare();
    tell(Kind.NEW, 1, 0);
    gap();
    // The dump shows flow 2, whose beginning is queued still, and flow 1 no more.
    compare(
        () -> {
          tell(Kind.NEW, 2, 1);
          tell(Kind.DESTROY, 1, 0);
        },
        entry(2, 1));
    assertThat(told()).containsExactly("new 1", "gap", "new 2", "destroy 1");
    assertThat(tracker.synthesised()).isZero();
  }

  /**
   * Fails if flows that began while the dump ran are taken for ended ones; the clock need not have
   * gone on meanwhile.
   */
  @Test
  void flowsThatBeginDuringTheDumpStay() {
    compare();
    gap();
    long nowMillis = (EventLog.nowNanos() - BASE) / MILLI;
    compare(
        () -> {
          tell(Kind.NEW, 5, nowMillis + 5_000);
          tell(Kind.NEW, 6, nowMillis - 3_600_000);
        });
    assertThat(told()).containsExactly("gap", "new 5", "new 6");
    assertThat(tracker.open()).isEqualTo(2);
  }

  /** Fails if a flow is not taken for ended since the clock was ahead when it began. */
  @Test
  void aFlowOfTheFutureEndsToo() {
    compare();
    tell(Kind.NEW, 1, (EventLog.nowNanos() - BASE) / MILLI + 3_600_000);
    gap();
    compare();
    assertThat(told()).containsExactly("new 1", "gap", "destroy 1 synthesised");
  }

  /**
   * Fails if the dump begins before what was queued before the loss has been read: such a flow
   * would look as if it had begun later, and its lost end would never be concluded.
   */
  @Test
  void whatWasQueuedBeforeTheLossIsReadBeforeTheDump() {
    compare();
    gap();
    long early = System.nanoTime();
    dumps.add(new PlayedDump());
    // What it waits for after the comparison before.
    for (int i = 0; i < 10; i++) {
      LockSupport.parkNanos(resync.step(100) * MILLI);
      resync.reached(early);
    }
    assertThat(dumps).hasSize(1);
    tell(Kind.NEW, 1, 0);
    long before = resync.completed();
    for (int i = 0; i < 1_000 && resync.completed() == before; i++) {
      resync.reached(System.nanoTime());
      LockSupport.parkNanos(resync.step(1) * MILLI);
    }
    assertThat(told()).containsExactly("gap", "new 1", "destroy 1 synthesised");
  }

  /** Fails if an entry that was ready before the last event of a flow puts it back. */
  @Test
  void anEntryIsOlderThanTheEventsSinceTheDumpBegan() {
    compare();
    tell(Kind.NEW, 1, 0);
    gap();
    beginDump(new PlayedDump(entry(1, 0)));
    // By a clock that was set back since then.
    event(Kind.UPDATE, 1, -5_000).status(DNAT | 2).protocolState(3).publish();
    ring.poll(tracker, 64);
    readDump(1);
    catchUp();
    resync.step(1);
    assertThat(resync.isCurrent()).isTrue();
    assertThat(told()).containsExactly("new 1", "gap", "update 1");
  }

  /**
   * Fails if a flow whose first packet waited in a queue (its event then has the time of the
   * packet's arrival, its start is when it went on) is taken for two.
   */
  @Test
  void aFirstPacketThatWasHeldUpBeginsOneFlow() {
    compare();
    tell(Kind.NEW, 9, 60_000);
    tell(Kind.NEW, 1, 0);
    gap();
    compare(entry(9, 60_000), entry(1, 60_001));
    tell(Kind.DESTROY, 1, 60_001);

    // The same, and no dump shows it.
    tracker.queuedAfter(BASE + 90_000 * MILLI);
    tell(Kind.NEW, 2, 70_000);
    gap();
    tell(Kind.DESTROY, 2, 90_001);
    assertThat(told())
        .containsExactly("new 9", "new 1", "gap", "destroy 1", "new 2", "gap", "destroy 2");
    assertThat(tracker.synthesised()).isZero();
  }

  /** Fails if the flow that a dump shows is passed over since the clock was set back. */
  @Test
  void theDumpIsRightAlsoIfTheClockWasSetBack() {
    compare(entry(1, 10_000));
    gap();
    compare(entry(1, 4_000));
    assertThat(told()).containsExactly("gap", "destroy 1 synthesised", "new 1 synthesised");
    assertThat(tracker.open()).isEqualTo(1);
  }

  /**
   * Fails if all conclusions are made in one go, an event that comes between two portions is
   * concluded as well, or what was concluded is told again.
   */
  @Test
  void conclusionsAreMadeInPortions() {
    compare();
    for (int id = 1; id <= 400; id++) {
      tell(Kind.NEW, id, id);
    }
    gap();
    told();
    beginDump(new PlayedDump());
    readDump(0);
    catchUp();
    long before = tracker.synthesised();
    resync.step(1);
    assertThat(tracker.synthesised() - before).isEqualTo(1024 / 8);
    assertThat(resync.isCurrent()).isFalse();
    tell(Kind.DESTROY, 1, 1);
    tell(Kind.DESTROY, 400, 400);
    tell(Kind.NEW, 500, 500);
    // A sign of life: it cannot have ended in the gap.
    tell(Kind.UPDATE, 399, 399);
    // It goes on though nobody reads.
    for (int i = 0; i < 1_000 && !resync.isCurrent(); i++) {
      LockSupport.parkNanos(resync.step(1) * MILLI);
    }
    assertThat(resync.isCurrent()).isTrue();
    assertThat(tracker.duplicates()).as("the end of 1, which had been concluded").isEqualTo(1);
    assertThat(tracker.open()).isEqualTo(2);
    List<String> told = told();
    assertThat(told).doesNotHaveDuplicates().hasSize(400 + 1);
    assertThat(told.subList(128, 131)).containsExactly("destroy 400", "new 500", "update 399");
    assertThat(told).filteredOn(line -> line.endsWith("synthesised")).hasSize(398);
  }

  /** Fails if an entry that the kernel had ready before the flow ended brings it back to life. */
  @Test
  void anEntryThatEndedMeanwhileIsNotBroughtBack() {
    compare();
    tell(Kind.NEW, 1, 0);
    gap();
    tell(Kind.DESTROY, 1, 0);
    compare(entry(1, 0));
    assertThat(told()).containsExactly("new 1", "gap", "destroy 1");
    assertThat(tracker.open()).isZero();
  }

  /** Fails if a flow with the id and the tuple of an earlier one is taken for it. */
  @Test
  void theSameIdAndTupleAgainIsAnotherFlow() {
    compare();
    tell(Kind.NEW, 1, 0);
    tell(Kind.DESTROY, 1, 0);
    tell(Kind.NEW, 1, 5);
    tell(Kind.DESTROY, 1, 5);
    assertThat(told()).containsExactly("new 1", "destroy 1", "new 1", "destroy 1");

    // The end of the first and the beginning of the second are lost.
    tell(Kind.NEW, 1, 1_000);
    gap();
    tell(Kind.DESTROY, 1, 2_000);
    assertThat(told()).containsExactly("new 1", "gap", "destroy 1 synthesised", "destroy 1");

    // The same, and it is a dump that shows the second.
    tell(Kind.NEW, 1, 3_000);
    gap();
    compare(entry(1, 4_000));
    assertThat(told())
        .containsExactly("new 1", "gap", "destroy 1 synthesised", "new 1 synthesised");

    // The end of the first is lost.
    gap();
    tell(Kind.NEW, 1, 5_000);
    assertThat(told()).containsExactly("gap", "destroy 1 synthesised", "new 1");
    assertThat(tracker.duplicates()).isZero();
  }

  /** Fails if a beginning that is told twice is a second flow, or a second line. */
  @Test
  void aBeginningToldTwiceIsOne() {
    compare();
    tell(Kind.NEW, 1, 0);
    tell(Kind.NEW, 1, 0);
    assertThat(told()).containsExactly("new 1");
    assertThat(tracker.duplicates()).isEqualTo(1);
    assertThat(tracker.open()).isEqualTo(1);
  }

  /** Fails if a change of a flow whose beginning was lost does not make its beginning known. */
  @Test
  void aChangeOfAnUnknownFlowMakesItKnown() {
    tell(Kind.UPDATE, 1, 0);
    assertThat(told()).as("before the first dump: it may be older").containsExactly("update 1");
    compare(entry(1, 0));
    tell(Kind.UPDATE, 2, 0);
    tell(Kind.DESTROY, 2, 0);
    assertThat(told()).containsExactly("new 2 synthesised", "update 2", "destroy 2");
  }

  /** Fails if a dump over a table that was resized, or that broke off, is believed. */
  @Test
  void aDumpThatMayLackEntriesIsNotBelieved() {
    compare();
    tell(Kind.NEW, 1, 0);
    gap();
    beginDump(new PlayedDump());
    buckets = 2048;
    readDump(0);
    resync.reached(System.nanoTime() + 1_000_000_000);
    assertThat(told()).containsExactly("new 1", "gap");
    beginDump(
        new EntryReader() {
          @Override
          public boolean read(Consumer<FlowRecord> consumer) {
            throw new DumpFailedException("played", true, new IllegalStateException("played"));
          }

          @Override
          public int malformed() {
            return 0;
          }

          @Override
          public void close() {}
        });
    readDump(0);
    resync.reached(System.nanoTime() + 1_000_000_000);
    assertThat(told()).isEmpty();
    compare(entry(1, 0));
    assertThat(told()).isEmpty();
    assertThat(tracker.open()).isEqualTo(1);
  }

  /** Fails if connections of a mapping are counted twice, or not, or lost with its new form. */
  @Test
  void connectionsOfAMappingAreCounted() {
    Mapping web = mapping("web", "8080:80", "172.30.0.2");
    index.add(web);
    compare(entry(1, -60_000));
    tell(Kind.NEW, 2, 0);
    tell(Kind.NEW, 3, 1);
    tell(Kind.DESTROY, 2, 0);
    assertThat(activityOf(web).open()).isEqualTo(2);
    assertThat(activityOf(web).connections()).isEqualTo(2);
    gap();
    compare(entry(4, 2));
    assertThat(told())
        .containsExactly(
            "new 2",
            "new 3",
            "destroy 2",
            "gap",
            "destroy 1 synthesised",
            "new 4 synthesised",
            "destroy 3 synthesised");
    assertThat(activityOf(web).open()).isEqualTo(1);
    assertThat(activityOf(web).connections()).isEqualTo(3);
    // Published again by the same name at the same place.
    index.remove(web);
    Mapping again = mapping("web", "8080:80", "172.30.0.2");
    index.add(again);
    tell(Kind.DESTROY, 4, 2);
    assertThat(activityOf(again).open()).isZero();
    assertThat(activityOf(again).connections()).isEqualTo(3);
    assertThat(activityOf(again).lastSeen()).isAfter(Instant.ofEpochSecond(0, BASE));
  }

  private Activity activityOf(Mapping mapping) {
    return requireNonNull(index.activity().get(mapping.id()));
  }

  /** Fails if the name an event carries is that of a mapping before it was renamed. */
  @Test
  void aRenamedMappingIsCalledByItsNewName() {
    Mapping web = mapping("web", "8080:80", "172.30.0.2");
    index.add(web);
    compare();
    tell(Kind.NEW, 1, 0);
    index.add(web.withName(java.util.Optional.of(new dev.sluice.model.MappingName("shop"))));
    tell(Kind.DESTROY, 1, 0);
    assertThat(lines())
        .satisfiesExactly(
            line -> assertThat(line.get("mapping").asString()).isEqualTo("web"),
            line -> assertThat(line.get("mapping").asString()).isEqualTo("shop"));
  }
}
