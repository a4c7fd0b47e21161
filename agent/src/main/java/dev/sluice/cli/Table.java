package dev.sluice.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/**
 * Rows in aligned columns, three spaces apart, as {@code docker ps} has them. The widths are those
 * of the first rows, so that a table may be endless.
 */
final class Table {
  private static final int ROWS_THAT_DECIDE = 1000;
  private static final String GAP = "   ";

  private final PrintWriter out;
  private final List<List<String>> held = new ArrayList<>();
  private int[] widths;
  private boolean flowing;

  Table(PrintWriter out, String... titles) {
    this.out = out;
    this.widths = new int[titles.length];
    held.add(List.of(titles));
  }

  void row(String... cells) {
    List<String> row = List.of(cells);
    if (flowing) {
      print(row);
      return;
    }
    held.add(row);
    if (held.size() > ROWS_THAT_DECIDE) {
      flush();
    }
  }

  /** Prints what is held back. */
  void flush() {
    for (List<String> row : held) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], row.get(i).length());
      }
    }
    held.forEach(this::print);
    held.clear();
    flowing = true;
  }

  private void print(List<String> row) {
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < widths.length; i++) {
      String cell = row.get(i);
      line.append(cell);
      if (i < widths.length - 1) {
        line.append(" ".repeat(Math.max(0, widths[i] - cell.length()))).append(GAP);
      }
    }
    out.println(line.toString().stripTrailing());
  }
}
