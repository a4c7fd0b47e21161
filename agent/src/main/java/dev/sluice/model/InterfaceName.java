package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;
import java.nio.charset.StandardCharsets;

/**
 * The name of a network interface by Linux's rule: 1 to 15 bytes of UTF-8, no {@code /}, no {@code
 * :}, no white space, neither {@code .} nor {@code ..} ({@code dev_valid_name} in net/core/dev.c).
 * Control characters, which Linux would take, are refused as well.
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
    int bytes = 0;
    for (int i = 0; i < text.length(); ) {
      int codePoint = text.codePointAt(i);
      bytes += utf8Length(codePoint);
      if (bytes > MAX_BYTES) {
        throw new MalformedValueException(
            text, i, "interface name " + quote(text) + " is longer than " + MAX_BYTES + " bytes");
      }
      if (!isAllowed(codePoint)) {
        throw new MalformedValueException(
            text,
            i,
            "interface name "
                + quote(text)
                + " may not hold \"/\", \":\", white space or control characters");
      }
      i += Character.charCount(codePoint);
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

  private static int utf8Length(int codePoint) {
    return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
  }

  private static boolean isAllowed(int codePoint) {
    return codePoint != '/'
        && codePoint != ':'
        && codePoint != ' '
        && !Character.isISOControl(codePoint)
        && Character.getType(codePoint) != Character.SURROGATE
        && !hasLatin1Space(codePoint);
  }

  /** The kernel's isspace() reads bytes as Latin-1, so the byte 0xA0 is a space wherever it is. */
  private static boolean hasLatin1Space(int codePoint) {
    for (byte b : Character.toString(codePoint).getBytes(StandardCharsets.UTF_8)) {
      if (b == (byte) 0xa0) {
        return true;
      }
    }
    return false;
  }
}
