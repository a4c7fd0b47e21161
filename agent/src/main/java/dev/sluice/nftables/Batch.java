package dev.sluice.nftables;

import static dev.sluice.netlink.LinuxNetlink.NFNL_BATCH_GENID;
import static dev.sluice.netlink.LinuxNetlink.NFNL_MSG_BATCH_BEGIN;
import static dev.sluice.netlink.LinuxNetlink.NFNL_MSG_BATCH_END;
import static dev.sluice.netlink.LinuxNetlink.NFNL_SUBSYS_NFTABLES;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_ACK;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_APPEND;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_CREATE;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_EXCL;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;
import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * One transaction: everything in it takes effect at once, or nothing does. Operations are written
 * in the order of the calls, straight into the memory that is sent; {@link Nftables#commit} sends
 * it.
 *
 * <p>"add" is content with what exists already (NLM_F_CREATE), "create" is not (NLM_F_EXCL:
 * EEXIST).
 *
 * <p>Not thread-safe; {@link #reset} makes it ready for the next transaction without new memory.
 */
public final class Batch {
  /**
   * An element list is one nested attribute, and those end at 64 KiB; this leaves room for one more
   * element.
   */
  private static final int ELEMENT_LIST_BYTES = 60_000;

  private final MessageWriter out;
  private int lastOperation = -1;
  private int nextSetId = 1;

  public Batch() {
    this(8192);
  }

  /** A batch with room for {@code initialCapacityBytes}; it grows when it must. */
  public Batch(int initialCapacityBytes) {
    out = new MessageWriter(initialCapacityBytes);
    begin();
  }

  /** Empties the batch. */
  public Batch reset() {
    out.reset();
    lastOperation = -1;
    nextSetId = 1;
    return begin();
  }

  /**
   * Empties the batch; it will only be carried out if the ruleset's generation is still {@code
   * generation}.
   */
  public Batch reset(int generation) {
    reset();
    out.reset();
    header(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
    out.attrU32be(NFNL_BATCH_GENID, generation).end();
    return this;
  }

  public boolean isEmpty() {
    return lastOperation < 0;
  }

  /** An id for {@link ElementSet#withTransactionId}, unique within this batch. */
  public int newSetId() {
    return nextSetId++;
  }

  // ---- tables

  /** Creates the table, or with the owner flag adopts one that nobody owns any more. */
  public Batch add(Table table) {
    return table(table, NLM_F_CREATE);
  }

  /** Creates the table; EEXIST if there is one. */
  public Batch create(Table table) {
    return table(table, NLM_F_CREATE | NLM_F_EXCL);
  }

  private Batch table(Table table, int flags) {
    operation(NFT_MSG_NEWTABLE, flags, table.id().family());
    table.encode(out);
    return end();
  }

  /** Deletes the table and all that is in it; ENOENT if there is none. */
  public Batch delete(TableId table) {
    operation(NFT_MSG_DELTABLE, 0, table.family());
    out.attrString(NFTA_TABLE_NAME, table.name());
    return end();
  }

  // ---- chains

  public Batch add(Chain chain) {
    operation(NFT_MSG_NEWCHAIN, NLM_F_CREATE, chain.table().family());
    chain.encode(out);
    return end();
  }

  /** Deletes an empty chain that nothing jumps to. */
  public Batch deleteChain(TableId table, String chain) {
    operation(NFT_MSG_DELCHAIN, 0, table.family());
    out.attrString(NFTA_CHAIN_TABLE, table.name()).attrString(NFTA_CHAIN_NAME, chain);
    return end();
  }

  // ---- rules

  /** Adds the rule at the end of its chain, or behind the rule {@link Rule#position} names. */
  public Batch add(Rule rule) {
    return rule(rule, NLM_F_CREATE | NLM_F_APPEND);
  }

  /**
   * Adds the rule at the beginning of its chain, or before the rule {@link Rule#position} names.
   */
  public Batch insert(Rule rule) {
    return rule(rule, NLM_F_CREATE);
  }

  private Batch rule(Rule rule, int flags) {
    operation(NFT_MSG_NEWRULE, flags, rule.table().family());
    rule.encode(out);
    return end();
  }

  public Batch deleteRule(TableId table, String chain, long handle) {
    operation(NFT_MSG_DELRULE, 0, table.family());
    out.attrString(NFTA_RULE_TABLE, table.name())
        .attrString(NFTA_RULE_CHAIN, chain)
        .attrU64be(NFTA_RULE_HANDLE, handle);
    return end();
  }

  /** Deletes all rules of the chain. */
  public Batch flushChain(TableId table, String chain) {
    operation(NFT_MSG_DELRULE, 0, table.family());
    out.attrString(NFTA_RULE_TABLE, table.name()).attrString(NFTA_RULE_CHAIN, chain);
    return end();
  }

  // ---- sets

  public Batch add(ElementSet set) {
    operation(NFT_MSG_NEWSET, NLM_F_CREATE, set.table().family());
    set.encode(out);
    return end();
  }

  public Batch deleteSet(TableId table, String set) {
    operation(NFT_MSG_DELSET, 0, table.family());
    out.attrString(NFTA_SET_TABLE, table.name()).attrString(NFTA_SET_NAME, set);
    return end();
  }

  // ---- elements

  /** Adds elements; one that exists with the same data is left alone. */
  public Batch addElements(TableId table, String set, List<SetElement> elements) {
    return elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, set, 0, elements);
  }

  /** Adds elements; EEXIST if one of the keys is taken. */
  public Batch createElements(TableId table, String set, List<SetElement> elements) {
    return elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, table, set, 0, elements);
  }

  /** Adds elements to a set that this batch creates, which may be anonymous. */
  public Batch addElements(ElementSet set, List<SetElement> elements) {
    return elements(
        NFT_MSG_NEWSETELEM, NLM_F_CREATE, set.table(), set.name(), set.transactionId(), elements);
  }

  /** Deletes elements by their keys; ENOENT if one does not exist. */
  public Batch deleteElements(TableId table, String set, List<SetElement> elements) {
    return elements(NFT_MSG_DELSETELEM, 0, table, set, 0, elements);
  }

  /** Deletes all elements of the set. */
  public Batch flushSet(TableId table, String set) {
    operation(NFT_MSG_DELSETELEM, 0, table.family());
    out.attrString(NFTA_SET_ELEM_LIST_SET, set).attrString(NFTA_SET_ELEM_LIST_TABLE, table.name());
    return end();
  }

  private Batch elements(
      int type, int flags, TableId table, String set, int setId, List<SetElement> elements) {
    int index = 0;
    while (index < elements.size()) {
      operation(type, flags, table.family());
      out.attrString(NFTA_SET_ELEM_LIST_TABLE, table.name())
          .attrString(NFTA_SET_ELEM_LIST_SET, set);
      if (setId != 0) {
        out.attrU32be(NFTA_SET_ELEM_LIST_SET_ID, setId);
      }
      out.beginNest(NFTA_SET_ELEM_LIST_ELEMENTS);
      // libnftnl numbers the list's members; the kernel does not look at the number.
      for (int number = 1;
          index < elements.size() && out.nestLength() < ELEMENT_LIST_BYTES;
          number++) {
        out.beginNest(number);
        elements.get(index++).encode(out);
        out.endNest();
      }
      out.endNest();
      end();
    }
    return this;
  }

  // ---- operations, of this batch and of others

  /** The operations written so far, in their order. */
  public List<Operation> operations() {
    List<Operation> operations = new ArrayList<>();
    MessageCursor message = new MessageCursor(out.bytes(), 0, out.length());
    while (message.next()) {
      if (message.subsystem() == NFNL_SUBSYS_NFTABLES) {
        byte[] bytes = new byte[message.length()];
        message.buffer().get(message.offset(), bytes);
        operations.add(new Operation(Monitor.decode(message), Bytes.of(bytes)));
      }
    }
    return operations;
  }

  /**
   * Adds an operation of another batch as it was written there. Ids of sets are those of the other
   * batch, and must not mean anything else in this one.
   */
  public Batch add(Operation operation) {
    byte[] bytes = operation.message().toArray();
    ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
    MessageCursor message = new MessageCursor(header, 0, bytes.length);
    message.next();
    lastOperation = out.length();
    // Which one asks for the ACK is this batch's own choice.
    out.begin(message.type(), message.flags() & ~NLM_F_ACK, out.messages());
    for (int i = message.payloadOffset(); i < bytes.length; i++) {
      out.u8(bytes[i]);
    }
    return end();
  }

  // ---- framing

  private Batch begin() {
    header(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
    out.end();
    return this;
  }

  private void operation(int message, int flags, int family) {
    lastOperation = out.length();
    header(NFNL_SUBSYS_NFTABLES << 8 | message, NLM_F_REQUEST | flags, family, 0);
  }

  private Batch end() {
    out.end();
    return this;
  }

  /** struct nlmsghdr, then struct nfgenmsg: family, version, resource id in network byte order. */
  private void header(int type, int flags, int family, int resourceId) {
    out.begin(type, flags, out.messages()).u8(family).u8(0).u16be(resourceId);
  }

  /**
   * Closes the batch for sending. Only the last operation asks for an ACK: thousands of ACKs would
   * overrun the receive buffer, and one on the batch's end is not answered by older kernels.
   */
  MessageWriter finish() {
    out.addFlags(lastOperation, NLM_F_ACK);
    header(NFNL_MSG_BATCH_END, NLM_F_REQUEST, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
    return out.end();
  }

  /** The messages written so far, for tests and debugging. */
  MessageWriter messages() {
    return out;
  }
}
