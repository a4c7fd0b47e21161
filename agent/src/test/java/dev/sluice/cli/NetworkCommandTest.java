package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.ApiOptions;
import dev.sluice.api.ApiServer;
import dev.sluice.api.FakeAgent;
import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.SandboxName;
import dev.sluice.model.Subnet;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * {@code sluice network} and what is published by name, against an agent in memory. Each golden
 * text fails if a word of it, a column or an exit code changes.
 */
class NetworkCommandTest {
  private final FakeAgent agent = new FakeAgent();
  private final Path socket;
  private final ApiServer server;

  private record Result(int exitCode, String out, String err) {}

  NetworkCommandTest(@TempDir Path directory) {
    socket = directory.resolve("a.sock");
    server = ApiServer.start(socket, agent.services(), ApiOptions.DEFAULTS);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private Result sluice(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] all = new String[args.length + 2];
    all[0] = "--socket";
    all[1] = socket.toString();
    System.arraycopy(args, 0, all, 2, args.length);
    Clock clock = Clock.fixed(FakeAgent.CREATED.plus(Duration.ofMinutes(2)), ZoneOffset.UTC);
    int exitCode =
        Main.run(new Terminal(new PrintWriter(out), new PrintWriter(err), false, clock), all);
    return new Result(exitCode, out.toString(), err.toString());
  }

  private static Result ok(String... lines) {
    return new Result(0, String.join("\n", lines) + "\n", "");
  }

  @Test
  void networks_are_made_listed_and_removed() {
    assertThat(sluice("network", "create", "front"))
        .isEqualTo(ok("created front  10.9.0.0/24  (bridge sl-front)"));
    sluice("network", "create", "back", "--subnet", "10.8.0.0/24", "--internal", "--icc=false");
    sluice("network", "create", "lab", "--subnet", "192.0.2.0/26", "--egress", "routed");
    assertThat(sluice("network", "ls"))
        .isEqualTo(
            ok(
                "NAME    BRIDGE     SUBNETS        EGRESS       REMARKS",
                "back    sl-back    10.8.0.0/24    masquerade   internal, icc=false",
                "front   sl-front   10.9.0.0/24    masquerade",
                "lab     sl-lab     192.0.2.0/26   routed"));
    assertThat(sluice("network", "rm", "front", "lab"))
        .isEqualTo(ok("removed front", "removed lab"));
    assertThat(sluice("network", "rm", "front"))
        .isEqualTo(new Result(5, "", "sluice: there is no network front\n"));
  }

  /** Fails if an option of create does not reach the agent. */
  @Test
  void create_passes_everything_on() {
    sluice(
        "network",
        "create",
        "front",
        "--ip-range",
        "10.9.0.128/25",
        "--gateway",
        "fd09::9",
        "--gateway",
        "10.9.0.254",
        "--subnet",
        "10.9.0.0/24",
        "--subnet",
        "fd09::/64",
        "--ipv6",
        "--bridge",
        "br9",
        "--mtu",
        "1400",
        "--icc",
        "false",
        "--egress",
        "source=192.0.2.1,2001:db8::1");
    assertThat(agent.networks().lastNetwork())
        .isEqualTo(
            new NetworkRequest(
                "front",
                Optional.of(new InterfaceName("br9")),
                List.of(
                    new Subnet(
                        Prefix.parse("10.9.0.0/24"),
                        Optional.of(IpAddress.parse("10.9.0.254")),
                        Optional.of(Prefix.parse("10.9.0.128/25"))),
                    new Subnet(
                        Prefix.parse("fd09::/64"),
                        Optional.of(IpAddress.parse("fd09::9")),
                        Optional.empty())),
                true,
                OptionalInt.of(1_400),
                Egress.FixedSource.of(
                    List.of(IpAddress.parse("192.0.2.1"), IpAddress.parse("2001:db8::1"))),
                false,
                true,
                Owner.CLI));
  }

  @Test
  void sandboxes_come_and_go() {
    sluice("network", "create", "front");
    assertThat(sluice("network", "connect", "front", "web", "--netns", "web", "--alias", "www"))
        .isEqualTo(ok("connected web  10.9.0.2  (eth0 on front)"));
    assertThat(sluice("network", "inspect", "front").out())
        .startsWith("[\n  {\n    \"name\" : \"front\",")
        .contains("\"sandbox\" : \"web\"", "\"www\"");
    assertThat(sluice("network", "rm", "front").exitCode()).isEqualTo(4);
    assertThat(sluice("network", "disconnect", "front", "web"))
        .isEqualTo(ok("disconnected web from front"));
  }

  /** Fails if a way to say where the sandbox is leads elsewhere. */
  @Test
  void a_namespace_is_given_by_name_file_process_or_descriptor() {
    sluice("network", "create", "front");
    String self = Long.toString(ProcessHandle.current().pid());
    assertThat(namespace("--netns", "web")).isEqualTo("/run/netns/web");
    assertThat(namespace("--netns", "/some/file")).isEqualTo("/some/file");
    assertThat(namespace("--pid", "42")).isEqualTo("/proc/42/ns/net");
    assertThat(namespace("--fd", "7")).isEqualTo("/proc/" + self + "/fd/7");
  }

  private String namespace(String option, String value) {
    assertThat(sluice("network", "connect", "front", "x", option, value).exitCode()).isZero();
    return agent.networks().remove(new SandboxName("x")).namespace().orElseThrow().path();
  }

  /** Fails if a name is no target, or ps does not tell whose ports they are. */
  @Test
  void ports_are_published_by_name() {
    sluice("network", "create", "front");
    sluice("network", "connect", "front", "web", "--netns", "web");
    assertThat(sluice("publish", "-p", "8080:80", "--to", "web"))
        .isEqualTo(ok("published  0.0.0.0:8080->10.9.0.2:80/tcp  (id a1b2c3d400000001)"));
    assertThat(sluice("ps").out()).contains("   10.9.0.2 (web)   cli   ");
    assertThat(sluice("update", "a1b2c3d400000001", "--to", "web").exitCode()).isZero();
    assertThat(agent.lastUpdate())
        .isEqualTo(UpdateRequest.of("a1b2c3d400000001").to(new SandboxName("web")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          network                              | sluice: missing required subcommand; see sluice network --help
          network creat                        | sluice: unmatched argument at index 3: 'creat'; see sluice network --help
          network create                       | sluice: missing required parameter: 'NAME'; see sluice network create --help
          network create ../x                  | sluice: network name "../x" must begin with.*
          network create x --subnet 10.0.0.1/8 | sluice: 10.0.0.1/8 has bits set.*
          network create x --gateway 10.0.0.1  | sluice: the gateway 10.0.0.1 is in no --subnet that has none already
          network create x --subnet 10.0.0.0/8 --ip-range 11.0.0.0/9 | sluice: the address range 11.0.0.0/9 is in no --subnet.*
          network create x --bridge way-too-long-a-name | sluice: interface name .* is longer than 15 bytes
          network create x --egress nat        | sluice: egress "nat" is none of masquerade, routed, source=ADDRESS
          network create x --egress source=    | sluice: .*
          network create x --egress source=1.2.3.4,1.2.3.5 | sluice: a fixed source has at most one IPv4 address.*
          network create x --egress routed --internal | sluice: the network x is internal.*
          network create x --mtu 9             | sluice: the MTU of the network x must be 68 to 65535 bytes, not 9
          network connect front                | sluice: missing required parameter: 'SANDBOX'.*
          network connect front web --pid 1 --fd 3 | sluice: .*mutually exclusive.*
          network connect front web --ip 10.0.0.300 | sluice: .*10.0.0.300.*
          network connect ../x web             | sluice: network name "../x" must begin with.*
          network disconnect front ../web      | sluice: sandbox name "../web" must begin with.*
          network inspect ../x                 | sluice: network name "../x" must begin with.*
          network rm ../x                      | sluice: network name "../x" must begin with.*
          run                                  | sluice: missing required parameter: 'COMMAND'; see sluice run --help
          run -P true                          | sluice: -P publishes what --expose names.*
          run -p 99999:1 true                  | sluice: port "99999" is not in 1–65535
          run --name ../web true               | sluice: sandbox name "../web" must begin with.*
          run --network a --network a true     | sluice: the sandbox .* is to join the network a twice
          run --ip 10.0.0.1 --ip 10.0.0.2 true | sluice: 10.0.0.1 and 10.0.0.2 are both IPv4 addresses.*
          run --link a:b:c true                | sluice: sandbox name "b:c" may hold only.*
          """)
  void wrong_usage_is_exit_code_2(String arguments, String firstLine) {
    Result result = sluice(arguments.split(" "));
    assertThat(result.err().lines().findFirst().orElse("")).matches(firstLine);
    assertThat(result.exitCode()).isEqualTo(2);
    assertThat(result.err()).doesNotContain("Exception").doesNotContain("\tat ");
    assertThat(result.out()).isEmpty();
    assertThat(agent.networks().topology().networks()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"create", "ls", "inspect", "rm", "connect", "disconnect"})
  void every_command_explains_itself(String command) {
    Result result = sluice("network", command, "--help");
    assertThat(result.exitCode()).isZero();
    assertThat(result.out()).startsWith("Usage: sluice network " + command).contains("--json");
    assertThat(result.out().lines()).allMatch(line -> line.length() <= 100);
    assertThat(sluice("network", "--help").out()).contains("  " + command);
  }
}
