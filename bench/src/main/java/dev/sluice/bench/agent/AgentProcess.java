package dev.sluice.bench.agent;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** {@code ./sluice agent} in a namespace of its own, with its socket in a directory of its own. */
public final class AgentProcess implements AutoCloseable {
  private static final double KIBIBYTES_PER_MEGABYTE = 1e6 / 1024;

  private final Process process;
  private final Path directory;
  private final long startedAt;
  private final long readyAt;

  private AgentProcess(Process process, Path directory, long startedAt, long readyAt) {
    this.process = process;
    this.directory = directory;
    this.startedAt = startedAt;
    this.readyAt = readyAt;
  }

  /** The command line of Sluice in this source tree, on the given JDK. */
  public static List<String> sluice(Workbench workbench, JavaRuntime runtime, String... arguments) {
    List<String> command = new ArrayList<>();
    // The agent itself is measured, and killed: no keeper.
    command.addAll(List.of("env", "SLUICE_KEEPER=off", "JAVA_HOME=" + runtime.home()));
    command.add(workbench.home().resolve("../sluice").normalize().toString());
    command.addAll(List.of(arguments));
    return command;
  }

  /** Builds what the launcher would build at its first call, and its archive of classes. */
  public static void prepare(Workbench workbench, JavaRuntime runtime)
      throws IOException, InterruptedException {
    Workbench.output(sluice(workbench, runtime, "--help"));
  }

  /** Starts it in a namespace of its own and waits until it says that it is ready. */
  public static AgentProcess start(Workbench workbench, JavaRuntime runtime) throws IOException {
    Path directory = Files.createTempDirectory("sluice-bench-agent");
    return awaitReady(directory, BenchNamespace.start(agent(workbench, runtime, directory)));
  }

  /** As {@link #start}, but in a namespace that is there. */
  public static AgentProcess startIn(
      BenchNamespace namespace, Workbench workbench, JavaRuntime runtime) throws IOException {
    Path directory = Files.createTempDirectory("sluice-bench-agent");
    return awaitReady(directory, namespace.startInside(agent(workbench, runtime, directory)));
  }

  /** As {@link #startIn}, with options of its own. */
  public static AgentProcess startIn(
      BenchNamespace namespace, List<String> options, Workbench workbench, JavaRuntime runtime)
      throws IOException {
    Path directory = Files.createTempDirectory("sluice-bench-agent");
    List<String> command = new ArrayList<>(agent(workbench, runtime, directory));
    command.addAll(options);
    return awaitReady(directory, namespace.startInside(command));
  }

  /** As {@link #startIn}, with all its threads on one processor, and with options of its own. */
  public static AgentProcess startPinned(
      BenchNamespace namespace,
      String processor,
      List<String> options,
      Workbench workbench,
      JavaRuntime runtime)
      throws IOException {
    Path directory = Files.createTempDirectory("sluice-bench-agent");
    List<String> command = new ArrayList<>(List.of("taskset", "-c", processor));
    command.addAll(agent(workbench, runtime, directory));
    command.addAll(options);
    return awaitReady(directory, namespace.startInside(command));
  }

  /** With permanent mappings of its own, of which there are none: not with the machine's. */
  private static List<String> agent(Workbench workbench, JavaRuntime runtime, Path directory) {
    return sluice(
        workbench,
        runtime,
        "--socket",
        socket(directory).toString(),
        "agent",
        "--ports-file",
        directory.resolve("ports.yaml").toString());
  }

  private static AgentProcess awaitReady(Path directory, Process process) throws IOException {
    BufferedReader messages = process.errorReader(UTF_8);
    List<String> seen = new ArrayList<>();
    long startedAt = 0;
    for (String line = messages.readLine(); line != null; line = messages.readLine()) {
      seen.add(line);
      if (line.equals(BenchNamespace.STARTING)) {
        startedAt = System.nanoTime();
      } else if (line.contains("ready after")) {
        AgentProcess agent = new AgentProcess(process, directory, startedAt, System.nanoTime());
        drain(messages);
        return agent;
      }
    }
    Files.deleteIfExists(directory);
    throw new IOException("the agent did not start: " + String.join("\n", seen));
  }

  /** Where its API listens. */
  public Path socket() {
    return socket(directory);
  }

  private static Path socket(Path directory) {
    return directory.resolve("agent.sock");
  }

  /** Its process id. */
  public long pid() {
    return process.pid();
  }

  /** {@link System#nanoTime} right before the launcher was run. */
  public long startedAt() {
    return startedAt;
  }

  /** {@link System#nanoTime} when it had said that it was ready. */
  public long readyAt() {
    return readyAt;
  }

  /** Resident memory of the process, shared pages included: VmRSS. */
  public double residentMegabytes() throws IOException {
    try (Stream<String> lines = Files.lines(Path.of("/proc", "" + process.pid(), "status"))) {
      String line = lines.filter(l -> l.startsWith("VmRSS:")).findFirst().orElseThrow();
      return Long.parseLong(line.replaceAll("\\D", "")) / KIBIBYTES_PER_MEGABYTE;
    }
  }

  /** Ends it as kill -9 does, and returns when it is gone. */
  public void kill() {
    process.destroyForcibly();
    process.onExit().join();
  }

  /** Nobody reads its further messages, but its pipe must not fill up. */
  private static void drain(BufferedReader messages) {
    Thread reader =
        new Thread(
            () -> {
              try {
                messages.lines().forEach(line -> {});
              } catch (UncheckedIOException e) {
                // The stream was closed under this thread: the agent is being ended.
              }
            },
            "agent's messages");
    reader.setDaemon(true);
    reader.start();
  }

  @Override
  public void close() throws IOException {
    process.destroy();
    process.onExit().join();
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
