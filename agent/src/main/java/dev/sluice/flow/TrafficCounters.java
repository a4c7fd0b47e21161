package dev.sluice.flow;

import dev.sluice.model.MappingId;
import dev.sluice.model.Traffic;
import java.util.Map;

/** What has gone through each mapping. Thread-safe. */
public interface TrafficCounters {
  /**
   * The sums up to now, connections that are still open included; without mappings that nothing
   * went through.
   */
  Map<MappingId, Traffic> totals();
}
