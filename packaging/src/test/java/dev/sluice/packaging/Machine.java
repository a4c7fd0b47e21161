package dev.sluice.packaging;

import dev.sluice.testing.Background;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A machine with a real systemd on which things can be installed: {@code machine.sh}, in a network
 * namespace. Its files are those of this machine, its changes to them are gone when it is closed.
 */
final class Machine implements AutoCloseable {
  static final Duration LIMIT = Duration.ofSeconds(60);

  private static final Duration LONG_LIMIT = Duration.ofMinutes(4);

  private final Netns host;
  private final Background runner;
  private final long systemd;

  private Machine(Netns host, Background runner) {
    this.host = host;
    this.runner = runner;
    this.systemd = await("systemd", () -> systemdBelow(runner.pid()));
  }

  /**
   * Starts it; returns when systemd takes commands.
   *
   * @param exchange a directory that it sees as {@code /mnt}
   */
  static Machine start(Netns host, Path exchange) {
    try (InputStream script = Machine.class.getResourceAsStream("/machine.sh")) {
      String text = new String(script.readAllBytes(), StandardCharsets.UTF_8);
      Machine machine =
          new Machine(host, host.start("bash", "-c", text, "machine", exchange.toString()));
      machine.await(
          "an answer of systemd",
          () ->
              Optional.of(machine.run("systemctl", "list-jobs"))
                  .filter(ran -> ran.exitCode() == 0));
      return machine;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read machine.sh", e);
    }
  }

  private static Optional<Long> systemdBelow(long pid) {
    return ProcessHandle.of(pid).stream()
        .flatMap(ProcessHandle::descendants)
        .filter(
            process -> process.info().command().filter(it -> it.endsWith("/systemd")).isPresent())
        .map(ProcessHandle::pid)
        .findFirst();
  }

  /** Runs a program on it to its end, which takes less than a minute. */
  Ran run(String... command) {
    return Ran.run("", inside(command));
  }

  /**
   * Runs a program on it to its end, however slow the machine is.
   *
   * @return all that it said
   * @throws AssertionError if it fails
   */
  String runLong(String... command) {
    Background program = host.start(inside(command));
    int exitCode = program.awaitEnd(LONG_LIMIT);
    String said = String.join("\n", program.lines());
    if (exitCode != 0) {
      throw new AssertionError(
          "'%s' failed with %d: %s".formatted(String.join(" ", command), exitCode, said));
    }
    return said;
  }

  private List<String> inside(String... command) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "nsenter",
                "--target=" + systemd,
                "--mount",
                "--pid",
                "--net",
                "--cgroup",
                "--uts",
                "--ipc",
                "--",
                "env",
                "-i",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive"));
    all.addAll(List.of(command));
    return all;
  }

  /** A property of a unit, as {@code systemctl show} prints it. */
  String property(String unit, String name) {
    return run("systemctl", "show", "--property=" + name, "--value", unit)
        .orFail()
        .stdout()
        .strip();
  }

  /** A process of it, by the number it has there; the number it has here. */
  long here(long pid) {
    return ProcessHandle.of(systemd).stream()
        .flatMap(ProcessHandle::descendants)
        .map(ProcessHandle::pid)
        .filter(candidate -> numberThere(candidate) == pid)
        .findFirst()
        .orElseThrow(() -> new AssertionError("no process " + pid + " on the machine"));
  }

  private static long numberThere(long pid) {
    String status = Ran.run("cat", "/proc/" + pid + "/status").stdout();
    return status
        .lines()
        .filter(line -> line.startsWith("NSpid:"))
        .map(line -> Long.parseLong(line.substring(line.lastIndexOf('\t') + 1)))
        .findFirst()
        .orElse(-1L); // it has ended
  }

  /** Waits until there is something. */
  <T> T await(String what, Supplier<Optional<T>> question) {
    long deadlineNanos = System.nanoTime() + LIMIT.toNanos();
    while (System.nanoTime() < deadlineNanos && runner.isAlive()) {
      Optional<T> answer = question.get();
      if (answer.isPresent()) {
        return answer.get();
      }
      try {
        Thread.sleep(20);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted", e);
      }
    }
    throw new AssertionError(
        "no %s within %s, or the machine ended; it said:%n%s"
            .formatted(what, LIMIT, String.join("\n", runner.lines())));
  }

  /** Ends everything that runs on it. */
  @Override
  public void close() {
    ProcessHandle.of(systemd).ifPresent(ProcessHandle::destroyForcibly);
    runner.awaitEnd(LIMIT);
  }
}
