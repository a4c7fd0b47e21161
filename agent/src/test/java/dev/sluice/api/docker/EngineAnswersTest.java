package dev.sluice.api.docker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.docker.EngineContainer.Attachment;
import dev.sluice.api.docker.EngineContainer.Binding;
import dev.sluice.model.Egress;
import dev.sluice.model.Network;
import dev.sluice.model.PublishRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.testing.Ran;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What a real Docker 20.10.24 answered ({@code curl --unix-socket docker.sock
 * http://d/containers/web/json}, {@code …/networks}, {@code …/networks/alpha}) and what it means.
 * The container was started on the network {@code alpha}, and connected to {@code dark}, which is
 * internal, and {@code bridge}.
 */
class EngineAnswersTest {
  private static final JsonMapper JSON = new JsonMapper();

  private final EngineContainer web = EngineContainer.read(json("container"));
  private final Map<String, EngineNetwork> networks =
      StreamSupport.stream(json("networks").spliterator(), false)
          .map(EngineNetwork::read)
          .collect(Collectors.toMap(EngineNetwork::id, one -> one));

  private Optional<EngineNetwork> byId(String id) {
    return Optional.ofNullable(networks.get(id));
  }

  private static JsonNode json(String name) {
    return JSON.readTree(Ran.resource("/docker/" + name + ".json"));
  }

  private Network network(String name) {
    return networks.values().stream()
        .filter(one -> one.name().equals(name))
        .findFirst()
        .orElseThrow()
        .toNetwork(name);
  }

  private static List<String> texts(List<PublishRequest> requests) {
    return requests.stream()
        .flatMap(
            request ->
                request.ports().stream()
                    .map(
                        spec ->
                            spec.text()
                                + " to "
                                + request.to().all().get(0).address().orElseThrow()))
        .toList();
  }

  /**
   * Fails if ranges are not put together, a family leads to the other's address, or one is lost.
   */
  @Test
  void theEnginesPortsLeadToTheContainersAddressOfTheirFamily() {
    assertThat(texts(ContainerPorts.bound(web, this::byId)))
        .containsExactlyInAnyOrder(
            "0.0.0.0:8080:80/tcp to 172.24.0.2",
            "127.0.0.1:8085:80/tcp to 172.24.0.2",
            "0.0.0.0:9000-9002:9000-9002/tcp to 172.24.0.2",
            "0.0.0.0:9103-9105:7003-7005/tcp to 172.24.0.2",
            "0.0.0.0:53:53/udp to 172.24.0.2",
            "[::]:8080:80/tcp to fd77::2",
            "[::]:9000-9002:9000-9002/tcp to fd77::2",
            "[::]:9103-9105:7003-7005/tcp to fd77::2",
            "[::]:53:53/udp to fd77::2");
    assertThat(ContainerPorts.bound(web, this::byId))
        .allSatisfy(request -> assertThat(request.name().orElseThrow().text()).isEqualTo("web"));
  }

  /** Fails if what is expected of a start differs from what the engine then does. */
  @Test
  void whatIsExpectedIsWhatComes() {
    assertThat(texts(ContainerPorts.expected(web, this::byId)))
        .containsExactlyInAnyOrderElementsOf(texts(ContainerPorts.bound(web, this::byId)));
  }

  /** Fails if a port is expected whose number the engine is still to choose. */
  @Test
  void nothingIsExpectedThatTheEngineIsToChoose() {
    EngineContainer other =
        new EngineContainer(
            web.id(),
            web.name(),
            false,
            "",
            List.of(
                new Binding("80/tcp", "", ""),
                new Binding("81/tcp", "", "0"),
                new Binding("82/tcp", "", "8000-8010"),
                new Binding("83/tcp", "198.18.0.1", "8083")),
            List.of(),
            web.attachments());
    assertThat(texts(ContainerPorts.expected(other, this::byId)))
        .containsExactly("198.18.0.1:8083:83/tcp to 172.24.0.2");
  }

  /** Fails if ports lead into an internal network, or not where the engine's priority says. */
  @Test
  void portsLeadToTheNetworkOfTheDefaultRoute() {
    assertThat(gateway(web.attachments())).isEqualTo("alpha");
    assertThat(gateway(without("alpha"))).isEqualTo("bridge");
    assertThat(gateway(List.of(place("dark")))).isEmpty();
    assertThat(ContainerPorts.bound(web.on(List.of(place("dark"))), this::byId)).isEmpty();
    Attachment bridge = place("bridge");
    Attachment preferred =
        new Attachment(bridge.network(), bridge.networkName(), 1, bridge.addresses());
    assertThat(gateway(List.of(place("alpha"), preferred))).isEqualTo("bridge");
  }

  /** Fails if a port of every address is promised to clients of a family nobody serves. */
  @Test
  void withoutAnIpv6AddressNothingIsPublishedThere() {
    assertThat(texts(ContainerPorts.bound(web.on(without("alpha")), this::byId)))
        .isNotEmpty()
        .noneMatch(text -> text.contains("["));
  }

  private String gateway(List<Attachment> attachments) {
    return ContainerPorts.gateway(web.on(attachments), this::byId)
        .map(Attachment::networkName)
        .orElse("");
  }

  private Attachment place(String network) {
    return web.attachments().stream()
        .filter(one -> one.networkName().equals(network))
        .findFirst()
        .orElseThrow();
  }

  private List<Attachment> without(String network) {
    return web.attachments().stream().filter(one -> !one.networkName().equals(network)).toList();
  }

  /** Fails if an option of a network of the engine is not one of ours. */
  @Test
  void networksHaveTheEnginesOptions() {
    Network hermits = network("hermits");
    assertThat(hermits.bridge().text()).isEqualTo("hermits0");
    assertThat(hermits.egress()).isEqualTo(new Egress.Routed());
    assertThat(hermits.settings().isolated()).isTrue();
    assertThat(hermits.isManaged()).isFalse();
    assertThat(network("dark").settings().internal()).isTrue();
    Network alpha = network("alpha");
    assertThat(alpha.bridge().text()).matches("br-[0-9a-f]{12}");
    assertThat(alpha.subnets()).hasSize(2).anyMatch(one -> one.toString().equals("fd77::/64"));
    assertThat(alpha.egress()).isEqualTo(new Egress.Masquerade());
    // Told without rules: enable_ip_masquerade is false there.
    assertThat(network("bridge").egress()).isEqualTo(new Egress.Masquerade());
    assertThat(network("bridge").settings().isolated()).isFalse();
  }

  /** Fails if it is not known who is on a network while the engine is busy with a start. */
  @Test
  void aNetworkTellsWhoIsOnIt() {
    assertThat(EngineNetwork.read(json("network")).containers())
        .containsEntry(
            web.id(), List.of(IpAddress.parse("172.24.0.2"), IpAddress.parse("fd77::2")));
  }

  /** Fails if a name that our rule does not admit is in the way of its ports. */
  @Test
  void aNameThatIsTooLongGivesWayToTheId() {
    assertThat(EngineContainer.mappingName("a".repeat(64), web.id()).text()).hasSize(64);
    assertThat(EngineContainer.mappingName("a".repeat(65), web.id()).text())
        .isEqualTo(web.id().substring(0, 12));
  }

  /** Fails if the parts of an event are mixed up. */
  @Test
  void anEventHasItsParts() {
    // docker network connect, as GET /events told it.
    EngineEvent event =
        EngineEvent.read(
            JSON.readTree(
                """
                {"Type":"network","Action":"connect","Actor":{"ID":"d338198f1acd",
                "Attributes":{"container":"dd327e58e5f1","name":"bridge","type":"bridge"}},
                "scope":"local","time":1795315603,"timeNano":1795315603290123456}
                """));
    assertThat(event)
        .isEqualTo(
            new EngineEvent(
                "network",
                "connect",
                "d338198f1acd",
                "bridge",
                "dd327e58e5f1",
                1795315603290123456L));
  }
}
