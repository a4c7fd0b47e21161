package dev.sluice.bench.plot;

import dev.sluice.bench.Environment;
import dev.sluice.bench.Figure;
import dev.sluice.bench.Result;
import dev.sluice.bench.clients.ClientsCost;
import dev.sluice.bench.fastpath.FastPathCost;
import dev.sluice.bench.reach.ProxyCost;
import dev.sluice.bench.reach.ReachCost;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.knowm.xchart.internal.chartpart.Chart;

/** The pictures of all results that have one. */
public final class Plots {
  private static final double MICROS_PER_MILLI = 1e3;
  private static final int MEMORY_MAPPINGS = 10_000;
  private static final int CAPTION_CHARACTERS = 150;

  /**
   * One picture, twice.
   *
   * @param result the result it is drawn from
   * @param name of its files, without what follows the dot
   * @param title what it shows, in a few words
   * @param chart draws it; empty if the result does not hold what it shows
   */
  private record Plot(
      String result, String name, String title, Function<Result, Optional<Chart<?, ?>>> chart) {}

  private static final List<Plot> PLOTS =
      List.of(
          new Plot(
              "reach", "reach", "Connections through the last of N published ports", Plots::reach),
          new Plot("proxy", "proxy-rate", "Userland proxies: rate, docker-proxy = 1", Plots::rate),
          new Plot(
              "proxy",
              "proxy-time",
              "Userland proxies: processor time, docker-proxy = 1",
              Plots::processorTime),
          new Plot(
              "proxy",
              "proxy-memory",
              "Userland proxies: memory for published ports",
              Plots::proxyMemory),
          new Plot("peers", "peers-add", "Publishing one port more", Plots::add),
          new Plot(
              "peers",
              "peers-memory",
              "Memory per published port, of %,d".formatted(MEMORY_MAPPINGS),
              Plots::memory),
          new Plot("clients", "clients-docker", "docker run: what ten ports cost", Plots::tenPorts),
          new Plot("clients", "clients-cni", "One port more, by what publishes it", Plots::onePort),
          new Plot(
              "fastpath", "fastpath", "Packets of a published port, nft map = 1", Plots::fastPath));

  private Plots() {}

  /**
   * Draws what there is of a result.
   *
   * @param directory where the files go, NAME.svg and NAME.png; they replace older ones
   * @return what it wrote: the names of files without their endings, and what each shows
   */
  public static Map<String, String> draw(Result result, Path directory) throws IOException {
    Map<String, String> drawn = new LinkedHashMap<>();
    for (Plot plot : PLOTS) {
      if (!plot.result().equals(result.name())) {
        continue;
      }
      Optional<Chart<?, ?>> chart = plot.chart().apply(result);
      if (chart.isPresent()) {
        chart.get().setTitle(plot.title());
        Sheet sheet = new Sheet(chart.get(), caption(result));
        sheet.writeSvg(directory.resolve(plot.name() + ".svg"));
        sheet.writePng(directory.resolve(plot.name() + ".png"));
        drawn.put(plot.name(), plot.title());
      }
    }
    return drawn;
  }

  private static List<String> caption(Result result) {
    Environment where = result.environment();
    List<String> words = new ArrayList<>();
    words.add(result.command() + ", " + result.takenAt() + ".");
    words.add("%s, %d × %s;".formatted(where.kernel(), where.cpus(), where.cpu()));
    words.add(where.jdks().isEmpty() ? "" : where.jdks().get(0) + ";");
    words.add(where.nft() + ";");
    result.tools().forEach(tool -> words.add(tool + ";"));
    words.add("median of the rounds.");
    List<String> lines = new ArrayList<>();
    StringBuilder line = new StringBuilder();
    for (String word : words) {
      if (line.length() + word.length() > CAPTION_CHARACTERS) {
        lines.add(line.toString().strip());
        line.setLength(0);
      }
      line.append(word).append(' ');
    }
    lines.add(line.toString().strip());
    return lines;
  }

  private static Optional<Chart<?, ?>> reach(Result result) {
    Map<String, NavigableMap<Integer, Double>> lines =
        lines(result, "the last of ([0-9,]+)", ReachCost.RATE, 1);
    // A single point, which is told in the table.
    lines.values().removeIf(line -> line.size() < 2);
    if (lines.isEmpty()) {
      return Optional.empty();
    }
    NavigableMap<Integer, Double> widest = lines.values().iterator().next();
    value(result, ReachCost.subject(0), ReachCost.RATE, ReachCost.PLAIN)
        .ifPresent(
            rate -> {
              NavigableMap<Integer, Double> level = new TreeMap<>();
              widest.keySet().forEach(mappings -> level.put(mappings, rate));
              lines.put(ReachCost.PLAIN, level);
            });
    return Optional.of(
        Charts.lines("published ports", "connections per second of processor time", true, lines));
  }

  private static Optional<Chart<?, ?>> add(Result result) {
    Map<String, NavigableMap<Integer, Double>> lines =
        lines(result, "add 1, ([0-9,]+) present", "median", MICROS_PER_MILLI);
    return lines.isEmpty()
        ? Optional.empty()
        : Optional.of(Charts.lines("ports published before", "milliseconds, median", false, lines));
  }

  private static Optional<Chart<?, ?>> tenPorts(Result result) {
    Map<String, NavigableMap<Integer, Double>> lines =
        lines(result, "([0-9,]+) present", ClientsCost.TEN_PORTS, 1);
    // A difference of two, which may come out as nothing.
    lines.values().forEach(line -> line.replaceAll((present, millis) -> Math.max(millis, 1)));
    lines(result, "([0-9,]+) present", ClientsCost.SHARE, 1)
        .forEach((label, line) -> lines.put(label + ": the agent's share", line));
    return lines.isEmpty()
        ? Optional.empty()
        : Optional.of(
            Charts.lines("ports published before", "milliseconds beyond none", false, lines));
  }

  private static Optional<Chart<?, ?>> onePort(Result result) {
    Map<String, NavigableMap<Integer, Double>> lines =
        lines(result, "([0-9,]+) present", ClientsCost.ONE_PORT, 1);
    return lines.isEmpty()
        ? Optional.empty()
        : Optional.of(Charts.lines("ports published before", "milliseconds, median", false, lines));
  }

  private static Optional<Chart<?, ?>> memory(Result result) {
    String subject = "memory, %,d mappings".formatted(MEMORY_MAPPINGS);
    Map<String, String> kinds = new LinkedHashMap<>();
    kinds.put("kernel, rules or elements, per mapping", "kernel: rules or elements");
    kinds.put("kernel, held sockets, per mapping", "kernel: sockets that reserve the port");
    kinds.put("agent restarted, VmRSS per mapping", "the agent's own");
    List<String> contenders =
        result.figures().stream()
            .filter(figure -> figure.subject().equals(subject))
            .filter(figure -> kinds.containsKey(figure.variant()))
            .map(Figure::runtime)
            .distinct()
            // In the order of who measured first in the first round, but this one in front.
            .sorted(Comparator.comparing(contender -> !contender.equals(ReachCost.SLUICE)))
            .toList();
    Map<String, List<Double>> bars = new LinkedHashMap<>();
    kinds.forEach(
        (variant, label) ->
            bars.put(
                label,
                contenders.stream()
                    .map(contender -> value(result, subject, variant, contender).orElse(0.0))
                    .toList()));
    return contenders.isEmpty()
        ? Optional.empty()
        : Optional.of(Charts.stackedBars("bytes per port", contenders, bars));
  }

  private static Optional<Chart<?, ?>> rate(Result result) {
    String ratio = ProxyCost.RATE + " ÷ docker-proxy's";
    List<String> subjects = subjects(result, ratio);
    Map<String, List<Double>> bars = new LinkedHashMap<>();
    for (String contender : ProxyCost.COLUMNS) {
      bars.put(
          contender,
          subjects.stream()
              .map(subject -> value(result, subject, ratio, contender).orElse(1.0))
              .toList());
    }
    return subjects.isEmpty()
        ? Optional.empty()
        : Optional.of(Charts.bars("times docker-proxy's rate", subjects, bars, true));
  }

  /** What there are figures of that variant of, in their order. */
  private static List<String> subjects(Result result, String variant) {
    return result.figures().stream()
        .filter(figure -> figure.variant().equals(variant))
        .map(Figure::subject)
        .distinct()
        .toList();
  }

  private static Optional<Chart<?, ?>> fastPath(Result result) {
    List<String> subjects =
        subjects(result, FastPathCost.RATIO).stream()
            .filter(subject -> !subject.endsWith(FastPathCost.TWO_PROCESSORS))
            .toList();
    Map<String, List<Double>> bars = new LinkedHashMap<>();
    for (String contender : FastPathCost.COLUMNS) {
      bars.put(
          contender,
          subjects.stream()
              .map(subject -> value(result, subject, FastPathCost.RATIO, contender).orElse(1.0))
              .toList());
    }
    return subjects.isEmpty()
        ? Optional.empty()
        : Optional.of(Charts.bars("times the nft map's rate", subjects, bars, false));
  }

  private static Optional<Chart<?, ?>> processorTime(Result result) {
    List<String> subjects = subjects(result, ProxyCost.PROCESSOR_TIME);
    Map<String, List<Double>> bars = new LinkedHashMap<>();
    for (String contender : List.of(ProxyCost.SLUICE, ProxyCost.DOCKER)) {
      bars.put(
          contender,
          subjects.stream()
              .map(
                  subject ->
                      value(result, subject, ProxyCost.PROCESSOR_TIME, contender).orElse(0.0)
                          / value(result, subject, ProxyCost.PROCESSOR_TIME, ProxyCost.DOCKER)
                              .orElseThrow())
              .toList());
    }
    return subjects.isEmpty()
        ? Optional.empty()
        : Optional.of(Charts.bars("times docker-proxy's time for as much", subjects, bars, true));
  }

  private static Optional<Chart<?, ?>> proxyMemory(Result result) {
    List<String> subjects = subjects(result, ProxyCost.MEMORY);
    Map<String, List<Double>> bars = new LinkedHashMap<>();
    for (String contender : List.of(ProxyCost.SLUICE, ProxyCost.DOCKER)) {
      bars.put(
          contender,
          subjects.stream()
              .map(subject -> value(result, subject, ProxyCost.MEMORY, contender).orElse(0.0))
              .toList());
    }
    return subjects.isEmpty()
        ? Optional.empty()
        : Optional.of(
            Charts.bars(
                "MB (PSS; of the agent what it has grown by)",
                IntStream.range(0, subjects.size())
                    .mapToObj(
                        i ->
                            subjects.get(i).replace("memory, ", "")
                                + ": "
                                + values(bars, i)
                                + " MB")
                    .toList(),
                bars,
                false));
  }

  /** Of which some are too small to be seen. */
  private static String values(Map<String, List<Double>> bars, int category) {
    return bars.values().stream()
        .map(values -> String.format(Locale.ROOT, "%,.1f", values.get(category)))
        .collect(Collectors.joining(" and "));
  }

  /** For each column a line: the number in the subject, and the median. */
  private static Map<String, NavigableMap<Integer, Double>> lines(
      Result result, String subject, String variant, double divisor) {
    Pattern pattern = Pattern.compile(subject);
    Map<String, NavigableMap<Integer, Double>> lines = new LinkedHashMap<>();
    for (Figure figure : result.figures()) {
      Matcher matcher = pattern.matcher(figure.subject());
      if (figure.variant().equals(variant) && matcher.matches()) {
        lines
            .computeIfAbsent(figure.runtime(), label -> new TreeMap<>())
            .put(Integer.valueOf(matcher.group(1).replace(",", "")), figure.median() / divisor);
      }
    }
    return lines;
  }

  private static Optional<Double> value(
      Result result, String subject, String variant, String runtime) {
    return result.figures().stream()
        .filter(figure -> figure.subject().equals(subject))
        .filter(figure -> figure.variant().equals(variant))
        .filter(figure -> figure.runtime().equals(runtime))
        .map(Figure::median)
        .findFirst();
  }
}
