package dev.sluice.bench.sandboxes;

import dev.sluice.bench.agent.BenchNamespace;
import dev.sluice.bench.docker.DockerDaemon;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** A dockerd in a namespace of its own, with one small image, a network, and some containers. */
final class Docker implements AutoCloseable {
  static final String IMAGE = "sluice-bench:1";
  static final String NETWORK = "bench";

  private final BenchNamespace namespace;
  private final DockerDaemon daemon;

  private Docker(BenchNamespace namespace, DockerDaemon daemon) {
    this.namespace = namespace;
    this.daemon = daemon;
  }

  /** Starts it, with a network, and a container for each hand that may join that. */
  static Docker start() throws IOException, InterruptedException {
    BenchNamespace namespace = BenchNamespace.open();
    try {
      Docker docker =
          new Docker(namespace, DockerDaemon.start(namespace, List.of("--userland-proxy=false")));
      docker.setUp();
      return docker;
    } catch (IOException | InterruptedException e) {
      namespace.close();
      throw e;
    }
  }

  private void setUp() throws IOException, InterruptedException {
    try {
      daemon.makeImage(IMAGE, "\"sleep\",\"86400\"");
      daemon.call("network", "create", "--subnet", "10.77.0.0/16", NETWORK);
      for (int hand = 0; hand < SandboxesCost.HANDS; hand++) {
        daemon.call("run", "-d", "--name", "hand" + hand, IMAGE);
      }
    } catch (IOException | InterruptedException e) {
      daemon.close();
      throw e;
    }
  }

  Path socket() {
    return daemon.socket();
  }

  long pid() {
    return daemon.pid();
  }

  BenchNamespace namespace() {
    return namespace;
  }

  @Override
  public void close() throws IOException {
    try {
      daemon.close();
    } finally {
      namespace.close();
    }
  }
}
