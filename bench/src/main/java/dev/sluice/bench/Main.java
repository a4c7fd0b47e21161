package dev.sluice.bench;

import dev.sluice.bench.agent.AgentCost;
import dev.sluice.bench.agent.ApiCost;
import dev.sluice.bench.agent.BulkCost;
import dev.sluice.bench.agent.PublishCost;
import dev.sluice.bench.ffi.CallCost;
import dev.sluice.bench.ffi.StartupCost;
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
          new AgentCost());

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
    List<NamedBenchmark> chosen = new ArrayList<>();
    for (int i = 0; i < arguments.size(); i++) {
      String argument = arguments.get(i);
      switch (argument) {
        case "--rounds" -> rounds = rounds(i + 1 < arguments.size() ? arguments.get(++i) : "");
        case "all" -> chosen.addAll(BENCHMARKS);
        default -> chosen.add(named(argument));
      }
    }
    if (chosen.isEmpty()) {
      throw new IllegalArgumentException(
          "name at least one benchmark: all, " + String.join(", ", names()));
    }

    Workbench workbench =
        new Workbench(Path.of(System.getProperty("sluice.bench.home")), runtimes(), rounds);
    ResultStore results = new ResultStore(workbench.home().resolve("results"));
    for (NamedBenchmark benchmark : chosen) {
      Environment before = Environment.here(workbench);
      System.out.printf(
          "%s: %d rounds, load average %.1f on %d processors%n",
          benchmark.name(), rounds, before.loadBefore(), before.cpus());
      List<Figure> figures = benchmark.run(workbench);
      results.save(
          new Result(
              benchmark.name(),
              benchmark.title(),
              "bench/run --rounds " + rounds + " " + benchmark.name(),
              Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
              before,
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

  private static int rounds(String text) {
    if (!text.matches("[1-9][0-9]{0,2}")) {
      throw new IllegalArgumentException(
          "--rounds takes a number from 1 to 999, not '%s'".formatted(text));
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
