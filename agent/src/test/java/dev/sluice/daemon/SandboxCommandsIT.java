package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Mapping;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Sandbox;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code sluice network} and {@code sluice run} of a real agent, with real traffic. */
class SandboxCommandsIT {
  private static final Duration LIMIT = Duration.ofSeconds(30);

  @AutoClose private Lab lab;
  @AutoClose private BareAgent agent;
  private Path socket = Path.of("/nowhere");

  @BeforeEach
  void start(@TempDir Path directory) {
    socket = directory.resolve("sluice.sock");
    lab = Lab.builder().agentWillConfigureHost().build();
    agent = BareAgent.start(lab.host(), directory);
  }

  private List<String> command(String... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "env", "SLUICE_BUILD=never", KeptAgent.launcher(), "--socket", socket.toString()));
    command.addAll(List.of(arguments));
    return command;
  }

  private Ran sluice(String... arguments) {
    return lab.host().exec(command(arguments).toArray(String[]::new));
  }

  private Background start(String... arguments) {
    return lab.host().start(command(arguments));
  }

  private List<String> said(String... arguments) {
    return sluice(arguments).orFail().stdout().lines().toList();
  }

  /** What a client outside gets from the host's port; empty if nothing. */
  private String fetched(int port) {
    return lab.client()
        .exec("curl", "-s", "-m", "5", "http://" + Lab.HOST + ":" + port + "/")
        .stdout();
  }

  private static void await(String what, BooleanSupplier condition) {
    long deadlineNanos = System.nanoTime() + LIMIT.toNanos();
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("until " + what).isLessThan(deadlineNanos);
      BareAgent.pause();
    }
  }

  /** Interfaces of the host that belong to sandboxes. */
  private List<String> endpoints() {
    return lab.host()
        .exec("ip", "-o", "link")
        .orFail()
        .stdout()
        .lines()
        .filter(line -> line.matches("\\d+: sl[0-9a-f]{12}@.*"))
        .toList();
  }

  private boolean nothingIsLeft() {
    return agent.api().sandboxes().value().isEmpty()
        && agent.api().published().value().isEmpty()
        && endpoints().isEmpty();
  }

  /** Fails if a command does not do what it says, or a network outlives its removal. */
  @Test
  void networks_and_sandboxes_by_command() {
    assertThat(said("network", "create", "front", "--subnet", "10.9.0.0/24"))
        .containsExactly("created front  10.9.0.0/24  (bridge sl-front)");
    said("network", "create", "back", "--subnet", "10.8.0.0/24", "--internal");
    try (Netns web = Netns.create("web")) {
      assertThat(
              said("network", "connect", "front", "web", "--netns", web.name(), "--ip", "10.9.0.7"))
          .containsExactly("connected web  10.9.0.7  (eth0 on front)");
      assertThat(said("network", "connect", "back", "web"))
          .containsExactly("connected web  10.8.0.2  (eth1 on back)");
      assertThat(said("publish", "-p", "8080:80", "--to", "web", "--name", "site"))
          .singleElement()
          .asString()
          .startsWith("published site  0.0.0.0:8080->10.9.0.7:80/tcp");
      web.start("python3", "-c", ECHO, "80");
      await("the server answers", () -> fetched(8080).equals("10.9.0.7"));
      assertThat(said("network", "ls"))
          .containsExactly(
              "NAME    BRIDGE     SUBNETS       EGRESS       REMARKS",
              "back    sl-back    10.8.0.0/24   masquerade   internal",
              "front   sl-front   10.9.0.0/24   masquerade");
      assertThat(String.join("\n", said("network", "inspect", "front")))
          .contains("\"sandbox\" : \"web\"", "\"10.9.0.7\"");
      Ran refused = sluice("network", "rm", "front");
      assertThat(refused.exitCode()).isEqualTo(4);
      assertThat(refused.stderr()).contains("is in use by web");
      said("network", "disconnect", "front", "web");
      assertThat(agent.api().published().value()).isEmpty();
      said("network", "disconnect", "back", "web");
      assertThat(endpoints()).isEmpty();
    }
    said("network", "rm", "front", "back");
    assertThat(lab.host().exec("ip", "link").stdout()).doesNotContain("sl-front", "sl-back");
  }

  /** Says whom it was asked for: its own address. */
  private static final String ECHO =
      """
      import socket, sys
      server = socket.create_server(('', int(sys.argv[1])))
      while True:
        one, _ = server.accept()
        own = one.getsockname()[0]
        one.recv(65536)
        one.sendall(f'HTTP/1.0 200 OK\\r\\nContent-Length: {len(own)}\\r\\n\\r\\n{own}'.encode())
        one.close()
      """;

  /** Fails if the descriptor of whoever calls is not that which the agent opens. */
  @Test
  void a_namespace_is_taken_from_a_descriptor() {
    said("network", "create", "front", "--subnet", "10.9.0.0/24");
    try (Netns web = Netns.create("web")) {
      List<String> shell =
          new ArrayList<>(
              List.of("bash", "-c", "exec 7<\"$0\"; exec \"$@\"", web.path().toString()));
      shell.addAll(command("network", "connect", "front", "web", "--fd", "7"));
      assertThat(lab.host().exec(shell.toArray(String[]::new)).orFail().stdout())
          .isEqualTo("connected web  10.9.0.2  (eth0 on front)\n");
      assertThat(web.exec("ip", "-4", "-o", "address").stdout()).contains("10.9.0.2/24");
    }
  }

  /** Fails if the command is not in the sandbox, or what it had outlives it. */
  @Test
  void run_publishes_a_command_and_ends_with_it() {
    said("network", "create", "front", "--subnet", "10.9.0.0/24");
    Background web =
        start(
            "run",
            "--network",
            "front",
            "--ip",
            "10.9.0.7",
            "-p",
            "8080:80",
            "--name",
            "web",
            "python3",
            "-c",
            ECHO,
            "80");
    web.awaitLine("^published web  0\\.0\\.0\\.0:8080->10\\.9\\.0\\.7:80/tcp  \\(id ", LIMIT);
    await("the server answers", () -> fetched(8080).equals("10.9.0.7"));
    Sandbox sandbox = agent.api().sandboxes().value().get(0);
    assertThat(sandbox.name().text()).isEqualTo("web");
    assertThat(agent.api().published().value())
        .extracting(PublishedMapping::mapping)
        .extracting(Mapping::sandbox)
        .containsExactly(Optional.of(sandbox.name()));

    assertThat(web.stop()).as("SIGTERM is the command's").isEqualTo(128 + 15);
    assertThat(agent.api().sandboxes().value()).isEmpty();
    assertThat(agent.api().published().value()).isEmpty();
    assertThat(endpoints()).isEmpty();
  }

  /** Fails if the way a command ends is not passed on, or a failure leaves something behind. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          exit 42         | 42
          kill -9 $$      | 137
          kill -15 $$     | 143
          exec /no/such   | 127
          """)
  void run_exits_as_the_command(String script, int exitCode) {
    assertThat(sluice("run", "-p", "8080:80", "--", "sh", "-c", script).exitCode())
        .isEqualTo(exitCode);
    assertThat(nothingIsLeft()).isTrue();
  }

  /** Fails if a command that cannot be started is no sentence, or leaves its sandbox. */
  @Test
  void run_says_why_a_command_cannot_be_started() {
    Ran missing = sluice("run", "-p", "8080:80", "--", "no-such-command");
    assertThat(missing.exitCode()).isEqualTo(127);
    assertThat(missing.stderr())
        .endsWith("sluice: cannot run \"no-such-command\": there is no such command\n");
    Ran no = sluice("run", "--", "/etc/passwd");
    assertThat(no.exitCode()).isEqualTo(126);
    assertThat(no.stderr())
        .endsWith("sluice: cannot run \"/etc/passwd\": it is no program, or may not be executed\n");
    assertThat(nothingIsLeft()).isTrue();
  }

  /** Fails if a command runs although its ports could not be published. */
  @Test
  void run_of_what_the_agent_refuses_starts_nothing(@TempDir Path files) {
    agent.api().publish(List.of("8080:80"), Lab.C1, Optional.empty());
    Path trace = files.resolve("started");
    Ran refused = sluice("run", "-p", "8080:80", "--", "touch", trace.toString());
    assertThat(refused.exitCode()).isEqualTo(4);
    assertThat(refused.stderr()).startsWith("sluice: ").hasLineCount(1);
    assertThat(trace).doesNotExist();
    assertThat(agent.api().sandboxes().value()).isEmpty();
    assertThat(endpoints()).isEmpty();
  }

  /** Fails if the sandbox sees the host's interfaces or name servers, or the host the sandbox's. */
  @Test
  void run_shows_the_command_its_own_network() throws Exception {
    said("network", "create", "front", "--subnet", "10.9.0.0/24");
    String before = Files.readString(Path.of("/etc/resolv.conf"));
    Ran seen =
        sluice(
            "run",
            "--network",
            "front",
            "--",
            "sh",
            "-c",
            "ls /sys/class/net; cat /etc/resolv.conf; ip -4 -o route show default; ls -d"
                + " /proc/self/ns/net && cat /sys/class/net/lo/operstate");
    assertThat(seen.orFail().stdout().lines())
        .contains("eth0", "lo", "nameserver 10.9.0.1")
        .anyMatch(line -> line.startsWith("default via 10.9.0.1 dev eth0"))
        .doesNotContain("br0", "sl-front");
    assertThat(Files.readString(Path.of("/etc/resolv.conf"))).isEqualTo(before);
    assertThat(lab.host().exec("ls", "/sys/class/net").stdout()).contains("sl-front");
  }

  /**
   * Fails if what a killed {@code sluice run} had outlives its command: if the agent, or anybody,
   * held the namespace, or nobody noticed its end.
   */
  @Test
  void a_killed_run_leaves_nothing_once_its_command_has_ended() {
    Background run = start("run", "-p", "8080:80", "--name", "web", "python3", "-c", ECHO, "80");
    await("the server answers", () -> !fetched(8080).isEmpty());
    ProcessHandle server =
        ProcessHandle.of(run.pid()).orElseThrow().children().findFirst().orElseThrow();
    run.kill();
    assertThat(fetched(8080)).as("a command goes on without us").isNotEmpty();
    server.destroyForcibly();
    await("the agent has taken everything back", this::nothingIsLeft);
    assertThat(fetched(8080)).isEmpty();
  }
}
