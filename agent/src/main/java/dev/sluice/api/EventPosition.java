package dev.sluice.api;

import dev.sluice.net.MalformedValueException;
import java.util.regex.Pattern;

/**
 * A place in the stream of events, to be kept and gone on from.
 *
 * @param stream which run of an agent the number belongs to, 16 hexadecimal digits
 * @param next the first event that has not been told, from 1
 */
public record EventPosition(String stream, long next) {
  static final char SEPARATOR = '/';

  private static final Pattern STREAM = Pattern.compile("[0-9a-f]{16}");

  /**
   * Checks both parts.
   *
   * @throws MalformedValueException if the stream is not of 16 hexadecimal digits
   * @throws IllegalArgumentException if the number is less than 1
   */
  public EventPosition {
    if (!STREAM.matcher(stream).matches()) {
      throw new MalformedValueException(
          stream,
          0,
          MalformedValueException.quote(stream) + " is no stream: it has 16 hexadecimal digits");
    }
    if (next < 1) {
      throw new IllegalArgumentException("events are numbered from 1: next=" + next);
    }
  }

  /**
   * Reads what {@link #toString} wrote.
   *
   * @throws MalformedValueException if it is not {@code STREAM/NUMBER}
   */
  public static EventPosition parse(String text) {
    int separator = text.indexOf(SEPARATOR);
    String number = text.substring(separator + 1);
    if (separator < 0 || !number.matches("[1-9][0-9]{0,17}")) {
      throw new MalformedValueException(
          text,
          separator + 1,
          MalformedValueException.quote(text) + " is no position: it is STREAM/NUMBER");
    }
    return new EventPosition(text.substring(0, separator), Long.parseLong(number));
  }

  /** As {@code 9f3c5d0e1a2b4c6d/1042}. */
  @Override
  public String toString() {
    return stream + SEPARATOR + next;
  }
}
