package dev.sluice.daemon;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.api.ApiClient;
import dev.sluice.model.PublishedMapping;
import dev.sluice.testing.Background;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** The real agent in a namespace, in its own process under a real or a played keeper. */
final class KeptAgent {
  static final Path PROJECT =
      Path.of(System.getProperty("sluice.project.dir")).toAbsolutePath().normalize();

  private static final Duration LIMIT = Duration.ofSeconds(30);

  private final Netns host;
  private final Path socket;
  private final Background keeper;

  private KeptAgent(Netns host, Path socket, Background keeper) {
    this.host = host;
    this.socket = socket;
    this.keeper = keeper;
  }

  /** {@code ./sluice agent} behind {@code prefix}, which may play a keeper. */
  static KeptAgent start(Netns host, Path directory, String... prefix) {
    return start(host, directory, prefix, new String[0]);
  }

  /** As above, with options of the agent. */
  static KeptAgent start(Netns host, Path directory, String[] prefix, String[] options) {
    Path socket = directory.resolve("sluice.sock");
    List<String> command = new ArrayList<>(List.of("env", "SLUICE_BUILD=never"));
    command.addAll(List.of(prefix));
    command.addAll(List.of(launcher(), "--socket", socket.toString(), "agent"));
    // Never that of the machine.
    command.addAll(List.of("--ports-file", portsFile(directory).toString()));
    command.addAll(List.of(options));
    return new KeptAgent(host, socket, host.start(command));
  }

  /**
   * The same program as {@code other} under a keeper with other options; {@code other} has ended.
   */
  static KeptAgent again(KeptAgent other, List<String> javaCommand, String... keeperOptions) {
    Path keeper = Path.of(System.getProperty("sluice.native.dir"), "sluice-keeper");
    List<String> command = new ArrayList<>(List.of(keeper.toAbsolutePath().toString()));
    command.addAll(List.of(keeperOptions));
    command.addAll(javaCommand);
    return new KeptAgent(other.host, other.socket, other.host.start(command));
  }

  /** Where an agent of this directory looks for permanent mappings. */
  static Path portsFile(Path directory) {
    return directory.resolve("ports.yaml");
  }

  static String launcher() {
    return PROJECT.resolve("sluice").toString();
  }

  Background keeper() {
    return keeper;
  }

  /** {@code ./sluice ARGUMENT…}, talking to this agent. */
  Ran sluice(String... arguments) {
    List<String> command =
        new ArrayList<>(
            List.of("env", "SLUICE_BUILD=never", launcher(), "--socket", socket.toString()));
    command.addAll(List.of(arguments));
    return host.exec(command.toArray(String[]::new));
  }

  /** Another agent in the same namespace, which must end by itself. */
  Ran rival(Path otherSocket) {
    return host.exec(
        "env", "SLUICE_BUILD=never", launcher(), "--socket", otherSocket.toString(), "agent");
  }

  /** The agent's own process, a child of its keeper; waits until there is one. */
  long pid() {
    return await("the agent's process", this::child).pid();
  }

  private Optional<ProcessHandle> child() {
    return ProcessHandle.of(keeper.pid())
        .flatMap(
            process ->
                process
                    .children()
                    .filter(child -> arguments(child.pid()).contains("dev.sluice.cli.Main"))
                    .findFirst());
  }

  /** What the agent's process was started with. */
  List<String> command() {
    return arguments(pid());
  }

  private static List<String> arguments(long pid) {
    try {
      String line = new String(Files.readAllBytes(Path.of("/proc/" + pid + "/cmdline")), UTF_8);
      return Arrays.asList(line.split("\0", -1))
          .subList(0, (int) line.chars().filter(c -> c == 0).count());
    } catch (IOException e) {
      return List.of(); // it has ended
    }
  }

  /** {@code kill -9} of the agent, not of its keeper; returns when it is dead. */
  void kill() {
    ProcessHandle agent = ProcessHandle.of(pid()).orElseThrow();
    agent.destroyForcibly();
    await(
        "the death of " + agent.pid(),
        () -> agent.isAlive() ? Optional.empty() : Optional.of(agent));
  }

  /** SIGTERM to the keeper: its exit code. What it says until the end is kept. */
  int stop() {
    Ran.run("kill", "-TERM", Long.toString(keeper.pid())).orFail();
    return keeper.awaitEnd(LIMIT);
  }

  /** Waits until the agent answers and tells what is published. */
  List<PublishedMapping> awaitPublished() {
    return await("an answer", this::published);
  }

  private Optional<List<PublishedMapping>> published() {
    try (ApiClient client = new ApiClient(socket, "test", Duration.ofSeconds(5))) {
      return Optional.of(client.published().value());
    } catch (AgentUnreachableException e) {
      return Optional.empty();
    }
  }

  private interface Question<T> {
    Optional<T> ask();
  }

  private <T> T await(String what, Question<T> question) {
    long deadlineNanos = System.nanoTime() + LIMIT.toNanos();
    while (System.nanoTime() < deadlineNanos) {
      Optional<T> answer = question.ask();
      if (answer.isPresent()) {
        return answer.get();
      }
      if (!keeper.isAlive()) {
        break;
      }
      try {
        Thread.sleep(5);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new UncheckedIOException(new IOException("interrupted", e));
      }
    }
    throw new AssertionError(
        "no %s within %s, or the keeper ended; it said:%n%s"
            .formatted(what, LIMIT, String.join("\n", keeper.lines())));
  }
}
