package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Identifies a mapping for as long as it is published. It is no secret.
 *
 * @param bits 64 bits, all of them significant
 */
public record MappingId(long bits) {
  private static final int TEXT_LENGTH = 16;

  /** A new id; among a million mappings two alike are less likely than 1 in 30 million. */
  public static MappingId random() {
    return new MappingId(ThreadLocalRandom.current().nextLong());
  }

  /**
   * Reads 16 lower-case hexadecimal digits.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public static MappingId parse(String text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
      if (!digit || i == TEXT_LENGTH) {
        throw malformed(text, i);
      }
    }
    if (text.length() < TEXT_LENGTH) {
      throw malformed(text, text.length());
    }
    return new MappingId(HexFormat.fromHexDigitsToLong(text));
  }

  /** 16 lower-case hexadecimal digits. */
  @Override
  public String toString() {
    return HexFormat.of().toHexDigits(bits);
  }

  private static MalformedValueException malformed(String text, int at) {
    return new MalformedValueException(
        text, at, quote(text) + " is not a mapping id, which has 16 digits of 0–9 and a–f");
  }
}
