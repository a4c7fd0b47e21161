package dev.sluice.bench;

import java.io.IOException;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** bench/native/floor.c: netlink from C with nothing in between. */
public final class FloorBenchmark implements NamedBenchmark {
  private static final double NANOS_PER_MICRO = 1e3;
  private static final double NANOS_PER_MILLI = 1e6;

  @Override
  public String name() {
    return "floor";
  }

  @Override
  public String title() {
    return "The raw netlink floor: one persistent socket, from C. Single-element transactions are"
        + " the median and the 99th percentile of 2,000 per run; batches the median of five per"
        + " run. Dressed elements carry a counter and 60 bytes of userdata, as the agent's do;"
        + " template elements carry the same, the counter given by the map's declaration.";
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException, InterruptedException {
    Figures figures = new Figures();
    for (int round = 0; round < workbench.rounds(); round++) {
      sample(workbench, figures);
    }
    return figures.toList();
  }

  /**
   * One run of the floor program, so that others can put the floor of the same run beside theirs.
   */
  public static void sample(Workbench workbench, Figures figures)
      throws IOException, InterruptedException {
    JsonMapper json = new JsonMapper();
    String program = workbench.nativeDirectory().resolve("floor").toString();
    for (String line : Workbench.output(List.of(program)).lines().toList()) {
      add(figures, json.readTree(line));
    }
  }

  /**
   * The floor of one cell, for a benchmark that is judged against it step by step.
   *
   * @param medianNanos per transaction
   * @param p99Nanos per transaction; of few samples, their largest
   */
  public record Cell(double medianNanos, double p99Nanos) {}

  /** Adds one dressed element beside {@code present} others, {@code samples} times. */
  public static Cell single(Workbench workbench, int present, int samples)
      throws IOException, InterruptedException {
    return cell(workbench, "-s", samples, "-p", present);
  }

  /** Adds {@code elements} dressed elements in one transaction, {@code samples} times. */
  public static Cell batch(Workbench workbench, int elements, int samples)
      throws IOException, InterruptedException {
    return cell(workbench, "-b", samples, "-e", elements);
  }

  private static Cell cell(
      Workbench workbench, String samplesOption, int samples, String sizeOption, int size)
      throws IOException, InterruptedException {
    String program = workbench.nativeDirectory().resolve("floor").toString();
    String printed =
        Workbench.output(
            List.of(program, "-w", "dressed", samplesOption, "" + samples, sizeOption, "" + size));
    // The first line is what was added; a single element's deletion follows.
    JsonNode line = new JsonMapper().readTree(printed.lines().findFirst().orElseThrow());
    return new Cell(line.get("median_ns").asDouble(), line.get("p99_ns").asDouble());
  }

  private static void add(Figures figures, JsonNode line) {
    String operation = line.get("operation").asString();
    String shape = line.get("shape").asString();
    double median = line.get("median_ns").asDouble();
    double p99 = line.get("p99_ns").asDouble();
    switch (operation) {
      case "getgen" -> {
        figures.add("GETGEN round trip", "median", "C", "µs", median / NANOS_PER_MICRO);
        figures.add("GETGEN round trip", "p99", "C", "µs", p99 / NANOS_PER_MICRO);
      }
      case "batch" ->
          figures.add(
              "add %,d in one transaction".formatted(line.get("elements").asInt()),
              shape,
              "C",
              "ms",
              median / NANOS_PER_MILLI);
      default -> {
        String subject = "%s 1, %,d present".formatted(operation, line.get("present").asInt());
        figures.add(subject, shape + ", median", "C", "µs", median / NANOS_PER_MICRO);
        figures.add(subject, shape + ", p99", "C", "µs", p99 / NANOS_PER_MICRO);
      }
    }
  }
}
