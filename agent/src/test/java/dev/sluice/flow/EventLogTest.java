package dev.sluice.flow;

import static dev.sluice.flow.Mappings.mapping;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.conntrack.EventRing;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.FlowRecord.Kind;
import dev.sluice.conntrack.GapRecord;
import dev.sluice.conntrack.PlayedEvents;
import dev.sluice.flow.EventStream.Cursor;
import dev.sluice.model.FlowEvent.GapCause;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The log and its cursors, one thread at a time; {@link EventLogStressTest} is the rest. */
class EventLogTest {
  private static final int TCP = 6;
  private static final int UDP = 17;

  private static final int CAPACITY = 128;
  private static final EventStream.Format LINES = EventStream.Format.LINES;

  private final EventLog log = new EventLog(CAPACITY);
  private final PlayedEvents played = new PlayedEvents(16);
  private final EventRing ring = played.ring();

  private PlayedEvents.Event event(int protocol, String... addresses) {
    return played
        .event(Kind.NEW, protocol)
        .at(log.nextForWriter() * 1_000_000_000L)
        .id(log.nextForWriter())
        .addresses(addresses)
        .ports(1, 2, 3, 4);
  }

  /** Appends an event whose id is its number. */
  private void append() {
    append(TCP, null, "198.18.0.9", "198.18.0.8", "198.18.0.8", "198.18.0.9");
  }

  private void append(int protocol, @Nullable Mapping mapping, String... addresses) {
    event(protocol, addresses).publish();
    append(mapping);
  }

  private void append(@Nullable Mapping mapping) {
    MappingIndex index = new MappingIndex();
    MappingIndex.Publication publication = null;
    if (mapping != null) {
      index.add(mapping);
      publication =
          index.find(
              false,
              mapping.protocol().number(),
              0,
              0,
              mapping.hostPorts().first(),
              MappingIndex.high(mapping.targetAddress()),
              MappingIndex.low(mapping.targetAddress()),
              mapping.targetPorts().first(),
              MappingIndex.UNKNOWN_NANOS);
      assertThat(publication).isNotNull();
    }
    MappingIndex.Publication found = publication;
    ring.poll(
        new EventRing.Handler() {
          @Override
          public void onFlow(FlowRecord record) {
            log.appendFlow(record, found, false);
          }

          @Override
          public void onGap(GapRecord gap) {
            throw new AssertionError(gap);
          }
        },
        16);
  }

  private void append(int count) {
    for (int i = 0; i < count; i++) {
      append();
    }
  }

  private void appendGap(long lost) {
    log.appendGap(GapCause.RING, lost, false, 1, 2);
  }

  /** What there is to read now: numbers of events, and gaps as they are. */
  private static List<String> read(Cursor cursor) throws InterruptedException {
    byte[] target = new byte[EventStream.MAX_ENTRY_BYTES];
    List<String> lines = new ArrayList<>();
    while (true) {
      int length = cursor.read(target, 0);
      if (length <= 0) {
        return lines;
      }
      String text = new String(target, 0, length, StandardCharsets.US_ASCII);
      assertThat(text).as("whole lines").endsWith("\n");
      text.lines()
          .map(line -> line.contains("\"event\":\"gap\"") ? line : numberOf(line))
          .forEach(lines::add);
    }
  }

  private static String numberOf(String line) {
    JsonNode json = JsonMapper.shared().readTree(line);
    assertThat(json.get("seq")).isEqualTo(json.get("id"));
    return json.get("seq").asString();
  }

  private static List<String> numbers(long from, long to) {
    List<String> numbers = new ArrayList<>();
    for (long i = from; i <= to; i++) {
      numbers.add(Long.toString(i));
    }
    return numbers;
  }

  private static String gap(long seq, long lost, long fromSecond, long toSecond) {
    return new AsciiBuffer(500)
        .add(
            AsciiBuffer.ascii(
                "{\"seq\":" + seq + ",\"event\":\"gap\",\"cause\":\"slow-consumer\","))
        .add(AsciiBuffer.ascii("\"lost\":" + lost + ",\"from\":\""))
        .time(fromSecond * 1_000_000_000L)
        .add(AsciiBuffer.ascii("\",\"to\":\""))
        .time(toSecond * 1_000_000_000L)
        .add(AsciiBuffer.ascii("\"}"))
        .toString();
  }

  /** Fails if a line is torn, lost or repeated where the ring's end is in its midst. */
  @Test
  void everyLineIsReadRoundAndRound() throws InterruptedException {
    Cursor cursor = log.follow(FlowFilter.ALL, LINES);
    List<String> seen = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      append(51);
      seen.addAll(read(cursor));
    }
    assertThat(seen).isEqualTo(numbers(1, 5_100));
    assertThat(log.nextSequence()).isEqualTo(5_101);
    assertThat(log.retained()).isEqualTo(CAPACITY - 1);
  }

  /** Fails if following shows what was before, or cursors share a place. */
  @Test
  void cursorsAreIndependentAndBeginNow() throws InterruptedException {
    append(5);
    Cursor first = log.follow(FlowFilter.ALL, LINES);
    append(2);
    Cursor second = log.follow(FlowFilter.ALL, LINES);
    append();
    assertThat(log.consumers()).isEqualTo(2);
    assertThat(read(first)).isEqualTo(numbers(6, 8));
    assertThat(read(second)).isEqualTo(numbers(8, 8));
    assertThat(read(first)).isEmpty();
    first.close();
    first.close();
    assertThat(log.consumers()).isEqualTo(1);
  }

  /** Fails if a cursor from a number begins before or behind it. */
  @Test
  void aCursorFromANumberBeginsThere() throws InterruptedException {
    append(20);
    assertThat(read(log.from(1, FlowFilter.ALL, LINES))).isEqualTo(numbers(1, 20));
    assertThat(read(log.from(13, FlowFilter.ALL, LINES))).isEqualTo(numbers(13, 20));
    assertThat(read(log.from(20, FlowFilter.ALL, LINES))).isEqualTo(numbers(20, 20));
    Cursor next = log.from(21, FlowFilter.ALL, LINES);
    assertThat(read(next)).isEmpty();
    append();
    assertThat(read(next)).isEqualTo(numbers(21, 21));
  }

  /** Fails if a number of another run of the agent is taken for one of this run. */
  @Test
  void aNumberThatIsNotYetGivenIsRefused() {
    append(20);
    assertThatThrownBy(() -> log.from(22, FlowFilter.ALL, LINES))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "event 22 has not happened yet: the next one is 21; if the agent was restarted since,"
                + " begin with 1 again");
    assertThatThrownBy(() -> log.from(0, FlowFilter.ALL, LINES)).hasMessageContaining("no event 0");
    assertThat(log.consumers()).isZero();
  }

  /** Where a cursor goes on that fell out. */
  private long landing() {
    return log.nextSequence() - (CAPACITY - 1) + CAPACITY / 8;
  }

  /** Fails if what a slow cursor missed is not counted, or by one too many or too few. */
  @Test
  void aCursorThatFallsOutIsToldExactlyWhatItMissed() throws InterruptedException {
    append(3);
    Cursor cursor = log.from(1, FlowFilter.ALL, LINES);
    assertThat(read(cursor)).isEqualTo(numbers(1, 3));
    append(5_000);
    List<String> expected = new ArrayList<>(List.of(gap(4, landing() - 4, 3, landing())));
    expected.addAll(numbers(landing(), 5_003));
    assertThat(read(cursor)).isEqualTo(expected);
    assertThat(cursor.isEvicted()).isFalse();
    append();
    assertThat(read(cursor)).isEqualTo(numbers(5_004, 5_004));
  }

  /** Fails if a cursor that never catches up is kept, or ends without saying what it missed. */
  @Test
  void aCursorThatFallsOutAgainBeforeItHasCaughtUpIsEvicted() throws InterruptedException {
    Cursor cursor = log.from(1, FlowFilter.ALL, LINES);
    byte[] target = new byte[EventStream.MAX_ENTRY_BYTES];
    append(1_000);
    assertThat(cursor.read(target, 0)).isPositive();
    append(1_000);
    int length = cursor.read(target, 0);
    String text = new String(target, 0, length, StandardCharsets.US_ASCII);
    assertThat(text.lines().toList())
        .satisfiesExactly(line -> assertThat(line).contains("\"cause\":\"slow-consumer\""));
    assertThat(cursor.isEvicted()).isTrue();
    assertThat(cursor.read(target, 10_000)).isEqualTo(-1);
    assertThat(log.evictedConsumers()).isEqualTo(1);
    // One that begins in the midst is where it begins.
    append(3_000);
    Cursor late = log.from(log.nextSequence() - 5, FlowFilter.ALL, LINES);
    log.evictStalled();
    assertThat(late.isEvicted()).isFalse();
    assertThat(read(late)).hasSize(5);
    // One that has caught up in between may fall out as often as it likes.
    Cursor other = log.follow(FlowFilter.ALL, LINES);
    for (int i = 0; i < 3; i++) {
      append(1_000);
      assertThat(read(other)).hasSize(CAPACITY - CAPACITY / 8);
    }
    assertThat(other.isEvicted()).isFalse();
  }

  /** Fails if a consumer that has stopped to read keeps its place for ever, or loses it early. */
  @Test
  void aCursorThatIsNotReadIsEvicted() throws InterruptedException {
    Cursor cursor = log.follow(FlowFilter.ALL, LINES);
    List<String> told = new ArrayList<>();
    cursor.onEviction(() -> told.add("evicted"));
    append(2 * CAPACITY - 2);
    log.evictStalled();
    assertThat(told).as("it has fallen out, and may come again").isEmpty();
    append(2);
    log.evictStalled();
    log.evictStalled();
    assertThat(told).containsExactly("evicted");
    assertThat(cursor.isEvicted()).isTrue();
    assertThat(log.evictedConsumers()).isEqualTo(1);
    assertThat(cursor.read(new byte[EventStream.MAX_ENTRY_BYTES], 10_000)).isPositive();
    assertThat(cursor.read(new byte[EventStream.MAX_ENTRY_BYTES], 10_000)).isEqualTo(-1);
  }

  /** Fails if the events that a missed gap admitted are forgotten together with its line. */
  @Test
  void aMissedGapCountsForAllItAdmitted() throws InterruptedException {
    Cursor cursor = log.follow(FlowFilter.ALL, LINES);
    append(1);
    appendGap(1_000_000);
    append(5_000);
    assertThat(log.nextSequence()).isEqualTo(1_005_002);
    List<String> lines = read(cursor);
    assertThat(lines.get(0))
        .contains("\"seq\":1,", "\"cause\":\"slow-consumer\",\"lost\":" + (landing() - 1) + ",");
    assertThat(lines.subList(1, lines.size())).isEqualTo(numbers(landing(), 1_005_001));
  }

  /** Fails if a frame is not what the descriptor says, byte by byte. */
  @Test
  void aFrameIsTheHeaderAndTheRecord() throws InterruptedException {
    Mapping web = mapping("web", "8080:80", "172.30.0.2");
    Cursor cursor = log.from(1, FlowFilter.ALL, EventStream.Format.FRAMES);
    append(TCP, web, "198.18.0.2", "198.18.0.1", "172.30.0.2", "198.18.0.2");
    appendGap(7);
    byte[] target = new byte[EventStream.MAX_ENTRY_BYTES];
    assertThat(cursor.read(target, 0)).isEqualTo(2 * FrameDescriptor.FRAME_BYTES);
    ByteBuffer bytes = ByteBuffer.wrap(target).order(ByteOrder.nativeOrder());
    assertThat(bytes.getLong(0)).isEqualTo(1);
    assertThat(bytes.getLong(8)).isEqualTo(2);
    assertThat(bytes.getLong(16)).isEqualTo(web.id().bits());
    assertThat(bytes.get(24)).isEqualTo((byte) 3);
    assertThat(bytes.get(25)).isZero();
    assertThat(new String(target, 32, 3, StandardCharsets.US_ASCII)).isEqualTo("web");
    assertThat(bytes.get(96)).as("kind").isEqualTo((byte) 1);
    assertThat(bytes.getLong(96 + 8)).as("time").isEqualTo(1_000_000_000L);
    assertThat(bytes.getInt(96 + 20)).as("id").isEqualTo(1);
    assertThat(target[96 + 48] & 0xff).as("source").isEqualTo(198);
    assertThat(bytes.getLong(288)).isEqualTo(2);
    assertThat(bytes.getLong(288 + 8)).isEqualTo(9);
    assertThat(bytes.get(288 + 96)).as("kind").isEqualTo((byte) 4);
    assertThat(bytes.getLong(288 + 96 + 16)).as("lost").isEqualTo(7);

    EventFrame frame = new EventFrame(bytes);
    assertThat(frame.isFlow()).isTrue();
    assertThat(frame.mapping()).hasValue("web");
    assertThat(frame.flow().kind()).isEqualTo(Kind.NEW);
    frame.wrap(bytes, FrameDescriptor.FRAME_BYTES);
    assertThat(frame.isGap()).isTrue();
    assertThat(frame.gapCause()).isEqualTo(GapCause.RING);
    assertThat(frame.lost()).isEqualTo(7);
    assertThat(frame.mapping()).isEmpty();
    assertThat(frame.nextSequence()).isEqualTo(9);
  }

  /** Fails if a number that is no longer retained is not answered with a gap. */
  @Test
  void aNumberThatIsNoLongerRetainedIsAGap() throws InterruptedException {
    append(5_000);
    long oldest = log.oldestSequence();
    List<String> lines = read(log.from(100, FlowFilter.ALL, LINES));
    assertThat(lines.get(0))
        .startsWith(
            "{\"seq\":100,\"event\":\"gap\",\"cause\":\"slow-consumer\",\"lost\":"
                + (oldest - 100)
                + ",");
    assertThat(lines.subList(1, lines.size())).isEqualTo(numbers(oldest, 5_000));
  }

  /** Fails if a number in the midst of a gap does not lead to the line of the gap. */
  @Test
  void aNumberInAGapLeadsToTheGap() throws InterruptedException {
    append(2);
    appendGap(10);
    append();
    assertThat(read(log.from(7, FlowFilter.ALL, LINES)))
        .satisfiesExactly(
            line -> assertThat(line).startsWith("{\"seq\":3,").contains("\"lost\":10,"),
            line -> assertThat(line).isEqualTo("13"));
    assertThat(read(log.from(13, FlowFilter.ALL, LINES))).isEqualTo(numbers(13, 13));
  }

  /** Fails if a filter lets through what it should not, or holds back a gap. */
  @Test
  void filtersLetThroughWhatIsAskedForAndEveryGap() throws InterruptedException {
    Mapping web = mapping("web", "8080:80", "172.30.0.2");
    Mapping dns = mapping("dns", "53:53/udp", "172.30.0.3");
    MappingId id = web.id();
    append(TCP, web, "198.18.0.2", "198.18.0.1", "172.30.0.2", "198.18.0.2");
    append(UDP, dns, "198.18.0.3", "198.18.0.1", "172.30.0.3", "198.18.0.3");
    append(TCP, null, "2001:db8::1", "2001:db8::2", "2001:db8::2", "2001:db8::1");
    append(
        UDP,
        mapping("web2", "54:54/udp", "172.30.0.4"),
        "1.0.0.1",
        "1.0.0.2",
        "1.0.0.2",
        "1.0.0.1");
    appendGap(1);
    append(TCP, mapping("web", "81:80", "172.30.0.9"), "1.0.0.1", "1.0.0.2", "1.0.0.2", "1.0.0.1");

    FlowFilter all = FlowFilter.ALL;
    assertThat(filtered(all)).containsExactly("1", "2", "3", "4", "gap", "6");
    assertThat(filtered(new FlowFilter(Optional.of("web"), all.protocol(), all.address(), false)))
        .containsExactly("1", "gap", "6");
    assertThat(
            filtered(
                new FlowFilter(Optional.of(id.toString()), all.protocol(), all.address(), false)))
        .containsExactly("1", "gap");
    assertThat(
            filtered(
                new FlowFilter(
                    Optional.empty(), Optional.of(Protocol.UDP), Optional.empty(), false)))
        .containsExactly("2", "4", "gap");
    for (String address : List.of("172.30.0.3", "198.18.0.3")) {
      assertThat(filtered(ofAddress(address))).containsExactly("2", "gap");
    }
    assertThat(filtered(ofAddress("198.18.0.1"))).containsExactly("1", "2", "gap");
    assertThat(filtered(ofAddress("2001:db8::2"))).containsExactly("3", "gap");
    assertThat(filtered(new FlowFilter(Optional.empty(), Optional.empty(), Optional.empty(), true)))
        .containsExactly("1", "2", "4", "gap", "6");
    assertThat(
            filtered(
                new FlowFilter(
                    Optional.of("web"), Optional.of(Protocol.UDP), Optional.empty(), true)))
        .containsExactly("gap");
  }

  /** Fails if a kind is let through that was not asked for. */
  @Test
  void kindsAreLetThroughAsAskedFor() throws InterruptedException {
    for (Kind kind : List.of(Kind.NEW, Kind.UPDATE, Kind.DESTROY)) {
      played
          .event(kind, TCP)
          .id(log.nextForWriter())
          .addresses("1.0.0.1", "1.0.0.2", "1.0.0.2", "1.0.0.1")
          .publish();
      append((Mapping) null);
    }
    appendGap(1);
    assertThat(filtered(FlowFilter.ALL.kinds(Set.of(EventKind.DESTROY))))
        .containsExactly("3", "gap");
    assertThat(filtered(FlowFilter.ALL.kinds(Set.of(EventKind.NEW, EventKind.UPDATE))))
        .containsExactly("1", "2", "gap");
  }

  private static FlowFilter ofAddress(String address) {
    return new FlowFilter(
        Optional.empty(), Optional.empty(), Optional.of(IpAddress.parse(address)), false);
  }

  private List<String> filtered(FlowFilter filter) throws InterruptedException {
    return read(log.from(1, filter, LINES)).stream()
        .map(line -> line.startsWith("{") ? "gap" : line)
        .toList();
  }

  /** Fails if what a filter would have held back is left out of what was missed. */
  @Test
  void aGapCountsEventsBeforeTheFilter() throws InterruptedException {
    Cursor cursor =
        log.follow(
            new FlowFilter(Optional.empty(), Optional.of(Protocol.UDP), Optional.empty(), false),
            LINES);
    append(5_000);
    assertThat(read(cursor))
        .satisfiesExactly(line -> assertThat(line).contains("\"lost\":" + (landing() - 1) + ","));
  }

  /** Fails if a waiting cursor is not woken, or waits although something came before it waited. */
  @Test
  void aWaitingCursorIsWoken() throws Exception {
    Cursor cursor = log.follow(FlowFilter.ALL, LINES);
    for (int round = 0; round < 2_000; round++) {
      CompletableFuture<Integer> length =
          CompletableFuture.supplyAsync(() -> readQuietly(cursor, 20_000));
      if (round % 100 == 0) {
        Thread.sleep(2); // in these rounds it waits by now, in the others it may just begin to
      }
      append();
      log.wakeConsumers();
      assertThat(length.get(10, TimeUnit.SECONDS)).isPositive();
    }
  }

  private static int readQuietly(Cursor cursor, int timeoutMillis) {
    try {
      return cursor.read(new byte[EventStream.MAX_ENTRY_BYTES], timeoutMillis);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Fails if a timeout is not kept, in either direction. */
  @Test
  void nothingComesBackAfterTheTimeout() throws InterruptedException {
    Cursor cursor = log.follow(FlowFilter.ALL, LINES);
    long start = System.nanoTime();
    assertThat(cursor.read(new byte[EventStream.MAX_ENTRY_BYTES], 50)).isZero();
    assertThat(System.nanoTime() - start).isBetween(50_000_000L, 5_000_000_000L);
  }

  /** Fails if the end is told before what came before it, or a waiting cursor is not told. */
  @Test
  void theEndComesAfterEverythingElse() throws Exception {
    Cursor late = log.follow(FlowFilter.ALL, LINES);
    Cursor waiting = log.follow(FlowFilter.ALL, LINES);
    CompletableFuture<Integer> told =
        CompletableFuture.supplyAsync(() -> readQuietly(waiting, 20_000));
    Thread.sleep(20);
    append();
    log.end();
    assertThat(told.get(10, TimeUnit.SECONDS)).isPositive();
    assertThat(readQuietly(waiting, 20_000)).isEqualTo(-1);
    assertThat(readQuietly(late, 20_000)).isPositive();
    assertThat(readQuietly(late, 20_000)).isEqualTo(-1);
    assertThat(readQuietly(late, 20_000)).isEqualTo(-1);
  }

  /** Fails if an interrupt does not end the wait. */
  @Test
  void anInterruptEndsTheWait() throws Exception {
    Cursor cursor = log.follow(FlowFilter.ALL, LINES);
    CompletableFuture<Void> ended = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                cursor.read(new byte[EventStream.MAX_ENTRY_BYTES], 60_000);
                ended.complete(null);
              } catch (InterruptedException e) {
                ended.completeExceptionally(e);
              }
            });
    thread.start();
    Thread.sleep(20);
    thread.interrupt();
    assertThatThrownBy(() -> ended.get(10, TimeUnit.SECONDS))
        .isInstanceOf(ExecutionException.class)
        .hasCauseInstanceOf(InterruptedException.class);
  }

  /** Fails if a target is accepted that the longest line does not fit into. */
  @Test
  void aTargetThatIsTooSmallIsRefused() {
    Cursor cursor = log.follow(FlowFilter.ALL, LINES);
    assertThatThrownBy(() -> cursor.read(new byte[EventStream.MAX_ENTRY_BYTES - 1], 0))
        .hasMessageContaining("target.length=2047");
  }

  /** Fails if a size that the ring cannot have is accepted. */
  @Test
  void sizesThatCannotBeAreRefused() {
    for (int size : new int[] {0, 8, 100_000, 1 << 25, Integer.MIN_VALUE}) {
      assertThatThrownBy(() -> new EventLog(size)).hasMessageContaining("capacity=" + size);
    }
    assertThat(new EventLog().oldestSequence()).isEqualTo(1);
  }
}
