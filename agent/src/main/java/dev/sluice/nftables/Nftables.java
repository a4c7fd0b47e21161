package dev.sluice.nftables;

import static dev.sluice.netlink.LinuxNetlink.NETLINK_NETFILTER;
import static dev.sluice.netlink.LinuxNetlink.NFNL_SUBSYS_NFTABLES;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;
import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.ffi.Errno;
import dev.sluice.net.Bytes;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.DumpInterruptedException;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageHandler;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.netlink.NetlinkClient;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetlinkTransport;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.uapi.NftSchema;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * The nf_tables of one network namespace.
 *
 * <pre>{@code
 * TableId table = TableId.inet("example");
 * SetType service = SetType.of(INET_PROTO, INET_SERVICE);
 * try (Nftables nftables = Nftables.open()) {
 *   Batch batch = new Batch()
 *       .add(Table.of(table))
 *       .add(ElementSet.set(table, "closed", service))
 *       .add(Chain.base(table, "input", Hook.filter(NF_INET_LOCAL_IN, 0)))
 *       .add(RuleBuilder.in(table, "input").inSet("closed", L4PROTO, TH_DPORT).counter().drop())
 *       .createElements(table, "closed", List.of(SetElement.of(Key.of().u8(6).u16(23).bytes())));
 *   nftables.commit(batch, "close telnet");
 *   nftables.rules(table).forEach(System.out::println);
 * }
 * }</pre>
 *
 * <p>Methods throw {@link NetlinkException} with the kernel's words and the path of the offending
 * attribute. Thread-safe.
 */
public final class Nftables implements AutoCloseable {
  /** sizeof(struct nfgenmsg). */
  private static final int HEADER_BYTES = 4;

  private static final int CONSISTENT_ATTEMPTS = 10;

  private final NetlinkClient client;

  private Nftables(NetlinkTransport socket) {
    this.client = new NetlinkClient(socket, NftSchema.INSTANCE);
  }

  /** The nf_tables of the calling thread's network namespace. */
  public static Nftables open() {
    return new Nftables(NetlinkSocket.open(NETLINK_NETFILTER));
  }

  /**
   * The nf_tables of the namespace a NETLINK_NETFILTER socket belongs to.
   *
   * @param socket closed together with the new object
   */
  public static Nftables over(NetlinkTransport socket) {
    return new Nftables(socket);
  }

  public static Nftables open(NetworkNamespace namespace) {
    return new Nftables(NetlinkSocket.open(NETLINK_NETFILTER, namespace));
  }

  /** The netlink port of this client, by which the kernel names the owner of a table. */
  public int portId() {
    return client.portId();
  }

  /**
   * Carries out a batch: wholly, or not at all.
   *
   * @param batch not empty; call {@link Batch#reset} before its next use
   * @param operation what it does, as it reads after "cannot"
   * @throws NetlinkException nothing was changed
   * @throws dev.sluice.netlink.OutcomeUnknownException the answer was lost; read back
   */
  public void commit(Batch batch, String operation) {
    client.transact(batch.finish(), operation);
  }

  /** The ruleset's generation: it grows with every transaction of anybody in this namespace. */
  public int generation() {
    int[] generation = new int[1];
    client.execute(
        request(NFT_MSG_GETGEN, NFPROTO_UNSPEC).end(),
        "read the ruleset's generation",
        message -> {
          AttributeCursor in = message.attributes(HEADER_BYTES);
          while (in.next()) {
            if (in.type() == NFTA_GEN_ID) {
              generation[0] = in.u32be();
            }
          }
        });
    return generation[0];
  }

  /**
   * Runs {@code read} until the ruleset did not change meanwhile. The kernel does not flag a dump
   * of elements that was torn by a transaction, so several dumps, or one of a set that others
   * change, belong in here.
   *
   * @throws DumpInterruptedException if it changed during each of ten attempts
   */
  public <T> T consistently(String operation, Supplier<T> read) {
    for (int i = 0; i < CONSISTENT_ATTEMPTS; i++) {
      int before = generation();
      T result = read.get();
      if (generation() == before) {
        return result;
      }
    }
    throw new DumpInterruptedException(operation, CONSISTENT_ATTEMPTS);
  }

  public Optional<Table> table(TableId id) {
    MessageWriter request = request(NFT_MSG_GETTABLE, id.family());
    request.attrString(NFTA_TABLE_NAME, id.name());
    List<Table> found = new ArrayList<>(1);
    try {
      client.execute(
          request.end(),
          "read the table " + id,
          message ->
              found.add(Table.decode(message.headerU8(0), message.attributes(HEADER_BYTES))));
    } catch (NetlinkException e) {
      if (e.errno() == Errno.ENOENT) {
        return Optional.empty();
      }
      throw e;
    }
    return found.stream().findFirst();
  }

  /** Every table of the namespace. */
  public List<Table> tables() {
    return dump(request(NFT_MSG_GETTABLE, NFPROTO_UNSPEC).end(), "list the tables", Table::decode);
  }

  /** Every chain of the namespace. */
  public List<Chain> chains() {
    return dump(request(NFT_MSG_GETCHAIN, NFPROTO_UNSPEC).end(), "list the chains", Chain::decode);
  }

  /** The chains of one table. */
  public List<Chain> chains(TableId table) {
    // The kernel takes no table here before 6.x; chains are few, so they are filtered on this side.
    return dump(
            request(NFT_MSG_GETCHAIN, table.family()).end(),
            "list the chains of " + table,
            Chain::decode)
        .stream()
        .filter(chain -> chain.table().equals(table))
        .toList();
  }

  /** The rules of one table, chain by chain, in the order they are evaluated. */
  public List<Rule> rules(TableId table) {
    MessageWriter request = request(NFT_MSG_GETRULE, table.family());
    request.attrString(NFTA_RULE_TABLE, table.name());
    return dump(request.end(), "list the rules of " + table, Rule::decode);
  }

  /** The sets and maps of one table, the anonymous ones included. */
  public List<ElementSet> sets(TableId table) {
    MessageWriter request = request(NFT_MSG_GETSET, table.family());
    request.attrString(NFTA_SET_TABLE, table.name());
    return dump(request.end(), "list the sets of " + table, ElementSet::decode);
  }

  /** Hands every element of a set to {@code consumer}, in no particular order. */
  public void forEachElement(TableId table, String set, Consumer<SetElement> consumer) {
    List<SetElement> elements = elements(table, set);
    elements.forEach(consumer);
  }

  /**
   * Every element of a set.
   *
   * <p>The kernel enlarges the hash table of a set behind a large transaction, and a dump that is
   * under way then begins anew in the larger table while it goes on counting: it misses elements,
   * repeats others, and is not flagged (nft_rhash_walk). So a dump of a hash is believed when it
   * has as many different keys as the kernel counts in the set (Linux 6.16), or, where the kernel
   * does not tell, the same ones as the dump before it.
   *
   * @throws DumpInterruptedException if none of ten dumps could be believed
   */
  public List<SetElement> elements(TableId table, String set) {
    String operation = "list the elements of " + table + " " + set;
    Set<Bytes> before = null;
    for (int i = 0; i < CONSISTENT_ATTEMPTS; i++) {
      Extent extent = extent(table, set, operation);
      List<SetElement> elements = dumpElements(table, set, operation);
      if (!extent.isHashOfTransactions()) {
        return elements;
      }
      Set<Bytes> keys = new HashSet<>(2 * elements.size());
      elements.forEach(element -> keys.add(element.key()));
      boolean eachOnce = keys.size() == elements.size();
      if (eachOnce && extent.count().equals(OptionalInt.of(keys.size()))) {
        return elements;
      }
      if (eachOnce && keys.equals(before)) {
        return elements;
      }
      before = keys;
    }
    throw new DumpInterruptedException(operation, CONSISTENT_ATTEMPTS);
  }

  /**
   * The element that a packet with this key would find: in a set of intervals the one that contains
   * it, else the one that stands for everything (nft's {@code *}), if there is one.
   *
   * @param key as long as the set's keys
   */
  public Optional<SetElement> element(TableId table, String set, Bytes key) {
    Optional<SetElement> found = element(table, set, key, 0);
    return found.isPresent() ? found : element(table, set, key, NFT_SET_ELEM_CATCHALL);
  }

  private Optional<SetElement> element(TableId table, String set, Bytes key, int flags) {
    MessageWriter request = request(NFT_MSG_GETSETELEM, table.family());
    request
        .attrString(NFTA_SET_ELEM_LIST_TABLE, table.name())
        .attrString(NFTA_SET_ELEM_LIST_SET, set)
        .beginNest(NFTA_SET_ELEM_LIST_ELEMENTS)
        .beginNest(NFTA_LIST_ELEM);
    if (flags != 0) {
      request.attrU32be(NFTA_SET_ELEM_FLAGS, flags);
    } else {
      request.beginNest(NFTA_SET_ELEM_KEY).attrBytes(NFTA_DATA_VALUE, key.toArray()).endNest();
    }
    request.endNest().endNest();
    ElementCollector found = new ElementCollector();
    try {
      client.execute(request.end(), "look up an element of " + table + " " + set, found);
    } catch (NetlinkException e) {
      if (e.errno() == Errno.ENOENT) {
        return Optional.empty();
      }
      throw e;
    }
    return found.elements.stream().findFirst();
  }

  /** One dump, whole or not. */
  List<SetElement> dumpElements(TableId table, String set, String operation) {
    MessageWriter request = request(NFT_MSG_GETSETELEM, table.family());
    request
        .attrString(NFTA_SET_ELEM_LIST_TABLE, table.name())
        .attrString(NFTA_SET_ELEM_LIST_SET, set);
    return client.dump(request.end(), operation, ElementCollector::new).elements;
  }

  /**
   * What tells whether a dump is whole.
   *
   * @param flags NFT_SET_*
   * @param count elements in the set now; empty where the kernel does not tell
   */
  private record Extent(int flags, OptionalInt count) {
    /** Whether it is a hash table that only transactions change: neither packets nor time. */
    boolean isHashOfTransactions() {
      return (flags & (NFT_SET_INTERVAL | NFT_SET_EVAL | NFT_SET_TIMEOUT)) == 0;
    }
  }

  private Extent extent(TableId table, String set, String operation) {
    MessageWriter request = request(NFT_MSG_GETSET, table.family());
    request.attrString(NFTA_SET_TABLE, table.name()).attrString(NFTA_SET_NAME, set);
    List<Extent> found = new ArrayList<>(1);
    client.execute(
        request.end(),
        operation,
        message -> {
          AttributeCursor in = message.attributes(HEADER_BYTES);
          int flags = 0;
          OptionalInt count = OptionalInt.empty();
          while (in.next()) {
            switch (in.type()) {
              case NFTA_SET_FLAGS -> flags = in.u32be();
              case NFTA_SET_COUNT -> count = OptionalInt.of(in.u32be());
              default -> {}
            }
          }
          found.add(new Extent(flags, count));
        });
    return found.get(0);
  }

  @Override
  public void close() {
    client.close();
  }

  private <T> List<T> dump(
      MessageWriter request, String operation, BiFunction<Integer, AttributeCursor, T> decode) {
    return client.dump(request, operation, () -> new ObjectCollector<>(decode)).objects;
  }

  /** Begins a request; the caller ends it, behind the attributes it adds. */
  private static MessageWriter request(int message, int family) {
    return new MessageWriter(512)
        .begin(NFNL_SUBSYS_NFTABLES << 8 | message, NLM_F_REQUEST, 0)
        .u8(family)
        .u8(0)
        .u16be(0);
  }

  private static final class ObjectCollector<T> implements MessageHandler {
    private final BiFunction<Integer, AttributeCursor, T> decode;
    private final List<T> objects = new ArrayList<>();

    ObjectCollector(BiFunction<Integer, AttributeCursor, T> decode) {
      this.decode = decode;
    }

    @Override
    public void onMessage(MessageCursor message) {
      objects.add(decode.apply(message.headerU8(0), message.attributes(HEADER_BYTES)));
    }
  }

  private static final class ElementCollector implements MessageHandler {
    private final List<SetElement> elements = new ArrayList<>();

    @Override
    public void onMessage(MessageCursor message) {
      AttributeCursor in = message.attributes(HEADER_BYTES);
      while (in.next()) {
        if (in.type() == NFTA_SET_ELEM_LIST_ELEMENTS) {
          AttributeCursor list = in.nested();
          while (list.next()) {
            elements.add(SetElement.decode(list.nested()));
          }
        }
      }
    }
  }
}
