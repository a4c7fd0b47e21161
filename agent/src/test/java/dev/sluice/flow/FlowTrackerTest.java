package dev.sluice.flow;

import static dev.sluice.flow.Mappings.mapping;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.sluice.conntrack.EventRing;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.FlowRecord.Kind;
import dev.sluice.conntrack.GapRecord;
import dev.sluice.conntrack.PlayedEvents;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.Mapping;
import dev.sluice.model.Traffic;
import dev.sluice.net.IpAddress;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

/** Records as lines, letter by letter. */
class FlowTrackerTest {
  private static final int TCP = 6;
  private static final int UDP = 17;
  private static final int ICMP = 1;
  private static final int ICMPV6 = 58;
  private static final int OSPF = 89;

  /** IPS_DST_NAT, with the bits that every flow gets: confirmed, and both translations decided. */
  private static final int DNAT = 0x1a8;

  private static final long TIME = nanos("2026-11-21T09:00:00.123456789Z");

  private final MappingIndex index = new MappingIndex();
  private final EventLog log = new EventLog(1024);
  private final FlowTracker lines = new FlowTracker(index, log, new FlowTable(1 << 20));
  private final PlayedEvents played = new PlayedEvents(16);
  private final EventRing ring = played.ring();
  private final EventStream.Cursor cursor = log.follow(FlowFilter.ALL, EventStream.Format.LINES);

  private static long nanos(String time) {
    Instant instant = Instant.parse(time);
    return instant.getEpochSecond() * 1_000_000_000L + instant.getNano();
  }

  private List<String> read() throws InterruptedException {
    ring.poll(lines, 16);
    byte[] target = new byte[1 << 16];
    int length = cursor.read(target, 0);
    String text = new String(target, 0, length, StandardCharsets.US_ASCII);
    assertThat(text).endsWith("\n");
    return text.lines().toList();
  }

  private static PlayedEvents.Event web(PlayedEvents events, Kind kind) {
    return events
        .event(kind, TCP)
        .at(TIME)
        .id(3170302521L)
        .addresses("198.18.0.2", "198.18.0.1", "172.30.0.2", "198.18.0.2")
        .ports(40112, 8080, 80, 40112)
        .status(DNAT);
  }

  /** Fails if the line of the design is not written letter by letter. */
  @Test
  void aNewFlowIsTheLineOfTheDesign() throws InterruptedException {
    index.add(mapping("web", "8080:80", "172.30.0.2"));
    played.gap(GapRecord.Cause.RING, 1041, TIME - 5_000, TIME - 1);
    web(played, Kind.NEW).protocolState(1).timeoutSeconds(120).publish();
    assertThat(read())
        .containsExactly(
            "{\"seq\":1,\"event\":\"gap\",\"cause\":\"ring\",\"lost\":1041,"
                + "\"from\":\"2026-11-21T09:00:00.123451789Z\","
                + "\"to\":\"2026-11-21T09:00:00.123456788Z\"}",
            "{\"seq\":1042,\"event\":\"new\",\"time\":\"2026-11-21T09:00:00.123456789Z\","
                + "\"id\":3170302521,\"family\":\"ipv4\",\"proto\":\"tcp\","
                + "\"original\":{\"src\":\"198.18.0.2\",\"sport\":40112,"
                + "\"dst\":\"198.18.0.1\",\"dport\":8080},"
                + "\"reply\":{\"src\":\"172.30.0.2\",\"sport\":80,"
                + "\"dst\":\"198.18.0.2\",\"dport\":40112},"
                + "\"status\":[\"dnat\"],\"tcpState\":\"syn_sent\",\"timeoutSeconds\":120,"
                + "\"mark\":0,\"zone\":0,\"mapping\":\"web\"}");
  }

  /**
   * Fails if the traffic of an ended flow is not added to its mapping, or to the other direction.
   */
  @Test
  void whatAnEndedFlowCarriedIsAddedToItsMapping() throws InterruptedException {
    Mapping web = mapping("web", "8080:80", "172.30.0.2");
    index.add(web);
    index.add(mapping("other", "8081:80", "172.30.0.2"));
    web(played, Kind.UPDATE).counters(5, 50, 6, 60).publish();
    web(played, Kind.DESTROY).counters(11, 1_100, 22, 2_200).publish();
    web(played, Kind.DESTROY).counters(1, 10, 2, 20).publish();
    read();
    Traffic carried = new Traffic(new FlowCounters(12, 1_110), new FlowCounters(24, 2_220));
    assertThat(index.ended()).containsOnly(Map.entry(web.id(), carried));
    // The mapping leads elsewhere now; it is still the same.
    index.add(web.withTarget(IpAddress.parse("172.30.0.3")));
    index.continueFrom(Map.of(web.id(), carried));
    assertThat(index.ended()).containsOnly(Map.entry(web.id(), carried.plus(carried)));
    index.remove(web);
    assertThat(index.ended()).isEmpty();
  }

  /** Fails if counters or times are missing at the end, or stand with the wrong direction. */
  @Test
  void anEndedFlowHasItsCountersAndTimes() throws InterruptedException {
    Mapping nameless = mapping("", "[2001:db8:18::1]:8443:443", "fd30::2");
    index.add(nameless);
    played
        .event(Kind.DESTROY, TCP)
        .at(TIME)
        .id(7)
        .addresses("2001:db8:18::2", "2001:db8:18::1", "fd30::2", "2001:db8:18::2")
        .ports(65535, 8443, 443, 65535)
        .status(DNAT | 0x206)
        .protocolState(7)
        .counters(11, 1_100, 22, 1L << 40)
        .mark(0x8000_0001)
        .zone(65535)
        .start(TIME - 1_000_000_000)
        .stop(TIME - 1)
        .publish();
    assertThat(read())
        .containsExactly(
            "{\"seq\":1,\"event\":\"destroy\",\"time\":\"2026-11-21T09:00:00.123456789Z\","
                + "\"id\":7,\"family\":\"ipv6\",\"proto\":\"tcp\","
                + "\"original\":{\"src\":\"2001:db8:18::2\",\"sport\":65535,"
                + "\"dst\":\"2001:db8:18::1\",\"dport\":8443,\"packets\":11,\"bytes\":1100},"
                + "\"reply\":{\"src\":\"fd30::2\",\"sport\":443,"
                + "\"dst\":\"2001:db8:18::2\",\"dport\":65535,"
                + "\"packets\":22,\"bytes\":1099511627776},"
                + "\"status\":[\"seen_reply\",\"assured\",\"dnat\"],\"tcpState\":\"time_wait\","
                + "\"mark\":2147483649,\"zone\":65535,"
                + "\"start\":\"2026-11-21T08:59:59.123456789Z\","
                + "\"stop\":\"2026-11-21T09:00:00.123456788Z\","
                + "\"mapping\":\""
                + nameless.id()
                + "\"}");
  }

  /** Fails if ICMP is given ports, or a protocol without a name is not told by its number. */
  @Test
  void otherProtocolsHaveNoPorts() throws InterruptedException {
    played
        .event(Kind.UPDATE, ICMP)
        .at(TIME)
        .id(8)
        .addresses("198.18.0.2", "172.30.0.2", "172.30.0.2", "198.18.0.2")
        .icmp(4660, 8, 0, 0)
        .status(0xa)
        .timeoutSeconds(30)
        .publish();
    played
        .event(Kind.NEW, ICMPV6)
        .at(TIME)
        .id(9)
        .addresses("::1", "::", "::", "::1")
        .icmp(1, 128, 129, 3)
        .status(0)
        .publish();
    played
        .event(Kind.NEW, OSPF)
        .at(TIME)
        .id(10)
        .addresses("198.18.0.2", "224.0.0.5", "224.0.0.5", "198.18.0.2")
        .status(1)
        .protocolState(3)
        .timeoutSeconds(4294967295L)
        .publish();
    assertThat(read())
        .containsExactly(
            "{\"seq\":1,\"event\":\"update\",\"time\":\"2026-11-21T09:00:00.123456789Z\","
                + "\"id\":8,\"family\":\"ipv4\",\"proto\":\"icmp\","
                + "\"original\":{\"src\":\"198.18.0.2\",\"dst\":\"172.30.0.2\","
                + "\"type\":8,\"code\":0,\"id\":4660},"
                + "\"reply\":{\"src\":\"172.30.0.2\",\"dst\":\"198.18.0.2\","
                + "\"type\":0,\"code\":0,\"id\":4660},"
                + "\"status\":[\"seen_reply\"],\"timeoutSeconds\":30,\"mark\":0,\"zone\":0}",
            "{\"seq\":2,\"event\":\"new\",\"time\":\"2026-11-21T09:00:00.123456789Z\","
                + "\"id\":9,\"family\":\"ipv6\",\"proto\":\"icmpv6\","
                + "\"original\":{\"src\":\"::1\",\"dst\":\"::\","
                + "\"type\":128,\"code\":3,\"id\":1},"
                + "\"reply\":{\"src\":\"::\",\"dst\":\"::1\",\"type\":129,\"code\":3,\"id\":1},"
                + "\"status\":[],\"mark\":0,\"zone\":0}",
            "{\"seq\":3,\"event\":\"new\",\"time\":\"2026-11-21T09:00:00.123456789Z\","
                + "\"id\":10,\"family\":\"ipv4\",\"proto\":\"89\","
                + "\"original\":{\"src\":\"198.18.0.2\",\"dst\":\"224.0.0.5\"},"
                + "\"reply\":{\"src\":\"224.0.0.5\",\"dst\":\"198.18.0.2\"},"
                + "\"status\":[\"expected\"],\"timeoutSeconds\":4294967295,"
                + "\"mark\":0,\"zone\":0}");
  }

  /** Fails if a cause is called by another's name, or its events are counted under it. */
  @Test
  void everyCauseOfLossIsAGapWithItsCount() throws InterruptedException {
    played.gap(GapRecord.Cause.RECEIVE_BUFFER, 812, TIME, TIME);
    played.gap(GapRecord.Cause.RING, 5, TIME, TIME);
    played.gap(GapRecord.Cause.MALFORMED, 1, TIME, TIME);
    String times =
        "\"from\":\"2026-11-21T09:00:00.123456789Z\",\"to\":\"2026-11-21T09:00:00.123456789Z\"}";
    assertThat(read())
        .containsExactly(
            "{\"seq\":1,\"event\":\"gap\",\"cause\":\"receive-buffer\",\"lost\":812," + times,
            "{\"seq\":813,\"event\":\"gap\",\"cause\":\"ring\",\"lost\":5," + times,
            "{\"seq\":818,\"event\":\"gap\",\"cause\":\"malformed\",\"lost\":1," + times);
    assertThat(log.nextSequence()).isEqualTo(819);
    assertThat(lines.lostReceiveBuffer()).isEqualTo(812);
    assertThat(lines.lostRing()).isEqualTo(5);
    assertThat(lines.lostMalformed()).isEqualTo(1);
    assertThat(lines.received()).isZero();
  }

  /** Fails if the start of a flow is not used to tell the old mapping of a port from the new. */
  @Test
  void theEndOfAnOldFlowNamesTheMappingOfItsTime() throws InterruptedException {
    Mapping old = mapping("old", "8080:80", "172.30.0.2");
    index.add(old);
    index.remove(old);
    Instant republished = Instant.now().plusSeconds(5);
    index.add(mapping("new", "8080:80", "172.30.0.2", republished));
    long now = nanos(Instant.now().toString());
    web(played, Kind.DESTROY).at(now).start(now - 60_000_000_000L).publish();
    web(played, Kind.NEW).at(now + 10_000_000_000L).publish();
    assertThat(read())
        .satisfiesExactly(
            line -> assertThat(line).endsWith("\"mapping\":\"old\"}"),
            line -> assertThat(line).endsWith("\"mapping\":\"new\"}"));
  }

  /** Fails if a flow that is not led to a container gets a mapping, as by its ports alone. */
  @Test
  void aFlowWithoutTranslatedDestinationHasNoMapping() throws InterruptedException {
    index.add(mapping("web", "8080:80", "172.30.0.2"));
    web(played, Kind.NEW).status(0x198).publish();
    assertThat(read()).satisfiesExactly(line -> assertThat(line).doesNotContain("mapping"));
  }

  /** Fails if a line can outgrow the room that everybody reserves for it. */
  @Test
  void theLongestLineFits() throws InterruptedException {
    String name = "n".repeat(64);
    String wide = "2fff:ffff:ffff:ffff:ffff:ffff:ffff:fff";
    index.add(mapping(name, "[" + wide + "e]:65535:65535", wide + "d"));
    played
        .event(Kind.DESTROY, TCP)
        .at(Long.MAX_VALUE)
        .id(4294967295L)
        .addresses(wide + "f", wide + "e", wide + "d", wide + "f")
        .ports(65535, 65535, 65535, 65535)
        .status(-1)
        .protocolState(9)
        .timeoutSeconds(4294967295L)
        .mark(-1)
        .zone(65535)
        .counters(-1, -1, -1, -1)
        .start(Long.MAX_VALUE)
        .stop(Long.MAX_VALUE)
        .publish();
    List<String> read = read();
    assertThat(read).hasSize(1);
    JsonMapper.shared().readTree(read.get(0));
    assertThat(read.get(0)).hasSizeBetween(850, EventStream.MAX_ENTRY_BYTES / 2);
  }

  /** Fails if an event costs an object, whatever it is: the stream must not make garbage. */
  @Test
  void writingEventsAllocatesNothing() {
    for (int port = 1; port < 1_000; port++) {
      index.add(mapping("m" + port, port + ":80", "172.30.0.2"));
    }
    index.add(mapping("range", "5000-6000:5000-6000", "172.30.0.2"));
    index.add(mapping("web", "8080:80", "172.30.0.2"));
    List<FlowRecord> records =
        List.of(
            PlayedEvents.record(e -> web(e, Kind.NEW).protocolState(1).publish()),
            PlayedEvents.record(e -> web(e, Kind.UPDATE).protocolState(3).publish()),
            PlayedEvents.record(
                e -> web(e, Kind.DESTROY).counters(1, 2, 3, 4).start(TIME).stop(TIME).publish()),
            PlayedEvents.record(
                e ->
                    e.event(Kind.NEW, UDP)
                        .at(TIME + 1_000_000_000)
                        .addresses("2001:db8:18::2", "::1", "fd30::2", "2001:db8:18::2")
                        .ports(1, 2, 3, 4)
                        .status(DNAT)
                        .publish()));
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long id = Thread.currentThread().getId();
    for (int i = 0; i < 50_000; i++) {
      lines.onFlow(records.get(i & 3));
    }
    long before = threads.getThreadAllocatedBytes(id);
    for (int i = 0; i < 200_000; i++) {
      lines.onFlow(records.get(i & 3));
      log.wakeConsumers();
    }
    long allocated = threads.getThreadAllocatedBytes(id) - before;
    // Compiled code allocates nothing; an object per event would be at least 3.2 MB.
    assertThat(allocated).isLessThan(20_000);
  }
}
