package dev.sluice.flow;

import dev.sluice.net.MalformedValueException;

/** What can happen to a flow. */
public enum EventKind {
  /** Its first packet came. */
  NEW("new"),
  /** Its state changed. */
  UPDATE("update"),
  /** It ended. */
  DESTROY("destroy");

  private final String text;

  EventKind(String text) {
    this.text = text;
  }

  /**
   * The kind of that name.
   *
   * @throws MalformedValueException if there is none
   */
  public static EventKind parse(String text) {
    for (EventKind kind : values()) {
      if (kind.text.equals(text)) {
        return kind;
      }
    }
    throw new MalformedValueException(
        text,
        0,
        MalformedValueException.quote(text)
            + " is no kind of event: there are new, update and destroy");
  }

  /** The word for it in output. */
  @Override
  public String toString() {
    return text;
  }
}
