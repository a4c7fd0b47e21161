package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.publish.PublishException.Kind;
import dev.sluice.publish.Publisher.Applied;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Traffic.Held;
import java.net.DatagramSocket;
import java.net.ServerSocket;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Several mappings of one port, and several targets of one mapping: which connections end with
 * which, and who holds the port.
 */
class CarrierIT extends AgentCase {
  CarrierIT() {
    super(2);
  }

  /** Fails if the connections of an exact address are taken for those of every address. */
  @Test
  void anExactAddressKeepsItsConnectionsWhenEveryAddressIsTakenBack() {
    start(Ownership.AUTO);
    agent.publishAs("any", Lab.C1, "8080:80");
    agent.publishAs("exact", Lab.C1, Lab.HOST + ":8080:80");
    try (Held exact = lab.client().traffic().hold(Lab.HOST, 8080, 2);
        Held any = lab.client().traffic().hold(Lab.HOST_2, 8080, 2)) {
      agent.unpublish("any");
      assertThat(List.of(exact.alive(), any.alive())).containsExactly(2, 0);
      agent.unpublish("exact");
      assertThat(exact.alive()).isZero();
    }
  }

  /** Fails if connections that live on with an earlier target outlive the port. */
  @Test
  void connectionsToEarlierTargetsEndWithThePort() {
    start(Ownership.AUTO);
    agent.publishAs("web", Lab.C1, "8080:80");
    try (Held first = lab.client().traffic().hold(Lab.HOST, 8080, 2)) {
      agent.update(UpdateRequest.of("web").to(IpAddress.parse(Lab.C2)));
      try (Held second = lab.client().traffic().hold(Lab.HOST, 8080, 1)) {
        assertThat(List.of(first.alive(), second.alive())).containsExactly(2, 1);
        agent.unpublish("web");
        assertThat(List.of(first.alive(), second.alive())).containsExactly(0, 0);
      }
    }
  }

  /** Fails if a mapping that comes second ends the udp flows of the one that goes first. */
  @Test
  void aNewMappingBehindAnotherLeavesItsFlowsAlone() throws Exception {
    start(Ownership.AUTO);
    agent.publishAs("exact", Lab.C1, Lab.HOST + ":5353:53/udp");
    try (DatagramSocket client = udpSocket(lab.client(), Lab.CLIENT, 0)) {
      assertThat(ask(client, Lab.HOST, 5353)).isEqualTo("c1:53");
      String before = flowId();
      agent.publishAs("any", Lab.C2, "5353:53/udp");
      assertThat(flowId()).as("the flow's id").isEqualTo(before).isNotEmpty();
      assertThat(ask(client, Lab.HOST, 5353)).isEqualTo("c1:53");
    }
  }

  private String flowId() {
    return lab.host()
        .exec("conntrack", "-L", "-p", "udp", "--orig-port-dst", "5353", "-o", "id")
        .orFail()
        .stdout()
        .replaceAll("(?s).* id=(\\d+).*", "$1");
  }

  /** Fails if a port of a range that was only probed is published over a process that has it. */
  @Test
  void aPortOfALargeRangeIsLookedAtAgain() throws Exception {
    start(Ownership.AUTO);
    agent.publishAs("range", Lab.C1, "20000-30000:20000-30000");
    try (ServerSocket process = agent.inside(() -> new ServerSocket(25_000))) {
      assertThat(process.isBound()).isTrue();
      assertThatThrownBy(() -> agent.publishAs("one", Lab.C2, "25000:80"))
          .isInstanceOfSatisfying(
              PublishException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CONFLICT))
          .hasMessageContaining("by a process of this host");
    }
    agent.publishAs("one", Lab.C2, "25000:80");
    agent.unpublish("one");
    agent.unpublish("range");
    assertThat(agent.reservations().descriptors()).isZero();
  }

  /** Fails if a mapping whose port another process has is replaced by one that seems to hold it. */
  @Test
  void aPortThatAnotherProcessHasIsNotHandedOn() throws Exception {
    start(Ownership.AUTO);
    apply("web", Lab.C1, MappingOptions.NONE, "8080:80");
    agent.close();
    try (NetworkNamespace namespace = NetworkNamespace.open(lab.host().path());
        ServerSocket thief = namespace.call(() -> new ServerSocket(8080))) {
      assertThat(thief.isBound()).isTrue();
      agent = LabAgent.start(lab.host(), Ownership.AUTO);
      agent.inside(() -> agent.publisher().resume());
      Applied applied = apply("web", Lab.C2, MappingOptions.NONE, "8080:80");
      assertThat(applied.published()).isEmpty();
      assertThat(applied.leftOut()).hasSize(1);
      assertThat(applied.leftOut().get(0).reason()).hasMessageContaining("8080/tcp");
    }
  }

  /** Fails if a wish that is refused for one of its targets is granted for the other. */
  @Test
  void whatIsRefusedForOneTargetIsRefusedForAll() {
    start(Ownership.AUTO);
    List<String> both = List.of(Lab.C1, Lab.C1_6);
    applyTo("web", both, MappingOptions.NONE, "7000-7009:7000-7009");
    List<Object> before = state();
    MappingOptions four =
        MappingOptions.NONE.withAllowedSources(List.of(Prefix.parse("10.0.0.0/8")));
    Applied applied = applyTo("web", both, four, "7000-7009:7000-7009");
    assertThat(applied.leftOut()).hasSize(1);
    assertThat(applied.published()).isEmpty();
    assertThat(state()).isEqualTo(before);
  }

  private Applied apply(String name, String target, MappingOptions options, String... specs) {
    return applyTo(name, List.of(target), options, specs);
  }

  private Applied applyTo(
      String name, List<String> targets, MappingOptions options, String... specs) {
    return agent.inside(
        () ->
            agent
                .publisher()
                .applyPossible(
                    Owner.FILE, List.of(request(Owner.FILE, name, targets, options, specs))));
  }
}
