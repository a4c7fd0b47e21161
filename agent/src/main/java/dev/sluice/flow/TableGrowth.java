package dev.sluice.flow;

import java.util.Optional;

/** Makes the table of connections larger where that is possible and wanted. */
public interface TableGrowth {
  /**
   * Asked again and again while the table is under pressure.
   *
   * @param limit how many connections the table can hold now
   * @return one sentence: what was done; empty if nothing was
   */
  Optional<String> grow(long limit);

  /** What a person can do to make it larger, the beginning of a sentence in the imperative. */
  String advice();
}
