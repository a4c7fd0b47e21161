package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Identifies an endpoint, and is part of the name of its interface on the host, which has 15 bytes.
 *
 * @param text 12 lower-case hexadecimal digits
 */
public record EndpointId(String text) {
  private static final int LENGTH = 12;

  /** In front of the id in the name of the interface. */
  private static final String INTERFACE_PREFIX = "sl";

  private static final String LOOSE_END_PREFIX = "sv";

  /**
   * Checks the digits.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public EndpointId {
    if (!text.matches("[0-9a-f]{12}")) {
      throw new MalformedValueException(
          text, 0, quote(text) + " is not an endpoint id, which has 12 digits of 0–9 and a–f");
    }
  }

  /**
   * The id that is the beginning of a longer one.
   *
   * @throws MalformedValueException if that does not begin with 12 digits of 0–9 and a–f
   */
  public static EndpointId of(String longer) {
    return new EndpointId(longer.substring(0, Math.min(LENGTH, longer.length())));
  }

  /** A new id. */
  public static EndpointId random() {
    String digits = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());
    return new EndpointId(digits.substring(digits.length() - LENGTH));
  }

  /** What the host calls its end of the wire. */
  public InterfaceName hostInterface() {
    return new InterfaceName(INTERFACE_PREFIX + text);
  }

  /** What the other end is called as long as it lies on the host, for somebody to take it. */
  public InterfaceName looseEnd() {
    return new InterfaceName(LOOSE_END_PREFIX + text);
  }

  @Override
  public String toString() {
    return text;
  }
}
