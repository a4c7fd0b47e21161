package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Traffic.Answer;
import dev.sluice.testing.Traffic.Held;
import dev.sluice.testing.Traffic.Outcome;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** IPv6 clients and containers that have IPv4 only, through the userland proxy. */
class ProxyPortsIT extends AgentCase {
  /** The host, as a container on the first bridge sees it. */
  private static final String BRIDGE = "172.30.0.1";

  ProxyPortsIT() {
    super(2);
  }

  private Answer tcp6(int port) {
    return lab.client().traffic().tcp(Lab.HOST6, port);
  }

  private static InetAddress at(String address) throws UnknownHostException {
    return InetAddress.getByAddress(IpAddress.parse(address).toBytes());
  }

  private void mend() {
    agent.inside(() -> agent.publisher().mend());
  }

  /**
   * Fails if an IPv4 mapping is not served over IPv6, if the host's own {@code ::1} is not, if an
   * IPv4 client goes through the proxy, or if a companion counts among the reserved ports.
   */
  @Test
  void anIpv6ClientReachesAnIpv4Container() {
    start(Ownership.OFF);
    agent.publish(Lab.C1, "8080:80", "5353:53/udp", "7100-7102:7000-7002");
    assertThat(tcp6(8080).toString()).isEqualTo("c1:80 peer=" + BRIDGE);
    assertThat(tcp6(7102).server()).isEqualTo("c1:7002");
    assertThat(lab.host().traffic().tcp("::1", 8080).server()).isEqualTo("c1:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).peer()).isEqualTo(Lab.CLIENT);
    assertThat(agent.proxied().connectionsTotal()).isEqualTo(3);
    assertThat(agent.proxied().listeners()).isEqualTo(5);
    assertThat(agent.reservations().descriptors()).isEqualTo(5);
  }

  /** Fails if answers leave from another address than the client asked. */
  @Test
  void datagramsAreAnsweredFromTheAddressThatWasAsked() throws SocketException {
    start(Ownership.OFF);
    agent.publish(Lab.C1, "5353:53/udp");
    DatagramSocket client = udpSocket(lab.client(), Lab.CLIENT6, 0);
    for (String address : List.of(Lab.HOST6, Lab.HOST6_2)) {
      client.connect(new InetSocketAddress(address, 5353));
      assertThat(ask(client, address, 5353)).as(address).isEqualTo("c1:53");
    }
    assertThat(agent.proxied().sessions()).isEqualTo(2);
    agent.unpublish(agent.publisher().published().get(0).mapping().id().toString());
    assertThat(ask(client, Lab.HOST6_2, 5353)).isEmpty();
    assertThat(agent.proxied().sessions()).isZero();
  }

  /** Fails if the proxy lets somebody in whom the mapping's options keep out. */
  @Test
  void aMappingWithOptionsIsServedToTheHostItselfOnly() {
    start(Ownership.OFF);
    MappingOptions one =
        MappingOptions.NONE.withAllowedSources(List.of(Prefix.parse(Lab.CLIENT + "/32")));
    agent.publish(request("web", List.of(Lab.C1), one, "8080:80"));
    assertThat(tcp6(8080).outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(lab.host().traffic().tcp("::1", 8080).server()).isEqualTo("c1:80");

    agent.update(
        UpdateRequest.of("web").withOptions(OptionsChange.NONE.withAllowedSources(List.of())));
    agent.unpublish("web");
    agent.publish(request("web", List.of(Lab.C1), MappingOptions.NONE, "8080:80"));
    Held open = lab.client().traffic().hold(Lab.HOST6, 8080, 3);
    assertThat(open.alive()).isEqualTo(3);
    agent.update(
        UpdateRequest.of("web")
            .withOptions(OptionsChange.NONE.withAllowedSources(one.allowedSources())));
    assertThat(open.alive()).isZero();
    assertThat(tcp6(8080).outcome()).isEqualTo(Outcome.REFUSED);
    open.close();
  }

  /** Fails if a mapping of IPv6 does not get the port that a companion has, or not back after. */
  @Test
  void aCompanionGivesWayToAMappingOfIpv6() {
    start(Ownership.OFF);
    agent.publishAs("four", Lab.C1, "8080:80");
    assertThat(tcp6(8080).peer()).isEqualTo(BRIDGE);
    Held open = lab.client().traffic().hold(Lab.HOST6, 8080, 2);
    agent.publishAs("six", Lab.C2_6, "8080:80");
    assertThat(tcp6(8080).toString()).startsWith("c2:80 peer=2001:db8:18::");
    assertThat(open.alive()).isEqualTo(2);
    open.close();
    mend();
    assertThat(tcp6(8080).server()).isEqualTo("c2:80");
    agent.unpublish("six");
    assertThat(tcp6(8080).outcome()).isEqualTo(Outcome.REFUSED);
    mend();
    assertThat(tcp6(8080).server()).isEqualTo("c1:80");

    // The other way round, and at an exact address.
    agent.unpublish("four");
    agent.publish(
        request("six", List.of(Lab.C2_6), MappingOptions.NONE, "[" + Lab.HOST6 + "]:8080:80"));
    agent.publishAs("four", Lab.C1, "8080:80");
    assertThat(tcp6(8080).server()).isEqualTo("c2:80");
  }

  /** Fails if a process that has the IPv6 port keeps the IPv4 one from being published. */
  @Test
  void aProcessThatHasTheIpv6PortKeepsIt() throws IOException {
    start(Ownership.OFF);
    try (ServerSocket listener = inside(lab.host(), () -> new ServerSocket(8080, 8, at("::1")))) {
      assertThat(listener.isBound()).isTrue();
      agent.publish(Lab.C1, "8080:80");
      assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
      assertThat(agent.proxied().listeners()).isZero();
    }
    mend();
    assertThat(tcp6(8080).server()).isEqualTo("c1:80");
  }

  /** Fails if connections do not follow the table of what a change does to them. */
  @Test
  void connectionsEndAndMoveAsThoseOfTheKernel() {
    start(Ownership.OFF);
    agent.publishAs("web", Lab.C1, "8080:80");
    Held first = lab.client().traffic().hold(Lab.HOST6, 8080, 3);
    agent.update(UpdateRequest.of("web").to(IpAddress.parse(Lab.C2)));
    assertThat(tcp6(8080).server()).isEqualTo("c2:80");
    assertThat(first.alive()).isEqualTo(3);
    agent.update(UpdateRequest.of("web").to(IpAddress.parse(Lab.C1)).cutting());
    assertThat(first.alive()).isZero();
    first.close();

    Held second = lab.client().traffic().hold(Lab.HOST6, 8080, 3);
    agent.unpublish("web");
    assertThat(tcp6(8080).outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(second.alive()).isZero();
    second.close();

    agent.publishAs("web", Lab.C1, "8080:80");
    Held third = lab.client().traffic().hold(Lab.HOST6, 8080, 3);
    agent.drain("web", "4s");
    assertThat(tcp6(8080).outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(third.alive()).isEqualTo(3);
    await(() -> agent.proxied().connections() == 0);
    assertThat(third.alive()).isZero();
    third.close();
  }

  private static void await(java.util.function.BooleanSupplier condition) {
    for (int i = 0; i < 100 && !condition.getAsBoolean(); i++) {
      try {
        Thread.sleep(100);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
    assertThat(condition.getAsBoolean()).isTrue();
  }

  /** Fails if the next agent does not listen, be it because connections of the last one linger. */
  @Test
  void theNextAgentListensAgain() {
    start(Ownership.OFF);
    agent.publish(Lab.C1, "8080:80");
    Held open = lab.client().traffic().hold(Lab.HOST6, 8080, 3);
    assertThat(open.alive()).isEqualTo(3);
    restart(Ownership.OFF);
    assertThat(open.alive()).isZero();
    open.close();
    assertThat(tcp6(8080).server()).isEqualTo("c1:80");
  }

  /** Fails if something listens although the proxy is off. */
  @Test
  void nothingListensWhereItIsOff() {
    start(Ownership.OFF);
    agent.close();
    agent = LabAgent.startWithoutProxy(lab.host(), Ownership.OFF);
    agent.publish(Lab.C1, "8080:80");
    assertThat(tcp6(8080).outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
  }

  /** Fails if a mapping to a port nobody serves leaves the client waiting, or a reset is lost. */
  @Test
  void aRefusalAndAnEndArePassedOn() throws Exception {
    start(Ownership.OFF);
    agent.publish(Lab.C1, "8080:80", "8081:81");
    assertThat(tcp6(8081).outcome()).isIn(Outcome.RESET, Outcome.REFUSED);
    assertThat(agent.proxied().refused()).isEqualTo(1);

    // Half-close: the question ends, the answer comes behind it.
    try (ServerSocket server = inside(lab.c1(), () -> new ServerSocket(9000, 8, at(Lab.C1)))) {
      agent.publish(Lab.C1, "9000:9000");
      Socket client = inside(lab.client(), () -> new Socket(at(Lab.HOST6), 9000));
      Socket served = server.accept();
      client.getOutputStream().write("question".getBytes(StandardCharsets.UTF_8));
      client.shutdownOutput();
      assertThat(new String(served.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
          .isEqualTo("question");
      served.getOutputStream().write("answer".getBytes(StandardCharsets.UTF_8));
      served.setSoLinger(true, 0);
      byte[] answer = client.getInputStream().readNBytes(6);
      assertThat(new String(answer, StandardCharsets.UTF_8)).isEqualTo("answer");
      served.close();
      assertThatThrownBy(() -> client.getInputStream().read())
          .isInstanceOf(SocketException.class)
          .hasMessageContaining("reset");
      client.close();
    }
  }

  /**
   * Fails if a port of IPv6 that leads to an IPv4 container is not served, at every address or at
   * one, or what is restricted is served to others.
   */
  @Test
  void aPortOfIpv6LeadsToAnIpv4Container() {
    start(Ownership.OFF);
    agent.publishAs("all", Lab.C1, "[::]:8080:80", "[::]:5353:53/udp");
    agent.publishAs("one", Lab.C2, "[" + Lab.HOST6_2 + "]:8080:80");
    assertThat(only("one").mapping().isRelayed()).isTrue();
    assertThat(tcp6(8080).toString()).isEqualTo("c1:80 peer=" + BRIDGE);
    assertThat(lab.client().traffic().tcp(Lab.HOST6_2, 8080).server()).isEqualTo("c2:80");
    assertThat(lab.client().traffic().udp(Lab.HOST6_2, 5353).server()).isEqualTo("c1:53");
    assertThat(lab.host().traffic().tcp("::1", 8080).server()).isEqualTo("c1:80");
    agent.unpublish("all");
    assertThat(tcp6(8080).outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(lab.client().traffic().tcp(Lab.HOST6_2, 8080).server()).isEqualTo("c2:80");
    // The other way round: the socket of the one is there before that of all.
    agent.publishAs("all", Lab.C1, "[::]:8080:80");
    assertThat(tcp6(8080).server()).isEqualTo("c1:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST6_2, 8080).server()).isEqualTo("c2:80");
    restart(Ownership.OFF);
    assertThat(tcp6(8080).server()).isEqualTo("c1:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST6_2, 8080).server()).isEqualTo("c2:80");
    agent.update(UpdateRequest.of("all").to(IpAddress.parse(Lab.C2)));
    assertThat(tcp6(8080).server()).isEqualTo("c2:80");

    Held open = lab.client().traffic().hold(Lab.HOST6, 8080, 2);
    assertThat(open.alive()).isEqualTo(2);
    agent.update(
        UpdateRequest.of("all")
            .withOptions(
                OptionsChange.NONE.withAllowedSources(
                    List.of(Prefix.parse(Lab.CLIENT6 + "/128")))));
    assertThat(open.alive()).isZero();
    open.close();

    MappingOptions restricted =
        MappingOptions.NONE.withAllowedSources(List.of(Prefix.parse(CLIENT6_2 + "/128")));
    agent.publish(request("few", List.of(Lab.C1), restricted, "[::]:8081:80"));
    assertThat(lab.client().traffic().tcpFrom(CLIENT6_2, Lab.HOST6, 8081).server())
        .isEqualTo("c1:80");
    assertThat(lab.client().traffic().tcpFrom(Lab.CLIENT6, Lab.HOST6, 8081).blocked()).isTrue();
  }

  /** Fails if one container gets all, or a companion goes to other containers than the port. */
  @Test
  void connectionsAreSharedOutAmongSeveralContainers() {
    start(Ownership.OFF);
    agent.publishAs("web", Lab.C1, "8080:80");
    agent.update(UpdateRequest.of("web").to(IpAddress.parse(Lab.C1), IpAddress.parse(Lab.C2)));
    Held open = lab.client().traffic().hold(Lab.HOST6, 8080, 10);
    assertThat(open.servers()).containsOnlyKeys("c1", "c2").containsEntry("c1", 5);
    open.close();
  }

  /**
   * Fails if the header is not what version 2 of the PROXY protocol says (HAProxy's
   * proxy-protocol.txt, 2.2), goes to the port that others use, or is sent to them too.
   */
  @Test
  void theContainerLearnsTheClientFromAHeader() throws IOException {
    start(Ownership.OFF);
    MappingOptions header = MappingOptions.NONE.withProxyProtocolPort(OptionalInt.of(9001));
    agent.publish(request("web", List.of(Lab.C1), header, "8080:80"));
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
    try (ServerSocket server = inside(lab.c1(), () -> new ServerSocket(9001, 8, at(Lab.C1)));
        Socket client =
            inside(lab.client(), () -> new Socket(at(Lab.HOST6), 8080, at(Lab.CLIENT6), 0));
        Socket served = server.accept()) {
      client.getOutputStream().write("question".getBytes(StandardCharsets.UTF_8));
      DataInputStream in = new DataInputStream(served.getInputStream());
      byte[] signature = in.readNBytes(12);
      assertThat(signature).isEqualTo("\r\n\r\n\0\r\nQUIT\n".getBytes(StandardCharsets.US_ASCII));
      assertThat(in.readUnsignedByte()).as("version 2, PROXY").isEqualTo(0x21);
      assertThat(in.readUnsignedByte()).as("AF_INET6, STREAM").isEqualTo(0x21);
      assertThat(in.readUnsignedShort()).as("length").isEqualTo(36);
      assertThat(InetAddress.getByAddress(in.readNBytes(16))).isEqualTo(at(Lab.CLIENT6));
      assertThat(InetAddress.getByAddress(in.readNBytes(16))).isEqualTo(at(Lab.HOST6));
      assertThat(in.readUnsignedShort()).isEqualTo(client.getLocalPort());
      assertThat(in.readUnsignedShort()).isEqualTo(8080);
      assertThat(in.readNBytes(8)).isEqualTo("question".getBytes(StandardCharsets.UTF_8));
    }
  }

  /** Fails if something is published that nobody serves. */
  @Test
  void withoutTheProxyAPortOfIpv6IsNotLedToIpv4() {
    start(Ownership.OFF);
    agent.close();
    agent = LabAgent.startWithoutProxy(lab.host(), Ownership.OFF);
    assertThatThrownBy(() -> agent.publish(Lab.C1, "[::]:8080:80"))
        .isInstanceOf(PublishException.class)
        .hasMessageContaining("the agent runs with --userland-proxy=off");
    assertThat(agent.publisher().published()).isEmpty();
    assertThat(agent.reservations().descriptors()).isZero();
  }

  /** Fails if companions are without bound, or a range beyond the limit has some. */
  @Test
  void companionsAreBounded() {
    start(Ownership.OFF);
    agent.publish(Lab.C1, "20000-20064:20000-20064");
    assertThat(agent.proxied().listeners()).isZero();
    agent.publish(
        Lab.C1,
        IntStream.range(0, ProxyPorts.MAX_COMPANIONS + 50)
            .mapToObj(i -> (21_000 + i) + ":80")
            .toArray(String[]::new));
    assertThat(agent.proxied().listeners()).isEqualTo(ProxyPorts.MAX_COMPANIONS);
    assertThat(tcp6(21_000).server()).isEqualTo("c1:80");
  }
}
