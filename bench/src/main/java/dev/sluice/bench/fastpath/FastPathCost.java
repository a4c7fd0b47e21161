package dev.sluice.bench.fastpath;

import dev.sluice.bench.Environment;
import dev.sluice.bench.Figure;
import dev.sluice.bench.Figures;
import dev.sluice.bench.NamedBenchmark;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Packets of a published port by the fast path, by netfilter, routed, and with no host between. */
public final class FastPathCost implements NamedBenchmark {
  /** The columns, in figures and plots: the agent as it is, and its programs beside an nft map. */
  public static final String SLUICE = "Sluice";

  public static final String FAST = "fast path";
  public static final String NFT = "nft map";
  public static final String DOCKER = "Docker's iptables";
  public static final String PLAIN = "plain routing";
  public static final String DIRECT = "direct veth";
  public static final List<String> COLUMNS = List.of(SLUICE, FAST, NFT, DOCKER, PLAIN, DIRECT);

  /** The row of ratios within a turn. */
  public static final String RATIO = "÷ nft map's";

  /** Ends the subjects that were measured by the clock. */
  public static final String TWO_PROCESSORS = ", two processors";

  private static final String SLOT_MILLIS = "40";
  private static final String TURNS = "20";
  private static final double NANOS_PER_SECOND = 1e9;
  private static final double BITS_PER_GIGABIT = 1e9 / 8;
  private static final double PERCENT = 100;
  private static final double LEAST_CARRIED_PERCENT = 95;

  /** Names of fastpath.py, in the order of the columns. */
  private static final List<String> WAYS =
      List.of("sluice", "fast", "nft", "iptables", "plain", "direct");

  /** Those with the fast path's programs. */
  private static final List<String> CARRYING = List.of(SLUICE, FAST);

  /**
   * One kind of traffic.
   *
   * @param mode its name in slots.c
   */
  private record Traffic(String mode, String subject) {
    boolean isBulk() {
      return mode.startsWith("bulk");
    }

    /** Whether it is for the fast path; connections that begin and end are not. */
    boolean isCarried() {
      return !mode.equals("connect");
    }

    /** Whether a rate tells of the packets' way alone, and not of two processors' as well. */
    boolean isProcessorTime() {
      return !subject.endsWith(TWO_PROCESSORS);
    }
  }

  private static final List<Traffic> TRAFFIC =
      List.of(
          new Traffic("tcp_rr", "TCP request/response"),
          new Traffic("udp_rr", "UDP request/response"),
          new Traffic("tcp_rr2", "TCP request/response" + TWO_PROCESSORS),
          new Traffic("udp_rr2", "UDP request/response" + TWO_PROCESSORS),
          new Traffic("pps", "64-byte packets, 1 flow"),
          new Traffic("pps512", "64-byte packets, 512 flows"),
          new Traffic("bulk", "bulk TCP, segmentation offload"),
          new Traffic("bulk-nogso", "bulk TCP, no offload"),
          new Traffic("connect", "connect, request, close"));

  @Override
  public String name() {
    return "fastpath";
  }

  @Override
  public String title() {
    return "Packets from a client's namespace to a container's: published by ./sluice agent with"
        + " its fast path, which follows every connection meanwhile; by an nft map, carried by"
        + " the same programs and nothing else of Sluice; by the map alone; by the rules of"
        + " Docker 20.10 and the iptables that it would call; routed without rules and without"
        + " conntrack; and over one veth pair with no host between. Each way has a host of its"
        + " own; native/slots.c goes to all of them in turns, "
        + SLOT_MILLIS
        + " ms to each, begun by another one every time, "
        + TURNS
        + " turns a round, over connections that stay open. It is client and server in one"
        + " thread, which never waits: a packet is carried to its end in the system call that"
        + " sends it. A rate is per second of that thread's processor time, so that who else"
        + " works on the machine is not in it; of 64-byte packets, without the time that reading"
        + " them takes, for which a server has its own processor. With two processors client and"
        + " server are a thread each, which poll, and a rate is by the clock. A ratio is the"
        + " median of those within each turn. Carried: which part of the packets that the"
        + " programs saw they carried, by their own counters (of the agent's programs, too, read"
        + " from outside); below 95 % is an error, but by the clock, and for connections, which"
        + " begin and end with netfilter. What the host adds: what a packet takes beyond direct,"
        + " as a part of what it takes so by the nft map. \"The programs alone\" is"
        + " native/carry.c: nanoseconds beyond programs that are switched off, one packet of a"
        + " random flow, or fifty of one in a row. Aims: request/response ×1.35, better 1.5;"
        + " packets 1.4, 1.55; bulk 1.05, 1.15, without offload 1.5, 1.75; connections 0.95; what"
        + " the host adds at most a quarter.";
  }

  @Override
  public List<String> tools() throws IOException {
    String iptables = Workbench.firstLine("iptables", "--version");
    if (iptables.equals("absent")) {
      throw new IOException(
          "fastpath compares with iptables, which is missing; install it with:  apt-get install -y"
              + " iptables");
    }
    return List.of(iptables, Workbench.firstLine("/usr/bin/python3", "--version"));
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    AgentProcess.prepare(workbench, workbench.runtimes().get(0));
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      for (JsonNode line : lines(ways(workbench))) {
        addTraffic(line, figures);
      }
      for (JsonNode line : lines(List.of(program(workbench, "carry")))) {
        addProgram(line, figures);
      }
      figures.add("machine", "load average", FAST, "1", Environment.loadAverage());
    }
    return figures.toList();
  }

  private static List<String> ways(Workbench workbench) {
    return List.of(
        "env",
        "JAVA_HOME=" + workbench.runtimes().get(0).home(),
        "/usr/bin/python3",
        workbench.home().resolve("native/fastpath.py").toString(),
        workbench.home().resolve("../native/build/libsluice.so").toString(),
        workbench.home().resolve("../sluice").toString(),
        program(workbench, "slots"),
        SLOT_MILLIS,
        TURNS);
  }

  private static String program(Workbench workbench, String name) {
    return workbench.nativeDirectory().resolve(name).toString();
  }

  private static List<JsonNode> lines(List<String> command)
      throws IOException, InterruptedException {
    JsonMapper json = new JsonMapper();
    return Workbench.output(command).lines().map(json::readTree).toList();
  }

  private static void addTraffic(JsonNode line, Figures figures) throws IOException {
    String mode = line.get("mode").asString();
    Traffic traffic =
        TRAFFIC.stream()
            .filter(one -> one.mode().equals(mode))
            .findFirst()
            .orElseThrow(() -> new IOException("fastpath.py did what nobody asked for: " + mode));
    List<double[]> rates = WAYS.stream().map(way -> numbers(line.get("rates").get(way))).toList();
    double[] nft = rates.get(COLUMNS.indexOf(NFT));
    for (int i = 0; i < COLUMNS.size(); i++) {
      double rate = median(rates.get(i));
      figures.add(
          traffic.subject(),
          "rate",
          COLUMNS.get(i),
          traffic.isBulk() ? "Gbit/s" : "1/s",
          traffic.isBulk() ? rate / BITS_PER_GIGABIT : rate);
    }
    for (int i = 0; i < COLUMNS.size(); i++) {
      if (!COLUMNS.get(i).equals(NFT)) {
        double[] these = rates.get(i);
        double ratio = median(turns(these.length, turn -> these[turn] / nft[turn]));
        figures.add(traffic.subject(), RATIO, COLUMNS.get(i), "×", ratio);
      }
    }
    if (traffic.isCarried()) {
      for (String column : CARRYING) {
        JsonNode outcomes = line.get("outcomes").get(WAYS.get(COLUMNS.indexOf(column)));
        figures.add(traffic.subject(), "carried", column, "%", carriedPercent(traffic, outcomes));
      }
    }
    if (traffic.isCarried() && traffic.isProcessorTime()) {
      double[] direct = rates.get(COLUMNS.indexOf(DIRECT));
      for (String column : CARRYING) {
        double[] these = rates.get(COLUMNS.indexOf(column));
        double[] parts =
            turns(
                nft.length,
                turn ->
                    (nanos(these[turn]) - nanos(direct[turn]))
                        / (nanos(nft[turn]) - nanos(direct[turn])));
        figures.add(
            traffic.subject(), "what the host adds ÷ nft map's", column, "×", median(parts));
      }
    }
  }

  private static double carriedPercent(Traffic traffic, JsonNode outcomes) throws IOException {
    long seen = 0;
    long carried = 0;
    for (Map.Entry<String, JsonNode> outcome : outcomes.properties()) {
      seen += outcome.getValue().asLong();
      boolean isWay = outcome.getKey().equals("inward") || outcome.getKey().equals("outward");
      carried += isWay ? outcome.getValue().asLong() : 0;
    }
    double percent = seen == 0 ? 0 : PERCENT * carried / seen;
    // By the clock, on a busy machine, there may be so few that those of each second's check count.
    if (percent < LEAST_CARRIED_PERCENT && traffic.isProcessorTime()) {
      throw new IOException(
          "the fast path carried %.1f %% of \"%s\", so the figures would not be its own: %s"
              .formatted(percent, traffic.subject(), outcomes));
    }
    return percent;
  }

  private static void addProgram(JsonNode line, Figures figures) {
    int flows = line.get("flows").asInt();
    String subject =
        switch (flows) {
          case 0 -> "the programs alone, in a row";
          case 1 -> "the programs alone, 1 flow";
          default -> "the programs alone, %,d flows".formatted(flows);
        };
    for (Map.Entry<String, JsonNode> entry : line.properties()) {
      if (!entry.getKey().equals("flows")) {
        String variant = entry.getKey().startsWith("IPv") ? "carried, " : "left alone, ";
        figures.add(subject, variant + entry.getKey(), FAST, "ns", entry.getValue().asDouble());
      }
    }
  }

  private static double nanos(double rate) {
    return NANOS_PER_SECOND / rate;
  }

  private static double[] numbers(JsonNode values) {
    return values.valueStream().mapToDouble(JsonNode::asDouble).toArray();
  }

  private static double[] turns(int count, IntToDoubleFunction value) {
    return IntStream.range(0, count).mapToDouble(value).toArray();
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
