package dev.sluice.cli.demo;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CancellationException;

/**
 * Everything the demo has made, to be taken away in the opposite order: at its end, when a step
 * fails, or by the shutdown hook while the demo is still making more.
 */
final class Cleanup {
  private final Deque<AutoCloseable> made = new ArrayDeque<>();
  private boolean over;

  /**
   * Notes something to take away.
   *
   * @throws CancellationException if all was taken away already; so is this then
   */
  synchronized <T extends AutoCloseable> T keep(T resource) {
    if (over) {
      close(resource, new ArrayList<>());
      throw new CancellationException("the demo was stopped");
    }
    made.push(resource);
    return resource;
  }

  /** Whether everything was taken away; what fails from then on fails for that reason. */
  synchronized boolean isOver() {
    return over;
  }

  /**
   * Takes everything away, each thing even if another does not go; does nothing the second time.
   *
   * @return what did not go, and why
   */
  synchronized List<String> run() {
    over = true;
    List<String> failures = new ArrayList<>();
    while (!made.isEmpty()) {
      close(made.pop(), failures);
    }
    return failures;
  }

  private static void close(AutoCloseable resource, List<String> failures) {
    try {
      resource.close();
    } catch (Exception e) {
      failures.add(resource + ": " + e.getMessage());
    }
  }
}
