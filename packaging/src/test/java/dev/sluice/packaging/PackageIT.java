package dev.sluice.packaging;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Ran;
import dev.sluice.testing.Traffic.Held;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The package on a machine with a real systemd and dpkg, between a client and a container: what is
 * installed works as the unit confines it, and neither upgrade, stuck agent nor removal is noticed
 * by who is connected.
 */
class PackageIT {
  private static final int SESSIONS = 20;

  /** Flushes all rules again and again, and tells when that took our table away. */
  private static final String VANDAL =
      """
      echo at work
      while :; do
        nft flush ruleset
        nft list map inet sluice any4 2>/dev/null | grep -q 172.30.0.2 && echo there || echo GONE
        sleep 0.02
      done
      """;

  private final Lab lab = Lab.builder().containers(1).agentWillConfigureHost().build();
  private final Nft nft = Nft.in(lab.host());
  private final Path exchange;
  private final BuiltPackage built = BuiltPackage.built();
  private Machine machine;

  PackageIT(@TempDir Path exchange) {
    this.exchange = exchange;
  }

  @BeforeEach
  void start() throws Exception {
    Files.copy(built.file(), exchange.resolve("sluice.deb"));
    machine = Machine.start(lab.host(), exchange);
  }

  @AfterEach
  void close() {
    machine.close();
    lab.close();
  }

  private String dpkg(String... arguments) {
    String[] command = new String[arguments.length + 1];
    command[0] = "dpkg";
    System.arraycopy(arguments, 0, command, 1, arguments.length);
    return machine.runLong(command);
  }

  private Ran sluice(String... arguments) {
    String[] command = new String[arguments.length + 1];
    command[0] = "sluice";
    System.arraycopy(arguments, 0, command, 1, arguments.length);
    return machine.run(command);
  }

  private String mainPid() {
    return machine.property("sluice.service", "MainPID");
  }

  private void awaitActive() {
    machine.await(
        "start of the agent",
        () ->
            Optional.of(machine.property("sluice.service", "ActiveState"))
                .filter("active"::equals));
  }

  private void assertServed() {
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
  }

  /**
   * Fails if the unit takes away what the agent needs, if the agent is stopped instead of restarted
   * by an upgrade, if the descriptor store forgets the table's socket meanwhile, if the watchdog
   * believes an agent that accepts nobody, or if anything but a purge takes ports back.
   */
  @Test
  void portsOutliveUpgradeStuckAgentAndRemoval() throws Exception {
    dpkg("--install", "/mnt/sluice.deb");
    assertInstalled();
    assertConfinementLeavesEnough();
    assertDockerIsServed();

    sluice("publish", "-p", "8080:80", "--to", Lab.C1, "--name", "web").orFail();
    try (Held sessions = lab.client().traffic().hold(Lab.HOST, 8080, SESSIONS)) {
      assertThat(sessions.answered()).isEqualTo(SESSIONS);
      Background vandal = lab.host().start("sh", "-c", VANDAL);
      vandal.awaitLine("there", Machine.LIMIT);

      assertUpgradeIsNotNoticed();
      assertThat(sessions.alive()).isEqualTo(SESSIONS);
      assertStuckAgentIsReplaced();
      assertThat(sessions.alive()).isEqualTo(SESSIONS);
      assertThat(vandal.lines()).containsOnly("at work", "there");
      vandal.kill();

      assertThat(dpkg("--remove", "sluice")).contains("what is published stays in force");
      assertThat(machine.run("pgrep", "-f", "dev.sluice.cli.Main").stdout()).isEmpty();
      assertServed();
      assertThat(sessions.alive()).isEqualTo(SESSIONS);
    }

    dpkg("--purge", "sluice");
    assertThat(nft.run("list", "tables").orFail().stdout()).doesNotContain("table inet sluice\n");
    assertThat(
            machine
                .run(
                    "sh",
                    "-c",
                    "ls -d /etc/default/sluice /var/cache/sluice /var/lib/sluice /run/sluice")
                .stdout())
        .isEmpty();
  }

  private void assertInstalled() {
    awaitActive();
    assertThat(machine.run("systemctl", "is-enabled", "sluice").stdout()).isEqualTo("enabled\n");
    assertThat(machine.run("systemd-analyze", "verify", "sluice.service"))
        .satisfies(
            ran -> assertThat(ran.stdout() + ran.stderr()).isEmpty(),
            ran -> assertThat(ran.exitCode()).isZero());
    assertThat(machine.run("stat", "-c", "%a %U %G", "/run/sluice").stdout())
        .isEqualTo("750 root sluice\n");
    assertThat(machine.property("sluice.service", "NFileDescriptorStore")).isEqualTo("1");
    // Started with the archive of classes that the installation has made, and not its maker.
    assertThat(machine.run("sh", "-c", "test -s /var/cache/sluice/*.jsa").exitCode()).isZero();
    // Members of the group, and nobody else.
    assertThat(as("sluice", "ps").exitCode()).isZero();
    assertThat(as("nogroup", "ps").exitCode()).isEqualTo(6);
    assertThat(machine.run("man", "--where", "sluice-agent").exitCode()).isZero();
  }

  private Ran as(String group, String command) {
    return machine.run(
        "setpriv", "--reuid=nobody", "--regid=" + group, "--clear-groups", "sluice", command);
  }

  /** What needs the capabilities, families and calls that the unit leaves the agent. */
  private void assertConfinementLeavesEnough() {
    // A namespace that was mounted when the agent had long been running; its link, its name server.
    machine.run("ip", "netns", "add", "late").orFail();
    sluice("network", "create", "front", "--subnet", "10.9.0.0/24").orFail();
    sluice("network", "connect", "front", "box", "--netns", "late").orFail();
    assertThat(machine.run("ip", "-n", "late", "-br", "address", "show", "eth0").stdout())
        .contains("10.9.0.");
    // Of a process whose capabilities are not among the agent's.
    sluice("run", "--network", "front", "--name", "one", "-p", "90:90", "--", "true").orFail();
    String doctor = sluice("doctor").stdout();
    assertThat(doctor).contains("keeps it locked").doesNotContainIgnoringCase("not permitted");
    assertThat(log()).doesNotContain("EPERM", "not permitted", " WARN ");
  }

  /** What the agent needs for Docker is not there before, and not in its own directories. */
  private void assertDockerIsServed() {
    setOptions("--docker --docker-plugin");
    restart();
    assertThat(driver("Plugin.Activate", "{}")).contains("NetworkDriver");
    String id = "0123456789abcdef".repeat(4);
    String network =
        """
        {"NetworkID":"%s","Options":{},"IPv4Data":[{"AddressSpace":"","Pool":"10.77.0.0/24",
         "Gateway":"10.77.0.1/24","AuxAddresses":{}}],"IPv6Data":[]}
        """
            .formatted(id);
    assertThat(driver("NetworkDriver.CreateNetwork", network)).isEqualTo("{}");
    assertThat(machine.run("ls", "/var/lib/sluice/docker").orFail().stdout()).contains(id);
    assertThat(machine.run("stat", "-c", "%a %U", "/var/lib/sluice").stdout())
        .isEqualTo("700 root\n");
    restart();
    assertThat(sluice("network", "ls").stdout()).contains("10.77.0.0/24");
    assertThat(driver("NetworkDriver.DeleteNetwork", "{\"NetworkID\":\"" + id + "\"}"))
        .isEqualTo("{}");
    assertThat(log()).doesNotContain("rehearsal");
    setOptions(""); // from the next start on
  }

  private void setOptions(String options) {
    machine
        .run(
            "sed",
            "-i",
            "s/^SLUICE_AGENT_OPTIONS=.*/SLUICE_AGENT_OPTIONS=" + options + "/",
            "/etc/default/sluice")
        .orFail();
  }

  private void restart() {
    machine.run("systemctl", "restart", "sluice.service").orFail();
    awaitActive();
  }

  private String driver(String call, String request) {
    return machine
        .run(
            "curl",
            "-sS",
            "--unix-socket",
            "/run/docker/plugins/sluice.sock",
            "--data",
            request,
            "http://plugin/" + call)
        .orFail()
        .stdout()
        .strip();
  }

  private String log() {
    return machine
        .run("journalctl", "--unit=sluice.service", "--output=cat", "--no-pager")
        .orFail()
        .stdout();
  }

  private void assertUpgradeIsNotNoticed() {
    String before = mainPid();
    String version = built.field("Version") + "+1";
    built.as(version, exchange);
    dpkg("--install", "/mnt/sluice-" + version + ".deb");
    awaitActive();
    assertThat(mainPid()).isNotEqualTo(before);
    assertThat(machine.property("sluice.service", "NRestarts")).isEqualTo("0");
    assertThat(machine.property("sluice.service", "NFileDescriptorStore")).isEqualTo("1");
    assertServed();
    assertThat(log()).contains("adopted, owned, 1 mappings");
  }

  private void assertStuckAgentIsReplaced() {
    machine
        .run(
            "sh",
            "-c",
            """
            mkdir -p /etc/systemd/system/sluice.service.d
            printf '[Service]\\nWatchdogSec=3s\\nTimeoutAbortSec=1s\\n' \
              >/etc/systemd/system/sluice.service.d/quick.conf
            systemctl daemon-reload
            systemctl restart sluice.service
            """)
        .orFail();
    awaitActive();
    String before = mainPid();
    long agent = machine.here(Long.parseLong(before));
    String acceptor =
        Ran.run("sh", "-c", "grep -lx api-accept /proc/" + agent + "/task/*/comm | cut -d/ -f5")
            .orFail()
            .stdout()
            .strip();
    // Everything else goes on, timers among it.
    Background strace =
        lab.host()
            .start(
                List.of(
                    "strace",
                    "-o",
                    exchange.resolve("strace").toString(),
                    "-p",
                    acceptor,
                    "-e",
                    "inject=poll,accept,accept4:delay_enter=60000000"));
    strace.awaitLine("attached", Machine.LIMIT);
    machine.await(
        "dump of the agent's threads",
        () -> Optional.of(log()).filter(it -> it.contains("Full thread dump")));
    strace.kill(); // as long as it follows the thread, the process cannot end
    machine.await(
        "restart by systemd",
        () -> Optional.of(machine.property("sluice.service", "NRestarts")).filter("1"::equals));
    awaitActive();
    assertThat(log()).contains("Watchdog timeout", "Full thread dump", "\"api-accept\"");
    assertServed();
  }
}
