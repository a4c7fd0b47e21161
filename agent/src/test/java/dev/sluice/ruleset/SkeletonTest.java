package dev.sluice.ruleset;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_CHAIN_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_CHAIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_SET_NAME;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWCHAIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWRULE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWSET;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWSETELEM;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Balance;
import dev.sluice.net.Family;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.WireText;
import dev.sluice.testing.Golden;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What the agent sends for the table against what nft sends for the same table written out by hand:
 * the bytes of every set, chain and rule, and the order of the rules.
 *
 * <p>Fails if an expression, a register, a hook, a priority, a type number or a note for nft's
 * listing in {@link Skeleton} changes.
 */
class SkeletonTest {
  /**
   * nft swaps the bytes of "meta l4proto" before it looks it up in an interval set: one byte, in
   * units of two, which leaves it as it is.
   */
  private static final String SWAP_OF_ONE_BYTE =
      "\\s+1 \\{\\s+1: 627974656f7264657200 \\(byteorder\\)"
          + "\\s+2 \\{(\\s+[123]: \\w{8}){3}\\s+4: 00000001\\s+5: 00000002\\s+}\\s+}";

  private static final Pattern HASH_REGISTERS =
      Pattern.compile("\\(hash\\)\\s+2 \\{\\s+1: (\\w{8})\\s+2: (\\w{8})");

  /** Chains that are not there before a mapping with several containers is. */
  private static final String ON_DEMAND = "spread_";

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
      if (name.matches("(exact|any|range|steered|slots).*")) {
        // Each element that is published gets a counter.
        assertThat(actual).as(name).contains("  17 {\n    1: 636f756e74657200 (counter)\n");
        actual = actual.substring(0, actual.indexOf("  17 {\n"));
      }
      assertThat(actual).as(name).isEqualTo(expected);
    }
  }

  @Test
  void chainsAreTheBytesOfNft() {
    List<String> expected = new ArrayList<>(nftChains.keySet());
    // An owned table is closed to the operator, whose chains are in a table of their own.
    assertThat(expected.remove("user")).isTrue();
    expected.removeIf(name -> name.startsWith(ON_DEMAND));
    assertThat(chains.keySet()).containsExactlyInAnyOrderElementsOf(expected);
    chains.forEach((name, text) -> assertThat(text).as(name).isEqualTo(nftChains.get(name)));
  }

  @Test
  void rulesAreTheBytesOfNftInItsOrder() {
    assertThat(rules.keySet())
        .containsExactlyInAnyOrderElementsOf(
            nftRules.keySet().stream().filter(name -> !name.startsWith(ON_DEMAND)).toList());
    rules.forEach(
        (chain, ours) -> {
          Stream<String> expected =
              nftRules.getOrDefault(chain, List.of()).stream()
                  .skip(chain.equals("forward") ? 1 : 0) // jump user
                  .map(rule -> rule.replaceAll(SWAP_OF_ONE_BYTE, ""))
                  .map(WireText::withoutStatedMaskXor);
          List<String> common = new ArrayList<>(ours);
          if (chain.startsWith("guard_")) {
            // The reference does not know of connections that are cut.
            assertThat(common.remove(1)).as(chain).contains("(bitwise)");
          }
          assertThat(common).as(chain).containsExactlyElementsOf(expected.toList());
        });
    assertThat(nftRules.getOrDefault("forward", List.of()).get(0)).contains("7573657200");
  }

  /** Fails if a way to pick one of several containers is another than nft writes it. */
  @ParameterizedTest
  @CsvSource({
    "IPV4, any, ROUND_ROBIN, 4, 0, spread_turn_4_0_any4",
    "IPV6, any, RANDOM, 16, 0, spread_random_16_any6",
    "IPV4, any, SOURCE, 61, 0, spread_source_61_any4",
    "IPV6, exact, SOURCE, 61, 0, spread_source_61_exact6",
  })
  void waysToPickAContainerAreTheBytesOfNft(
      Family family, String kind, Balance balance, int slots, int counter, String name) {
    Batch batch = new Batch();
    new Skeleton(SluiceTable.ID)
        .writeSpread(batch, new SpreadChain(family, kind, balance, slots, counter));
    chains.clear();
    rules.clear();
    sort(WireText.messages(batch), sets, chains, rules);
    assertThat(chains).containsOnlyKeys(name).containsEntry(name, nftChains.get(name));
    List<String> hashInPlace =
        nftRules.getOrDefault(name, List.of()).stream().map(SkeletonTest::hashedInPlace).toList();
    assertThat(rules.getOrDefault(name, List.of())).isEqualTo(hashInPlace);
  }

  /** nft loads what it hashes into a register of its own; we do where the hash goes. */
  private static String hashedInPlace(String rule) {
    Matcher hash = HASH_REGISTERS.matcher(rule);
    if (!hash.find()) {
      return rule;
    }
    String loaded = "1: " + hash.group(1) + "\n";
    String hashed = "1: " + hash.group(2) + "\n";
    return rule.replace(loaded, hashed);
  }
}
