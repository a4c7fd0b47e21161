package dev.sluice.publish;

import java.util.ArrayDeque;
import java.util.Deque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What has to be taken back if a later step of a request fails, in the opposite order. */
final class Undo {
  private static final Logger LOG = LoggerFactory.getLogger(Undo.class);

  private final Deque<Runnable> steps = new ArrayDeque<>();

  void push(Runnable step) {
    steps.push(step);
  }

  /** How much there is to take back. */
  int size() {
    return steps.size();
  }

  /** What was done stays done. */
  void forget() {
    steps.clear();
  }

  /** Takes everything back; a step that fails does not keep the others from being tried. */
  void run() {
    runDownTo(0);
  }

  /** As {@link #run}, but leaves the first {@code size} steps. */
  void runDownTo(int size) {
    while (steps.size() > size) {
      try {
        steps.pop().run();
      } catch (RuntimeException e) {
        LOG.warn("a failed request could not be undone completely: {}", e.getMessage());
      }
    }
  }
}
