package dev.sluice.bench.reach;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Real docker-proxies on a host, one process a port. */
final class DockerProxies {
  /** It writes "0" to descriptor 3 when it listens, else "1" and why not. */
  private static final String SCRIPT = "exec 3>&1 >/dev/null; exec \"$@\"";

  private static final String READY = "0";

  private final Topology topology;
  private final List<Process> processes = new ArrayList<>();

  DockerProxies(Topology topology) {
    this.topology = topology;
  }

  /**
   * Starts one for a port of the server at the same port of all IPv6 addresses of the host, called
   * as dockerd calls it, and waits until it listens.
   *
   * @param protocol {@code tcp} or {@code udp}
   * @return its process id
   */
  long start(String protocol, int port) throws IOException {
    List<String> command =
        List.of(
            "sh",
            "-c",
            SCRIPT,
            "sh",
            Tools.DOCKER_PROXY.toString(),
            "-proto",
            protocol,
            "-host-ip",
            "::",
            "-host-port",
            "" + port,
            "-container-ip",
            Topology.SERVER,
            "-container-port",
            "" + port);
    Process process =
        new ProcessBuilder(topology.host().inside(command))
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    processes.add(process);
    try (BufferedReader said = process.inputReader(UTF_8)) {
      String line = String.valueOf(said.readLine());
      if (!line.equals(READY)) {
        throw new IOException("docker-proxy did not start: " + line);
      }
    }
    return process.pid();
  }

  List<Long> pids() {
    return processes.stream().map(Process::pid).toList();
  }

  void close() {
    processes.forEach(Process::destroy);
    processes.forEach(process -> process.onExit().join());
  }
}
