package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Background;
import dev.sluice.testing.Conntrack;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Row 27. Errors about translated packets. Whoever gets one must see which of its own packets it is
 * about, so that the header inside is translated as well; and nobody outside learns an address of
 * inside. Each message is seen on both sides of the host: the one side is the control of the other.
 */
class IcmpErrorsIT extends AgentCase {
  private static final Duration LIMIT = Duration.ofSeconds(10);

  /** The client's port. */
  private static final int PORT = 4000;

  /**
   * A family in scapy's words, and the words for what is seen.
   *
   * @param embeddedDestination where a message has the destination of what it is about: bits from
   *     its beginning, and how many
   * @param kinds type and code by what we call it
   * @param messages the header of ICMP by what we call it
   * @param addresses by whose they are
   */
  private record Family(
      String name,
      String embeddedDestination,
      String header,
      Map<String, String> kinds,
      Map<String, String> messages,
      Map<String, String> addresses) {

    @Override
    public String toString() {
      return name;
    }

    String address(String of) {
      return Objects.requireNonNull(addresses.get(of), of);
    }

    String header(String from, String to, int hops) {
      return header.formatted(address(from), address(to), hops);
    }

    /** A line of the tool with names for addresses and words for numbers. */
    String readable(String line) {
      String text = line.replaceAll("[\\[\\]]", "");
      for (Map.Entry<String, String> kind : kinds.entrySet()) {
        text = text.replace(": " + kind.getValue() + " ", ": " + kind.getKey() + " ");
      }
      for (Map.Entry<String, String> name : addresses.entrySet()) {
        text =
            text.replaceAll("(?<![\\w:.])\\Q" + name.getValue() + "\\E(?![\\w.])", name.getKey());
      }
      return text;
    }
  }

  private static Stream<Family> families() {
    return Stream.of(
        new Family(
            "IPv4",
            "192,32",
            "IP(src='%s',dst='%s',ttl=%d)",
            Map.of("port unreachable", "3/3", "too big", "3/4", "expired", "11/0"),
            Map.of(
                "port unreachable", "ICMP(type=3,code=3)",
                "too big", "ICMP(type=3,code=4,nexthopmtu=1300)",
                "expired", "ICMP(type=11,code=0)"),
            Map.of("client", Lab.CLIENT, "host", Lab.HOST, "c1", Lab.C1, "router", "198.18.0.9")),
        new Family(
            "IPv6",
            "256,128",
            "IPv6(src='%s',dst='%s',hlim=%d)",
            Map.of("port unreachable", "1/4", "too big", "2/0", "expired", "3/0"),
            Map.of(
                "port unreachable", "ICMPv6DestUnreach(code=4)",
                "too big", "ICMPv6PacketTooBig(mtu=1300)",
                "expired", "ICMPv6TimeExceeded()"),
            Map.of(
                "client", Lab.CLIENT6,
                "host", Lab.HOST6,
                "c1", Lab.C1_6,
                "router", "2001:db8:18::9")));
  }

  /** Prints the errors that pass an interface. */
  private record Listener(Background tool) {
    static Listener in(Netns netns) {
      Listener listener =
          new Listener(
              netns.start(
                  List.of(
                      "/usr/bin/python3", "-I", "-S", "-c", Ran.resource("/lab/icmp.py"), "eth0")));
      listener.tool.awaitLine("listening", LIMIT);
      return listener;
    }

    /** What has passed, once it is so much or two seconds are over. */
    List<String> seen(Family of, int messages) throws InterruptedException {
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(2);
      while (tool.lines().size() <= messages && System.nanoTime() < deadline) {
        Thread.sleep(10);
      }
      return tool.lines().stream().skip(1).map(of::readable).toList();
    }
  }

  private Listener outside;
  private Listener inside;

  IcmpErrorsIT() {
    super(1);
  }

  @BeforeEach
  void publish() {
    start(Ownership.OFF);
    agent.publish(Lab.C1, "8053:53/udp", "8099:999/udp");
    agent.publish(Lab.C1_6, "8053:53/udp", "8099:999/udp");
    Conntrack.in(lab.host()).flush();
    outside = Listener.in(lab.client());
    inside = Listener.in(lab.c1());
  }

  @AfterEach
  void stopListening() {
    outside.tool.close();
    inside.tool.close();
  }

  private void fromClient(String packet) {
    lab.client().traffic().inject("eth0", lab.host().mac("out0"), 1, packet);
  }

  /** Somebody on the way says something about what the container has answered to the client. */
  private void aboutAnAnswer(Family of, String message) {
    fromClient(
        of.header("router", "host", 64)
            + "/"
            + of.messages.get(message)
            + "/"
            + of.header("host", "client", 63)
            + "/UDP(sport=8053,dport=4000)/(b'x'*32)");
  }

  private static String hex(String address) throws UnknownHostException {
    return "0x" + HexFormat.of().formatHex(InetAddress.getByName(address).getAddress());
  }

  private void converse(Family of) {
    try (DatagramSocket socket = udpSocket(lab.client(), of.address("client"), PORT)) {
      assertThat(ask(socket, of.address("host"), 8053)).isEqualTo("c1:53");
    }
  }

  /** Fails if the address of the container is told, or what is related to a flow does not pass. */
  @ParameterizedTest
  @MethodSource("families")
  void aClosedPortOfTheContainerIsOneOfTheHost(Family of) throws Exception {
    fromClient(of.header("client", "host", 64) + "/UDP(sport=4000,dport=8099)/b'x'");
    assertThat(inside.seen(of, 1))
        .containsExactly("c1 > client: port unreachable about udp client:4000 > c1:999");
    assertThat(outside.seen(of, 1))
        .containsExactly("host > client: port unreachable about udp client:4000 > host:8099");
  }

  /** Fails if the host tells where a packet was to go that it has given up. */
  @ParameterizedTest
  @MethodSource("families")
  void aPacketThatExpiresAtTheHostWasForTheHost(Family of) throws Exception {
    // The control: before it is translated, what the host says names the container.
    nft.apply(
        """
        table inet untranslated {
          chain output {
            type filter hook output priority -150
            @th,%s %s counter
          }
        }
        """
            .formatted(of.embeddedDestination, hex(of.address("c1"))));
    try {
      fromClient(of.header("client", "host", 1) + "/UDP(sport=4000,dport=8053)/b'x'");
      assertThat(outside.seen(of, 1))
          .containsExactly("host > client: expired about udp client:4000 > host:8053");
      assertThat(nft.table("inet", "untranslated")).contains("packets 1 ");
    } finally {
      nft.apply("delete table inet untranslated");
    }
  }

  /**
   * Fails if a container does not learn that its answers are too large for the way, or that they
   * expire: if that is dropped as something nobody has asked for.
   */
  @ParameterizedTest
  @MethodSource("families")
  void whatRoutersSayOfAnAnswerReachesTheContainer(Family of) throws Exception {
    aboutAnAnswer(of, "too big");
    assertThat(inside.seen(of, 1)).as("the control: about no connection").isEmpty();
    converse(of);
    aboutAnAnswer(of, "too big");
    aboutAnAnswer(of, "expired");
    aboutAnAnswer(of, "port unreachable");
    assertThat(inside.seen(of, 3))
        .containsExactly(
            "router > c1: too big mtu 1300 about udp c1:53 > client:4000",
            "router > c1: expired about udp c1:53 > client:4000",
            "router > c1: port unreachable about udp c1:53 > client:4000");
    assertThat(outside.seen(of, 4))
        .contains("router > host: too big mtu 1300 about udp host:8053 > client:4000");
    assertThat(lab.c1().exec("ip", "route", "get", of.address("client")).orFail().stdout())
        .as("it was believed")
        .contains("mtu 1300");
  }

  /** Fails if what is said of a packet that was masqueraded does not come back to its sender. */
  @ParameterizedTest
  @MethodSource("families")
  void whatIsSaidOfAMasqueradedPacketReachesTheContainer(Family of) throws Exception {
    assertThat(lab.c1().traffic().udp(of.address("client"), 9).toString()).startsWith("REFUSED");
    String told = "client > c1: port unreachable about udp c1:\\d+ > client:9";
    assertThat(inside.seen(of, 1)).singleElement().asString().matches(told);
    assertThat(outside.seen(of, 1))
        .singleElement()
        .asString()
        .matches("client > (\\S+): port unreachable about udp \\1:\\d+ > client:9")
        .doesNotContain("c1");
  }
}
