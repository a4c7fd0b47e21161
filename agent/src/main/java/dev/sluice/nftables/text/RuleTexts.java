package dev.sluice.nftables.text;

import dev.sluice.net.Bytes;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.Rule;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.Userdata;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Opaque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** The rules of one table, each in nft's words: what a handle stands for. */
public final class RuleTexts {
  private final Map<Long, Rule> rules = new HashMap<>();
  private final Map<String, SetText> sets = new HashMap<>();
  private final Map<String, List<SetElement>> anonymous;

  private RuleTexts(List<Rule> all, List<ElementSet> sets, Map<String, List<SetElement>> elements) {
    all.forEach(rule -> rules.put(rule.handle(), rule));
    anonymous = elements;
    sets.forEach(set -> text(set).ifPresent(text -> this.sets.put(set.name(), text)));
  }

  /** Empty if it has no words: a rule that uses it says so, in its own text. */
  private static Optional<SetText> text(ElementSet set) {
    try {
      return Optional.of(SetText.of(set));
    } catch (InexpressibleException e) {
      return Optional.empty();
    }
  }

  /**
   * Reads the rules of a table and what stands inside them; named sets are not read, however large
   * they are. A table that is gone has none.
   *
   * @throws dev.sluice.netlink.NetlinkException if the kernel refuses
   */
  public static RuleTexts read(Nftables nftables, TableId table) {
    if (nftables.table(table).isEmpty()) {
      return new RuleTexts(List.of(), List.of(), Map.of());
    }
    List<ElementSet> sets = nftables.sets(table);
    Map<String, List<SetElement>> elements = new HashMap<>();
    for (ElementSet set : sets) {
      if (set.isAnonymous()) {
        elements.put(set.name(), nftables.elements(table, set.name()));
      }
    }
    return new RuleTexts(nftables.rules(table), sets, elements);
  }

  /** The rule with this handle; empty if there is none. */
  public Optional<String> of(long handle) {
    return Optional.ofNullable(rules.get(handle)).map(this::of);
  }

  /**
   * A rule of the table, with its comment. One that has no words, such as those that iptables-nft
   * makes, is told by its expressions, in brackets.
   */
  public String of(Rule rule) {
    String text;
    try {
      text = RuleText.of(rule, sets, anonymous);
    } catch (InexpressibleException e) {
      text =
          rule.expressions().stream()
              .map(expression -> "[ " + bare(expression) + " ]")
              .collect(Collectors.joining(" "));
    }
    Optional<String> comment = Userdata.findComment(rule.userdata());
    return Words.line(comment.isPresent() ? text + " comment \"" + comment.get() + '"' : text);
  }

  /** The same without counters; empty for a rule that has no words. */
  public Optional<String> words(Rule rule) {
    List<Expression> uncounted =
        rule.expressions().stream().filter(one -> !(one instanceof Counter)).toList();
    try {
      String text = RuleText.of(Rule.of(rule.table(), rule.chain(), uncounted), sets, anonymous);
      Optional<String> comment = Userdata.findComment(rule.userdata());
      return Optional.of(
          Words.line(comment.isPresent() ? text + " comment \"" + comment.get() + '"' : text));
    } catch (InexpressibleException e) {
      return Optional.empty();
    }
  }

  /** An expression we do not know, by its name; what iptables-nft uses, by its extension's name. */
  private static String bare(Expression expression) {
    if (!(expression instanceof Opaque unknown)) {
      return expression.toString();
    }
    boolean extension = unknown.name().equals("match") || unknown.name().equals("target");
    return extension
        ? "xt " + unknown.name() + extensionName(unknown.rawAttributes())
        : unknown.name();
  }

  /**
   * The value of NFTA_MATCH_NAME or NFTA_TARGET_NAME (linux/netfilter/nf_tables_compat.h), which
   * the kernel writes first: a header of 4 bytes, then text that ends with NUL.
   */
  private static String extensionName(Bytes attributes) {
    StringBuilder name = new StringBuilder(" \"");
    for (int i = 4; i < attributes.length() && attributes.u8(i) != 0; i++) {
      name.append((char) attributes.u8(i));
    }
    return name.append('"').toString();
  }
}
