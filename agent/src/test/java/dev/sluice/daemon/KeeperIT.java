package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.Nftables;
import dev.sluice.ruleset.SluiceTable;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Ran;
import dev.sluice.testing.Traffic.Held;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The real agent, killed under its keepers: {@code sluice-keeper}, and systemd as {@code
 * lab/systemd.py} plays it.
 *
 * <p>{@code -Dsluice.kills=500} is the whole campaign; without it there are 20 kills.
 */
@Tag("alone")
class KeeperIT {
  private static final boolean CAMPAIGN = Integer.getInteger("sluice.kills") != null;
  private static final int KILLS = Integer.getInteger("sluice.kills", 5);
  private static final int SESSIONS = 50;

  /** From a kill to the first answer; other tests may have the machine when it is no campaign. */
  private static final Duration CONVERGED = Duration.ofSeconds(CAMPAIGN ? 2 : 10);

  private static final Duration LIMIT = Duration.ofSeconds(30);

  /** Somebody who tries to change the table all the time, and says so when it works. */
  private static final String VANDAL =
      """
      echo at work
      while :; do
        nft flush ruleset
        nft delete table inet sluice 2>/dev/null && echo DELETED
        nft add element inet sluice any4 '{ tcp . 81 : 172.30.0.2 . 80 }' 2>/dev/null && echo ADDED
        nft flush map inet sluice any4 2>/dev/null && echo FLUSHED
        nft list table inet sluice >/dev/null 2>&1 || echo GONE
        echo tried
        sleep 0.02
      done
      """;

  private final Lab lab = Lab.builder().containers(1).agentWillConfigureHost().build();
  private final Nft nft = Nft.in(lab.host());

  private final Path directory;

  KeeperIT(@TempDir Path directory) {
    this.directory = directory;
  }

  @AfterEach
  void close() {
    lab.close();
  }

  private void publish(KeptAgent agent) {
    agent.awaitPublished();
    agent.sluice("publish", "-p", "8080:80", "--to", Lab.C1, "--name", "web").orFail();
  }

  private void assertServed() {
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
  }

  private static void assertNothingWasChanged(Background vandal) {
    assertThat(vandal.lines()).containsOnly("at work", "tried");
  }

  private static void awaitTries(Background vandal, int count) throws InterruptedException {
    int wanted = vandal.lines().size() + count;
    long deadlineNanos = System.nanoTime() + LIMIT.toNanos();
    while (vandal.lines().size() < wanted) {
      assertThat(System.nanoTime()).isLessThan(deadlineNanos);
      Thread.sleep(5);
    }
  }

  /**
   * Fails if the launcher leaves the keeper out, if the agent opens a socket of its own or takes
   * the table of the inherited one for somebody else's, or if it does not end with 0 when told to.
   */
  @Test
  void nobodyChangesTheTableWhileTheAgentIsDead() throws Exception {
    KeptAgent agent = KeptAgent.start(lab.host(), directory);
    publish(agent);
    assertServed();
    Background vandal = lab.host().start("sh", "-c", VANDAL);
    vandal.awaitLine("tried", LIMIT);
    for (int i = 0; i < 3; i++) {
      agent.kill();
      assertThat(agent.awaitPublished()).hasSize(1);
      awaitTries(vandal, 3);
    }
    assertNothingWasChanged(vandal);
    assertServed();
    assertThat(String.join("\n", agent.keeper().lines()))
        .containsPattern("sluice-keeper: process \\d+ was killed by signal 9 \\(SIGKILL\\)")
        .contains("table inet sluice adopted, owned, 1 mappings");
    assertThat(agent.sluice("doctor").stdout())
        .containsPattern("process \\d+ \\(.*/sluice-keeper\\) keeps it locked");

    Ran rival = agent.rival(directory.resolve("rival.sock"));
    assertThat(rival.exitCode()).isEqualTo(StartupException.CONFLICT);
    assertThat(rival.stderr()).contains("another agent serves this network namespace");
    assertServed();

    vandal.kill();
    assertThat(agent.stop()).isZero();
    agent.keeper().awaitLine("published ports stay in force", LIMIT);
    assertServed();
    // Nobody has the socket any more: the table is an orphan.
    nft.run("delete", "table", "inet", "sluice").orFail();
  }

  /**
   * Fails if the keeper gives up when a rival holds the namespace at the moment of the restart, or
   * if the rival gets the table.
   */
  @Test
  void aRivalThatComesInBetweenDoesNotGetTheTable() {
    KeptAgent agent = KeptAgent.start(lab.host(), directory);
    publish(agent);
    long first = agent.pid();
    // Stopped, the keeper cannot start the agent again before the rival has tried.
    Ran.run("kill", "-STOP", Long.toString(agent.keeper().pid())).orFail();
    Ran.run("kill", "-KILL", Long.toString(first)).orFail();
    Ran rival = agent.rival(directory.resolve("rival.sock"));
    Ran.run("kill", "-CONT", Long.toString(agent.keeper().pid())).orFail();
    assertThat(rival.exitCode()).as(rival.stderr()).isEqualTo(StartupException.CONFLICT);
    assertThat(rival.stderr())
        .containsPattern("owned by process \\d+ \\(.*sluice-keeper.*\\), netlink port");
    assertThat(agent.awaitPublished()).hasSize(1);
    assertServed();
  }

  /**
   * Fails if a dump that the killed agent left unfinished is not read to its end (EBUSY for the
   * next agent), if anything of the table is lost, or if a connection is cut.
   */
  @Test
  void killedAtRandomMomentsItIsBackWithEverything() throws Exception {
    KeptAgent launched = KeptAgent.start(lab.host(), directory);
    publish(launched);
    // Two thousand elements: so many that reading them takes several system calls.
    launched.sluice("publish", "-p", "20000-21999:30000-31999", "--to", Lab.C1).orFail();
    List<String> command = launched.command();
    assertThat(launched.stop()).isZero();

    KeptAgent agent = KeptAgent.again(launched, command, "--settled=0");
    assertThat(agent.awaitPublished()).hasSize(2);
    Background vandal = lab.host().start("sh", "-c", VANDAL);
    vandal.awaitLine("tried", LIMIT);
    long seed = System.nanoTime();
    Random random = new Random(seed);
    List<Long> convergedMillis = new ArrayList<>();
    try (Held sessions = lab.client().traffic().hold(Lab.HOST, 8080, SESSIONS)) {
      assertThat(sessions.answered()).isEqualTo(SESSIONS);
      for (int kill = 1; kill <= KILLS; kill++) {
        // Half of the kills hit an agent at work, half one that is starting.
        if (random.nextBoolean()) {
          agent.awaitPublished();
        }
        Thread.sleep(random.nextInt(700));
        agent.kill();
        if (kill % 5 == 0) {
          long dead = System.nanoTime();
          assertThat(agent.awaitPublished()).as("seed %d, kill %d", seed, kill).hasSize(2);
          convergedMillis.add(Duration.ofNanos(System.nanoTime() - dead).toMillis());
          assertThat(sessions.alive()).as("seed %d, kill %d", seed, kill).isEqualTo(SESSIONS);
          assertServed();
        }
      }
      assertThat(sessions.alive()).isEqualTo(SESSIONS);
    }
    assertNothingWasChanged(vandal);
    System.out.println(
        "killed " + KILLS + " times; back after (ms) " + convergedMillis + ", seed " + seed);
    assertThat(convergedMillis).allMatch(millis -> millis <= CONVERGED.toMillis());
    assertThat(agent.stop()).isZero();
  }

  private int ownerPortId() {
    try (NetworkNamespace namespace = NetworkNamespace.open(lab.host().path());
        Nftables reader = Nftables.open(namespace)) {
      return reader.table(SluiceTable.ID).orElseThrow().ownerPortId();
    }
  }

  private KeptAgent startUnderSystemd(String firstHanded) throws IOException {
    try (InputStream script = KeeperIT.class.getResourceAsStream("/lab/systemd.py")) {
      return KeptAgent.start(
          lab.host(),
          directory,
          "/usr/bin/python3",
          "-c",
          new String(script.readAllBytes(), StandardCharsets.UTF_8),
          directory.toString(),
          firstHanded);
    }
  }

  /**
   * Fails if the socket is not left with systemd, if it is not taken over from it, or if the
   * launcher puts a keeper in between.
   */
  @Test
  void underSystemdItsDescriptorStoreIsTheKeeper() throws Exception {
    KeptAgent agent = startUnderSystemd("nothing");
    publish(agent);
    agent
        .keeper()
        .awaitLine("^start 1 notify FDSTORE=1 FDNAME=sluice-table$", Duration.ofSeconds(5));
    int owner = ownerPortId();
    Background vandal = lab.host().start("sh", "-c", VANDAL);
    vandal.awaitLine("tried", LIMIT);

    agent.kill();
    agent.keeper().awaitLine("^start 1 ended -9$", LIMIT);
    int before = vandal.lines().size();
    agent.keeper().awaitLine("^start 2 process ", LIMIT);
    assertThat(vandal.lines().size()).as("tries with nobody home").isGreaterThan(before + 3);
    assertThat(agent.awaitPublished()).hasSize(1);
    agent.keeper().awaitLine("^start 2 notify READY=1$", LIMIT);
    awaitTries(vandal, 3);
    assertNothingWasChanged(vandal);
    assertServed();
    assertThat(ownerPortId()).isEqualTo(owner);
    assertThat(agent.keeper().lines()).noneMatch(line -> line.startsWith("start 2 notify FDSTORE"));
    assertThat(agent.sluice("doctor").stdout())
        .containsPattern("process " + agent.keeper().pid() + " \\(.*python3.*\\) keeps it locked");

    assertThat(agent.stop()).isZero();
    agent.keeper().awaitLine("^start 2 notify STOPPING=1$", LIMIT);
    agent.keeper().awaitLine("^start 2 ended 0$", LIMIT);
  }

  /** Fails if what was handed over is believed to be the table's socket without a look at it. */
  @Test
  void aDescriptorThatIsNoNetfilterSocketIsReplaced() throws Exception {
    KeptAgent agent = startUnderSystemd("wrong");
    publish(agent);
    agent
        .keeper()
        .awaitLine("descriptor 3 is a socket of domain 1, .* not of netlink family 12", LIMIT);
    agent.keeper().awaitLine("^start 1 notify FDSTOREREMOVE=1 FDNAME=sluice-table$", LIMIT);
    agent.keeper().awaitLine("^start 1 notify FDSTORE=1 FDNAME=sluice-table$", LIMIT);
    agent.kill();
    agent.keeper().awaitLine("^start 2 notify READY=1$", LIMIT);
    assertThat(agent.awaitPublished()).hasSize(1);
    assertServed();
  }
}
