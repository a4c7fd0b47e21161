package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How long connections may live on when their port is taken back.
 *
 * @param limit how long at most, 1 ms to a year; empty for as long as they like
 */
public record DrainTime(Optional<Duration> limit) {
  /** As long as they like. */
  public static final DrainTime FOREVER = new DrainTime(Optional.empty());

  private static final String FOREVER_TEXT = "forever";
  private static final Duration LONGEST = Duration.ofDays(365);
  private static final Pattern TIME = Pattern.compile("([1-9][0-9]{0,8})(ms|s|m|h|d)");

  /**
   * Reads {@code 500ms}, {@code 30s}, {@code 5m}, {@code 2h}, {@code 1d} or {@code forever}.
   *
   * @throws MalformedValueException if the text is anything else, or longer than a year
   */
  public static DrainTime parse(String text) {
    if (text.equals(FOREVER_TEXT)) {
      return FOREVER;
    }
    Matcher time = TIME.matcher(text);
    if (!time.matches()) {
      throw new MalformedValueException(
          text, 0, quote(text) + " is not a time such as 30s, 5m, 2h or forever");
    }
    Duration limit = unit(time.group(2)).multipliedBy(Integer.parseInt(time.group(1)));
    if (limit.compareTo(LONGEST) > 0) {
      throw new MalformedValueException(
          text, 0, quote(text) + " is more than a year; forever is possible");
    }
    return new DrainTime(Optional.of(limit));
  }

  private static Duration unit(String text) {
    return switch (text) {
      case "ms" -> Duration.ofMillis(1);
      case "s" -> Duration.ofSeconds(1);
      case "m" -> Duration.ofMinutes(1);
      case "h" -> Duration.ofHours(1);
      default -> Duration.ofDays(1);
    };
  }

  /** A form that {@link #parse} reads. */
  @Override
  public String toString() {
    return limit.map(DrainTime::text).orElse(FOREVER_TEXT);
  }

  /**
   * In seconds where they are whole: of a long time, milliseconds are more digits than are read.
   */
  private static String text(Duration time) {
    return time.toMillisPart() == 0 ? time.toSeconds() + "s" : time.toMillis() + "ms";
  }
}
