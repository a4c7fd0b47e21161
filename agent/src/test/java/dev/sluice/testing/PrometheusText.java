package dev.sluice.testing;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A page in Prometheus' text format, version 0.0.4, read without mercy: every line must be what the
 * format allows at its place.
 *
 * @param families by name, in the order of the page
 * @param samples values by name and labels: {@code sluice_mappings} or {@code
 *     sluice_x_total{a="1",b="2"}}, labels in alphabetical order
 */
public record PrometheusText(Map<String, Family> families, Map<String, Double> samples) {
  /** What the lines {@code # HELP} and {@code # TYPE} say. */
  public record Family(String type, String help) {}

  private static final String NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
  private static final Pattern HELP = Pattern.compile("# HELP (" + NAME + ") (\\S.*)");
  private static final Pattern TYPE =
      Pattern.compile("# TYPE (" + NAME + ") (counter|gauge|histogram|summary|untyped)");
  private static final Pattern SAMPLE =
      Pattern.compile("(" + NAME + ")(?:\\{(.*)\\})? (-?[0-9.]+(?:E-?[0-9]+)?|[+-]Inf|NaN)");
  private static final Pattern LABEL =
      Pattern.compile("([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\\]|\\\\[\\\\\"n])*)\"(,|$)");

  /**
   * Reads a page.
   *
   * @throws AssertionError with the line that is wrong
   */
  public static PrometheusText parse(String page) {
    Map<String, Family> families = new LinkedHashMap<>();
    Map<String, Double> samples = new LinkedHashMap<>();
    if (!page.endsWith("\n")) {
      throw new AssertionError("the last line does not end");
    }
    String help = "";
    String helped = "";
    String current = "";
    List<String> lines = new ArrayList<>(page.lines().toList());
    for (String line : lines) {
      Matcher matcher = HELP.matcher(line);
      if (matcher.matches()) {
        helped = matcher.group(1);
        help = matcher.group(2);
        continue;
      }
      matcher = TYPE.matcher(line);
      if (matcher.matches()) {
        current = matcher.group(1);
        boolean counter = matcher.group(2).equals("counter");
        check(current.equals(helped), "no HELP before", line);
        check(counter == current.endsWith("_total"), "only counters end in _total", line);
        check(families.put(current, new Family(matcher.group(2), help)) == null, "a second", line);
        continue;
      }
      matcher = SAMPLE.matcher(line);
      check(matcher.matches(), "not a line of the format", line);
      String name = matcher.group(1);
      boolean part =
          families.containsKey(current)
              && families.get(current).type().equals("histogram")
              && name.matches(current + "_(bucket|sum|count)");
      check(part || name.equals(current), "not below its TYPE", line);
      double value = Double.parseDouble(matcher.group(3).replace("Inf", "Infinity"));
      check(value >= 0 || !current.endsWith("_total"), "a counter below zero", line);
      String key = name + labels(matcher.group(2), line);
      check(samples.put(key, value) == null, "the same labels twice", line);
    }
    return new PrometheusText(families, samples);
  }

  private static String labels(@Nullable String text, String line) {
    if (text == null) {
      return "";
    }
    Map<String, String> labels = new TreeMap<>();
    Matcher label = LABEL.matcher(text);
    int end = 0;
    while (end < text.length()) {
      check(label.find(end) && label.start() == end, "not a label at " + end, line);
      check(labels.put(label.group(1), label.group(2)) == null, "a label twice", line);
      end = label.end();
    }
    check(!labels.isEmpty() && !text.endsWith(","), "no label", line);
    List<String> written = new ArrayList<>();
    labels.forEach((name, value) -> written.add(name + "=\"" + value + "\""));
    return "{" + String.join(",", written) + "}";
  }

  private static void check(boolean holds, String what, String line) {
    if (!holds) {
      throw new AssertionError(what + ": " + line);
    }
  }
}
