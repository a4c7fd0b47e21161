package dev.sluice.flow;

import static dev.sluice.flow.Mappings.mapping;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.EventOptions;
import dev.sluice.conntrack.EventSource;
import dev.sluice.conntrack.FlowDump;
import dev.sluice.flow.EventStream.Cursor;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.FlowStatus;
import dev.sluice.model.Mapping;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Traffic.Held;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Events of real flows as lines, and the flows themselves. Witnesses: {@code conntrack} for what
 * happened and what it counted, the number of datagrams sent for what was lost.
 */
class FlowEventsIT {
  private static final JsonMapper JSON = JsonMapper.shared();
  private static final Pattern COUNTERS = Pattern.compile("packets=(\\d+) bytes=(\\d+)");
  private static final Pattern ID = Pattern.compile("\\bid=(\\d+)\\b");

  @AutoClose private static Lab lab;
  @AutoClose private static NetworkNamespace namespace;
  private static dev.sluice.testing.Conntrack tool;

  private final MappingIndex index = new MappingIndex();
  private final EventLog log = new EventLog();

  @BeforeAll
  static void build() throws Exception {
    lab = Lab.small();
    Nft.in(lab.host())
        .apply(
            """
            table inet t {
              chain arriving {
                type nat hook prerouting priority dstnat
                ip daddr 198.18.0.1 tcp dport 8080 dnat ip to 172.30.0.2:80
                ip daddr 198.18.0.1 udp dport 5353 dnat ip to 172.30.0.2:53
                ip6 daddr 2001:db8:18::1 tcp dport 8080 dnat ip6 to [fd30::2]:80
              }
              # The host's own reports of multicast groups come when they like.
              chain unasked {
                type filter hook output priority raw
                meta l4proto { igmp, ipv6-icmp } notrack
              }
              chain elsewhere {
                type filter hook prerouting priority mangle
                udp dport 53 ct mark set 42
              }
            }
            """);
    namespace = NetworkNamespace.open(lab.host().path());
    namespace.call(TrackingSettings::apply);
    tool = dev.sluice.testing.Conntrack.in(lab.host());
  }

  private EventReader start(EventSource source) {
    return EventReader.start(source, () -> FlowDump.open(namespace), index, log, () -> 0);
  }

  @BeforeEach
  void emptyTable() {
    tool.flush();
  }

  /** Reads lines until they satisfy the predicate. */
  private static List<JsonNode> readUntil(Cursor cursor, Predicate<List<JsonNode>> enough)
      throws InterruptedException {
    List<JsonNode> lines = new ArrayList<>();
    byte[] target = new byte[1 << 16];
    long deadline = System.nanoTime() + 10_000_000_000L;
    while (System.nanoTime() < deadline) {
      int length = cursor.read(target, 100);
      for (String line :
          new String(target, 0, Math.max(length, 0), StandardCharsets.US_ASCII).lines().toList()) {
        lines.add(JSON.readTree(line));
      }
      if (!lines.isEmpty() && enough.test(lines)) {
        return lines;
      }
      if (length < 0) {
        break;
      }
    }
    throw new AssertionError("the lines waited for did not come, only " + lines);
  }

  private static boolean is(JsonNode line, String event, String mapping) {
    return line.get("event").asString().equals(event)
        && line.has("mapping")
        && line.get("mapping").asString().equals(mapping);
  }

  private static List<JsonNode> of(List<JsonNode> lines, String event, String mapping) {
    return lines.stream().filter(line -> is(line, event, mapping)).toList();
  }

  /**
   * Fails if an event of a published port lacks its mapping, a tuple is not what the packets had,
   * or a counter is not what conntrack says.
   */
  @Test
  void everyEventOfAPublishedFlowNamesItsMapping() throws InterruptedException {
    Mapping web = mapping("web", "8080:80", Lab.C1);
    index.replaceAll(
        List.of(
            web,
            mapping("dns", Lab.HOST + ":5353:53/udp", Lab.C1),
            mapping("web6", "[" + Lab.HOST6 + "]:8080:80", Lab.C1_6)));
    try (EventReader reader = start(EventSource.open(namespace, EventOptions.DEFAULT));
        Cursor cursor = log.follow(FlowFilter.ALL, EventStream.Format.LINES);
        Background witness =
            lab.host()
                .start("stdbuf", "-oL", "conntrack", "-E", "-e", "DESTROY", "-o", "id,extended")) {
      // The listener says nothing when it is ready: make noise until it hears some.
      int probes = 0;
      while (witness.lines().isEmpty()) {
        lab.client().traffic().udp(Lab.C1, 80);
        tool.flush();
        assertThat(++probes).as("conntrack -E hears nothing").isLessThan(100);
      }
      assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
      assertThat(lab.client().traffic().tcp(Lab.HOST6, 8080).server()).isEqualTo("c1:80");
      assertThat(lab.client().traffic().udp(Lab.HOST, 5353).server()).isEqualTo("c1:53");
      // The last packet of a connection may be on its way still.
      for (String name : List.of("web", "web6")) {
        readUntil(
            log.from(1, FlowFilter.ALL, EventStream.Format.LINES),
            read ->
                of(read, "update", name).stream()
                    .anyMatch(line -> line.path("tcpState").asString("").equals("time_wait")));
      }
      // A publisher takes the mapping back before its flows have ended.
      index.remove(web);
      tool.flush();
      witness.awaitLine("\\[DESTROY\\].* udp .*dport=5353", Duration.ofSeconds(5));
      witness.awaitLine("\\[DESTROY\\].* ipv6 .* tcp .*dport=8080", Duration.ofSeconds(5));
      witness.awaitLine("\\[DESTROY\\].* ipv4 .* tcp .*dport=8080", Duration.ofSeconds(5));
      List<JsonNode> lines =
          readUntil(
              cursor,
              read ->
                  !of(read, "destroy", "web").isEmpty()
                      && !of(read, "destroy", "web6").isEmpty()
                      && !of(read, "destroy", "dns").isEmpty());
      assertThat(lines).as("nothing was lost").noneMatch(line -> line.has("synthesised"));
      assertThat(reader.statistics().received()).isEqualTo(log.nextSequence() - 1);

      JsonNode began = of(lines, "new", "web").get(0);
      assertThat(began.get("family").asString()).isEqualTo("ipv4");
      assertThat(began.get("proto").asString()).isEqualTo("tcp");
      assertThat(began.get("tcpState").asString()).isEqualTo("syn_sent");
      assertThat(began.get("status").toString()).isEqualTo("[\"dnat\"]");
      JsonNode original = began.get("original");
      JsonNode reply = began.get("reply");
      assertThat(original.get("src").asString()).isEqualTo(Lab.CLIENT);
      assertThat(original.get("dst").asString()).isEqualTo(Lab.HOST);
      assertThat(original.get("dport").asInt()).isEqualTo(8080);
      assertThat(reply.get("src").asString()).isEqualTo(Lab.C1);
      assertThat(reply.get("sport").asInt()).isEqualTo(80);
      assertThat(reply.get("dst").asString()).isEqualTo(Lab.CLIENT);
      assertThat(reply.get("dport").asInt()).isEqualTo(original.get("sport").asInt());
      assertThat(Duration.between(Instant.parse(began.get("time").asString()), Instant.now()))
          .isBetween(Duration.ZERO, Duration.ofMinutes(1));
      assertThat(of(lines, "update", "web")).hasSizeGreaterThanOrEqualTo(3);
      assertThat(of(lines, "new", "web6").get(0).get("reply").get("src").asString())
          .isEqualTo(Lab.C1_6);

      Map<Long, String> theirs =
          witness.lines().stream()
              .filter(line -> line.contains("[DESTROY]"))
              .collect(Collectors.toMap(FlowEventsIT::id, line -> line, (one, other) -> other));
      for (String name : List.of("web", "web6", "dns")) {
        JsonNode ended = of(lines, "destroy", name).get(0);
        Matcher counters = COUNTERS.matcher(theirs.getOrDefault(ended.get("id").asLong(), ""));
        for (String direction : List.of("original", "reply")) {
          assertThat(counters.find())
              .as("conntrack's counters of %s in %s", ended, theirs)
              .isTrue();
          assertThat(ended.get(direction).get("packets").asString()).isEqualTo(counters.group(1));
          assertThat(ended.get(direction).get("bytes").asString()).isEqualTo(counters.group(2));
        }
        Instant start = Instant.parse(ended.get("start").asString());
        assertThat(start).isBefore(Instant.parse(ended.get("stop").asString()));
        assertThat(Instant.parse(of(lines, "new", name).get(0).get("time").asString()))
            .isBetween(start.minusSeconds(1), start.plusSeconds(1));
      }
      assertThat(lines.stream().map(line -> line.get("seq").asLong()))
          .as("every number once")
          .containsExactlyElementsOf(LongStream.range(1, 1 + lines.size()).boxed().toList());
    }
  }

  private static long id(String line) {
    Matcher matcher = ID.matcher(line);
    assertThat(matcher.find()).as("%s", line).isTrue();
    return Long.parseLong(matcher.group(1));
  }

  /**
   * Fails if what a stalled reader misses is not admitted, or not exactly: the ring has room for 16
   * events, the socket for a few, and 2,000 come while nobody reads.
   */
  @Test
  void aStalledReaderFindsAGapOfExactlyWhatItMissed() throws InterruptedException {
    int sent = 2_000;
    EventOptions tiny =
        EventOptions.DEFAULT
            .ringSlots(EventOptions.MIN_RING_SLOTS)
            .receiveBufferBytes(8_192)
            .latencyMicros(200_000);
    EventSource source = EventSource.open(namespace, tiny);
    burst(lab.host(), sent);
    assertThat(tool.count()).isEqualTo(sent);
    try (EventReader reader = start(source);
        Cursor cursor = log.from(1, FlowFilter.ALL, EventStream.Format.LINES)) {
      await(() -> reader.statistics().received() + reader.statistics().lost() == sent);
      tool.flush();
      await(() -> reader.statistics().received() + reader.statistics().lost() == 2L * sent);
      long last = log.nextSequence() - 1;
      long received = 0;
      long lost = 0;
      long next = 1;
      for (JsonNode line : readUntil(cursor, read -> endOf(read.get(read.size() - 1)) >= last)) {
        assertThat(line.get("seq").asLong()).isEqualTo(next);
        next = endOf(line) + 1;
        if (line.get("event").asString().equals("gap")) {
          assertThat(line.get("cause").asString()).isIn("ring", "receive-buffer");
          assertThat(line.get("from").asString()).isLessThanOrEqualTo(line.get("to").asString());
          lost += line.get("lost").asLong();
        } else if (!line.has("synthesised")) {
          received++;
        }
      }
      assertThat(received).isPositive();
      assertThat(lost).isPositive();
      assertThat(received + lost).isEqualTo(2L * sent);
      EventStatistics statistics = reader.statistics();
      assertThat(statistics.received()).isEqualTo(received);
      assertThat(statistics.lost()).isEqualTo(lost).isEqualTo(source.stats().lost());
      assertThat(statistics.lostReceiveBuffer()).isPositive();
    }
  }

  private static long endOf(JsonNode line) {
    return line.get("seq").asLong() + (line.has("lost") ? line.get("lost").asLong() - 1 : 0);
  }

  /** New flows, one per datagram, that nothing answers and nothing ends. */
  private static void burst(Netns netns, int count) {
    netns
        .exec(
            "/usr/bin/python3",
            "-c",
            """
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(('127.0.0.1', 20000))
            for port in range(30000, 30000 + %d): s.sendto(b'x', ('127.0.0.1', port))
            """
                .formatted(count))
        .orFail();
  }

  /**
   * Fails if a flow of the table lacks its mapping, differs from what conntrack lists, or a filter
   * admits what it should not.
   */
  @Test
  void theFlowsOfThisMomentAreThoseOfConntrack() {
    Mapping web = mapping("web", "8080:80", Lab.C1);
    Mapping web6 = mapping("web6", "8080:80", Lab.C1_6);
    index.add(web);
    index.add(web6);
    TrackedFlows flows = new TrackedFlows(() -> Conntrack.open(namespace), index);
    try (Held held = lab.client().traffic().hold(Lab.HOST, 8080, 3);
        Held held6 = lab.client().traffic().hold(Lab.HOST6, 8080, 1)) {
      lab.client().traffic().udp(Lab.C2, 53);
      assertThat(held.answered() + held6.answered()).isEqualTo(4);

      List<AttributedFlow> all = list(flows, FlowFilter.ALL);
      Map<Long, String> theirs =
          tool.list().stream().collect(Collectors.toMap(FlowEventsIT::id, line -> line));
      assertThat(all).hasSize(5);
      assertThat(theirs).hasSize(5);
      for (AttributedFlow flow : all) {
        Matcher counters = COUNTERS.matcher(theirs.getOrDefault(flow.flow().id(), ""));
        assertThat(counters.find()).as("%s in %s", flow, theirs).isTrue();
        assertThat(flow.flow().originalCounters()).hasValue(counters(counters));
        assertThat(counters.find()).isTrue();
        assertThat(flow.flow().replyCounters()).hasValue(counters(counters));
        assertThat(flow.flow().startedAt()).isPresent();
        assertThat(flow.flow().timeoutSeconds()).isPresent();
      }
      assertThat(all).filteredOn(flow -> flow.mapping().equals(Optional.of(web))).hasSize(3);
      assertThat(all).filteredOn(flow -> flow.mapping().equals(Optional.of(web6))).hasSize(1);
      assertThat(all)
          .filteredOn(flow -> flow.mapping().isEmpty())
          .satisfiesExactly(
              flow -> {
                assertThat(flow.flow().protocolName()).isEqualTo("udp");
                assertThat(flow.flow().mark()).isEqualTo(42);
                assertThat(flow.flow().status()).contains(FlowStatus.SEEN_REPLY);
              });

      assertThat(list(flows, new FlowFilter(none(), none(), none(), true))).hasSize(4);
      assertThat(list(flows, new FlowFilter(Optional.of("web"), none(), none(), false))).hasSize(3);
      assertThat(
              list(flows, new FlowFilter(Optional.of(web6.id().toString()), none(), none(), false)))
          .hasSize(1);
      assertThat(list(flows, new FlowFilter(none(), Optional.of(Protocol.UDP), none(), false)))
          .hasSize(1);
      assertThat(
              list(
                  flows,
                  new FlowFilter(none(), none(), Optional.of(IpAddress.parse(Lab.C1)), false)))
          .hasSize(3);
      assertThat(
              list(
                  flows,
                  new FlowFilter(none(), none(), Optional.of(IpAddress.parse(Lab.HOST6)), false)))
          .hasSize(1);
      assertThat(
              list(
                  flows,
                  new FlowFilter(Optional.of("web"), Optional.of(Protocol.UDP), none(), false)))
          .isEmpty();
    }
  }

  private static <T> Optional<T> none() {
    return Optional.empty();
  }

  private static List<AttributedFlow> list(Flows flows, FlowFilter filter) {
    List<AttributedFlow> list = new ArrayList<>();
    flows.forEach(filter, list::add);
    return list;
  }

  private static FlowCounters counters(Matcher matcher) {
    return new FlowCounters(Long.parseLong(matcher.group(1)), Long.parseLong(matcher.group(2)));
  }

  /** Fails if the settings are made in another namespace than the caller's, or not at all. */
  @Test
  void trackingIsSwitchedOnInTheNamespace() throws Exception {
    try (Netns fresh = Netns.create("fresh");
        NetworkNamespace inside = NetworkNamespace.open(fresh.path())) {
      fresh.sysctl(
          "net.netfilter.nf_conntrack_events=2",
          "net.netfilter.nf_conntrack_acct=0",
          "net.netfilter.nf_conntrack_timestamp=0");
      TrackingSettings settings = inside.call(TrackingSettings::apply);
      assertThat(settings.changes().stream().map(Object::toString))
          .containsExactly(
              "nf_conntrack_events: 2 → 1",
              "nf_conntrack_acct: 0 → 1",
              "nf_conntrack_timestamp: 0 → 1");
      assertThat(settings.missing()).isEmpty();
      for (String name : List.of("events", "acct", "timestamp")) {
        assertThat(fresh.sysctlValue("net.netfilter.nf_conntrack_" + name)).isEqualTo("1");
      }
      assertThat(inside.call(TrackingSettings::apply).changes()).isEmpty();
    }
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
