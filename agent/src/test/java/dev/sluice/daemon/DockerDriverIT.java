package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.model.Mapping;
import dev.sluice.model.PublishedMapping;
import dev.sluice.testing.Background;
import dev.sluice.testing.DockerEngine;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Ran;
import dev.sluice.testing.Traffic.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code docker network create -d sluice} with a real engine and the real agent.
 *
 * <p>The engine runs with {@code --iptables} as it does by default, so that its own rules are there
 * as on most hosts.
 */
@TestInstance(Lifecycle.PER_CLASS)
class DockerDriverIT {
  private static final Duration LIMIT = Duration.ofSeconds(30);

  /** What docs/docker.md says. */
  private static final List<String> PASS =
      List.of(
          "-o sl-+ -j ACCEPT",
          "-i sl-+ -o out0 -j ACCEPT",
          "-i sl-+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");

  /** What it warns of. */
  private static final List<String> PASS_ALL = List.of("-i sl-+ -j ACCEPT");

  private static final String[] ENGINE = {"--live-restore", "--ip6tables=false"};

  private Lab lab;
  private DockerEngine docker;
  private BareAgent agent;
  private Path directory;

  @BeforeAll
  void start(@TempDir Path temporary) {
    directory = temporary;
    lab = Lab.builder().containers(0).noServers().build();
    docker = DockerEngine.in(lab.host(), ENGINE);
    startAgent();
  }

  @AfterAll
  void end() {
    agent.close();
    docker.close();
    lab.close();
  }

  private void startAgent() {
    agent =
        BareAgent.start(
            lab.host(),
            directory,
            "--docker-plugin=" + docker.plugins().resolve("sluice.sock"),
            "--docker-state=" + directory.resolve("state"));
    await("the socket of the plugin", () -> Files.exists(docker.plugins().resolve("sluice.sock")));
  }

  /** Fails if a call that gives something back does not. */
  @AfterEach
  void everythingIsGivenBack() throws IOException {
    for (String id : lines("ps", "-aq")) {
      docker.docker("rm", "-f", id);
    }
    for (String id : lines("network", "ls", "-q", "--filter", "driver=sluice")) {
      docker.docker("network", "rm", id);
    }
    assertThat(published()).isEmpty();
    assertThat(agent.api().sandboxes().value()).isEmpty();
    assertThat(agent.api().networks().value()).isEmpty();
    assertThat(links()).doesNotContainPattern(": s[lv]");
    try (Stream<Path> state = Files.list(directory.resolve("state"))) {
      assertThat(state).isEmpty();
    }
  }

  private List<String> lines(String... command) {
    return docker.docker(command).lines().toList();
  }

  private String links() {
    return lab.host().exec("ip", "-o", "link").orFail().stdout();
  }

  private List<String> published() {
    return agent.api().published().value().stream()
        .map(PublishedMapping::mapping)
        .map(Mapping::hostText)
        .sorted()
        .toList();
  }

  private void network(String name, String... options) {
    List<String> command = new ArrayList<>(List.of("network", "create", "-d", "sluice"));
    command.addAll(List.of(options));
    command.add(name);
    docker.docker(command.toArray(String[]::new));
  }

  private Ran tryRun(String name, String network, String... options) {
    List<String> command =
        new ArrayList<>(List.of("run", "-d", "--name", name, "--network", network));
    command.addAll(List.of(options));
    command.add(DockerEngine.IMAGE);
    return docker.tryDocker(command.toArray(String[]::new));
  }

  private void run(String name, String network, String... options) {
    tryRun(name, network, options).orFail();
  }

  private String fetch(String url) {
    return lab.client().exec("curl", "-s", "-m", "3", url).stdout();
  }

  /** What a container sees of a server; empty if it sees nothing. */
  private String fetchFrom(String container, String url) {
    return docker.exec(container, "curl", "-s", "-m", "1", url).stdout();
  }

  private static void await(String what, BooleanSupplier condition) {
    long deadlineNanos = System.nanoTime() + LIMIT.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadlineNanos) {
        throw new AssertionError("waited in vain for: " + what);
      }
      BareAgent.pause();
    }
  }

  /** Fails if one of the ways to ask for a port leads nowhere, or is another port. */
  @Test
  void portsAreWhereTheyWereAskedFor() {
    network("web", "--ipv6", "--subnet", "10.95.0.0/24", "--subnet", "fd95::/64");
    run(
        "one",
        "web",
        "-p",
        "8080:80",
        "-p",
        Lab.HOST + ":8081:80",
        "-p",
        "[::]:8082:80",
        "-p",
        "8083-8085:80",
        "-p",
        "5300:53/udp",
        "-p",
        "9000-9099:9000-9099");
    assertThat(published())
        .containsExactly(
            "0.0.0.0:5300->53/udp",
            "0.0.0.0:8080->80/tcp",
            "0.0.0.0:8083->80/tcp",
            "0.0.0.0:9000-9099->9000-9099/tcp",
            Lab.HOST + ":8081->80/tcp",
            "[::]:5300->53/udp",
            "[::]:8080->80/tcp",
            "[::]:8082->80/tcp",
            "[::]:8083->80/tcp",
            "[::]:9000-9099->9000-9099/tcp");
    docker.traffic("one").serve("one", "9050", "53");
    for (int port : new int[] {8080, 8081, 8083}) {
      assertThat(fetch("http://" + Lab.HOST + ":" + port)).as("port " + port).isEqualTo("hello\n");
    }
    assertThat(fetch("http://[" + Lab.HOST6 + "]:8082")).isEqualTo("hello\n");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 9050).server()).isEqualTo("one:9050");
    assertThat(lab.client().traffic().udp(Lab.HOST, 5300).server()).isEqualTo("one:53");
    run("all", "web", "-P");
    int port =
        agent
            .api()
            .find("docker-" + endpoint("all", "web"))
            .value()
            .get(0)
            .mapping()
            .hostPorts()
            .first();
    assertThat(fetch("http://" + Lab.HOST + ":" + port)).isEqualTo("hello\n");
    // What Docker can show of it: the address, never the ports.
    assertThat(docker.inspect("one", "{{.NetworkSettings.Networks.web.MacAddress}}"))
        .isEqualTo("02:73:0a:5f:00:02");
  }

  private String endpoint(String container, String network) {
    return docker
        .inspect(container, "{{.NetworkSettings.Networks." + network + ".EndpointID}}")
        .substring(0, 12);
  }

  /** Fails if who asked is not told why, or a container that could not start leaves something. */
  @Test
  void aTakenPortIsSaidToWhoAsked() {
    network("web");
    run("one", "web", "-p", "8080:80");
    Ran refused = tryRun("two", "web", "-p", "8079:80", "-p", "8080:80");
    assertThat(refused.exitCode()).isNotZero();
    assertThat(refused.stderr())
        .contains("port 8080/tcp on 0.0.0.0 is taken: published as docker-")
        .contains("unpublish that first, or choose another host port");
    assertThat(published()).containsExactly("0.0.0.0:8080->80/tcp");
    assertThat(agent.api().sandboxes().value()).hasSize(1);
    assertThat(
            docker
                .tryDocker("network", "create", "-d", "sluice", "-o", "colour=blue", "x")
                .stderr())
        .contains("the option \"colour\" is not known");
  }

  /** Fails if Docker's names do not work, or networks are not what they are said to be. */
  @Test
  void networksConnectAndSeparate() {
    network("blue");
    network("red");
    network("closed", "--internal");
    run("b1", "blue");
    run("b2", "blue", "-p", "8080:80");
    run("r1", "red");
    run("c1", "closed");
    run("c2", "closed");
    assertThat(docker.docker("exec", "b1", "wget", "-qO-", "http://b2/")).isEqualTo("hello");
    String b2 = docker.inspect("b2", "{{.NetworkSettings.Networks.blue.IPAddress}}");
    assertThat(fetchFrom("b1", "http://" + b2)).isEqualTo("hello\n");
    assertThat(fetchFrom("r1", "http://" + b2)).isEmpty();
    assertThat(fetchFrom("r1", "http://" + Lab.HOST + ":8080")).isEqualTo("hello\n");
    lab.client().traffic().serve("out", "7000", "");
    assertThat(docker.traffic("r1").tcp(Lab.CLIENT, 7000).text())
        .startsWith("out:7000 peer=" + Lab.HOST);
    assertThat(docker.docker("exec", "c1", "wget", "-qO-", "http://c2/")).isEqualTo("hello");
    assertThat(docker.traffic("c1").tcp(Lab.CLIENT, 7000).outcome()).isEqualTo(Outcome.UNREACHABLE);
  }

  /** Fails if the ports do not move to the network that is left. */
  @Test
  void portsFollowFromNetworkToNetwork() {
    network("blue", "--subnet", "10.95.0.0/24");
    network("red", "--subnet", "10.96.0.0/24");
    run("web", "red", "-p", "8080:80");
    docker.docker("network", "connect", "blue", "web");
    docker.docker("network", "disconnect", "red", "web");
    assertThat(published()).containsExactly("0.0.0.0:8080->80/tcp");
    assertThat(agent.api().published().value().get(0).mapping().targetAddress())
        .hasToString("10.95.0.2");
    assertThat(fetch("http://" + Lab.HOST + ":8080")).isEqualTo("hello\n");
    docker.docker("network", "disconnect", "blue", "web");
    assertThat(published()).isEmpty();
  }

  /**
   * Fails if a killed agent takes ports along, what Docker asks meanwhile is lost, or the next one
   * does not know what the last one was asked for.
   */
  @Test
  void aKilledAgentIsWaitedFor() {
    network("web");
    run("one", "web", "-p", "8080:80");
    agent.kill();
    assertThat(fetch("http://" + Lab.HOST + ":8080")).isEqualTo("hello\n");
    Background meanwhile =
        lab.host()
            .start(
                docker.dockerCommand(
                    "run",
                    "-d",
                    "--name",
                    "two",
                    "--network",
                    "web",
                    "-p",
                    "8081:80",
                    DockerEngine.IMAGE));
    await(
        "Docker's call",
        () ->
            docker.said().stream().anyMatch(line -> line.contains("Unable to connect to plugin")));
    startAgent();
    assertThat(meanwhile.awaitEnd(LIMIT)).isZero();
    assertThat(published()).containsExactly("0.0.0.0:8080->80/tcp", "0.0.0.0:8081->80/tcp");
    assertThat(fetch("http://" + Lab.HOST + ":8080")).isEqualTo("hello\n");
    assertThat(fetch("http://" + Lab.HOST + ":8081")).isEqualTo("hello\n");
  }

  /** Fails if Docker's networks do not come back after a restart of the host. */
  @Test
  void aRestartOfTheHostIsSurvived() {
    network("web", "-o", "sluice.name=blog", "-o", "com.docker.network.bridge.name=brblog");
    run("one", "web", "-p", "8080:80");
    docker.docker("stop", "-t", "0", "one");
    agent.stop();
    lab.host().exec("nft", "delete", "table", "inet", "sluice").orFail();
    lab.host().ip("link del brblog");
    startAgent();
    docker.docker("start", "one");
    assertThat(fetch("http://" + Lab.HOST + ":8080")).isEqualTo("hello\n");
    assertThat(agent.api().networks().value())
        .extracting(one -> one.name())
        .containsExactly("blog");
  }

  /** Fails if an endpoint of a container stays that has ended while nobody was there to tell. */
  @Test
  void containersThatEndWithoutTheEngineAreReaped() {
    network("web");
    run("dies", "web", "-p", "8080:80");
    run("lives", "web", "-p", "8081:80");
    long pid = processOf(docker.inspect("dies", "{{.Id}}"));
    docker.kill();
    Ran.run("kill", "-9", Long.toString(pid)).orFail();
    assertThat(fetch("http://" + Lab.HOST + ":8081")).isEqualTo("hello\n");
    docker.start(ENGINE);
    await("the port is taken back", () -> published().equals(List.of("0.0.0.0:8081->80/tcp")));
    assertThat(fetch("http://" + Lab.HOST + ":8081")).isEqualTo("hello\n");
    run("next", "web", "-p", "8080:80");
    assertThat(fetch("http://" + Lab.HOST + ":8080")).isEqualTo("hello\n");
  }

  /**
   * Fails if doctor does not say why nothing arrives, what docs/docker.md says does not help, or
   * that opens Docker's own networks.
   */
  @Test
  void thePolicyOfDockersChainIsFoundAndCanBeOvercome() {
    network("web");
    run("one", "web", "-p", "8080:80");
    run("own", "bridge");
    String own = "http://" + docker.inspect("own", "{{.NetworkSettings.IPAddress}}");
    lab.host().exec("iptables", "-P", "FORWARD", "DROP").orFail();
    try {
      assertThat(fetch("http://" + Lab.HOST + ":8080")).isEmpty();
      assertThat(agent.api().findings().value())
          .extracting(Finding::found)
          .anyMatch(text -> text.contains("dropped by the policy drop of the chain FORWARD"));
      rules("-I", PASS);
      assertThat(fetch("http://" + Lab.HOST + ":8080")).isEqualTo("hello\n");
      lab.client().traffic().serve("out", "7001", "");
      assertThat(docker.traffic("one").tcp(Lab.CLIENT, 7001).server()).isEqualTo("out:7001");
      assertThat(fetchFrom("one", own)).isEmpty();
      rules("-I", PASS_ALL);
      assertThat(fetchFrom("one", own)).isEqualTo("hello\n");
    } finally {
      lab.host().exec("iptables", "-P", "FORWARD", "ACCEPT").orFail();
      rules("-D", PASS_ALL);
      rules("-D", PASS);
    }
  }

  /** Docker tells the number it has in the engine's own process namespace. */
  private static long processOf(String containerId) {
    return ProcessHandle.allProcesses()
        .filter(process -> groups(process.pid()).contains(containerId))
        .findFirst()
        .orElseThrow()
        .pid();
  }

  private static String groups(long pid) {
    try {
      return Files.readString(Path.of("/proc", Long.toString(pid), "cgroup"));
    } catch (IOException e) {
      return ""; // it has ended
    }
  }

  private void rules(String action, List<String> rules) {
    for (String rule : rules) {
      List<String> command = new ArrayList<>(List.of("iptables", action, "DOCKER-USER"));
      command.addAll(List.of(rule.split(" ")));
      lab.host().exec(command.toArray(String[]::new));
    }
  }
}
