package dev.sluice.daemon;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.api.ApiClient;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.flow.EventFrame;
import dev.sluice.flow.FlowFilter;
import dev.sluice.model.FlowEvent.GapCause;
import dev.sluice.testing.Background;
import dev.sluice.testing.Conntrack;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Nft;
import dev.sluice.testing.PrometheusText;
import dev.sluice.testing.Scale;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The real agent's stream of events against a ledger that knows nothing of it: the generator makes
 * numbered flows, one datagram each, to addresses of 127.0.0.0/8 that are never used again, and
 * {@code conntrack -F} ends them.
 *
 * <p>{@code -Dsluice.scale=full} makes 200,000 flows at once, stops the agent 50 times for five
 * seconds, and goes on for ten minutes at 50,000 events a second.
 */
@Tag("alone")
class EventLedgerIT {
  private static final int FIRST_ADDRESS = 0x7f010000;
  private static final int MAX_FLOWS = 0xfe0000;
  private static final Duration LIMIT = Duration.ofSeconds(60);

  /**
   * Flows FIRST to FIRST + COUNT - 1, RATE a second, 0 for as fast as possible; and ends them every
   * second if it takes longer.
   */
  private static final String GENERATOR =
      """
      import socket, struct, subprocess, sys, time
      first, count, rate, flush = (int(a) for a in sys.argv[1:])
      receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
      receiver.bind(('0.0.0.0', 9))
      sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
      sender.bind(('127.0.0.1', 20000))
      began = flushed = time.monotonic()
      for i in range(first, first + count):
          address = socket.inet_ntoa(struct.pack('>I', 0x7f010000 + i))
          sender.sendto(b'x', (address, 9))
          if rate and i % 256 == 0:
              now = time.monotonic()
              ahead = began + (i - first) / rate - now
              if ahead > 0: time.sleep(ahead)
              if flush and now - flushed > 1:
                  subprocess.Popen(['conntrack', '-F'], stderr=subprocess.DEVNULL)
                  flushed = now
      print('sent', count, 'in', time.monotonic() - began)
      """;

  @AutoClose private Lab lab;
  @AutoClose private @Nullable BareAgent running;
  private Path directory = Path.of("/nowhere");
  private Conntrack tool;

  @BeforeEach
  void build(@TempDir Path temporary) {
    directory = temporary;
    lab = Lab.builder().containers(0).noServers().agentWillConfigureHost().build();
    tool = Conntrack.in(lab.host());
    Nft.in(lab.host())
        .apply(
            """
            table inet t {
              # The host's own reports of multicast groups come when they like.
              chain unasked {
                type filter hook output priority raw
                meta l4proto { igmp, ipv6-icmp } notrack
              }
              chain tracking {
                type filter hook output priority filter
                ct state invalid drop
              }
            }
            """);
  }

  private void start(String... options) {
    running = BareAgent.start(lab.host(), directory, options);
  }

  private BareAgent agent() {
    return requireNonNull(running);
  }

  private Background generate(int first, int count, int rate, boolean flush) {
    return lab.host()
        .start(
            "/usr/bin/python3",
            "-c",
            GENERATOR,
            Integer.toString(first),
            Integer.toString(count),
            Integer.toString(rate),
            flush ? "1" : "0");
  }

  private void flows(int first, int count) {
    generate(first, count, 0, false).awaitLine("sent", LIMIT);
  }

  /** What a consumer was told, by the number of the flow. */
  private static final class Ledger implements AutoCloseable {
    private final byte[] begins;
    private final byte[] ends;
    private final byte[] synthesised;
    private final ApiClient client;
    private final Thread thread;
    private final Set<GapCause> causes = EnumSet.noneOf(GapCause.class);
    private volatile long observed;
    private volatile long concluded;
    private volatile long lost;
    private volatile long begun;
    private volatile long ended;
    private volatile String fault = "";
    private long next = -1;

    Ledger(BareAgent agent, int flows) {
      begins = new byte[flows];
      ends = new byte[flows];
      synthesised = new byte[flows];
      client = agent.client();
      thread = new Thread(this::follow, "ledger");
      thread.setDaemon(true);
    }

    static Ledger open(BareAgent agent, int flows) {
      Ledger ledger = new Ledger(agent, flows);
      ledger.thread.start();
      return ledger;
    }

    private void follow() {
      try {
        client.frames(FlowFilter.ALL, OptionalLong.of(1), this::take);
      } catch (AgentUnreachableException e) {
        assertThat(e).hasMessageContaining("ended"); // as the agent does when the test is over
      }
    }

    @SuppressWarnings("NonAtomicVolatileUpdate")
    private boolean take(EventFrame frame) {
      if (next >= 0 && frame.sequence() != next) {
        fault = "event " + frame.sequence() + " follows where " + next + " should";
      }
      next = frame.nextSequence();
      if (frame.isGap()) {
        lost += frame.lost();
        causes.add(frame.gapCause());
        return true;
      }
      if (!frame.isFlow()) {
        return true;
      }
      FlowRecord flow = frame.flow();
      int number = flow.isIpv6() ? -1 : flow.originalDestination4() - FIRST_ADDRESS;
      if (number < 0 || number >= begins.length || flow.originalDestinationPort() != 9) {
        return true;
      }
      if (frame.isSynthesised()) {
        concluded++;
        synthesised[number]++;
      } else {
        observed++;
      }
      if (flow.kind() == FlowRecord.Kind.NEW) {
        begins[number]++;
        begun++;
      } else if (flow.kind() == FlowRecord.Kind.DESTROY) {
        ends[number]++;
        ended++;
      }
      return true;
    }

    /** Flows with {@code begins} and {@code ends} told so often. */
    long count(int begun, int ended) {
      long count = 0;
      for (int i = 0; i < begins.length; i++) {
        if (begins[i] == begun && ends[i] == ended) {
          count++;
        }
      }
      return count;
    }

    @Override
    public void close() {
      thread.interrupt();
    }

    @Override
    public String toString() {
      return "observed=%d concluded=%d lost=%d begun=%d ended=%d %s"
          .formatted(observed, concluded, lost, begun, ended, fault);
    }
  }

  private void await(Ledger ledger, BooleanSupplier condition) {
    await(ledger::toString, condition);
  }

  private void await(BooleanSupplier condition) {
    await(() -> "", condition);
  }

  private void await(Supplier<String> state, BooleanSupplier condition) {
    await(LIMIT, state, condition);
  }

  private void await(Duration limit, Supplier<String> state, BooleanSupplier condition) {
    long deadline = System.nanoTime() + limit.toNanos();
    while (!condition.getAsBoolean()) {
      assertThat(agent().isAlive()).isTrue();
      assertThat(System.nanoTime())
          .as("%s; the agent said %s", state.get(), agent().said())
          .isLessThan(deadline);
      BareAgent.pause();
    }
  }

  /** Row 41. Fails if an end is lost in a burst, told twice, or a beginning is. */
  @Test
  void everyEndOfABurstIsTold() {
    int flows = Scale.count("burst", 20_000, 200_000);
    start();
    try (Ledger ledger = Ledger.open(agent(), flows)) {
      flows(0, flows);
      assertThat(tool.count()).isEqualTo(flows);
      await(ledger, () -> ledger.begun == flows);
      tool.flush();
      await(ledger, () -> ledger.ended == flows);
      Scale.report("41", flows + " flows at once: " + ledger);
      assertThat(ledger.count(1, 1)).as("%s", ledger).isEqualTo(flows);
      assertThat(ledger.lost).isZero();
      assertThat(ledger.concluded).isZero();
      assertThat(ledger.fault).isEmpty();
    }
  }

  /** Row 40. Fails if an end is missing or told twice in the long run, or memory grows. */
  @Test
  void inTheLongRunEveryEndIsToldOnce() throws IOException {
    int seconds = Scale.count("soak.seconds", 4, 600);
    int rate = 25_000; // 50,000 events a second
    int flows = Math.min(MAX_FLOWS, seconds * rate);
    start();
    try (Ledger ledger = Ledger.open(agent(), flows)) {
      Background generator = generate(0, flows, rate, true);
      await(
          LIMIT.plusSeconds(seconds),
          ledger::toString,
          () -> ledger.ended > flows / 4 || !generator.isAlive());
      long early = rssKib();
      generator.awaitLine("sent", Duration.ofSeconds(seconds * 2L + 60));
      await(ledger, () -> ledger.begun + ledger.lost >= flows);
      tool.flush();
      await(ledger, () -> ledger.ended + ledger.lost >= flows);
      long late = rssKib();
      Scale.report(
          "40",
          "%d flows, %s; %s; VmRSS %d KiB after a quarter, %d at the end"
              .formatted(
                  flows, generator.lines().get(generator.lines().size() - 1), ledger, early, late));
      assertThat(ledger.lost).isZero();
      assertThat(ledger.count(1, 1)).as("%s", ledger).isEqualTo(flows);
      assertThat(ledger.fault).isEmpty();
      if (Scale.FULL) {
        assertThat(late).as("KiB").isLessThan(early + early / 20 + 8_192);
      }
    }
  }

  private long rssKib() throws IOException {
    return Files.readAllLines(Path.of("/proc", Long.toString(agent().pid()), "status")).stream()
        .filter(line -> line.startsWith("VmRSS:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
        .findFirst()
        .orElseThrow();
  }

  /**
   * Row 42. Fails if a loss is not admitted, or not exactly; if what was missed is not concluded
   * from the kernel's table; or if an end is told twice, once observed and once concluded.
   */
  @Test
  void whatAStoppedReaderMissesIsAdmittedAndConcluded() {
    int stops = Scale.count("stops", 3, 50);
    int flows = 6_000;
    start("--events-buffer-mib", "1");
    try (Ledger ledger = Ledger.open(agent(), stops * flows)) {
      for (int stop = 0; stop < stops; stop++) {
        int first = stop * flows;
        flows(first, flows / 3);
        signal("STOP");
        flows(first + flows / 3, flows / 3);
        tool.run("-D", "-p", "udp", "-d", "127.0.0.0/9").orFail();
        flows(first + flows * 2 / 3, flows / 3);
        pause(Scale.FULL ? 5_000 : 300);
        assertThat(tool.count()).as("the kernel's table").isLessThan(flows * 2);
        signal("CONT");
        // Observed, and admitted: nothing else can have happened to a flow than to begin and to
        // end.
        awaitCurrent();
        int open = tool.count();
        await(ledger, () -> ledger.begun - ledger.ended == open);
      }
      tool.flush();
      awaitCurrent();
      await(ledger, () -> ledger.begun == ledger.ended);
      Scale.report("42", stops + " stops: " + ledger + ", causes " + ledger.causes);
      long all = (long) stops * flows;
      assertThat(ledger.lost).isPositive();
      assertThat(ledger.causes).containsExactly(GapCause.RECEIVE_BUFFER);
      assertThat(ledger.observed + ledger.lost)
          .as("each flow begins and ends: observed and admitted is what happened; %s", ledger)
          .isEqualTo(2 * all);
      assertThat(ledger.concluded).as("%s", ledger).isPositive();
      assertThat(ledger.count(1, 1) + ledger.count(0, 0) + ledger.count(0, 1))
          .as("no flow is told to begin or end twice, or to begin only; %s", ledger)
          .isEqualTo(all);
      assertThat(ledger.fault).isEmpty();
    }
  }

  private void signal(String name) {
    lab.host().exec("kill", "-" + name, Long.toString(agent().pid())).orFail();
  }

  private static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /** Until every event so far has been read and the table was compared since the last loss. */
  private void awaitCurrent() {
    pause(50);
    await(() -> metric("sluice_flows_complete") == 1);
  }

  private double metric(String name) {
    String page =
        lab.host()
            .exec(
                "curl",
                "-sS",
                "--fail",
                "--unix-socket",
                directory.resolve("sluice.sock").toString(),
                "http://sluice/metrics")
            .orFail()
            .stdout();
    return PrometheusText.parse(page).samples().getOrDefault(name, Double.NaN);
  }

  /**
   * Row 43. Fails if one consumer that reads a byte a second holds up the others, or is kept for
   * ever.
   */
  @Test
  void aSlowConsumerIsEvictedAndHoldsUpNobody() throws IOException {
    int consumers = 9;
    int flows = 60_000;
    start("--events-retained", "16384");
    List<Ledger> ledgers = new ArrayList<>();
    try (SocketChannel slow = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      slow.connect(UnixDomainSocketAddress.of(directory.resolve("sluice.sock")));
      slow.write(
          ByteBuffer.wrap(
              "GET /v1/events?from=1 HTTP/1.1\r\nHost: sluice\r\n\r\n"
                  .getBytes(StandardCharsets.US_ASCII)));
      for (int i = 0; i < consumers; i++) {
        ledgers.add(Ledger.open(agent(), flows));
      }
      await(() -> metric("sluice_event_consumers") == consumers + 1);
      Background generator = generate(0, flows, 15_000, true);
      long asleep = System.nanoTime();
      await(
          () -> {
            readOneByte(slow);
            return metric("sluice_event_consumers_evicted_total") == 1;
          });
      generator.awaitLine("sent", LIMIT);
      tool.flush();
      for (Ledger ledger : ledgers) {
        await(ledger, () -> ledger.ended == flows);
        assertThat(ledger.lost).as("%s", ledger).isZero();
        assertThat(ledger.count(1, 1)).as("%s", ledger).isEqualTo(flows);
      }
      await(() -> metric("sluice_event_consumers") == consumers);
      assertThat(metric("sluice_flow_events_lost_total{cause=\"ring\"}")).isZero();
      Scale.report(
          "43",
          "the slow one of %d was evicted after %d ms"
              .formatted(consumers + 1, (System.nanoTime() - asleep) / 1_000_000));
    } finally {
      ledgers.forEach(Ledger::close);
    }
  }

  private static void readOneByte(SocketChannel channel) {
    try {
      channel.read(ByteBuffer.allocate(1));
    } catch (IOException e) {
      throw new AssertionError("the slow consumer cannot read what there is", e);
    }
  }

  /**
   * Row 47. Fails if an agent in reliable mode that is stopped is left to fill the connection table
   * with dead entries, as it does where no keeper watches; or if it does not come back.
   */
  @Test
  void aStoppedReaderInReliableModeDoesNotFillTheTable() {
    long limit = Long.parseLong(lab.host().sysctlValue("net.netfilter.nf_conntrack_max"));
    int flows = (int) (limit + limit / 4);
    String[] reliable = {"--events-reliable", "--events-buffer-mib", "1"};
    start(reliable);
    signal("STOP");
    assertThat(mostEntriesDuring(flood(flows), limit))
        .as("without a keeper")
        .isGreaterThanOrEqualTo(limit);
    agent().kill();
    agent().close();
    tool.flush();

    KeptAgent kept = KeptAgent.start(lab.host(), directory, new String[0], reliable);
    assertThat(kept.awaitPublished()).isEmpty();
    lab.host().exec("kill", "-STOP", Long.toString(kept.pid())).orFail();
    assertThat(mostEntriesDuring(flood(flows), limit)).as("with a keeper").isLessThan(limit);
    kept.keeper().awaitLine("is stopped and in reliable mode", LIMIT);
    assertThat(kept.awaitPublished()).isEmpty();
    assertThat(tool.count()).isLessThan((int) (limit / 2));
    assertThat(kept.stop()).isZero();
    Scale.report("47", "flooded with " + flows + " flows while stopped, limit " + limit);
  }

  private Background flood(int flows) {
    return lab.host()
        .start(
            "/usr/bin/python3",
            "-c",
            GENERATOR.replace(
                "sender.sendto(b'x', (address, 9))",
                "\n    try: sender.sendto(b'x', (address, 9))\n    except PermissionError: pass"),
            "0",
            Integer.toString(flows),
            "80000",
            "1");
  }

  private long mostEntriesDuring(Background generator, long enough) {
    long most = 0;
    while (generator.isAlive() && most < enough) {
      most = Math.max(most, tool.count());
      pause(20);
    }
    generator.close();
    return most;
  }

  /**
   * Row 45. Fails if flows that are older than the agent end unseen: those whose end the kernel
   * tells, and those whose end it does not tell since nobody listened when they began.
   */
  @Test
  void flowsOlderThanTheAgentEndOnce() {
    // As with the kernel's default, 2, while nobody listens in any namespace of the machine.
    lab.host().sysctl("net.netfilter.nf_conntrack_events=0");
    flows(0, 100);
    lab.host().sysctl("net.netfilter.nf_conntrack_events=1");
    flows(100, 100);
    start();
    await(() -> metric("sluice_flows") == 200);
    try (Ledger ledger = Ledger.open(agent(), 200)) {
      tool.flush();
      await(ledger, () -> ledger.ended == 200);
      assertThat(ledger.count(0, 1)).as("%s", ledger).isEqualTo(200);
      for (int i = 0; i < 200; i++) {
        assertThat(ledger.synthesised[i]).as("flow %d", i).isEqualTo((byte) (i < 100 ? 1 : 0));
      }
      Scale.report("45", "200 flows older than the agent: " + ledger);
    }
  }
}
