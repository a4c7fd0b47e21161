package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.Prefix;
import dev.sluice.nftables.Monitor;
import dev.sluice.ruleset.Ownership;
import dev.sluice.ruleset.PlainTableGuard;
import dev.sluice.testing.Attempts;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Scale;
import dev.sluice.testing.Traffic;
import dev.sluice.testing.Traffic.Held;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Ports whose first packets are answered with SYN cookies: real clients, and floods. */
class SynProxyIT extends AgentCase {
  private static final MappingOptions PROXIED = MappingOptions.NONE.withSynProxy(true);
  private static final OptionsChange WITH = OptionsChange.NONE.withSynProxy(true);
  private static final OptionsChange WITHOUT = OptionsChange.NONE.withSynProxy(false);

  /**
   * Servers here speak first. A Linux that is strict about the time stamp of a handshake's last
   * packet (6.15) does not take the proxy's, and repeats its own after a second.
   */
  private static final double PATIENCE_SECONDS = 3;

  /** Packets of a flood, each of a connection of its own. */
  private static final int FLOOD = Scale.count("syns", 500, 2_000);

  SynProxyIT() {
    super(2);
    // Where the answers to made-up addresses go.
    lab.host().ip("route add 203.0.113.0/24 via " + Lab.CLIENT);
    lab.host().ip("route add 2001:db8:ff::/48 via " + Lab.CLIENT6);
  }

  @AfterEach
  void forgetConnections() {
    lab.host().sysctl("net.netfilter.nf_conntrack_tcp_loose=1", "net.ipv4.tcp_syncookies=1");
    lab.client().sysctl("net.ipv4.tcp_timestamps=1");
    lab.host().exec("conntrack", "-F").orFail();
  }

  private void update(String name, OptionsChange change) {
    agent.update(UpdateRequest.of(name).withOptions(change));
  }

  /** How many connections to a host port the host tracks. */
  private long tracked(int port) {
    return List.of("ipv4", "ipv6").stream()
        .flatMap(
            family ->
                lab.host()
                    .exec(
                        "conntrack", "-L", "-f", family, "-p", "tcp", "--orig-port-dst", "" + port)
                    .orFail()
                    .stdout()
                    .lines())
        .filter(line -> !line.isBlank())
        .count();
  }

  /** Cookies that came back as they should have, on all processors. */
  private long validCookies() {
    List<List<String>> rows =
        lab.host()
            .exec("cat", "/proc/net/stat/synproxy")
            .orFail()
            .stdout()
            .lines()
            .map(line -> Arrays.asList(line.strip().split("\\s+")))
            .toList();
    int column = rows.get(0).indexOf("cookie_valid");
    return rows.stream().skip(1).mapToLong(row -> Long.parseLong(row.get(column), 16)).sum();
  }

  private List<String> chains() {
    return nft.json("list", "table", "inet", "sluice").stream()
        .filter(object -> object.has("chain"))
        .map(object -> object.get("chain").get("name").asString())
        .filter(name -> name.startsWith("syn_"))
        .toList();
  }

  // ---- clients

  /**
   * Fails if a family, a kind of mapping or the port of a range is not proxied, the kernel's own
   * first packet is not translated, the container sees another client, or a connection is tracked
   * twice.
   */
  @ParameterizedTest
  @EnumSource
  void aClientReachesTheContainerAsItself(Ownership ownership) {
    start(ownership);
    agent.publish(
        request(
            "web",
            List.of(Lab.C1, Lab.C1_6),
            PROXIED,
            "8080:80",
            "7000-7009:7000-7009",
            "9000-9003:7000-7003"));
    agent.publish(request("one", List.of(Lab.C2), PROXIED, Lab.HOST + ":8081:80"));
    agent.publish(request("one6", List.of(Lab.C2_6), PROXIED, "[" + Lab.HOST6 + "]:8081:80"));
    record Way(String host, int port, String client, String server) {}
    List<Way> ways =
        List.of(
            new Way(Lab.HOST, 8080, Lab.CLIENT_2, "c1:80"),
            new Way(Lab.HOST_2, 8080, Lab.CLIENT, "c1:80"),
            new Way(Lab.HOST, 7003, Lab.CLIENT, "c1:7003"),
            new Way(Lab.HOST, 9003, Lab.CLIENT, "c1:7003"),
            new Way(Lab.HOST, 8081, Lab.CLIENT, "c2:80"),
            new Way(Lab.HOST6, 8080, CLIENT6_2, "c1:80"),
            new Way(Lab.HOST6, 7009, Lab.CLIENT6, "c1:7009"),
            new Way(Lab.HOST6, 8081, Lab.CLIENT6, "c2:80"));
    long before = validCookies();
    Traffic client = lab.client().traffic();
    Map<Way, Traffic.Answer> answers =
        Attempts.atOnce(
            ways, way -> client.tcpFrom(way.client(), way.host(), way.port(), PATIENCE_SECONDS));
    answers.forEach(
        (way, answer) -> {
          assertThat(answer.server()).as("%s", way).isEqualTo(way.server());
          assertThat(answer.peer()).as("%s", way).isEqualTo(way.client());
        });
    assertThat(validCookies() - before).isEqualTo(ways.size());
    try (Held held = client.holdAtOnceWithin(PATIENCE_SECONDS, Lab.HOST_2, 8080, 3);
        Held six = client.holdAtOnceWithin(PATIENCE_SECONDS, Lab.HOST6, 8081, 2)) {
      assertThat(held.alive()).as("both directions").isEqualTo(3);
      assertThat(six.alive()).isEqualTo(2);
      assertThat(tracked(8080)).as("one each, and the two that have ended").isEqualTo(3 + 3);
      assertThat(tracked(8081)).isEqualTo(2 + 2);
    }
    assertThat(only("one").counters().connections())
        .as("one, not one for each packet")
        .isEqualTo(1);
    assertThat(only("one6").counters().connections()).isEqualTo(3);
  }

  /** Fails if the host itself, a sibling or the container itself is left out, or is proxied. */
  @ParameterizedTest
  @EnumSource
  void theHostAndContainersReachItToo(Ownership ownership) {
    start(ownership);
    agent.publish(request("web", List.of(Lab.C1, Lab.C1_6), PROXIED, "8080:80"));
    record Way(String role, Netns from, String host) {}
    List<Way> ways = new ArrayList<>();
    for (Netns from : List.of(lab.host(), lab.c1(), lab.c2())) {
      for (String host : List.of(Lab.HOST, Lab.HOST6)) {
        ways.add(new Way(from.role(), from, host));
      }
    }
    ways.add(new Way("host", lab.host(), "127.0.0.1"));
    Attempts.atOnce(ways, way -> way.from().traffic().tcp(way.host(), 8080, PATIENCE_SECONDS))
        .forEach((way, answer) -> assertThat(answer.server()).as("%s", way).isEqualTo("c1:80"));
  }

  /** Fails if it depends on a kernel parameter of the host, or a client needs timestamps. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "net.netfilter.nf_conntrack_tcp_loose=0",
        "net.netfilter.nf_conntrack_tcp_loose=1",
        "net.ipv4.tcp_syncookies=0"
      })
  void noKernelParameterIsNeeded(String parameter) {
    start(Ownership.AUTO);
    lab.host().sysctl(parameter);
    agent.publish(request("web", List.of(Lab.C1, Lab.C1_6), PROXIED, "8080:80"));
    for (String timestamps : List.of("1", "0")) {
      lab.client().sysctl("net.ipv4.tcp_timestamps=" + timestamps);
      for (String host : List.of(Lab.HOST, Lab.HOST6)) {
        try (Held held = lab.client().traffic().holdWithin(PATIENCE_SECONDS, host, 8080, 1)) {
          assertThat(held.alive()).as("%s, timestamps %s", host, timestamps).isEqualTo(1);
        }
      }
    }
  }

  /**
   * Fails if a mapping of one address, which goes before, loses the answer to a cookie to its own
   * translation; or a packet to the same port of another host is taken for one to this.
   */
  @Test
  void aMappingOfOneAddressBesideAProxiedPort() {
    start(Ownership.AUTO);
    agent.publish(request("all", List.of(Lab.C1, Lab.C1_6), PROXIED, "8080:80"));
    agent.publishAs("one", Lab.C2, Lab.HOST + ":8080:80");
    agent.publishAs("one6", Lab.C2_6, "[" + Lab.HOST6 + "]:8080:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080, PATIENCE_SECONDS).server())
        .isEqualTo("c2:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST_2, 8080, PATIENCE_SECONDS).server())
        .isEqualTo("c1:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST6, 8080, PATIENCE_SECONDS).server())
        .isEqualTo("c2:80");
    lab.client().traffic().serve("outside", "8080", "");
    assertThat(lab.c1().traffic().tcp(Lab.CLIENT, 8080).peer())
        .as("tracked, and so masqueraded")
        .isEqualTo(Lab.HOST);
  }

  /** Fails if the guard of a mapping is passed by on the way through the proxy. */
  @ParameterizedTest
  @EnumSource
  void otherOptionsHoldBehindTheProxy(Ownership ownership) {
    start(ownership);
    agent.publish(
        request(
            "web",
            List.of(Lab.C1),
            PROXIED
                .withAllowedSources(List.of(Prefix.parseBlock(Lab.CLIENT)))
                .withMaxConnections(OptionalInt.of(2)),
            "8080:80"));
    Traffic client = lab.client().traffic();
    assertThat(client.tcpFrom(Lab.CLIENT_2, Lab.HOST, 8080, PATIENCE_SECONDS).blocked()).isTrue();
    assertThat(tracked(8080)).as("of a source that is kept out").isZero();
    try (Held two = client.holdAtOnceWithin(PATIENCE_SECONDS, Lab.HOST, 8080, 3, Lab.CLIENT)) {
      assertThat(two.alive()).isEqualTo(2);
    }
  }

  /**
   * Fails if the last proxied port takes the kernel's translation of time stamps along. A server
   * begins its own anywhere, but in the same place for the same two addresses: untranslated they
   * seem older than the proxy's to every second client, which discards what brings them (PAWS).
   */
  @Test
  void connectionsOutliveTheLastProxiedPort() {
    start(Ownership.OFF);
    agent.publish(request("web", List.of(Lab.C1), PROXIED, "8080:80"));
    String[] clients = new String[12];
    for (int i = 0; i < clients.length; i++) {
      clients[i] = "198.18.0." + (100 + i);
      lab.client().ip("addr add " + clients[i] + "/24 dev eth0");
    }
    try (Held held =
        lab.client()
            .traffic()
            .holdAtOnceWithin(PATIENCE_SECONDS, Lab.HOST, 8080, clients.length, clients)) {
      assertThat(held.answered()).isEqualTo(clients.length);
      update("web", WITHOUT);
      awaitTakenDown();
      assertThat(held.alive()).isEqualTo(clients.length);

      // And it is the chain that keeps them alive.
      nft.apply("flush chain inet sluice syn_cookies; delete chain inet sluice syn_cookies");
      awaitTakenDown();
      assertThat(held.alive()).as("without the chain").isLessThan(clients.length);
    }
  }

  /** What a transaction removes the kernel takes down a moment later. */
  private static void awaitTakenDown() {
    LockSupport.parkNanos(500_000_000);
  }

  /** Fails if the option given in use reaches no port, or ends connections. */
  @ParameterizedTest
  @EnumSource
  void itComesAndGoesInUse(Ownership ownership) {
    start(ownership);
    agent.publishAs("web", Lab.C1, "8080:80", "7000-7009:7000-7009");
    try (Held before = lab.client().traffic().holdWithin(PATIENCE_SECONDS, Lab.HOST, 8080, 2)) {
      long valid = validCookies();
      update("web", WITH);
      assertThat(before.alive()).isEqualTo(2);
      try (Held proxied = lab.client().traffic().holdWithin(PATIENCE_SECONDS, Lab.HOST, 7004, 2)) {
        assertThat(proxied.alive()).isEqualTo(2);
        assertThat(validCookies() - valid).isEqualTo(2);
        update("web", WITHOUT);
        awaitTakenDown();
        assertThat(proxied.alive()).as("the kernel still translates them").isEqualTo(2);
        assertThat(before.alive()).isEqualTo(2);
      }
      assertThat(lab.client().traffic().tcp(Lab.HOST, 8080, PATIENCE_SECONDS).server())
          .isEqualTo("c1:80");
      assertThat(validCookies() - valid).isEqualTo(2);
    }
  }

  /**
   * Fails if every connection waits for the server to repeat itself, also where the client begins.
   */
  @Test
  void aClientThatSpeaksFirstWaitsForNothing() {
    start(Ownership.AUTO);
    agent.publish(request("web", List.of(Lab.C1, Lab.C1_6), PROXIED, "8080:80"));
    String client =
        """
        import socket, sys
        def talk():
            with socket.create_connection((sys.argv[1], 8080), timeout=0.7) as connection:
                connection.sendall(b"first")
                said = b""
                while not said.endswith(b"first"):
                    said += connection.recv(100)
                return True
        # On a busy machine some are slow for reasons of their own.
        for attempt in range(5):
            try:
                sys.exit(not talk())
            except TimeoutError:
                print("attempt", attempt, "timed out", file=sys.stderr)
        sys.exit(1)
        """;
    for (String host : List.of(Lab.HOST, Lab.HOST6)) {
      lab.client().exec("/usr/bin/python3", "-I", "-S", "-c", client, host).orFail();
    }
  }

  // ---- floods

  /** {@link #FLOOD} packets of as many connections in each family, which nobody ever began. */
  private void flood(String flags) {
    String segment = "TCP(sport=1024+i,dport=8080,seq=i,ack=i,flags='" + flags + "')";
    for (String packet :
        List.of(
            "IP(src=f'203.0.113.{i%250+1}',dst='" + Lab.HOST + "')/" + segment,
            "IPv6(src=f'2001:db8:ff::{i+1:x}',dst='" + Lab.HOST6 + "')/" + segment)) {
      lab.client().traffic().flood("eth0", lab.host().mac("out0"), FLOOD, packet);
    }
  }

  /**
   * Fails if a first packet from a made-up address is tracked before its cookie has come back, or
   * an acknowledgement of nothing is.
   */
  @ParameterizedTest
  @EnumSource
  void aFloodFromMadeUpAddressesOpensNoConnection(Ownership ownership) {
    start(ownership);
    agent.publish(request("web", List.of(Lab.C1, Lab.C1_6), MappingOptions.NONE, "8080:80"));
    flood("S");
    assertThat(tracked(8080)).as("without").isGreaterThan(FLOOD);
    lab.host().exec("conntrack", "-F").orFail();

    update("web", WITH);
    flood("S");
    assertThat(tracked(8080)).as("first packets").isZero();
    flood("A");
    assertThat(tracked(8080)).as("answers to no cookie").isZero();
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080, PATIENCE_SECONDS).server())
        .isEqualTo("c1:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST6, 8080, PATIENCE_SECONDS).server())
        .isEqualTo("c1:80");
    assertThat(tracked(8080)).isEqualTo(2);
  }

  // ---- the table

  /** Fails if the chains are there for nobody, leave with somebody else, or are one per mapping. */
  @ParameterizedTest
  @EnumSource
  void theChainsLiveAsLongAsAPortNeedsThem(Ownership ownership) throws IOException {
    start(ownership);
    agent.publishAs("plain", Lab.C1, "8079:80");
    assertThat(chains()).isEmpty();
    agent.publish(request("a", List.of(Lab.C1), PROXIED, "8080:80", "9000-9003:7000-7003"));
    List<String> made = chains();
    assertThat(made)
        .containsExactlyInAnyOrder("syn_first", "syn_ports", "syn_input", "syn_cookies");
    long rules = rules();
    agent.publish(request("b", List.of(Lab.C1_6), PROXIED, "8080:80"));
    agent.publish(request("c", List.of(Lab.C1), PROXIED, Lab.HOST + ":8080:80"));
    assertThat(rules()).isEqualTo(rules);
    assertThat(contents(listedAgain())).isEqualTo(contents(nft.table("inet", "sluice")));

    restart(ownership);
    assertThat(agent.table().mappings())
        .filteredOn(one -> one.mapping().options().synProxy())
        .hasSize(4);
    agent.unpublish("a");
    agent.unpublish("b");
    assertThat(chains()).isEqualTo(made);
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080, PATIENCE_SECONDS).server())
        .isEqualTo("c1:80");
    update("c", WITHOUT);
    assertThat(chains()).as("no hook").containsExactly("syn_cookies");
    update("c", WITH);
    assertThat(chains()).hasSize(4);
    agent.unpublish("c");
    assertThat(chains()).containsExactly("syn_cookies");
  }

  private long rules() {
    return nft.json("list", "table", "inet", "sluice").stream()
        .filter(object -> object.has("rule"))
        .count();
  }

  /** What {@code sluice ruleset} prints, loaded elsewhere and listed there by nft. */
  private String listedAgain() throws IOException {
    StringBuilder printed = new StringBuilder();
    agent.table().listing().print(printed);
    try (Netns elsewhere = Netns.create("elsewhere")) {
      Nft.in(elsewhere).apply(printed.toString());
      return Nft.in(elsewhere).table("inet", "sluice");
    }
  }

  /** What is in the table; the name of the owner, which nft prints beside it, is none of that. */
  private static List<String> contents(String listing) {
    return listing
        .lines()
        .filter(line -> !line.isBlank())
        .filter(line -> !line.startsWith("table ") && !line.startsWith("\tflags "))
        .toList();
  }

  /** Fails if somebody can take the protection away from a table without an owner. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "flush chain inet sluice syn_ports",
        "flush chain inet sluice syn_first; delete chain inet sluice syn_first",
        "delete element inet sluice proxied_any4 { tcp . 8080 }",
        "flush ruleset"
      })
  void whatOthersTakeAwayIsPutBack(String edit) {
    start(Ownership.OFF);
    agent.publish(request("web", List.of(Lab.C1, Lab.C1_6), PROXIED, "8080:80"));
    String whole = nft.table("inet", "sluice");
    try (PlainTableGuard guard = agent.table().guard(Monitor.open(agent.namespace()))) {
      nft.apply(edit);
      long deadline = System.nanoTime() + Duration.ofSeconds(10).toNanos();
      while (guard.repairs().count() == 0 || !nft.table("inet", "sluice").equals(whole)) {
        assertThat(System.nanoTime()).as("put back within 10 s").isLessThan(deadline);
        LockSupport.parkNanos(1_000_000);
      }
    }
    long valid = validCookies();
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080, PATIENCE_SECONDS).server())
        .isEqualTo("c1:80");
    assertThat(validCookies() - valid).isEqualTo(1);
  }

  /** Fails if a protocol without handshakes is taken, or refused in part. */
  @Test
  void onlyTcpIsTaken() {
    start(Ownership.AUTO);
    List<Object> before = state();
    assertThatThrownBy(
            () -> agent.publish(request("dns", List.of(Lab.C1), PROXIED, "53:53", "53:53/udp")))
        .isInstanceOf(PublishException.class)
        .hasMessage("a SYN proxy is for tcp only: publish 53/udp in a request without it");
    assertThat(state()).isEqualTo(before);
    agent.publishAs("dns", Lab.C1, "53:53", "53:53/udp");
    assertThatThrownBy(() -> update("dns", WITH)).isInstanceOf(PublishException.class);
    assertThat(chains()).isEmpty();
  }
}
