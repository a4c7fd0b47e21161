package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.EventRing;
import dev.sluice.conntrack.FlowRecord.Kind;
import dev.sluice.conntrack.GapRecord;
import dev.sluice.conntrack.PlayedEvents;
import dev.sluice.flow.EventStream.Cursor;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * One writer at full speed, eight readers that take their time: none may miss an event without
 * being told so, and none may see a line that was overwritten while it was copied.
 */
class EventLogStressTest {
  private static final int READERS = 8;
  private static final int EVENTS = 150_000;
  private static final int BATCH = 64;
  private static final JsonMapper JSON = JsonMapper.shared();

  /** What a reader was told. */
  private record Account(long received, long admitted, long gaps, long next) {}

  /**
   * Fails if a reader is not checked for having been overtaken after it copied, if the writer
   * overwrites before it says so, or if a gap is one event too long or too short.
   */
  @Test
  void receivedAndAdmittedIsWhatWasWritten() throws Exception {
    EventLog log = new EventLog(256);
    ExecutorService executor = Executors.newFixedThreadPool(READERS);
    try {
      List<CompletableFuture<Account>> readers = new ArrayList<>();
      for (int i = 0; i < READERS; i++) {
        int pace = i;
        readers.add(CompletableFuture.supplyAsync(() -> read(log, pace), executor));
      }
      long written = write(log);
      log.end();

      long gaps = 0;
      for (CompletableFuture<Account> reader : readers) {
        Account account = reader.get(120, TimeUnit.SECONDS);
        assertThat(account.received + account.admitted).as("%s", account).isEqualTo(written);
        assertThat(account.next).isEqualTo(written + 1);
        assertThat(account.received).isPositive();
        gaps += account.gaps;
      }
      assertThat(gaps).as("readers were overtaken").isGreaterThan(READERS * 10L);
    } finally {
      executor.shutdownNow();
    }
  }

  /** Returns how many events there were, lost ones included. */
  private static long write(EventLog log) {
    PlayedEvents played = new PlayedEvents(2 * BATCH);
    EventRing ring = played.ring();
    FlowTracker lines = new FlowTracker(new MappingIndex(), log, new FlowTable(1 << 20));
    for (int i = 0; i < EVENTS / BATCH; i++) {
      long next = log.nextSequence();
      for (int j = 0; j < BATCH - 1; j++) {
        long number = next + j;
        // The number again at the beginning, in the middle and at the end of the line.
        played
            .event(Kind.NEW, 6)
            .at(number)
            .id(number)
            .addresses("198.18.0.2", "198.18.0.1", "172.30.0.2", "198.18.0.2")
            .ports((int) (number & 0xffff), 8080, 80, (int) (number & 0xffff))
            .counters(number, number, number, number)
            .stop(number)
            .publish();
      }
      played.gap(GapRecord.Cause.RING, 3, 1, 2);
      ring.poll(lines, BATCH);
      log.wakeConsumers();
      if (i % 16 == 0) {
        LockSupport.parkNanos(50_000); // or the readers would see little but gaps
      }
    }
    return log.nextSequence() - 1;
  }

  private static Account read(EventLog log, int pace) {
    Cursor cursor = log.from(1, FlowFilter.ALL, EventStream.Format.LINES);
    Random random = new Random(pace);
    byte[] target = new byte[EventStream.MAX_ENTRY_BYTES << random.nextInt(6)];
    long next = 1;
    long received = 0;
    long admitted = 0;
    long gaps = 0;
    try {
      while (true) {
        int length = cursor.read(target, 10_000);
        if (length < 0 && cursor.isEvicted()) {
          // As a consumer does that was too slow and comes again.
          cursor.close();
          cursor = log.from(next, FlowFilter.ALL, EventStream.Format.LINES);
          continue;
        }
        if (length < 0) {
          return new Account(received, admitted, gaps, next);
        }
        assertThat(length).as("something came, or the end, within 10 s").isPositive();
        String text = new String(target, 0, length, StandardCharsets.US_ASCII);
        assertThat(text).endsWith("\n");
        for (String line : text.split("\n", -1)) {
          if (line.isEmpty()) {
            continue;
          }
          JsonNode json = JSON.readTree(line);
          assertThat(json.get("seq").asLong()).as("%s", line).isEqualTo(next);
          if (json.get("event").asString().equals("gap")) {
            long lost = json.get("lost").asLong();
            assertThat(lost).isPositive();
            admitted += lost;
            next += lost;
            gaps += json.get("cause").asString().equals("slow-consumer") ? 1 : 0;
          } else {
            requireWhole(json, next);
            received++;
            next++;
          }
        }
        if (random.nextInt(8) < pace) {
          LockSupport.parkNanos(random.nextInt(2_000_000));
        }
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void requireWhole(JsonNode json, long number) {
    JsonNode reply = json.get("reply");
    if (json.get("id").asLong() != number
        || json.get("original").get("sport").asLong() != (number & 0xffff)
        || json.get("original").get("packets").asLong() != number
        || reply.get("dport").asLong() != (number & 0xffff)
        || reply.get("bytes").asLong() != number
        || !json.get("stop").asString().equals(json.get("time").asString())) {
      throw new AssertionError("parts of different events: " + json);
    }
  }
}
