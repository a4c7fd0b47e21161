package dev.sluice.nftables;

import static dev.sluice.nftables.DataType.IFNAME;
import static dev.sluice.nftables.DataType.INET_PROTO;
import static dev.sluice.nftables.DataType.INET_SERVICE;
import static dev.sluice.nftables.DataType.IPV4_ADDR;
import static dev.sluice.nftables.DataType.IPV6_ADDR;
import static dev.sluice.nftables.DataType.MARK;
import static dev.sluice.nftables.DataType.VERDICT;
import static dev.sluice.nftables.uapi.LinuxNfTables.*;
import static java.util.Map.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.sluice.net.Bytes;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.AttributeCursor;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.nftables.Chain.Hook;
import dev.sluice.nftables.expr.Connlimit;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Verdict;
import dev.sluice.testing.Golden;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Tables, chains, sets and elements against the bytes of nft: what nft sends for a command is what
 * our batch has for the same, and what our reader makes of nft's bytes is the same value.
 *
 * <p>Fails if an attribute, its order, a byte order, a flag or a type number changes in an {@code
 * encode} or {@code decode} of this package.
 */
class GoldenObjectsTest {
  private static final TableId T = TableId.inet("t");
  private static final SetType SERVICE = SetType.of(INET_PROTO, INET_SERVICE);
  private static final SetType ADDRESS = SetType.of(IPV4_ADDR);

  // ---- the same operations, written with this library

  private static final Map<String, UnaryOperator<Batch>> OPERATIONS =
      new TreeMap<>(
          Map.ofEntries(
              entry("table-add", b -> b.add(Table.of(T))),
              entry(
                  "table-add-dormant",
                  b -> b.add(Table.of(TableId.inet("d")).withFlags(NFT_TABLE_F_DORMANT))),
              entry(
                  "table-add-owner",
                  b -> b.add(Table.of(TableId.inet("o")).withFlags(NFT_TABLE_F_OWNER))),
              entry(
                  "table-add-comment",
                  b ->
                      b.add(
                          new Table(
                              TableId.inet("c"), 0, Userdata.comment("published ports"), 0, 0, 0))),
              entry("table-delete", b -> b.delete(T)),
              entry("chain-add", b -> b.add(Chain.regular(T, "plain"))),
              entry(
                  "chain-add-filter-raw",
                  b -> b.add(base("raw", Hook.filter(NF_INET_PRE_ROUTING, -300)))),
              entry(
                  "chain-add-filter-drop",
                  b -> b.add(base("forward", new Hook("filter", NF_INET_FORWARD, 0, NF_DROP)))),
              entry(
                  "chain-add-nat-prerouting",
                  b -> b.add(base("prerouting", Hook.nat(NF_INET_PRE_ROUTING, -100)))),
              entry(
                  "chain-add-nat-postrouting",
                  b -> b.add(base("postrouting", Hook.nat(NF_INET_POST_ROUTING, 100)))),
              entry(
                  "chain-add-nat-output",
                  b -> b.add(base("output", Hook.nat(NF_INET_LOCAL_OUT, -100)))),
              entry("chain-delete", b -> b.deleteChain(T, "plain")),
              entry("chain-flush", b -> b.flushChain(T, "plain")),
              entry("set-ipv4", b -> b.add(ElementSet.set(T, "s_ipv4", ADDRESS))),
              entry("set-ifname", b -> b.add(ElementSet.set(T, "s_ifname", SetType.of(IFNAME)))),
              entry(
                  "set-ifname-pair",
                  b -> b.add(ElementSet.set(T, "s_ifname_pair", SetType.of(IFNAME, IFNAME)))),
              entry(
                  "set-ifname-interval",
                  b -> b.add(intervals("s_ifname_interval", SetType.of(IFNAME, IPV4_ADDR)))),
              entry(
                  "set-concat",
                  b ->
                      b.add(
                          ElementSet.set(
                              T, "s_concat", SetType.of(IPV4_ADDR, INET_PROTO, INET_SERVICE)))),
              entry(
                  "set-concat6",
                  b ->
                      b.add(
                          ElementSet.set(
                              T, "s_concat6", SetType.of(IPV6_ADDR, INET_PROTO, INET_SERVICE)))),
              entry(
                  "set-concat-interval",
                  b ->
                      b.add(
                          intervals(
                              "s_concat_interval",
                              SetType.of(INET_PROTO, INET_SERVICE, IPV4_ADDR)))),
              entry("set-interval", b -> b.add(intervals("s_interval", ADDRESS))),
              entry(
                  "set-counter",
                  b ->
                      b.add(
                          ElementSet.set(T, "s_counter", ADDRESS)
                              .withExpressions(List.of(new Counter(0, 0))))),
              entry(
                  "set-connlimit",
                  b ->
                      b.add(
                          ElementSet.set(T, "s_connlimit", SERVICE)
                              .withExpressions(
                                  List.of(new Connlimit(1_000_000, NFT_CONNLIMIT_F_INV))))),
              entry(
                  "set-dynamic",
                  b ->
                      b.add(
                          ElementSet.set(
                                  T, "s_dynamic", SetType.of(IPV4_ADDR, INET_PROTO, INET_SERVICE))
                              .asDynamic(65_535))),
              entry(
                  "set-dynamic-timeout",
                  b ->
                      b.add(
                          ElementSet.set(T, "s_dynamic_timeout", ADDRESS)
                              .asDynamic(1024)
                              .withTimeout(60_000))),
              entry("set-delete", b -> b.deleteSet(T, "hosts")),
              entry("set-flush", b -> b.flushSet(T, "hosts")),
              entry("map-address", b -> b.add(ElementSet.map(T, "m_address", ADDRESS, ADDRESS))),
              entry("map-mark", b -> b.add(ElementSet.map(T, "m_mark", ADDRESS, SetType.of(MARK)))),
              entry(
                  "map-concat",
                  b ->
                      b.add(
                          ElementSet.map(
                              T,
                              "m_concat",
                              SetType.of(IPV4_ADDR, INET_PROTO, INET_SERVICE),
                              SetType.of(IPV4_ADDR, INET_SERVICE)))),
              entry(
                  "map-concat6",
                  b ->
                      b.add(
                          ElementSet.map(
                              T,
                              "m_concat6",
                              SetType.of(IPV6_ADDR, INET_PROTO, INET_SERVICE),
                              SetType.of(IPV6_ADDR, INET_SERVICE)))),
              entry(
                  "map-interval",
                  b ->
                      b.add(
                          ElementSet.map(T, "m_interval", SetType.of(INET_SERVICE), ADDRESS)
                              .withIntervals(SetType.of(INET_SERVICE)))),
              entry(
                  "map-verdict",
                  b -> b.add(ElementSet.map(T, "m_verdict", SERVICE, SetType.of(VERDICT)))),
              entry(
                  "map-verdict-ifname",
                  b ->
                      b.add(
                          ElementSet.map(
                              T, "m_verdict_ifname", SetType.of(IFNAME), SetType.of(VERDICT)))),
              entry(
                  "map-verdict-interval",
                  b ->
                      b.add(
                          ElementSet.map(T, "m_verdict_interval", ADDRESS, SetType.of(VERDICT))
                              .withIntervals(ADDRESS))),
              entry("map-delete", b -> b.deleteSet(T, "addresses")),
              element("ipv4", "hosts", key(ip("192.0.2.1"))),
              element(
                  "several",
                  "hosts",
                  key(ip("192.0.2.1")),
                  key(ip("192.0.2.2")),
                  key(ip("192.0.2.3"))),
              element(
                  "comment",
                  "hosts",
                  key(ip("192.0.2.9")).withUserdata(Userdata.comment("the printer"))),
              element("counter", "counted", key(ip("192.0.2.9")).with(new Counter(5, 400))),
              element("timeout", "leases", key(ip("192.0.2.9")).withTimeout(90_000)),
              element(
                  "connlimit", "limits", service(8101).with(new Connlimit(3, NFT_CONNLIMIT_F_INV))),
              element("concat", "services", key(ip("198.18.0.1").u8(6).u16(8080))),
              element("concat6", "services6", key(ip("2001:db8::1").u8(17).u16(53))),
              element("ifname", "names", key(Key.of().interfaceName("br0"))),
              element(
                  "ifname-pair",
                  "name_pairs",
                  key(Key.of().interfaceName("br0").interfaceName("br1"))),
              element(
                  "map-address", "addresses", key(ip("192.0.2.1")).to(ip("172.30.0.2").bytes())),
              element(
                  "map-concat",
                  "targets",
                  key(ip("198.18.0.77").u8(6).u16(8080)).to(ip("172.30.0.3").u16(80).bytes())),
              element(
                  "map-concat6",
                  "targets6",
                  key(ip("2001:db8::77").u8(6).u16(8080)).to(ip("fd30::3").u16(80).bytes())),
              element(
                  "map-concat-comment",
                  "targets",
                  key(ip("198.18.0.77").u8(6).u16(8081))
                      .to(ip("172.30.0.3").u16(80).bytes())
                      .withUserdata(Userdata.comment("web"))),
              element(
                  "map-range",
                  "port_ranges",
                  SetElement.intervalEnd(Key.of().u16(0).bytes()),
                  key(Key.of().u16(7000)).to(ip("172.30.0.2").bytes()),
                  SetElement.intervalEnd(Key.of().u16(7010).bytes())),
              element("verdict-accept", "verdicts", service(80).to(Data.of(Verdict.ACCEPT))),
              element("verdict-drop", "verdicts", service(80).to(Data.of(Verdict.DROP))),
              element("verdict-return", "verdicts", service(80).to(Data.of(Verdict.RETURN))),
              element("verdict-jump", "verdicts", service(80).to(Data.of(Verdict.jump("target")))),
              element("verdict-goto", "verdicts", service(80).to(Data.of(Verdict.goTo("target")))),
              element(
                  "verdict-interval",
                  "subnet_verdicts",
                  SetElement.intervalEnd(ip("0.0.0.0").bytes()),
                  key(ip("172.30.0.0")).to(Data.of(Verdict.goTo("target"))),
                  SetElement.intervalEnd(ip("172.30.1.0").bytes())),
              element(
                  "interval-one",
                  "ranges",
                  key(ip("192.0.2.1")),
                  SetElement.intervalEnd(ip("192.0.2.2").bytes())),
              element(
                  "interval-range",
                  "ranges",
                  key(ip("192.0.2.10")),
                  SetElement.intervalEnd(ip("192.0.2.21").bytes())),
              element(
                  "interval-prefix",
                  "ranges",
                  SetElement.intervalEnd(ip("0.0.0.0").bytes()),
                  key(ip("198.51.100.0")),
                  SetElement.intervalEnd(ip("198.51.101.0").bytes())),
              element(
                  "interval-last",
                  "ranges",
                  // nft notes that the interval is open at its end (SET_ELEM_F_INTERVAL_OPEN).
                  key(ip("255.255.255.0")).withUserdata(Bytes.ofHex("010401000000"))),
              element(
                  "interval6-prefix",
                  "ranges6",
                  SetElement.intervalEnd(ip("::").bytes()),
                  key(ip("2001:db8:1::")),
                  SetElement.intervalEnd(ip("2001:db8:2::").bytes())),
              element(
                  "concat-interval",
                  "sources",
                  key(Key.of().u8(6).u16(8100).address(address("198.18.0.0")))
                      .upTo(Key.of().u8(6).u16(8100).address(address("198.18.255.255")).bytes())),
              element(
                  "concat-interval-range",
                  "sources",
                  key(Key.of().u8(6).u16(8100).address(address("198.18.0.2")))
                      .upTo(Key.of().u8(6).u16(8110).address(address("198.18.0.2")).bytes()))));

  private static Chain base(String name, Hook hook) {
    return Chain.base(T, name, hook);
  }

  private static ElementSet intervals(String name, SetType key) {
    return ElementSet.set(T, name, key).withIntervals(key);
  }

  /** Into an empty tree nft puts an end at 0 first. */
  private static Map.Entry<String, UnaryOperator<Batch>> element(
      String name, String set, SetElement... elements) {
    return entry("element-add-" + name, b -> b.addElements(T, set, List.of(elements)));
  }

  private static SetElement key(Key key) {
    return SetElement.of(key.bytes());
  }

  private static SetElement service(int port) {
    return key(Key.of().u8(6).u16(port));
  }

  private static Key ip(String address) {
    return Key.of().address(address(address));
  }

  private static IpAddress address(String address) {
    return IpAddress.parse(address);
  }

  @TestFactory
  Stream<DynamicTest> whatWeSendIsWhatNftSends() {
    return OPERATIONS.entrySet().stream()
        .map(
            operation ->
                DynamicTest.dynamicTest(
                    operation.getKey(),
                    () -> {
                      Golden golden = Golden.load("nftables/" + operation.getKey());
                      Batch batch = operation.getValue().apply(new Batch());
                      assertThat(texts(WireText.messages(batch)))
                          .as(golden.toString())
                          .isEqualTo(texts(WireText.ofNfTables(golden.sentMessages())));
                    }));
  }

  /** Without the flag that says "create": nft leaves it out for tables, the kernel takes either. */
  private static List<String> texts(List<byte[]> messages) {
    return messages.stream()
        .map(message -> WireText.of(message).replaceFirst("(0xa00) flags 0x401", "$1 flags 0x1"))
        .map(WireText::withoutStatedMaskXor)
        .toList();
  }

  // ---- reading

  /** What nft says that a value of ours does not hold. */
  private static final Map<String, String> LOST =
      Map.of(
          "chain-add-filter-input", "a chain without a policy is one that accepts",
          "chain-add-ingress", "the device of an ingress chain",
          "set-timeout", "how often a set is cleaned up",
          "set-delete", "not a creation",
          "map-delete", "not a creation",
          "set-flush", "not a creation");

  /** Fails if an attribute is not read, or read in another byte order than it is written in. */
  @TestFactory
  Stream<DynamicTest> whatNftSendsIsReadAndWrittenTheSame() {
    return Stream.of(
            "table-add",
            "chain-add",
            "set-",
            "map-",
            "element-add",
            "reference-set-",
            "reference-map-",
            "reference-table")
        .flatMap(prefix -> Golden.names("nftables/" + prefix).stream())
        .filter(name -> !LOST.containsKey(name.substring("nftables/".length())))
        .map(
            name ->
                DynamicTest.dynamicTest(
                    name,
                    () -> {
                      Golden golden = Golden.load(name);
                      List<byte[]> nft =
                          WireText.ofNfTables(golden.sentMessages()).stream()
                              .filter(message -> WireText.operation(message) != NFT_MSG_DELTABLE)
                              .toList();
                      Batch batch = new Batch();
                      nft.forEach(message -> readAndAdd(message, batch));
                      assertThat(texts(WireText.messages(batch)))
                          .as(golden.toString())
                          .isEqualTo(texts(nft));
                    }));
  }

  private static void readAndAdd(byte[] bytes, Batch batch) {
    MessageCursor message = cursor(bytes);
    int family = message.headerU8(0);
    switch (message.subtype()) {
      case NFT_MSG_NEWTABLE -> batch.add(Table.decode(family, message.attributes(4)));
      case NFT_MSG_NEWCHAIN -> batch.add(Chain.decode(family, message.attributes(4)));
      case NFT_MSG_NEWRULE -> batch.add(Rule.decode(family, message.attributes(4)));
      case NFT_MSG_NEWSET -> batch.add(ElementSet.decode(family, message.attributes(4)));
      case NFT_MSG_NEWSETELEM -> {
        TableId table = new TableId(family, WireText.string(bytes, NFTA_SET_ELEM_LIST_TABLE));
        batch.addElements(table, WireText.string(bytes, NFTA_SET_ELEM_LIST_SET), elements(message));
      }
      default -> throw new IllegalStateException("operation " + message.subtype());
    }
  }

  private static MessageCursor cursor(byte[] bytes) {
    ByteBuffer buffer =
        ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder()).put(0, bytes);
    MessageCursor message = new MessageCursor(buffer, 0, bytes.length);
    assertThat(message.next()).isTrue();
    return message;
  }

  private static List<SetElement> elements(MessageCursor message) {
    List<SetElement> elements = new ArrayList<>();
    AttributeCursor in = message.attributes(4);
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

  /** Fails if the kernel's form of an object, which has more attributes, is read differently. */
  @Test
  void whatTheKernelListsIsRead() {
    assertThat(read("dump-tables", Table::decode))
        .containsExactly(new Table(TableId.inet("sluice"), 0, Bytes.EMPTY, 72, 82, 0));
    assertThat(read("dump-chains", Chain::decode))
        .extracting(Chain::name, chain -> chain.hook().map(Hook::priority))
        .contains(
            tuple("raw", Optional.of(-300)),
            tuple("prerouting", Optional.of(-100)),
            tuple("publish4", Optional.empty()));
    assertThat(read("dump-sets", ElementSet::decode))
        .filteredOn(set -> set.name().equals("allow_any4"))
        .singleElement()
        .satisfies(
            set -> {
              assertThat(set.fieldLengthsBytes()).containsExactly(1, 2, 4);
              assertThat(set.keyLengthBytes()).isEqualTo(12);
              assertThat(set.flags()).isEqualTo(NFT_SET_INTERVAL | NFT_SET_CONCAT);
            });
    assertThat(elements("dump-elements-range4_tcp"))
        .containsExactly(
            SetElement.intervalEnd(Bytes.ofU16be(7010)),
            key(Key.of().u16(7000)).to(ip("172.30.0.2").bytes()),
            SetElement.intervalEnd(Bytes.ofU16be(0)));
    assertThat(elements("dump-elements-inbound"))
        .contains(key(Key.of().interfaceName("br1")).to(Data.of(Verdict.goTo("routed"))));
    assertThat(elements("dump-elements-allow_any4"))
        .contains(
            key(Key.of().u8(6).u16(8100).address(address("198.18.0.2")))
                .upTo(Key.of().u8(6).u16(8100).address(address("198.18.0.3")).bytes()));
  }

  private static <X> List<X> read(String name, BiFunction<Integer, AttributeCursor, X> decode) {
    return objects(name).stream()
        .map(
            bytes -> {
              MessageCursor message = cursor(bytes);
              return decode.apply(message.headerU8(0), message.attributes(4));
            })
        .toList();
  }

  private static List<SetElement> elements(String name) {
    return objects(name).stream().flatMap(bytes -> elements(cursor(bytes)).stream()).toList();
  }

  private static List<byte[]> objects(String name) {
    return WireText.ofNfTables(Golden.load("nftables/" + name).receivedMessages());
  }

  /** Fails if a length is believed that reaches beyond the message. */
  @Test
  void whatIsCutOffIsRefusedAndNothingElseHappens() {
    int refused = 0;
    for (String name : Golden.names("nftables/dump-")) {
      for (byte[] whole :
          WireText.ofNfTables(Golden.load(name).receivedMessages()).stream().limit(12).toList()) {
        for (int length = 20; length < whole.length; length++) {
          byte[] cut = Arrays.copyOf(whole, length);
          ByteBuffer.wrap(cut).order(ByteOrder.nativeOrder()).putInt(0, length);
          try {
            readAnything(cursor(cut));
          } catch (MalformedMessageException e) {
            refused++;
          }
        }
      }
    }
    assertThat(refused).isGreaterThan(5_000);
  }

  private static void readAnything(MessageCursor message) {
    switch (message.subtype()) {
      case NFT_MSG_NEWTABLE -> Table.decode(1, message.attributes(4));
      case NFT_MSG_NEWCHAIN -> Chain.decode(1, message.attributes(4));
      case NFT_MSG_NEWRULE -> Rule.decode(1, message.attributes(4));
      case NFT_MSG_NEWSET -> ElementSet.decode(1, message.attributes(4));
      case NFT_MSG_NEWSETELEM -> elements(message);
      default -> {}
    }
  }
}
