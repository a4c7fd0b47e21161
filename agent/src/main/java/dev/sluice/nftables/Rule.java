package dev.sluice.nftables;

import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_CHAIN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_EXPRESSIONS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_HANDLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_POSITION;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_TABLE;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_USERDATA;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Expressions;
import java.util.List;

/**
 * A rule: expressions evaluated from left to right until one does not match or one decides. {@link
 * RuleBuilder} puts them together.
 *
 * @param table the table
 * @param chain the chain
 * @param expressions what it does
 * @param userdata up to 256 bytes; nft keeps a rule's comment there
 * @param handle given by the kernel; 0 before
 * @param position for a new rule, the handle of the rule it goes behind, or before with {@link
 *     Batch#insert}; 0: the end, or the beginning
 */
public record Rule(
    TableId table,
    String chain,
    List<Expression> expressions,
    Bytes userdata,
    long handle,
    long position) {
  public Rule {
    expressions = List.copyOf(expressions);
  }

  public static Rule of(TableId table, String chain, List<Expression> expressions) {
    return new Rule(table, chain, expressions, Bytes.EMPTY, 0, 0);
  }

  /** This rule with nft's comment. */
  public Rule withComment(String text) {
    return new Rule(table, chain, expressions, Userdata.comment(text), handle, position);
  }

  void encode(MessageWriter out) {
    out.attrString(NFTA_RULE_TABLE, table.name()).attrString(NFTA_RULE_CHAIN, chain);
    if (handle != 0) {
      out.attrU64be(NFTA_RULE_HANDLE, handle);
    }
    if (position != 0) {
      out.attrU64be(NFTA_RULE_POSITION, position);
    }
    if (!expressions.isEmpty()) {
      Expressions.writeList(out, NFTA_RULE_EXPRESSIONS, expressions);
    }
    if (userdata.length() > 0) {
      out.attrBytes(NFTA_RULE_USERDATA, userdata.toArray());
    }
  }

  static Rule decode(int family, AttributeCursor in) {
    String table = "";
    String chain = "";
    long handle = 0;
    long position = 0;
    Bytes userdata = Bytes.EMPTY;
    List<Expression> expressions = List.of();
    while (in.next()) {
      switch (in.type()) {
        case NFTA_RULE_TABLE -> table = in.string();
        case NFTA_RULE_CHAIN -> chain = in.string();
        case NFTA_RULE_HANDLE -> handle = in.u64be();
        case NFTA_RULE_POSITION -> position = in.u64be();
        case NFTA_RULE_EXPRESSIONS -> expressions = Expressions.readList(in.nested());
        case NFTA_RULE_USERDATA -> userdata = Bytes.of(in.bytes());
        default -> {}
      }
    }
    return new Rule(new TableId(family, table), chain, expressions, userdata, handle, position);
  }
}
