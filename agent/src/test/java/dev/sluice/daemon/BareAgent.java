package dev.sluice.daemon;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.api.ApiClient;
import dev.sluice.testing.Background;
import dev.sluice.testing.Netns;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The real agent in a namespace, without a keeper: who kills it must start it again. */
final class BareAgent implements AutoCloseable {
  private static final Duration LIMIT = Duration.ofSeconds(30);

  private final Netns host;
  private final Path socket;
  private final Background process;
  private final ApiClient client;

  private BareAgent(Netns host, Path socket, Background process) {
    this.host = host;
    this.socket = socket;
    this.process = process;
    this.client = client();
  }

  /** {@code ./sluice agent}; returns when it answers. */
  static BareAgent start(Netns host, Path directory, String... options) {
    Path socket = directory.resolve("sluice.sock");
    List<String> command =
        new ArrayList<>(
            List.of(
                "env",
                "SLUICE_BUILD=never",
                "SLUICE_KEEPER=off",
                KeptAgent.launcher(),
                "--socket",
                socket.toString(),
                "agent",
                // Never that of the machine.
                "--ports-file",
                KeptAgent.portsFile(directory).toString()));
    command.addAll(List.of(options));
    BareAgent agent = new BareAgent(host, socket, host.start(command));
    agent.awaitAnswer();
    return agent;
  }

  private void awaitAnswer() {
    long deadlineNanos = System.nanoTime() + LIMIT.toNanos();
    while (true) {
      try {
        client.published();
        return;
      } catch (AgentUnreachableException e) {
        if (!process.isAlive() || System.nanoTime() > deadlineNanos) {
          throw new AssertionError(
              "the agent does not answer; it said:\n" + String.join("\n", process.lines()), e);
        }
      }
      pause();
    }
  }

  static void pause() {
    try {
      Thread.sleep(5);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted", e);
    }
  }

  /** The client of the test's own thread. */
  ApiClient api() {
    return client;
  }

  /** One more client. */
  ApiClient client() {
    return new ApiClient(socket, "test", LIMIT);
  }

  /** What it has said on standard output and error. */
  List<String> said() {
    return process.lines();
  }

  boolean isAlive() {
    return process.isAlive();
  }

  long pid() {
    return process.pid();
  }

  Netns host() {
    return host;
  }

  /** Threads that serve connections; the caller's connection is open and has one of them. */
  List<Long> servingThreads() {
    client.published();
    List<Long> serving = new ArrayList<>();
    for (Path task : list("task")) {
      String name = text(task.resolve("comm"));
      if (name.startsWith("api-") && !name.equals("api-accept")) {
        serving.add(Long.parseLong(task.getFileName().toString()));
      }
    }
    return serving;
  }

  /** How many threads it has. */
  int threads() {
    return list("task").size();
  }

  /** How many of its descriptors are sockets. */
  int sockets() {
    return (int) list("fd").stream().filter(BareAgent::isSocket).count();
  }

  private static boolean isSocket(Path descriptor) {
    try {
      return Files.readSymbolicLink(descriptor).toString().startsWith("socket:");
    } catch (IOException e) {
      return false; // closed while we look
    }
  }

  /** How many descriptors it has. */
  int descriptors() {
    return list("fd").size();
  }

  private List<Path> list(String what) {
    Path directory = Path.of("/proc", Long.toString(process.pid()), what);
    try (Stream<Path> all = Files.list(directory)) {
      return all.toList();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list " + directory, e);
    }
  }

  private static String text(Path file) {
    try {
      return Files.readString(file).strip();
    } catch (IOException e) {
      return ""; // the thread has ended
    }
  }

  /** {@code kill -9}, if it is not dead already; returns when it is. */
  void kill() {
    process.kill();
    client.close();
  }

  /** SIGTERM: its exit code. */
  int stop() {
    client.close();
    return process.stop();
  }

  @Override
  public void close() {
    client.close();
    process.close();
  }
}
