package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;
import java.util.Locale;

/**
 * How often one source address may begin a connection. As many as the rate allows in one unit of
 * time may come at once, at least {@value #LEAST_BURST}.
 *
 * @param connections how many connections, 1 to {@value #MAX_CONNECTIONS}
 * @param per in which time
 */
public record SourceRate(int connections, Per per) {
  /** The most connections of a unit of time. */
  public static final int MAX_CONNECTIONS = 1_000_000;

  /** A browser opens this many at once. */
  public static final int LEAST_BURST = 5;

  /** A unit of time. */
  public enum Per {
    SECOND(1),
    MINUTE(60),
    HOUR(3_600);

    private final int seconds;

    Per(int seconds) {
      this.seconds = seconds;
    }

    public int seconds() {
      return seconds;
    }

    /** Lower case, as in {@code 20/second}. */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * Checks the number.
   *
   * @throws InvalidMappingException if it is out of range
   */
  public SourceRate {
    if (connections < 1 || connections > MAX_CONNECTIONS) {
      throw new InvalidMappingException(
          "a rate must be 1 to " + MAX_CONNECTIONS + " connections, not " + connections);
    }
  }

  /**
   * Reads {@code 20/second}, {@code 100/minute} or {@code 10/hour}.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public static SourceRate parse(String text) {
    int slash = text.indexOf('/');
    if (slash >= 0) {
      for (Per per : Per.values()) {
        if (text.substring(slash + 1).equals(per.toString())) {
          return new SourceRate(number(text, slash), per);
        }
      }
    }
    throw new MalformedValueException(
        text,
        Math.max(0, slash + 1),
        quote(text) + " is not a rate such as 20/second, 100/minute or 10/hour");
  }

  private static int number(String text, int end) {
    String digits = text.substring(0, end);
    if (!digits.matches("[1-9][0-9]{0,6}") || Integer.parseInt(digits) > MAX_CONNECTIONS) {
      throw new MalformedValueException(
          text, 0, quote(digits) + " is not a number from 1 to " + MAX_CONNECTIONS);
    }
    return Integer.parseInt(digits);
  }

  /** How many connections may come at once. */
  public int burst() {
    return Math.max(connections, LEAST_BURST);
  }

  /** The form that {@link #parse} reads. */
  @Override
  public String toString() {
    return connections + "/" + per;
  }
}
