package dev.sluice.nftables;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.nftables.text.TableListing;
import dev.sluice.testing.Golden;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Tables out of the kernel's answers to {@code nft list}, or out of what {@code nft -f} sent. */
public final class GoldenTables {
  private static final int NFGENMSG_BYTES = 4;

  private GoldenTables() {}

  /** The table that the kernel described. */
  public static TableListing received(Golden golden) {
    return listing(golden.receivedMessages());
  }

  /** The table that nft described; what it did not is a table {@code inet t}. */
  public static TableListing sent(Golden golden) {
    return listing(golden.sentMessages());
  }

  private static TableListing listing(List<byte[]> messages) {
    Table table = Table.of(TableId.inet("t"));
    List<ElementSet> sets = new ArrayList<>();
    Map<String, List<SetElement>> elements = new LinkedHashMap<>();
    List<Chain> chains = new ArrayList<>();
    List<Rule> rules = new ArrayList<>();
    for (byte[] bytes : WireText.ofNfTables(messages)) {
      ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
      MessageCursor message = new MessageCursor(buffer, 0, bytes.length);
      message.next();
      int family = message.headerU8(0);
      AttributeCursor in = message.attributes(NFGENMSG_BYTES);
      switch (WireText.operation(bytes)) {
        case NFT_MSG_NEWTABLE -> table = Table.decode(family, in);
        case NFT_MSG_NEWSET -> sets.add(ElementSet.decode(family, in));
        case NFT_MSG_NEWCHAIN -> chains.add(Chain.decode(family, in));
        case NFT_MSG_NEWRULE -> rules.add(Rule.decode(family, in));
        case NFT_MSG_NEWSETELEM ->
            elements
                .computeIfAbsent(
                    WireText.string(bytes, NFTA_SET_ELEM_LIST_SET), set -> new ArrayList<>())
                .addAll(elements(in));
        default -> {}
      }
    }
    return new TableListing(table, sets, elements, chains, rules);
  }

  private static List<SetElement> elements(AttributeCursor in) {
    List<SetElement> elements = new ArrayList<>();
    while (in.next()) {
      if (in.type() == NFTA_SET_ELEM_LIST_ELEMENTS) {
        AttributeCursor list = in.nested();
        while (list.next()) {
          elements.add(SetElement.decode(list.nested()));
        }
      }
    }
    return elements;
  }
}
