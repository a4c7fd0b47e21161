package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.flow.FlowFilter;
import dev.sluice.model.Activity;
import dev.sluice.model.Declaration;
import dev.sluice.model.DrainTime;
import dev.sluice.model.Egress;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.Owner;
import dev.sluice.model.PathQuestion;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SourceRate;
import dev.sluice.model.Subnet;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import dev.sluice.publish.PublishException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The server over a real socket, with our client where it is well-behaved and raw bytes else. */
class ApiServerTest {
  private static final ApiOptions QUICK =
      new ApiOptions("no-such-group", 8, 4, 2, 8 * 1024 * 1024, 400, 400);

  @TempDir private Path directory;

  private final FakeAgent agent = new FakeAgent();
  private ApiServer server;
  private ApiClient client;
  private Path socket;

  @BeforeEach
  void start() {
    serve(new ApiOptions("no-such-group", 256, 64, 32, 8 * 1024 * 1024, 30_000, 30_000));
  }

  @AfterEach
  void stop() {
    client.close();
    server.close();
  }

  private void serve(ApiOptions options) {
    if (server != null) {
      stop();
    }
    server = ApiServer.start(directory.resolve("run/a.sock"), agent.services(), options);
    socket = server.socket();
    client = ApiClient.to(socket);
  }

  // Endpoints

  /** Fails if a member of the mapping's JSON changes its name or its form. */
  @Test
  void publishes_and_answers_with_the_mappings() throws IOException {
    String answer =
        RawHttp.ask(
            socket,
            "POST",
            "/v1/mappings",
            "{\"ports\":[\"8080:80\",\"127.0.0.1:5353:53/udp\"],\"target\":\"172.30.0.2\","
                + "\"name\":\"web\"}");

    assertThat(answer).startsWith("HTTP/1.1 201 ").contains("Content-Type: application/json");
    assertThat(body(answer))
        .isEqualTo(
            "{\"mappings\":["
                + "{\"id\":\"a1b2c3d400000001\",\"name\":\"web\",\"owner\":\"api\","
                + "\"protocol\":\"tcp\",\"hostAddress\":\"0.0.0.0\",\"hostPorts\":\"8080\","
                + "\"targetAddress\":\"172.30.0.2\",\"targetPorts\":\"80\","
                + "\"createdAt\":\"2026-11-21T09:00:00Z\",\"text\":\"0.0.0.0:8080->80/tcp\"},"
                + "{\"id\":\"a1b2c3d400000002\",\"name\":\"web\",\"owner\":\"api\","
                + "\"protocol\":\"udp\",\"hostAddress\":\"127.0.0.1\",\"hostPorts\":\"5353\","
                + "\"targetAddress\":\"172.30.0.2\",\"targetPorts\":\"53\","
                + "\"createdAt\":\"2026-11-21T09:00:00Z\",\"text\":\"127.0.0.1:5353->53/udp\"}]}");
    assertThat(agent.mappings()).hasSize(2);
  }

  /** Fails if the owner is not taken from the client's header. */
  @Test
  void a_mapping_of_the_command_line_belongs_to_it() {
    try (ApiClient cli = new ApiClient(socket, "cli", Duration.ofSeconds(5))) {
      cli.publish(List.of("8080:80"), "172.30.0.2", Optional.empty());
    }
    client.publish(List.of("8081:80"), "172.30.0.2", Optional.empty());

    assertThat(agent.mappings()).extracting(m -> m.owner()).containsExactly(Owner.CLI, Owner.API);
  }

  /** Fails if a member is lost on the way to the client, or the connections are not counted. */
  @Test
  void lists_what_is_published_with_its_connections() {
    agent.publish("8080-8089:80-89", "172.30.0.2", "web");
    agent.publish("[::1]:53:53/udp", "fd00::2", null);

    List<PublishedMapping> listed = client.published().value();

    assertThat(listed).isEqualTo(agent.published());
    assertThat(listed.get(0).counters().connections()).isEqualTo(7);
  }

  /** Fails if a part of the declaration is lost on the way, or of what was done on the way back. */
  @Test
  void declares_everything_permanent_at_once() throws IOException {
    PublishRequest web =
        new PublishRequest(
            List.of(PortSpec.parse("8080:80")),
            List.of(IpAddress.parse("172.30.0.2"), IpAddress.parse("fd00::2")),
            Optional.of(new MappingName("web")),
            Owner.FILE,
            MappingOptions.NONE.withMaxConnections(OptionalInt.of(5)));
    Declaration declaration =
        new Declaration(
            List.of(web),
            List.of(new InterfaceName("br0")),
            List.of(
                new NetworkRequest(
                    "blue",
                    Optional.of(new InterfaceName("blue0")),
                    List.of(
                        new Subnet(
                            Prefix.parse("10.1.0.0/24"),
                            Optional.of(IpAddress.parse("10.1.0.9")),
                            Optional.of(Prefix.parse("10.1.0.128/25")))),
                    true,
                    OptionalInt.of(1400),
                    new Egress.FixedSource(List.of(IpAddress.parse("192.0.2.1"))),
                    false,
                    true,
                    Owner.FILE)),
            List.of(
                new SandboxRequest(
                    new SandboxName("web"),
                    "/run/netns/web",
                    List.of(
                        new SandboxRequest.Attachment(
                            "blue",
                            List.of(IpAddress.parse("10.1.0.130")),
                            List.of(new SandboxName("www")),
                            Optional.of(new InterfaceName("lan0")))),
                    List.of(ExposeSpec.parse("80")),
                    List.of(SandboxLink.parse("db:store")),
                    List.of(),
                    MappingOptions.NONE,
                    Owner.FILE)));

    var outcome = client.apply(declaration, false).value();

    assertThat(agent.lastDeclaration()).isEqualTo(declaration);
    assertThat(outcome)
        .isEqualTo(new Declarations.Outcome(List.of(), agent.mappings(), List.of(), 3));
    List<Mapping> before = agent.mappings();
    assertThat(client.apply(new Declaration(List.of(), List.of()), false).value())
        .isEqualTo(new Declarations.Outcome(List.of(), List.of(), before, 3));
    assertThat(RawHttp.ask(socket, "PUT", "/v1/declared", "{\"ports\":[]}"))
        .endsWith(
            "{\"changes\":[],\"published\":[],\"withdrawn\":[],\"unchanged\":3}\n\r\n0\r\n\r\n");
  }

  /** Fails if one of these is passed over: it would take back everything, or publish half. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{} | \"ports\" is missing; an empty array publishes nothing",
        "[] | the body must be a JSON object such as {",
        "{\"ports\":{}} | \"ports\" must be an array of objects, as in {",
        "{\"ports\":[\"80\"]} | an entry of \"ports\" must be an object at line 1, column 11",
        "{\"ports\":[{\"ports\":[\"80\"]}]} | \"target\" is missing",
        "{\"ports\":[{\"port\":1}]} | unknown member \"port\" at line 1, column 12",
        "{\"ports\":[],\"nets\":[]} | unknown member \"nets\" at line 1, column 13",
        "{\"ports\":[],\"networks\":[1]} | an entry of \"networks\" must be a string or an object",
        "{\"ports\":[],\"networks\":\"br0\"} | \"networks\" must be an array such as [",
        "{\"ports\":[],\"networks\":[{\"mtu\":1}]} | unknown member \"mtu\"",
        "{\"ports\":[],\"sandboxes\":[\"web\"]} | an entry of \"sandboxes\" must be an object",
        "{\"ports\":[],\"sandboxes\":[{\"name\":\"web\",\"namespace\":\"/n\",\"publish\":[\"80\"]}]} | the sandbox web publishes ports itself",
      })
  void a_declaration_with_a_mistake_is_refused(String body, String detail) throws IOException {
    assertThat(RawHttp.ask(socket, "PUT", "/v1/declared", body))
        .startsWith("HTTP/1.1 400 ")
        .contains(detail.replace("\"", "\\\""));
    assertThat(agent.lastDeclaration()).isNull();
  }

  /** Fails if a path segment is not decoded. */
  @Test
  void finds_and_takes_back_by_name_or_id() {
    agent.publish("8080:80", "172.30.0.2", "web");
    agent.publish("8081:81", "172.30.0.2", "other");

    assertThat(client.find("web").value()).hasSize(1);
    assertThat(client.find("a1b2c3d400000002").value()).hasSize(1);
    assertThat(client.unpublish("web").value())
        .extracting(p -> p.mapping().label())
        .containsExactly("web");
    assertThat(agent.mappings()).hasSize(1);
    assertThatThrownBy(() -> client.unpublish("no such/thing?"))
        .hasMessage("nothing is published as \"no such/thing?\"; see \"sluice ps\"");
  }

  private static final UpdateRequest EVERYTHING =
      new UpdateRequest(
          "we_b_1",
          Optional.of(new MappingName("shop")),
          List.of(IpAddress.parse("172.30.0.3"), IpAddress.parse("fd00::3")),
          OptionsChange.NONE
              .withAllowedSources(List.of(Prefix.parse("10.0.0.0/8"), Prefix.parse("11.0.0.0/8")))
              .withMaxConnections(OptionalInt.of(100))
              .withSourceRate(Optional.of(SourceRate.parse("20/second"))),
          List.of(PortSpec.parse("8443:443"), PortSpec.parse("[::1]:53:53/udp")),
          List.of(PortSpec.parse("80")),
          true);

  /** Fails if a member of an update is lost on its way, or one that is not said is sent. */
  @Test
  void passes_updates_on() {
    agent.publish("8080:80", "172.30.0.2", "we_b_1");
    client.update(EVERYTHING);
    assertThat(agent.lastUpdate()).isEqualTo(EVERYTHING);

    UpdateRequest lifting =
        UpdateRequest.of("shop")
            .withOptions(
                OptionsChange.NONE
                    .withAllowedSources(List.of())
                    .withMaxConnections(OptionalInt.empty())
                    .withSourceRate(Optional.empty())
                    .withSynProxy(false));
    client.update(lifting);
    assertThat(agent.lastUpdate()).isEqualTo(lifting);

    UpdateRequest target = UpdateRequest.of("shop").to(IpAddress.parse("172.30.0.3"));
    client.update(target);
    assertThat(agent.lastUpdate()).isEqualTo(target);
  }

  /** Fails if options are left out of the answer, or have other names there. */
  @Test
  void an_update_answers_with_the_mappings() throws IOException {
    agent.publish("8080:80", "172.30.0.2", "web");
    String answer =
        RawHttp.ask(
            socket,
            "PATCH",
            "/v1/mappings/web",
            "{\"allowedSources\":[\"10.0.0.0/8\",\"10.1.0.0/16\",\"192.0.2.1\"],"
                + "\"maxConnections\":7,\"sourceRate\":\"20/second\",\"synProxy\":true}");
    assertThat(answer).startsWith("HTTP/1.1 200 ");
    assertThat(body(answer))
        .contains("\"allowedSources\":[\"10.0.0.0/8\",\"192.0.2.1/32\"]")
        .contains("\"maxConnections\":7")
        .contains("\"sourceRate\":\"20/second\"")
        .contains("\"synProxy\":true");
    assertThat(client.find("web").value().get(0).mapping().options())
        .isEqualTo(agent.mappings().get(0).options());
    assertThat(
            body(
                RawHttp.ask(
                    socket,
                    "PATCH",
                    "/v1/mappings/web",
                    "{\"allowedSources\":null,\"maxConnections\":null,\"sourceRate\":null,"
                        + "\"synProxy\":false}")))
        .doesNotContain("allowedSources", "maxConnections", "sourceRate", "synProxy");
  }

  /** Fails if an update that is not understood wholly is carried out in part. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {}                               | nothing is to be changed; give a member such as
          {"cut":true}                     | nothing is to be changed; give a member such as
          {"target":"10.0.0.1","targets":["10.0.0.1"]} | "target" and "targets" are two ways to say it
          []                               | the body must be a JSON object
          {"nam":"x"}                      | unknown member "nam" at line 1, column 2
          {"name":""}                      | the name is empty
          {"name":null}                    | "name" must be a string
          {"target":"10.0.0.300"}          | 10.0.0.300
          {"target":"-web"}                | sandbox name "-web" must begin with
          {"targets":["web","web"]}        | web is named twice
          {"targets":["10.0.0.1","10.0.0.2=99"]} | "10.0.0.2=99" has no weight from 1 to 60 behind the =
          {"target":"web","balance":"fast"} | "fast" is no way to share out connections
          {"target":"web","addTargets":["db"]} | either replaced or added and removed one by one
          {"proxyProtocolPort":70000}      | the port for the PROXY protocol must be 1 to 65535
          {"allowedSources":"10.0.0.0/8"}  | "allowedSources" must be an array of strings
          {"allowedSources":["10.0.0.1/8"]} | 10.0.0.1/8 has bits set behind its length
          {"allowedSources":[8]}           | an entry of "allowedSources" must be a string
          {"maxConnections":"7"}           | "maxConnections" must be a whole number
          {"maxConnections":7.5}           | "maxConnections" must be a whole number
          {"maxConnections":0}             | the limit of connections must be 1 to 10000000, not 0
          {"maxConnections":99999999999}   | the body is not valid JSON
          {"sourceRate":20}                | "sourceRate" must be a string
          {"sourceRate":"20/day"}          | "20/day" is not a rate
          {"synProxy":"yes"}               | "synProxy" must be true or false
          {"add":["99999:80"]}             | port "99999" is not in 1–65535
          {"add":"8080:80"}                | "add" must be an array of strings
          {"remove":[""]}                  | port
          {"cut":"yes"}                    | "cut" must be true or false
          {"name":"x"} {}                  | something follows the JSON object
          """)
  void refuses_a_broken_update(String body, String detail) throws IOException {
    agent.publish("8080:80", "172.30.0.2", "web");
    String answer = RawHttp.ask(socket, "PATCH", "/v1/mappings/web", body);
    assertThat(answer).startsWith("HTTP/1.1 400 ").contains("application/problem+json");
    assertThat(answer.replace("\\\"", "\"")).contains(detail).doesNotContain("Exception");
    assertThat(agent.mappings().get(0).options().isNone()).isTrue();
  }

  /** Fails if a time to drain is not passed on, or its absence drains. */
  @Test
  void drains_if_asked_to() throws IOException {
    for (String port : List.of("1:1", "2:2", "3:3", "4:4")) {
      agent.publish(port, "172.30.0.2", "web" + port.charAt(0));
    }
    client.unpublish("web1");
    assertThat(agent.lastDrain()).isNull();
    assertThat(client.drain("web2", DrainTime.FOREVER).value()).hasSize(1);
    assertThat(agent.lastDrain()).isEqualTo(DrainTime.FOREVER);
    assertThat(RawHttp.ask(socket, "DELETE", "/v1/mappings/web3?drain=30s", ""))
        .startsWith("HTTP/1.1 200 ");
    assertThat(agent.lastDrain()).isEqualTo(DrainTime.parse("30s"));
    for (String query : List.of("drain=", "drain=soon", "drain=0s", "drain=1s&drain=2s", "cut=1")) {
      assertThat(RawHttp.ask(socket, "DELETE", "/v1/mappings/web4?" + query, ""))
          .as(query)
          .startsWith("HTTP/1.1 400 ");
    }
    assertThat(agent.mappings()).hasSize(1);
  }

  /** Fails if a publish body drops what it says beside ports, target and name. */
  @Test
  void publishes_with_options_to_both_families() {
    PublishRequest request =
        new PublishRequest(
            List.of(PortSpec.parse("8080:80")),
            List.of(IpAddress.parse("172.30.0.2"), IpAddress.parse("fd00::2")),
            Optional.of(new MappingName("web")),
            Owner.API,
            new MappingOptions(
                List.of(Prefix.parse("10.0.0.0/8"), Prefix.parse("fd00::/8")),
                OptionalInt.of(7),
                Optional.of(SourceRate.parse("20/second"))));
    assertThat(PublishBody.read(PublishBody.write(request), Owner.API)).isEqualTo(request);
    PublishRequest plain =
        new PublishRequest(
            request.ports(), IpAddress.parse("fd00::2"), Optional.empty(), Owner.CLI);
    assertThat(PublishBody.read(PublishBody.write(plain), Owner.CLI)).isEqualTo(plain);
    assertThat(UpdateBody.read(UpdateBody.write(EVERYTHING), "we_b_1")).isEqualTo(EVERYTHING);
  }

  /** Fails if a flow's line differs from the schema of docs/events.md. */
  @Test
  void lists_flows_one_a_line() throws IOException {
    agent.addFlow(Optional.of(agent.publish("8080:80", "172.30.0.2", "web")));
    agent.addFlow(Optional.empty());

    List<String> lines = new ArrayList<>();
    client.flows(FlowFilter.ALL, lines::add);

    String withoutMapping =
        "{\"id\":3170302521,\"family\":\"ipv4\",\"proto\":\"tcp\","
            + "\"original\":{\"src\":\"198.18.0.2\",\"sport\":40112,\"dst\":\"198.18.0.1\","
            + "\"dport\":8080,\"packets\":5,\"bytes\":420},"
            + "\"reply\":{\"src\":\"172.30.0.2\",\"sport\":80,\"dst\":\"198.18.0.2\","
            + "\"dport\":40112,\"packets\":4,\"bytes\":1337},"
            + "\"status\":[\"seen_reply\",\"assured\",\"dnat\"],\"tcpState\":\"established\","
            + "\"timeoutSeconds\":120,\"mark\":0,\"zone\":0,"
            + "\"start\":\"2026-11-21T09:00:01.123456789Z\"";
    assertThat(lines)
        .containsExactly(withoutMapping + ",\"mapping\":\"web\"}", withoutMapping + "}");
  }

  /** Fails if a filter's parameter is dropped or confused with another. */
  @Test
  void passes_filters_on() {
    FlowFilter filter =
        new FlowFilter(
            Optional.of("we b&"),
            Optional.of(Protocol.UDP),
            Optional.of(IpAddress.parse("fd00::2")),
            true);

    client.flows(filter, line -> true);
    assertThat(agent.lastFilter()).isEqualTo(filter);

    client.flows(FlowFilter.ALL, line -> true);
    assertThat(agent.lastFilter()).isEqualTo(FlowFilter.ALL);
  }

  /** Fails if a part of a way is lost on the way, or a parameter of the question. */
  @Test
  void explains_what_becomes_of_a_packet() throws IOException {
    PathQuestion question =
        new PathQuestion(
            53, Protocol.UDP, Optional.of("web one"), Optional.of(IpAddress.parse("::1")));
    assertThat(client.explain(question).value()).isEqualTo(FakeAgent.PATHS);
    assertThat(agent.lastQuestion()).isEqualTo(question);
    for (String query :
        List.of("", "?port=0", "?port=x", "?port=1&protocol=icmp", "?port=1&to=a")) {
      assertThat(RawHttp.ask(socket, "GET", "/v1/explain" + query, ""))
          .as(query)
          .startsWith("HTTP/1.1 400");
    }
  }

  /**
   * Fails if the text is not sent as it is: in another encoding, without its empty lines, as JSON.
   */
  @Test
  void prints_what_is_programmed() throws IOException {
    assertThat(client.ruleset().value()).isEqualTo(FakeAgent.RULES);
    assertThat(client.ruleset().json())
        .isEqualTo("{\"ruleset\":\"table inet sluice {\\n\\n\\tchain \u00e9 {\\n\\t}\\n}\\n\"}");
    assertThat(RawHttp.ask(socket, "GET", "/v1/ruleset", ""))
        .containsIgnoringCase("content-type: text/plain; charset=utf-8");
  }

  /** Fails if the page's media type or the client's wish for one is lost on the way. */
  @Test
  void metricsAreInTheFormatOfThePage() throws IOException {
    assertThat(RawHttp.ask(socket, "GET", "/metrics", ""))
        .startsWith("HTTP/1.1 200 ")
        .contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n")
        .contains("accept nothing\n");
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: a/b\r\n\r\n");
      assertThat(http.readToEnd()).contains("accept a/b\n");
    }
    assertThat(RawHttp.ask(socket, "POST", "/metrics", "{}")).startsWith("HTTP/1.1 405 ");
  }

  /** Fails if an absent remedy is written, or a severity is not read back. */
  @Test
  void tells_facts_findings_and_health() throws IOException {
    assertThat(client.facts().value())
        .containsExactly(
            java.util.Map.entry("version", "9.8.7"), java.util.Map.entry("kernel", "6.18.0"));
    assertThat(client.findings().value()).isEqualTo(agent.findings());
    assertThat(client.findings().json()).containsOnlyOnce("\"remedy\"");
    assertThat(body(RawHttp.ask(socket, "GET", "/healthz", ""))).isEqualTo("{\"status\":\"ok\"}");
  }

  /** Fails if the client opens a connection per request: 100 requests through a limit of 4. */
  @Test
  void one_connection_serves_many_requests() {
    serve(QUICK);
    for (int i = 0; i < 100; i++) {
      client.published();
    }
  }

  /** Fails if the client does not notice that the server closed its idle connection. */
  @Test
  void the_client_reconnects_after_the_server_closed_an_idle_connection() throws Exception {
    serve(QUICK);
    client.published();
    Thread.sleep(800);
    client.publish(List.of("8080:80"), "172.30.0.2", Optional.empty());
    assertThat(agent.mappings()).hasSize(1);
  }

  // Refusals

  /** Fails if a kind of refusal gets another status. */
  @ParameterizedTest
  @EnumSource(PublishException.Kind.class)
  void refusals_of_the_publisher_have_their_status(PublishException.Kind kind) throws IOException {
    agent.failWith(() -> new PublishException(kind, "because of \"reasons\""));

    String answer =
        RawHttp.ask(
            socket, "POST", "/v1/mappings", "{\"ports\":[\"1:1\"],\"target\":\"10.0.0.1\"}");

    int status =
        switch (kind) {
          case INVALID -> 400;
          case CONFLICT -> 409;
          case NOT_FOUND -> 404;
          case UNAVAILABLE -> 503;
        };
    assertThat(answer)
        .startsWith("HTTP/1.1 " + status + " ")
        .contains("Content-Type: application/problem+json")
        .contains("\"status\":" + status)
        .contains("\"detail\":\"because of \\\"reasons\\\"\"")
        .contains("\"type\":\"urn:sluice:problem:")
        .contains("\"title\":\"");
  }

  /** Fails if the input or the column of a mistake is lost. */
  @Test
  void a_malformed_value_is_answered_with_its_input_and_column() {
    assertThatThrownBy(
            () -> client.publish(List.of("8080:80", "8081:99999"), "172.30.0.2", Optional.empty()))
        .isInstanceOfSatisfying(
            ProblemException.class,
            e -> {
              assertThat(e.problem().kind()).isEqualTo(Problem.Kind.MALFORMED_VALUE);
              assertThat(e.problem().input()).contains("8081:99999");
              assertThat(e.problem().column()).hasValue(5);
              assertThat(e.problem().detail()).isEqualTo("port \"99999\" is not in 1–65535");
            });
    assertThat(agent.mappings()).isEmpty();
  }

  /** Fails if a body that is not what it should be is let through, or not named. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {}                                                | "ports" is missing or empty
          []                                                | the body must be a JSON object
          {"ports":[],"target":"10.0.0.1"}                  | "ports" is missing or empty
          {"ports":["1:1"]}                                 | "target" is missing
          {"ports":"1:1","target":"10.0.0.1"}               | "ports" must be an array of strings
          {"ports":[1],"target":"10.0.0.1"}                 | an entry of "ports" must be a string
          {"ports":["1:1"],"target":null}                   | "target" must be a string
          {"ports":["1:1"],"traget":"10.0.0.1"}             | unknown member "traget" at line 1, column 18
          {"ports":["1:1"],"target":"10.0.0.1","name":""}   | the name is empty
          {"ports":["1:1"],"target":"10.0.0.1"              | the body is not valid JSON
          {"ports":["1:1"],"target":"10.0.0.1"} {}          | something follows the JSON object
          {"ports":["1:1"],"ports":["2:2"],"target":"1.2.3.4"} | Duplicate Object property "ports"
          nonsense                                          | the body is not valid JSON
          {"ports":["1:1"],"target":"10.0.0.300"}           | 10.0.0.300
          {"ports":["1:1"],"target":"exämple"}              | may hold only letters
          {"ports":["1:1"],"target":"0.0.0.0"}              | 0.0.0.0
          """)
  void refuses_a_broken_body(String body, String detail) throws IOException {
    String answer = RawHttp.ask(socket, "POST", "/v1/mappings", body);

    assertThat(answer).startsWith("HTTP/1.1 400 ").contains("application/problem+json");
    assertThat(answer.replace("\\\"", "\"")).contains(detail).doesNotContain("Exception");
    assertThat(agent.mappings()).isEmpty();
  }

  /** Fails if the limit of nesting is raised. */
  @Test
  void refuses_deep_nesting() throws IOException {
    String deep = "[".repeat(33) + "]".repeat(33);
    String answer = RawHttp.ask(socket, "POST", "/v1/mappings", "{\"ports\":" + deep + "}");
    assertThat(answer).startsWith("HTTP/1.1 400 ").contains("nesting depth");
  }

  /** Fails if the limit of the body is not checked before the body is read. */
  @Test
  void refuses_a_body_of_nine_mebibytes() throws IOException {
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send(
          "POST /v1/mappings HTTP/1.1\r\nHost: x\r\nContent-Length: "
              + 9 * 1024 * 1024
              + "\r\n\r\n");
      assertThat(http.readToEnd())
          .startsWith("HTTP/1.1 413 ")
          .contains("Connection: close")
          .contains("larger than 8388608 bytes");
    }
  }

  /** Fails if only announced lengths are limited. */
  @Test
  void refuses_a_chunked_body_of_nine_mebibytes() throws IOException {
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send("POST /v1/mappings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
      String chunk = "100000\r\n" + " ".repeat(1024 * 1024) + "\r\n";
      CompletableFuture<String> answer =
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  return http.readToEnd();
                } catch (IOException e) {
                  throw new java.io.UncheckedIOException(e);
                }
              });
      try {
        for (int i = 0; i < 9; i++) {
          http.send(chunk);
        }
      } catch (IOException e) {
        assertThat(e).hasMessageContaining("Broken pipe");
      }
      assertThat(answer.join()).startsWith("HTTP/1.1 413 ");
    }
  }

  /** Fails if our own client hides an early refusal behind its broken pipe. */
  @Test
  void the_client_reads_an_early_refusal() {
    List<String> ports = new ArrayList<>();
    for (int i = 0; i < 900_000; i++) {
      ports.add("8080:80/tcp");
    }
    assertThatThrownBy(() -> client.publish(ports, "172.30.0.2", Optional.empty()))
        .isInstanceOfSatisfying(
            ProblemException.class,
            e -> assertThat(e.problem().kind()).isEqualTo(Problem.Kind.TOO_LARGE));
    assertThat(client.published().value()).isEmpty();
  }

  /** Fails if 65,536 entries are too many, or 65,537 are not. */
  @Test
  void takes_as_many_ports_as_there_are() {
    agent.failWith(() -> new PublishException(PublishException.Kind.UNAVAILABLE, "reached"));
    List<String> ports = new ArrayList<>();
    for (int port = 0; port < 65_536; port++) {
      ports.add("80");
    }
    assertThatThrownBy(() -> client.publish(ports, "172.30.0.2", Optional.empty()))
        .hasMessage("reached");
    ports.add("80");
    assertThatThrownBy(() -> client.publish(ports, "172.30.0.2", Optional.empty()))
        .hasMessage("\"ports\" has more than 65536 entries");
  }

  /** Fails if an unexpected failure shows its insides, or none of it can be found in the log. */
  @Test
  void an_unexpected_failure_is_one_sentence_with_a_reference() throws IOException {
    agent.failWith(() -> new IllegalStateException("secret insides"));

    String answer = RawHttp.ask(socket, "GET", "/v1/mappings", "");

    assertThat(answer)
        .startsWith("HTTP/1.1 500 ")
        .containsPattern("its log says why under reference [0-9a-f]{8}\"")
        .doesNotContain("secret")
        .doesNotContain("at dev.sluice");
  }

  /** Fails if half a list of flows looks like a whole one. */
  @Test
  void a_listing_that_fails_on_its_way_breaks_off() {
    agent.failWith(() -> new IllegalStateException("kernel gone"));
    assertThatThrownBy(() -> client.flows(FlowFilter.ALL, line -> true))
        .isInstanceOfSatisfying(
            AgentUnreachableException.class,
            e -> assertThat(e.reason()).isEqualTo(AgentUnreachableException.Reason.BROKEN_OFF));
  }

  /** Fails if a path, method or parameter that means nothing is not refused. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          GET     | /                       | 404 | there is nothing at
          GET     | /v1/mappings/           | 404 | there is nothing at
          GET     | /v2/mappings            | 404 | there is nothing at
          GET     | /v1/mappings/x?y=1      | 400 | unknown parameter
          GET     | /v1/mappings/%zz        | 400 | percent-encoded
          PUT     | /v1/mappings            | 405 | only GET, POST, OPTIONS
          DELETE  | /v1/mappings            | 405 | only GET, POST, OPTIONS
          POST    | /v1/mappings/web        | 405 | only DELETE, GET, PATCH, OPTIONS
          HEAD    | /healthz                | 405 | Allow: GET, OPTIONS
          OPTIONS | /healthz                | 204 | Allow: GET, OPTIONS
          GET     | /v1/flows?protocol=x    | 400 | is none of tcp, udp
          GET     | /v1/flows?published=yes | 400 | must be true or false
          GET     | /v1/flows?mapping=a&mapping=b | 400 | given twice
          GET     | /v1/flows?port=80       | 400 | unknown parameter
          GET     | /v1/events?from=-1      | 400 | must be a sequence number
          GET     | /v1/events?address=a.b  | 400 | a.b
          """)
  void refuses_what_it_does_not_offer(String method, String path, int status, String text)
      throws IOException {
    assertThat(RawHttp.ask(socket, method, path, ""))
        .startsWith("HTTP/1.1 " + status + " ")
        .contains(text);
  }

  /** Fails if garbage is met with silence, a stack trace or a hanging connection. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "\0\1\2\3\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST /v1/mappings HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n"
      })
  void answers_garbage_with_400(String garbage) throws IOException {
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send(garbage);
      assertThat(http.readToEnd())
          .startsWith("HTTP/1.1 400 ")
          .contains("application/problem+json")
          .doesNotContain("Exception");
    }
  }

  /** Fails if headers are unlimited. */
  @Test
  void refuses_large_and_many_headers() throws IOException {
    for (String header : List.of("X: " + "x".repeat(9000) + "\r\n", "X: y\r\n".repeat(65))) {
      try (RawHttp http = RawHttp.connect(socket)) {
        http.send("GET /healthz HTTP/1.1\r\nHost: x\r\n" + header + "\r\n");
        assertThat(http.readToEnd()).startsWith("HTTP/1.1 431 ").contains("headers-too-large");
      }
    }
  }

  /** Fails if a media type other than JSON is read as JSON. */
  @Test
  void refuses_other_media_types() throws IOException {
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send(
          "POST /v1/mappings HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
              + "Content-Length: 2\r\n\r\n{}");
      assertThat(http.readToEnd()).startsWith("HTTP/1.1 415 ");
    }
  }

  /** Fails if curl's way with larger bodies is not understood. */
  @Test
  void waits_for_the_body_of_a_client_that_asks_first() throws Exception {
    String body = "{\"ports\":[\"8080:80\"],\"target\":\"172.30.0.2\"}";
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send(
          "POST /v1/mappings HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
              + body.length()
              + "\r\n\r\n");
      http.readUntil("HTTP/1.1 100 ", Duration.ofSeconds(5));
      http.send(body);
      http.readUntil("HTTP/1.1 201 ", Duration.ofSeconds(5));
    }
  }

  // Limits

  /** Fails if a half request may keep its thread, or each byte buys it more time. */
  @Test
  void closes_a_connection_whose_request_does_not_come() throws Exception {
    serve(QUICK);
    try (RawHttp half = RawHttp.connect(socket);
        RawHttp drip = RawHttp.connect(socket)) {
      half.send("POST /v1/mappings HTTP/1.1\r\nHost: x\r\n");
      long start = System.nanoTime();
      CompletableFuture<Void> dripping =
          CompletableFuture.runAsync(
              () -> {
                try {
                  for (int i = 0; i < 100; i++) {
                    drip.send("G");
                    Thread.sleep(50);
                  }
                } catch (IOException e) {
                  // What we wait for: the server has hung up.
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
      assertThat(half.readToEnd()).isEmpty();
      dripping.get(3, TimeUnit.SECONDS);
      assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(3));
    }
  }

  /** Fails if one user may take every connection: of 100 idle ones only 4 stay. */
  @Test
  void limits_the_connections_of_one_user() throws Exception {
    serve(new ApiOptions("no-such-group", 200, 4, 2, 1024, 20_000, 400));
    List<RawHttp> idle = new ArrayList<>();
    try {
      for (int i = 0; i < 100; i++) {
        RawHttp http = RawHttp.connect(socket);
        idle.add(http);
        if (i < 4) {
          // Each is served once, and so surely counted, before the next.
          http.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
          http.readUntil("ok", Duration.ofSeconds(5));
        }
      }
      assertThat(serverThreads()).isLessThanOrEqualTo(8);
      idle.get(99).close();
      waitFor("a lane for refusals", () -> refusal().contains("503"));
      assertThat(refusal())
          .startsWith("HTTP/1.1 503 ")
          .contains("too-many-connections")
          .containsPattern("user \\d+ already has 4 connections");
      idle.get(0).close();
      waitFor("a place for another", () -> refusal().startsWith("HTTP/1.1 200 "));
    } finally {
      for (RawHttp http : idle) {
        http.close();
      }
    }
  }

  /** Fails if a server so busy that it only hangs up passes for one that nobody listens on. */
  @Test
  void who_is_too_busy_to_refuse_accepts_all_the_same() throws Exception {
    serve(new ApiOptions("no-such-group", 200, 4, 2, 1024, 20_000, 400));
    List<RawHttp> idle = new ArrayList<>();
    try {
      for (int i = 0; i < 16; i++) {
        idle.add(RawHttp.connect(socket));
      }
      for (int i = 0; i < 50; i++) {
        server.awaitAcceptance();
      }
    } finally {
      for (RawHttp http : idle) {
        http.close();
      }
    }
    server.close();
    assertThatThrownBy(server::awaitAcceptance).isInstanceOf(IOException.class);
  }

  /** Fails if a connection whose trace was refused stays open and is not counted any more. */
  @Test
  void a_refused_trace_does_not_leave_the_limits() throws Exception {
    agent.follow(
        (question, unpublished) -> {
          throw new ProblemException(Problem.Kind.NOT_FOUND, "nothing is published at port 80");
        });
    serve(new ApiOptions("no-such-group", 200, 4, 2, 1024, 20_000, 400));
    List<RawHttp> idle = new ArrayList<>();
    try {
      for (int i = 0; i < 4; i++) {
        RawHttp http = RawHttp.connect(socket);
        idle.add(http);
        http.send("GET /v1/trace?port=80 HTTP/1.1\r\nHost: x\r\n\r\n");
        http.readUntil("nothing is published at port 80", Duration.ofSeconds(5));
      }
      assertThat(refusal())
          .startsWith("HTTP/1.1 503 ")
          .containsPattern("user \\d+ already has 4 connections");
    } finally {
      for (RawHttp http : idle) {
        http.close();
      }
    }
  }

  private String refusal() {
    try {
      return RawHttp.ask(socket, "GET", "/healthz", "");
    } catch (IOException e) {
      return "";
    }
  }

  // Events

  /** Fails if a number of another run of the agent is taken for one of this. */
  @Test
  void events_say_which_run_they_are_of_and_refuse_another_one_s_numbers() throws Exception {
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send(
          "GET /v1/events?from=17&stream=" + FakeAgent.STREAM + " HTTP/1.1\r\nHost: x\r\n\r\n");
      assertThat(http.readUntil("\r\n\r\n", Duration.ofSeconds(5)))
          .startsWith("HTTP/1.1 200 ")
          .contains("\r\nSluice-Stream: 9f3c5d0e1a2b4c6d\r\n", "\r\nSluice-Next: 17\r\n");
    }
    String refused = RawHttp.ask(socket, "GET", "/v1/events?from=17&stream=00000000000000ff", "");
    assertThat(refused)
        .startsWith("HTTP/1.1 409 ")
        .contains(
            "urn:sluice:problem:other-stream",
            "the agent was restarted: its stream of events is 9f3c5d0e1a2b4c6d, not"
                + " \\\"00000000000000ff\\\"; begin with from=1 and without stream");
  }

  /** Fails if what says how long an answer is comes before what the client reads of its header. */
  @Test
  void half_a_header_is_told_from_a_whole_one() throws Exception {
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
      String header = http.readUntil("\r\n\r\n", Duration.ofSeconds(5));
      assertThat(header.indexOf("Transfer-Encoding: chunked"))
          .isGreaterThan(header.indexOf("Sluice-Next"))
          .isGreaterThan(header.indexOf("Sluice-Stream"));
    }
  }

  /** Fails if a consumer of events can change something, or see what is none of its business. */
  @Test
  void the_socket_for_events_serves_events_alone() throws IOException {
    agent.addFlow(Optional.empty());
    try (ApiServer readers =
        ApiServer.startForEvents(
            directory.resolve("events/events.sock"), agent.services(), QUICK)) {
      Path there = readers.socket();
      assertThat(RawHttp.ask(there, "GET", "/healthz", "")).startsWith("HTTP/1.1 200 ");
      assertThat(RawHttp.ask(there, "GET", "/metrics", "")).startsWith("HTTP/1.1 200 ");
      assertThat(RawHttp.ask(there, "GET", "/v1/flows", "")).contains("\"id\":3170302521");
      for (String path :
          List.of("/v1/mappings", "/v1/mappings/web", "/v1/ruleset", "/v1/declared", "/nothing")) {
        assertThat(RawHttp.ask(there, "GET", path, ""))
            .startsWith("HTTP/1.1 403 ")
            .contains(
                "this socket is for consumers of events and serves only /healthz, /metrics,"
                    + " /v1/events, /v1/flows, not \\\""
                    + path
                    + "\\\"; the agent's other socket does");
      }
      assertThat(
              RawHttp.ask(
                  there, "POST", "/v1/mappings", "{\"ports\":[\"80:80\"],\"target\":\"1.2.3.4\"}"))
          .startsWith("HTTP/1.1 403 ");
      assertThat(agent.mappings()).isEmpty();
      assertThat(RawHttp.ask(there, "DELETE", "/v1/flows", "")).startsWith("HTTP/1.1 405 ");
    }
  }

  /** Fails if consumers of events take the places of those who publish. */
  @Test
  void the_socket_for_events_has_limits_of_its_own() throws Exception {
    try (ApiServer readers =
            ApiServer.startForEvents(
                directory.resolve("events/events.sock"), agent.services(), QUICK);
        RawHttp one = RawHttp.connect(readers.socket());
        RawHttp two = RawHttp.connect(readers.socket())) {
      for (RawHttp http : List.of(one, two)) {
        http.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
        http.readUntil("200", Duration.ofSeconds(5));
      }
      assertThat(RawHttp.ask(readers.socket(), "GET", "/v1/events", ""))
          .startsWith("HTTP/1.1 503 ");
      serve(QUICK);
      try (RawHttp other = RawHttp.connect(socket)) {
        other.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
        other.readUntil("200", Duration.ofSeconds(5));
      }
    }
  }

  /** Fails if a figure is left out, or read as another one: no two are the same. */
  @Test
  void statistics_come_as_they_are_sent() {
    assertThat(client.statistics().value()).isEqualTo(FakeAgent.STATISTICS);
    assertThat(client.statistics().json())
        .startsWith("{\"events\":{\"state\":\"running\",\"received\":5000,")
        .endsWith(
            "\"alarms\":{\"warning\":16,\"critical\":17,\"full\":18,\"cleared\":19}},\"sourcePorts\":{\"level\":\"full\",\"dropped\":20,\"alarms\":{\"warning\":0,\"critical\":0,\"full\":21,\"cleared\":22},\"text\":\"no source port is free\"}}");
  }

  /** Fails if a list of mappings does not say how many connections are open, and were when. */
  @Test
  void mappings_say_what_was_seen_of_them() {
    Mapping web = agent.publish("8080:80", "172.30.0.2", "web");
    agent.publish("8081:80", "172.30.0.2", "idle");
    agent.seen(web, new Activity(9, 4, FakeAgent.CREATED));
    List<PublishedMapping> all = client.published().value();
    assertThat(all.get(0).counters().open()).hasValue(4);
    assertThat(all.get(0).counters().lastSeen()).hasValue(FakeAgent.CREATED);
    assertThat(all.get(0).counters().connections()).isEqualTo(7);
    assertThat(all.get(1).counters().open()).isEmpty();
    assertThat(client.published().json())
        .contains("\"connections\":7,\"open\":4,\"lastSeen\":\"2026-11-21T09:00:00Z\"");
  }

  /** Fails if events wait for a buffer to fill, or the header for the first event. */
  @Test
  void streams_events_as_they_come() throws Exception {
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send("GET /v1/events?from=17&mapping=web HTTP/1.1\r\nHost: x\r\n\r\n");
      String header = http.readUntil("\r\n\r\n", Duration.ofSeconds(5));
      assertThat(header)
          .startsWith("HTTP/1.1 200 ")
          .contains("application/x-ndjson")
          .contains("chunked");
      assertThat(agent.lastFrom()).isEqualTo(17);
      assertThat(agent.lastFilter())
          .isEqualTo(new FlowFilter(Optional.of("web"), Optional.empty(), Optional.empty(), false));

      long start = System.nanoTime();
      agent.emit("{\"seq\":1}\n");
      http.readUntil("{\"seq\":1}\n", Duration.ofSeconds(5));
      assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofMillis(400));
    }
  }

  /** Fails if the client loses or joins lines, or cannot leave. */
  @Test
  void the_client_follows_and_leaves() throws Exception {
    List<String> lines = new ArrayList<>();
    CompletableFuture<Void> following =
        CompletableFuture.runAsync(
            () ->
                client.events(
                    FlowFilter.ALL,
                    OptionalLong.empty(),
                    line -> {
                      lines.add(line);
                      return lines.size() < 3;
                    }));
    waitFor("a follower", () -> agent.followers() == 1);
    agent.emit("{\"seq\":1}\n{\"seq\":2}\n");
    agent.emit("{\"seq\":3}\n");

    following.get(5, TimeUnit.SECONDS);
    assertThat(lines).containsExactly("{\"seq\":1}", "{\"seq\":2}", "{\"seq\":3}");
    waitFor("the follower to be gone", () -> agent.followers() == 0);
  }

  /** Fails if the thread of a stream outlives its client. */
  @Test
  void a_stream_ends_when_its_client_leaves() throws Exception {
    RawHttp http = RawHttp.connect(socket);
    http.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
    http.readUntil("200", Duration.ofSeconds(5));
    http.close();
    waitFor("the cursor to be closed", () -> agent.followers() == 0);
  }

  /** Fails if a client that takes nothing keeps its stream for ever. */
  @Test
  void a_stream_nobody_reads_ends() throws Exception {
    serve(QUICK);
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
      waitFor("a follower", () -> agent.followers() == 1);
      String line = "x".repeat(60_000) + "\n";
      for (int i = 0; i < 100; i++) {
        agent.emit(line);
      }
      waitFor("the cursor to be closed", () -> agent.followers() == 0);
    }
  }

  /** Fails if a slow client loses bytes, or streams count among the connections. */
  @Test
  void slow_streams_get_every_byte_and_take_no_connection() throws Exception {
    serve(new ApiOptions("no-such-group", 8, 1, 2, 1024, 5_000, 5_000));
    try (RawHttp slow = RawHttp.connect(socket)) {
      slow.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
      slow.readUntil("200", Duration.ofSeconds(5));
      for (int i = 0; i < 40; i++) {
        agent.emit(("line " + i + " ").repeat(5_000) + "\n");
      }
      agent.emit("the end\n");
      // The stream is stuck, and the one connection this user may have is still free.
      assertThat(client.facts().value()).isNotEmpty();

      String all = slow.readUntil("the end\n", Duration.ofSeconds(10));
      for (int i = 0; i < 40; i++) {
        assertThat(all).contains("line " + i + " ");
      }
    }
  }

  /** Fails if streams are unlimited. */
  @Test
  void limits_the_number_of_streams() throws Exception {
    serve(QUICK);
    List<RawHttp> streams = new ArrayList<>();
    try {
      for (int i = 0; i < 2; i++) {
        RawHttp http = RawHttp.connect(socket);
        streams.add(http);
        http.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
        http.readUntil("200", Duration.ofSeconds(5));
      }
      assertThat(RawHttp.ask(socket, "GET", "/v1/events", ""))
          .startsWith("HTTP/1.1 503 ")
          .contains("there are already 2 event streams");
    } finally {
      for (RawHttp http : streams) {
        http.close();
      }
    }
    waitFor("the streams to end", () -> agent.followers() == 0);
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
      http.readUntil("HTTP/1.1 200 ", Duration.ofSeconds(5));
    }
  }

  /** Fails if closing the server waits for its streams, or leaves its file. */
  @Test
  void closing_ends_everything() throws Exception {
    try (RawHttp http = RawHttp.connect(socket)) {
      http.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
      http.readUntil("200", Duration.ofSeconds(5));
      long start = System.nanoTime();
      server.close();
      assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(2));
      assertThat(agent.followers()).isZero();
    }
    assertThat(Files.exists(socket)).isFalse();
    assertThatThrownBy(() -> client.published())
        .isInstanceOfSatisfying(
            AgentUnreachableException.class,
            e -> assertThat(e.reason()).isEqualTo(AgentUnreachableException.Reason.NOT_RUNNING));
  }

  /** Fails if the client waits for ever for an agent that accepts and says nothing. */
  @Test
  void the_client_gives_up_on_a_silent_agent() {
    FakeAgent silent = new FakeAgent();
    silent.failWith(
        () -> {
          try {
            Thread.sleep(2_000);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          return new IllegalStateException("too late");
        });
    try (ApiServer slow =
            ApiServer.start(directory.resolve("b.sock"), silent.services(), ApiOptions.DEFAULTS);
        ApiClient impatient = new ApiClient(slow.socket(), "api", Duration.ofSeconds(1))) {
      assertThatThrownBy(impatient::published)
          .isInstanceOf(AgentUnreachableException.class)
          .hasMessageContaining("did not answer within 1 seconds");
    }
  }

  private static String body(String answer) {
    String body = answer.substring(answer.indexOf("\r\n\r\n") + 4);
    return body.strip();
  }

  private static void waitFor(String what, BooleanSupplier condition) throws InterruptedException {
    long deadline = System.nanoTime() + 10_000_000_000L;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("waited 10 s in vain for " + what);
      }
      Thread.sleep(10);
    }
  }

  private static long serverThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().matches("api-\\d+"))
        .count();
  }
}
