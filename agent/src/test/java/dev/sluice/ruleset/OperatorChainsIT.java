package dev.sluice.ruleset;

import static dev.sluice.testing.Traffic.Outcome.ANSWERED;
import static dev.sluice.testing.Traffic.Outcome.REFUSED;
import static dev.sluice.testing.Traffic.Outcome.TIMEOUT;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.nftables.Nftables;
import dev.sluice.publish.LabAgent;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Ran;
import dev.sluice.testing.Traffic.Outcome;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What an operator writes with {@code nft} into the chains before ours has its effect. */
@TestInstance(Lifecycle.PER_CLASS)
class OperatorChainsIT {
  private final Lab lab = Lab.builder().containers(1).agentWillConfigureHost().build();
  private final Nft nft = Nft.in(lab.host());
  private LabAgent agent;

  @BeforeEach
  void start() {
    lab.host().sysctl("net.ipv4.icmp_ratelimit=0");
    agent = LabAgent.start(lab.host(), Ownership.AUTO);
    assertThat(create()).isTrue();
    agent.publish(Lab.C1, "8080:80");
  }

  @AfterEach
  void end() {
    agent.close();
    nft.apply("delete table inet sluice");
    nft.apply("flush ruleset");
  }

  @AfterAll
  void tearDown() {
    lab.close();
  }

  private boolean create() {
    return agent.inside(
        () -> {
          try (Nftables nftables = Nftables.open()) {
            return OperatorChains.createIfAbsent(nftables);
          }
        });
  }

  private List<OperatorChains.Figures> figures() {
    return agent.inside(
        () -> {
          try (Nftables nftables = Nftables.open()) {
            return OperatorChains.read(nftables).orElseThrow();
          }
        });
  }

  private Outcome fromClient(int port) {
    return lab.client().traffic().tcp(Lab.HOST, port).outcome();
  }

  /** Fails if a chain is missing, is owned, or stands behind ours. */
  @Test
  void theTableIsMadeEmptyAndBelongsToNobody() {
    assertThat(nft.table("inet", "sluice-user"))
        .isEqualTo(
            """
            table inet sluice-user {
            	chain forward {
            		type filter hook forward priority -10; policy accept;
            	}

            	chain input {
            		type filter hook input priority -10; policy accept;
            	}
            }
            """);
    assertThat(figures())
        .containsExactly(
            new OperatorChains.Figures("forward", 0, 0, Optional.empty()),
            new OperatorChains.Figures("input", 0, 0, Optional.empty()));
    assertThat(fromClient(8080)).isEqualTo(ANSWERED);
  }

  /**
   * Each verdict of nft, and what a client sees. Fails if a rule of the operator's has no effect,
   * or another one; the control is the same port once the rule is gone.
   */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "tcp dport 80 accept                                          | ANSWERED",
        "tcp dport 80 drop                                            | TIMEOUT",
        "tcp dport 80 ct original proto-dst 8080 counter drop         | TIMEOUT",
        "tcp dport 80 ct original proto-dst 8081 counter drop         | ANSWERED",
        "tcp dport 80 reject with tcp reset                           | REFUSED",
        "tcp dport 80 reject with icmpx port-unreachable              | REFUSED",
        "tcp dport 80 return                                          | ANSWERED",
        "jump mine                                                    | TIMEOUT",
        "goto mine                                                    | TIMEOUT"
      })
  void everyVerdictHasItsEffect(String rule, Outcome expected) {
    assertThat(fromClient(8080)).as("the control").isEqualTo(ANSWERED);
    nft.apply("add chain inet sluice-user mine; add rule inet sluice-user mine tcp dport 80 drop");
    nft.apply("add rule inet sluice-user forward " + rule);
    assertThat(fromClient(8080)).isEqualTo(expected);
    nft.apply("flush chain inet sluice-user forward");
    assertThat(fromClient(8080)).as("without the rule").isEqualTo(ANSWERED);
  }

  /** Fails if a rule behind one that returns or accepts is evaluated, or one before it is not. */
  @Test
  void whatIsReturnedIsNotDroppedByTheNextRule() {
    nft.apply(
        """
        add rule inet sluice-user forward ip saddr 198.18.0.2 return
        add rule inet sluice-user forward ct status dnat ct state new drop
        """);
    assertThat(fromClient(8080)).isEqualTo(ANSWERED);
    assertThat(lab.client().traffic().tcpFrom(Lab.CLIENT_2, Lab.HOST, 8080).outcome())
        .isEqualTo(TIMEOUT);
  }

  /**
   * NFQUEUE is the kernel's own matter: where it lacks it, nft is refused for every table alike.
   * Fails if it is refused because of ours.
   */
  @Test
  void queueIsPossibleWhereTheKernelHasIt() {
    Ran elsewhere =
        nft.attempt(
            """
            add table inet plain
            add chain inet plain forward { type filter hook forward priority -10; }
            add rule inet plain forward tcp dport 80 queue num 0 bypass
            """);
    Ran here = nft.attempt("add rule inet sluice-user forward tcp dport 80 queue num 0 bypass");
    assertThat(here.succeeded()).as(here.stderr()).isEqualTo(elsewhere.succeeded());
    // Nobody reads the queue, and "bypass" lets packets go on then.
    assertThat(fromClient(8080)).isEqualTo(ANSWERED);
  }

  /** Fails if the accept of the operator ends the packet's way through our own chains. */
  @Test
  void anAcceptDoesNotPassByOurOwnDrops() {
    PublishRequest restricted =
        new PublishRequest(
            List.of(PortSpec.parse("8082:80")),
            List.of(IpAddress.parse(Lab.C1)),
            Optional.of(new MappingName("restricted")),
            Owner.CLI,
            MappingOptions.NONE.withAllowedSources(List.of(Prefix.parse(Lab.CLIENT_2 + "/32"))));
    agent.publish(restricted);
    nft.apply(
        """
        add rule inet sluice-user forward accept
        add rule inet sluice-user input accept
        """);
    assertThat(fromClient(8082)).isEqualTo(TIMEOUT);
    assertThat(lab.client().traffic().tcpFrom(Lab.CLIENT_2, Lab.HOST, 8082).outcome())
        .as("the control")
        .isEqualTo(ANSWERED);
    // Not published at all, and the bridge is closed to strangers.
    lab.client().ip("route add 172.30.0.0/24 via " + Lab.HOST);
    assertThat(lab.client().traffic().tcp(Lab.C1, 80).outcome()).isEqualTo(TIMEOUT);
    lab.client().ip("route del 172.30.0.0/24 via " + Lab.HOST);
  }

  /** What the host itself serves; fails if the chain is not at the input hook. */
  @Test
  void theInputChainIsForTheHostItself() {
    assertThat(fromClient(5000)).as("the control").isEqualTo(ANSWERED);
    nft.apply("add rule inet sluice-user input tcp dport 5000 reject with tcp reset");
    assertThat(fromClient(5000)).isEqualTo(REFUSED);
    assertThat(fromClient(8080)).isEqualTo(ANSWERED);
  }

  /** Fails if a start changes a byte of the table, or an agent makes again what was deleted. */
  @Test
  void aStartDoesNotTouchTheTable() {
    nft.apply(
        """
        add chain inet sluice-user mine
        add set inet sluice-user bad { type ipv4_addr; flags interval; elements = { 203.0.113.0/24 }; }
        add rule inet sluice-user forward ip saddr @bad counter drop comment "mine"
        add rule inet sluice-user forward jump mine
        delete chain inet sluice-user input
        """);
    String before = nft.run("-a", "list", "table", "inet", "sluice-user").orFail().stdout();
    agent.close();
    agent = LabAgent.start(lab.host(), Ownership.AUTO);
    assertThat(create()).isFalse();
    assertThat(nft.run("-a", "list", "table", "inet", "sluice-user").orFail().stdout())
        .isEqualTo(before);
  }

  /** Fails if rules that refuse, or what they counted, are counted wrongly. */
  @Test
  void itsRulesAndDropsAreCounted() {
    nft.apply(
        """
        add rule inet sluice-user forward tcp dport 80 counter packets 7 bytes 420 drop
        add rule inet sluice-user forward udp dport 53 counter packets 2 bytes 100 reject
        add rule inet sluice-user forward counter packets 99 bytes 1 accept
        add rule inet sluice-user input tcp dport 22 drop
        """);
    assertThat(figures())
        .containsExactly(
            new OperatorChains.Figures("forward", 3, 2, Optional.of(9L)),
            new OperatorChains.Figures("input", 1, 1, Optional.empty()));
  }
}
