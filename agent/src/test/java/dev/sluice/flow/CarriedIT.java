package dev.sluice.flow;

import static dev.sluice.flow.Mappings.mapping;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.EventOptions;
import dev.sluice.conntrack.EventSource;
import dev.sluice.conntrack.FlowDump;
import dev.sluice.fastpath.ContainerPort;
import dev.sluice.fastpath.FastPath;
import dev.sluice.fastpath.FastPath.Attachment;
import dev.sluice.fastpath.FastPath.Way;
import dev.sluice.fastpath.FastPathSettings;
import dev.sluice.fastpath.Liberator;
import dev.sluice.flow.export.FlowJson;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.FlowEvent;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.TcpState;
import dev.sluice.model.Traffic;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.route.Link;
import dev.sluice.route.Rtnetlink;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Nft;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/**
 * Counters of real traffic that the fast path carries. The witness is the firewall of the client,
 * which counts every packet that leaves and arrives, and its bytes from the IP header on.
 */
class CarriedIT {
  private static final FastPathSettings EAGER =
      new FastPathSettings(1_000, 1, 0, 100_000, 432_000, 120);

  private static final Duration PATIENCE = Duration.ofSeconds(10);

  @AutoClose private static Lab lab;
  @AutoClose private static NetworkNamespace namespace;
  private static dev.sluice.testing.Conntrack tool;

  private final Mapping web = mapping("web", "8080:80", Lab.C1);
  private final Mapping web6 = mapping("web6", "8080:80", Lab.C1_6);
  private final Mapping dns = mapping("dns", "5353:53/udp", Lab.C1);

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
            }
            """);
    namespace = NetworkNamespace.open(lab.host().path());
    namespace.call(TrackingSettings::apply);
    tool = dev.sluice.testing.Conntrack.in(lab.host());
  }

  @BeforeEach
  void emptyTables() {
    tool.flush();
    Nft.in(lab.client())
        .apply(
            """
            table inet w
            delete table inet w
            table inet w {
              counter sent {}
              counter received {}
              chain out {
                type filter hook output priority 0
                meta l4proto { tcp, udp } th dport { 8080, 5353 } counter name sent
              }
              chain in {
                type filter hook input priority 0
                meta l4proto { tcp, udp } th sport { 8080, 5353 } counter name received
              }
            }
            """);
  }

  /** What the client's firewall has counted. */
  private static Traffic witnessed() {
    FlowCounters sent = Traffic.NONE.in();
    FlowCounters received = Traffic.NONE.out();
    for (JsonNode one : Nft.in(lab.client()).json("list", "counters")) {
      JsonNode counter = one.path("counter");
      FlowCounters counted =
          new FlowCounters(counter.path("packets").asLong(0), counter.path("bytes").asLong(0));
      if (counter.path("name").asString("").equals("sent")) {
        sent = counted;
      } else if (counter.path("name").asString("").equals("received")) {
        received = counted;
      }
    }
    return new Traffic(sent, received);
  }

  /** What an agent has of the fast path, of events and of counters. */
  private final class Agent implements AutoCloseable {
    final MappingIndex index = new MappingIndex();
    final CarriedFlows carried = new CarriedFlows(index);
    final EventLog log = new EventLog(1024);
    final Conntrack conntrack = Conntrack.open(namespace);
    final FastPath path = FastPath.open(1024, 16);
    final EventReader events;
    final CarriedReader reader;
    final Liberator liberator;
    final TrackedFlows flows = new TrackedFlows(() -> Conntrack.open(namespace), index, carried);
    final MappingTraffic traffic = new MappingTraffic(index, flows, carried);

    Agent(Map<MappingId, Traffic> kept) throws Exception {
      index.replaceAll(List.of(web, web6, dns));
      index.continueFrom(kept);
      events =
          EventReader.start(
              EventSource.open(namespace, EventOptions.DEFAULT),
              () -> FlowDump.open(namespace),
              index,
              carried,
              log,
              () -> 0);
      reader = CarriedReader.start(path, carried);
      liberator = Liberator.start(path, Conntrack.open(namespace));
      path.configure(EAGER, true);
      int uplink = indexOf("out0");
      int veth = indexOf("vc1");
      for (String address : List.of(Lab.C1, Lab.C1_6)) {
        ContainerPort place =
            new ContainerPort(
                IpAddress.parse(address),
                veth,
                indexOf("br0"),
                1500,
                MacAddress.parse(lab.c1().mac("eth0")),
                MacAddress.parse(lab.host().mac("br0")));
        namespace.call(
            () -> {
              path.place(place);
              return place;
            });
      }
      List<FastPath> orphans = namespace.call(() -> FastPath.orphans(List.of(uplink, veth)));
      namespace.call(() -> path.attach(veth, Way.OUTWARD, Attachment.ANY));
      namespace.call(() -> path.attach(uplink, Way.INWARD, Attachment.ANY));
      for (FastPath orphan : orphans) {
        CarriedReader.adopt(orphan, carried);
        orphan.close();
      }
    }

    private int indexOf(String device) {
      try (Rtnetlink routes = Rtnetlink.open(namespace)) {
        return routes.links().stream()
            .filter(link -> link.name().toString().equals(device))
            .mapToInt(Link::index)
            .findFirst()
            .orElseThrow();
      }
    }

    Traffic total(Mapping mapping) {
      return traffic.totals().getOrDefault(mapping.id(), Traffic.NONE);
    }

    List<AttributedFlow> flowsOf(Mapping mapping) {
      List<AttributedFlow> found = new ArrayList<>();
      flows.forEach(
          new FlowFilter(Optional.of(mapping.label()), Optional.empty(), Optional.empty(), true),
          found::add);
      return found;
    }

    boolean isCarried(Mapping mapping) {
      return flowsOf(mapping).stream()
          .anyMatch(flow -> flow.carried().now() && flow.carried().reply().packets() > 100);
    }

    /** The ends of the mapping's flows that were told. */
    List<Traffic> ends(Mapping mapping) throws InterruptedException {
      List<Traffic> ends = new ArrayList<>();
      byte[] target = new byte[1 << 16];
      try (EventStream.Cursor cursor = log.from(1, FlowFilter.ALL, EventStream.Format.LINES)) {
        for (int length = cursor.read(target, 0); length > 0; length = cursor.read(target, 0)) {
          String text = new String(target, 0, length, StandardCharsets.US_ASCII);
          for (String line : text.lines().toList()) {
            if (FlowJson.readEvent(line) instanceof FlowEvent.Ended ended
                && ended.mapping().equals(Optional.of(mapping.label()))) {
              ends.add(
                  new Traffic(
                      ended.flow().originalCounters().orElseThrow(),
                      ended.flow().replyCounters().orElseThrow()));
            }
          }
        }
      }
      return ends;
    }

    List<Traffic> awaitEnds(Mapping mapping, int count) throws InterruptedException {
      List<Traffic> ends = ends(mapping);
      for (long deadline = deadline(); ends.size() < count; ends = ends(mapping)) {
        assertThat(System.nanoTime()).as("only %s ended", ends).isLessThan(deadline);
        pause();
      }
      return ends;
    }

    @Override
    public void close() {
      liberator.close();
      reader.close();
      events.close();
      conntrack.close();
      path.close();
    }
  }

  private static long packets(Traffic traffic) {
    return traffic.in().packets() + traffic.out().packets();
  }

  private static long deadline() {
    return System.nanoTime() + PATIENCE.toNanos();
  }

  private static void pause() {
    LockSupport.parkNanos(5_000_000);
  }

  private static void await(String what, BooleanSupplier condition) {
    for (long deadline = deadline(); !condition.getAsBoolean(); pause()) {
      assertThat(System.nanoTime()).as("%s", what).isLessThan(deadline);
    }
  }

  /**
   * Asks and is answered, every half a millisecond, until told to end. An answer that is under way
   * when its flow is deleted finds nobody.
   */
  private static Background ask() {
    return lab.client()
        .start(
            "/usr/bin/python3",
            "-c",
            """
            import signal, socket, time
            going = True
            def end(*ignored):
                global going
                going = False
            signal.signal(signal.SIGTERM, end)
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(('', 40000))
            s.connect(('%s', 5353))
            s.settimeout(0.1)
            while going:
                s.send(b'x' * 500)
                try:
                    s.recv(1000)
                except socket.timeout:
                    pass
                time.sleep(0.0005)
            """
                .formatted(Lab.HOST));
  }

  /** The client goes on. */
  private static void awaitQuestions() {
    long sent = witnessed().in().packets();
    await("the client goes on", () -> witnessed().in().packets() > sent + 50);
  }

  /**
   * Says a word and hears it until it is told to go on (SIGUSR1), sends 16 MB that come back, says
   * so, and waits until it is told to close.
   */
  private static Background transfer(String host) {
    return lab.client()
        .start(
            "/usr/bin/python3",
            "-c",
            """
            import signal, socket, threading
            warming = True
            def warm(*ignored):
                global warming
                warming = False
            signal.signal(signal.SIGUSR1, warm)
            s = socket.create_connection(('%s', 8080))
            s.recv(1000)
            while warming:
                s.sendall(b'ping')
                s.recv(4, socket.MSG_WAITALL)
            total = 16 << 20
            def send():
                block = b'x' * 65536
                for i in range(total // len(block)): s.sendall(block)
            threading.Thread(target=send).start()
            while total: total -= len(s.recv(1 << 20))
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            print('all came back', flush=True)
            signal.sigwait([signal.SIGTERM])
            s.close()
            """
                .formatted(host));
  }

  /**
   * A connection that is carried: the sums of its mapping, the flow while it is open, and its end
   * have every packet and every byte that the client saw. Fails if what is carried is missing or
   * counted twice in one of them, or if the flow is not marked.
   */
  @Test
  void whatIsCarriedIsCountedToTheByte() throws Exception {
    try (Agent agent = new Agent(Map.of())) {
      for (Mapping mapping : List.of(web, web6)) {
        emptyTables();
        assertThat(agent.total(mapping)).isEqualTo(Traffic.NONE);
        int ends = agent.ends(mapping).size();
        try (Background client = transfer(mapping.equals(web) ? Lab.HOST : Lab.HOST6)) {
          await("the connection is carried", () -> agent.isCarried(mapping));
          long carriedBefore = agent.path.statistics().carried();
          long packetsBefore = packets(witnessed());
          lab.client().exec("kill", "-USR1", Long.toString(client.pid())).orFail();
          client.awaitLine("all came back", PATIENCE);
          double carried = agent.path.statistics().carried() - carriedBefore;
          assertThat(carried / (packets(witnessed()) - packetsBefore))
              .as("part that was carried")
              .isGreaterThan(0.95);
          // The last acknowledgements may be on their way.
          await(
              "sums of " + mapping + " and its flow as the client has counted",
              () -> {
                Traffic seen = witnessed();
                List<AttributedFlow> flows = agent.flowsOf(mapping);
                return seen.in().bytes() > 16 << 20
                    && agent.total(mapping).equals(seen)
                    && flows.size() == 1
                    && flows.stream()
                        .allMatch(
                            flow ->
                                flow.carried().now()
                                    && flow.whole()
                                        .originalCounters()
                                        .equals(Optional.of(seen.in()))
                                    && flow.whole()
                                        .replyCounters()
                                        .equals(Optional.of(seen.out())));
              });
          client.stop();
        }
        await(
            "the connection is closed",
            () ->
                agent.flowsOf(mapping).stream()
                    .allMatch(
                        flow -> flow.flow().tcpState().equals(Optional.of(TcpState.TIME_WAIT))));
        tool.flush();
        assertThat(agent.awaitEnds(mapping, ends + 1)).containsExactly(witnessed());
        assertThat(agent.total(mapping)).isEqualTo(witnessed());
      }
    }
  }

  /**
   * One client goes on asking while the agent is started anew, its flow is cut, and another one is
   * deleted by somebody else: the three ends and the mapping's sum have every packet. Fails if one
   * is missing, told twice, or carried after a cut was answered.
   */
  @Test
  void nothingIsLostWhateverEndsAFlow() throws Exception {
    Map<MappingId, Traffic> kept;
    try (Background client = ask()) {
      Agent first = new Agent(Map.of());
      try {
        await("the flow is carried", () -> first.isCarried(dns));
      } finally {
        first.close();
      }
      kept = first.index.kept();
      try (Agent agent = new Agent(kept)) {
        await("the flow is carried on", () -> agent.isCarried(dns));

        FlowCutter cutter =
            new FlowCutter(
                agent.conntrack,
                () -> agent.events,
                agent.index,
                address -> address.equals(IpAddress.parse(Lab.HOST)),
                () -> agent.reader);
        assertThat(cutter.begin().through(List.of(dns)).carryOut()).isEqualTo(1);
        long carried = agent.path.statistics().carried();
        awaitQuestions();
        assertThat(agent.path.statistics().carried()).isEqualTo(carried);
        agent.awaitEnds(dns, 1);

        await("the next flow is carried", () -> agent.isCarried(dns));
        tool.run("-D", "-p", "udp", "--orig-port-dst", "5353").orFail();
        agent.awaitEnds(dns, 2);
        awaitQuestions();
        client.stop();
        tool.flush();
        List<Traffic> ends = agent.awaitEnds(dns, 3);
        assertThat(ends.stream().reduce(Traffic.NONE, Traffic::plus)).isEqualTo(witnessed());
        await("sums as the client has counted", () -> agent.total(dns).equals(witnessed()));
      }
    }
  }
}
