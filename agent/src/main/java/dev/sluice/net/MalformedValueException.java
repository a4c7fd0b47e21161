package dev.sluice.net;

/**
 * A text that does not follow the grammar of the value it should be.
 *
 * <p>The message is one sentence for the person who wrote the text; {@link #pointed()} shows the
 * text with a caret under the mistake. Both stay short and free of control characters whatever the
 * input was, so that they are safe to print and to log.
 */
public final class MalformedValueException extends IllegalArgumentException {
  /** Quoted texts longer than this are cut, in characters. */
  private static final int QUOTE_LIMIT = 64;

  /** How much of a long input {@link #pointed()} shows before and behind the mistake. */
  private static final int EXCERPT_RADIUS = 30;

  private final String input;
  private final int column;

  /**
   * Reports a mistake.
   *
   * @param input the whole text that was to be read
   * @param column where the mistake begins, counted in characters from 0; the length of the input
   *     if something is missing at its end
   * @param problem one sentence without a full stop; quote foreign text in it by {@link #quote}
   */
  public MalformedValueException(String input, int column, String problem) {
    super(problem);
    if (column < 0 || column > input.length()) {
      throw new IndexOutOfBoundsException(
          "column=" + column + ", input.length=" + input.length() + ", problem=" + problem);
    }
    this.input = input;
    this.column = column;
  }

  /** The whole text that was to be read. */
  public String input() {
    return input;
  }

  /** Where the mistake begins in {@link #input()}, counted in characters from 0. */
  public int column() {
    return column;
  }

  /** The mistake as one sentence, the same as {@link #getMessage()}. */
  public String problem() {
    return String.valueOf(getMessage());
  }

  /**
   * The same mistake seen in a longer text that contains {@link #input()}.
   *
   * @param whole the longer text
   * @param offset where {@link #input()} begins in it, in characters
   */
  public MalformedValueException within(String whole, int offset) {
    var moved = new MalformedValueException(whole, offset + column, problem());
    moved.initCause(this);
    return moved;
  }

  /** The input and, on a second line, a caret under the mistake; long inputs are cut around it. */
  public String pointed() {
    int from = column <= 2 * EXCERPT_RADIUS ? 0 : column - EXCERPT_RADIUS;
    int to = Math.min(input.length(), column + EXCERPT_RADIUS);
    if (input.length() - to <= EXCERPT_RADIUS) {
      to = input.length();
    }
    String before = from > 0 ? "…" : "";
    String behind = to < input.length() ? "…" : "";
    return before
        + printable(input.substring(from, to))
        + behind
        + "\n"
        + " ".repeat(before.length() + column - from)
        + "^";
  }

  /** Puts a text of unknown origin into double quotes, cut when long, control characters masked. */
  public static String quote(String text) {
    if (text.length() <= QUOTE_LIMIT) {
      return '"' + printable(text) + '"';
    }
    return '"'
        + printable(text.substring(0, QUOTE_LIMIT))
        + "…\" ("
        + text.length()
        + " characters)";
  }

  /** Replaces each character that would move a cursor or hide itself by one visible character. */
  private static String printable(String text) {
    StringBuilder masked = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      int type = Character.getType(c);
      boolean hidden =
          type == Character.CONTROL
              || type == Character.FORMAT
              || type == Character.LINE_SEPARATOR
              || type == Character.PARAGRAPH_SEPARATOR
              || type == Character.SURROGATE
              || type == Character.NON_SPACING_MARK
              || type == Character.UNASSIGNED;
      masked.append(hidden ? '\uFFFD' : c);
    }
    return masked.toString();
  }
}
