package dev.sluice.nftables.expr;

import static dev.sluice.netlink.LinuxNetlink.NFNL_SUBSYS_NFTABLES;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFTA_RULE_EXPRESSIONS;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_MSG_NEWRULE;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.testing.Golden;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** The expressions of golden rules, as bytes. */
final class GoldenExpressions {
  private static final int NFGENMSG_BYTES = 4;

  private GoldenExpressions() {}

  /** Each expression of the rule that nft sent: what lies inside its NFTA_LIST_ELEM. */
  static List<Bytes> sent(Golden golden) {
    List<List<Bytes>> rules = rules(golden.sentMessages());
    if (rules.size() != 1) {
      throw new AssertionError(golden + " has " + rules.size() + " rules instead of one");
    }
    return rules.get(0);
  }

  /** The same of every NFT_MSG_NEWRULE among the messages. */
  static List<List<Bytes>> rules(List<byte[]> messages) {
    List<List<Bytes>> rules = new ArrayList<>();
    for (byte[] message : messages) {
      MessageCursor cursor = new MessageCursor(buffer(message), 0, message.length);
      cursor.next();
      if (cursor.type() == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE)) {
        rules.add(expressions(cursor.attributes(NFGENMSG_BYTES)));
      }
    }
    return rules;
  }

  private static List<Bytes> expressions(AttributeCursor rule) {
    List<Bytes> expressions = new ArrayList<>();
    while (rule.next()) {
      if (rule.type() == NFTA_RULE_EXPRESSIONS) {
        AttributeCursor list = rule.nested();
        while (list.next()) {
          expressions.add(Bytes.of(list.bytes()));
        }
      }
    }
    return expressions;
  }

  /** Decodes what lies inside an NFTA_LIST_ELEM. */
  static Expression decode(Bytes inside) {
    return decode(inside.toArray());
  }

  static Expression decode(byte[] inside) {
    return Expressions.read(AttributeCursor.over(buffer(inside), 0, inside.length));
  }

  /** What lies inside the NFTA_LIST_ELEM of the expression. */
  static Bytes encode(Expression expression) {
    MessageWriter out = new MessageWriter();
    Expressions.write(out, 1, expression);
    Bytes nest = Bytes.of(out.toByteArray());
    return nest.slice(4, nest.length() - 4);
  }

  /** What nft --debug=netlink says of the rule's expressions. */
  static List<String> asNftWritesThem(Golden golden) {
    String debug = "debug:";
    return golden.header().stream()
        .filter(line -> line.startsWith(debug))
        .map(line -> line.substring(debug.length()).strip())
        .toList();
  }

  private static ByteBuffer buffer(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
  }
}
