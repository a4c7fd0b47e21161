package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.TraceJson;
import dev.sluice.model.TraceEvent;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Ran;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sluice trace} of a real agent, and what is left of it. */
class TraceCommandIT {
  private static final Duration LIMIT = Duration.ofSeconds(30);

  @AutoClose private Lab lab;
  @AutoClose private BareAgent agent;
  private Path socket = Path.of("/nowhere");

  @BeforeEach
  void start(@TempDir Path directory) {
    socket = directory.resolve("sluice.sock");
    lab = Lab.builder().agentWillConfigureHost().build();
    agent = BareAgent.start(lab.host(), directory);
    agent.api().publish(List.of("8080:80"), Lab.C1, Optional.of("web"));
  }

  private List<String> command(String... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "env",
                "SLUICE_BUILD=never",
                KeptAgent.launcher(),
                "--socket",
                socket.toString(),
                "trace"));
    command.addAll(Arrays.asList(arguments));
    return command;
  }

  private Background trace(String... arguments) {
    Background trace = lab.host().start(command(arguments));
    trace.awaitLine("following packets|\"event\":\"start\"", LIMIT);
    assertThat(isInTheKernel()).isTrue();
    return trace;
  }

  private boolean isInTheKernel() {
    return Nft.in(lab.host()).hasTable("inet", "sluice-trace");
  }

  private void awaitNothingLeft() {
    long deadlineNanos = System.nanoTime() + Duration.ofSeconds(5).toNanos();
    while (isInTheKernel()) {
      assertThat(System.nanoTime()).as("the table is still there").isLessThan(deadlineNanos);
      BareAgent.pause();
    }
  }

  /** Fails if a step is not shown, or the command does not end with its count. */
  @Test
  void peopleReadItHookByHook() {
    Background trace = trace("8080", "--count", "2", "--rate", "1000");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
    assertThat(trace.awaitEnd(LIMIT)).isZero();
    assertThat(isInTheKernel()).isFalse();
    List<String> lines = trace.lines();
    assertThat(lines.get(0)).isEqualTo("following packets to port 8080/tcp");
    String all = String.join("\n", lines);
    assertThat(all)
        .containsPattern(
            "question  tcp 198\\.18\\.0\\.2:\\d+ -> 198\\.18\\.0\\.1:8080 syn, in by out0, new")
        .contains("inet sluice prerouting: fib daddr type local goto publish")
        .contains("inet sluice publish4: dnat ip to meta l4proto . th dport map @any4 => accept")
        .containsPattern(
            "prerouting +198\\.18\\.0\\.2:\\d+ -> 198\\.18\\.0\\.1:8080 becomes"
                + " 198\\.18\\.0\\.2:\\d+ -> 172\\.30\\.0\\.2:80")
        .contains("forward          0  inet sluice forward: ct status dnat accept")
        .containsPattern("=> left by br0 as tcp 198\\.18\\.0\\.2:\\d+ -> 172\\.30\\.0\\.2:80")
        .containsPattern(
            "answer  tcp 172\\.30\\.0\\.2:80 -> 198\\.18\\.0\\.2:\\d+ syn,ack, in by br0");
    assertThat(lines.get(lines.size() - 1)).isEqualTo("2 packets followed");
  }

  /** Fails if a line is not JSON, or not what a program of ours reads back. */
  @Test
  void programsReadItLineByLine() {
    Background trace = trace("8080", "--count", "4", "--json");
    lab.client().traffic().tcp(Lab.HOST, 8080);
    assertThat(trace.awaitEnd(LIMIT)).isZero();
    List<TraceEvent> events = trace.lines().stream().map(TraceJson::read).toList();
    assertThat(events).hasSize(6);
    assertThat(events.get(0)).isInstanceOf(TraceEvent.Started.class);
    assertThat(events.subList(1, 5)).allMatch(TraceEvent.Followed.class::isInstance);
    assertThat(events.get(5))
        .isEqualTo(new TraceEvent.Ended(TraceEvent.Reason.COUNT, "", 4, 0, 0, 0));
  }

  /** Fails if the agent does not notice that nobody reads any more. */
  @Test
  void nothingIsLeftWhenTheClientLeaves() {
    Background trace = trace("8080");
    trace.kill();
    awaitNothingLeft();
    assertThat(trace("8080").isAlive()).as("the next one is admitted").isTrue();
  }

  /** Fails if Ctrl-C leaves packets marked. */
  @Test
  void nothingIsLeftAfterCtrlC() {
    Background trace = trace("8080");
    Ran.run("kill", "-INT", Long.toString(trace.pid())).orFail();
    trace.awaitEnd(LIMIT);
    awaitNothingLeft();
  }

  /** Fails if the table persists, or is not owned. */
  @Test
  void nothingIsLeftWhenTheAgentIsKilled() {
    trace("8080");
    assertThat(Nft.in(lab.host()).table("inet", "sluice-trace")).contains("flags owner");
    agent.kill();
    assertThat(isInTheKernel()).isFalse();
    assertThat(Nft.in(lab.host()).hasTable("inet", "sluice")).isTrue();
  }

  /** Fails if the agent waits for its clients at its end, or forgets what they asked for. */
  @Test
  void nothingIsLeftWhenTheAgentEnds() {
    Background trace = trace("8080");
    assertThat(agent.stop()).isZero();
    assertThat(isInTheKernel()).isFalse();
    trace.awaitEnd(LIMIT);
  }

  /** Fails if a refusal has another exit code, or does not say what to do. */
  @Test
  void whatCannotBeFollowedIsRefused() {
    Ran unpublished = lab.host().exec(command("9999").toArray(String[]::new));
    assertThat(unpublished.exitCode()).isEqualTo(5);
    assertThat(unpublished.stderr()).contains("port 9999/tcp is not published").contains("--any");
    Ran tooFast = lab.host().exec(command("8080", "--rate", "1001").toArray(String[]::new));
    assertThat(tooFast.exitCode()).isEqualTo(2);
    assertThat(tooFast.stderr()).contains("rate must be 1 to 1000, not 1001");
    trace("9999", "--any");
    Ran second = lab.host().exec(command("8080").toArray(String[]::new));
    assertThat(second.exitCode()).isEqualTo(4);
    assertThat(second.stderr()).contains("packets to 9999/tcp are being followed already");
  }
}
