package dev.sluice.packaging;

import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A manual page in the macros of man(7).
 *
 * <p>Text is escaped: what it says is what is shown, whatever it contains.
 */
final class Roff {
  /** A word of a synopsis, with the character before it, if there is one. */
  private static final Pattern WORD = Pattern.compile("([^\\w-]?)([\\w-]+)");

  private static final Pattern CAPITALS = Pattern.compile("[A-Z][A-Z0-9_-]*");

  private final StringBuilder out = new StringBuilder();

  /**
   * Begins the page.
   *
   * @param section 1 for commands, 8 for those of the administrator
   * @param date as {@code 2026-11-21}
   * @param source what it belongs to, with its version
   */
  Roff(String name, int section, String date, String source) {
    macro(
        "TH",
        quoted(name.toUpperCase(Locale.ROOT)),
        Integer.toString(section),
        '"' + date + '"',
        quoted(source),
        quoted("Sluice"));
    // No hyphenation, and a ragged right margin: half of the words are names.
    out.append(".nh\n.ad l\n");
  }

  Roff section(String title) {
    macro("SH", quoted(title));
    return this;
  }

  Roff paragraph() {
    macro("PP");
    return this;
  }

  /** Running text; it is filled. */
  Roff text(String text) {
    line(escaped(text));
    return this;
  }

  /** A synopsis: what is to be typed is bold, what stands for something italic. */
  Roff synopsis(String synopsis) {
    StringBuilder line = new StringBuilder();
    Matcher word = WORD.matcher(synopsis);
    int end = 0;
    while (word.find()) {
      String before = word.group(1);
      boolean standsForSomething =
          before.equals("=") || before.equals("|") || CAPITALS.matcher(word.group(2)).matches();
      line.append(escaped(synopsis.substring(end, word.start(2))))
          .append(standsForSomething ? "\\fI" : "\\fB")
          .append(escaped(word.group(2)))
          .append("\\fR");
      end = word.end();
    }
    line(line.append(escaped(synopsis.substring(end))).toString());
    return this;
  }

  /** A term with its explanation. */
  Roff item(String term, List<String> explanation) {
    macro("TP");
    synopsis(term);
    explanation.forEach(this::text);
    return this;
  }

  /** Lines as they are, indented. */
  Roff example(List<String> lines) {
    // Directly below a heading it would be one space too many.
    if (!out.substring(out.lastIndexOf("\n", out.length() - 2) + 1).startsWith(".SH ")) {
      paragraph();
    }
    out.append(".RS 4\n.nf\n");
    lines.forEach(line -> line(escaped(line)));
    out.append(".fi\n.RE\n");
    return this;
  }

  private void macro(String name, String... arguments) {
    out.append('.').append(name);
    for (String argument : arguments) {
      out.append(' ').append(argument);
    }
    out.append('\n');
  }

  private void line(String escaped) {
    // At its beginning these two would make it a request.
    if (escaped.startsWith(".") || escaped.startsWith("'")) {
      out.append("\\&");
    }
    out.append(escaped).append('\n');
  }

  private static String quoted(String argument) {
    return '"' + escaped(argument).replace("\"", "\\(dq") + '"';
  }

  /** As groff_char(7) says: characters it would take for something else. */
  static String escaped(String text) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '\\' -> out.append("\\e");
        case '-' -> out.append("\\-");
        case '\'' -> out.append("\\(aq");
        case '`' -> out.append("\\(ga");
        case '^' -> out.append("\\(ha");
        case '~' -> out.append("\\(ti");
        default -> out.append(c);
      }
    }
    return out.toString();
  }

  @Override
  public String toString() {
    return out.toString();
  }
}
