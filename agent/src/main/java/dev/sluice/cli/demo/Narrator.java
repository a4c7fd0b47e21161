package dev.sluice.cli.demo;

import java.io.PrintWriter;
import java.util.List;

/** What the audience reads: numbered sentences, and under each what there is to see. */
final class Narrator {
  private static final String BOLD = "\033[1m";
  private static final String DIM = "\033[2m";
  private static final String GREEN = "\033[32m";
  private static final String RESET = "\033[0m";

  private final PrintWriter out;
  private final boolean colours;
  private int steps;
  private String current = "the beginning";

  Narrator(PrintWriter out, boolean colours) {
    this.out = out;
    this.colours = colours;
  }

  /** Begins a step with one plain sentence. */
  void step(String sentence) {
    steps++;
    current = sentence;
    line("");
    line(paint(BOLD, "%2d  %s".formatted(steps, sentence)));
  }

  /** What is to be seen. */
  void show(String text) {
    line("      " + text);
  }

  /** What another program printed. */
  void quote(List<String> lines) {
    for (String text : lines) {
      show(paint(DIM, text.replace("\t", "    ")));
    }
  }

  /** What went as it should. */
  void good(String text) {
    show(paint(GREEN, "✓ ") + text);
  }

  /** The sentence of the step that runs. */
  String currentStep() {
    return current;
  }

  void line(String text) {
    out.println(text);
    out.flush();
  }

  private String paint(String style, String text) {
    return colours ? style + text + RESET : text;
  }
}
