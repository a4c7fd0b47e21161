package dev.sluice.ruleset.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.ffi.NativeBuffer;
import dev.sluice.model.FlowTuple;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.TraceEvent;
import dev.sluice.model.TraceQuestion;
import dev.sluice.model.TracedPacket;
import dev.sluice.model.TracedPacket.AtChain;
import dev.sluice.model.TracedPacket.AtRule;
import dev.sluice.model.TracedPacket.Outcome;
import dev.sluice.model.TracedPacket.Step;
import dev.sluice.model.TracedPacket.Translated;
import dev.sluice.model.TracedPacket.Way;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetlinkTransport;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.TraceMonitor;
import dev.sluice.publish.LabAgent;
import dev.sluice.route.Rtnetlink;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Nft;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Packets of real connections, followed through a host with its agent's table and others'. */
class TraceIT {
  private static Lab lab;
  private static LabAgent agent;
  private static Nft nft;
  private static NetworkNamespace namespace;
  private static Tracer tracer;

  @BeforeAll
  static void setUp() {
    lab = Lab.builder().agentWillConfigureHost().build();
    nft = Nft.in(lab.host());
    agent = LabAgent.start(lab.host(), Ownership.AUTO);
    namespace = NetworkNamespace.open(lab.host().path());
    tracer =
        new Tracer(
            () -> Nftables.open(namespace),
            () -> TraceMonitor.open(namespace),
            () -> Rtnetlink.open(namespace));
    agent.publishAs("web", Lab.C1, "8080:80");
    agent.publishAs("web", Lab.C1, "5353:53/udp");
    agent.publishAs("web", Lab.C1_6, "8080:80");
  }

  @AfterAll
  static void tearDown() {
    tracer.close();
    agent.close();
    namespace.close();
    lab.close();
  }

  @AfterEach
  void nothingIsLeft() {
    nft.run("delete", "table", "inet", "foreign");
    assertThat(nft.hasTable("inet", "sluice-trace")).as("the table is gone").isFalse();
  }

  private static TraceQuestion question(Protocol protocol, int port) {
    return new TraceQuestion(protocol, port, Optional.empty(), 1_000, 1_000, 30);
  }

  /** What is told from before {@code traffic} until {@code enough} has been told. */
  private static List<TraceEvent> follow(
      TraceQuestion question, Runnable traffic, Predicate<TraceEvent> enough) {
    List<TraceEvent> told = new ArrayList<>();
    try (RunningTrace trace = tracer.start(question)) {
      traffic.run();
      long deadlineNanos = System.nanoTime() + Duration.ofSeconds(10).toNanos();
      while (told.isEmpty() || !enough.test(told.get(told.size() - 1))) {
        assertThat(System.nanoTime()).as("told so far: %s", told).isLessThan(deadlineNanos);
        trace.next(100).ifPresent(told::add);
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
    return told;
  }

  private static Predicate<TraceEvent> packet(Predicate<TracedPacket> wanted) {
    return event -> event instanceof TraceEvent.Followed of && wanted.test(of.packet());
  }

  private static List<TracedPacket> packets(List<TraceEvent> events) {
    return events.stream()
        .filter(TraceEvent.Followed.class::isInstance)
        .map(event -> ((TraceEvent.Followed) event).packet())
        .toList();
  }

  private static TracedPacket first(List<TraceEvent> events, Predicate<TracedPacket> wanted) {
    return packets(events).stream()
        .filter(wanted)
        .findFirst()
        .orElseThrow(() -> new AssertionError("no such packet in " + events));
  }

  private static Predicate<TracedPacket> flags(Way way, String flags) {
    return packet -> packet.way() == way && packet.tcpFlags().equals(Optional.of(flags));
  }

  private static boolean isLastAnswer(TracedPacket packet) {
    return packet.way() == Way.ANSWER && packet.tcpFlags().orElse("").contains("fin");
  }

  private static FlowTuple tcp(String source, int sourcePort, String destination, int port) {
    return FlowTuple.of(
        Protocol.TCP, IpAddress.parse(source), sourcePort, IpAddress.parse(destination), port);
  }

  private static List<AtChain> chains(TracedPacket packet, String hook) {
    return packet.steps().stream()
        .filter(AtChain.class::isInstance)
        .map(AtChain.class::cast)
        .filter(at -> at.hook().equals(hook))
        .toList();
  }

  private static List<Translated> translations(TracedPacket packet) {
    return packet.steps().stream()
        .filter(Translated.class::isInstance)
        .map(Translated.class::cast)
        .toList();
  }

  private static AtRule decisive(AtChain at) {
    return at.rules().get(at.rules().size() - 1);
  }

  /**
   * Fails if a step is put to the wrong packet or hook, a header is read at a wrong place, or a
   * translation is not told or told as somebody else's.
   */
  @Test
  void aConnectionThroughAPublishedPortThereAndBack() {
    List<TraceEvent> told =
        follow(
            question(Protocol.TCP, 8080),
            () ->
                assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80"),
            packet(TraceIT::isLastAnswer));

    assertThat(told.get(0)).isInstanceOf(TraceEvent.Started.class);
    TracedPacket syn = first(told, flags(Way.QUESTION, "syn"));
    int port = syn.header().sourcePort().orElseThrow();
    FlowTuple asked = tcp(Lab.CLIENT, port, Lab.HOST, 8080);
    FlowTuple inside = tcp(Lab.CLIENT, port, Lab.C1, 80);
    assertThat(syn.header()).isEqualTo(asked);
    assertThat(syn.in()).contains("out0");
    assertThat(syn.connectionState()).contains("new");
    AtChain nat = chains(syn, "prerouting").get(chains(syn, "prerouting").size() - 1);
    assertThat(nat.table()).isEqualTo("inet sluice");
    assertThat(nat.chain()).isEqualTo("prerouting");
    assertThat(nat.priority()).hasValue(-100);
    assertThat(nat.rules().get(0).rule()).isEqualTo("fib daddr type local goto publish");
    assertThat(nat.rules().get(0).verdict()).isEqualTo("goto publish");
    assertThat(decisive(nat).chain()).isEqualTo("publish4");
    assertThat(decisive(nat).rule()).isEqualTo("dnat ip to meta l4proto . th dport map @any4");
    assertThat(decisive(nat).verdict()).isEqualTo("accept");
    assertThat(translations(syn))
        .containsExactly(new Translated("prerouting", asked, inside, false));
    AtChain forward = chains(syn, "forward").get(0);
    assertThat(decisive(forward).rule()).isEqualTo("ct status dnat accept");
    assertThat(forward.verdict()).isEqualTo("accept");
    assertThat(chains(syn, "postrouting")).isNotEmpty();
    assertThat(syn.end().outcome()).isEqualTo(Outcome.SENT);
    assertThat(syn.end().device()).contains("br0");
    assertThat(syn.end().header()).isEqualTo(inside);
    assertThat(syn.end().sentence())
        .isEqualTo("left by br0 as tcp 198.18.0.2:" + port + " -> 172.30.0.2:80");

    TracedPacket answer = first(told, flags(Way.ANSWER, "syn,ack"));
    assertThat(answer.in()).contains("br0");
    assertThat(answer.header()).isEqualTo(tcp(Lab.C1, 80, Lab.CLIENT, port));
    assertThat(answer.connection()).isEqualTo(syn.connection());
    assertThat(translations(answer))
        .containsExactly(
            new Translated(
                "postrouting",
                tcp(Lab.C1, 80, Lab.CLIENT, port),
                tcp(Lab.HOST, 8080, Lab.CLIENT, port),
                true));
    assertThat(answer.end().outcome()).isEqualTo(Outcome.SENT);
    assertThat(answer.end().device()).contains("out0");

    TracedPacket ack = first(told, flags(Way.QUESTION, "ack"));
    assertThat(ack.connectionState()).contains("established");
    assertThat(translations(ack))
        .as("what follows is translated without a rule")
        .containsExactly(new Translated("prerouting", asked, inside, true));
  }

  /**
   * With br_netfilter, an answer passes prerouting inside the bridge and changes its id behind it.
   *
   * <p>Fails if it is given up there, or goes on as another packet.
   */
  @Test
  void answersThroughABridgeThatIsFiltered() {
    lab.host()
        .sysctl("net.bridge.bridge-nf-call-iptables=1", "net.bridge.bridge-nf-call-ip6tables=1");
    try {
      for (String host : List.of(Lab.HOST, Lab.HOST6)) {
        List<TraceEvent> told =
            follow(
                question(Protocol.TCP, 8080),
                () -> assertThat(lab.client().traffic().tcp(host, 8080).server()).isNotEmpty(),
                packet(TraceIT::isLastAnswer));
        TracedPacket answer = first(told, flags(Way.ANSWER, "syn,ack"));
        assertThat(chains(answer, "forward")).isNotEmpty();
        assertThat(translations(answer)).hasSize(1);
        assertThat(packets(told))
            .extracting(packet -> packet.end().outcome())
            .containsOnly(Outcome.SENT);
      }
    } finally {
      lab.host()
          .sysctl("net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0");
    }
  }

  /** Fails if one of the families is not marked, or its header is read as the other's. */
  @Test
  void aConnectionOfIpv6() {
    List<TraceEvent> told =
        follow(
            question(Protocol.TCP, 8080),
            () ->
                assertThat(lab.client().traffic().tcp(Lab.HOST6, 8080).server()).isEqualTo("c1:80"),
            packet(TraceIT::isLastAnswer));
    TracedPacket syn = first(told, flags(Way.QUESTION, "syn"));
    int port = syn.header().sourcePort().orElseThrow();
    assertThat(syn.end().header()).isEqualTo(tcp(Lab.CLIENT6, port, Lab.C1_6, 80));
    assertThat(first(told, flags(Way.ANSWER, "syn,ack")).end().header())
        .isEqualTo(tcp(Lab.HOST6, 8080, Lab.CLIENT6, port));
  }

  /** Fails if what this host sends itself is not marked, or counted as coming from a device. */
  @Test
  void aConnectionOfThisHostItself() {
    List<TraceEvent> told =
        follow(
            question(Protocol.TCP, 8080),
            () ->
                assertThat(lab.host().traffic().tcp("127.0.0.1", 8080).server()).isEqualTo("c1:80"),
            packet(TraceIT::isLastAnswer));
    TracedPacket syn = first(told, flags(Way.QUESTION, "syn"));
    assertThat(syn.in()).isEmpty();
    assertThat(translations(syn)).hasSize(2);
    assertThat(translations(syn).get(0).hook()).isEqualTo("output");
    assertThat(translations(syn).get(1).hook()).isEqualTo("postrouting");
    assertThat(translations(syn).get(1).asItsConnection()).isFalse();
    assertThat(syn.end().header().destination()).isEqualTo(IpAddress.parse(Lab.C1));
    TracedPacket answer = first(told, flags(Way.ANSWER, "syn,ack"));
    assertThat(answer.end().outcome()).isEqualTo(Outcome.DELIVERED);
    assertThat(answer.end().header().destination()).isEqualTo(IpAddress.parse("127.0.0.1"));
  }

  /** Fails if a packet for a program of this host is said to be lost. */
  @Test
  void aPortThatIsNotPublishedButServed() {
    List<TraceEvent> told =
        follow(
            question(Protocol.TCP, 5000),
            () ->
                assertThat(lab.client().traffic().tcp(Lab.HOST, 5000).server())
                    .isEqualTo("hostsvc:5000"),
            packet(TraceIT::isLastAnswer));
    assertThat(first(told, flags(Way.QUESTION, "syn")).end().outcome())
        .isEqualTo(Outcome.DELIVERED);
  }

  /** Fails if a drop is blamed on another chain, or the text of a foreign rule is not read. */
  @Test
  void aForeignTableThatDropsIsNamedWithItsRule() {
    nft.apply(
        """
        table inet foreign {
          chain early { type filter hook forward priority -5; policy accept; jump checks; }
          chain checks { ip saddr 198.18.0.0/24 tcp dport 80 counter drop comment "no web"; }
        }
        """);
    List<TraceEvent> told =
        follow(
            question(Protocol.TCP, 8080),
            () -> assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).blocked()).isTrue(),
            packet(packet -> packet.end().outcome() == Outcome.DROPPED));
    TracedPacket syn = first(told, flags(Way.QUESTION, "syn"));
    TracedPacket.Culprit culprit = syn.end().culprit().orElseThrow();
    assertThat(culprit.table()).isEqualTo("inet foreign");
    assertThat(culprit.chain()).isEqualTo("checks");
    assertThat(culprit.hook()).isEqualTo("forward");
    assertThat(culprit.rule().orElseThrow())
        .matches(
            "ip saddr 198\\.18\\.0\\.0/24 tcp dport 80 counter packets \\d+ bytes \\d+ drop comment \"no web\"");
    AtChain at = chains(syn, "forward").get(0);
    assertThat(at.chain()).isEqualTo("early");
    assertThat(at.rules()).extracting(AtRule::verdict).containsExactly("jump checks", "drop");
    assertThat(translations(syn)).as("translated before").hasSize(1);
  }

  /** Fails if a policy is told as a rule. */
  @Test
  void aPolicyThatDropsIsNamed() {
    nft.apply(
        "table ip foreign { chain input { type filter hook input priority 0; policy drop; }; }");
    try {
      List<TraceEvent> told =
          follow(
              question(Protocol.TCP, 5000),
              () -> assertThat(lab.client().traffic().tcp(Lab.HOST, 5000).blocked()).isTrue(),
              packet(packet -> packet.end().outcome() == Outcome.DROPPED));
      assertThat(first(told, flags(Way.QUESTION, "syn")).end().sentence())
          .isEqualTo("was dropped by the policy of chain input of table ip foreign (input)");
    } finally {
      nft.apply("delete table ip foreign");
    }
  }

  /** Fails if our own guards are left out, or a rule's text is not that of nft. */
  @Test
  void aSourceThatIsNotAllowedIsDroppedByTheGuard() {
    agent.publish(
        new PublishRequest(
            List.of(PortSpec.parse("8088:80")),
            List.of(IpAddress.parse(Lab.C1)),
            Optional.of(new MappingName("closed")),
            Owner.CLI,
            MappingOptions.NONE.withAllowedSources(List.of(Prefix.parseBlock(Lab.CLIENT_2)))));
    List<TraceEvent> told =
        follow(
            question(Protocol.TCP, 8088),
            () -> assertThat(lab.client().traffic().tcp(Lab.HOST, 8088).blocked()).isTrue(),
            packet(packet -> packet.end().outcome() == Outcome.DROPPED));
    agent.unpublish("closed");
    TracedPacket.Culprit culprit =
        first(told, flags(Way.QUESTION, "syn")).end().culprit().orElseThrow();
    assertThat(culprit.table()).isEqualTo("inet sluice");
    assertThat(culprit.chain()).isEqualTo("guard_any4");
    assertThat(culprit.rule().orElseThrow()).contains("@allow_any4").endsWith("drop");
    assertThat(nft.table("inet", "sluice")).contains(culprit.rule().get());
  }

  /** Fails if packets without a route are taken for delivered, or waited for. */
  @Test
  void aPacketWithoutARouteVanishesBehindPrerouting() {
    lab.host().ip("route add blackhole " + Lab.C2 + "/32");
    agent.publishAs("nowhere", Lab.C2, "8089:80");
    try {
      List<TraceEvent> told =
          follow(
              question(Protocol.TCP, 8089),
              () -> lab.client().traffic().tcp(Lab.HOST, 8089),
              packet(packet -> true));
      TracedPacket.End end = packets(told).get(0).end();
      assertThat(end.outcome()).isEqualTo(Outcome.VANISHED);
      assertThat(end.hook()).isEqualTo("prerouting");
      assertThat(end.header().destination()).isEqualTo(IpAddress.parse(Lab.C2));
      assertThat(end.sentence()).contains("not seen again behind prerouting: there is no route");
    } finally {
      agent.unpublish("nowhere");
      lab.host().ip("route del blackhole " + Lab.C2 + "/32");
    }
  }

  /** Fails if the source is not looked at. */
  @Test
  void onlyPacketsFromTheSourceThatIsAskedFor() {
    List<TraceEvent> told =
        follow(
            new TraceQuestion(
                Protocol.TCP, 8080, Optional.of(IpAddress.parse(Lab.CLIENT_2)), 1_000, 1_000, 30),
            () -> {
              lab.client().traffic().tcpFrom(Lab.CLIENT, Lab.HOST, 8080);
              lab.client().traffic().tcpFrom(Lab.CLIENT_2, Lab.HOST, 8080);
            },
            packet(TraceIT::isLastAnswer));
    assertThat(packets(told))
        .isNotEmpty()
        .allSatisfy(
            packet ->
                assertThat(packet.toString())
                    .contains(Lab.CLIENT_2)
                    .doesNotContain(Lab.CLIENT + ":"));
  }

  /** Fails if the rate does not bind, or what is beyond it is not said. */
  @Test
  void packetsBeyondTheRateAreCountedAndNotFollowed() {
    String datagram =
        "IP(src='%s',dst='%s')/UDP(sport=4001,dport=5353)".formatted(Lab.CLIENT, Lab.HOST);
    // The tool takes its time to load scapy.
    lab.client().traffic().inject("eth0", lab.host().mac("out0"), 1, datagram.replace("5353", "9"));
    TraceQuestion slow = new TraceQuestion(Protocol.UDP, 5353, Optional.empty(), 10, 1_000, 5);
    long startNanos = System.nanoTime();
    List<TraceEvent> told =
        follow(
            slow,
            () -> lab.client().traffic().inject("eth0", lab.host().mac("out0"), 1_000, datagram),
            event -> event instanceof TraceEvent.Ended);
    double seconds = (System.nanoTime() - startNanos) / 1e9;
    TraceEvent.Ended end = (TraceEvent.Ended) told.get(told.size() - 1);
    assertThat(end.reason()).isEqualTo(TraceEvent.Reason.TIME);
    long questions = packets(told).stream().filter(packet -> packet.way() == Way.QUESTION).count();
    // A bucket of ten to begin with, and ten a second.
    assertThat(questions).isBetween(10L, 10 + (long) Math.ceil(10 * seconds));
    long said =
        told.stream()
            .filter(TraceEvent.Skipped.class::isInstance)
            .mapToLong(event -> ((TraceEvent.Skipped) event).packets())
            .sum();
    assertThat(said).isEqualTo(end.skipped());
    assertThat(end.lost()).isZero();
    assertThat(end.untold()).isZero();
    assertThat(end.followed()).isEqualTo(packets(told).size());
    assertThat(said + end.followed()).isGreaterThanOrEqualTo(1_000);
  }

  /** Fails if the kernel is not read while nobody reads us, or what was left out is not said. */
  @Test
  void aReaderThatDoesNotReadHoldsNobodyUp() throws Exception {
    String datagram =
        "IP(src='%s',dst='%s')/UDP(sport=4001,dport=5353)".formatted(Lab.CLIENT, Lab.HOST);
    String mac = lab.host().mac("out0");
    lab.client().traffic().inject("eth0", mac, 1, datagram.replace("5353", "9"));
    List<TraceEvent> told = new ArrayList<>();
    try (RunningTrace trace =
        tracer.start(new TraceQuestion(Protocol.UDP, 5353, Optional.empty(), 300, 100_000, 6))) {
      long sentNanos = System.nanoTime();
      while (System.nanoTime() - sentNanos < Duration.ofSeconds(5).toNanos()) {
        lab.client().traffic().inject("eth0", mac, 100, datagram);
      }
      long deadlineNanos = System.nanoTime() + Duration.ofSeconds(15).toNanos();
      while (!trace.isOver()) {
        assertThat(System.nanoTime()).isLessThan(deadlineNanos);
        Thread.sleep(20);
      }
      assertThat(nft.hasTable("inet", "sluice-trace")).isFalse();
      while (told.isEmpty() || !(told.get(told.size() - 1) instanceof TraceEvent.Ended)) {
        told.add(trace.next(1_000).orElseThrow());
      }
    }
    TraceEvent.Ended end = (TraceEvent.Ended) told.get(told.size() - 1);
    assertThat(end.untold()).isPositive();
    assertThat(end.followed()).isEqualTo(packets(told).size()).isLessThanOrEqualTo(1_024);
  }

  /** Fails if a second trace begins beside the first, or the first is not told to who asks. */
  @Test
  void oneAtATime() {
    try (RunningTrace trace = tracer.start(question(Protocol.TCP, 8080))) {
      assertThat(trace.isOver()).isFalse();
      assertThatThrownBy(() -> tracer.start(question(Protocol.UDP, 5353)))
          .isInstanceOf(TraceRefusedException.class)
          .hasMessageContaining("packets to 8080/tcp are being followed already");
    }
    tracer.start(question(Protocol.UDP, 5353)).close();
  }

  /** The kernel, until it fails. */
  private static final class Failing implements NetlinkTransport {
    private final NetlinkTransport kernel =
        NetlinkSocket.open(LinuxNetlink.NETLINK_NETFILTER, namespace);
    private final String failsAt;
    private final Optional<Error> error;
    private boolean loses;

    /**
     * @param failsAt the operation whose answer is lost
     * @param error what happens instead
     */
    Failing(String failsAt, Optional<Error> error) {
      this.failsAt = failsAt;
      this.error = error;
    }

    @Override
    public int portId() {
      return kernel.portId();
    }

    @Override
    public void send(long address, int length, String operation) {
      loses = operation.startsWith(failsAt);
      if (loses && error.isPresent()) {
        throw error.get();
      }
      kernel.send(address, length, operation);
    }

    @Override
    public int receive(NativeBuffer buffer, int timeoutMillis) {
      int length = kernel.receive(buffer, timeoutMillis);
      if (loses && length != NOTHING) {
        loses = false;
        return OVERRUN;
      }
      return length;
    }

    @Override
    public void close() {
      kernel.close();
    }
  }

  /** The end of a trace with such a kernel, after which there can be another. */
  private static TraceEvent.Ended endWith(Failing kernel) throws InterruptedException {
    try (Tracer unlucky =
        new Tracer(
            () -> Nftables.over(kernel),
            () -> TraceMonitor.open(namespace),
            () -> Rtnetlink.open(namespace))) {
      RunningTrace trace =
          unlucky.start(new TraceQuestion(Protocol.TCP, 8080, Optional.empty(), 10, 10, 2));
      assertThat(trace.next(1_000)).containsInstanceOf(TraceEvent.Started.class);
      TraceEvent.Ended end = (TraceEvent.Ended) trace.next(10_000).orElseThrow();
      assertThat(trace.isOver()).isTrue();
      return end;
    }
  }

  /** Fails if an answer that was lost at the end keeps the end from being told, or others out. */
  @Test
  void theEndIsToldThoughTheLastAnswerIsLost() throws Exception {
    TraceEvent.Ended end = endWith(new Failing("delete the table", Optional.empty()));
    assertThat(end.reason()).isEqualTo(TraceEvent.Reason.TIME);
    assertThat(nft.hasTable("inet", "sluice-trace")).isFalse();
    tracer.start(question(Protocol.UDP, 5353)).close();
  }

  /** Fails if an error on the way keeps the end from being told, or others out. */
  @Test
  void theEndIsToldThoughFollowingFails() throws Exception {
    TraceEvent.Ended end =
        endWith(new Failing("list the rules of", Optional.of(new StackOverflowError("too deep"))));
    assertThat(end.reason()).isEqualTo(TraceEvent.Reason.FAILED);
    assertThat(end.detail()).isEqualTo("too deep");
    tracer.start(question(Protocol.UDP, 5353)).close();
  }

  /** Fails if a packet is given up while what was told of it may still wait to be read. */
  @Test
  void whatIsStillToBeReadIsNoSilence() {
    nft.apply(
        """
        table inet foreign {
          chain c {
            type filter hook output priority 0;
            udp dport 9 meta nftrace set 1
            udp dport 9 drop
          }
        }
        """);
    List<PacketAssembler.Trail> ended = new ArrayList<>();
    AtomicLong nanos = new AtomicLong();
    PacketAssembler assembler = new PacketAssembler(ended::add, Clock.systemUTC(), nanos::get);
    try (TraceMonitor monitor = TraceMonitor.open(namespace)) {
      assembler.add(PacketAssemblerTest.mark(1));
      lab.host()
          .exec(
              "/usr/bin/python3",
              "-c",
              """
              import socket
              sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
              for i in range(600):
                try:
                  sender.sendto(b'x', ('127.0.0.1', 9))
                except PermissionError:
                  pass  # what a drop says to who sends
              """)
          .orFail();
      nanos.addAndGet(Duration.ofSeconds(1).toNanos());
      RunningTrace.listen(monitor, assembler, lost -> {});
      assertThat(monitor.hasMore()).isTrue();
      assertThat(ended).isEmpty();
      RunningTrace.listen(monitor, assembler, lost -> {});
      assertThat(ended).hasSize(1);
    }
  }

  /** Fails if somebody else's table of that name is taken over or destroyed. */
  @Test
  void aForeignTableOfThatNameIsLeftAlone() {
    nft.apply("table inet sluice-trace { comment \"mine\"; }");
    assertThatThrownBy(() -> tracer.start(question(Protocol.TCP, 8080)))
        .isInstanceOf(TraceRefusedException.class)
        .hasMessageContaining("nft delete table inet sluice-trace");
    assertThat(nft.table("inet", "sluice-trace")).contains("mine");
    nft.apply("delete table inet sluice-trace");
  }

  /** Fails if it does not end when it has followed as many as were asked for. */
  @Test
  void itEndsByItselfAfterTheCount() {
    List<TraceEvent> told =
        follow(
            new TraceQuestion(Protocol.TCP, 8080, Optional.empty(), 1_000, 3, 30),
            () -> lab.client().traffic().tcp(Lab.HOST, 8080),
            event -> event instanceof TraceEvent.Ended);
    assertThat(packets(told)).hasSize(3);
    assertThat(((TraceEvent.Ended) told.get(told.size() - 1)).reason())
        .isEqualTo(TraceEvent.Reason.COUNT);
  }

  private static final Pattern OF_NFT =
      Pattern.compile(
          "trace id (\\w+) (\\w+ \\S+) (\\S+) (?:rule .*\\(verdict (.*)\\)|policy (\\w+)) *");

  /**
   * The same packet as nft tells it beside us.
   *
   * <p>Fails if a chain, a verdict or their order differs.
   */
  @Test
  void nftTellsTheSame() {
    nft.apply(
        """
        table inet foreign {
          chain early { type filter hook forward priority -5; jump checks; counter; }
          chain checks { tcp dport 80 counter; tcp dport 81 drop; }
          chain last { type filter hook postrouting priority 150; tcp dport 80 return; }
        }
        """);
    Background monitor = lab.host().start("nft", "monitor", "trace");
    List<TraceEvent> told =
        follow(
            question(Protocol.TCP, 8080),
            () -> {
              // nft reads the ruleset before it listens.
              monitorIsListening();
              lab.client().traffic().tcp(Lab.HOST, 8080);
            },
            packet(TraceIT::isLastAnswer));
    TracedPacket syn = first(told, flags(Way.QUESTION, "syn"));
    monitor.awaitLine("sluice-trace postrouting_last policy accept", Duration.ofSeconds(10));
    monitor.stop();
    List<String> lines = monitor.lines();
    List<String> ofNft = new ArrayList<>();
    for (String line : lines) {
      // The first packet only: its id may come again.
      if (line.contains("trace id " + syn.id())) {
        if (line.contains("sluice-trace postrouting_last policy")) {
          break;
        }
        Matcher matcher = OF_NFT.matcher(line);
        if (!line.contains("inet sluice-trace") && matcher.matches()) {
          String verdict =
              matcher.group(4) != null ? matcher.group(4) : "policy " + matcher.group(5);
          ofNft.add(matcher.group(2) + " " + matcher.group(3) + " " + verdict);
        }
      }
    }
    assertThat(ours(syn)).as(String.join("\n", lines)).isEqualTo(ofNft);
    assertThat(ofNft).contains("inet foreign checks continue", "inet foreign last return");
  }

  private static void monitorIsListening() {
    try {
      Thread.sleep(1_000);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static List<String> ours(TracedPacket packet) {
    List<String> lines = new ArrayList<>();
    for (Step step : packet.steps()) {
      if (step instanceof AtChain at) {
        lines.addAll(
            at.rules().stream()
                .map(rule -> at.table() + " " + rule.chain() + " " + rule.verdict())
                .collect(Collectors.toList()));
        if (at.byPolicy()) {
          lines.add(at.table() + " " + at.chain() + " policy " + at.verdict());
        }
      }
    }
    return lines;
  }
}
