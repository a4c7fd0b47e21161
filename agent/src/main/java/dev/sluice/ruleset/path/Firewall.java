package dev.sluice.ruleset.path;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.nftables.Chain;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.Rule;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Opaque;
import dev.sluice.nftables.text.RuleTexts;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.StringJoiner;

/**
 * Every table of a network namespace that packets of the Internet protocols pass: those of
 * nf_tables, whoever made them, and those of the old iptables. Chains and rules are read once;
 * elements of named sets when a packet asks for them, by their key. Not thread-safe.
 */
final class Firewall {
  /** As many elements are read to find those a key could be that is not wholly known. */
  private record Key(TableId table, String set, Bytes key) {}

  /**
   * A chain at a hook.
   *
   * @param chain it
   * @param tableHandle of its table; later ones are larger
   */
  record Base(Chain chain, long tableHandle) {
    Chain.Hook hook() {
      return chain.hook().orElseThrow();
    }
  }

  private final Nftables nftables;
  private final List<Base> bases = new ArrayList<>();
  private final Set<TableId> read = new HashSet<>();
  private final Map<TableId, Map<String, List<Rule>>> rules = new HashMap<>();
  private final Map<TableId, Map<String, ElementSet>> sets = new HashMap<>();
  private final Map<TableId, RuleTexts> texts = new HashMap<>();
  private final Map<Key, Optional<SetElement>> found = new HashMap<>();
  private final Map<Key, List<SetElement>> dumped = new HashMap<>();
  private final List<LegacyTable> legacy;
  private final List<String> unread = new ArrayList<>();

  private Firewall(Nftables nftables, List<LegacyTable> legacy) {
    this.nftables = nftables;
    this.legacy = List.copyOf(legacy);
  }

  /** Reads the chains; call it on a thread in the namespace of {@code nftables}. */
  static Firewall read(Nftables nftables) {
    Firewall firewall = new Firewall(nftables, LegacyTable.readAll());
    Map<TableId, Table> tables = new HashMap<>();
    nftables.tables().forEach(table -> tables.put(table.id(), table));
    for (Chain chain : nftables.chains()) {
      Table table = tables.get(chain.table());
      if (chain.hook().isEmpty() || table == null || (table.flags() & NFT_TABLE_F_DORMANT) != 0) {
        continue;
      }
      int family = chain.table().family();
      boolean internet = family == NFPROTO_INET || family == NFPROTO_IPV4 || family == NFPROTO_IPV6;
      if (internet && chain.hook().get().number() <= NF_INET_POST_ROUTING) {
        firewall.bases.add(new Base(chain, table.handle()));
      } else if (family == NFPROTO_BRIDGE || family == NFPROTO_NETDEV || internet) {
        firewall.unread.add(
            "the chain "
                + chain.name()
                + " of the table "
                + chain.table()
                + " stands at a device or a bridge and is not looked at");
      }
    }
    // The kernel puts a chain before those of the same priority that were there already.
    firewall.bases.sort(
        Comparator.<Base>comparingInt(base -> base.hook().priority())
            .thenComparing(Comparator.comparingLong(Base::tableHandle).reversed())
            .thenComparing(
                Comparator.<Base>comparingLong(base -> base.chain().handle()).reversed()));
    return firewall;
  }

  /** What is there and was left out, a sentence each. */
  List<String> unread() {
    return List.copyOf(unread);
  }

  /** The chains of a hook that see packets of the family, in order. */
  List<Base> at(int hook, Family family) {
    int own = family == Family.IPV4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
    return bases.stream()
        .filter(base -> base.hook().number() == hook)
        .filter(
            base ->
                base.chain().table().family() == NFPROTO_INET
                    || base.chain().table().family() == own)
        .toList();
  }

  List<LegacyTable> legacy(Family family) {
    return legacy.stream().filter(table -> table.family() == family).toList();
  }

  boolean hasLegacy() {
    return !legacy.isEmpty();
  }

  /** Whether a table of iptables, of whichever make and family, has that chain. */
  boolean hasChain(String table, String chain) {
    return nftables.chains().stream()
            .anyMatch(one -> one.table().name().equals(table) && one.name().equals(chain))
        || legacy.stream()
            .anyMatch(
                one ->
                    one.name().equals(table)
                        && one.entries().values().stream()
                            .anyMatch(entry -> one.chainAt(entry.next()).equals(chain)));
  }

  List<Rule> rules(TableId table, String chain) {
    load(table);
    return rules.getOrDefault(table, Map.of()).getOrDefault(chain, List.of());
  }

  /** The names of the table's chains that have rules. */
  Set<String> chains(TableId table) {
    load(table);
    return rules.getOrDefault(table, Map.of()).keySet();
  }

  Optional<ElementSet> set(TableId table, String name) {
    load(table);
    return Optional.ofNullable(sets.getOrDefault(table, Map.of()).get(name));
  }

  private void load(TableId table) {
    if (!read.add(table)) {
      return;
    }
    Map<String, List<Rule>> ofChain = new HashMap<>();
    for (Rule rule : nftables.rules(table)) {
      ofChain.computeIfAbsent(rule.chain(), chain -> new ArrayList<>()).add(rule);
    }
    rules.put(table, ofChain);
    Map<String, ElementSet> byName = new HashMap<>();
    nftables.sets(table).forEach(set -> byName.put(set.name(), set));
    sets.put(table, byName);
  }

  /** The element a packet with this key finds. */
  Optional<SetElement> element(TableId table, String set, Bytes key) {
    return found.computeIfAbsent(
        new Key(table, set, key), asked -> nftables.element(table, set, key));
  }

  /** All of them. */
  List<SetElement> elements(TableId table, String set) {
    return dumped.computeIfAbsent(
        new Key(table, set, Bytes.EMPTY), asked -> nftables.elements(table, set));
  }

  /** A rule in the words of nft, and of iptables where it is made of its parts. */
  String text(Rule rule) {
    RuleTexts words = texts.computeIfAbsent(rule.table(), table -> RuleTexts.read(nftables, table));
    Optional<String> plain = words.words(rule);
    if (plain.isPresent()) {
      return plain.get();
    }
    List<Expression> rest = new ArrayList<>();
    StringJoiner matches = new StringJoiner(" ");
    StringJoiner targets = new StringJoiner(" ");
    for (Expression expression : rule.expressions()) {
      if (expression instanceof Opaque opaque && XtExtension.isOne(opaque)) {
        XtExtension extension = XtExtension.of(opaque, rule.table().family());
        (extension.isTarget() ? targets : matches).add(extension.text());
      } else {
        rest.add(expression);
      }
    }
    StringJoiner all = new StringJoiner(" ");
    all.setEmptyValue("a rule without words");
    if (matches.length() > 0) {
      all.add(matches.toString());
    }
    Rule plainPart = new Rule(rule.table(), rule.chain(), rest, rule.userdata(), rule.handle(), 0);
    words
        .words(plainPart)
        .ifPresentOrElse(
            all::add,
            () ->
                rest.stream()
                    .filter(one -> !(one instanceof dev.sluice.nftables.expr.Counter))
                    .forEach(one -> all.add("[" + one + "]")));
    if (targets.length() > 0) {
      all.add(targets.toString());
    }
    return all.toString();
  }
}
