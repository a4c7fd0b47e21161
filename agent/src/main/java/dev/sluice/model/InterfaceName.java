package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;
import java.nio.charset.StandardCharsets;

/**
 * The name of a network interface by Linux's rule: 1 to 15 bytes of UTF-8, no {@code /}, no {@code
 * :}, no white space or control character, neither {@code .} nor {@code ..}.
 *
 * @param text the name
 */
public record InterfaceName(String text) implements Comparable<InterfaceName> {
  /** The longest name in bytes: Linux keeps 16 with the terminating zero. */
  public static final int MAX_BYTES = 15;

  /**
   * Checks the rule.
   *
   * @throws MalformedValueException if the text breaks it
   */
  public InterfaceName {
    if (text.isEmpty()) {
      throw new MalformedValueException(text, 0, "the interface name is empty");
    }
    if (text.equals(".") || text.equals("..")) {
      throw new MalformedValueException(
          text, 0, "interface name " + quote(text) + " is the name of a directory");
    }
    // A character is at least one byte, so this bounds the work on long input.
    if (text.length() > MAX_BYTES || text.getBytes(StandardCharsets.UTF_8).length > MAX_BYTES) {
      throw new MalformedValueException(
          text,
          Math.min(text.length(), MAX_BYTES),
          "interface name " + quote(text) + " is longer than " + MAX_BYTES + " bytes");
    }
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '/'
          || c == ':'
          || Character.isWhitespace(c)
          || Character.isISOControl(c)
          || c == '\u00a0') {
        throw new MalformedValueException(
            text,
            i,
            "interface name "
                + quote(text)
                + " may not hold \"/\", \":\", white space or control characters");
      }
    }
  }

  /** By the values of the characters. */
  @Override
  public int compareTo(InterfaceName other) {
    return text.compareTo(other.text);
  }

  /** The name. */
  @Override
  public String toString() {
    return text;
  }
}
