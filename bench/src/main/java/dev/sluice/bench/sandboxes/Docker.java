package dev.sluice.bench.sandboxes;

import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A dockerd with everything of its own: namespace, files, containerd, and one small image. */
final class Docker implements AutoCloseable {
  static final String IMAGE = "sluice-bench:1";
  static final String NETWORK = "bench";

  private static final int START_SECONDS = 30;
  private static final int STOP_SECONDS = 30;
  private static final long LOOK_MILLIS = 100;

  /** A container that only waits, made of one file. */
  private static final String IMPORT =
      """
      mkdir -p "$0/image/bin"
      cp %s "$0/image/bin/busybox"
      tar -C "$0/image" -c . | "$@" import -c 'CMD ["/bin/busybox","sleep","86400"]' - %s
      """
          .formatted(Tools.BUSYBOX, IMAGE);

  private final BenchNamespace namespace;
  private final Path directory;
  private final Process daemon;

  private Docker(BenchNamespace namespace, Path directory, Process daemon) {
    this.namespace = namespace;
    this.directory = directory;
    this.daemon = daemon;
  }

  /** Starts it, with a network, and a container for each hand that may join that. */
  static Docker start() throws IOException, InterruptedException {
    BenchNamespace namespace = BenchNamespace.open();
    Path directory = Files.createTempDirectory("sluice-bench-docker");
    // What it mounts goes with it; what others unmount meanwhile must not stay mounted here.
    String command =
        "exec unshare --mount --propagation slave dockerd \"$@\" >\"$0/log\" 2>&1 </dev/null";
    Process daemon =
        namespace.startInside(
            List.of(
                "sh",
                "-c",
                command,
                directory.toString(),
                "--data-root=" + directory.resolve("data"),
                "--exec-root=" + directory.resolve("exec"),
                "--pidfile=" + directory.resolve("pid"),
                "--host=unix://" + directory.resolve("docker.sock"),
                "--userland-proxy=false"));
    Docker docker = new Docker(namespace, directory, daemon);
    try {
      docker.setUp();
      return docker;
    } catch (IOException | InterruptedException e) {
      docker.close();
      throw e;
    }
  }

  private void setUp() throws IOException, InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    while (Workbench.firstLine(call("version").toArray(String[]::new)).equals("absent")) {
      if (!daemon.isAlive() || System.nanoTime() > deadline) {
        throw new IOException("dockerd did not start: " + lastWords());
      }
      Thread.sleep(LOOK_MILLIS);
    }
    List<String> image = new ArrayList<>(List.of("sh", "-ec", IMPORT, directory.toString()));
    image.addAll(call());
    Workbench.output(image);
    Workbench.output(call("network", "create", "--subnet", "10.77.0.0/16", NETWORK));
    for (int hand = 0; hand < SandboxesCost.HANDS; hand++) {
      Workbench.output(call("run", "-d", "--name", "hand" + hand, IMAGE));
    }
  }

  private String lastWords() throws IOException {
    Path log = directory.resolve("log");
    if (!Files.exists(log)) {
      return "it wrote nothing";
    }
    List<String> lines = Files.readAllLines(log);
    return lines.isEmpty() ? "it wrote nothing" : lines.get(lines.size() - 1);
  }

  private List<String> call(String... words) {
    List<String> command = new ArrayList<>(List.of(Tools.DOCKER, "-H", "unix://" + socket()));
    command.addAll(List.of(words));
    return command;
  }

  Path socket() {
    return directory.resolve("docker.sock");
  }

  long pid() {
    return daemon.pid();
  }

  BenchNamespace namespace() {
    return namespace;
  }

  /** It takes its containers with it, but only after it has asked them in vain for ten seconds. */
  @Override
  public void close() throws IOException {
    try {
      for (int hand = 0; hand < SandboxesCost.HANDS && daemon.isAlive(); hand++) {
        // One that was never started is not there: no matter.
        Workbench.firstLine(call("rm", "-f", "hand" + hand).toArray(String[]::new));
      }
      daemon.destroy();
      if (!daemon.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
        daemon.destroyForcibly().waitFor();
      }
      Workbench.output(List.of("rm", "-rf", "--one-file-system", directory.toString()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while stopping dockerd", e);
    } finally {
      namespace.close();
    }
  }
}
