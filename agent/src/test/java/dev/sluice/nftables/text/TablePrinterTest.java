package dev.sluice.nftables.text;

import static dev.sluice.nftables.DataType.INET_SERVICE;
import static dev.sluice.nftables.DataType.INTEGER;
import static dev.sluice.nftables.DataType.IPV4_ADDR;
import static dev.sluice.nftables.text.TablePrinterGoldenTest.print;
import static dev.sluice.nftables.uapi.LinuxNfTables.*;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.net.Bytes;
import dev.sluice.nftables.Chain;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.GoldenTables;
import dev.sluice.nftables.Key;
import dev.sluice.nftables.Rule;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.SetType;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.Userdata;
import dev.sluice.nftables.expr.Bitwise;
import dev.sluice.nftables.expr.Cmp;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Immediate;
import dev.sluice.nftables.expr.Log;
import dev.sluice.nftables.expr.Lookup;
import dev.sluice.nftables.expr.Meta;
import dev.sluice.nftables.expr.Nat;
import dev.sluice.nftables.expr.Opaque;
import dev.sluice.nftables.expr.Payload;
import dev.sluice.nftables.expr.Register;
import dev.sluice.nftables.expr.Verdict;
import dev.sluice.testing.Golden;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What has no words, or would mean something else in them, is a comment. */
class TablePrinterTest {
  private static final TableId T = TableId.inet("t");
  private static final String CANNOT = " cannot be written in nft's language: ";

  private static TableListing listing(
      List<ElementSet> sets, Map<String, List<SetElement>> elements, Rule... rules) {
    return new TableListing(
        Table.of(T), sets, elements, List.of(Chain.regular(T, "c")), List.of(rules));
  }

  private static Rule rule(Expression... expressions) {
    return new Rule(T, "c", List.of(expressions), Bytes.EMPTY, 7, 0);
  }

  /** The one line in the chain. */
  private static String text(Expression... expressions) {
    return print(listing(List.of(), Map.of(), rule(expressions))).lines().toList().get(2).strip();
  }

  private static final Immediate ACCEPT = Immediate.verdict(Verdict.ACCEPT);

  /** Fails if an unknown expression is passed over: the rest of its rule would match more. */
  @Test
  void anExpressionNobodyKnowsMakesItsRuleAComment() {
    assertThat(text(new Opaque("synproxy", Bytes.ofHex("0800010000000578")), ACCEPT))
        .isEqualTo("# rule 7" + CANNOT + "synproxy 0x0800010000000578");
  }

  /** Fails if {@code RuleText.value} writes one of the two operations only. */
  @Test
  void aMaskThatFlipsSomeBitsAndClearsOthersHasNoWord() {
    assertThat(
            text(
                Meta.load(NFT_META_MARK, Register.R1),
                Bitwise.mask(
                    Register.R1, Register.R1, Bytes.ofU32Host(0xf0), Bytes.ofU32Host(0x11)),
                Meta.set(NFT_META_MARK, Register.R1)))
        .startsWith("# rule 7" + CANNOT + "meta set mark");
  }

  /** Fails if {@code RuleText.header} names the address: nft would add the check of the family. */
  @Test
  void aFieldWhoseHeaderWasNotCheckedKeepsItsPosition() {
    Expression saddr = Payload.load(NFT_PAYLOAD_NETWORK_HEADER, 12, 4, Register.R1);
    assertThat(text(saddr, Cmp.eq(Register.R1, Bytes.ofHex("0a000001")), ACCEPT))
        .isEqualTo("@nh,96,32 0xa000001 accept");
  }

  /** Fails if {@code RuleText.concatenation} lets a position stand for an address of a set. */
  @Test
  void aFieldWithoutATypeIsInNoSet() {
    ElementSet set = ElementSet.set(T, "hosts", SetType.of(IPV4_ADDR));
    Expression saddr = Payload.load(NFT_PAYLOAD_NETWORK_HEADER, 12, 4, Register.R1);
    TableListing listing =
        listing(List.of(set), Map.of(), rule(saddr, Lookup.in("hosts", Register.R1), ACCEPT));
    assertThat(print(listing)).contains("\t\t# rule 7" + CANNOT + "lookup reg 1 set hosts\n");
  }

  /** Fails if {@code RuleText.natTarget} takes a map's address without asking for its port. */
  @Test
  void aMapWhoseDataDoNotFitTheTranslationIsNotNamed() {
    ElementSet map =
        ElementSet.map(T, "m", SetType.of(INET_SERVICE), SetType.of(IPV4_ADDR, INET_SERVICE));
    TableListing listing =
        listing(
            List.of(map),
            Map.of(),
            rule(
                Payload.load(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, Register.R1),
                Lookup.map("m", Register.R1, Register.R1),
                Nat.destination(NFPROTO_IPV4, Register.R1, Register.NONE)));
    assertThat(print(listing)).contains("# rule 7" + CANNOT + "nat dnat ip");
  }

  /**
   * A listing is loaded as root: no string from the kernel may become a line of its own. Fails if
   * {@code Words.line} keeps line breaks, or {@code Words.quoted} lets quotes through.
   */
  @Test
  void nothingInAStringBecomesAStatement() {
    String evil = "x\"\n\t\taccept # ";
    String text =
        print(
            listing(
                List.of(ElementSet.set(T, "hosts", SetType.of(IPV4_ADDR))),
                Map.of(
                    "hosts",
                    List.of(
                        SetElement.of(Bytes.ofHex("0a000001")).withUserdata(Userdata.comment(evil)),
                        SetElement.of(Bytes.ofHex("0a000002")))),
                rule(Log.kernel(evil), ACCEPT),
                rule(ACCEPT).withComment(evil)));
    assertThat(text.lines().filter(line -> line.contains("accept")))
        .hasSize(3)
        .allMatch(line -> line.strip().startsWith("# "));
    assertThat(text).contains("elements = { 10.0.0.2 }\n");
  }

  /** Fails if the name of a set or chain is written whatever it is. */
  @Test
  void aNameThatIsNoWordIsNotWritten() {
    String text =
        print(listing(List.of(ElementSet.set(T, "a}b", SetType.of(IPV4_ADDR))), Map.of()));
    assertThat(text).contains("\t# set a}b" + CANNOT + "the name \"a}b\"\n").doesNotContain("{ a}");
  }

  /** Fails if a set without notes is declared of type integer, which nft refuses. */
  @Test
  void aSetWhoseTypeHasNoNameIsAComment() {
    assertThat(print(listing(List.of(ElementSet.set(T, "slots", SetType.of(INTEGER))), Map.of())))
        .contains("\t# set slots" + CANNOT);
  }

  /** Fails if the flags go where nft would make itself the owner, or be stopped by a word. */
  @Test
  void ownershipIsSaidBesideTheTable() {
    Table owned = Table.of(T).withFlags(NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST);
    assertThat(print(new TableListing(owned, List.of(), Map.of(), List.of(), List.of())))
        .isEqualTo(
            "# in force, and not set by loading this: flags owner,persist\ntable inet t {\n}\n");
  }

  /**
   * This kernel has no nft_queue, so there is no listing of these: what nft sent, in the words it
   * would print. Fails if a flag or the last queue is lost.
   */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "rule-queue|queue flags bypass to 3",
        "rule-queue-range|queue flags fanout to 1-4",
        "rule-queue-numgen|queue to numgen inc mod 2"
      })
  void queues(String golden, String text) {
    Rule sent = GoldenTables.sent(Golden.load("nftables/" + golden)).rules().get(0);
    assertThat(text(sent.expressions().toArray(Expression[]::new))).isEqualTo(text);
  }

  /**
   * 65,536 elements are printed in time that grows with their number. Fails if an element is put
   * into a text that holds all before it: that would take minutes.
   */
  @Test
  void aLargeMapIsPrintedElementByElement() {
    List<SetElement> elements = new ArrayList<>();
    for (int port = 0xffff; port >= 0; port--) {
      elements.add(
          SetElement.of(Key.of().u16(port).bytes())
              .to(Bytes.ofHex("ac1e0002"))
              .withUserdata(Userdata.comment("n" + port)));
    }
    ElementSet map = ElementSet.map(T, "m", SetType.of(INET_SERVICE), SetType.of(IPV4_ADDR));
    long began = System.nanoTime();
    String text = print(listing(List.of(map), Map.of("m", elements)));
    assertThat(System.nanoTime() - began).isLessThan(20_000_000_000L);
    assertThat(text.lines().filter(line -> line.contains(" : 172.30.0.2"))).hasSize(65_536);
    assertThat(text).contains("elements = { 0 comment \"n0\" : 172.30.0.2,\n");
  }
}
