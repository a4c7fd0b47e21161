package dev.sluice.ruleset;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_CHAIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWCHAIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWRULE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWSETELEM;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.nftables.Batch;
import dev.sluice.nftables.WireText;
import dev.sluice.testing.Golden;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What the agent sends for the table against what nft sends for the same table written out by hand:
 * the bytes of every set, chain and rule, and the order of the rules.
 *
 * <p>Fails if an expression, a register, a hook, a priority, a type number or a note for nft's
 * listing in {@link Skeleton} changes.
 */
class SkeletonTest {
  /**
   * NFTA_NG_TYPE of a numgen expression. By hand the backends of a mapping take turns; one counter
   * is shared by all mappings, so ours are drawn at random.
   */
  private static final String IN_TURN = "3: 00000000\n";

  private static final String AT_RANDOM = "3: 00000001\n";

  /**
   * nft swaps the bytes of "meta l4proto" before it looks it up in an interval set: one byte, in
   * units of two, which leaves it as it is.
   */
  private static final String SWAP_OF_ONE_BYTE =
      "\\s+1 \\{\\s+1: 627974656f7264657200 \\(byteorder\\)"
          + "\\s+2 \\{(\\s+[123]: \\w{8}){3}\\s+4: 00000001\\s+5: 00000002\\s+}\\s+}";

  /** NFTA_SET_USERDATA of a set. */
  private static final String TYPE_NOTES = "(?m)^  13: .*\n";

  private final Map<String, String> nftSets = new LinkedHashMap<>();
  private final Map<String, String> nftChains = new LinkedHashMap<>();
  private final Map<String, List<String>> nftRules = new LinkedHashMap<>();
  private final Map<String, String> sets = new LinkedHashMap<>();
  private final Map<String, String> chains = new LinkedHashMap<>();
  private final Map<String, List<String>> rules = new LinkedHashMap<>();

  SkeletonTest() {
    Golden golden = Golden.load("nftables/reference-table");
    sort(WireText.ofNfTables(golden.sentMessages()), nftSets, nftChains, nftRules);
    Batch batch = new Batch();
    new Skeleton(SluiceTable.ID).write(batch);
    sort(WireText.messages(batch), sets, chains, rules);
  }

  /** An anonymous set, and its elements, belong to the rule behind them. */
  private static void sort(
      List<byte[]> messages,
      Map<String, String> sets,
      Map<String, String> chains,
      Map<String, List<String>> rules) {
    StringBuilder belonging = new StringBuilder();
    for (byte[] message : messages) {
      String text = WireText.of(message);
      switch (WireText.operation(message)) {
        case NFT_MSG_NEWSET -> {
          String name = WireText.string(message, NFTA_SET_NAME);
          if (name.startsWith("__")) {
            // nft notes how it came by the type; its listing does not need that here.
            belonging.append(text.replaceAll(TYPE_NOTES, ""));
          } else {
            sets.put(name, text);
          }
        }
        case NFT_MSG_NEWSETELEM -> belonging.append(text);
        case NFT_MSG_NEWCHAIN -> chains.put(WireText.string(message, NFTA_CHAIN_NAME), text);
        case NFT_MSG_NEWRULE -> {
          rules
              .computeIfAbsent(
                  WireText.string(message, NFTA_RULE_CHAIN), chain -> new ArrayList<>())
              .add(belonging + text);
          belonging.setLength(0);
        }
        default -> {}
      }
    }
  }

  @Test
  void setsAndMapsAreTheBytesOfNft() {
    assertThat(sets.keySet()).containsExactlyInAnyOrderElementsOf(nftSets.keySet());
    for (Map.Entry<String, String> set : sets.entrySet()) {
      String name = set.getKey();
      String expected = nftSets.get(name);
      String actual = set.getValue();
      if (name.matches("(exact|any|range).*")) {
        // Each element that is published gets a counter.
        assertThat(actual).as(name).contains("  17 {\n    1: 636f756e74657200 (counter)\n");
        actual = actual.substring(0, actual.indexOf("  17 {\n"));
      }
      if (name.startsWith("spread")) {
        // numgen random in place of numgen inc, in the note about the key's type.
        actual = actual.replaceAll(TYPE_NOTES, "");
        expected = String.valueOf(expected).replaceAll(TYPE_NOTES, "");
      }
      assertThat(actual).as(name).isEqualTo(expected);
    }
  }

  @Test
  void chainsAreTheBytesOfNft() {
    List<String> expected = new ArrayList<>(nftChains.keySet());
    // An owned table is closed to the operator, whose chains are in a table of their own.
    assertThat(expected.remove("user")).isTrue();
    assertThat(chains.keySet()).containsExactlyInAnyOrderElementsOf(expected);
    chains.forEach((name, text) -> assertThat(text).as(name).isEqualTo(nftChains.get(name)));
  }

  @Test
  void rulesAreTheBytesOfNftInItsOrder() {
    assertThat(rules.keySet()).containsExactlyInAnyOrderElementsOf(nftRules.keySet());
    rules.forEach(
        (chain, ours) -> {
          Stream<String> expected =
              nftRules.getOrDefault(chain, List.of()).stream()
                  .skip(chain.equals("forward") ? 1 : 0) // jump user
                  .map(rule -> rule.replaceAll(SWAP_OF_ONE_BYTE, ""))
                  .map(WireText::withoutStatedMaskXor)
                  .map(rule -> rule.contains("(numgen)") ? atRandom(rule) : rule);
          List<String> common = new ArrayList<>(ours);
          if (chain.startsWith("guard_")) {
            // The reference does not know of connections that are cut.
            assertThat(common.remove(1)).as(chain).contains("(bitwise)");
          }
          assertThat(common).as(chain).containsExactlyElementsOf(expected.toList());
        });
    assertThat(nftRules.getOrDefault("forward", List.of()).get(0)).contains("7573657200");
  }

  private static String atRandom(String rule) {
    int at = rule.indexOf(IN_TURN, rule.indexOf("(numgen)"));
    return rule.substring(0, at) + AT_RANDOM + rule.substring(at + IN_TURN.length());
  }
}
