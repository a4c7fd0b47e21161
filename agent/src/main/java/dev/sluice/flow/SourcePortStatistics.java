package dev.sluice.flow;

import dev.sluice.model.Alarm;
import java.util.Map;

/**
 * Whether connections that are given another source find a port for it.
 *
 * @param level {@link Alarm.Level#FULL} while some do not, {@link Alarm.Level#WARNING} while that
 *     may be so, else {@link Alarm.Level#CLEARED}
 * @param dropped packets of new connections dropped for want of a port, since the agent's start
 * @param alarms how many alarms of each level were raised since then
 * @param text the sentence of the last alarm; empty if there was none
 */
public record SourcePortStatistics(
    Alarm.Level level, long dropped, Map<Alarm.Level, Long> alarms, String text) {
  /** What a person can do, the beginning of a sentence in the imperative. */
  public static final String REMEDY =
      "let some networks leave with another address of the host (sluice network create --egress"
          + " source=ADDRESS), or keep fewer connections to that end open";

  /** Nothing has happened. */
  public static final SourcePortStatistics NONE =
      new SourcePortStatistics(Alarm.Level.CLEARED, 0, Map.of(), "");

  /** Copies the map. */
  public SourcePortStatistics {
    alarms = Map.copyOf(alarms);
  }
}
