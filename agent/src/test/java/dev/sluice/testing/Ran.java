package dev.sluice.testing;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * What a program that ran to its end said.
 *
 * @param command the program and its arguments
 * @param exitCode its exit status; 128 + n when signal n ended it
 * @param stdout everything it wrote to standard output
 * @param stderr everything it wrote to standard error
 */
public record Ran(List<String> command, int exitCode, String stdout, String stderr) {

  private static final int TIMEOUT_SECONDS = 60;

  public Ran {
    command = List.copyOf(command);
  }

  /**
   * Runs a program and waits for its end; one that takes longer than a minute is killed and is a
   * failure.
   */
  public static Ran run(String... command) {
    return run("", List.of(command));
  }

  /** As {@link #run(String...)}, with {@code stdin} on its standard input. */
  public static Ran run(String stdin, List<String> command) {
    Path out = null;
    Path err = null;
    try {
      // Files rather than pipes: nothing to drain, and a grandchild that keeps them open holds
      // nobody up.
      out = Files.createTempFile("slt-", ".out");
      err = Files.createTempFile("slt-", ".err");
      Process process =
          new ProcessBuilder(command)
              .redirectOutput(out.toFile())
              .redirectError(err.toFile())
              .start();
      try (OutputStream input = process.getOutputStream()) {
        input.write(stdin.getBytes(StandardCharsets.UTF_8));
      } catch (IOException e) {
        // It ended without reading its input; its exit status says why.
      }
      if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new AssertionError(
            "'%s' did not end within %d s".formatted(String.join(" ", command), TIMEOUT_SECONDS));
      }
      return new Ran(command, process.exitValue(), Files.readString(out), Files.readString(err));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot run " + String.join(" ", command), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while running " + String.join(" ", command), e);
    } finally {
      delete(out);
      delete(err);
    }
  }

  /** This result if the program succeeded, a failed assertion with everything it said otherwise. */
  public Ran orFail() {
    if (exitCode != 0) {
      throw new AssertionError("'%s' failed: %s".formatted(String.join(" ", command), this));
    }
    return this;
  }

  public boolean succeeded() {
    return exitCode == 0;
  }

  @Override
  public String toString() {
    return "exit status %d%nstdout: %s%nstderr: %s"
        .formatted(exitCode, stdout.strip(), stderr.strip());
  }

  public static String resource(String name) {
    try (InputStream in = Ran.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalArgumentException("no test resource " + name);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read test resource " + name, e);
    }
  }

  private static void delete(@Nullable Path file) {
    if (file != null) {
      try {
        Files.deleteIfExists(file);
      } catch (IOException e) {
        throw new UncheckedIOException("cannot delete " + file, e);
      }
    }
  }
}
