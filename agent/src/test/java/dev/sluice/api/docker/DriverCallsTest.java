package dev.sluice.api.docker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.ApiJson;
import dev.sluice.api.FakeAgent;
import dev.sluice.model.Destination;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Network;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.publish.PublishException;
import dev.sluice.testing.Ran;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The calls of a real dockerd 20.10, as they were recorded ({@code docker/remote-driver.jsonl}: a
 * network, a container with {@code -p 8080:80 -p 53/udp}, and both removed), and what they become.
 */
class DriverCallsTest {
  private static final String NETWORK =
      "0cfddf90342262764bec1d8a01f1ee772b0b1cfe0ec386c4c91ce504dc73eb19";
  private static final String ENDPOINT =
      "7a5e3d92983a94c183dd54bf95b1a14b45275f670b935db7c757030ac1a02215";
  private static final String NAME = "docker-0cfddf903422";
  private static final String SANDBOX = "docker-7a5e3d92983a";
  private static final String DONE = "{}";

  private Path state;
  private final FakeAgent agent = new FakeAgent();
  private DriverHandler driver;

  @BeforeEach
  void start(@TempDir Path directory) {
    state = directory;
    driver = started();
  }

  /** What an agent that comes knows: what is in the kernel, and on the disk. */
  private DriverHandler started() {
    DriverCalls calls = new DriverCalls(agent.networks(), agent, new DriverStore(state));
    calls.restore();
    return new DriverHandler(calls);
  }

  // ---- the recording

  private record Recorded(String call, String request) {}

  private static List<Recorded> recording() {
    return Ran.resource("/docker/remote-driver.jsonl")
        .replace("\"my.opt\": \"hello\"", "") // of no driver: refused here
        .lines()
        .map(
            line -> {
              JsonObject one = JsonObject.read(line.getBytes(StandardCharsets.UTF_8));
              String request =
                  line.substring(line.indexOf("\"req\": ") + 7, line.indexOf(", \"resp\": "));
              return new Recorded(one.requiredText("call"), request);
            })
        .toList();
  }

  private String play(Recorded recorded) {
    return call(recorded.call(), recorded.request());
  }

  private String call(String path, String request) {
    byte[] answer =
        ApiJson.bytes(
            json -> {
              json.writeStartObject();
              driver
                  .answer(path, request.getBytes(StandardCharsets.UTF_8))
                  .orElseThrow(() -> new AssertionError("no call " + path))
                  .accept(json);
              json.writeEndObject();
            });
    return new String(answer, StandardCharsets.UTF_8).strip();
  }

  private List<String> published() {
    return agent.published().stream()
        .map(PublishedMapping::mapping)
        .map(Mapping::toString)
        .toList();
  }

  /** Fails if a member of a request is read by another name, or of an answer is written by one. */
  @Test
  void theRecordingIsAnswered() {
    List<String> answers = recording().stream().map(this::play).toList();
    assertThat(answers)
        .startsWith(
            DONE,
            "{\"Interface\":{\"MacAddress\":\"02:73:00:00:00:01\"}}",
            "{\"InterfaceName\":{\"SrcName\":\"sv7a5e3d92983a\",\"DstPrefix\":\"eth\"},"
                + "\"Gateway\":\"10.123.0.1\"}",
            DONE)
        .endsWith(DONE, DONE, DONE, DONE);
    assertThat(answers.get(4))
        .startsWith(
            "{\"Value\":{\"com.docker.network.portmap\":[{\"Proto\":6,\"IP\":\"10.123.0.2\","
                + "\"Port\":80,\"HostIP\":\"0.0.0.0\",\"HostPort\":8080,\"HostPortEnd\":8080},");
    assertThat(agent.networks().topology().networks()).isEmpty();
    assertThat(agent.networks().topology().sandboxes()).isEmpty();
    assertThat(agent.published()).isEmpty();
    assertThat(call("/NetworkDriver.Join", "{}")).contains("Err");
    assertThat(driver.statistics().calls())
        .containsEntry("Join", new DriverStatistics.Calls(2, 1))
        .containsEntry("DeleteNetwork", new DriverStatistics.Calls(1, 0));
  }

  /** Fails if a call does something else, or depends on what an agent remembers of the others. */
  @Test
  void aCallIsAnsweredByWhoeverComesAfterAKilledAgent() {
    for (Recorded recorded : recording()) {
      String answer = play(recorded);
      driver = started();
      // Docker asks again if the agent died before it answered.
      assertThat(play(recorded)).as(recorded.call()).isEqualTo(answer);
      driver = started();
      switch (recorded.call()) {
        case "/NetworkDriver.CreateNetwork" -> {
          Network network = agent.networks().topology().network(NAME).orElseThrow();
          assertThat(network.subnets()).hasToString("[10.123.0.0/24]");
          assertThat(network.settings().made().orElseThrow().by()).isEqualTo(Owner.DOCKER_DRIVER);
        }
        case "/NetworkDriver.CreateEndpoint", "/NetworkDriver.Join" ->
            assertThat(agent.networks().topology().on(NAME))
                .singleElement()
                .hasToString(agent.networks().topology().sandboxes().get(0).toString())
                .extracting(one -> one.name().text())
                .isEqualTo(SANDBOX);
        case "/NetworkDriver.ProgramExternalConnectivity" ->
            assertThat(agent.published())
                .hasSize(2)
                .allMatch(one -> one.mapping().owner() == Owner.DOCKER_DRIVER)
                .allMatch(one -> one.mapping().name().orElseThrow().text().equals(SANDBOX));
        case "/NetworkDriver.RevokeExternalConnectivity" -> assertThat(published()).isEmpty();
        default -> {}
      }
    }
    assertThat(state).isEmptyDirectory();
  }

  /** Fails if what Docker gives back twice, or never had, is a mistake. */
  @Test
  void whatIsGoneCanBeGivenBackAgain() {
    for (Recorded recorded : recording()) {
      if (recorded.call().matches(".*(Revoke|Leave|Delete).*")) {
        assertThat(play(recorded)).as(recorded.call()).isEqualTo(DONE);
      }
    }
  }

  // ---- refusals

  /** Fails if a refusal is not a sentence in Err, or something is left of what was refused. */
  @Test
  void aRefusalIsASentenceForTheUser() {
    recording().subList(0, 3).forEach(this::play);
    agent.failWith(
        () -> new PublishException(PublishException.Kind.CONFLICT, "port 8080/tcp is taken"));
    assertThat(play(recording().get(3))).isEqualTo("{\"Err\":\"port 8080/tcp is taken\"}");
    agent.failWith(() -> new IllegalStateException("a secret of the agent"));
    assertThat(play(recording().get(3)))
        .startsWith("{\"Err\":\"sluice failed to handle the request; its log says why under")
        .doesNotContain("secret");
    assertThat(driver.lastRefusal()).startsWith("sluice failed");
  }

  /** Fails if an option that does nothing is taken without a word, or a wrong value is. */
  @Test
  void whatIsNotKnownIsRefused() {
    assertThat(create("\"sluice.nam\":\"web\""))
        .isEqualTo(
            "{\"Err\":\"the option \\\"sluice.nam\\\" is not known; there are"
                + " com.docker.network.bridge.enable_icc,"
                + " com.docker.network.bridge.enable_ip_masquerade,"
                + " com.docker.network.bridge.name, com.docker.network.driver.mtu,"
                + " sluice.bridge, sluice.name\"}");
    assertThat(create("\"com.docker.network.driver.mtu\":\"big\"")).contains("a number of bytes");
    assertThat(create("\"com.docker.network.driver.mtu\":\"10\""))
        .contains("must be 1280 to 65535");
    assertThat(create("\"com.docker.network.bridge.enable_icc\":\"maybe\""))
        .contains("must be true or false");
    assertThat(call("/NetworkDriver.CreateNetwork", "{")).contains("not valid JSON");
    assertThat(call("/NetworkDriver.CreateNetwork", "[]")).contains("not a JSON object");
    assertThat(call("/NetworkDriver.CreateNetwork", "{\"NetworkID\":\"../x\"}")).contains("Err");
    assertThat(call("/NetworkDriver.CreateNetwork", "{\"NetworkID\":7}"))
        .contains("NetworkID is not a string");
    assertThat(call("/NetworkDriver.Join", ids())).contains("has gone: start the container again");
    assertThat(driver.answer("/NetworkDriver.AllocateNetwork", new byte[0])).isEmpty();
    assertThat(agent.networks().topology().networks()).isEmpty();
    assertThat(state).isEmptyDirectory();
  }

  private static String ids() {
    return "{\"NetworkID\":\"" + NETWORK + "\",\"EndpointID\":\"" + ENDPOINT + "\"}";
  }

  private String create(String options) {
    return create(options, "");
  }

  private String create(String options, String members) {
    return createAs(NETWORK, options, members);
  }

  private String createAs(String id, String options) {
    return createAs(id, options, "");
  }

  private String createAs(String id, String options, String members) {
    return call(
        "/NetworkDriver.CreateNetwork",
        "{\"NetworkID\":\""
            + id
            + "\",\"Options\":{\"com.docker.network.generic\":{"
            + options
            + "}"
            + members
            + "},\"IPv4Data\":[{\"Pool\":\"10.5.0.0/24\",\"Gateway\":\"10.5.0.1/24\"}],"
            + "\"IPv6Data\":[{\"Pool\":\"fd05::/64\",\"Gateway\":\"fd05::1/64\"}]}");
  }

  // ---- options

  /** Fails if an option of docker network create does not count. */
  @Test
  void optionsBecomeTheNetwork() {
    assertThat(
            create(
                "\"sluice.name\":\"web\",\"com.docker.network.bridge.name\":\"brweb\","
                    + "\"com.docker.network.driver.mtu\":\"1400\","
                    + "\"com.docker.network.bridge.enable_icc\":\"false\"",
                ",\"com.docker.network.internal\":true"))
        .isEqualTo(DONE);
    driver = started();
    assertThat(
            call(
                "/NetworkDriver.CreateEndpoint",
                "{\"NetworkID\":\""
                    + NETWORK
                    + "\",\"EndpointID\":\""
                    + ENDPOINT
                    + "\",\"Interface\":{\"Address\":\"10.5.0.7/24\",\"AddressIPv6\":\"fd05::7/64\","
                    + "\"MacAddress\":\"02:42:0a:05:00:07\"}}"))
        .isEqualTo("{\"Interface\":{}}");
    assertThat(call("/NetworkDriver.Join", ids())).contains("\"DisableGatewayService\":true");
    var request = DriverNetworkRequest.read(new DriverStore(state).find(NETWORK).orElseThrow());
    assertThat(request.bridge().orElseThrow().text()).isEqualTo("brweb");
    assertThat(request.mtuBytes()).hasValue(1400);
    assertThat(request.internal()).isTrue();
    assertThat(request.isolated()).isTrue();
    assertThat(call("/NetworkDriver.DeleteNetwork", ids())).isEqualTo(DONE);
    assertThat(agent.networks().topology().networks()).isEmpty();
  }

  /** Fails if the networks do not come back after a restart of the host, which Docker expects. */
  @Test
  void networksAreMadeAgainWhenTheKernelHasForgottenThem() throws IOException {
    assertThat(create("\"sluice.name\":\"web\"")).isEqualTo(DONE);
    agent.networks().remove("web");
    Files.writeString(state.resolve("0123456789ab.json"), "half a doc");
    driver = started();
    assertThat(agent.networks().topology().network("web")).isPresent();
  }

  /** Fails if what Docker gave up, or lost with its state, has its subnet for ever. */
  @Test
  void aNetworkThatDockerHasForgottenMakesRoom() {
    assertThat(create("\"sluice.name\":\"web\"")).isEqualTo(DONE);
    driver = started();
    String other = NETWORK.replace('0', '1');
    assertThat(createAs(other, "")).isEqualTo(DONE);
    assertThat(agent.networks().topology().networks())
        .extracting(Network::name)
        .containsExactly("docker-" + other.substring(0, 12));
    assertThat(new DriverStore(state).all()).containsOnlyKeys(other);
    assertThat(createAs(NETWORK, "\"sluice.name\":\"docker-" + other.substring(0, 12) + "\""))
        .isEqualTo(DONE);
    assertThat(new DriverStore(state).all()).containsOnlyKeys(NETWORK);
  }

  /** Fails if a network goes that somebody is on, or is not Docker's. */
  @Test
  void whatIsInUseIsNotForgotten() {
    assertThat(create("\"sluice.name\":\"web\"")).isEqualTo(DONE);
    String endpoint = ids().replace("}", ",\"Interface\":{\"Address\":\"10.5.0.7/24\"}}");
    assertThat(call("/NetworkDriver.CreateEndpoint", endpoint)).contains("MacAddress");
    createAs(NETWORK.replace('0', '1'), "");
    assertThat(agent.networks().topology().network("web")).isPresent();
    assertThat(new DriverStore(state).find(NETWORK)).isPresent();
  }

  /** Fails if a network is there that is not kept, or kept though it was refused. */
  @Test
  void aNetworkIsKeptIfAndOnlyIfItIsMade() throws IOException {
    assertThat(create("")).isEqualTo(DONE);
    assertThat(
            call(
                "/NetworkDriver.CreateNetwork",
                "{\"NetworkID\":\""
                    + ENDPOINT
                    + "\",\"Options\":{\"com.docker.network.generic\":{\"sluice.name\":\""
                    + NAME
                    + "\"}},\"IPv4Data\":[{\"Pool\":\"10.6.0.0/24\"}]}"))
        .isEqualTo("{\"Err\":\"there is a network " + NAME + " already\"}");
    assertThat(new DriverStore(state).all()).containsOnlyKeys(NETWORK);
    call("/NetworkDriver.DeleteNetwork", ids());
    Files.delete(state);
    Files.createFile(state);
    assertThat(create("")).contains("Err");
    assertThat(agent.networks().topology().networks()).isEmpty();
    Files.delete(state);
    Files.createDirectory(state);
  }

  // ---- ports

  /** Fails if who moves a port from Docker's network to ours is not told what to do. */
  @Test
  void aPortOfTheTakeoverIsSaidToBeOne() {
    recording().subList(0, 3).forEach(this::play);
    agent.publish(
        new PublishRequest(
            List.of(PortSpec.parse("8080:80")),
            Destination.parse(List.of("172.17.0.2")),
            Optional.of(new MappingName("web")),
            Owner.DOCKER,
            MappingOptions.NONE));
    agent.failOnceWith(
        new PublishException(PublishException.Kind.CONFLICT, "port 8080/tcp is taken"));
    assertThat(play(recording().get(3)))
        .startsWith("{\"Err\":\"port 8080/tcp is taken; it is a port that Docker itself has")
        .contains("disconnect it from Docker's network first");
  }

  /** Fails if a range of thousands becomes thousands of mappings, or ports change their places. */
  @Test
  void portsInARowAreARange() {
    StringBuilder bindings = new StringBuilder();
    for (int port = 9005; port >= 9000; port--) {
      bindings.append(binding(6, port, "", port, port)).append(',');
    }
    bindings.append(binding(17, 9006, "", 9006, 9006)).append(',');
    bindings.append(binding(6, 9006, "127.0.0.1", 9006, 9006)).append(',');
    bindings.append(binding(6, 80, "::", 8000, 8010)).append(',');
    bindings.append(binding(6, 81, "", 0, 0));
    List<PortSpec> specs =
        DriverPorts.read(
            JsonObject.read(("{\"p\":[" + bindings + "]}").getBytes(StandardCharsets.UTF_8))
                .objects("p"));
    assertThat(specs)
        .extracting(PortSpec::text)
        .containsExactlyInAnyOrder(
            "9000-9005:9000-9005/tcp",
            "9006:9006/udp",
            "127.0.0.1:9006:9006/tcp",
            "[::]:8000-8010:80/tcp",
            "81/tcp");
  }

  private static String binding(int protocol, int port, String hostIp, int first, int last) {
    return "{\"Proto\":%d,\"IP\":\"\",\"Port\":%d,\"HostIP\":\"%s\",\"HostPort\":%d,\"HostPortEnd\":%d}"
        .formatted(protocol, port, hostIp, first, last);
  }
}
