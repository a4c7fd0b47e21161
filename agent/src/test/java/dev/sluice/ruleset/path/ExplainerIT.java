package dev.sluice.ruleset.path;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PathReport.Outcome;
import dev.sluice.model.PathReport.Step;
import dev.sluice.model.PathReport.Way;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.Nftables;
import dev.sluice.ruleset.OperatorChains;
import dev.sluice.testing.Lab;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is explained is what happens, with our own table and with those of others beside it. */
class ExplainerIT extends PathCase {

  /** Fails if any sender's way to a published port is said to end, or its steps are left out. */
  @ParameterizedTest
  @ValueSource(strings = {Lab.HOST, Lab.HOST_2, Lab.HOST6})
  void everybodyReachesAPublishedPort(String to) {
    agent.publish(to.contains(":") ? Lab.C1_6 : Lab.C1, "8080:80");
    assertThat(agreed(to, 8080).values()).containsOnly(Outcome.ARRIVES);
    Way outside = way(to.contains(":") ? Lab.CLIENT6 : Lab.CLIENT, to, 8080);
    assertThat(outside.steps())
        .extracting(Step::hook)
        .containsSubsequence("prerouting", "routing", "forward", "postrouting");
    assertThat(outside.verdict())
        .contains(to.contains(":") ? "[fd30::2]:80" : "172.30.0.2:80")
        .contains("br0");
  }

  /** Fails if the two translations of a container that reaches itself are not both told. */
  @Test
  void aContainerThatReachesItselfIsTranslatedTwice() {
    agent.publish(Lab.C1, "8080:80");
    Way itself = way(Lab.C1, Lab.HOST, 8080);
    assertThat(itself.steps())
        .extracting(Step::packet)
        .contains(Lab.C1 + " → " + Lab.C1 + ":80", "172.30.0.1 → " + Lab.C1 + ":80");
  }

  /**
   * IPv6 to a container that has IPv4 only. Fails if the proxy's socket is taken for somebody
   * else's, or one that only holds a port for the proxy's.
   */
  @Test
  void theUserlandProxyIsNamed() {
    agent.publish(Lab.C1, "8080:80");
    assertThat(agreed(Lab.HOST6, 8080).values()).containsOnly(Outcome.ARRIVES);
    assertThat(way(Lab.CLIENT6, Lab.HOST6, 8080).verdict())
        .contains("userland proxy", "to " + Lab.C1);
    assertThat(explain(8080, Protocol.TCP, Optional.empty(), Optional.empty()).ways())
        .anyMatch(way -> way.to().contains(":") && way.verdict().contains("userland proxy"));
    assertThat(
            explain(
                    8080,
                    Protocol.TCP,
                    Optional.of(Lab.CLIENT),
                    Optional.of(IpAddress.parse(Lab.HOST)))
                .ways()
                .get(0)
                .verdict())
        .doesNotContain("proxy");
    agent.publish(Lab.C1_6, "[" + Lab.HOST6 + "]:8082:80");
    assertThat(way(Lab.CLIENT6, Lab.HOST6_2, 8082).outcome()).isEqualTo(Outcome.REFUSED);
  }

  /** Fails if only one of the containers that share a port is told. */
  @Test
  void allContainersBehindAPortAreNamed() {
    agent.publish(
        new PublishRequest(
            List.of(PortSpec.parse("8080:80")),
            List.of(IpAddress.parse(Lab.C1), IpAddress.parse(Lab.C2)),
            Optional.empty(),
            Owner.CLI,
            MappingOptions.NONE));
    assertThat(agreed(Lab.HOST, 8080).values()).containsOnly(Outcome.ARRIVES);
    assertThat(way(Lab.CLIENT, Lab.HOST, 8080).verdict()).contains(Lab.C1 + ":80", Lab.C2 + ":80");
  }

  /** Fails if a port that nobody published is said to be reachable, or the listener is not seen. */
  @Test
  void whatIsNotPublishedIsSaidToBeSo() {
    assertThat(agreed(Lab.HOST, 8080).values()).containsOnly(Outcome.REFUSED);
    assertThat(way(Lab.CLIENT, Lab.HOST, 8080).verdict()).contains("not published");
    assertThat(agreed(Lab.HOST, 5000).values()).containsOnly(Outcome.ARRIVES);
    assertThat(way(Lab.CLIENT, Lab.HOST, 5000).verdict())
        .contains("is taken by process ", "python3");
  }

  /** Fails if a mapping of one address is taken for one of all. */
  @Test
  void aMappingOfOneAddressIsNotThatOfAnother() {
    agent.publish(Lab.C1, Lab.HOST_2 + ":8080:80");
    assertThat(agreed(Lab.HOST_2, 8080).values()).containsOnly(Outcome.ARRIVES);
    assertThat(agreed(Lab.HOST, 8080).values()).containsOnly(Outcome.REFUSED);
    assertThat(way(Lab.CLIENT, Lab.HOST, 8080).verdict()).contains("on " + Lab.HOST_2 + " only");
  }

  /** Fails if allowed sources are not those of the guard, or the host is not always admitted. */
  @Test
  void aRestrictionIsNamed() {
    publish(
        "web",
        Lab.C1,
        MappingOptions.NONE.withAllowedSources(List.of(Prefix.parse("172.31.0.0/24"))),
        "8080:80");
    Map<String, Outcome> said = agreed(Lab.HOST, 8080);
    assertThat(said)
        .containsEntry(Lab.CLIENT, Outcome.DROPPED)
        .containsEntry(Lab.C2, Outcome.DROPPED)
        .containsEntry(Lab.C3, Outcome.ARRIVES)
        .containsEntry("host", Outcome.ARRIVES);
    assertThat(way(Lab.CLIENT, Lab.HOST, 8080).remedy()).contains("sluice update web --allow");
  }

  /** Fails if a limit that may be reached is not among the conditions. */
  @Test
  void aLimitIsACondition() {
    publish("web", Lab.C1, MappingOptions.NONE.withMaxConnections(OptionalInt.of(3)), "8080:80");
    Way way = way(Lab.CLIENT, Lab.HOST, 8080);
    assertThat(way.outcome()).isEqualTo(Outcome.ARRIVES);
    assertThat(way.certain()).isFalse();
    assertThat(way.conditions()).anyMatch(one -> one.contains("how many connections are open"));
  }

  /** Fails if a packet to a container itself is taken for one to a published port. */
  @Test
  void containersAreReachedDirectlyFromTheirOwnNetworkOnly() {
    agent.publish(Lab.C1, "8080:80");
    agent.publish(Lab.C3, "8081:80");
    Map<String, Outcome> said = agreed(Lab.C1, 80);
    assertThat(said)
        .containsEntry(Lab.C2, Outcome.ARRIVES)
        .containsEntry("host", Outcome.ARRIVES)
        .containsEntry(Lab.C3, Outcome.DROPPED);
  }

  /** Fails if forwarding that is off is not seen. */
  @Test
  void forwardingThatIsOffIsNamed() {
    agent.publish(Lab.C1, "8080:80");
    agent.publish(Lab.C1_6, "8080:80");
    lab.host().sysctl("net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0");
    assertThat(agreed(Lab.HOST, 8080))
        .containsEntry(Lab.CLIENT, Outcome.UNREACHABLE)
        .containsEntry("host", Outcome.ARRIVES);
    assertThat(agreed(Lab.HOST6, 8080)).containsEntry(Lab.CLIENT6, Outcome.UNREACHABLE);
    assertThat(way(Lab.CLIENT, Lab.HOST, 8080).remedy())
        .startsWith("sysctl -w net.ipv4.ip_forward=1");
  }

  // ---- others' tables

  /** Each command that drops what is forwarded, and whether it is of IPv6. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "iptables-nft -P FORWARD DROP",
        "iptables-legacy -P FORWARD DROP",
        "ip6tables-nft -P FORWARD DROP",
        "ip6tables-legacy -P FORWARD DROP",
        "iptables-nft -A FORWARD -p tcp --dport 80 -j REJECT",
        "iptables-legacy -A FORWARD -o br0 -p tcp -m multiport --dports 80,90:100 -j REJECT",
        "iptables-legacy -A FORWARD -i out0 -m conntrack --ctstate NEW -j DROP",
        "nft add table ip x; nft add chain ip x f { type filter hook forward priority 5\\; }; nft add"
            + " rule ip x f oifname br0 tcp dport { 79-81, 443 } counter drop",
        "nft add table inet y; nft add chain inet y f { type filter hook forward priority -5\\; policy"
            + " drop\\; }; nft add rule inet y f ct state established,related accept"
      })
  void aForeignDropIsNamedAndItsRemedyHelps(String command) {
    boolean six = command.startsWith("ip6");
    String to = six ? Lab.HOST6 : Lab.HOST;
    String client = six ? Lab.CLIENT6 : Lab.CLIENT;
    agent.publish(six ? Lab.C1_6 : Lab.C1, "8080:80");
    assertThat(agreed(to, 8080)).as("the control").containsEntry(client, Outcome.ARRIVES);
    host("sh", "-c", command);
    assertThat(agreed(to, 8080))
        .containsEntry("host", Outcome.ARRIVES)
        .hasEntrySatisfying(
            client, outcome -> assertThat(outcome).isIn(Outcome.DROPPED, Outcome.REJECTED));
    Way way = way(client, to, 8080);
    host("sh", "-c", way.remedy());
    assertThat(agreed(to, 8080)).as(way.remedy()).containsEntry(client, Outcome.ARRIVES);
  }

  /**
   * The rules that firewalld 1.3 makes for a zone, cut down to what first packets meet. Fails if
   * they are not read, or the two settings are not told apart.
   */
  @Test
  void firewalldIsNamed() {
    agent.publish(Lab.C1, "8080:80");
    String rules =
        """
        table inet firewalld {
          chain filter_PREROUTING {
            type filter hook prerouting priority filter + 10; policy accept;
            icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
            meta nfproto ipv6 fib saddr . mark . iif oif missing drop
          }
          chain filter_FORWARD {
            type filter hook forward priority filter + 10; policy accept;
            ct state { established, related } accept
            DNAT
            iifname "lo" accept
            ct state invalid drop
            jump filter_FORWARD_POLICIES
            reject with icmpx admin-prohibited
          }
          chain filter_FORWARD_POLICIES {
            iifname "out0" oifname "out0" jump filter_FWD_public
            iifname "out0" jump filter_FWD_public
          }
          chain filter_FWD_public {
            meta l4proto { icmp, ipv6-icmp } accept
          }
        }
        """;
    nft.apply(rules.replace("DNAT", "ct status dnat accept"));
    assertThat(agreed(Lab.HOST, 8080)).containsEntry(Lab.CLIENT, Outcome.ARRIVES);
    nft.apply("delete table inet firewalld");
    nft.apply(rules.replace("DNAT", ""));
    assertThat(agreed(Lab.HOST, 8080)).containsEntry(Lab.CLIENT, Outcome.REJECTED);
    Way way = way(Lab.CLIENT, Lab.HOST, 8080);
    assertThat(way.verdict()).contains("inet firewalld").contains("reject with icmpx");
    assertThat(way.remedy()).contains("StrictForwardPorts=no").contains("--add-interface=br0");
  }

  /** What ufw 0.36 makes, cut down likewise. Fails if its remedy is not told in its own words. */
  @ParameterizedTest
  @ValueSource(strings = {"iptables-nft-restore", "iptables-legacy-restore"})
  void ufwIsNamed(String restore) {
    agent.publish(Lab.C1, "8080:80");
    lab.host()
        .execWithInput(
            """
            *filter
            :INPUT ACCEPT [0:0]
            :FORWARD DROP [0:0]
            :OUTPUT ACCEPT [0:0]
            :ufw-before-forward - [0:0]
            :ufw-user-forward - [0:0]
            :ufw-reject-forward - [0:0]
            -A FORWARD -j ufw-before-forward
            -A FORWARD -j ufw-reject-forward
            -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
            -A ufw-before-forward -p icmp -m icmp --icmp-type 8 -j ACCEPT
            -A ufw-before-forward -j ufw-user-forward
            COMMIT
            """,
            restore)
        .orFail();
    assertThat(agreed(Lab.HOST, 8080)).containsEntry(Lab.CLIENT, Outcome.DROPPED);
    assertThat(way(Lab.CLIENT, Lab.HOST, 8080).remedy())
        .isEqualTo("ufw route allow proto tcp from any to 172.30.0.2 port 80");
    // What that command adds.
    host(
        restore.replace("-restore", ""),
        "-A",
        "ufw-user-forward",
        "-p",
        "tcp",
        "-d",
        "172.30.0.2",
        "--dport",
        "80",
        "-j",
        "ACCEPT");
    assertThat(agreed(Lab.HOST, 8080)).containsEntry(Lab.CLIENT, Outcome.ARRIVES);
  }

  /** Fails if a translation of somebody else's, which comes before ours, is overlooked. */
  @Test
  void aForeignTranslationThatComesFirstIsTold() {
    agent.publish(Lab.C1, "8080:80");
    nft.apply(
        """
        table ip other {
          chain pre {
            type nat hook prerouting priority -105;
            tcp dport 8080 dnat to 172.30.0.3:8080
          }
        }
        """);
    assertThat(agreed(Lab.HOST, 8080)).containsEntry(Lab.CLIENT, Outcome.ARRIVES);
    assertThat(way(Lab.CLIENT, Lab.HOST, 8080).verdict()).contains("172.30.0.3:8080");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c2:8080");
  }

  /** Fails if doctor's question does not find who drops, or finds somebody where nobody does. */
  @Test
  void obstaclesAreFoundForWhatIsPublished() {
    agent.publish(Lab.C1, "8080:80");
    agent.publish(Lab.C1, "127.0.0.1:8081:80");
    publish(
        "restricted",
        Lab.C2,
        MappingOptions.NONE.withAllowedSources(List.of(Prefix.parse(Lab.CLIENT_2 + "/32"))),
        "8082:80");
    assertThat(agent.inside(() -> explainer().obstacles(10))).isEmpty();
    host("iptables-nft", "-P", "FORWARD", "DROP");
    List<Way> obstacles = agent.inside(() -> explainer().obstacles(10));
    assertThat(obstacles).extracting(Way::port).containsExactlyInAnyOrder(8080, 8082);
    assertThat(obstacles)
        .extracting(Way::remedy)
        .containsOnly("iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT");
  }

  /** Fails if the operator's chains are not passed before ours, or a rule there is not named. */
  @ParameterizedTest
  @ValueSource(strings = {"drop", "reject with tcp reset"})
  void theOperatorsRulesAreNamed(String verdict) {
    agent.inside(() -> OperatorChains.createIfAbsent(Nftables.open()));
    agent.publish(Lab.C1, "8080:80");
    nft.apply(
        "add rule inet sluice-user forward tcp dport 80 ct original proto-dst 8080 " + verdict);
    Map<String, Outcome> said = agreed(Lab.HOST, 8080);
    assertThat(said.get(Lab.CLIENT)).isIn(Outcome.DROPPED, Outcome.REJECTED);
    Way way = way(Lab.CLIENT, Lab.HOST, 8080);
    assertThat(way.verdict()).contains("inet sluice-user").contains(verdict);
    String[] remedy = way.remedy().split(": ", 2);
    host("sh", "-c", remedy[1]);
    assertThat(agreed(Lab.HOST, 8080)).containsEntry(Lab.CLIENT, Outcome.ARRIVES);
  }

  /** Fails if a rule that depends on a rate is taken for one that always or never matches. */
  @Test
  void aRateOfSomebodyElseIsACondition() {
    agent.publish(Lab.C1, "8080:80");
    nft.apply(
        """
        table inet z {
          chain f {
            type filter hook forward priority 1;
            ct state new limit rate over 10/second drop
          }
        }
        """);
    Way way = way(Lab.CLIENT, Lab.HOST, 8080);
    assertThat(way.outcome()).isEqualTo(Outcome.ARRIVES);
    assertThat(way.certain()).isFalse();
    assertThat(way.conditions()).anyMatch(one -> one.contains("limit rate over 10/second"));
  }

  /** Fails if without a sender not all senders are asked about. */
  @Test
  void withoutASenderEverybodyIsAskedAbout() {
    agent.publish(Lab.C1, "8080:80");
    List<Way> ways = explain(8080, Protocol.TCP, Optional.empty(), Optional.empty()).ways();
    assertThat(ways)
        .extracting(Way::title)
        .contains(
            "from outside",
            "from this host",
            "from the container itself",
            "from a container of the same network");
    assertThat(ways).extracting(Way::to).contains("127.0.0.1", Lab.HOST);
    assertThat(ways).extracting(Way::outcome).containsOnly(Outcome.ARRIVES);
    assertThat(
            explain(9, Protocol.UDP, Optional.empty(), Optional.of(IpAddress.parse(Lab.HOST)))
                .ways())
        .isNotEmpty();
  }
}
