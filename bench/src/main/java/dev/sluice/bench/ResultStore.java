package dev.sluice.bench;

import dev.sluice.bench.plot.Plots;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** bench/results: one JSON file per benchmark, and README.md written from all of them. */
final class ResultStore {
  private final Path directory;
  // Median, minimum and maximum are written for readers of the file and recomputed when read back.
  private final JsonMapper json =
      JsonMapper.builder()
          .enable(SerializationFeature.INDENT_OUTPUT)
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .build();

  ResultStore(Path directory) {
    this.directory = directory;
  }

  void save(Result result) throws IOException {
    Files.createDirectories(directory);
    Files.writeString(
        directory.resolve(result.name() + ".json"), json.writeValueAsString(result) + "\n");
  }

  /** Writes README.md, and draws what it shows. */
  void writeSummary() throws IOException {
    StringBuilder page = new StringBuilder();
    page.append("# Last results\n\n");
    page.append("Written by `bench/run` from the JSON files beside it; do not edit. Each cell is");
    page.append(" the median of the\nruns, with the smallest and largest in brackets.\n");
    for (Result result : load()) {
      append(page, result, Plots.draw(result, directory));
    }
    Files.writeString(directory.resolve("README.md"), page.toString());
  }

  private List<Result> load() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .filter(file -> file.getFileName().toString().endsWith(".json"))
          .sorted()
          .map(file -> json.readValue(file.toFile(), Result.class))
          .toList();
    }
  }

  private static void append(StringBuilder page, Result result, Map<String, String> plots) {
    Environment where = result.environment();
    page.append("\n## ").append(result.name()).append("\n\n").append(result.title()).append("\n\n");
    page.append("`").append(result.command()).append("`, ").append(result.takenAt());
    page.append(": ").append(where.kernel()).append(", ").append(where.cpus()).append(" × ");
    page.append(where.cpu()).append(", ").append(where.memoryMegabytes()).append(" MB; ");
    page.append(String.join("; ", where.jdks())).append("; ").append(where.gcc()).append("; ");
    page.append(where.nft()).append("; ");
    result.tools().forEach(tool -> page.append(tool).append("; "));
    page.append("load before: ").append(where.loadBefore()).append(".\n\n");
    plots.forEach((name, title) -> page.append("![%s](%s.svg)\n\n".formatted(title, name)));

    Set<String> runtimes = new LinkedHashSet<>();
    Set<List<String>> rows = new LinkedHashSet<>();
    for (Figure figure : result.figures()) {
      runtimes.add(figure.runtime());
      rows.add(List.of(figure.subject(), figure.variant(), figure.unit()));
    }
    line(page, List.of("what", "how", "unit"), runtimes);
    line(page, List.of("---", "---", "---"), runtimes.stream().map(r -> "---:").toList());
    for (List<String> row : rows) {
      line(page, row, runtimes.stream().map(r -> cell(result.figures(), row, r)).toList());
    }
  }

  private static void line(StringBuilder page, List<String> head, Iterable<String> tail) {
    List<String> cells = new ArrayList<>(head);
    tail.forEach(cells::add);
    page.append("| ").append(String.join(" | ", cells)).append(" |\n");
  }

  private static String cell(List<Figure> figures, List<String> row, String runtime) {
    Optional<Figure> found =
        figures.stream()
            .filter(f -> row.equals(List.of(f.subject(), f.variant(), f.unit())))
            .filter(f -> f.runtime().equals(runtime))
            .findFirst();
    return found
        .map(
            f ->
                "**%s** (%s–%s)"
                    .formatted(
                        number(f.median(), f.unit()),
                        number(f.minimum(), f.unit()),
                        number(f.maximum(), f.unit())))
        .orElse("");
  }

  private static String number(double value, String unit) {
    String format = value >= 100 ? "%,.0f" : isRatio(value, unit) ? "%.2f" : "%.1f";
    return String.format(Locale.ROOT, format, value);
  }

  /** Of which a hundredth matters. */
  private static boolean isRatio(double value, String unit) {
    return unit.equals("×") && value < 10;
  }
}
