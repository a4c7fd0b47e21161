package dev.sluice.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the pieces are and how often to run.
 *
 * @param home the bench directory
 * @param runtimes the JDKs at hand, oldest first
 * @param rounds how many alternating runs each figure gets
 * @param maximum the largest number of mappings to measure with, where a benchmark heeds it
 */
public record Workbench(Path home, List<JavaRuntime> runtimes, int rounds, int maximum) {

  private static final ProcessBuilder.Redirect NULL =
      ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile());

  /** Where bench/native's Makefile puts what it builds. */
  public Path nativeDirectory() {
    return home.resolve("native/build");
  }

  /** jffi's own native library, unpacked by the build. */
  public String jffiLibraryPath() {
    Path jni = home.resolve("target/jffi/jni");
    return jni.resolve("x86_64-Linux") + ":" + jni.resolve("aarch64-Linux");
  }

  /** The classpath of this JVM, which every child shares. */
  public String classPath() {
    return System.getProperty("java.class.path");
  }

  /**
   * The command line that runs a program again and again and prints how many nanoseconds each took,
   * bench/native/timed.c.
   */
  public List<String> timed(List<String> options, List<String> program) {
    List<String> command = new ArrayList<>();
    command.add(nativeDirectory().resolve("timed").toString());
    command.addAll(options);
    command.add("--");
    command.addAll(program);
    return command;
  }

  /** What {@link #timed} prints. */
  public static long[] nanos(List<String> timed) throws IOException, InterruptedException {
    return output(timed).lines().mapToLong(Long::parseLong).toArray();
  }

  /**
   * Runs a program to its end and returns what it printed.
   *
   * @throws IOException if it cannot be started or fails; the message holds its output
   */
  public static String output(List<String> command) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectInput(NULL).start();
    String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int status = process.waitFor();
    if (status != 0) {
      throw new IOException(
          Path.of(command.get(0)).getFileName() + " exited with " + status + ": " + text.strip());
    }
    return text;
  }

  /** The first line a program prints, for version numbers; {@code absent} if it does not run. */
  public static String firstLine(String... command) {
    try {
      return output(List.of(command)).lines().findFirst().orElse("absent");
    } catch (IOException e) {
      return "absent";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UncheckedIOException(new IOException("interrupted", e));
    }
  }
}
