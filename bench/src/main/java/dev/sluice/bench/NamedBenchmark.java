package dev.sluice.bench;

import java.io.IOException;
import java.util.List;

/** A benchmark that bench/run knows by name. */
public interface NamedBenchmark {
  /** The word given to bench/run, and the name of the result file. */
  String name();

  /** One sentence over the table: what is measured and what a sample is. */
  String title();

  /**
   * Names and versions of other programs that it runs, for the record.
   *
   * @throws IOException if one is missing; the message says how to install it
   */
  default List<String> tools() throws IOException {
    return List.of();
  }

  /** Runs it: several rounds, the variants alternating within each. */
  List<Figure> run(Workbench workbench) throws IOException, InterruptedException;
}
