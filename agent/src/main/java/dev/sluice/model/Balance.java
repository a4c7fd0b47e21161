package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** How new connections are shared out among the containers of a mapping. */
public enum Balance {
  /** One after the other, as often as their weights say. */
  ROUND_ROBIN,

  /** By lot, as likely as their weights say. */
  RANDOM,

  /**
   * By the client's address: the same client comes to the same container as long as there are the
   * same containers, and most clients do when one is added or removed.
   */
  SOURCE;

  /**
   * Reads {@code round-robin}, {@code random} or {@code source}.
   *
   * @throws MalformedValueException if it is none of them
   */
  public static Balance parse(String text) {
    for (Balance one : values()) {
      if (one.toString().equals(text)) {
        return one;
      }
    }
    throw new MalformedValueException(
        text,
        0,
        quote(text)
            + " is no way to share out connections: give one of "
            + Arrays.stream(values()).map(Balance::toString).collect(Collectors.joining(", ")));
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
