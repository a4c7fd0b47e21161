package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;
import java.util.Locale;

/**
 * One difference between what is declared and what is there.
 *
 * @param action what is to be done about it
 * @param kind what it is about
 * @param text its name, and what there is to say about it; one line
 */
public record DeclaredChange(Action action, Kind kind, String text) {

  /** What is to be done. */
  public enum Action {
    /** It is declared and not there. */
    ADD('+'),
    /** It is there, and declared otherwise. */
    CHANGE('~'),
    /** It is there and not declared. */
    REMOVE('-'),
    /** It is there and not declared, and stays unless the request says that it is to go. */
    KEEP('=');

    private final char sign;

    Action(char sign) {
      this.sign = sign;
    }

    /** As in the lines of a difference. */
    public char sign() {
      return sign;
    }

    /**
     * Reads a lower-case name.
     *
     * @throws MalformedValueException if it is none of the names above
     */
    public static Action parse(String text) {
      return named(values(), "action", text);
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** What a change is about. */
  public enum Kind {
    NETWORK,
    SANDBOX,
    PORT;

    /**
     * Reads a lower-case name.
     *
     * @throws MalformedValueException if it is none of the names above
     */
    public static Kind parse(String text) {
      return named(values(), "kind", text);
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static <T> T named(T[] values, String what, String text) {
    for (T value : values) {
      if (value.toString().equals(text)) {
        return value;
      }
    }
    throw new MalformedValueException(text, 0, quote(text) + " is no " + what + " of a change");
  }

  /** {@code + network blue 10.1.0.0/24}. */
  @Override
  public String toString() {
    return action.sign() + " " + kind + " " + text;
  }
}
