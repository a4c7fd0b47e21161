package dev.sluice.cli.demo;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** A table as {@code nft list table} prints it: sets, maps and chains, each a block. */
final class TableListing {
  private final List<String> lines;

  TableListing(List<String> lines) {
    this.lines = List.copyOf(lines);
  }

  int lineCount() {
    return lines.size();
  }

  /** What stands before the first block: the table's name and flags. */
  List<String> head() {
    return lines.stream()
        .takeWhile(line -> !isBegin(line))
        .filter(line -> !line.isBlank())
        .toList();
  }

  /** The blocks of which a line is wanted, each begun by {@code kind}. */
  List<String> blocks(String kind, Predicate<String> wanted) {
    List<String> found = new ArrayList<>();
    List<String> block = new ArrayList<>();
    for (String line : lines) {
      if (isBegin(line)) {
        block.clear();
      }
      block.add(line);
      if (line.equals("\t}")
          && block.get(0).startsWith("\t" + kind + " ")
          && block.stream().anyMatch(wanted)) {
        found.addAll(block);
      }
    }
    return found;
  }

  /** One tab, a word, and an opening brace at the end. */
  private static boolean isBegin(String line) {
    return line.startsWith("\t") && !line.startsWith("\t\t") && line.endsWith("{");
  }
}
