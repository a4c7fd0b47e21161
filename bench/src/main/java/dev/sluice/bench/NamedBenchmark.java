package dev.sluice.bench;

import java.io.IOException;
import java.util.List;

/** A benchmark that bench/run knows by name. */
public interface NamedBenchmark {
  /** The word given to bench/run, and the name of the result file. */
  String name();

  /** One sentence over the table: what is measured and what a sample is. */
  String title();

  /** Runs it: several rounds, the variants alternating within each. */
  List<Figure> run(Workbench workbench) throws IOException, InterruptedException;
}
