package dev.sluice.network;

import java.util.ArrayDeque;
import java.util.Deque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What takes several requests back, the last first. Not thread-safe. */
public final class Rollback {
  private static final Logger LOG = LoggerFactory.getLogger(Rollback.class);

  private record Step(String what, Runnable back) {}

  private final Deque<Step> steps = new ArrayDeque<>();

  /**
   * Adds what takes the last request back.
   *
   * @param what the request, as in "the network blue"
   */
  public void push(String what, Runnable back) {
    steps.push(new Step(what, back));
  }

  /** Takes everything back; where one step fails, the others are still taken. */
  public void run() {
    while (!steps.isEmpty()) {
      Step step = steps.pop();
      try {
        step.back().run();
      } catch (RuntimeException e) {
        LOG.warn("{} could not be set back: {}", step.what(), e.getMessage());
      }
    }
  }
}
