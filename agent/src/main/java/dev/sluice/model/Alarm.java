package dev.sluice.model;

import java.time.Instant;
import java.util.Locale;

/**
 * Something of which the kernel has only so much runs out, or is there again: then new connections
 * are dropped, and the kernel tells nobody.
 *
 * @param time when that was seen
 * @param subject what it is
 * @param level how bad it is
 * @param entries connections in the table; for ports, how many are in use
 * @param limit how many it can hold, how many there are; 0 if that is not known
 * @param drops packets of new connections dropped, and connections given up early to make room,
 *     since it began
 * @param text one sentence: what is the case, and what to do
 */
public record Alarm(
    Instant time, Subject subject, Level level, long entries, long limit, long drops, String text) {

  /** What runs out. */
  public enum Subject {
    /** Room in the table of connections. */
    CONNECTION_TABLE("connection-table"),
    /** Ports for connections that leave with an address of the host's, to one and the same end. */
    SOURCE_PORTS("source-ports");

    private final String text;

    Subject(String text) {
      this.text = text;
    }

    /** As in events. */
    @Override
    public String toString() {
      return text;
    }
  }

  /** How bad it is, the worst last but one. */
  public enum Level {
    /** Four fifths are in use; of ports, some may have been missed. */
    WARNING,
    /** 95 of 100 are in use. */
    CRITICAL,
    /** There is none left: new connections are dropped, or others given up for them. */
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
