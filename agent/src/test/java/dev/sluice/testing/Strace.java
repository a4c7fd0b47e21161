package dev.sluice.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** {@code strace} on threads of a running program: what they call, and calls that are made fail. */
public final class Strace implements AutoCloseable {
  private static final Duration LIMIT = Duration.ofSeconds(20);
  private static final Pattern CALL = Pattern.compile("^(?:\\d+ +)?([a-z0-9_]+)\\(");

  private final Background strace;
  private final Path log;

  private Strace(Background strace, Path log) {
    this.strace = strace;
    this.log = log;
  }

  /**
   * Attaches to threads; calls are counted for each of them alone.
   *
   * @param log where to write what they call; overwritten
   * @param options what to trace and inject, {@code "-e", "inject=socket:error=EMFILE:when=2"}
   */
  public static Strace attach(Netns netns, Collection<Long> threads, Path log, String... options) {
    List<String> command = new ArrayList<>(List.of("strace", "-o", log.toString()));
    command.addAll(List.of(options));
    threads.forEach(thread -> command.addAll(List.of("-p", Long.toString(thread))));
    Background strace = netns.start(command);
    for (long thread : threads) {
      // A thread may end before its turn comes.
      strace.awaitLine("Process " + thread + " attached|PTRACE_SEIZE, " + thread, LIMIT);
    }
    return new Strace(strace, log);
  }

  /** How many calls of each kind were made so far, in the order of their first. */
  public Map<String, Integer> calls() {
    Map<String, Integer> calls = new LinkedHashMap<>();
    for (String line : lines()) {
      Matcher call = CALL.matcher(line);
      if (call.find()) {
        calls.merge(call.group(1), 1, Integer::sum);
      }
    }
    return calls;
  }

  /** Calls that were made fail. */
  public List<String> injected() {
    return lines().stream().filter(line -> line.endsWith("(INJECTED)")).toList();
  }

  private List<String> lines() {
    try {
      return Files.readAllLines(log);
    } catch (NoSuchFileException e) {
      return List.of();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + log, e);
    }
  }

  /** Lets the threads go; they may have ended. */
  @Override
  public void close() {
    if (strace.isAlive()) {
      strace.stop();
    }
  }
}
