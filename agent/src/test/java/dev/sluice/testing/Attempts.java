package dev.sluice.testing;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Attempts that mostly wait, for an answer or to be sure that there is none: many at the same time
 * take as long as one.
 */
public final class Attempts {
  private static final ExecutorService THREADS =
      Executors.newCachedThreadPool(
          attempt -> {
            Thread thread = new Thread(attempt, "attempt");
            thread.setDaemon(true);
            return thread;
          });

  private Attempts() {}

  /** Begins one. */
  public static <V> CompletableFuture<V> begin(Supplier<V> attempt) {
    return CompletableFuture.supplyAsync(attempt, THREADS);
  }

  /** What becomes of each, in the order of {@code ways}; all are made at once. */
  public static <W, V> Map<W, V> atOnce(Collection<W> ways, Function<W, V> attempt) {
    Map<W, CompletableFuture<V>> begun = new LinkedHashMap<>();
    ways.forEach(way -> begun.put(way, begin(() -> attempt.apply(way))));
    Map<W, V> ended = new LinkedHashMap<>();
    begun.forEach((way, future) -> ended.put(way, future.join()));
    return ended;
  }
}
