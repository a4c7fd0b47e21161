package dev.sluice.model;

import java.time.Instant;
import java.util.Locale;

/**
 * The table of connections fills up, or has room again.
 *
 * @param time when that was seen
 * @param level how bad it is
 * @param entries connections in the table
 * @param limit how many it can hold
 * @param drops packets of new connections dropped, and connections given up early to make room,
 *     since the pressure began
 * @param text one sentence: what is the case, and what to do
 */
public record Alarm(Instant time, Level level, long entries, long limit, long drops, String text) {

  /** How bad it is, the worst last but one. */
  public enum Level {
    /** Four fifths are in use. */
    WARNING,
    /** 95 of 100 are in use. */
    CRITICAL,
    /** There is no room: new connections are dropped, or others given up for them. */
    FULL,
    /** It is over. */
    CLEARED;

    /** Lower case, as in events and metrics. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }
}
