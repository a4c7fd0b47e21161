package dev.sluice.api;

import dev.sluice.model.PathQuestion;
import dev.sluice.model.PathReport;

/** Says what becomes of first packets to a port. Thread-safe. */
@FunctionalInterface
public interface PathExplainer {
  /**
   * Answers a question; nothing is sent and nothing is changed.
   *
   * @throws dev.sluice.net.MalformedValueException if the sender is neither an address nor a
   *     sandbox that there is
   */
  PathReport explain(PathQuestion question);
}
