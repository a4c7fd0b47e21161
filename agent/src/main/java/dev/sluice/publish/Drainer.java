package dev.sluice.publish;

import dev.sluice.model.Draining;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Waits until the time to drain is over. Its thread begins with the first that drains. */
final class Drainer implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Drainer.class);

  /** When to try again what the kernel refused. */
  private static final long RETRY_SECONDS = 10;

  private final Clock clock;
  private final Consumer<List<Draining>> end;
  private final ScheduledExecutorService waiting;

  Drainer(Clock clock, Consumer<List<Draining>> end) {
    this.clock = clock;
    this.end = end;
    this.waiting =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread thread = new Thread(task, "sluice-drain");
              thread.setDaemon(true);
              return thread;
            });
  }

  /** Ends its connections when its time is over, which may be now. */
  void schedule(Draining draining) {
    Duration left = Duration.between(clock.instant(), draining.until());
    // The clock may have been set back since then.
    Duration whole = Duration.between(draining.since(), draining.until());
    if (left.compareTo(whole) > 0) {
      left = whole;
    }
    var unused =
        waiting.schedule(() -> end(draining), Math.max(0, left.toMillis()), TimeUnit.MILLISECONDS);
  }

  private void end(Draining draining) {
    try {
      end.accept(List.of(draining));
    } catch (RuntimeException e) {
      LOG.warn(
          "the connections of {} could not be ended, trying again in {} s: {}",
          draining.mapping().label(),
          RETRY_SECONDS,
          e.getMessage());
      var unused = waiting.schedule(() -> end(draining), RETRY_SECONDS, TimeUnit.SECONDS);
    }
  }

  @Override
  public void close() {
    waiting.shutdownNow();
  }
}
