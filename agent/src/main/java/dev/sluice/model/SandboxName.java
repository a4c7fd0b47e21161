package dev.sluice.model;

import dev.sluice.net.MalformedValueException;
import java.util.Locale;

/**
 * What a sandbox is called, and what its neighbours find it by: letters and digits of ASCII, and
 * behind the first also {@code _}, {@code .} and {@code -}; 1 to 63 bytes, as a label of a domain
 * name. Two names that differ in nothing but case are the same.
 *
 * @param text the name
 */
public record SandboxName(String text) implements Comparable<SandboxName> {
  /** The longest label of a domain name (RFC 1035, section 2.3.4). */
  public static final int MAX_LENGTH = 63;

  /**
   * Checks the rule.
   *
   * @throws MalformedValueException if the text breaks it
   */
  public SandboxName {
    Names.check("sandbox name", text);
    if (text.length() > MAX_LENGTH) {
      throw new MalformedValueException(
          text,
          MAX_LENGTH,
          "sandbox name " + MalformedValueException.quote(text) + " is longer than " + MAX_LENGTH);
    }
  }

  /** As names are looked up. */
  public String lowerCase() {
    return text.toLowerCase(Locale.ROOT);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof SandboxName name && name.lowerCase().equals(lowerCase());
  }

  @Override
  public int hashCode() {
    return lowerCase().hashCode();
  }

  @Override
  public int compareTo(SandboxName other) {
    return lowerCase().compareTo(other.lowerCase());
  }

  /** The name. */
  @Override
  public String toString() {
    return text;
  }
}
