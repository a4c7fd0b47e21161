package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.publish.PublishException.Kind;
import dev.sluice.ruleset.Change;
import dev.sluice.ruleset.Ownership;
import dev.sluice.sysctl.Sysctl;
import dev.sluice.testing.Conntrack;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Traffic.Held;
import dev.sluice.testing.Traffic.Outcome;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Publishing and unpublishing on a real host, with what else is on it, and what goes wrong. */
class TablePublisherIT {
  @AutoClose private static Lab lab;
  @AutoClose private static NetworkNamespace hostNamespace;
  private static Nft nft;
  @AutoClose private LabAgent agent;

  @BeforeAll
  static void build() {
    lab = Lab.builder().agentWillConfigureHost().build();
    hostNamespace = NetworkNamespace.open(lab.host().path());
    nft = Nft.in(lab.host());
  }

  @BeforeEach
  void start() {
    agent = LabAgent.start(lab.host(), Ownership.OFF);
  }

  @AfterEach
  void forget() {
    agent.close();
    nft.run("delete", "table", "inet", "sluice");
  }

  // ---- what is published

  /** Fails if a mapping is not in force when the call returns, or does not answer to its name. */
  @ParameterizedTest
  @EnumSource
  void whatIsPublishedAnswersAndIsListed(Ownership ownership) {
    agent.close();
    nft.run("delete", "table", "inet", "sluice");
    agent = LabAgent.start(lab.host(), ownership);
    assertThat(agent.table().isOwned()).isEqualTo(ownership == Ownership.AUTO);

    List<Mapping> web =
        agent.publishAs(
            "web", Lab.C1, "8081:8080", "8080:80", "5353:53/udp", "7000-7003:7000-7003");
    List<Mapping> six = agent.publishAs("web", Lab.C1_6, "8080:80");
    assertThat(web)
        .extracting(Mapping::hostText)
        .containsExactly(
            "0.0.0.0:8081->8080/tcp",
            "0.0.0.0:8080->80/tcp",
            "0.0.0.0:5353->53/udp",
            "0.0.0.0:7000-7003->7000-7003/tcp");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8081).server()).isEqualTo("c1:8080");
    assertThat(lab.client().traffic().udp(Lab.HOST, 5353).server()).isEqualTo("c1:53");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 7002).server()).isEqualTo("c1:7002");
    assertThat(lab.client().traffic().tcp(Lab.HOST6, 8080).server()).isEqualTo("c1:80");

    List<PublishedMapping> published = agent.publisher().published();
    assertThat(published)
        .extracting(each -> each.mapping().hostText())
        .containsExactly(
            "0.0.0.0:5353->53/udp",
            "0.0.0.0:7000-7003->7000-7003/tcp",
            "0.0.0.0:8080->80/tcp",
            "[::]:8080->80/tcp",
            "0.0.0.0:8081->8080/tcp");
    assertThat(published).extracting(each -> each.counters().connections()).containsOnly(1L);
    assertThat(agent.publisher().find("web")).hasSize(5);
    String id = six.get(0).id().toString();
    for (String prefix : List.of(id, id.substring(0, 4))) {
      assertThat(agent.publisher().find(prefix))
          .extracting(PublishedMapping::mapping)
          .containsExactlyElementsOf(six);
    }
    assertThat(agent.unpublish("web")).hasSize(5);
    assertThat(agent.publisher().published()).isEmpty();
    assertThat(agent.reservations().descriptors()).isZero();
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).outcome()).isEqualTo(Outcome.REFUSED);
  }

  /** Fails if what nobody published is looked for in vain without a word. */
  @Test
  void whatHasNoSuchNameOrIdIsNotFound() {
    agent.publishAs("web", Lab.C1, "8080:80");
    String id = agent.publisher().published().get(0).mapping().id().toString();
    for (String nameOrId : List.of("db", "we", "WEB", id.substring(0, 3), id + "0", "")) {
      assertRefused(
          Kind.NOT_FOUND,
          "nothing published is called " + nameOrId + ": sluice ps lists what is",
          () -> agent.unpublish(nameOrId));
    }
    assertThat(agent.publisher().published()).hasSize(1);
  }

  /** Fails if part of an id unpublishes whichever mapping comes first. */
  @Test
  void anIdThatStandsForSeveralIsRefused() {
    agent.publish(Lab.C1, "8080:80"); // attaches the network
    agent
        .table()
        .apply(
            Change.publish(
                List.of(),
                List.of(mapping(0xabcd_0000_0000_0001L, 1), mapping(0xabcd_0000_0000_0002L, 2))));
    assertRefused(
        Kind.CONFLICT,
        "abcd stands for 2 mappings: give more of the id",
        () -> agent.unpublish("abcd"));
    assertThat(agent.unpublish("abcd000000000002"))
        .extracting(m -> m.hostPorts().first())
        .containsExactly(2);
  }

  private static Mapping mapping(long id, int port) {
    return new Mapping(
        new MappingId(id),
        Optional.empty(),
        Owner.FILE,
        Protocol.TCP,
        Optional.empty(),
        PortRange.of(port),
        IpAddress.parse(Lab.C1),
        PortRange.of(80),
        Instant.EPOCH);
  }

  // ---- ports that are chosen

  /** Fails if the port chosen is not free, not held, or not told. */
  @Test
  void aRandomPortIsFreeHeldAndTold() {
    List<Mapping> two = agent.publish(Lab.C1, "80", "0:8080");
    assertThat(two).hasSize(2);
    for (Mapping mapping : two) {
      assertThat(mapping.hostPorts().first()).isBetween(32_768, 60_999);
      assertThat(lab.client().traffic().tcp(Lab.HOST, mapping.hostPorts().first()).server())
          .isEqualTo("c1:" + mapping.targetPorts());
    }
    assertThat(agent.reservations().descriptors()).isEqualTo(2);
    assertThat(agent.publish(Lab.C1, "7000-7009").get(0).hostPorts().size()).isEqualTo(10);
  }

  /** Fails if the first free port of a pool is not the one taken, or a full pool is not named. */
  @Test
  void aPoolGivesItsFirstFreePort() throws IOException {
    try (ServerSocket listener = listen(9000)) {
      assertThat(listener.isBound()).isTrue();
      assertThat(agent.publish(Lab.C1, "9000-9002:80").get(0).hostPorts()).hasToString("9001");
      assertThat(agent.publish(Lab.C1, "9000-9002:80").get(0).hostPorts()).hasToString("9002");
      assertUnchangedBy(
          Kind.CONFLICT,
          "every host port of the pool 9000-9002/tcp is taken",
          () -> agent.publish(Lab.C1, "9100:80", "9000-9002:80"));
    }
  }

  // ---- conflicts

  /** Fails if somebody's port is published over, or the sentence does not say whose it is. */
  @Test
  void aConflictNamesWhoHasThePort() throws IOException {
    agent.publishAs("six", Lab.C1_6, "8080:80");
    agent.publishAs("web", Lab.C1, "8080:80");
    agent.publishAs("loop", Lab.C1, "127.0.0.1:9090:80");
    agent.publishAs("range", Lab.C1, "7000-7009:7000-7009");
    assertUnchangedBy(
        Kind.CONFLICT,
        "port 8080/tcp on 0.0.0.0 is taken: published as web (0.0.0.0:8080->80/tcp); unpublish that first, or choose another host port",
        () -> agent.publish(Lab.C2, "8080:80"));
    assertUnchangedBy(
        Kind.CONFLICT,
        "port 8080/tcp on :: is taken: published as six ([::]:8080->80/tcp); unpublish that first, or choose another host port",
        () -> agent.publish(Lab.C2_6, "8080:80"));
    assertUnchangedBy(
        Kind.CONFLICT,
        "port 9090/tcp on 127.0.0.1 is taken: published as loop (127.0.0.1:9090->80/tcp); unpublish that first, or choose another host port",
        () -> agent.publish(Lab.C2, "127.0.0.1:9090:80"));
    assertUnchangedBy(
        Kind.CONFLICT,
        "port 7005/tcp on 0.0.0.0 is taken: published as range (0.0.0.0:7000-7009->7000-7009/tcp); unpublish that first, or choose another host port",
        () -> agent.publish(Lab.C2, "7005-7006:7005-7006"));
    assertUnchangedBy(
        Kind.CONFLICT,
        "port 8081/tcp on 0.0.0.0 is taken by this very request, which asks for it twice",
        () -> agent.publish(Lab.C2, "8081:80", "8081:8080"));
    try (ServerSocket listener = listen(8082)) {
      assertThat(listener.isBound()).isTrue();
      assertUnchangedBy(
          Kind.CONFLICT,
          "port 8082/tcp on 0.0.0.0 is taken by a process of this host: stop it, or choose another host port",
          () -> agent.publish(Lab.C2, "8082:80"));
    }
    // Another address, family or protocol is no conflict.
    agent.publish(Lab.C2, Lab.HOST + ":8080:80", "8080:53/udp", "9090:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c2:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST_2, 8080).server()).isEqualTo("c1:80");
  }

  // ---- all or nothing

  /** Fails if ports before the one that is taken stay reserved or published. */
  @ParameterizedTest
  @ValueSource(ints = {8080, 8081, 8090, 8095, 8099, 5353})
  void aTakenPortUndoesTheWholeRequest(int taken) throws IOException {
    agent.publishAs("before", Lab.C1, "9999:80");
    try (ServerSocket listener = listen(taken)) {
      assertThat(listener.isBound()).isTrue();
      assertUnchangedBy(
          Kind.CONFLICT,
          "port "
              + taken
              + "/tcp on 0.0.0.0 is taken by a process of this host: stop it, or choose another host port",
          () -> agent.publish(Lab.C2, "8080:80", "8081:80", "8090-8099:7000-7009", "5353:80"));
    }
    assertThat(agent.publish(Lab.C2, "8080:80", "8081:80", "8090-8099:7000-7009", "5353:80"))
        .hasSize(4);
  }

  /**
   * Fails if the kernel's refusal leaves ports reserved, or part of the request in the table; or if
   * elements are added without NLM_F_EXCL: the same key with the same target would be no conflict.
   */
  @ParameterizedTest
  @CsvSource({
    "add element inet sluice any4 { tcp . 8081 : 172.30.0.2 . 80 }, delete element inet sluice any4 { tcp . 8081 }",
    "add element inet sluice exact4 { 198.18.0.1 . tcp . 8082 : 172.30.0.2 . 80 }, delete element inet sluice exact4 { 198.18.0.1 . tcp . 8082 }",
    "add element inet sluice range4_tcp { 8095-8096 : 172.30.0.2 }, delete element inet sluice range4_tcp { 8095-8096 }"
  })
  void aRefusalByTheTableUndoesTheWholeRequest(String foreign, String remedy) {
    agent.publishAs("before", Lab.C1, "9999:80");
    nft.apply(foreign.replace(";", ","));
    String[] specs = {"8080:80", "8081:80", Lab.HOST + ":8082:80", "8090-8099:8090-8099"};
    assertUnchangedBy(
        Kind.CONFLICT,
        "one of the host ports has an element in the table inet sluice that is no mapping of this agent: remove it with nft, or choose another host port",
        () -> agent.publish(Lab.C1, specs));
    nft.apply(remedy);
    assertThat(agent.publish(Lab.C1, specs)).hasSize(4);
  }

  /** Fails if ports stay reserved when the table is gone. */
  @Test
  void aTableThatIsGoneIsOneSentence() {
    nft.apply("delete table inet sluice");
    assertThatThrownBy(() -> agent.publish(Lab.C1, "8080:80", "8081:80"))
        .isInstanceOfSatisfying(
            PublishException.class, e -> assertThat(e.kind()).isEqualTo(Kind.UNAVAILABLE))
        .hasMessageMatching(
            "cannot publish to 172\\.30\\.0\\.2, nothing was changed: cannot publish 2 mappings: ENOENT .*");
    assertThat(agent.reservations().descriptors()).isZero();
  }

  /** Fails if ports stay reserved when the host cannot be set up for the network. */
  @Test
  void aKernelParameterThatCannotBeSetUndoesTheRequest(@TempDir Path empty) {
    agent.close();
    agent = LabAgent.start(lab.host(), Ownership.OFF, new Sysctl(empty));
    assertUnchangedBy(
        Kind.UNAVAILABLE,
        "cannot publish to 172.30.0.2, nothing was changed: this kernel has no parameter net/ipv4/ip_forward",
        () -> agent.publish(Lab.C1, "8080:80"));
  }

  /** Fails if a request that cannot work is tried, or refused in the kernel's words. */
  @Test
  void aRequestThatCannotWorkIsExplained() {
    assertUnchangedBy(
        Kind.NOT_FOUND,
        "the target 198.18.0.1 is an address of this host itself: give the address of a container",
        () -> agent.publish(Lab.HOST, "8080:80"));
    assertUnchangedBy(
        Kind.NOT_FOUND,
        "no route leads to the target 203.0.113.9: give the address of a container on a bridge of this host",
        () -> agent.publish("203.0.113.9", "8080:80"));
    agent.publishAs("web", Lab.C1, "8080:80");
    assertUnchangedBy(
        Kind.NOT_FOUND,
        "the target 172.30.0.1 is an address of this host itself: give the address of a container",
        () -> agent.publish("172.30.0.1", "8081:80"));
    assertUnchangedBy(
        Kind.INVALID,
        "IPv4 host address 127.0.0.1 cannot lead to IPv6 target fd30::2: both must be of one family",
        () -> agent.publish(Lab.C1_6, "8081:80", "127.0.0.1:8082:80"));
    assertUnchangedBy(
        Kind.INVALID,
        "203.0.113.9 is not an address of this host: give one that is, or none to publish on all of them",
        () -> agent.publish(Lab.C1, "8081:80", "203.0.113.9:8082:80"));
  }

  // ---- connections

  /** Fails if a connection outlives its mapping, or others end with it. */
  @Test
  void unpublishCutsItsConnectionsAndNoOthers() {
    agent.publishAs("web", Lab.C1, "8080:80", "127.0.0.1:8085:80");
    agent.publishAs("other", Lab.C1, "8081:80", Lab.HOST_2 + ":8080:80");
    try (Held cut = lab.client().traffic().hold(Lab.HOST, 8080, 3);
        Held local = lab.host().traffic().hold("127.0.0.1", 8085, 1);
        Held sameTarget = lab.client().traffic().hold(Lab.HOST, 8081, 2);
        Held samePort = lab.client().traffic().hold(Lab.HOST_2, 8080, 2);
        Held untranslated = lab.c2().traffic().hold(Lab.C1, 80, 1)) {
      assertThat(List.of(cut.alive(), local.alive())).containsExactly(3, 1);
      agent.unpublish("web");
      assertThat(List.of(cut.alive(), local.alive())).containsExactly(0, 0);
      assertThat(List.of(sameTarget.alive(), samePort.alive(), untranslated.alive()))
          .containsExactly(2, 2, 1);
    }
  }

  /** Fails if a udp client goes on talking to a container whose port is withdrawn. */
  @Test
  void unpublishCutsUdpFlows() throws IOException {
    agent.publishAs("dns", Lab.C1, "5353:53/udp");
    try (DatagramSocket client = udpClient()) {
      assertThat(ask(client, Lab.HOST, 5353)).startsWith("c1:53 ");
      agent.unpublish("dns");
      assertThat(Conntrack.in(lab.host()).list("-p", "udp", "--orig-port-dst", "5353")).isEmpty();
      assertThat(ask(client, Lab.HOST, 5353)).isEmpty();
    }
  }

  /** Fails if a client that keeps sending from one port never reaches what is published later. */
  @Test
  void aUdpFlowFromBeforeIsForgotten() throws IOException {
    agent.publishAs("other", Lab.C1, "5354:53/udp");
    try (DatagramSocket client = udpClient()) {
      assertThat(ask(client, Lab.HOST, 5353)).isEmpty();
      assertThat(ask(client, Lab.HOST, 5354)).startsWith("c1:53 ");
      List<String> before = Conntrack.in(lab.host()).list("-p", "udp", "--orig-port-dst", "5353");
      assertThat(before).as("without the cut this flow would bypass the mapping").isNotEmpty();
      List<String> other = Conntrack.in(lab.host()).list("-p", "udp", "--orig-port-dst", "5354");
      agent.publishAs("dns", Lab.C2, "5353:53/udp");
      assertThat(ask(client, Lab.HOST, 5353)).startsWith("c2:53 ");
      assertThat(ids(Conntrack.in(lab.host()).list("-p", "udp", "--orig-port-dst", "5354")))
          .isEqualTo(ids(other));
    }
  }

  private static List<String> ids(List<String> entries) {
    return entries.stream().map(entry -> entry.replaceAll(".* id=", "")).toList();
  }

  private static DatagramSocket udpClient() {
    try (NetworkNamespace namespace = NetworkNamespace.open(lab.client().path())) {
      DatagramSocket socket =
          namespace.call(() -> new DatagramSocket(0, InetAddress.getByName(Lab.CLIENT)));
      socket.setSoTimeout(500);
      return socket;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  /** What the server says; empty if nobody answers. */
  private static String ask(DatagramSocket client, String address, int port) throws IOException {
    client.send(new DatagramPacket(new byte[1], 1, new InetSocketAddress(address, port)));
    DatagramPacket answer = new DatagramPacket(new byte[512], 512);
    try {
      client.receive(answer);
    } catch (SocketTimeoutException e) {
      return "";
    }
    return new String(answer.getData(), 0, answer.getLength(), StandardCharsets.UTF_8);
  }

  // ---- restart

  /** Fails if a new agent does not hold the ports of what it finds, or hides a thief. */
  @Test
  void aRestartReservesAgainAndReportsAThief() throws IOException {
    agent.publishAs("web", Lab.C1, "8080:80", "8081:80", "7000-7003:7000-7003");
    List<PublishedMapping> before = agent.publisher().published();
    agent.close();
    try (ServerSocket thief = listen(8081)) {
      assertThat(thief.isBound()).isTrue();
      agent = LabAgent.start(lab.host(), Ownership.OFF);
      assertThat(agent.inside(() -> agent.publisher().resume())).isEmpty();
      assertThat(agent.inside(() -> agent.publisher().mend()))
          .containsExactly(
              "0.0.0.0:8081->80/tcp (web) stays published, but another process of this host has the port");
      assertThat(agent.publisher().published()).isEqualTo(before);
      assertThat(agent.reservations().descriptors()).isEqualTo(5);
      assertThatThrownBy(() -> listen(8080).close()).isInstanceOf(UncheckedIOException.class);
      assertThat(lab.client().traffic().tcp(Lab.HOST, 8081).server()).isEqualTo("c1:80");
    }
    // The thief has gone.
    assertThat(agent.inside(() -> agent.publisher().mend())).isEmpty();
    assertThatThrownBy(() -> listen(8081).close()).isInstanceOf(UncheckedIOException.class);
    assertThat(agent.unpublish("web")).hasSize(3);
    assertThat(agent.reservations().descriptors()).isZero();
  }

  // ---- the words of a case

  private static ServerSocket listen(int port) {
    try {
      return hostNamespace.call(() -> new ServerSocket(port));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  /** Refused, and everything is as it was: the table, the descriptors, the answer of the host. */
  private void assertUnchangedBy(Kind kind, String sentence, ThrowingCallable request) {
    List<Object> before = state();
    assertRefused(kind, sentence, request);
    assertThat(state()).isEqualTo(before);
  }

  private List<Object> state() {
    List<Object> state = new ArrayList<>();
    state.add(nft.ruleset());
    state.add(agent.reservations().descriptors());
    return state;
  }

  private static void assertRefused(Kind kind, String sentence, ThrowingCallable request) {
    assertThatThrownBy(request)
        .isInstanceOfSatisfying(PublishException.class, e -> assertThat(e.kind()).isEqualTo(kind))
        .hasMessage(sentence);
  }
}
