package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Egress;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Joined;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.Subnet;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.network.NetworkException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** {@code /v1/networks} and {@code /v1/sandboxes} over a real socket. */
class NetworkResourcesTest {
  private static final SandboxName WEB = new SandboxName("web");

  private final FakeAgent agent = new FakeAgent();
  private final Path directory;
  private final ApiServer server;
  private final ApiClient client;

  NetworkResourcesTest(@TempDir Path directory) {
    this.directory = directory;
    server = ApiServer.start(directory.resolve("a.sock"), agent.services(), ApiOptions.DEFAULTS);
    client = ApiClient.to(server.socket());
  }

  @AfterEach
  void stop() {
    client.close();
    server.close();
  }

  private String ask(String method, String path, String body) throws IOException {
    return RawHttp.ask(server.socket(), method, path, body);
  }

  private static String body(String answer) {
    return answer.substring(answer.indexOf("\r\n\r\n") + 4).strip();
  }

  /** Fails if a member of the network's JSON changes its name or its form. */
  @Test
  void a_network_is_made_told_and_removed() throws IOException {
    String json =
        "{\"name\":\"front\",\"driver\":\"bridge\",\"bridge\":\"br9\",\"subnets\":["
            + "{\"subnet\":\"10.9.0.0/24\",\"gateway\":\"10.9.0.254\",\"pool\":\"10.9.0.128/25\"},"
            + "{\"subnet\":\"fd09::/64\",\"gateway\":\"fd09::1\"}],\"mtuBytes\":1400,"
            + "\"egress\":{\"source\":[\"192.0.2.1\"]},\"internal\":false,\"icc\":false,"
            + "\"managed\":true,\"owner\":\"api\",\"createdAt\":\"2026-11-21T09:00:00Z\"}";
    String made =
        ask(
            "POST",
            "/v1/networks",
            "{\"name\":\"front\",\"bridge\":\"br9\",\"subnets\":[{\"subnet\":\"10.9.0.0/24\","
                + "\"gateway\":\"10.9.0.254\",\"pool\":\"10.9.0.128/25\"},"
                + "{\"subnet\":\"fd09::/64\"}],\"mtuBytes\":1400,"
                + "\"egress\":{\"source\":[\"192.0.2.1\"]},\"icc\":false}");
    assertThat(made).startsWith("HTTP/1.1 201 ");
    assertThat(body(made)).isEqualTo(json);
    assertThat(body(ask("GET", "/v1/networks", ""))).isEqualTo("{\"networks\":[" + json + "]}");
    assertThat(body(ask("GET", "/v1/networks/front", "")))
        .isEqualTo(json.substring(0, json.length() - 1) + ",\"endpoints\":[]}");
    String removed = ask("DELETE", "/v1/networks/fro%6et", "");
    assertThat(removed).startsWith("HTTP/1.1 200 ");
    assertThat(body(removed)).isEqualTo(json);
    assertThat(agent.networks().topology().networks()).isEmpty();
  }

  /** Fails if a part of the request or of the network is lost between client and agent. */
  @Test
  void networks_survive_the_way_there_and_back() {
    NetworkRequest everything =
        new NetworkRequest(
            "front",
            Optional.of(new InterfaceName("br9")),
            List.of(
                new Subnet(
                    Prefix.parse("10.9.0.0/24"),
                    Optional.of(IpAddress.parse("10.9.0.254")),
                    Optional.of(Prefix.parse("10.9.0.128/25"))),
                Subnet.of(Prefix.parse("fd09::/64"))),
            true,
            OptionalInt.of(1_400),
            Egress.FixedSource.of(List.of(IpAddress.parse("192.0.2.1"))),
            false,
            true,
            Owner.API);
    Network made = client.create(everything).value();
    assertThat(agent.networks().lastNetwork()).isEqualTo(everything);
    assertThat(made).isEqualTo(agent.networks().topology().network("front").orElseThrow());
    assertThat(client.networks().value()).containsExactly(made);
    assertThat(client.network("front").value()).isEqualTo(made);

    NetworkRequest internal =
        new NetworkRequest(
            "back",
            Optional.empty(),
            List.of(),
            false,
            OptionalInt.empty(),
            new Egress.Masquerade(),
            true,
            false,
            Owner.API);
    assertThat(client.create(internal).value().settings().internal()).isTrue();
    assertThat(agent.networks().lastNetwork()).isEqualTo(internal);
    assertThat(client.removeNetwork("back").value().name()).isEqualTo("back");
  }

  /** Fails if a member of the sandbox's JSON changes its name or its form. */
  @Test
  void a_sandbox_is_made_told_and_removed() throws IOException {
    client.create(NetworkRequest.of("front", Owner.API));
    String json =
        "{\"name\":\"web\",\"namespace\":\"/run/netns/web\",\"namespaceCookie\":4711,"
            + "\"owner\":\"api\",\"createdAt\":\"2026-11-21T09:00:00Z\",\"endpoints\":["
            + "{\"network\":\"front\",\"id\":\"000000000000\",\"interface\":\"eth7\","
            + "\"addresses\":[\"10.9.0.7\"],\"aliases\":[\"www\"]}],\"expose\":[\"81/tcp\"],"
            + "\"link\":[\"db:mydb\"]";
    String mappings =
        ",\"mappings\":[{\"id\":\"a1b2c3d400000001\",\"name\":\"web\",\"owner\":\"api\","
            + "\"protocol\":\"tcp\",\"hostAddress\":\"0.0.0.0\",\"hostPorts\":\"8080\","
            + "\"targetAddress\":\"10.9.0.7\",\"targetPorts\":\"80\",\"sandbox\":\"web\","
            + "\"createdAt\":\"2026-11-21T09:00:00Z\",\"maxConnections\":5,"
            + "\"text\":\"0.0.0.0:8080->80/tcp\"}]";
    String made =
        ask(
            "POST",
            "/v1/sandboxes",
            "{\"name\":\"web\",\"namespace\":\"/run/netns/web\",\"networks\":[{\"network\":"
                + "\"front\",\"addresses\":[\"10.9.0.7\"],\"aliases\":[\"www\"],"
                + "\"interface\":\"eth7\"}],\"publish\":[\"8080:80\"],\"expose\":[\"81\"],"
                + "\"link\":[\"db:mydb\"],\"maxConnections\":5}");
    assertThat(made).startsWith("HTTP/1.1 201 ");
    assertThat(body(made)).isEqualTo(json + mappings + "}");
    assertThat(body(ask("GET", "/v1/sandboxes/web", ""))).isEqualTo(json + mappings + "}");
    assertThat(body(ask("GET", "/v1/sandboxes", ""))).isEqualTo("{\"sandboxes\":[" + json + "}]}");
    assertThat(body(ask("GET", "/v1/networks/front", "")))
        .endsWith(
            "\"endpoints\":[{\"sandbox\":\"web\",\"id\":\"000000000000\",\"interface\":\"eth7\","
                + "\"addresses\":[\"10.9.0.7\"],\"aliases\":[\"www\"]}]}");
    assertThat(body(ask("DELETE", "/v1/sandboxes/web", ""))).isEqualTo(json + "}");
    assertThat(ask("GET", "/v1/sandboxes/web", "")).startsWith("HTTP/1.1 404 ");
  }

  /** Fails if a part of the request or of the sandbox is lost between client and agent. */
  @Test
  void sandboxes_survive_the_way_there_and_back() {
    client.create(NetworkRequest.of("front", Owner.API));
    client.create(NetworkRequest.of("back", Owner.API));
    SandboxRequest everything =
        new SandboxRequest(
            WEB,
            "/proc/42/ns/net",
            List.of(
                new Attachment(
                    "front",
                    List.of(IpAddress.parse("10.9.0.7"), IpAddress.parse("fd09::7")),
                    List.of(new SandboxName("www")),
                    Optional.of(new InterfaceName("eth7"))),
                Attachment.to("back")),
            List.of(ExposeSpec.parse("80-81/udp")),
            List.of(SandboxLink.parse("db:mydb")),
            List.of(PortSpec.parse("8080:80")),
            MappingOptions.NONE.withMaxConnections(OptionalInt.of(5)),
            Owner.API);
    Joined made = client.create(everything).value();
    assertThat(agent.networks().lastSandbox()).isEqualTo(everything);
    assertThat(made.sandbox()).isEqualTo(agent.networks().topology().sandbox(WEB).orElseThrow());
    assertThat(made.published()).isEqualTo(agent.mappings()).hasSize(1);
    assertThat(client.sandbox(WEB).value()).isEqualTo(made);
    assertThat(client.sandboxes().value()).containsExactly(made.sandbox());

    assertThat(client.disconnect(WEB, "back").value()).isEqualTo(made.sandbox().without("back"));
    Sandbox again = client.connect(WEB, Attachment.to("back"), Optional.empty()).value();
    assertThat(again.on("back")).isPresent();
    Sandbox other =
        client
            .connect(new SandboxName("db"), Attachment.to("back"), Optional.of("/run/netns/db"))
            .value();
    assertThat(other.namespace().orElseThrow().path()).isEqualTo("/run/netns/db");
    assertThat(client.removeSandbox(WEB).value()).isEqualTo(again);
  }

  /** Fails if a sandbox without "networks" is on none, or one with an empty array on any. */
  @Test
  void a_sandbox_that_names_no_network_is_on_the_default_one() throws IOException {
    client.create(NetworkRequest.of("default", Owner.API));
    ask("POST", "/v1/sandboxes", "{\"name\":\"web\",\"namespace\":\"/n\"}");
    assertThat(agent.networks().topology().sandbox(WEB).orElseThrow().on("default")).isPresent();
    ask("POST", "/v1/sandboxes", "{\"name\":\"web\",\"namespace\":\"/n\",\"networks\":[]}");
    assertThat(agent.networks().topology().sandbox(WEB).orElseThrow().endpoints()).isEmpty();
  }

  /** Fails if a sandbox's name is no target, or is forgotten by the mapping. */
  @Test
  void ports_are_published_by_name() throws IOException {
    client.create(NetworkRequest.of("front", Owner.API));
    client.connect(WEB, Attachment.to("front"), Optional.of("/run/netns/web"));
    String answer = ask("POST", "/v1/mappings", "{\"ports\":[\"8080:80\"],\"target\":\"web\"}");
    assertThat(body(answer)).contains("\"targetAddress\":\"10.9.0.2\"", "\"sandbox\":\"web\"");
    assertThat(client.published().value().get(0).mapping().sandbox()).contains(WEB);
    ask("PATCH", "/v1/mappings/a1b2c3d400000001", "{\"target\":\"web\"}");
    assertThat(agent.lastUpdate()).isEqualTo(UpdateRequest.of("a1b2c3d400000001").to(WEB));
  }

  /** Fails if a body that is not understood wholly is carried out in part. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          networks  | {}                                  | "name" is missing
          networks  | {"name":"../x"}                     | network name "../x" must begin with
          networks  | {"name":"x","driver":"overlay"}     | unknown member "driver" at line 1
          networks  | {"name":"x","bridge":"a-name-too-long-1"} | is longer than 15 bytes
          networks  | {"name":"x","subnets":["10.0.0.0/8"]} | an entry of "subnets" must be an object
          networks  | {"name":"x","subnets":[{}]}         | an entry of "subnets" has no "subnet"
          networks  | {"name":"x","subnets":[{"subnet":"10.0.0.1/8"}]} | has bits set behind its length
          networks  | {"name":"x","subnets":[{"subnet":"10.0.0.0/31"}]} | has no room
          networks  | {"name":"x","subnets":[{"subnet":"10.0.0.0/8"},{"subnet":"11.0.0.0/8"}]} | has two IPv4 subnets
          networks  | {"name":"x","subnets":[{"subnet":"10.9.0.0/24","gateway":"10.8.0.1"}]} | is not in the subnet
          networks  | {"name":"x","subnets":[{"subnet":"10.9.0.0/24","range":"10.9.0.0/25"}]} | unknown member "range"
          networks  | {"name":"x","mtuBytes":20}          | must be 68 to 65535 bytes, not 20
          networks  | {"name":"x","egress":"nat"}         | egress "nat" is neither masquerade nor routed
          networks  | {"name":"x","egress":{}}            | "egress" has no "source"
          networks  | {"name":"x","egress":{"source":[]}} | needs an address
          networks  | {"name":"x","egress":{"source":["1.2.3.4","1.2.3.5"]}} | at most one IPv4 address
          networks  | {"name":"x","egress":{"to":[]}}     | unknown member "to"
          networks  | {"name":"x","egress":"routed","internal":true} | is internal
          networks  | {"name":"x","egress":"routed","icc":false} | cannot be both routed and isolated
          networks  | {"name":"x"} {}                     | something follows the JSON object
          sandboxes | {"namespace":"/run/netns/web"}      | "name" is missing
          sandboxes | {"name":"web"}                      | "namespace" is missing
          sandboxes | {"name":"web","namespace":"web"}    | absolute path
          sandboxes | {"name":"../web","namespace":"/n"}  | sandbox name "../web" must begin with
          sandboxes | {"name":"web","namespace":"/n","networks":["front"]} | an entry of "networks" must be an object
          sandboxes | {"name":"web","namespace":"/n","networks":[{}]} | has no "network"
          sandboxes | {"name":"web","namespace":"/n","networks":[{"network":"a/b"}]} | network name "a/b" may hold only
          sandboxes | {"name":"web","namespace":"/n","networks":[{"network":"a"},{"network":"a"}]} | the network a twice
          sandboxes | {"name":"web","namespace":"/n","networks":[{"network":"a","mac":"x"}]} | unknown member "mac"
          sandboxes | {"name":"web","namespace":"/n","networks":[],"publish":["80"]} | has no network
          sandboxes | {"name":"web","namespace":"/n","expose":["80/icmp"]} | none of tcp, udp, sctp
          sandboxes | {"name":"web","namespace":"/n","link":["a:b:c"]} | may hold only
          sandboxes | {"name":"web","namespace":"/n","ports":["80"]} | unknown member "ports"
          networks/front/endpoints | {}                   | "sandbox" is missing
          networks/front/endpoints | {"sandbox":"web","interface":"a b"} | may not hold
          networks/front/endpoints | {"sandbox":"web","addresses":["10.0.0.1","10.0.0.2"]} | are both IPv4 addresses
          networks/front/endpoints | {"sandbox":"web","network":"x"} | unknown member "network"
          networks/..%2fetc/endpoints | {"sandbox":"web"} | network name "../etc" must begin with
          """)
  void refuses_a_broken_body(String path, String body, String detail) throws IOException {
    String answer = ask("POST", "/v1/" + path, body);
    assertThat(answer).startsWith("HTTP/1.1 400 ").contains("application/problem+json");
    assertThat(answer.replace("\\\"", "\"")).contains(detail).doesNotContain("Exception");
    assertThat(agent.networks().topology().networks()).isEmpty();
    assertThat(agent.networks().topology().sandboxes()).isEmpty();
  }

  /** Fails if a path, method or parameter that means nothing is not refused. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          GET    | /v1/networks/front             | 404 | there is no network front
          DELETE | /v1/networks/front             | 404 | there is no network front
          GET    | /v1/networks/..%2f..%2fetc     | 400 | must begin with
          GET    | /v1/networks/%zz               | 400 | percent-encoded
          GET    | /v1/networks/                  | 404 | there is nothing at
          GET    | /v1/networks//endpoints        | 404 | there is nothing at
          GET    | /v1/networks/front/endpoints   | 405 | only POST, OPTIONS
          DELETE | /v1/networks/front/endpoints/web | 404 | there is no sandbox web
          DELETE | /v1/networks/front/endpoints/-x | 400 | must begin with
          DELETE | /v1/networks/front/endpoints/  | 404 | there is nothing at
          GET    | /v1/networks?all=1             | 400 | unknown parameter
          PUT    | /v1/networks/front             | 405 | only DELETE, GET, OPTIONS
          GET    | /v1/sandboxes/web              | 404 | there is no sandbox web
          GET    | /v1/sandboxes/%2e%2e           | 400 | must begin with
          GET    | /v1/sandboxes/web/endpoints    | 404 | there is nothing at
          """)
  void refuses_what_it_does_not_offer(String method, String path, int status, String text)
      throws IOException {
    assertThat(ask(method, path, "")).startsWith("HTTP/1.1 " + status + " ").contains(text);
  }

  /** Fails if a refusal of a network is answered as something else. */
  @ParameterizedTest
  @EnumSource(NetworkException.Kind.class)
  void refusals_have_their_status(NetworkException.Kind kind) {
    client.create(NetworkRequest.of("front", Owner.API));
    agent.failWith(() -> new NetworkException(kind, "no"));
    SandboxRequest request =
        new SandboxRequest(
            WEB,
            "/n",
            List.of(Attachment.to("front")),
            List.of(),
            List.of(),
            List.of(PortSpec.parse("80")),
            MappingOptions.NONE,
            Owner.API);
    Problem.Kind expected =
        switch (kind) {
          case INVALID -> Problem.Kind.INVALID;
          case CONFLICT -> Problem.Kind.CONFLICT;
          case NOT_FOUND -> Problem.Kind.NOT_FOUND;
          case UNAVAILABLE, UNCERTAIN -> Problem.Kind.UNAVAILABLE;
        };
    assertThatThrownBy(() -> client.create(request))
        .isInstanceOfSatisfying(
            ProblemException.class,
            e -> assertThat(e.problem()).isEqualTo(Problem.of(expected, "no")));
  }

  /** Fails if the socket for consumers of events shows or changes networks. */
  @Test
  void the_socket_for_events_has_none_of_it() throws IOException {
    try (ApiServer events =
        ApiServer.startForEvents(
            directory.resolve("e.sock"), agent.services(), ApiOptions.FOR_EVENTS)) {
      for (String path : List.of("/v1/networks", "/v1/networks/x", "/v1/sandboxes")) {
        assertThat(RawHttp.ask(events.socket(), "GET", path, "")).startsWith("HTTP/1.1 403 ");
      }
    }
  }
}
