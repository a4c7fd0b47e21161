package dev.sluice.bench.reach;

import dev.sluice.bench.Closings;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Everybody of a round, there at the same time and taken away together. */
final class Hosts implements AutoCloseable {
  private final Closings closings = new Closings();
  private final Path directory;

  private Hosts(Path directory) {
    this.directory = directory;
    closings.push(this::removeDirectory);
  }

  static Hosts open() throws IOException {
    return new Hosts(Files.createTempDirectory("sluice-bench-reach"));
  }

  /** For files of theirs, as long as they are there. */
  Path directory() {
    return directory;
  }

  /** A client, a host and a server more. */
  Topology topology() throws IOException, InterruptedException {
    Topology topology = Topology.open();
    closings.push(topology::close);
    return topology;
  }

  SluiceHost sluice(Topology topology, Workbench workbench, JavaRuntime runtime)
      throws IOException {
    SluiceHost sluice = SluiceHost.start(topology, workbench, runtime);
    closings.push(sluice::close);
    return sluice;
  }

  DockerProxies dockerProxies(Topology topology) {
    DockerProxies proxies = new DockerProxies(topology);
    closings.push(proxies::close);
    return proxies;
  }

  private void removeDirectory() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(directory);
  }

  @Override
  public void close() throws IOException {
    closings.close();
  }
}
