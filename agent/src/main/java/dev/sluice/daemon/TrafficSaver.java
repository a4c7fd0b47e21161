package dev.sluice.daemon;

import dev.sluice.flow.MappingIndex;
import dev.sluice.model.MappingId;
import dev.sluice.model.Traffic;
import dev.sluice.ruleset.SluiceTable;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes what mappings have carried into the table every now and then, where the next agent finds
 * it: what an agent counted in its last seconds before it was killed is all that is lost.
 */
final class TrafficSaver implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(TrafficSaver.class);

  private static final long INTERVAL_SECONDS = 10;

  private final MappingIndex index;
  private final SluiceTable table;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "sluice-traffic");
            thread.setDaemon(true);
            return thread;
          });
  private Map<MappingId, Traffic> saved = Map.of();

  private TrafficSaver(MappingIndex index, SluiceTable table) {
    this.index = index;
    this.table = table;
  }

  /** Goes on from what the table holds. */
  static TrafficSaver start(MappingIndex index, SluiceTable table) {
    TrafficSaver saver = new TrafficSaver(index, table);
    saver.saved = table.traffic();
    index.continueFrom(saver.saved);
    var unused =
        saver.timer.scheduleWithFixedDelay(
            saver::saveQuietly, INTERVAL_SECONDS, INTERVAL_SECONDS, TimeUnit.SECONDS);
    return saver;
  }

  private synchronized void save() {
    Map<MappingId, Traffic> now = index.ended();
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

  private void saveQuietly() {
    try {
      save();
    } catch (RuntimeException e) {
      // The sums are still here, and the next attempt writes them.
      LOG.warn("what mappings carried could not be saved: {}", e.getMessage());
    }
  }

  @Override
  public void close() {
    timer.shutdownNow();
    saveQuietly();
  }
}
