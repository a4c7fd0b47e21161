package dev.sluice.bench.agent;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/** A program that answers line by line, in a JVM and a namespace of its own. */
public final class ProbeProcess implements AutoCloseable {
  /** As ./sluice starts an agent. */
  private static final List<String> AGENT_FLAGS =
      List.of("-XX:+UseSerialGC", "-Xms32m", "-Xmx256m", "-XX:ReservedCodeCacheSize=48m");

  private final Process process;
  private final Writer in;
  private final BufferedReader out;
  private final Queue<String> errors = new ConcurrentLinkedQueue<>();
  private final Thread errorReader = new Thread(this::readErrors, "probe's errors");

  private ProbeProcess(Process process) {
    this.process = process;
    in = process.outputWriter(US_ASCII);
    out = process.inputReader(US_ASCII);
    errorReader.setDaemon(true);
    errorReader.start();
  }

  /** Starts a {@link PublishProbe}, as cold as any JVM. */
  public static ProbeProcess start(Workbench workbench, JavaRuntime runtime) throws IOException {
    return start(workbench, runtime, PublishProbe.class);
  }

  /** Starts another probe. */
  public static ProbeProcess start(Workbench workbench, JavaRuntime runtime, Class<?> probe)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(runtime.java().toString());
    command.addAll(AGENT_FLAGS);
    command.addAll(runtime.flags(workbench));
    command.add("-Dsluice.native.dir=" + workbench.home().resolve("../native/build").normalize());
    command.addAll(List.of("-cp", workbench.classPath(), probe.getName()));
    return new ProbeProcess(BenchNamespace.start(command));
  }

  /** Its process id. */
  public long pid() {
    return process.pid();
  }

  /** Gives it a command that measures. */
  public Spread measure(String command) throws IOException, InterruptedException {
    return Spread.parse(ask(command));
  }

  /** Gives it a command and waits for the answer. */
  public String ask(String command) throws IOException, InterruptedException {
    @Nullable String answer = null;
    if (process.isAlive()) {
      in.write(command + "\n");
      in.flush();
      answer = out.readLine();
    }
    if (answer == null) {
      errorReader.join();
      throw new IOException("the probe ended at '" + command + "': " + String.join("\n", errors));
    }
    return answer;
  }

  private void readErrors() {
    try (BufferedReader reader =
        new BufferedReader(new InputStreamReader(process.getErrorStream(), UTF_8))) {
      reader.lines().forEach(errors::add);
    } catch (IOException | UncheckedIOException e) {
      errors.add("and its messages cannot be read: " + e.getMessage());
    }
  }

  @Override
  public void close() {
    process.destroy();
    process.onExit().join();
  }
}
