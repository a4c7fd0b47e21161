package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.ApiOptions;
import dev.sluice.api.ApiServer;
import dev.sluice.api.FakeAgent;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sluice events} as a process: how it ends by signals and pipes. */
class StreamsTest {
  private static final String LINE =
      "{\"seq\":1,\"event\":\"gap\",\"cause\":\"ring\",\"lost\":1,"
          + "\"from\":\"2026-11-21T09:00:01Z\",\"to\":\"2026-11-21T09:00:02Z\"}\n";

  private final FakeAgent agent = new FakeAgent();
  private final ApiServer server;

  StreamsTest(@TempDir Path directory) {
    server = ApiServer.start(directory.resolve("a.sock"), agent.services(), ApiOptions.DEFAULTS);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private Process follow() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-cp",
                    System.getProperty("java.class.path"),
                    "dev.sluice.cli.Main",
                    "--socket",
                    server.socket().toString(),
                    "events",
                    "--json"))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    for (int i = 0; i < 3000 && agent.followers() == 0; i++) {
      Thread.sleep(10);
    }
    assertThat(agent.followers()).isEqualTo(1);
    return process;
  }

  /** Fails if a line waits in a buffer, or Ctrl-C is reported as a failure. */
  @Test
  void ctrl_c_ends_it_well() throws Exception {
    Process process = follow();
    try (BufferedReader lines = process.inputReader()) {
      agent.emit(LINE);
      assertThat(lines.readLine()).isEqualTo(LINE.strip());
      new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
      assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
      assertThat(process.exitValue()).isZero();
    } finally {
      process.destroyForcibly();
    }
  }

  /** Fails if {@code sluice events | head -1} does not end, or not well. */
  @Test
  void a_closed_pipe_ends_it_well() throws Exception {
    Process process = follow();
    try {
      process.getInputStream().close();
      for (int i = 0; i < 1000 && process.isAlive(); i++) {
        agent.emit(LINE);
        Thread.sleep(20);
      }
      assertThat(process.waitFor(1, TimeUnit.SECONDS)).isTrue();
      assertThat(process.exitValue()).isZero();
    } finally {
      process.destroyForcibly();
    }
  }
}
