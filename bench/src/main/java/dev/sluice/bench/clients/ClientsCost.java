package dev.sluice.bench.clients;

import dev.sluice.bench.Environment;
import dev.sluice.bench.Figure;
import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.NamedBenchmark;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import dev.sluice.bench.docker.DockerDaemon;
import dev.sluice.bench.peers.Tool;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Ports published by Docker and CNI, with their own rules and with Sluice. */
public final class ClientsCost implements NamedBenchmark {
  /** Rows, in figures and plots. */
  public static final String TEN_PORTS = "docker run, 10 ports beyond none";

  public static final String ONE_PORT = "one port more";
  public static final String FIRST_ANSWER = "docker run to the first answer";
  public static final String SHARE = "the agent's share of 10 ports";
  public static final String DELIVERY = "dockerd's delivery of its event";
  public static final String ANSWER = "dockerd's answer about the container";
  public static final String MEMORY = "PSS per port";

  /** Columns. */
  public static final String DOCKER = "Docker";

  public static final String TAKEOVER = "Sluice, takeover";
  public static final String DRIVER = "Sluice, network driver";

  private static final List<Integer> PRESENT = List.of(0, 100, 1_000, 10_000);

  @Override
  public String name() {
    return "clients";
  }

  @Override
  public String title() {
    return "Ports more, with 0 to 10,000 published before, by what containers are run with; turns of"
        + " all of them, begun by another one each time, each on a host of its own. Docker: docker"
        + " run -d of a container with 10 ports, less the one of the same turn without, both"
        + " removed again; by dockerd alone (--userland-proxy=false), by an agent that follows a"
        + " dockerd without rules (--iptables=false, sluice agent --docker), and on a network of"
        + " Sluice's driver. The ports that are there before are dockerd's rules for as many ports"
        + " of one container, by iptables-restore, or mappings of the agent. To the first answer:"
        + " from the start of that docker run with 10 ports until a client outside, which tries"
        + " again a millisecond after each failure, has the first byte of an answer of the last of"
        + " them. From dockerd's event to the ports being in the kernel, by the agent's own metrics: until the"
        + " event was read, until dockerd had answered what it is asked then, and the agent's share,"
        + " which is the rest. Before the first turn each runs and removes "
        + DockerRuns.WARM_UP
        + " containers with 10 ports, as one that has run for a while has. CNI: ADD of one container with one port, by portmap and by the"
        + " plugin sluice, a process each, the median of up to 100; the API by a client that stays"
        + " connected, median of 100; sluice publish, a JVM each, median of 3. Memory: PSS of all"
        + " docker-proxies of 100 published ports, as a dockerd with its defaults starts them, and"
        + " of the agent what it has grown by with 10,000. Aims: ADD 5 ms; 10 ports through Docker"
        + " 40 ms, of which the agent 3 ms, whatever is there.";
  }

  @Override
  public List<String> tools() throws IOException {
    List<String> tools = new ArrayList<>(DockerDaemon.versions("clients"));
    tools.addAll(Tool.versions());
    return tools;
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    JavaRuntime runtime = workbench.runtimes().get(0);
    AgentProcess.prepare(workbench, runtime);
    Figures figures = new Figures();
    try (Hosts hosts = Hosts.open(workbench, runtime)) {
      List<Client> clients = new ArrayList<>(hosts.clients());
      for (int present : PRESENT) {
        if (present > workbench.maximum()) {
          continue;
        }
        hosts.loadMeasured(present, figures);
        for (Client client : clients) {
          client.load(present);
        }
        for (int round = 0; round < workbench.rounds(); round++) {
          for (Client client : clients) {
            client.turn(subject(present), figures);
          }
          Collections.rotate(clients, -1);
        }
        figures.add(
            subject(present), "load average", "the machine", "1", Environment.loadAverage());
      }
    }
    ProxyMemory.measure(workbench, figures);
    return figures.toList();
  }

  private static String subject(int present) {
    return "%,d present".formatted(present);
  }
}
