package dev.sluice.bench.clients;

import dev.sluice.bench.Figures;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.docker.DockerDaemon;
import dev.sluice.bench.reach.Memory;
import dev.sluice.bench.reach.Topology;
import java.io.IOException;
import java.util.List;

/** What the docker-proxies of a dockerd with its defaults take. */
final class ProxyMemory {
  private static final int PORTS = 100;
  private static final int FIRST_PORT = 40_000;
  private static final long SETTLING_MILLIS = 2_000;
  private static final double KILO = 1e3;

  private ProxyMemory() {}

  static void measure(Workbench workbench, Figures figures)
      throws IOException, InterruptedException {
    try (Topology topology = Topology.open();
        DockerDaemon docker = DockerDaemon.start(topology.host(), List.of())) {
      docker.makeImage(DockerRuns.IMAGE, "\"sleep\",\"86400\"");
      String range = FIRST_PORT + "-" + (FIRST_PORT + PORTS - 1);
      docker.call("run", "-d", "-p", range + ":" + range, DockerRuns.IMAGE);
      Thread.sleep(SETTLING_MILLIS);
      List<Long> proxies =
          ProcessHandle.of(docker.pid())
              .orElseThrow()
              .descendants()
              .filter(one -> one.info().command().orElse("").endsWith("/docker-proxy"))
              .map(ProcessHandle::pid)
              .toList();
      if (proxies.size() < PORTS) {
        throw new IOException(
            "dockerd started %d docker-proxies for %d ports".formatted(proxies.size(), PORTS));
      }
      double kilobytes = Memory.of(proxies).proportionalMegabytes() * KILO / PORTS;
      figures.add("memory", ClientsCost.MEMORY, ClientsCost.DOCKER, "kB", kilobytes);
    }
  }
}
