package dev.sluice.bench.ffi;

import dev.sluice.bench.Figure;
import dev.sluice.bench.Figures;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.NamedBenchmark;
import dev.sluice.bench.Workbench;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.openjdk.jmh.runner.BenchmarkList;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Nanoseconds per call of every binding. A round runs each variant once on each JDK, in a JVM of
 * its own, starting one further along each time: what drifts on the machine meets every variant.
 */
public final class CallCost implements NamedBenchmark {
  private static final Map<String, String> BINDINGS =
      Map.of(
          "CLoopBenchmark", "C alone",
          "JniCallBenchmark", "JNI",
          "JnrCallBenchmark", "jnr-ffi",
          "PanamaCallBenchmark", "Panama");

  private record Variant(String benchmark, JavaRuntime runtime) {
    boolean panama() {
      return benchmark.contains(".panama.");
    }
  }

  @Override
  public String name() {
    return "ffi";
  }

  @Override
  public String title() {
    return "Nanoseconds per call from Java into C. A sample is JMH's mean over 0.6 s in a"
        + " fresh, warmed JVM. refuse has recv's signature and outcome without entering the kernel;"
        + " recv and close enter it and fail. C alone is the same call made in a loop in C,"
        + " without leaving it.";
  }

  @Override
  public List<Figure> run(Workbench workbench) throws IOException {
    List<Variant> variants = variants(workbench);
    Figures figures = new Figures();
    int runs = 0;
    for (int round = 0; round < workbench.rounds(); round++) {
      Collections.rotate(variants, -(variants.size() / workbench.rounds()));
      for (Variant variant : variants) {
        double nanos = measure(workbench, variant);
        add(figures, variant, nanos);
        System.out.printf(
            Locale.ROOT,
            "%d/%d %s %s: %.1f ns%n",
            ++runs,
            variants.size() * workbench.rounds(),
            variant.runtime().label(),
            variant.benchmark().replaceFirst(".*\\.(?=\\w+\\.\\w+$)", ""),
            nanos);
      }
    }
    // Rotation starts in the middle of the list; tables read better by call and binding.
    return figures.toList().stream()
        .sorted(
            Comparator.comparing(Figure::subject)
                .thenComparing(Figure::variant)
                .thenComparing(Figure::runtime))
        .toList();
  }

  private static List<Variant> variants(Workbench workbench) {
    List<Variant> variants = new ArrayList<>();
    BenchmarkList.defaultList()
        .getAll(OutputFormatFactory.createFormatInstance(System.out, VerboseMode.SILENT), List.of())
        .forEach(
            entry -> {
              for (JavaRuntime runtime : workbench.runtimes()) {
                Variant variant = new Variant(entry.getUsername(), runtime);
                if (!variant.panama() || runtime.feature() >= JavaRuntime.FIRST_WITH_PANAMA) {
                  variants.add(variant);
                }
              }
            });
    return variants;
  }

  private static double measure(Workbench workbench, Variant variant) throws IOException {
    var options =
        new OptionsBuilder()
            .include("^" + Pattern.quote(variant.benchmark()) + "$")
            .jvm(variant.runtime().java().toString())
            .jvmArgs(variant.runtime().flags(workbench).toArray(String[]::new))
            .forks(1)
            .shouldFailOnError(true)
            .verbosity(VerboseMode.SILENT)
            .build();
    try {
      return new Runner(options).runSingle().getPrimaryResult().getScore();
    } catch (RunnerException e) {
      throw new IOException(variant.benchmark() + " failed on " + variant.runtime().label(), e);
    }
  }

  private static void add(Figures figures, Variant variant, double nanos) {
    String[] path = variant.benchmark().split("\\.", -1);
    String binding = BINDINGS.get(path[path.length - 2]);
    if (binding == null) {
      throw new IllegalStateException("no binding is named for " + variant.benchmark());
    }
    String[] words = path[path.length - 1].split("_", 2);
    String how = words.length == 1 ? "" : ": " + sentence(words[1]);
    figures.add(words[0], binding + how, variant.runtime().label(), "ns", nanos);
  }

  /** {@code address_errnoSavedAndRead} reads {@code address, errno saved and read}. */
  private static String sentence(String name) {
    return name.replace("_", ", ").replaceAll("(?<=[a-z])(?=[A-Z])", " ").toLowerCase(Locale.ROOT);
  }
}
