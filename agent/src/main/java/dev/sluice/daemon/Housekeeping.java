package dev.sluice.daemon;

import dev.sluice.api.cni.CniPlugins;
import dev.sluice.flow.MappingIndex;
import dev.sluice.model.MappingId;
import dev.sluice.model.Traffic;
import dev.sluice.publish.TablePublisher;
import dev.sluice.ruleset.SluiceTable;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What is done every few seconds: ports that another process had are held once they are free again,
 * deletions are carried out that CNI clients left while the agent was too busy for them, and what
 * mappings have carried is written into the table, where the next agent finds it. What was counted
 * in the last seconds before an agent is killed is all that is lost.
 */
final class Housekeeping implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Housekeeping.class);

  /** What is tried again waits for so long. */
  static final Duration INTERVAL = Duration.ofSeconds(10);

  private final MappingIndex index;
  private final SluiceTable table;
  private final TablePublisher publisher;
  private final CniPlugins cni;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "sluice-housekeeping");
            thread.setDaemon(true);
            return thread;
          });
  private Map<MappingId, Traffic> saved;

  private Housekeeping(
      MappingIndex index, SluiceTable table, TablePublisher publisher, CniPlugins cni) {
    this.index = index;
    this.table = table;
    this.publisher = publisher;
    this.cni = cni;
    this.saved = table.traffic();
  }

  /**
   * Goes on from what the table holds.
   *
   * @param index knows the published mappings already
   */
  static Housekeeping start(
      MappingIndex index,
      SluiceTable table,
      TablePublisher publisher,
      CniPlugins cni,
      Duration interval) {
    Housekeeping housekeeping = new Housekeeping(index, table, publisher, cni);
    index.continueFrom(housekeeping.saved);
    var unused =
        housekeeping.timer.scheduleWithFixedDelay(
            housekeeping::once, interval.toMillis(), interval.toMillis(), TimeUnit.MILLISECONDS);
    return housekeeping;
  }

  private void once() {
    attempt("hold ports that another process had", publisher::mend);
    attempt("note what mappings carried", this::saveTraffic);
    attempt("work off CNI requests that wait", cni::resume);
  }

  private static void attempt(String what, Runnable task) {
    try {
      task.run();
    } catch (RuntimeException e) {
      // Nothing is lost by it: the next time it is tried again.
      LOG.warn("cannot {}: {}", what, e.getMessage());
    }
  }

  private synchronized void saveTraffic() {
    Map<MappingId, Traffic> now = index.kept();
    Map<MappingId, Traffic> changed = new HashMap<>();
    // Of mappings that were taken back, at worst while their traffic was being noted.
    saved.keySet().forEach(id -> changed.put(id, Traffic.NONE));
    changed.putAll(now);
    changed.entrySet().removeIf(one -> one.getValue().equals(saved.get(one.getKey())));
    if (!changed.isEmpty()) {
      table.saveTraffic(changed);
    }
    saved = now;
  }

  @Override
  public void close() {
    timer.shutdownNow();
    attempt("note what mappings carried", this::saveTraffic);
  }
}
