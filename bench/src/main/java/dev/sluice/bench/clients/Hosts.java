package dev.sluice.bench.clients;

import dev.sluice.bench.Closings;
import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import dev.sluice.bench.docker.DockerDaemon;
import dev.sluice.bench.reach.Topology;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Everybody's host, with who publishes on it; all there at the same time. */
final class Hosts implements AutoCloseable {
  private static final List<String> WITHOUT_RULES =
      List.of("--iptables=false", "--ip6tables=false", "--userland-proxy=false");
  private static final String NETWORK = "bench";
  private static final int MEMORY_MAPPINGS = 10_000;
  private static final long SETTLING_MILLIS = 2_000;
  private static final double KILO = 1e3;

  private final Workbench workbench;
  private final JavaRuntime runtime;
  private final Closings closings = new Closings();
  private final List<Client> clients = new ArrayList<>();
  private final SluiceMappings plain;

  private Hosts(Workbench workbench, JavaRuntime runtime) throws IOException, InterruptedException {
    this.workbench = workbench;
    this.runtime = runtime;
    try {
      Path directory = Files.createTempDirectory("sluice-bench-clients");
      closings.push(() -> removeAll(directory));
      addDocker();
      addTakeover();
      addDriver();
      add(new PortmapRuns(workbench, directory));
      plain = agent(topology(), List.of());
      add(new SluiceRuns(workbench, runtime, plain, directory));
    } catch (IOException | InterruptedException | RuntimeException e) {
      close();
      throw e;
    }
  }

  static Hosts open(Workbench workbench, JavaRuntime runtime)
      throws IOException, InterruptedException {
    return new Hosts(workbench, runtime);
  }

  List<Client> clients() {
    return List.copyOf(clients);
  }

  private void add(Client client) {
    clients.add(client);
    closings.push(client::close);
  }

  private Topology topology() throws IOException, InterruptedException {
    Topology topology = Topology.open();
    closings.push(topology::close);
    return topology;
  }

  private SluiceMappings agent(Topology topology, List<String> options) throws IOException {
    return new SluiceMappings(AgentProcess.startIn(topology.host(), options, workbench, runtime));
  }

  private DockerDaemon docker(Topology topology, List<String> options)
      throws IOException, InterruptedException {
    DockerDaemon docker = DockerDaemon.start(topology.host(), options);
    closings.push(docker::close);
    return docker;
  }

  private void addDocker() throws IOException, InterruptedException {
    Topology topology = topology();
    DockerDaemon docker = docker(topology, List.of("--userland-proxy=false"));
    add(new DockerRuns(ClientsCost.DOCKER, workbench, topology, docker, null, List.of()));
  }

  private void addTakeover() throws IOException, InterruptedException {
    Topology topology = topology();
    DockerDaemon docker = docker(topology, WITHOUT_RULES);
    SluiceMappings sluice = agent(topology, List.of("--docker", docker.socket().toString()));
    add(new DockerRuns(ClientsCost.TAKEOVER, workbench, topology, docker, sluice, List.of()));
  }

  private void addDriver() throws IOException, InterruptedException {
    Topology topology = topology();
    DockerDaemon docker = docker(topology, WITHOUT_RULES);
    SluiceMappings sluice =
        agent(
            topology,
            List.of(
                "--docker-plugin",
                docker.plugins().resolve("sluice.sock").toString(),
                "--docker-state",
                docker.directory().resolve("state").toString()));
    docker.call("network", "create", "-d", "sluice", "--subnet", "10.78.0.0/16", NETWORK);
    List<String> options = List.of("--network", NETWORK);
    add(new DockerRuns(ClientsCost.DRIVER, workbench, topology, docker, sluice, options));
  }

  /** Loads the agent that no Docker has to do with, and notes what it grows by. */
  void loadMeasured(int present, Figures figures) throws IOException, InterruptedException {
    if (present < MEMORY_MAPPINGS) {
      return;
    }
    double before = plain.memory().proportionalMegabytes();
    plain.load(present);
    Thread.sleep(SETTLING_MILLIS);
    double grown = plain.memory().proportionalMegabytes() - before;
    figures.add("memory", ClientsCost.MEMORY, "Sluice, API", "kB", grown * KILO / present);
  }

  private static void removeAll(Path directory) throws IOException {
    Files.deleteIfExists(directory.resolve("xtables.lock"));
    Files.delete(directory);
  }

  @Override
  public void close() throws IOException {
    closings.close();
  }
}
