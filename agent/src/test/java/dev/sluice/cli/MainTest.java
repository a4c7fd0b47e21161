package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.ApiOptions;
import dev.sluice.api.ApiServer;
import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.api.FakeAgent;
import dev.sluice.config.PortsFile;
import dev.sluice.flow.FlowFilter;
import dev.sluice.model.DrainTime;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.PathQuestion;
import dev.sluice.model.PortSpec;
import dev.sluice.model.SourceRate;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import dev.sluice.publish.PublishException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/**
 * Every command against an agent in memory, over a real socket. Each golden text fails if a word of
 * it, a column or an exit code changes: people read them, and scripts depend on them.
 */
class MainTest {
  private final FakeAgent agent = new FakeAgent();
  private final Path socket;
  private final ApiServer server;

  /** What a command printed and exited with. */
  private record Result(int exitCode, String out, String err) {}

  MainTest(@TempDir Path directory) {
    socket = directory.resolve("a.sock");
    server = ApiServer.start(socket, agent.services(), ApiOptions.DEFAULTS);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private Result sluice(String... args) {
    return sluice(false, args);
  }

  private Result sluice(boolean colours, String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] all = new String[args.length + 2];
    all[0] = "--socket";
    all[1] = socket.toString();
    System.arraycopy(args, 0, all, 2, args.length);
    int exitCode =
        Main.run(
            new Terminal(
                new PrintWriter(out),
                new PrintWriter(err),
                colours,
                Clock.fixed(FakeAgent.CREATED.plus(Duration.ofMinutes(2)), ZoneOffset.UTC)),
            all);
    return new Result(exitCode, out.toString(), err.toString());
  }

  private static Result ok(String... lines) {
    return new Result(0, String.join("\n", lines) + "\n", "");
  }

  private static Result failed(int exitCode, String... lines) {
    return new Result(exitCode, "", String.join("\n", lines) + "\n");
  }

  // publish, unpublish, ps, port, inspect

  @Test
  void publish_says_what_it_did() {
    assertThat(
            sluice(
                "publish",
                "-p",
                "8080:80",
                "-p",
                "127.0.0.1:5353:53/udp",
                "--to",
                "172.30.0.2",
                "--name",
                "web"))
        .isEqualTo(
            ok(
                "published web  0.0.0.0:8080->172.30.0.2:80/tcp  (id a1b2c3d400000001)",
                "published web  127.0.0.1:5353->172.30.0.2:53/udp  (id a1b2c3d400000002)"));
    assertThat(sluice("publish", "-p", "[::1]:90-91:80-81", "--to", "fd00::2"))
        .isEqualTo(ok("published  [::1]:90-91->[fd00::2]:80-81/tcp  (id a1b2c3d400000003)"));
  }

  @Test
  void publish_prints_the_answer_as_json() {
    assertThat(sluice("--json", "publish", "-p", "8080:80", "--to", "172.30.0.2"))
        .isEqualTo(
            ok(
                "{\"mappings\":[{\"id\":\"a1b2c3d400000001\",\"owner\":\"cli\","
                    + "\"protocol\":\"tcp\",\"hostAddress\":\"0.0.0.0\",\"hostPorts\":\"8080\","
                    + "\"targetAddress\":\"172.30.0.2\",\"targetPorts\":\"80\","
                    + "\"createdAt\":\"2026-11-21T09:00:00Z\","
                    + "\"text\":\"0.0.0.0:8080->80/tcp\"}]}"));
  }

  @Test
  void unpublish_says_what_it_did() {
    agent.publish("8080:80", "172.30.0.2", "web");
    agent.publish("8081:81", "172.30.0.2", "web");
    agent.publish("5353:53/udp", "172.30.0.3", null);

    assertThat(sluice("unpublish", "web", "a1b2c3d400000003"))
        .isEqualTo(
            ok(
                "unpublished web  0.0.0.0:8080->172.30.0.2:80/tcp  (id a1b2c3d400000001)",
                "unpublished web  0.0.0.0:8081->172.30.0.2:81/tcp  (id a1b2c3d400000002)",
                "unpublished  0.0.0.0:5353->172.30.0.3:53/udp  (id a1b2c3d400000003)"));
    assertThat(agent.mappings()).isEmpty();
  }

  @Test
  void apply_says_what_it_did(@TempDir Path files) throws Exception {
    Path file =
        Files.writeString(
            files.resolve("ports.yaml"),
            """
            ports:
              - name: web
                target: 172.30.0.2
                publish: [8080:80]
                allow: [10.0.0.0/8]
              - target: 172.30.0.3
                publish: ["5353:53/udp"]
            networks: [br0]
            """);
    assertThat(sluice("apply", "-f", file.toString()))
        .isEqualTo(
            ok(
                "published web  0.0.0.0:8080->172.30.0.2:80/tcp  (id a1b2c3d400000001)",
                "published  0.0.0.0:5353->172.30.0.3:53/udp  (id a1b2c3d400000002)",
                "3 unchanged"));
    assertThat(agent.lastDeclaration()).isEqualTo(PortsFile.read(file));

    Files.writeString(file, "ports: []\n");
    assertThat(sluice("apply", "-f", file.toString(), "--json").out())
        .startsWith("{\"changes\":[],\"published\":[],\"withdrawn\":[{\"id\":\"a1b2c3d400000001\",")
        .endsWith("],\"unchanged\":3}\n");
    assertThat(agent.mappings()).isEmpty();
  }

  /** Fails if a dry run is carried out, or --prune is not passed on with and without it. */
  @Test
  void apply_can_only_say_what_it_would_do(@TempDir Path files) throws Exception {
    String file = Files.writeString(files.resolve("ports.yaml"), "ports: []\n").toString();
    assertThat(sluice("apply", "-f", file, "--dry-run"))
        .isEqualTo(
            ok("= network old 10.1.0.0/24  (not in the file; --prune removes it)", "2 unchanged"));
    assertThat(sluice("apply", "-f", file, "--dry-run", "--prune"))
        .isEqualTo(ok("- network old 10.1.0.0/24", "2 unchanged"));
    assertThat(sluice("apply", "-f", file, "--dry-run", "--json").out())
        .isEqualTo(
            "{\"changes\":[{\"action\":\"keep\",\"kind\":\"network\",\"text\":\"old"
                + " 10.1.0.0/24\"}],\"published\":[],\"withdrawn\":[],\"unchanged\":2}\n");
    assertThat(agent.lastDeclaration()).isNull();
    assertThat(sluice("apply", "-f", file, "--prune"))
        .isEqualTo(ok("removed network old 10.1.0.0/24", "3 unchanged"));
    assertThat(agent.lastDeclaration()).isNotNull();
  }

  /** Fails if a mistake in the file gets as far as the agent, or its place is not named. */
  @Test
  void apply_names_the_mistake_in_the_file(@TempDir Path files) throws Exception {
    Path file = Files.writeString(files.resolve("ports.yaml"), "ports:\n- target: 10.0.0.256\n");
    assertThat(sluice("apply", "-f", file.toString()))
        .isEqualTo(
            failed(
                2,
                "sluice: "
                    + file
                    + ":2:18: number \"256\" of IPv4 address \"10.0.0.256\" exceeds 255"));
    assertThat(agent.lastDeclaration()).isNull();
    Files.delete(file);
    assertThat(sluice("apply", "-f", file.toString()).exitCode()).isEqualTo(5);
  }

  @Test
  void publish_passes_restrictions_on() {
    assertThat(
            sluice(
                "publish",
                "-p",
                "8080:80",
                "--to",
                "172.30.0.2",
                "--allow",
                "10.0.0.0/8",
                "--allow",
                "192.0.2.7",
                "--max-connections",
                "100",
                "--source-rate",
                "20/second",
                "--syn-proxy"))
        .extracting(Result::exitCode)
        .isEqualTo(0);
    assertThat(agent.mappings())
        .extracting(Mapping::options)
        .containsExactly(
            new MappingOptions(
                List.of(Prefix.parse("10.0.0.0/8"), Prefix.parse("192.0.2.7/32")),
                OptionalInt.of(100),
                Optional.of(SourceRate.parse("20/second")),
                true));
  }

  /** Fails if an option of update is not passed on, or one that is not given changes something. */
  @Test
  void update_passes_on_what_is_to_change() {
    agent.publish("8080:80", "172.30.0.2", "web");
    assertThat(
            sluice(
                ("update web --to 172.30.0.3 --to fd00::3 --name shop --add 8443:443 --add 53/udp"
                        + " --remove 80 --cut --allow 10.0.0.0/8 --max-connections 5"
                        + " --source-rate 9/hour --syn-proxy")
                    .split(" ")))
        .isEqualTo(ok("published shop  0.0.0.0:8080->172.30.0.2:80/tcp  (id a1b2c3d400000001)"));
    assertThat(agent.lastUpdate())
        .isEqualTo(
            new UpdateRequest(
                "web",
                Optional.of(new MappingName("shop")),
                List.of(IpAddress.parse("172.30.0.3"), IpAddress.parse("fd00::3")),
                OptionsChange.NONE
                    .withAllowedSources(List.of(Prefix.parse("10.0.0.0/8")))
                    .withMaxConnections(OptionalInt.of(5))
                    .withSourceRate(Optional.of(SourceRate.parse("9/hour")))
                    .withSynProxy(true),
                List.of(PortSpec.parse("8443:443"), PortSpec.parse("53/udp")),
                List.of(PortSpec.parse("80")),
                true));
    assertThat(sluice("update", "web", "--cut"))
        .isEqualTo(
            failed(
                2,
                "sluice: nothing to change: give --to, --add-to, --remove-to, --balance, --name,"
                    + " --add, --remove, --allow, --max-connections, --source-rate, --syn-proxy or"
                    + " --proxy-protocol"));
    sluice(
        "update web --allow none --max-connections none --source-rate none --no-syn-proxy"
            .split(" "));
    assertThat(agent.lastUpdate())
        .isEqualTo(
            UpdateRequest.of("web")
                .withOptions(
                    OptionsChange.NONE
                        .withAllowedSources(List.of())
                        .withMaxConnections(OptionalInt.empty())
                        .withSourceRate(Optional.empty())
                        .withSynProxy(false)));
    assertThat(sluice("update", "db", "--name", "x").exitCode()).isEqualTo(5);
  }

  /** Fails if --drain needs a time, takes the name for one, or is not passed on. */
  @Test
  void unpublish_drains_if_asked_to() {
    for (String port : List.of("1:1", "2:2", "3:3")) {
      agent.publish(port, "172.30.0.2", "web" + port.charAt(0));
    }
    assertThat(sluice("unpublish", "web1").exitCode()).isZero();
    assertThat(agent.lastDrain()).isNull();
    assertThat(sluice("unpublish", "web2", "--drain").exitCode()).isZero();
    assertThat(agent.lastDrain()).isEqualTo(DrainTime.FOREVER);
    assertThat(sluice("unpublish", "--drain=30s", "web3"))
        .isEqualTo(ok("unpublished web3  0.0.0.0:3->172.30.0.2:3/tcp  (id a1b2c3d400000003)"));
    assertThat(agent.lastDrain()).isEqualTo(DrainTime.parse("30s"));
    assertThat(agent.mappings()).isEmpty();
  }

  @Test
  void ps_reads_like_docker_ps() {
    agent.publish("8080:80", "172.30.0.2", "web");
    agent.publish("127.0.0.1:8443:443", "172.30.0.2", "web");
    agent.publish("5353:53/udp", "172.30.0.3", null);
    agent.publish("[::]:9000-9010:9000-9010", "fd00::2", "media");

    assertThat(sluice("ps"))
        .isEqualTo(
            ok(
                "NAME/ID            PORTS                                           "
                    + "TARGET       OWNER   CONNECTIONS   CREATED",
                "web                0.0.0.0:8080->80/tcp, 127.0.0.1:8443->443/tcp   "
                    + "172.30.0.2   cli     14            2 minutes ago",
                "a1b2c3d400000003   0.0.0.0:5353->53/udp                            "
                    + "172.30.0.3   cli     7             2 minutes ago",
                "media              [::]:9000-9010->9000-9010/tcp                   "
                    + "fd00::2      cli     7             2 minutes ago"));
  }

  @Test
  void ps_of_nothing_is_its_titles() {
    assertThat(sluice("ps"))
        .isEqualTo(ok("NAME/ID   PORTS   TARGET   OWNER   CONNECTIONS   CREATED"));
    assertThat(sluice("ps", "--json")).isEqualTo(ok("{\"mappings\":[]}"));
  }

  @Test
  void port_reads_like_docker_port() {
    agent.publish("8080:80", "172.30.0.2", "web");
    agent.publish("127.0.0.1:9000-9010:7000-7010/udp", "172.30.0.2", "web");

    assertThat(sluice("port", "web"))
        .isEqualTo(ok("80/tcp -> 0.0.0.0:8080", "7000-7010/udp -> 127.0.0.1:9000-9010"));
    assertThat(sluice("port", "web", "80")).isEqualTo(ok("0.0.0.0:8080"));
    assertThat(sluice("port", "web", "7003/udp")).isEqualTo(ok("127.0.0.1:9003"));
    assertThat(sluice("port", "web", "443"))
        .isEqualTo(failed(5, "sluice: port 443/tcp of web is not published; see \"sluice ps\""));
  }

  @Test
  void inspect_prints_an_array() {
    agent.publish("8080:80", "172.30.0.2", "web");

    assertThat(sluice("inspect", "web"))
        .isEqualTo(
            ok(
                """
                [
                  {
                    "id" : "a1b2c3d400000001",
                    "name" : "web",
                    "owner" : "cli",
                    "protocol" : "tcp",
                    "hostAddress" : "0.0.0.0",
                    "hostPorts" : "8080",
                    "targetAddress" : "172.30.0.2",
                    "targetPorts" : "80",
                    "createdAt" : "2026-11-21T09:00:00Z",
                    "connections" : 7,
                    "packetsIn" : 0,
                    "bytesIn" : 0,
                    "packetsOut" : 0,
                    "bytesOut" : 0,
                    "text" : "0.0.0.0:8080->80/tcp"
                  }
                ]"""));
  }

  // flows, events

  @Test
  void flows_show_both_tuples_and_the_mapping() {
    agent.addFlow(Optional.of(agent.publish("8080:80", "172.30.0.2", "web")));
    agent.addCarriedFlow();

    assertThat(sluice("flows"))
        .isEqualTo(
            ok(
                "PROTOCOL   STATE         ORIGINAL                              "
                    + "REPLY                               MAPPING   BYTES           PATH",
                "tcp        established   198.18.0.2:40112 -> 198.18.0.1:8080   "
                    + "172.30.0.2:80 -> 198.18.0.2:40112   web       420B / 1.34kB   -",
                "tcp        established   198.18.0.2:40112 -> 198.18.0.1:8080   "
                    + "172.30.0.2:80 -> 198.18.0.2:40112   -         420B / 1.34kB   fast"));
    assertThat(sluice("flows", "--json").out().lines())
        .hasSize(2)
        .allMatch(line -> line.startsWith("{\"id\":3170302521,"));
  }

  @Test
  void flows_pass_their_filters_on() {
    sluice("flows", "--mapping", "web", "--protocol", "UDP", "--address", "fd00::2", "--published");
    assertThat(agent.lastFilter())
        .isEqualTo(
            new FlowFilter(
                Optional.of("web"),
                Optional.of(Protocol.UDP),
                Optional.of(IpAddress.parse("fd00::2")),
                true));
  }

  private static final String NEW =
      "{\"seq\":1042,\"event\":\"new\",\"time\":\"2026-11-21T09:00:00.123456789Z\","
          + "\"id\":3170302521,\"family\":\"ipv4\",\"proto\":\"tcp\",\"original\":"
          + "{\"src\":\"198.18.0.2\",\"sport\":40112,\"dst\":\"198.18.0.1\",\"dport\":8080},"
          + "\"reply\":{\"src\":\"172.30.0.2\",\"sport\":80,\"dst\":\"198.18.0.2\","
          + "\"dport\":40112},\"status\":[\"dnat\"],\"tcpState\":\"syn_sent\","
          + "\"timeoutSeconds\":120,\"mark\":0,\"zone\":0,\"mapping\":\"web\"}";
  private static final String GAP =
      "{\"seq\":1043,\"event\":\"gap\",\"cause\":\"receive-buffer\",\"lost\":812,"
          + "\"from\":\"2026-11-21T09:00:01Z\",\"to\":\"2026-11-21T09:00:02Z\"}";
  private static final String DESTROY =
      "{\"seq\":1044,\"event\":\"destroy\",\"time\":\"2026-11-21T09:00:03Z\","
          + "\"id\":7,\"family\":\"ipv6\",\"proto\":\"icmpv6\",\"original\":"
          + "{\"src\":\"fd00::1\",\"dst\":\"fd00::2\",\"type\":128,\"code\":0,\"id\":9,"
          + "\"packets\":1,\"bytes\":104},\"reply\":{\"src\":\"fd00::2\",\"dst\":\"fd00::1\","
          + "\"type\":129,\"code\":0,\"id\":9,\"packets\":1,\"bytes\":104},\"status\":[],"
          + "\"mark\":0,\"zone\":0,\"synthesised\":true,\"later\":[1]}";

  @Test
  void events_follow_until_the_agent_ends() throws Exception {
    assertThat(follow(NEW, GAP, DESTROY, "{\"event\":\"of the future\"}"))
        .isEqualTo(
            """
            09:00:00.123  new      tcp   198.18.0.2:40112 -> 198.18.0.1:8080  answered \
            172.30.0.2:80 -> 198.18.0.2:40112  syn_sent  [web]
            09:00:02.000  gap      812 events lost since 09:00:01.000 (receive-buffer)
            09:00:03.000  destroy  icmpv6  fd00::1 -> fd00::2 type 128 code 0 id 9  \
            104B / 104B  (concluded after a gap)
            {"event":"of the future"}
            """);
  }

  @Test
  void events_pass_json_through() throws Exception {
    assertThat(follow("--json", NEW, GAP, DESTROY))
        .isEqualTo(NEW + "\n" + GAP + "\n" + DESTROY + "\n");
  }

  @Test
  void events_begin_where_they_are_told() throws Exception {
    CompletableFuture<Result> running =
        CompletableFuture.supplyAsync(() -> sluice("events", "--from", "1042", "--published"));
    awaitFollower();
    assertThat(agent.lastFrom()).isEqualTo(1042);
    server.close();
    assertThat(running.get(10, TimeUnit.SECONDS).exitCode()).isEqualTo(3);
    assertThat(sluice("events", "--from", "-1").exitCode()).isEqualTo(2);
  }

  /** Runs {@code sluice events} while these lines are emitted, and then ends the agent. */
  private String follow(String... lines) throws Exception {
    boolean json = lines[0].equals("--json");
    CompletableFuture<Result> running =
        CompletableFuture.supplyAsync(() -> json ? sluice("events", "--json") : sluice("events"));
    awaitFollower();
    for (int i = json ? 1 : 0; i < lines.length; i++) {
      agent.emit(lines[i] + "\n");
    }
    // The fake hands out one emit per read; give it the time to hand out all.
    Thread.sleep(300);
    server.close();
    return running.get(10, TimeUnit.SECONDS).out();
  }

  private void awaitFollower() throws InterruptedException {
    for (int i = 0; i < 1000 && agent.followers() == 0; i++) {
      Thread.sleep(10);
    }
    assertThat(agent.followers()).isEqualTo(1);
  }

  // doctor, version, completion, help

  @Test
  void doctor_shows_findings_and_remedies() {
    assertThat(sluice("doctor"))
        .isEqualTo(
            ok(
                "✓ agent            the agent answers on " + server.socket(),
                "✓ table-ownership  the table is ours alone",
                "! forwarding       net.ipv4.ip_forward is 0",
                "                   → publish a port, and the agent sets it"));

    agent.addFinding(new Finding("sysctl", Severity.FAILURE, "it is broken", ""));
    assertThat(sluice("doctor").exitCode()).isEqualTo(1);
    assertThat(sluice("doctor", "--json").out())
        .contains("{\"check\":\"sysctl\",\"severity\":\"failure\",\"found\":\"it is broken\"}");
  }

  @Test
  void doctor_helps_when_the_agent_is_down() {
    server.close();
    Result result = sluice("doctor");
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.out())
        .contains("✗ agent      no agent is running: there is no ")
        .contains("→ run \"sluice agent\" as root")
        .contains(" privilege  ")
        .contains(" kernel     Linux ")
        .contains(" nf-tables  ");
    assertThat(result.err()).isEmpty();
  }

  /** Fails if anything is printed before or behind the ruleset, which nft would have to read. */
  @Test
  void ruleset_is_printed_as_it_is() {
    assertThat(sluice("ruleset")).isEqualTo(new Result(0, FakeAgent.RULES, ""));
    assertThat(sluice("ruleset", "--json").out())
        .startsWith("{\"ruleset\":\"table inet")
        .endsWith("\"}\n");
  }

  /**
   * Fails if a step, the addresses behind it, a condition or the remedy is left out, or the exit
   * code does not tell that a packet does not arrive.
   */
  @Test
  void a_way_is_explained_step_by_step() {
    Result result = sluice("explain", "8080", "--from", "198.18.0.2", "--to", "198.18.0.1");
    assertThat(result.exitCode()).isEqualTo(1);
    assertThat(result.out())
        .isEqualTo(
            """
            from outside: 198.18.0.2 → 198.18.0.1 port 8080/tcp
              prerouting  -100 inet sluice prerouting → publish4  dnat ip to meta l4proto . th dport map @any4: to 172.30.0.2:80
              routing     by br0                                  forwarded
            ✗ dropped by the policy drop of the chain FORWARD of the table ip filter
              ? it depends on the rate; otherwise it is let through
              → iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT

            from this host: 127.0.0.1 → 127.0.0.1 port 8080/tcp
            ✓ arrives at 172.30.0.2:80 by br0
            """);
    assertThat(agent.lastQuestion())
        .isEqualTo(
            new PathQuestion(
                8080,
                Protocol.TCP,
                Optional.of("198.18.0.2"),
                Optional.of(IpAddress.parse("198.18.0.1"))));
    assertThat(sluice("explain", "8080-8081").err()).contains("one port at a time");
    assertThat(sluice("explain", "8080", "--to", "x").exitCode()).isEqualTo(2);
  }

  @Test
  void version_tells_both() {
    Result result = sluice("version");
    assertThat(result.out())
        .matches(
            "sluice \\S+\nagent at \\S+:\n {2}version {2}9\\.8\\.7\n {2}kernel {3}6\\.18\\.0\n");
    assertThat(sluice("version", "--json").out())
        .matches("\\{\"client\":\"\\S+\",\"agent\":\\{\"version\":\"9.8.7\",.*}}\n");
    server.close();
    assertThat(sluice("version").exitCode()).isZero();
    assertThat(sluice("version").out()).contains("agent: no agent is running");
  }

  @Test
  void completion_knows_every_command() {
    assertThat(sluice("completion").out())
        .contains("complete -F _complete_sluice")
        .contains("unpublish")
        .contains("--ownership");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "publish",
        "unpublish",
        "apply",
        "ps",
        "port",
        "inspect",
        "network",
        "run",
        "flows",
        "events",
        "doctor",
        "explain",
        "ruleset",
        "version",
        "completion",
        "agent",
        "demo"
      })
  void every_command_explains_itself(String command) {
    Result result = sluice(command, "--help");
    assertThat(result.exitCode()).isZero();
    assertThat(result.out()).startsWith("Usage: sluice " + command).contains("--json");
    assertThat(result.out().lines()).allMatch(line -> line.length() <= 100);
    assertThat(sluice("--help").out()).contains("  " + command);
  }

  @Test
  void help_lists_the_exit_codes() {
    assertThat(sluice("--help").out()).contains("Exit codes:", "  6  not permitted");
    assertThat(sluice().out()).isEqualTo(sluice("--help").out());
  }

  @Test
  void colours_are_for_terminals() {
    assertThat(sluice(true, "doctor").out()).contains("\033[32m✓\033[0m");
    assertThat(sluice(false, "doctor").out()).doesNotContain("\033");
    assertThat(sluice(false, "--help").out()).doesNotContain("\033");
  }

  // Errors

  @Test
  void a_bad_port_is_pointed_at() {
    Result expected =
        failed(2, "sluice: port \"99999\" is not in 1–65535", "  8081:99999", "       ^");
    assertThat(sluice("publish", "-p", "8081:99999", "--to", "172.30.0.2")).isEqualTo(expected);
    server.close();
    assertThat(sluice("publish", "-p", "8081:99999", "--to", "172.30.0.2"))
        .as("also when nobody could be asked")
        .isEqualTo(expected);
  }

  @Test
  void a_conflict_is_one_sentence() {
    agent.publish("8080:80", "172.30.0.2", "web");
    assertThat(sluice("publish", "-p", "8080:80", "--to", "172.30.0.3"))
        .isEqualTo(
            failed(4, "sluice: 0.0.0.0:8080/tcp is already published by web; unpublish it first"));
    assertThat(sluice("publish", "-p", "8080:80", "--to", "172.30.0.3", "--json"))
        .isEqualTo(
            failed(
                4,
                "{\"type\":\"urn:sluice:problem:conflict\",\"title\":\"Taken or in use\","
                    + "\"status\":409,\"detail\":\"0.0.0.0:8080/tcp is already published by web;"
                    + " unpublish it first\"}"));
  }

  @ParameterizedTest
  @EnumSource(PublishException.Kind.class)
  void refusals_have_their_exit_codes(PublishException.Kind kind) {
    agent.failWith(() -> new PublishException(kind, "no"));
    int exitCode =
        switch (kind) {
          case INVALID -> 2;
          case CONFLICT -> 4;
          case NOT_FOUND -> 5;
          case UNAVAILABLE -> 1;
        };
    assertThat(sluice("publish", "-p", "8080:80", "--to", "172.30.0.3"))
        .isEqualTo(failed(exitCode, "sluice: no"));
  }

  @Test
  void an_agent_that_is_not_there_is_exit_code_3() {
    server.close();
    assertThat(sluice("ps"))
        .isEqualTo(
            failed(
                3,
                "sluice: no agent is running: there is no "
                    + server.socket()
                    + "; start it with \"sluice agent\", or say where it is with --socket"));
  }

  @Test
  void a_failure_of_the_agent_shows_no_stack_trace() {
    agent.failWith(() -> new IllegalStateException("insides"));
    for (String command : List.of("ps", "doctor")) {
      Result result = sluice(command);
      assertThat(result.exitCode()).isEqualTo(1);
      assertThat(result.err())
          .matches("sluice: the agent failed to handle the request; .* reference [0-9a-f]{8}\n");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          publish                              | sluice: missing required option: '--to=ADDRESS.NAME.=WEIGHT.'; see sluice publish --help
          publish --to 10.0.0.1                | sluice: nothing to publish: give at least one port, such as -p 8080:80
          publish -P --to 10.0.0.1             | sluice: -P publishes what --expose names.*
          publish --expose 80 --to 10.0.0.1    | sluice: --expose alone publishes nothing.*
          publish -p 80 --to 10.0.0.1 --to 10.0.0.1 | sluice: 10.0.0.1 is named twice.*
          publish -p 80 --to web=0             | sluice: "web=0" has no weight from 1 to 60 behind the =
          publish -p 80 --to a --to b --balance x | sluice: "x" is no way to share out connections.*
          publish -p 80 --to a --proxy-protocol 0 | sluice: .*0.*
          publish -p 80 --to 10.0.0.1 --allow 10.0.0.1/8 | sluice: 10.0.0.1/8 has bits set behind its length.*
          publish -p 80 --to 10.0.0.1 --max-connections 0 | sluice: "0" is not a number from 1 to 10000000 or none
          publish -p 80 --to 10.0.0.1 --source-rate 5 | sluice: "5" is not a rate such as 20/second.*
          unpublish --drain=soon web           | sluice: "soon" is not a time such as 30s.*
          publish -p 80:80 --to 10.0.0.300     | sluice: .*10.0.0.300.*
          publish -p 80:80 --to ../web         | sluice: sandbox name "../web" must begin with.*
          update web --to web --add-to 10.0.0.1 | sluice: the containers are either replaced or added and removed.*
          publish -p 80:80 --to 10.0.0.1 --name -x | sluice: name "-x" must begin with.*
          unpublish                            | sluice: missing required parameter: 'NAME.ID'; see sluice unpublish --help
          flows --protocol http                | sluice: protocol "http" is none of tcp, udp, sctp, icmp, icmpv6
          port web http                        | sluice: port "http" is not a decimal number
          pss                                  | sluice: unmatched argument at index 2: 'pss'; see sluice --help
          ps --al                              | sluice: unknown option: '--al'; see sluice ps --help
          agent --events-buffer-mib 4096       | sluice: --events-buffer-mib must be 1 to 2047, not 4096
          agent --conntrack-memory -1          | sluice: --conntrack-memory must be 0 to 1048576, not -1
          agent --ownership=maybe              | sluice: invalid value for option '--ownership'.*
          """)
  void wrong_usage_is_exit_code_2(String arguments, String firstLine) {
    Result result = sluice(arguments.split(" "));
    assertThat(result.exitCode()).isEqualTo(2);
    assertThat(result.err().lines().findFirst().orElse("")).matches(firstLine);
    assertThat(result.err()).doesNotContain("Exception").doesNotContain("\tat ");
    assertThat(result.out()).isEmpty();
  }

  /** Fails if the documentation lacks an option of the agent, or has one that is gone. */
  @Test
  void theDocumentationHasEveryOptionOfTheAgent() throws IOException {
    Pattern row = Pattern.compile("\\| `(--[a-z-]+)[^`]*` \\|.*");
    Set<String> documented = new TreeSet<>();
    String section = Files.readString(Path.of("../docs/cli.md")).split("\n## sluice agent\n", 2)[1];
    section
        .split("\n## ", 2)[0]
        .lines()
        .map(row::matcher)
        .filter(Matcher::matches)
        .forEach(matcher -> documented.add(matcher.group(1)));
    Set<String> ours = new TreeSet<>();
    CommandLine agentCommand = Main.described().getSubcommands().get("agent");
    for (CommandLine.Model.OptionSpec option :
        Objects.requireNonNull(agentCommand).getCommandSpec().options()) {
      ours.add(option.longestName());
    }
    ours.removeAll(Set.of("--help", "--socket", "--json")); // of every command
    assertThat(documented).isEqualTo(ours);
  }
}
