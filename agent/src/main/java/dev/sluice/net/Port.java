package dev.sluice.net;

import static dev.sluice.net.MalformedValueException.quote;

/**
 * Port numbers, which are plain {@code int}s from 1 to 65535. Port 0 is nobody's: it asks the
 * kernel to choose.
 */
public final class Port {
  /** The lowest port that can be connected to. */
  public static final int MIN = 1;

  /** The highest port. */
  public static final int MAX = 65_535;

  private Port() {}

  /**
   * Returns the port if it is one.
   *
   * @throws IllegalArgumentException if it is not in 1–65535
   */
  public static int check(int port) {
    if (port < MIN || port > MAX) {
      throw new IllegalArgumentException("port " + port + " is not in 1–65535");
    }
    return port;
  }

  /**
   * Reads a decimal number from 1 to 65535. Leading zeros change nothing, as in Docker: {@code
   * 0080} is 80.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public static int parse(String text) {
    int port = DecimalText.parse(text, MAX);
    if (port >= MIN && port <= MAX) {
      return port;
    }
    if (text.isEmpty()) {
      throw new MalformedValueException(text, 0, "a port number is missing");
    }
    throw new MalformedValueException(
        text,
        0,
        "port " + quote(text) + (port < 0 ? " is not a decimal number" : " is not in 1–65535"));
  }
}
