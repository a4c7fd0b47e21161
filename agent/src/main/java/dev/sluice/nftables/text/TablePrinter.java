package dev.sluice.nftables.text;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.nftables.Chain;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.Rule;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.Userdata;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Prints a table as {@code nft list table} would, with these differences:
 *
 * <ul>
 *   <li>elements stand in the order of their keys, one a line;
 *   <li>the flags owner and persist are a comment: a table that the process of {@code nft -f} owned
 *       would end with it, and nft before 1.1 does not know persist;
 *   <li>what has no words is a comment, {@code # … cannot be written in nft's language: …}, where
 *       nft would print something else or nothing.
 * </ul>
 *
 * <p>Not read back from the kernel, and so not printed: a set's garbage collection interval and
 * memory policy, comments of chains, devices of a chain's hook.
 */
public final class TablePrinter {
  private static final int PRIORITY_RAW = -300;
  private static final int PRIORITY_MANGLE = -150;
  private static final int PRIORITY_DSTNAT = -100;
  private static final int PRIORITY_FILTER = 0;
  private static final int PRIORITY_SECURITY = 50;
  private static final int PRIORITY_SRCNAT = 100;

  /** As far from a name as nft still writes {@code name + 10}. */
  private static final int PRIORITY_REACH = 10;

  private static final Map<String, Integer> PRIORITIES = new LinkedHashMap<>();

  static {
    PRIORITIES.put("raw", PRIORITY_RAW);
    PRIORITIES.put("mangle", PRIORITY_MANGLE);
    PRIORITIES.put("dstnat", PRIORITY_DSTNAT);
    PRIORITIES.put("filter", PRIORITY_FILTER);
    PRIORITIES.put("security", PRIORITY_SECURITY);
    PRIORITIES.put("srcnat", PRIORITY_SRCNAT);
  }

  private static final List<String> HOOKS =
      List.of("prerouting", "input", "forward", "output", "postrouting");

  private final TableListing listing;
  private final Appendable out;
  private final Map<String, SetText> sets = new HashMap<>();
  private boolean first = true;

  private TablePrinter(TableListing listing, Appendable out) {
    this.listing = listing;
    this.out = out;
  }

  /**
   * Prints a table. Memory is needed for one element or rule at a time, beside the listing itself.
   *
   * @throws IOException if {@code out} throws it
   */
  public static void print(TableListing listing, Appendable out) throws IOException {
    new TablePrinter(listing, out).print();
  }

  /** The comment in place of something that has no words. */
  static String remark(String what) {
    return "# " + cannot(what);
  }

  private static String cannot(String what) {
    int colon = what.indexOf(": ");
    return Words.line(
        colon < 0
            ? "this cannot be written in nft's language: " + what
            : what.substring(0, colon)
                + " cannot be written in nft's language"
                + what.substring(colon));
  }

  private void print() throws IOException {
    Table table = listing.table();
    String name;
    try {
      Words.identifier(table.id().name());
      name = table.id().toString();
    } catch (InexpressibleException e) {
      out.append(remark("the table: " + e.what())).append('\n');
      return;
    }
    List<String> flags = flags(table.flags());
    if (!flags.isEmpty()) {
      out.append("# in force, and not set by loading this: flags ")
          .append(String.join(",", flags))
          .append('\n');
    }
    out.append("table ").append(name).append(" {\n");
    if ((table.flags() & NFT_TABLE_F_DORMANT) != 0) {
      out.append("\tflags dormant\n");
    }
    Optional<String> comment = Userdata.findComment(table.userdata());
    if (comment.isPresent()) {
      try {
        out.append("\tcomment ").append(Words.quoted(comment.get())).append('\n');
      } catch (InexpressibleException e) {
        out.append('\t').append(remark("the comment: " + e.what())).append('\n');
      }
    }
    for (ElementSet set : listing.sets()) {
      print(set);
    }
    Map<String, List<Rule>> rules = new HashMap<>();
    listing
        .rules()
        .forEach(rule -> rules.computeIfAbsent(rule.chain(), c -> new ArrayList<>()).add(rule));
    for (Chain chain : listing.chains()) {
      print(chain, rules.getOrDefault(chain.name(), List.of()));
    }
    out.append("}\n");
  }

  private static List<String> flags(int flags) {
    List<String> names = new ArrayList<>();
    if ((flags & NFT_TABLE_F_OWNER) != 0) {
      names.add("owner");
    }
    if ((flags & NFT_TABLE_F_PERSIST) != 0) {
      names.add("persist");
    }
    return names;
  }

  private void print(ElementSet set) throws IOException {
    try {
      SetText text = SetText.of(set);
      if (!set.isAnonymous()) {
        String declaration = text.declaration();
        separate();
        out.append(declaration);
        text.writeElements(out, listing.elements().getOrDefault(set.name(), List.of()));
        out.append("\t}\n");
      }
      sets.put(set.name(), text);
    } catch (InexpressibleException e) {
      // An anonymous one is part of a rule, which says it when its turn comes.
      if (!set.isAnonymous()) {
        separate();
        String what = (set.isMap() ? "map " : "set ") + set.name().replace(": ", ":");
        out.append('\t').append(remark(what + ": " + e.what())).append('\n');
      }
    }
  }

  private void separate() throws IOException {
    out.append(first ? "" : "\n");
    first = false;
  }

  private void print(Chain chain, List<Rule> rules) throws IOException {
    separate();
    try {
      out.append("\tchain ").append(Words.identifier(chain.name())).append(" {\n");
    } catch (InexpressibleException e) {
      out.append('\t').append(remark("a chain: " + e.what())).append('\n');
      return;
    }
    if (chain.hook().isPresent()) {
      out.append("\t\t").append(hook(chain.table(), chain.hook().get())).append('\n');
    }
    for (Rule rule : rules) {
      out.append("\t\t").append(text(rule)).append('\n');
    }
    out.append("\t}\n");
  }

  private static String hook(TableId table, Chain.Hook hook) {
    boolean known =
        (table.family() == NFPROTO_INET
                || table.family() == NFPROTO_IPV4
                || table.family() == NFPROTO_IPV6)
            && hook.number() >= 0
            && hook.number() < HOOKS.size();
    if (!known) {
      return remark("its hook: " + hook);
    }
    return "type "
        + hook.type()
        + " hook "
        + HOOKS.get(hook.number())
        + " priority "
        + priority(hook.priority(), hook.number())
        + "; policy "
        + (hook.policy() == NF_DROP ? "drop" : "accept")
        + ";";
  }

  private static String priority(int priority, int hook) {
    for (Map.Entry<String, Integer> named : PRIORITIES.entrySet()) {
      int standard = named.getValue();
      boolean usable =
          switch (standard) {
            case PRIORITY_DSTNAT -> hook == NF_INET_PRE_ROUTING;
            case PRIORITY_SRCNAT -> hook == NF_INET_POST_ROUTING;
            default -> true;
          };
      int offset = priority - standard;
      if (usable && Math.abs(offset) <= PRIORITY_REACH) {
        return named.getKey()
            + (offset == 0 ? "" : (offset < 0 ? " - " : " + ") + Math.abs(offset));
      }
    }
    return String.valueOf(priority);
  }

  private String text(Rule rule) {
    try {
      String text = RuleText.of(rule, sets, listing.elements());
      Optional<String> comment = Userdata.findComment(rule.userdata());
      return comment.isPresent() ? text + " comment " + Words.quoted(comment.get()) : text;
    } catch (InexpressibleException e) {
      return remark("rule " + rule.handle() + ": " + e.what());
    }
  }
}
