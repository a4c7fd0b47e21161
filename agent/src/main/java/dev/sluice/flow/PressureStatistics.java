package dev.sluice.flow;

import dev.sluice.model.Alarm;
import java.util.Map;
import java.util.Optional;

/**
 * How full the table of connections is, and what that has cost. The counters begin with the network
 * namespace, which for the host's own is its boot.
 *
 * @param entries connections in the table
 * @param limit how many it can hold; 0 if there is no limit
 * @param dropped packets of new connections dropped, nearly always since the table was full
 * @param earlyDropped connections given up before their time, to make room in a full table
 * @param insertFailed connections that could not be entered, since another had the same addresses
 *     and ports; mostly harmless
 * @param level the level of the pressure, {@link Alarm.Level#CLEARED} if there is none
 * @param alarms how many alarms of each level were raised since the agent's start
 * @param failure one sentence: why the table cannot be watched; empty if it can
 */
public record PressureStatistics(
    long entries,
    long limit,
    long dropped,
    long earlyDropped,
    long insertFailed,
    Alarm.Level level,
    Map<Alarm.Level, Long> alarms,
    Optional<String> failure) {
  /** Copies the map. */
  public PressureStatistics {
    alarms = Map.copyOf(alarms);
  }

  /** Of a hundred places, how many are taken, rounded down; 0 if there is no limit. */
  public long percent() {
    return limit == 0 ? 0 : entries * 100 / limit;
  }
}
