package dev.sluice.nftables.text;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.nftables.GoldenTables;
import dev.sluice.testing.Golden;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * What the kernel answered to {@code nft list}, printed by us, beside what nft printed of it.
 *
 * <p>Lines are compared without their indentation, and elements of a set in any order: nft breaks
 * their lines by the type of the key, and orders keys of several fields from the last byte on.
 */
class TablePrinterGoldenTest {

  /** What stands in place of a rule that has no words. */
  private static final String REMARK = "# rule ";

  static String print(TableListing listing) {
    StringBuilder out = new StringBuilder();
    try {
      TablePrinter.print(listing, out);
    } catch (IOException e) {
      throw new AssertionError("a StringBuilder failed", e);
    }
    return out.toString();
  }

  /** Lines without indentation; each element of a set a line of its own, sorted. */
  private static List<String> lines(String text) {
    List<String> lines = new ArrayList<>();
    for (String raw : text.replaceAll(",\\n\\s+", ", ").lines().toList()) {
      String line = raw.strip();
      if (line.startsWith("elements = {")) {
        lines.add("elements");
        String inside = line.substring("elements = {".length(), line.lastIndexOf('}'));
        Arrays.stream(inside.split(", ", -1)).map(String::strip).sorted().forEach(lines::add);
      } else if (!line.isEmpty()) {
        lines.add(inOrder(line));
      }
    }
    return lines;
  }

  /** The line with what stands between its braces sorted. */
  private static String inOrder(String line) {
    int from = line.indexOf("{ ");
    int to = line.lastIndexOf(" }");
    if (from < 0 || to < from) {
      return line;
    }
    String[] inside = line.substring(from + 2, to).split(", ", -1);
    Arrays.sort(inside);
    return line.substring(0, from + 2) + String.join(", ", inside) + line.substring(to);
  }

  private static String printed(Golden golden) {
    String start = "printed:";
    return String.join(
        "\n",
        golden.header().stream()
            .filter(line -> line.startsWith(start))
            .map(line -> " " + line.substring(start.length()).strip())
            .toList());
  }

  /**
   * The table that Sluice's own is made after, with elements in its maps. Fails if {@code
   * RuleText.dropAsked} keeps the checks that nft adds by itself, or {@code SetText.range} writes
   * no prefixes.
   */
  @Test
  void theReferenceTableReadsAsNftPrintsIt() {
    Golden golden = Golden.load("nftables/list-reference");
    assertThat(lines(print(GoldenTables.received(golden)))).isEqualTo(lines(printed(golden)));
  }

  /**
   * Every form of a set, and priorities near a name. Fails if {@code SetText.entries} takes the end
   * of an interval for its last key, or host order is not turned in {@code ValueType.ordered}.
   */
  @Test
  void setsReadAsNftPrintsThem() {
    Golden golden = Golden.load("nftables/list-sets");
    assertThat(lines(print(GoldenTables.received(golden)))).isEqualTo(lines(printed(golden)));
  }

  /**
   * Every rule of the captures, in one table: either nft's words, or the remark that there are
   * none. Fails if any expression is worded differently, and if one of the few without words gets
   * some.
   */
  @Test
  void everyRuleReadsAsNftPrintsItOrSaysThatItCannot() {
    Golden golden = Golden.load("nftables/list-rules");
    // Named objects are not read back, and a rule that names one could not be loaded.
    List<String> nft =
        lines(
            printed(golden).replaceAll("(?m)^ (counter hits|quota month) \\{\\n.*\\n \\}\\n", ""));
    List<String> ours = lines(print(GoldenTables.received(golden)));
    List<String> unsaid = new ArrayList<>();
    List<String> said = new ArrayList<>();
    assertThat(ours).hasSameSizeAs(nft);
    for (int i = 0; i < nft.size(); i++) {
      if (ours.get(i).equals("meta l4proto icmp @th,0,8 0x8")) {
        said.add(nft.get(i));
      } else if (ours.get(i).startsWith(REMARK)) {
        unsaid.add(nft.get(i));
        said.add(nft.get(i));
      } else {
        said.add(ours.get(i));
      }
    }
    assertThat(said).isEqualTo(nft);
    assertThat(unsaid)
        .containsExactlyInAnyOrder(
            "counter name \"hits\"",
            "quota name \"month\"",
            "counter name tcp dport map { 80 : \"hits\" }",
            "ipsec in reqid 5 accept");
    // nft prints this one as a rule that asks for more than the kernel was told to.
    assertThat(ours).contains("meta l4proto icmp @th,0,8 0x8");
  }
}
