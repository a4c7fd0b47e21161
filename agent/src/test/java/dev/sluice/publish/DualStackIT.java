package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Mapping;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.publish.PublishException.Kind;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Traffic.Outcome;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** One port that leads to the IPv4 and the IPv6 address of a container. */
class DualStackIT extends AgentCase {
  private static final List<String> BOTH = List.of(Lab.C1, Lab.C1_6);

  DualStackIT() {
    super(2);
  }

  private static PublishRequest web(String... specs) {
    return request("web", BOTH, MappingOptions.NONE, specs);
  }

  /** Fails if a family is left out, gets another port, or an address is taken for both families. */
  @ParameterizedTest
  @EnumSource
  void aPortLeadsToBothAddresses(Ownership ownership) {
    start(ownership);
    List<Mapping> fixed =
        agent.publish(
            web(
                "8080:80",
                "0.0.0.0:8081:80",
                "[::]:8082:80",
                Lab.HOST + ":8083:80",
                "5353:53/udp"));
    assertThat(fixed)
        .extracting(Mapping::hostText)
        .containsExactly(
            "0.0.0.0:8080->80/tcp",
            "[::]:8080->80/tcp",
            "0.0.0.0:8081->80/tcp",
            "[::]:8082->80/tcp",
            Lab.HOST + ":8083->80/tcp",
            "0.0.0.0:5353->53/udp",
            "[::]:5353->53/udp");
    assertThat(
            List.of(
                tcp(Lab.HOST, 8080),
                tcp(Lab.HOST6, 8080),
                tcp(Lab.HOST, 8081),
                tcp(Lab.HOST6, 8082),
                lab.client().traffic().udp(Lab.HOST6, 5353).server()))
        .containsExactly("c1:80", "c1:80", "c1:80", "c1:80", "c1:53");
    // Nothing of IPv6 was published there: the userland proxy carries it to the IPv4 address.
    assertThat(lab.client().traffic().tcp(Lab.HOST6, 8081).peer()).isEqualTo("172.30.0.1");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8082).outcome()).isEqualTo(Outcome.REFUSED);

    for (String spec : List.of("80", "7000-7003", "0:8080")) {
      List<Mapping> random = agent.publish(web(spec));
      assertThat(random).as(spec).hasSize(2);
      assertThat(random.get(0).hostPorts()).as(spec).isEqualTo(random.get(1).hostPorts());
    }
    agent.unpublish("web");
    assertThat(agent.reservations().descriptors()).isZero();
  }

  private String tcp(String host, int port) {
    return lab.client().traffic().tcp(host, port).server();
  }

  /**
   * Fails if a conflict of the second family leaves the first published or reserved, or a pool
   * gives different ports.
   */
  @ParameterizedTest
  @EnumSource
  void aConflictInOneFamilyIsOneForBoth(Ownership ownership) throws IOException {
    start(ownership);
    try (ServerSocket listener = listenOnLoopback6(9000)) {
      assertThat(listener.isBound()).isTrue();
      List<Object> before = state();
      assertThatThrownBy(() -> agent.publish(web("8080:80", "9000:80")))
          .isInstanceOfSatisfying(
              PublishException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CONFLICT))
          .hasMessage(
              "port 9000/tcp on :: is taken by a process of this host: stop it, or choose another host port");
      assertThat(state()).isEqualTo(before);
      assertThat(agent.publish(web("9000-9001:80")))
          .extracting(one -> one.hostPorts().first())
          .containsExactly(9001, 9001);
      agent.unpublish("web");
      assertThat(agent.reservations().descriptors()).isZero();

      // A pool that begins with a port of our own, which is given up in the same request: 9000 is
      // free again although only one family could have had it.
      agent.publish(request("web", List.of(Lab.C1), MappingOptions.NONE, "9000:80"));
      agent.publish(request("web", List.of(Lab.C1_6), MappingOptions.NONE, "9002:80"));
      agent.update(
          UpdateRequest.of("web")
              .removing(PortSpec.parse("9000:80"))
              .adding(PortSpec.parse("9000-9001:8080")));
      assertThat(publishedTexts())
          .containsExactly(
              "web 0.0.0.0:9001->8080/tcp", "web [::]:9001->8080/tcp", "web [::]:9002->80/tcp");
      assertThat(agent.reservations().descriptors()).isEqualTo(3);
    }
  }

  private ServerSocket listenOnLoopback6(int port) {
    return inside(
        lab.host(),
        () -> {
          ServerSocket listener = new ServerSocket();
          listener.bind(
              new InetSocketAddress(
                  InetAddress.getByAddress(IpAddress.parse("::1").toBytes()), port));
          return listener;
        });
  }

  /**
   * Fails if blocks of one family are written into the other's sets, or a port that is added gets
   * the blocks of one family only.
   */
  @ParameterizedTest
  @EnumSource
  void eachFamilyKeepsItsAllowedSources(Ownership ownership) {
    start(ownership);
    List<Prefix> sources =
        List.of(Prefix.parse("198.18.0.2/32"), Prefix.parse("2001:db8:18::2/128"));
    agent.publish(request("web", BOTH, MappingOptions.NONE.withAllowedSources(sources), "8080:80"));
    agent.update(UpdateRequest.of("web").adding(PortSpec.parse("8081:80")));
    assertThat(agent.publisher().find("web"))
        .hasSize(4)
        .extracting(one -> one.mapping().options().allowedSources())
        .containsExactlyInAnyOrder(
            sources.subList(0, 1),
            sources.subList(1, 2),
            sources.subList(0, 1),
            sources.subList(1, 2));
    List<Object> before = state();
    assertThatThrownBy(
            () ->
                agent.update(
                    UpdateRequest.of("web")
                        .withOptions(OptionsChange.NONE.withAllowedSources(sources.subList(0, 1)))))
        .hasMessageStartingWith(
            "the allowed sources are IPv4 only, and the target fd30::2 is IPv6");
    assertThat(state()).isEqualTo(before);
  }
}
