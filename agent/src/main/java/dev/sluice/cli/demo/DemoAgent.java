package dev.sluice.cli.demo;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.api.ApiClient;
import dev.sluice.cli.demo.DemoNetwork.Machine;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** The real agent, a process of its own in the namespace of the host. */
final class DemoAgent implements AutoCloseable {
  private static final Duration START_TIMEOUT = Duration.ofSeconds(30);
  private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(10);
  private static final int DEATH_TIMEOUT_SECONDS = 10;
  private static final int LOG_TAIL_LINES = 15;

  private final Process process;
  private final Path socket;
  private final Path log;
  private final long logBegin;
  private final Duration startTime;

  private DemoAgent(Process process, Path socket, Path log, long logBegin, long startedNanos)
      throws IOException, InterruptedException {
    this.process = process;
    this.socket = socket;
    this.log = log;
    this.logBegin = logBegin;
    try {
      awaitAnswer();
    } catch (RuntimeException | IOException | InterruptedException e) {
      process.destroyForcibly();
      throw e;
    }
    this.startTime = Duration.ofNanos(System.nanoTime() - startedNanos);
  }

  /**
   * Starts it and waits until it answers.
   *
   * @param directory where its socket and its log go
   * @param launcher the command {@code sluice}
   */
  static DemoAgent start(Machine host, Path directory, String launcher, String ownership)
      throws Exception {
    Path socket = directory.resolve("sluice.sock");
    Path log = directory.resolve("agent.log");
    long logBegin = Files.exists(log) ? Files.size(log) : 0;
    ProcessBuilder command =
        new ProcessBuilder(
                launcher,
                "--socket",
                socket.toString(),
                "agent",
                "--ownership",
                ownership,
                // That of the machine is none of the story's.
                "--ports-file",
                directory.resolve("ports.yaml").toString())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
    // The story needs an agent that stays dead for a while.
    command.environment().put("SLUICE_KEEPER", "off");
    long startedNanos = System.nanoTime();
    // A new process is in the namespace of the thread that starts it.
    Process process = host.namespace().call(command::start);
    return new DemoAgent(process, socket, log, logBegin, startedNanos);
  }

  /** A connection to it. */
  ApiClient client() {
    return new ApiClient(socket, "cli", ANSWER_TIMEOUT);
  }

  long pid() {
    return process.pid();
  }

  Path socket() {
    return socket;
  }

  /** From the start of the process to its first answer. */
  Duration startTime() {
    return startTime;
  }

  /** As {@link #logged}; waits for it, for an agent answers a moment before it says so. */
  Optional<String> awaitLogged(String text) throws IOException, InterruptedException {
    long deadlineNanos = System.nanoTime() + ANSWER_TIMEOUT.toNanos();
    Optional<String> found = logged(text);
    while (found.isEmpty() && process.isAlive() && System.nanoTime() < deadlineNanos) {
      Thread.sleep(5);
      found = logged(text);
    }
    return found;
  }

  /** The line of this run's log that holds a text. */
  Optional<String> logged(String text) throws IOException {
    return log().stream().filter(line -> line.contains(text)).findFirst();
  }

  /** {@code kill -9}, and waits until it is dead. */
  void kill() {
    process.destroyForcibly();
    process.onExit().orTimeout(DEATH_TIMEOUT_SECONDS, TimeUnit.SECONDS).join();
  }

  private void awaitAnswer() throws IOException, InterruptedException {
    long deadlineNanos = System.nanoTime() + START_TIMEOUT.toNanos();
    while (true) {
      try (ApiClient client = client()) {
        client.facts();
        return;
      } catch (AgentUnreachableException e) {
        if (!process.isAlive()) {
          throw new DemoFailure("the agent ended with exit code " + process.exitValue() + tail());
        }
        if (System.nanoTime() > deadlineNanos) {
          throw new DemoFailure("the agent does not answer: " + e.getMessage() + tail(), e);
        }
      }
      Thread.sleep(5);
    }
  }

  /** The end of its log, to be read under a failure. */
  String tail() {
    List<String> lines;
    try {
      lines = log();
    } catch (IOException e) {
      return "; its log cannot be read: " + e.getMessage();
    }
    return lines.isEmpty()
        ? "; it said nothing"
        : "; it said:\n  "
            + String.join(
                "\n  ", lines.subList(Math.max(0, lines.size() - LOG_TAIL_LINES), lines.size()));
  }

  private List<String> log() throws IOException {
    byte[] all = Files.readAllBytes(log);
    int begin = (int) Math.min(logBegin, all.length);
    return new String(all, begin, all.length - begin, StandardCharsets.UTF_8).lines().toList();
  }

  @Override
  public void close() {
    kill();
  }

  @Override
  public String toString() {
    return "agent, process " + process.pid();
  }
}
