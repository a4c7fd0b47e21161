package dev.sluice.testing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.Traffic.Answer;
import dev.sluice.testing.Traffic.Held;
import dev.sluice.testing.Traffic.Outcome;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The laboratory measures what we build: here it is measured itself, without an agent or a ruleset.
 */
@Tag("alone")
class LabIT {

  @AutoClose private static Lab lab;

  @BeforeAll
  static void build() {
    lab = Lab.full();
  }

  /** Fails if containers are not on one bridge, or a server does not say whom it sees. */
  @Test
  void siblingsReachEachOtherDirectly() {
    assertThat(lab.c1().traffic().tcp(Lab.C2, 80))
        .isEqualTo(new Answer(Outcome.ANSWERED, "c2:80 peer=172.30.0.2"));
    assertThat(lab.c1().traffic().udp(Lab.C2, 53)).hasToString("c2:53 peer=172.30.0.2");
    assertThat(lab.c1().traffic().tcp(Lab.C2_6, 80)).hasToString("c2:80 peer=fd30::2");
    assertThat(lab.c1().traffic().udp(Lab.C2_6, 53)).hasToString("c2:53 peer=fd30::2");
  }

  /**
   * Fails if a route, a gateway or an address of the picture is missing: every pair is tried over
   * the host.
   */
  @Test
  void everybodyIsRoutedToEverybody() {
    Map<Netns, List<String>> ends =
        Map.of(
            lab.attacker(), List.of(Lab.ATTACKER, Lab.ATTACKER6),
            lab.c1(), List.of(Lab.C1, Lab.C1_6),
            lab.c3(), List.of(Lab.C3, Lab.C3_6),
            lab.c4(), List.of(Lab.C4, Lab.C4_6));
    ends.forEach(
        (to, addresses) ->
            addresses.forEach(
                address ->
                    assertThat(lab.client().traffic().tcp(address, 7009).server())
                        .as("client to %s", address)
                        .isEqualTo(to.role() + ":7009")));
    assertThat(lab.c1().traffic().tcp(Lab.C3, 80)).hasToString("c3:80 peer=172.30.0.2");
    assertThat(lab.attacker().traffic().tcp(Lab.HOST_2, 5000))
        .hasToString("hostsvc:5000 peer=198.18.1.2");
  }

  /** Fails if the source address asked for is not the one used. */
  @Test
  void aSourceAddressCanBeChosen() {
    assertThat(lab.client().traffic().tcpFrom(Lab.CLIENT_2, Lab.C1, 80).peer())
        .isEqualTo(Lab.CLIENT_2);
    assertThat(lab.client().traffic().udpFrom(Lab.CLIENT_2, Lab.C1, 53).peer())
        .isEqualTo(Lab.CLIENT_2);
  }

  /** Fails if one way of not being answered is taken for another, or for an answer. */
  @Test
  void waysOfNotBeingAnsweredAreToldApart() {
    assertThat(lab.c1().traffic().tcp(Lab.C2, 81).outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(lab.c1().traffic().udp(Lab.C2, 81).outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(lab.client().traffic().tcp("203.0.113.9", 80).outcome())
        .isEqualTo(Outcome.UNREACHABLE);
    Nft nft = Nft.in(lab.c2());
    nft.apply(
        """
        add table inet silent
        add chain inet silent input { type filter hook input priority 0; }
        add rule inet silent input th dport { 80, 53 } drop
        """);
    try {
      assertThat(lab.c1().traffic().tcp(Lab.C2, 80).outcome()).isEqualTo(Outcome.TIMEOUT);
      assertThat(lab.c1().traffic().udp(Lab.C2, 53).outcome()).isEqualTo(Outcome.TIMEOUT);
    } finally {
      nft.apply("delete table inet silent");
    }
  }

  /**
   * Fails if connections are not kept open, are miscounted, or are called alive when nothing passes
   * any more.
   */
  @Test
  void connectionsAreHeldAndKnownToLive() {
    try (Held held = lab.client().traffic().hold(Lab.C1, 8080, 5, Lab.CLIENT, Lab.CLIENT_2)) {
      assertThat(held.answered()).isEqualTo(5);
      assertThat(held.servers()).isEqualTo(Map.of("c1", 5));
      assertThat(held.alive()).isEqualTo(5);
      lab.c1().ip("link set eth0 down");
      try {
        assertThat(held.alive()).isZero();
      } finally {
        lab.c1()
            .ip(
                "link set eth0 up",
                "route add default via 172.30.0.1",
                "addr replace fd30::2/64 dev eth0",
                "route add default via fd30::1");
      }
    }
  }

  /** Fails if a frame is not sent, sent twice, or counted where it does not arrive. */
  @Test
  void injectedFramesAreCountedWhereTheyArrive() {
    String packet = "IP(src='172.30.0.9',dst='198.18.1.2')/UDP(sport=9,dport=9)";
    try (Probe arrived = Probe.in(lab.attacker(), "ip saddr 172.30.0.9 udp dport 9");
        Probe elsewhere = Probe.in(lab.client(), "ip saddr 172.30.0.9")) {
      lab.c1().traffic().inject("eth0", lab.host().mac("br0"), 100, packet);
      arrived.awaitPackets(100);
      assertThat(arrived.settledPackets()).isEqualTo(100);
      assertThat(elsewhere.packets()).isZero();
    }
  }

  /**
   * Fails if conntrack is asked about another namespace, one family is left out, or flush forgets
   * nothing.
   */
  @Test
  void connectionTrackingIsReadPerNamespace() {
    Nft nft = Nft.in(lab.c4());
    nft.apply(
        """
        add table inet track
        add chain inet track input { type filter hook input priority 0; }
        add rule inet track input ct state new
        """);
    lab.client().traffic().udp(Lab.C4, 53);
    lab.client().traffic().udp(Lab.C4_6, 53);
    Conntrack conntrack = Conntrack.in(lab.c4());
    assertThat(conntrack.list("-p", "udp", "--orig-port-dst", "53"))
        .hasSize(2)
        .anyMatch(line -> line.contains("src=198.18.0.2 dst=10.99.0.2"))
        .anyMatch(line -> line.contains("src=2001:db8:18::2 dst=2001:db8:99::2"));
    assertThat(conntrack.count()).isEqualTo(2);
    conntrack.flush();
    assertThat(conntrack.count()).isZero();
    assertThat(nft.json("list", "table", "inet", "track"))
        .extracting(object -> object.propertyNames().iterator().next())
        .containsExactly("table", "chain", "rule");
    nft.apply("delete table inet track");
    assertThat(nft.hasTable("inet", "track")).isFalse();
  }

  /** Fails if a program outlives its namespace, or a namespace outlives its laboratory. */
  @Test
  void nothingIsLeftBehind() {
    Lab small = Lab.small();
    Netns host = small.host();
    Background shell = host.start("sh", "-c", "sleep 600 & echo started; wait");
    shell.awaitLine("^started$", Duration.ofSeconds(5));
    long sleep =
        ProcessHandle.of(shell.pid()).orElseThrow().children().findFirst().orElseThrow().pid();
    small.close();
    assertThat(shell.isAlive()).isFalse();
    assertThat(ProcessHandle.of(sleep).filter(ProcessHandle::isAlive)).isEmpty();
    assertThat(host.path()).doesNotExist();
    assertThat(Files.exists(small.c1().path())).isFalse();
  }

  /** Fails if the laboratory does the agent's work for it. */
  @Test
  void theAgentsPartCanBeLeftToTheAgent() {
    try (Lab bare = Lab.builder().agentWillConfigureHost().build()) {
      Netns host = bare.host();
      assertThat(host.sysctlValue("net.ipv4.ip_forward")).isEqualTo("0");
      assertThat(host.sysctlValue("net.ipv6.conf.all.forwarding")).isEqualTo("0");
      assertThat(host.sysctlValue("net.ipv4.conf.br0.route_localnet")).isEqualTo("0");
      assertThat(host.sysctlValue("net.ipv6.conf.br0.accept_ra")).isEqualTo("1");
      assertThat(bare.client().traffic().tcp(Lab.C1, 80).blocked()).isTrue();
      assertThat(bare.client().traffic().tcp(Lab.HOST, 5000).server()).isEqualTo("hostsvc:5000");
    }
  }

  /**
   * Fails if a laboratory takes so long to build that tests begin to share one: a second each, at
   * most.
   */
  @Test
  void aSmallLaboratoryIsBuiltWithinASecond() {
    long best = Long.MAX_VALUE;
    // The best of three: the machine may be busy with something else.
    for (int i = 0; i < 3; i++) {
      long begin = System.nanoTime();
      try (Lab small = Lab.small()) {
        assertThat(small.client().traffic().tcp(Lab.C1, 80).server()).isEqualTo("c1:80");
        best = Math.min(best, System.nanoTime() - begin);
      }
    }
    assertThat(Duration.ofNanos(best)).isLessThan(Duration.ofSeconds(1));
  }
}
