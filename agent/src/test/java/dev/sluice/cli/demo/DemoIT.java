package dev.sluice.cli.demo;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.route.NamedNamespaces;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code ./sluice demo} as a newcomer runs it, and what it leaves behind. */
class DemoIT {
  private static final Path LAUNCHER =
      Path.of(System.getProperty("sluice.project.dir")).resolve("sluice").toAbsolutePath();
  private static final long TIMEOUT_SECONDS = 60;

  /**
   * Fails if any step of the story fails: if the flush takes the table away, if no connection can
   * be made while the agent is dead, if the new agent does not adopt, or if anything stays behind.
   */
  @Test
  void tells_the_whole_story_and_leaves_nothing_behind(@TempDir Path directory) throws Exception {
    try (RunningDemo demo = RunningDemo.start(directory)) {
      long began = System.nanoTime();
      assertThat(demo.awaitEnd()).as(demo::said).isZero();
      assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(60));
      assertThat(demo.said())
          .contains(
              "client: http://198.18.0.1:8080/ → Connection refused",
              "client   http://198.18.0.1:8080/ → hello from the container; you came from"
                  + " 198.18.0.2",
              "host     http://127.0.0.1:8080/ → hello from the container; you came from"
                  + " 172.30.0.1",
              "sibling  http://198.18.0.1:8080/ → hello from the container",
              "tcp . 8080 counter packets 4",
              "-> 172.30.0.2:80",
              "time_wait",
              "nft flush ruleset",
              "table inet sluice is still there",
              "kill -9",
              "with nobody home",
              "ADOPTED: web 8080->80/tcp",
              "40.0 of 40 MB, SHA-256 as sent")
          .containsPattern("\\b0 of \\d+ new connections failed meanwhile")
          .doesNotContain("\033");
      assertThat(demo.leftBehind()).isEmpty();
    }
  }

  /**
   * Fails if a plain table does not outlive its agent, or if the demo claims that nobody can flush
   * it.
   */
  @Test
  void says_so_where_the_table_is_not_owned(@TempDir Path directory) throws Exception {
    try (RunningDemo demo = RunningDemo.start(directory, "--ownership=off")) {
      assertThat(demo.awaitEnd()).as(demo::said).isZero();
      assertThat(demo.said())
          .contains("this agent's table is a plain one", "ADOPTED: web 8080->80/tcp")
          .doesNotContain("only its owner may change it");
      assertThat(demo.leftBehind()).isEmpty();
    }
  }

  /** Fails if the shutdown hook is not there, or misses something that was made. */
  @Test
  void leaves_nothing_behind_after_ctrl_c(@TempDir Path directory) throws Exception {
    try (RunningDemo demo = RunningDemo.start(directory)) {
      demo.awaitSaid("Now a download starts");
      assertThat(demo.leftBehind()).isNotEmpty();
      demo.signal("INT");
      assertThat(demo.awaitEnd()).as(demo::said).isEqualTo(130);
      assertThat(demo.said()).contains("taking everything away").doesNotContain("failed at");
      assertThat(demo.leftBehind()).isEmpty();
    }
  }

  /** Fails if a demo does not recognise what a killed one left: its agent, namespaces or files. */
  @Test
  void the_next_demo_takes_away_what_a_killed_one_left(@TempDir Path directory) throws Exception {
    try (RunningDemo demo = RunningDemo.start(directory)) {
      demo.awaitSaid("Now a download starts");
      demo.signal("KILL");
      assertThat(demo.awaitEnd()).isEqualTo(137);
      assertThat(demo.leftBehind()).hasSize(6); // four namespaces, a directory, the agent

      Leftovers.remove();
      assertThat(demo.leftBehind()).isEmpty();
    }
  }

  /** The command, running. */
  private record RunningDemo(Process process, Path output) implements AutoCloseable {
    static RunningDemo start(Path directory, String... options) throws IOException {
      // Under a shell's "&" SIGINT is ignored, and everything started there inherits that.
      List<String> command =
          new ArrayList<>(List.of("env", "--default-signal=INT", LAUNCHER.toString(), "demo"));
      command.addAll(List.of(options));
      Path output = directory.resolve("output");
      ProcessBuilder builder = new ProcessBuilder(command);
      builder.environment().put("SLUICE_BUILD", "never");
      Process process = builder.redirectErrorStream(true).redirectOutput(output.toFile()).start();
      return new RunningDemo(process, output);
    }

    int awaitEnd() throws InterruptedException {
      assertThat(process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)).as(this::said).isTrue();
      return process.exitValue();
    }

    void awaitSaid(String text) throws InterruptedException {
      long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMEOUT_SECONDS);
      while (!said().contains(text)) {
        assertThat(process.isAlive() && System.nanoTime() < deadlineNanos).as(this::said).isTrue();
        Thread.sleep(20);
      }
    }

    String said() {
      try {
        return new String(Files.readAllBytes(output), UTF_8);
      } catch (IOException e) {
        return "no output: " + e.getMessage();
      }
    }

    void signal(String name) throws IOException, InterruptedException {
      Process kill =
          new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).inheritIO().start();
      assertThat(kill.waitFor()).isZero();
    }

    /** Namespaces, files and processes whose name or arguments hold the name of this demo. */
    List<String> leftBehind() {
      String name = "sluice-demo-" + process.pid();
      List<String> found = new ArrayList<>();
      NamedNamespaces.system().list().stream()
          .filter(namespace -> namespace.startsWith(name + "-"))
          .forEach(found::add);
      Path files = Path.of("/run", name);
      if (Files.exists(files)) {
        found.add(files.toString());
      }
      ProcessHandle.allProcesses()
          .filter(one -> Arrays.asList(arguments(one)).contains(files + "/sluice.sock"))
          .forEach(one -> found.add("process " + one.pid()));
      return found;
    }

    private static String[] arguments(ProcessHandle process) {
      return process.info().arguments().orElse(new String[0]);
    }

    /** SIGTERM, so that it cleans up even if the test has failed. */
    @Override
    public void close() {
      process.destroy();
      process.onExit().orTimeout(TIMEOUT_SECONDS, TimeUnit.SECONDS).join();
    }
  }
}
