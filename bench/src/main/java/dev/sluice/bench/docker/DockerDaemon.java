package dev.sluice.bench.docker;

import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A dockerd in a given network namespace, with everything else of its own: files, containerd, and
 * what it mounts, {@code /run} among it.
 */
public final class DockerDaemon implements AutoCloseable {
  /** That of the daemon's package: a newer one may come first in PATH. */
  public static final String CLIENT = "/usr/bin/docker";

  /** All a container needs, without libraries. */
  public static final Path BUSYBOX = Path.of("/bin/busybox");

  private static final String INSTALL = "apt-get install -y docker.io busybox-static";
  private static final int START_SECONDS = 30;
  private static final int STOP_SECONDS = 30;
  private static final long LOOK_MILLIS = 100;

  /** What others unmount meanwhile must not stay mounted here. */
  private static final String START =
      """
      exec unshare --mount --propagation slave sh -ec '
        mount -t tmpfs tmpfs /run
        mkdir -p /run/docker/plugins
        mount --bind "$0/plugins" /run/docker/plugins
        exec dockerd "$@"' "$0" "$@" >"$0/log" 2>&1 </dev/null
      """;

  private final Path directory;
  private final Process daemon;

  private DockerDaemon(Path directory, Process daemon) {
    this.directory = directory;
    this.daemon = daemon;
  }

  /**
   * Starts it and waits until it answers.
   *
   * @param options of dockerd, beside where its files are
   */
  public static DockerDaemon start(BenchNamespace namespace, List<String> options)
      throws IOException, InterruptedException {
    Path directory = Files.createTempDirectory("sluice-bench-docker");
    Files.createDirectory(directory.resolve("plugins"));
    List<String> command =
        new ArrayList<>(
            List.of(
                "sh",
                "-c",
                START,
                directory.toString(),
                "--data-root=" + directory.resolve("data"),
                "--exec-root=" + directory.resolve("exec"),
                "--pidfile=" + directory.resolve("pid"),
                "--host=unix://" + directory.resolve("docker.sock")));
    command.addAll(options);
    DockerDaemon docker = new DockerDaemon(directory, namespace.startInside(command));
    try {
      docker.awaitAnswer();
      return docker;
    } catch (IOException | InterruptedException e) {
      docker.close();
      throw e;
    }
  }

  private void awaitAnswer() throws IOException, InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    while (Workbench.firstLine(command("version").toArray(String[]::new)).equals("absent")) {
      if (!daemon.isAlive() || System.nanoTime() > deadline) {
        throw new IOException("dockerd did not start: " + lastWords());
      }
      Thread.sleep(LOOK_MILLIS);
    }
  }

  private String lastWords() throws IOException {
    Path log = directory.resolve("log");
    List<String> lines = Files.exists(log) ? Files.readAllLines(log) : List.of();
    return lines.isEmpty() ? "it wrote nothing" : lines.get(lines.size() - 1);
  }

  /** Makes an image of busybox alone, which runs one of its programs. */
  public void makeImage(String image, String program) throws IOException, InterruptedException {
    String script =
        """
        mkdir -p "$0/image/bin"
        cp %s "$0/image/bin/busybox"
        tar -C "$0/image" -c . | "$@" import -c 'CMD ["/bin/busybox",%s]' - %s
        """
            .formatted(BUSYBOX, program, image);
    List<String> command = new ArrayList<>(List.of("sh", "-ec", script, directory.toString()));
    command.addAll(command());
    Workbench.output(command);
  }

  /** The command line of {@code docker WORD…}. */
  public List<String> command(String... words) {
    List<String> command = new ArrayList<>(List.of(CLIENT, "-H", "unix://" + socket()));
    command.addAll(List.of(words));
    return command;
  }

  /**
   * Runs {@code docker WORD…}.
   *
   * @throws IOException if it fails; the message holds its output
   */
  public String call(String... words) throws IOException, InterruptedException {
    return Workbench.output(command(words));
  }

  /** Where its API listens. */
  public Path socket() {
    return directory.resolve("docker.sock");
  }

  /** The directory that it sees as {@code /run/docker/plugins}. */
  public Path plugins() {
    return directory.resolve("plugins");
  }

  /** For files of who starts it, as long as it is there. */
  public Path directory() {
    return directory;
  }

  public long pid() {
    return daemon.pid();
  }

  /**
   * Names and versions of everything that is called.
   *
   * @param benchmark who calls it
   * @throws IOException if something is missing; the message says how to install it
   */
  public static List<String> versions(String benchmark) throws IOException {
    List<String> versions = new ArrayList<>();
    versions.add("dockerd: " + version(benchmark, "dockerd", "--version"));
    versions.add("its client: " + version(benchmark, CLIENT, "--version"));
    versions.add(version(benchmark, "runc", "--version"));
    if (!Files.isExecutable(BUSYBOX)) {
      throw missing(benchmark, BUSYBOX.toString());
    }
    return versions;
  }

  private static String version(String benchmark, String... command) throws IOException {
    String version = Workbench.firstLine(command);
    if (version.equals("absent")) {
      throw missing(benchmark, command[0]);
    }
    return version;
  }

  private static IOException missing(String benchmark, String program) {
    return new IOException(
        "%s compares with %s, which is missing; install it with:  %s"
            .formatted(benchmark, program, INSTALL));
  }

  /** Removes its containers and ends it. */
  @Override
  public void close() throws IOException {
    try {
      if (daemon.isAlive() && Files.exists(socket())) {
        // It asks containers in vain for ten seconds before it takes them with it.
        String left = call("ps", "-aq");
        if (!left.isBlank()) {
          List<String> remove = new ArrayList<>(List.of("rm", "-f"));
          remove.addAll(left.lines().toList());
          call(remove.toArray(String[]::new));
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while removing containers", e);
    } finally {
      end();
    }
  }

  private void end() throws IOException {
    try {
      daemon.destroy();
      if (!daemon.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
        daemon.destroyForcibly().waitFor();
      }
      Workbench.output(List.of("rm", "-rf", "--one-file-system", directory.toString()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while stopping dockerd", e);
    }
  }
}
