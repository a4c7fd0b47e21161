package dev.sluice.conntrack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Traffic;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Events of real flows through the C thread and the ring. Witnesses: {@code conntrack -E} for what
 * happened, the number of datagrams sent and the kernel's own drop counter for what was lost.
 */
class EventSourceIT {
  @AutoClose private static Lab lab;
  @AutoClose private static NetworkNamespace namespace;
  private static dev.sluice.testing.Conntrack tool;

  @BeforeAll
  static void build() {
    lab = Lab.small();
    lab.host()
        .sysctl(
            "net.netfilter.nf_conntrack_events=1",
            "net.netfilter.nf_conntrack_acct=1",
            "net.netfilter.nf_conntrack_timestamp=1");
    Nft.in(lab.host())
        .apply(
            """
            table inet t {
              chain arriving {
                type nat hook prerouting priority dstnat
                ip daddr 198.18.0.1 tcp dport 8080 dnat ip to 172.30.0.2:80
                ip6 daddr 2001:db8:18::1 tcp dport 8080 dnat ip6 to [fd30::2]:80
              }
              chain marks {
                type filter hook prerouting priority mangle
                udp dport 53 ct mark set 42
              }
              # The host's own reports of multicast groups come when they like.
              chain unasked {
                type filter hook output priority raw
                meta l4proto { igmp, ipv6-icmp } notrack
              }
            }
            """);
    namespace = NetworkNamespace.open(lab.host().path());
    tool = dev.sluice.testing.Conntrack.in(lab.host());
  }

  @BeforeEach
  void emptyTable() {
    tool.flush();
  }

  /** Keeps everything it is given. */
  private static final class Ledger implements EventRing.Handler {
    private final List<FlowRecord> flows = new ArrayList<>();
    private final List<GapRecord.Cause> causes = new ArrayList<>();
    private long lost;
    private boolean timesInOrder = true;

    @Override
    public void onFlow(FlowRecord record) {
      FlowRecord kept = new FlowRecord();
      record.copyTo(kept);
      flows.add(kept);
    }

    @Override
    public void onGap(GapRecord gap) {
      causes.add(gap.cause());
      lost += gap.lost();
      timesInOrder &= 0 < gap.fromNanos() && gap.fromNanos() <= gap.toNanos();
    }

    /** Reads until {@code enough}, or until the source has ended. */
    void read(EventSource source, BooleanSupplier enough) {
      long deadline = System.nanoTime() + 10_000_000_000L;
      while (!enough.getAsBoolean()) {
        if (source.ring().await(100) == EventRing.Readiness.ENDED) {
          return;
        }
        source.ring().poll(this, 64);
        if (System.nanoTime() > deadline) {
          throw new AssertionError(
              "not enough events after 10 s: " + flows + ", " + source.stats());
        }
      }
    }

    void readToEnd(EventSource source) {
      read(source, () -> false);
    }

    long count(FlowRecord.Kind kind) {
      return flows.stream().filter(flow -> flow.kind() == kind).count();
    }
  }

  /** One event as both sides can tell it. */
  private record Event(String kind, long id, Tuple original, Tuple reply, int mark) {}

  /**
   * Fails if an event is missing, comes in another order, has another kind, id, tuple or mark than
   * conntrack says, or a flow's end lacks its counters and times.
   */
  @Test
  void eventsAreThoseThatConntrackSees() {
    try (EventSource source = EventSource.open(namespace, EventOptions.DEFAULT);
        Background witness =
            lab.host().start("stdbuf", "-oL", "conntrack", "-E", "-o", "id,extended")) {
      Traffic client = lab.client().traffic();
      Ledger ledger = new Ledger();
      // The listener says nothing when it is ready: make noise until it hears some.
      int probes = 0;
      while (witness.lines().isEmpty()) {
        client.udp(Lab.C1, 80);
        assertThat(++probes).as("conntrack -E hears nothing").isLessThan(100);
      }
      long start = System.currentTimeMillis() * 1_000_000;
      assertThat(client.tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
      assertThat(client.tcp(Lab.HOST6, 8080).server()).isEqualTo("c1:80");
      assertThat(client.udp(Lab.C2, 53).server()).isEqualTo("c2:53");
      client.inject(
          "eth0",
          lab.host().mac("out0"),
          1,
          "IP(src='198.18.0.2',dst='172.30.0.2')/ICMP(type=8,code=0,id=4660,seq=1)");
      witness.awaitLine("\\[UPDATE\\].* icmp ", Duration.ofSeconds(5));
      tool.flush();
      // All ends were sent by now; a flow behind them tells that both have heard them.
      client.inject(
          "eth0",
          lab.host().mac("out0"),
          1,
          "IP(src='198.18.0.2',dst='172.30.0.2')/ICMP(type=8,code=0,id=4661,seq=1)");
      witness.awaitLine("\\[NEW\\].* icmp .* id=4661 ", Duration.ofSeconds(5));
      ledger.read(
          source,
          () ->
              ledger.flows.stream()
                      .filter(f -> f.kind() == FlowRecord.Kind.NEW && f.protocol() == 1)
                      .count()
                  == 2);
      source.stop();
      ledger.readToEnd(source);
      witness.stop();

      List<Event> theirs =
          beforeTheLastPing(
              witness.lines().stream()
                  .filter(line -> line.contains("src="))
                  .map(EventSourceIT::event)
                  .toList());
      List<Event> ours =
          beforeTheLastPing(ledger.flows.stream().map(EventSourceIT::event).toList());
      assertThat(theirs).hasSizeGreaterThan(15);
      // conntrack may have been ready a little later than we: its first events are within ours.
      assertThat(ours.subList(ours.size() - theirs.size(), ours.size())).isEqualTo(theirs);
      assertThat(ledger.causes).isEmpty();

      List<FlowRecord> ended =
          ledger.flows.stream().filter(f -> f.kind() == FlowRecord.Kind.DESTROY).toList();
      assertThat(ended)
          .allSatisfy(
              end -> {
                assertThat(end.hasCounters() && end.hasStart() && end.hasStop()).isTrue();
                assertThat(end.originalPackets()).isPositive();
                assertThat(end.startNanos()).isBetween(start - 60_000_000_000L, end.stopNanos());
                assertThat(end.hasKernelTime()).isTrue();
                assertThat(end.eventNanos()).isGreaterThanOrEqualTo(end.stopNanos());
              });
      assertThat(ledger.flows)
          .filteredOn(f -> f.protocol() == 6 && f.kind() == FlowRecord.Kind.NEW)
          .hasSize(2)
          .allSatisfy(
              f -> assertThat(f.protocolState()).isEqualTo(LinuxNfConntrack.TCP_CONNTRACK_SYN_SENT))
          .allSatisfy(f -> assertThat(f.status() & LinuxNfConntrack.IPS_DST_NAT).isNotZero());
      EventStats stats = source.stats();
      assertThat(stats.received()).isEqualTo(ledger.flows.size());
      assertThat(stats.started()).isEqualTo(ledger.count(FlowRecord.Kind.NEW));
      assertThat(stats.updated()).isEqualTo(ledger.count(FlowRecord.Kind.UPDATE));
      assertThat(stats.ended()).isEqualTo(ended.size());
      assertThat(stats.lost()).isZero();
      assertThat(stats.errno()).isZero();
      assertThat(stats.receiveBufferBytes()).isEqualTo(64 << 20);
    }
  }

  private static Event event(FlowRecord record) {
    ConntrackEntry entry = record.toEntry();
    return new Event(
        record.kind().name(), entry.id(), entry.original(), entry.reply(), entry.mark());
  }

  private static Event event(String line) {
    ConntrackEntry entry = ToolEntry.parse(line);
    return new Event(
        ToolEntry.kind(line), entry.id(), entry.original(), entry.reply(), entry.mark());
  }

  private static List<Event> beforeTheLastPing(List<Event> events) {
    int last = -1;
    for (int i = 0; i < events.size(); i++) {
      Event event = events.get(i);
      if (event.kind().equals("NEW") && event.original().protocol() == 1) {
        last = i;
      }
    }
    return events.subList(0, last);
  }

  /** Fails if a dump and the events call the same flow by different ids or tuples. */
  @Test
  void eventsAndDumpAgreeOnIds() {
    try (EventSource source = EventSource.open(namespace, EventOptions.DEFAULT);
        Conntrack conntrack = Conntrack.open(namespace)) {
      Ledger ledger = new Ledger();
      lab.client().traffic().udp(Lab.C1, 53);
      lab.client().traffic().udp(Lab.C1_6, 53);
      ledger.read(source, () -> ledger.count(FlowRecord.Kind.NEW) == 2);
      Map<Long, Tuple> dumped =
          conntrack.list(ConntrackFilter.ALL).stream()
              .collect(Collectors.toMap(ConntrackEntry::id, ConntrackEntry::original));
      assertThat(ledger.flows)
          .allSatisfy(flow -> assertThat(dumped).containsEntry(flow.id(), flow.original()));
    }
  }

  /**
   * Fails if events that found the ring full are not counted, or counted twice: what was read plus
   * what was lost is what was sent.
   */
  @Test
  void aFullRingIsAGapOfExactlyWhatIsMissing() {
    int sent = 3_000;
    try (EventSource source =
        EventSource.open(namespace, EventOptions.DEFAULT.ringSlots(EventOptions.MIN_RING_SLOTS))) {
      burst(lab.host(), sent);
      assertThat(tool.count()).isEqualTo(sent);
      source.stop();
      assertThat(source.ring().capacity()).isEqualTo(16);
      Ledger ledger = new Ledger();
      ledger.readToEnd(source);
      assertThat(ledger.count(FlowRecord.Kind.NEW)).isBetween(1L, 16L);
      assertThat(ledger.causes).containsOnly(GapRecord.Cause.RING);
      assertThat(ledger.flows.size() + ledger.lost).isEqualTo(sent);
      assertThat(ledger.timesInOrder).isTrue();
      assertThat(source.stats().ringLost()).isEqualTo(ledger.lost);
      assertThat(source.stats().received()).isEqualTo(sent);
    }
  }

  /** Fails if a reader that comes back after a gap does not get the events that follow it. */
  @Test
  void afterAGapTheStreamGoesOn() {
    int sent = 300;
    EventOptions tiny =
        EventOptions.DEFAULT.ringSlots(EventOptions.MIN_RING_SLOTS).receiveBufferBytes(8_192);
    try (EventSource source = EventSource.open(namespace, tiny)) {
      burst(lab.host(), sent);
      Ledger ledger = new Ledger();
      ledger.read(source, () -> ledger.flows.size() + ledger.lost == sent);
      assertThat(ledger.lost).isPositive();
      tool.flush();
      ledger.read(source, () -> ledger.flows.size() + ledger.lost == 2L * sent);
      assertThat(ledger.count(FlowRecord.Kind.DESTROY)).isPositive();
    }
  }

  /** Fails if events are thrown away while the reader is late and the receive buffer has room. */
  @Test
  void aFullRingLeavesEventsInTheReceiveBuffer() {
    int sent = 3_000;
    try (EventSource source =
        EventSource.open(namespace, EventOptions.DEFAULT.ringSlots(EventOptions.MIN_RING_SLOTS))) {
      burst(lab.host(), sent);
      assertThat(tool.count()).isEqualTo(sent);
      Ledger ledger = new Ledger();
      ledger.read(source, () -> ledger.flows.size() == sent);
      assertThat(ledger.lost).isZero();
    }
  }

  /**
   * Fails if the kernel's drops are not noticed, or not exactly: read plus lost is what was sent,
   * and lost is what /proc/net/netlink says.
   */
  @Test
  void aFullReceiveBufferIsAGapOfExactlyTheKernelsDrops() {
    int sent = 3_000;
    EventOptions tiny = EventOptions.DEFAULT.receiveBufferBytes(8_192).latencyMicros(1_000_000);
    try (EventSource source = EventSource.open(namespace, tiny)) {
      burst(lab.host(), sent);
      assertThat(tool.count()).isEqualTo(sent);
      source.stop();
      Ledger ledger = new Ledger();
      ledger.readToEnd(source);
      assertThat(ledger.causes).containsOnly(GapRecord.Cause.RECEIVE_BUFFER);
      assertThat(ledger.lost).isPositive().isEqualTo(kernelDrops());
      assertThat(ledger.flows.size() + ledger.lost).isEqualTo(sent);
      assertThat(ledger.timesInOrder).isTrue();
      assertThat(source.stats().receiveBufferLost()).isEqualTo(ledger.lost);
    }
  }

  /** Drops of the only user socket of NETLINK_NETFILTER in the host's namespace. */
  private static long kernelDrops() {
    List<Long> drops =
        lab.host()
            .exec("cat", "/proc/net/netlink")
            .orFail()
            .stdout()
            .lines()
            .skip(1)
            .map(line -> line.strip().split("\\s+", -1))
            // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
            .filter(fields -> fields[1].equals("12") && !fields[2].equals("0"))
            .map(fields -> Long.parseLong(fields[8]))
            .toList();
    assertThat(drops).as("sockets of NETLINK_NETFILTER in the namespace").hasSize(1);
    return drops.get(0);
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

  /** Fails if another namespace's flows are seen, or the socket is opened in the caller's. */
  @Test
  void onlyTheNamespaceAskedForIsSeen() {
    try (NetworkNamespace other = NetworkNamespace.open(lab.c2().path());
        EventSource source = EventSource.open(other, EventOptions.DEFAULT)) {
      burst(lab.host(), 50);
      source.stop();
      assertThat(source.stats().received()).isZero();
      assertThat(source.ring().await(0)).isEqualTo(EventRing.Readiness.ENDED);
    }
  }

  /**
   * Fails if closing does not wake a reader that waits, frees what it still uses, or the records
   * are gone with it.
   */
  @Test
  void closingWakesTheReaderAndKeepsTheRecords() throws Exception {
    for (int round = 0; round < 50; round++) {
      EventSource source = EventSource.open(namespace, EventOptions.DEFAULT.ringSlots(1024));
      CompletableFuture<EventRing.Readiness> reader =
          CompletableFuture.supplyAsync(() -> source.ring().await(-1));
      if (round % 2 == 0) {
        Thread.sleep(2); // half of them wait in C by then
      }
      source.close();
      assertThat(reader.get(5, TimeUnit.SECONDS)).isEqualTo(EventRing.Readiness.ENDED);
      source.close();
      assertThat(source.ring().await(-1)).isEqualTo(EventRing.Readiness.ENDED);
      assertThat(source.stats().received()).isZero();
    }
    EventSource source = EventSource.open(namespace, EventOptions.DEFAULT);
    burst(lab.host(), 10);
    await(() -> source.stats().received() == 10);
    source.close();
    Ledger ledger = new Ledger();
    assertThat(source.ring().poll(ledger, 100)).isEqualTo(10);
    assertThat(source.stats().started()).isEqualTo(10);
  }

  /** Fails if a source leaves its thread or a descriptor behind. */
  @Test
  void nothingIsLeftBehind() throws IOException {
    int sources = 50;
    EventSource.open(namespace, EventOptions.DEFAULT).close();
    long before = descriptors();
    for (int i = 0; i < sources; i++) {
      EventSource.open(namespace, EventOptions.DEFAULT.ringSlots(16)).close();
    }
    // Other threads of this process, and what earlier tests left to the collector, open and close
    // some meanwhile; a descriptor of each source would be twice what is allowed here.
    assertThat(descriptors() - before).isLessThan(sources / 2);
    try (Stream<Path> threads = Files.list(Path.of("/proc/self/task"))) {
      assertThat(threads.map(EventSourceIT::threadName)).doesNotContain("sluice-events");
    }
  }

  private static long descriptors() throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
      return all.count();
    }
  }

  private static String threadName(Path task) {
    try {
      return Files.readString(task.resolve("comm")).strip();
    } catch (IOException e) {
      return ""; // it has ended meanwhile
    }
  }

  /** Fails if sizes that C refuses get that far, or get there as something else. */
  @Test
  void sizesOutOfRangeAreRefusedByName() {
    Function<Integer, EventOptions> slots = EventOptions.DEFAULT::ringSlots;
    for (int wrong : new int[] {0, 8, 17, 1 << 23}) {
      assertThatThrownBy(() -> slots.apply(wrong)).hasMessageContaining("ringSlots=" + wrong);
    }
    assertThatThrownBy(() -> EventOptions.DEFAULT.latencyMicros(-1))
        .hasMessageContaining("latencyMicros=-1");
    assertThatThrownBy(() -> EventOptions.DEFAULT.receiveBufferBytes(-5))
        .hasMessageContaining("receiveBufferBytes=-5");
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
