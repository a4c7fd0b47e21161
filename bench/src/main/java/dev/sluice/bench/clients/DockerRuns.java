package dev.sluice.bench.clients;

import dev.sluice.bench.Figures;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.docker.DockerDaemon;
import dev.sluice.bench.reach.DockerRules;
import dev.sluice.bench.reach.Topology;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** {@code docker run} of containers with and without ports, and who publishes those. */
final class DockerRuns implements Client {
  static final String IMAGE = "sluice-bench:1";

  private static final String WEB_SERVER = "\"httpd\",\"-f\",\"-p\",\"80\",\"-h\",\"/\"";
  private static final int PORTS = 10;

  /** Containers that are run before any is measured. */
  static final int WARM_UP = 10;

  private static final int FIRST_PORT = 50_000;
  private static final double NANOS_PER_MILLI = 1e6;
  private static final Pattern LATENCY =
      Pattern.compile("(?m)^sluice_docker_(own|delivery|answer)_seconds_(sum|count) (\\S+)$");

  private final String label;
  private final Workbench workbench;
  private final Topology topology;
  private final DockerDaemon docker;
  private final @Nullable SluiceMappings sluice;
  private final List<String> options;
  private int present;

  /**
   * @param label its column
   * @param sluice who publishes; nobody else than dockerd if null
   * @param options of {@code docker run}
   */
  DockerRuns(
      String label,
      Workbench workbench,
      Topology topology,
      DockerDaemon docker,
      @Nullable SluiceMappings sluice,
      List<String> options)
      throws IOException, InterruptedException {
    this.label = label;
    this.workbench = workbench;
    this.topology = topology;
    this.docker = docker;
    this.sluice = sluice;
    this.options = options;
    docker.makeImage(IMAGE, WEB_SERVER);
    // The first containers have to wait for much that others find.
    took(0);
    for (int i = 0; i < WARM_UP; i++) {
      took(PORTS);
    }
  }

  @Override
  public void load(int wanted) throws IOException, InterruptedException {
    if (sluice != null) {
      sluice.load(wanted);
    } else if (wanted > present) {
      Path rules = docker.directory().resolve("rules");
      Files.writeString(rules, DockerRules.more("docker0", present + 1, wanted));
      List<String> restore =
          List.of(
              "env",
              "XTABLES_LOCKFILE=" + docker.directory().resolve("xtables.lock"),
              "iptables-restore",
              "--noflush",
              rules.toString());
      Workbench.output(topology.host().inside(restore));
    }
    present = wanted;
  }

  /**
   * @param runNanos of the command
   * @param answeredNanos from its start to the first answer of the last port, seen from outside
   */
  private record Took(long runNanos, long answeredNanos) {}

  private Took took(int ports) throws IOException, InterruptedException {
    List<String> run = new ArrayList<>(List.of("run", "-d", "--name", "measured"));
    for (int i = 0; i < ports; i++) {
      run.addAll(List.of("-p", FIRST_PORT + i + ":80"));
    }
    run.addAll(options);
    run.add(IMAGE);
    List<String> command = new ArrayList<>();
    command.add(workbench.nativeDirectory().resolve("answered").toString());
    if (ports == 0) {
      command.add("-e"); // the same load beside it
    }
    int last = FIRST_PORT + Math.max(ports, 1) - 1;
    command.addAll(List.of(topology.client().path(), Topology.HOST, "" + last, "--"));
    command.addAll(docker.command(run.toArray(String[]::new)));
    long[] nanos =
        Arrays.stream(Workbench.output(command).strip().split(" ", 2))
            .mapToLong(Long::parseLong)
            .toArray();
    docker.call("rm", "-f", "measured");
    return new Took(nanos[0], nanos[1]);
  }

  @Override
  public void turn(String subject, Figures figures) throws IOException, InterruptedException {
    Took none = took(0);
    Map<String, Double> before = latencies();
    Took ten = took(PORTS);
    Map<String, Double> after = latencies();
    double more = (ten.runNanos() - none.runNanos()) / NANOS_PER_MILLI;
    figures.add(subject, ClientsCost.TEN_PORTS, label, "ms", more);
    figures.add(
        subject, "docker run without ports", label, "ms", none.runNanos() / NANOS_PER_MILLI);
    figures.add(
        subject, ClientsCost.FIRST_ANSWER, label, "ms", ten.answeredNanos() / NANOS_PER_MILLI);
    addMean(subject, ClientsCost.SHARE, "own", before, after, figures);
    addMean(subject, ClientsCost.DELIVERY, "delivery", before, after, figures);
    addMean(subject, ClientsCost.ANSWER, "answer", before, after, figures);
  }

  private void addMean(
      String subject,
      String row,
      String metric,
      Map<String, Double> before,
      Map<String, Double> after,
      Figures figures) {
    double count = difference(metric + " count", before, after);
    if (count > 0) {
      double millis = difference(metric + " sum", before, after) / count * 1e3;
      figures.add(subject, row, label, "ms", millis);
    }
  }

  private static double difference(
      String name, Map<String, Double> before, Map<String, Double> after) {
    return after.getOrDefault(name, 0.0) - before.getOrDefault(name, 0.0);
  }

  /** Sums, in seconds, and counts of what the agent says of itself, if it does. */
  private Map<String, Double> latencies() throws IOException, InterruptedException {
    Map<String, Double> latencies = new HashMap<>();
    if (sluice != null) {
      String socket = sluice.agent().socket().toString();
      String page =
          Workbench.output(
              List.of("curl", "-sS", "--fail", "--unix-socket", socket, "http://sluice/metrics"));
      Matcher matcher = LATENCY.matcher(page);
      while (matcher.find()) {
        latencies.put(
            matcher.group(1) + " " + matcher.group(2), Double.parseDouble(matcher.group(3)));
      }
    }
    return latencies;
  }

  @Override
  public void close() throws IOException {
    if (sluice != null) {
      sluice.close();
    }
  }
}
