package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;

/** The rule Docker has for names: {@code [a-zA-Z0-9][a-zA-Z0-9_.-]*}. */
final class Names {
  /** The longest name, in characters, which are bytes here. */
  static final int MAX_LENGTH = 64;

  private Names() {}

  /** Throws if the text breaks the rule; {@code what} names the kind of name in the message. */
  static void check(String what, String text) {
    if (text.isEmpty()) {
      throw new MalformedValueException(text, 0, "the " + what + " is empty");
    }
    for (int i = 0; i < Math.min(text.length(), MAX_LENGTH); i++) {
      char c = text.charAt(i);
      boolean alphanumeric =
          (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (!alphanumeric && (i == 0 || (c != '_' && c != '.' && c != '-'))) {
        throw new MalformedValueException(
            text,
            i,
            what
                + " "
                + quote(text)
                + (i == 0
                    ? " must begin with a letter a–z, A–Z or a digit"
                    : " may hold only letters a–z, A–Z, digits, \"_\", \".\" and \"-\""));
      }
    }
    if (text.length() > MAX_LENGTH) {
      throw new MalformedValueException(
          text, MAX_LENGTH, what + " " + quote(text) + " is longer than " + MAX_LENGTH);
    }
  }
}
