package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.flow.EventStream.Cursor;
import dev.sluice.model.FlowEvent.GapCause;
import dev.sluice.model.MappingId;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** The log and its cursors, one thread at a time; {@link EventLogStressTest} is the rest. */
class EventLogTest {
  private static final int TCP = 6;
  private static final int UDP = 17;

  private final EventLog log = new EventLog(EventLog.MIN_CAPACITY_BYTES);
  private final LogEntry entry = new LogEntry();

  /** Appends an event whose line is its number. */
  private void append() {
    append(TCP, "", 0);
  }

  private void append(int protocol, String label, long mappingId, String... addresses) {
    entry.events = 1;
    entry.timeNanos = log.nextForWriter() * 1_000_000_000L;
    entry.protocol = protocol;
    entry.mappingId = mappingId;
    entry.line.clear();
    entry.line.decimal(log.nextForWriter()).add(' ');
    entry.labelOffset = entry.line.length();
    entry.labelLength = label.length();
    entry.line.add(AsciiBuffer.ascii(label)).add('\n');
    for (int i = 0; i < entry.addresses.length; i++) {
      entry.addresses[i] = 0;
    }
    for (int i = 0; i < addresses.length; i++) {
      IpAddress address = IpAddress.parse(addresses[i]);
      entry.addresses[2 * i] = MappingIndex.high(address);
      entry.addresses[2 * i + 1] = MappingIndex.low(address);
    }
    log.append(entry);
  }

  private void append(int count) {
    for (int i = 0; i < count; i++) {
      append();
    }
  }

  private void appendGap(long lost) {
    entry.setGap(log.nextForWriter(), GapCause.RING, lost, 1, 2);
    log.append(entry);
  }

  /** What there is to read now, without the spaces that separate number and label. */
  private static List<String> read(Cursor cursor) throws InterruptedException {
    byte[] target = new byte[EventStream.MAX_LINE_BYTES];
    List<String> lines = new ArrayList<>();
    while (true) {
      int length = cursor.read(target, 0);
      if (length <= 0) {
        return lines;
      }
      String text = new String(target, 0, length, StandardCharsets.US_ASCII);
      assertThat(text).as("whole lines").endsWith("\n");
      text.lines().map(String::strip).forEach(lines::add);
    }
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
    Cursor cursor = log.follow(FlowFilter.ALL);
    List<String> seen = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      append(101);
      seen.addAll(read(cursor));
    }
    assertThat(seen).isEqualTo(numbers(1, 10_100));
    assertThat(log.nextSequence()).isEqualTo(10_101);
    assertThat(log.retainedBytes()).isBetween(60_000L, (long) EventLog.MIN_CAPACITY_BYTES);
  }

  /** Fails if following shows what was before, or cursors share a place. */
  @Test
  void cursorsAreIndependentAndBeginNow() throws InterruptedException {
    append(5);
    Cursor first = log.follow(FlowFilter.ALL);
    append(2);
    Cursor second = log.follow(FlowFilter.ALL);
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
    assertThat(read(log.from(1, FlowFilter.ALL))).isEqualTo(numbers(1, 20));
    assertThat(read(log.from(13, FlowFilter.ALL))).isEqualTo(numbers(13, 20));
    assertThat(read(log.from(20, FlowFilter.ALL))).isEqualTo(numbers(20, 20));
    Cursor next = log.from(21, FlowFilter.ALL);
    assertThat(read(next)).isEmpty();
    append();
    assertThat(read(next)).isEqualTo(numbers(21, 21));
  }

  /** Fails if a number of another run of the agent is taken for one of this run. */
  @Test
  void aNumberThatIsNotYetGivenIsRefused() {
    append(20);
    assertThatThrownBy(() -> log.from(22, FlowFilter.ALL))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "event 22 has not happened yet: the next one is 21; if the agent was restarted since,"
                + " begin with 1 again");
    assertThatThrownBy(() -> log.from(0, FlowFilter.ALL)).hasMessageContaining("no event 0");
    assertThat(log.consumers()).isZero();
  }

  /** Fails if what a slow cursor missed is not counted, or by one too many or too few. */
  @Test
  void aCursorThatFallsOutIsToldExactlyWhatItMissed() throws InterruptedException {
    append(3);
    Cursor cursor = log.from(1, FlowFilter.ALL);
    assertThat(read(cursor)).isEqualTo(numbers(1, 3));
    append(5_000);
    long oldest = log.oldestSequence();
    assertThat(oldest).isGreaterThan(4);
    List<String> expected = new ArrayList<>(List.of(gap(4, oldest - 4, 3, oldest)));
    expected.addAll(numbers(oldest, 5_003));
    assertThat(read(cursor)).isEqualTo(expected);
    append();
    assertThat(read(cursor)).isEqualTo(numbers(5_004, 5_004));
  }

  /** Fails if the events that a missed gap admitted are forgotten together with its line. */
  @Test
  void aMissedGapCountsForAllItAdmitted() throws InterruptedException {
    Cursor cursor = log.follow(FlowFilter.ALL);
    append(1);
    appendGap(1_000_000);
    append(5_000);
    assertThat(log.nextSequence()).isEqualTo(1_005_002);
    List<String> lines = read(cursor);
    long oldest = log.oldestSequence();
    assertThat(lines.get(0))
        .contains("\"seq\":1,", "\"cause\":\"slow-consumer\",\"lost\":" + (oldest - 1) + ",");
    assertThat(lines.subList(1, lines.size())).isEqualTo(numbers(oldest, 1_005_001));
  }

  /** Fails if a number that is no longer retained is not answered with a gap. */
  @Test
  void aNumberThatIsNoLongerRetainedIsAGap() throws InterruptedException {
    append(5_000);
    long oldest = log.oldestSequence();
    List<String> lines = read(log.from(100, FlowFilter.ALL));
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
    assertThat(read(log.from(7, FlowFilter.ALL)))
        .satisfiesExactly(
            line -> assertThat(line).startsWith("{\"seq\":3,").contains("\"lost\":10,"),
            line -> assertThat(line).isEqualTo("13"));
    assertThat(read(log.from(13, FlowFilter.ALL))).isEqualTo(numbers(13, 13));
  }

  /** Fails if a filter lets through what it should not, or holds back a gap. */
  @Test
  void filtersLetThroughWhatIsAskedForAndEveryGap() throws InterruptedException {
    MappingId id = new MappingId(0xfeed_0000_0000_beefL);
    append(TCP, "web", id.bits(), "198.18.0.2", "198.18.0.1", "172.30.0.2", "198.18.0.2");
    append(UDP, "dns", 2, "198.18.0.3", "198.18.0.1", "172.30.0.3", "198.18.0.3");
    append(TCP, "", 0, "2001:db8::1", "2001:db8::2", "2001:db8::2", "2001:db8::1");
    append(UDP, "web2", 3);
    appendGap(1);
    append(TCP, "web", 4);

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

  private static FlowFilter ofAddress(String address) {
    return new FlowFilter(
        Optional.empty(), Optional.empty(), Optional.of(IpAddress.parse(address)), false);
  }

  private List<String> filtered(FlowFilter filter) throws InterruptedException {
    return read(log.from(1, filter)).stream()
        .map(line -> line.startsWith("{") ? "gap" : line.split(" ", 2)[0])
        .toList();
  }

  /** Fails if what a filter would have held back is left out of what was missed. */
  @Test
  void aGapCountsEventsBeforeTheFilter() throws InterruptedException {
    Cursor cursor =
        log.follow(
            new FlowFilter(Optional.empty(), Optional.of(Protocol.UDP), Optional.empty(), false));
    append(5_000);
    assertThat(read(cursor))
        .satisfiesExactly(
            line -> assertThat(line).contains("\"lost\":" + (log.oldestSequence() - 1) + ","));
  }

  /** Fails if a waiting cursor is not woken, or waits although something came before it waited. */
  @Test
  void aWaitingCursorIsWoken() throws Exception {
    Cursor cursor = log.follow(FlowFilter.ALL);
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
      return cursor.read(new byte[EventStream.MAX_LINE_BYTES], timeoutMillis);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Fails if a timeout is not kept, in either direction. */
  @Test
  void nothingComesBackAfterTheTimeout() throws InterruptedException {
    Cursor cursor = log.follow(FlowFilter.ALL);
    long start = System.nanoTime();
    assertThat(cursor.read(new byte[EventStream.MAX_LINE_BYTES], 50)).isZero();
    assertThat(System.nanoTime() - start).isBetween(50_000_000L, 5_000_000_000L);
  }

  /** Fails if the end is told before what came before it, or a waiting cursor is not told. */
  @Test
  void theEndComesAfterEverythingElse() throws Exception {
    Cursor late = log.follow(FlowFilter.ALL);
    Cursor waiting = log.follow(FlowFilter.ALL);
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
    Cursor cursor = log.follow(FlowFilter.ALL);
    CompletableFuture<Void> ended = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                cursor.read(new byte[EventStream.MAX_LINE_BYTES], 60_000);
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
    Cursor cursor = log.follow(FlowFilter.ALL);
    assertThatThrownBy(() -> cursor.read(new byte[EventStream.MAX_LINE_BYTES - 1], 0))
        .hasMessageContaining("target.length=2047");
  }

  /** Fails if a size that the ring cannot have is accepted. */
  @Test
  void sizesThatCannotBeAreRefused() {
    for (int size : new int[] {0, 32 << 10, 100_000, Integer.MIN_VALUE}) {
      assertThatThrownBy(() -> new EventLog(size)).hasMessageContaining("capacityBytes=" + size);
    }
    assertThat(new EventLog().oldestSequence()).isEqualTo(1);
  }
}
