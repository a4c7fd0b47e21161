package dev.sluice.model;

import dev.sluice.net.MalformedValueException;

/**
 * The name somebody gave a mapping, by Docker's rule: letters and digits of ASCII, and behind the
 * first also {@code _}, {@code .} and {@code -}; 1 to 64 bytes.
 *
 * @param text the name
 */
public record MappingName(String text) implements Comparable<MappingName> {

  /**
   * Checks the rule.
   *
   * @throws MalformedValueException if the text breaks it
   */
  public MappingName {
    Names.check("name", text);
  }

  /** By the values of the characters. */
  @Override
  public int compareTo(MappingName other) {
    return text.compareTo(other.text);
  }

  /** The name. */
  @Override
  public String toString() {
    return text;
  }
}
