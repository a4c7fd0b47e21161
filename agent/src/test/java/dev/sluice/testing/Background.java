package dev.sluice.testing;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * A program that runs beside the test: its output line by line (both streams, in one), until it is
 * stopped.
 */
public final class Background implements AutoCloseable {

  private final List<String> command;
  private final Process process;
  private final List<String> lines = new ArrayList<>();
  private boolean ended;

  private Background(List<String> command, Process process) {
    this.command = List.copyOf(command);
    this.process = process;
  }

  static Background start(List<String> command) throws IOException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    Background background = new Background(command, process);
    Thread reader = new Thread(background::read, "output of " + command.get(command.size() - 1));
    reader.setDaemon(true);
    reader.start();
    return background;
  }

  private void read() {
    try (BufferedReader reader = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        add(line);
      }
    } catch (IOException e) {
      add("(output lost: " + e.getMessage() + ")");
    }
    synchronized (lines) {
      ended = true;
      lines.notifyAll();
    }
  }

  private void add(String line) {
    synchronized (lines) {
      lines.add(line);
      lines.notifyAll();
    }
  }

  /** Everything said so far. */
  public List<String> lines() {
    synchronized (lines) {
      return List.copyOf(lines);
    }
  }

  /**
   * Waits for a line in which {@code regex} is found and returns it; one already said counts.
   *
   * @throws AssertionError with all its output, if the program ends or the time passes first
   */
  public String awaitLine(String regex, Duration timeout) {
    Pattern pattern = Pattern.compile(regex);
    long deadlineNanos = System.nanoTime() + timeout.toNanos();
    synchronized (lines) {
      int next = 0;
      while (true) {
        for (; next < lines.size(); next++) {
          if (pattern.matcher(lines.get(next)).find()) {
            return lines.get(next);
          }
        }
        long leftMillis = TimeUnit.NANOSECONDS.toMillis(deadlineNanos - System.nanoTime());
        if (ended || leftMillis <= 0) {
          throw new AssertionError(
              "'%s' %s without a line matching /%s/; it said:%n%s"
                  .formatted(
                      String.join(" ", command),
                      ended ? "ended" : "ran for " + timeout,
                      regex,
                      String.join("\n", lines)));
        }
        try {
          lines.wait(leftMillis);
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          throw new IllegalStateException("interrupted while waiting for /" + regex + "/", e);
        }
      }
    }
  }

  public long pid() {
    return process.pid();
  }

  public boolean isAlive() {
    return process.isAlive();
  }

  /** SIGTERM, and waits for the end: the exit status (128 + 15 if it had no handler). */
  public int stop() {
    process.destroy();
    return awaitEnd(Duration.ofSeconds(20));
  }

  /** SIGKILL, and waits for the end. */
  public void kill() {
    process.destroyForcibly();
    awaitEnd(Duration.ofSeconds(20));
  }

  /** Waits for the program to end by itself: its exit status. */
  public int awaitEnd(Duration timeout) {
    try {
      if (!process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new AssertionError(
            "'%s' did not end within %s".formatted(String.join(" ", command), timeout));
      }
      return process.exitValue();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for a program to end", e);
    }
  }

  /** SIGKILL to it and to what it started; does nothing if it has ended. */
  @Override
  public void close() {
    List<ProcessHandle> started = process.descendants().toList();
    kill();
    started.forEach(ProcessHandle::destroyForcibly);
    started.forEach(child -> child.onExit().orTimeout(5, TimeUnit.SECONDS).join());
  }
}
