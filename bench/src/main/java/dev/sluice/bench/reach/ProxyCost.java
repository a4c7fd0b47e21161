package dev.sluice.bench.reach;

import dev.sluice.bench.Environment;
import dev.sluice.bench.Figure;
import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.NamedBenchmark;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

/** Sluice's userland proxy beside docker-proxy, and beside no proxy. */
public final class ProxyCost implements NamedBenchmark {
  /** The columns, in figures and plots. */
  public static final String SLUICE = "Sluice's proxy";

  public static final String DOCKER = "docker-proxy";
  public static final String TRANSLATED = "nftables";
  public static final List<String> COLUMNS = List.of(SLUICE, DOCKER, TRANSLATED);

  /** The rows of rates, of memory, and of time. */
  public static final String RATE = "rate";

  public static final String MEMORY = "PSS";
  public static final String PROCESSOR_TIME = "processor time of the proxy";

  private static final int CARRIED_PORT = 8080;
  private static final int TRANSLATED_PORT = 8081;
  private static final int FIRST_PORT = 10_001;
  private static final int MANY_PORTS = 500;
  private static final long SETTLING_MILLIS = 2_000;
  private static final double BITS_PER_GIGABIT = 1e9 / 8;
  private static final double NANOS_PER_MICRO = 1e3;
  private static final double NANOS_PER_MILLI = 1e6;
  private static final double BYTES_PER_GIGABYTE = 1e9;

  /**
   * One kind of traffic.
   *
   * @param options of visit, and what to do there
   * @param isBulk whether bytes are counted
   */
  private record Traffic(String subject, String protocol, boolean isBulk, List<String> options) {
    static Traffic bulk(String subject, String what) {
      return new Traffic(subject, "tcp", true, List.of("-s", "200", "-n", "12", what));
    }

    static Traffic small(String subject, String protocol, int connections, String what) {
      List<String> options = List.of("-s", "60", "-n", "20", "-c", "" + connections, "-b", "64");
      List<String> all = new ArrayList<>(options);
      all.add(what);
      return new Traffic(subject, protocol, false, all);
    }
  }

  private static final List<Traffic> TRAFFIC =
      List.of(
          Traffic.bulk("bytes to the server", "up"),
          Traffic.bulk("bytes to the client", "down"),
          Traffic.small("requests, 1 connection", "tcp", 1, "request"),
          Traffic.small("requests, 32 connections", "tcp", 32, "request"),
          Traffic.small("connections", "tcp", 1, "connect"),
          Traffic.small("datagrams, 1 client", "udp", 1, "udp"),
          Traffic.small("datagrams, 16 clients", "udp", 16, "udp"));

  @Override
  public String name() {
    return "proxy";
  }

  @Override
  public String title() {
    return "An IPv6 client and a server that has no IPv6 address: through Sluice's userland proxy, a"
        + " thread of the agent with its defaults, and through docker-proxy, a process a port, as"
        + " dockerd calls it, with Docker's rules beside it; and the same server by IPv4, which"
        + " nftables translates and nothing carries. Each has namespaces of his own, made alike, as"
        + " for reach; native/visit.c goes to all in turns, 200 ms of bytes or 60 ms of anything"
        + " else to each, begun by another one every time; a sample is the median over the turns of"
        + " a round, a ratio the median of the ratios within each turn. Bytes: one connection,"
        + " 256 KiB a call, counted when the last has arrived. Requests: 64 bytes and as many back,"
        + " on open connections, all of them under way at a time. Connections: opened, 64 bytes each"
        + " way, ended in both directions. Datagrams: as requests, each client from a port of its"
        + " own. Client and server are one thread on one processor of two (two threads for bytes)."
        + " Processor time is that of the whole process: agent or docker-proxy. Memory two seconds"
        + " after ports were published, tcp, nobody connected: of all docker-proxies for as many"
        + " ports (\"::\" alone: dockerd starts another for 0.0.0.0); of the agent what it has grown"
        + " by, whatever of it is the proxy's. PSS counts a page that n processes share as an nth.";
  }

  @Override
  public List<String> tools() throws IOException {
    List<String> tools = new ArrayList<>(List.of(Tools.dockerProxy("proxy")));
    tools.addAll(Tools.iptables("proxy"));
    return tools;
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    JavaRuntime runtime = workbench.runtimes().get(0);
    AgentProcess.prepare(workbench, runtime);
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      try (Hosts hosts = Hosts.open()) {
        traffic(hosts, workbench, runtime, round, figures);
      }
      memory(workbench, runtime, figures);
      figures.add("machine", "load average", SLUICE, "1", Environment.loadAverage());
    }
    return figures.toList();
  }

  private static void traffic(
      Hosts hosts, Workbench workbench, JavaRuntime runtime, int round, Figures figures)
      throws IOException, InterruptedException {
    Topology docker = hosts.topology();
    DockerRules.load(docker, "legacy", 1, hosts.directory());
    DockerProxies proxies = hosts.dockerProxies(docker);
    Topology sluice = hosts.topology();
    SluiceHost agent = hosts.sluice(sluice, workbench, runtime);
    for (int port : List.of(CARRIED_PORT, TRANSLATED_PORT)) {
      agent.publish(List.of("%d:%d/tcp".formatted(port, port), "%d:%d/udp".formatted(port, port)));
    }
    long tcp = proxies.start("tcp", CARRIED_PORT);
    long udp = proxies.start("udp", CARRIED_PORT);
    for (Traffic traffic : TRAFFIC) {
      long carrier = traffic.protocol().equals("tcp") ? tcp : udp;
      List<Way> ways =
          new ArrayList<>(
              List.of(
                  carried(SLUICE, sluice, agent.pid()),
                  carried(DOCKER, docker, carrier),
                  new Way(
                      TRANSLATED, 1, sluice, Topology.HOST, TRANSLATED_PORT, TRANSLATED_PORT, 0)));
      Collections.rotate(ways, -round);
      addFigures(traffic, Visits.run(workbench, traffic.options(), ways), figures);
    }
  }

  private static Way carried(String label, Topology topology, long pid) {
    return new Way(label, 1, topology, Topology.HOST6, CARRIED_PORT, CARRIED_PORT, pid);
  }

  private static void addFigures(Traffic traffic, Visits visits, Figures figures) {
    String subject = traffic.subject();
    Way docker = way(visits, DOCKER);
    for (String label : COLUMNS) {
      Way way = way(visits, label);
      double rate = visits.median(way, Visits.Slot::perSecond);
      if (traffic.isBulk()) {
        figures.add(subject, RATE, label, "Gbit/s", rate / BITS_PER_GIGABIT);
      } else {
        figures.add(subject, RATE, label, "1/s", rate);
      }
      if (!label.equals(DOCKER)) {
        figures.add(
            subject,
            RATE + " ÷ docker-proxy's",
            label,
            "×",
            visits.ratio(way, docker, Visits.Slot::perSecond));
      }
      if (way.pid() == 0) {
        continue;
      }
      double cpuNanos = visits.median(way, slot -> (double) slot.carrierNanos() / slot.count());
      if (traffic.isBulk()) {
        figures.add(
            subject,
            PROCESSOR_TIME,
            label,
            "ms/GB",
            cpuNanos * BYTES_PER_GIGABYTE / NANOS_PER_MILLI);
      } else {
        figures.add(subject, PROCESSOR_TIME, label, "µs", cpuNanos / NANOS_PER_MICRO);
      }
    }
  }

  private static Way way(Visits visits, String label) {
    return visits.ways().stream()
        .filter(way -> way.label().equals(label))
        .findFirst()
        .orElseThrow();
  }

  private static void memory(Workbench workbench, JavaRuntime runtime, Figures figures)
      throws IOException, InterruptedException {
    try (Hosts hosts = Hosts.open()) {
      DockerProxies proxies = hosts.dockerProxies(hosts.topology());
      SluiceHost agent = hosts.sluice(hosts.topology(), workbench, runtime);
      List<Long> agentPid = List.of(agent.pid());
      Memory before = settled(agentPid);
      for (int ports : List.of(1, MANY_PORTS)) {
        int published = proxies.pids().size();
        List<Integer> more =
            IntStream.range(FIRST_PORT + published, FIRST_PORT + ports).boxed().toList();
        for (int port : more) {
          proxies.start("tcp", port);
        }
        agent.publish(more.get(0), more.get(more.size() - 1));
        Memory agentNow = settled(agentPid);
        String subject = "memory, %,d port%s".formatted(ports, ports == 1 ? "" : "s");
        addMemory(figures, subject, SLUICE, agentNow.less(before));
        addMemory(figures, subject, DOCKER, Memory.of(proxies.pids()));
        figures.add(subject, "RSS of the whole agent", SLUICE, "MB", agentNow.residentMegabytes());
      }
    }
  }

  private static Memory settled(List<Long> pids) throws IOException, InterruptedException {
    Thread.sleep(SETTLING_MILLIS);
    return Memory.of(pids);
  }

  private static void addMemory(Figures figures, String subject, String label, Memory memory) {
    figures.add(subject, MEMORY, label, "MB", memory.proportionalMegabytes());
    figures.add(subject, "RSS", label, "MB", memory.residentMegabytes());
  }
}
