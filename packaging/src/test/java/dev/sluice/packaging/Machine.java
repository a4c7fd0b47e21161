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

  private final Background runner;
  private final long systemd;

  private Machine(Background runner) {
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
      Machine machine = new Machine(host.start("bash", "-c", text, "machine", exchange.toString()));
      machine.await(
          "an answer of systemd",
          () -> Optional.of(machine.run("systemctl", "list-jobs")).filter(ran -> ran.exitCode() == 0));
      return machine;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read machine.sh", e);
    }
  }

  private static Optional<Long> systemdBelow(long pid) {
    return ProcessHandle.of(pid).stream()
        .flatMap(ProcessHandle::descendants)
        .filter(process -> process.info().command().filter(it -> it.endsWith("/systemd")).isPresent())
        .map(ProcessHandle::pid)
        .findFirst();
  }

  /** Runs a program on it to its end. */
  Ran run(String... command) {
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
    return Ran.run("", all);
  }

  /** A property of a unit, as {@code systemctl show} prints it. */
  String property(String unit, String name) {
    return run("systemctl", "show", "--property=" + name, "--value", unit).orFail().stdout().strip();
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
