package dev.sluice.api.docker;

import java.util.Map;
import java.util.TreeMap;

/**
 * What Docker has asked of the network driver.
 *
 * @param calls by their names, as {@code CreateEndpoint}; all there are
 * @param turnedAway connections that were refused before anything was asked
 */
public record DriverStatistics(Map<String, Calls> calls, long turnedAway) {
  public DriverStatistics {
    calls = new TreeMap<>(calls);
  }

  /**
   * Of one name.
   *
   * @param made how many
   * @param refused how many of them were answered with an error
   */
  public record Calls(long made, long refused) {}
}
