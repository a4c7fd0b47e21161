package dev.sluice.bench;

import dev.sluice.bench.agent.AgentCost;
import dev.sluice.bench.agent.ApiCost;
import dev.sluice.bench.agent.BulkCost;
import dev.sluice.bench.agent.PublishCost;
import dev.sluice.bench.clients.ClientsCost;
import dev.sluice.bench.events.EventsCost;
import dev.sluice.bench.events.EventsSoak;
import dev.sluice.bench.fastpath.FastPathCost;
import dev.sluice.bench.ffi.CallCost;
import dev.sluice.bench.ffi.StartupCost;
import dev.sluice.bench.peers.PeersCost;
import dev.sluice.bench.reach.ProxyCost;
import dev.sluice.bench.reach.ReachCost;
import dev.sluice.bench.sandboxes.SandboxesCost;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Runs benchmarks by name. Called by bench/run, which builds what is missing and finds the JDKs.
 */
public final class Main {
  private static final int DEFAULT_ROUNDS = 5;
  private static final int DEFAULT_MAXIMUM = 60_000;
  private static final int MAX_SOAK_SECONDS = 86_400;
  private static final int DEFAULT_SOAK_RATE = 50_000;
  private static final int MAX_SOAK_RATE = 999_999;
  private static final int EXIT_FAILED = 1;
  private static final int EXIT_USAGE = 2;

  private static final List<NamedBenchmark> BENCHMARKS =
      List.of(
          new CallCost(),
          new StartupCost(),
          new FloorBenchmark(),
          new PublishCost(),
          new BulkCost(),
          new ApiCost(),
          new AgentCost(),
          new PeersCost(),
          new EventsCost(),
          new SandboxesCost(),
          new ReachCost(),
          new ProxyCost(),
          new ClientsCost(),
          new FastPathCost());

  private Main() {}

  public static void main(String[] arguments) throws InterruptedException {
    try {
      run(List.of(arguments));
    } catch (IllegalArgumentException e) {
      System.err.println("bench/run: " + e.getMessage());
      System.exit(EXIT_USAGE);
    } catch (IOException e) {
      System.err.println("bench/run: " + e.getMessage());
      System.exit(EXIT_FAILED);
    }
  }

  private static void run(List<String> arguments) throws IOException, InterruptedException {
    int rounds = DEFAULT_ROUNDS;
    int maximum = DEFAULT_MAXIMUM;
    int soakSeconds = 0;
    int soakRate = DEFAULT_SOAK_RATE;
    boolean drawing = false;
    List<NamedBenchmark> chosen = new ArrayList<>();
    for (int i = 0; i < arguments.size(); i++) {
      String argument = arguments.get(i);
      switch (argument) {
        case "--rounds" -> rounds = number(argument, next(arguments, ++i), 999);
        case "--max" -> maximum = number(argument, next(arguments, ++i), DEFAULT_MAXIMUM);
        case "--soak" -> soakSeconds = number(argument, next(arguments, ++i), MAX_SOAK_SECONDS);
        case "--rate" -> soakRate = number(argument, next(arguments, ++i), MAX_SOAK_RATE);
        case "all" -> chosen.addAll(BENCHMARKS);
        case "plots" -> drawing = true;
        default -> chosen.add(named(argument));
      }
    }
    if (soakSeconds > 0) {
      EventsSoak soak = new EventsSoak(soakSeconds, soakRate);
      chosen.replaceAll(benchmark -> benchmark instanceof EventsCost ? soak : benchmark);
    }
    if (chosen.isEmpty() && !drawing) {
      throw new IllegalArgumentException(
          "name at least one benchmark: all, "
              + String.join(", ", names())
              + "; or plots, to draw the last results again");
    }

    Workbench workbench =
        new Workbench(
            Path.of(System.getProperty("sluice.bench.home")), runtimes(), rounds, maximum);
    ResultStore results = new ResultStore(workbench.home().resolve("results"));
    if (drawing) {
      results.writeSummary();
    }
    for (NamedBenchmark benchmark : chosen) {
      Environment before = Environment.here(workbench);
      System.out.printf(
          "%s: %d rounds, load average %.1f on %d processors%n",
          benchmark.name(), rounds, before.loadBefore(), before.cpus());
      List<String> tools = benchmark.tools();
      List<Figure> figures = benchmark.run(workbench);
      results.save(
          new Result(
              benchmark.name(),
              benchmark.title(),
              command(workbench, benchmark),
              Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
              before,
              tools,
              figures));
      results.writeSummary();
    }
    System.out.println("written: bench/results/README.md");
  }

  private static NamedBenchmark named(String name) {
    return BENCHMARKS.stream()
        .filter(benchmark -> benchmark.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "no benchmark is called '%s'; there are: all, %s"
                        .formatted(name, String.join(", ", names()))));
  }

  private static List<String> names() {
    return BENCHMARKS.stream().map(NamedBenchmark::name).toList();
  }

  private static String command(Workbench workbench, NamedBenchmark benchmark) {
    if (benchmark instanceof EventsSoak soak) {
      return "bench/run --rounds %d events --soak %d --rate %d"
          .formatted(workbench.rounds(), soak.seconds(), soak.eventsPerSecond());
    }
    String maximum = workbench.maximum() == DEFAULT_MAXIMUM ? "" : " --max " + workbench.maximum();
    return "bench/run --rounds " + workbench.rounds() + maximum + " " + benchmark.name();
  }

  private static String next(List<String> arguments, int index) {
    return index < arguments.size() ? arguments.get(index) : "";
  }

  private static int number(String option, String text, int largest) {
    if (!text.matches("[1-9][0-9]{0,5}") || Integer.parseInt(text) > largest) {
      throw new IllegalArgumentException(
          "%s takes a number from 1 to %d, not '%s'".formatted(option, largest, text));
    }
    return Integer.parseInt(text);
  }

  /** The JDKs bench/run found: system properties {@code sluice.bench.jdk.<feature>}. */
  private static List<JavaRuntime> runtimes() {
    Map<Integer, JavaRuntime> byFeature = new TreeMap<>();
    String prefix = "sluice.bench.jdk.";
    for (String name : System.getProperties().stringPropertyNames()) {
      if (name.startsWith(prefix)) {
        int feature = Integer.parseInt(name.substring(prefix.length()));
        Path java = Path.of(System.getProperty(name)).resolve("bin/java");
        byFeature.put(feature, new JavaRuntime("JDK " + feature, feature, java));
      }
    }
    return List.copyOf(byFeature.values());
  }
}
