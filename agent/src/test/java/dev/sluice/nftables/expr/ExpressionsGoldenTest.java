package dev.sluice.nftables.expr;

import static dev.sluice.nftables.expr.Register.R1;
import static dev.sluice.nftables.uapi.LinuxNfTables.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.sluice.net.Bytes;
import dev.sluice.net.Ip6Address;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.testing.Golden;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every expression beside what nft sends for it: the bytes, and how {@code nft --debug=netlink}
 * writes it. The captures are made by {@code src/test/golden/capture.sh}, the command stands in
 * each of them.
 */
class ExpressionsGoldenTest {
  private static final Expression ACCEPT = Immediate.verdict(Verdict.ACCEPT);
  private static final Expression DROP = Immediate.verdict(Verdict.DROP);
  private static final Expression IS_IPV4 = Cmp.eq(R1, Bytes.of((byte) NFPROTO_IPV4));
  private static final Expression IS_IPV6 = Cmp.eq(R1, Bytes.of((byte) NFPROTO_IPV6));
  private static final Expression IS_TCP = Cmp.eq(R1, Bytes.of((byte) 6));
  private static final Expression LOAD_NFPROTO = Meta.load(NFT_META_NFPROTO, R1);
  private static final Expression LOAD_L4PROTO = Meta.load(NFT_META_L4PROTO, R1);
  private static final Expression LOAD_MARK = Meta.load(NFT_META_MARK, R1);
  private static final Expression SET_MARK = Meta.set(NFT_META_MARK, R1);
  private static final Expression LOAD_IP_SADDR = Payload.network(12, 4, R1);
  private static final Expression LOAD_IP_DADDR = Payload.network(16, 4, R1);
  private static final Expression LOAD_DPORT = Payload.transport(2, 2, R1);

  private static Bytes host32(int value) {
    return Bytes.of(bytes(ByteBuffer.wrap(new byte[4]).order(ByteOrder.nativeOrder()), value));
  }

  private static byte[] bytes(ByteBuffer buffer, int value) {
    buffer.putInt(0, value);
    byte[] bytes = new byte[4];
    buffer.get(0, bytes);
    return bytes;
  }

  private static Bytes hex(String digits) {
    return Bytes.ofHex(digits);
  }

  private static Bytes name(String text) {
    return Bytes.ofText(text).padTo(16);
  }

  private static Bytes ip6(String text) {
    return Bytes.of(Ip6Address.parse(text).toBytes());
  }

  private static Immediate value(int dreg, Bytes value) {
    return Immediate.value(dreg, value);
  }

  private static Arguments rule(String golden, Expression... expressions) {
    return Arguments.of("nftables/rule-" + golden, List.of(expressions));
  }

  static Stream<Arguments> rules() {
    return Stream.of(
        rule("verdict-accept", ACCEPT),
        rule("verdict-drop", DROP),
        rule("verdict-return", Immediate.verdict(Verdict.RETURN)),
        rule("verdict-jump", Immediate.verdict(Verdict.jump("other"))),
        rule("verdict-goto", Immediate.verdict(Verdict.goTo("other"))),
        rule("verdict-continue", Immediate.verdict(Verdict.CONTINUE)),
        rule("counter", Counter.ZERO),
        rule("counter-preset", new Counter(7, 700), ACCEPT),
        rule("limit-rate", new Limit(10, 1, 5, NFT_LIMIT_PKTS, 0), ACCEPT),
        rule("limit-rate-over", new Limit(100, 60, 5, NFT_LIMIT_PKTS, NFT_LIMIT_F_INV), DROP),
        rule("limit-bytes", new Limit(10 << 20, 1, 1 << 20, NFT_LIMIT_PKT_BYTES, 0), ACCEPT),
        rule("quota", Quota.over(25 << 20), DROP),
        rule("quota-until", new Quota(10 << 20, 3 << 20, 0), ACCEPT),
        rule("numgen-inc", Numgen.incremental(R1, 16), SET_MARK),
        rule("numgen-random", new Numgen(R1, 16, NFT_NG_RANDOM, 100), SET_MARK),
        rule(
            "jhash",
            LOAD_NFPROTO,
            IS_IPV4,
            LOAD_L4PROTO,
            IS_TCP,
            Payload.network(12, 4, NFT_REG_2),
            Payload.transport(0, 2, NFT_REG32_05),
            Hash.jenkins(NFT_REG_2, 8, R1, 16).withSeed(0xdeadbeef),
            SET_MARK),
        rule(
            "jhash-offset",
            LOAD_NFPROTO,
            IS_IPV4,
            Payload.network(12, 4, NFT_REG_2),
            new Hash(NFT_REG_2, R1, 4, 4, OptionalInt.empty(), 2, NFT_HASH_JENKINS),
            SET_MARK),
        rule("symhash", Hash.symmetric(R1, 4), SET_MARK),
        rule("reject", Reject.icmpx(NFT_REJECT_ICMPX_PORT_UNREACH)),
        rule("reject-tcp-reset", LOAD_L4PROTO, IS_TCP, Reject.tcpReset()),
        rule("reject-icmpx", Reject.icmpx(NFT_REJECT_ICMPX_ADMIN_PROHIBITED)),
        rule("reject-icmp", LOAD_NFPROTO, IS_IPV4, new Reject(NFT_REJECT_ICMP_UNREACH, 1)),
        rule("reject-icmpv6", LOAD_NFPROTO, IS_IPV6, new Reject(NFT_REJECT_ICMP_UNREACH, 0)),
        rule("queue", Queue.numbers(3, 1, NFT_QUEUE_FLAG_BYPASS)),
        rule("queue-range", Queue.numbers(1, 4, NFT_QUEUE_FLAG_CPU_FANOUT)),
        rule("queue-numgen", Numgen.incremental(R1, 2), Queue.register(R1, 0)),
        rule("notrack", new Notrack()),
        rule("synproxy", Synproxy.withAllOptions(1460, 7)),
        rule("synproxy-plain", new Synproxy(0, 0, 0)),
        rule("synproxy-timestamp", new Synproxy(0, 0, NF_SYNPROXY_OPT_TIMESTAMP)),
        rule("log", Log.kernel("")),
        rule("log-prefix", Log.kernel("refused: ")),
        rule("log-level", new Log("dropped ", OptionalInt.empty(), 0, 0, OptionalInt.of(7), 0x2f)),
        rule("log-group", new Log("x", OptionalInt.of(5), 128, 2, OptionalInt.empty(), 0)),
        rule("ct-mark", Ct.load(NFT_CT_MARK, R1), Cmp.eq(R1, host32(0x2a)), ACCEPT),
        rule("ct-mark-set", value(R1, host32(0x2a)), Ct.set(NFT_CT_MARK, R1)),
        rule("ct-mark-from-meta", LOAD_MARK, Ct.set(NFT_CT_MARK, R1)),
        rule(
            "ct-state",
            Ct.load(NFT_CT_STATE, R1),
            Bitwise.mask(R1, host32(6)),
            Cmp.neq(R1, host32(0)),
            ACCEPT),
        rule(
            "ct-state-vmap", Ct.load(NFT_CT_STATE, R1), Lookup.verdict("__map%d", R1).withSetId(4)),
        rule("ct-direction", Ct.load(NFT_CT_DIRECTION, R1), Cmp.eq(R1, hex("01")), ACCEPT),
        rule(
            "ct-original-daddr",
            Ct.original(NFT_CT_DST_IP, R1),
            Cmp.eq(R1, hex("c6120001")),
            ACCEPT),
        rule(
            "ct-reply-port",
            LOAD_L4PROTO,
            IS_TCP,
            Ct.reply(NFT_CT_PROTO_SRC, R1),
            Cmp.eq(R1, Bytes.ofU16be(80)),
            ACCEPT),
        rule(
            "ct-bytes",
            Ct.original(NFT_CT_BYTES, R1),
            Byteorder.toNetwork(R1, 8),
            new Cmp(NFT_CMP_GT, R1, hex("0000000000000064")),
            ACCEPT),
        rule("ct-count", Connlimit.over(20), DROP),
        rule("ct-count-until", new Connlimit(20, 0), ACCEPT),
        rule("meta-mark-set", value(R1, host32(0x2a)), SET_MARK),
        rule("meta-iif", Meta.load(NFT_META_IIF, R1), Cmp.eq(R1, host32(1)), ACCEPT),
        rule("meta-iifname", Meta.load(NFT_META_IIFNAME, R1), Cmp.eq(R1, name("br0")), ACCEPT),
        rule(
            "meta-iifname-wildcard",
            Meta.load(NFT_META_IIFNAME, R1),
            Cmp.eq(R1, Bytes.ofText("br")),
            ACCEPT),
        rule("shift-left", LOAD_MARK, Bitwise.shiftLeft(R1, 8), SET_MARK),
        rule("shift-right", LOAD_MARK, Bitwise.shiftRight(R1, 4), SET_MARK),
        rule("masquerade", Masq.any(0)),
        rule("masquerade-fully-random", Masq.any(NF_NAT_RANGE_PROTO_RANDOM_FULLY)),
        rule(
            "masquerade-ports",
            LOAD_L4PROTO,
            IS_TCP,
            value(R1, Bytes.ofU16be(1024)),
            value(NFT_REG_2, Bytes.ofU16be(2048)),
            new Masq(R1, NFT_REG_2, NF_NAT_RANGE_PROTO_SPECIFIED)),
        rule(
            "snat",
            LOAD_NFPROTO,
            IS_IPV4,
            Payload.network(12, 3, R1),
            Cmp.eq(R1, hex("ac1e00")),
            value(R1, hex("c612014d")),
            Nat.source(NFPROTO_IPV4, R1, 0)),
        rule("snat6", value(R1, ip6("2001:db8::77")), Nat.source(NFPROTO_IPV6, R1, 0)),
        rule(
            "dnat-address",
            value(R1, hex("ac1e0002")),
            Nat.destination(NFPROTO_IPV4, R1, Register.NONE)),
        rule(
            "dnat-port",
            LOAD_L4PROTO,
            IS_TCP,
            LOAD_DPORT,
            Cmp.eq(R1, Bytes.ofU16be(8080)),
            value(R1, hex("ac1e0002")),
            value(NFT_REG_2, Bytes.ofU16be(80)),
            Nat.destination(NFPROTO_IPV4, R1, NFT_REG_2).withFlags(NF_NAT_RANGE_PROTO_SPECIFIED)),
        rule(
            "dnat-range",
            LOAD_L4PROTO,
            IS_TCP,
            value(R1, hex("ac1e0002")),
            value(NFT_REG_2, hex("ac1e0009")),
            value(NFT_REG_3, Bytes.ofU16be(80)),
            value(NFT_REG_4, Bytes.ofU16be(90)),
            new Nat(
                NFT_NAT_DNAT,
                NFPROTO_IPV4,
                R1,
                NFT_REG_2,
                NFT_REG_3,
                NFT_REG_4,
                NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PROTO_RANDOM)),
        rule(
            "dnat-map",
            LOAD_NFPROTO,
            IS_IPV4,
            LOAD_IP_DADDR,
            Lookup.map("guests", R1, R1).withSetId(1),
            Nat.destination(NFPROTO_IPV4, R1, Register.NONE)),
        rule(
            "redirect",
            LOAD_L4PROTO,
            IS_TCP,
            LOAD_DPORT,
            Cmp.eq(R1, Bytes.ofU16be(80)),
            value(R1, Bytes.ofU16be(8080)),
            Redir.toPort(R1)),
        rule("redirect-plain", Redir.samePort()),
        rule("fib-daddr-type", Fib.destinationType(R1), Cmp.eq(R1, host32(2)), ACCEPT),
        rule(
            "fib-saddr-type",
            Fib.sourceType(R1),
            Cmp.eq(R1, host32(2)),
            Immediate.verdict(Verdict.RETURN)),
        rule(
            "fib-saddr-iif-oif",
            new Fib(R1, NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT),
            Cmp.eq(R1, host32(0)),
            DROP),
        rule(
            "fib-oifname",
            new Fib(R1, NFT_FIB_RESULT_OIFNAME, NFTA_FIB_F_DADDR),
            Cmp.eq(R1, name("lo")),
            ACCEPT),
        rule(
            "set-anonymous",
            LOAD_L4PROTO,
            IS_TCP,
            LOAD_DPORT,
            Lookup.in("__set%d", R1).withSetId(6),
            ACCEPT),
        rule(
            "lookup-inverted",
            LOAD_NFPROTO,
            IS_IPV4,
            LOAD_IP_SADDR,
            Lookup.notIn("allowed", R1).withSetId(3),
            DROP),
        rule(
            "payload-prefix-odd",
            LOAD_NFPROTO,
            IS_IPV4,
            LOAD_IP_SADDR,
            Bitwise.mask(R1, hex("fff00000")),
            Cmp.eq(R1, hex("0a100000")),
            DROP),
        rule(
            "payload-ether",
            Meta.load(NFT_META_IFTYPE, R1),
            Cmp.eq(R1, hex("0100")),
            Payload.link(6, 6, R1),
            Cmp.eq(R1, hex("020000000001")),
            ACCEPT),
        rule(
            "payload-inner",
            Payload.load(NFT_PAYLOAD_INNER_HEADER, 0, 1, R1),
            Cmp.eq(R1, hex("04")),
            DROP),
        rule(
            "payload-set-address",
            LOAD_NFPROTO,
            IS_IPV4,
            value(R1, hex("c6120001")),
            new Payload.Write(
                NFT_PAYLOAD_NETWORK_HEADER,
                16,
                4,
                R1,
                NFT_PAYLOAD_CSUM_INET,
                10,
                NFT_PAYLOAD_L4CSUM_PSEUDOHDR)),
        rule(
            "payload-set-address6",
            LOAD_NFPROTO,
            IS_IPV6,
            value(R1, ip6("fd30::2")),
            new Payload.Write(
                NFT_PAYLOAD_NETWORK_HEADER, 24, 16, R1, 0, 0, NFT_PAYLOAD_L4CSUM_PSEUDOHDR)),
        rule(
            "range-not",
            LOAD_L4PROTO,
            IS_TCP,
            LOAD_DPORT,
            new Range(NFT_RANGE_NEQ, R1, Bytes.ofU16be(1024), Bytes.ofU16be(2048)),
            DROP),
        rule(
            "dynset-add",
            LOAD_NFPROTO,
            IS_IPV4,
            LOAD_IP_SADDR,
            new Dynset(NFT_DYNSET_OP_ADD, "seen", 2, R1, Register.NONE, 60_000, List.of(), false)),
        rule(
            "dynset-counter",
            LOAD_NFPROTO,
            IS_IPV4,
            LOAD_IP_SADDR,
            Dynset.add("counted", R1, Counter.ZERO).withSetId(8)),
        rule(
            "dynset-several",
            LOAD_NFPROTO,
            IS_IPV4,
            LOAD_IP_SADDR,
            Dynset.update(
                    "seen",
                    R1,
                    30_000,
                    Counter.ZERO,
                    new Limit(3, 1, 5, NFT_LIMIT_PKTS, NFT_LIMIT_F_INV))
                .withSetId(2)),
        rule(
            "dynset-delete",
            LOAD_NFPROTO,
            IS_IPV4,
            LOAD_IP_SADDR,
            Dynset.delete("seen", R1).withSetId(2)),
        rule(
            "dynset-map",
            LOAD_NFPROTO,
            IS_IPV4,
            LOAD_L4PROTO,
            IS_TCP,
            LOAD_IP_SADDR,
            Payload.transport(2, 2, NFT_REG_2),
            new Dynset(NFT_DYNSET_OP_ADD, "learned", 9, R1, NFT_REG_2, 0, List.of(), false)),
        rule("object-counter", new Objref.Named(NFT_OBJECT_COUNTER, "hits")),
        rule("object-quota", new Objref.Named(NFT_OBJECT_QUOTA, "month")),
        rule(
            "object-map",
            LOAD_L4PROTO,
            IS_TCP,
            LOAD_DPORT,
            new Objref.Mapped(R1, "__objmap%d", 11)),
        rule("tcp-option", Exthdr.tcpOption(2, 2, 2, R1), Cmp.eq(R1, Bytes.ofU16be(1400)), ACCEPT),
        rule("tcp-option-set", value(R1, Bytes.ofU16be(1400)), Exthdr.setTcpOption(2, 2, 2, R1)),
        rule(
            "extension-header",
            LOAD_NFPROTO,
            IS_IPV6,
            new Exthdr(NFT_EXTHDR_OP_IPV6, 44, 0, 1, R1, false, NFT_EXTHDR_F_PRESENT),
            Cmp.eq(R1, hex("01")),
            DROP),
        rule("route-classid", new Rt(NFT_RT_CLASSID, R1), Cmp.eq(R1, host32(3)), ACCEPT),
        rule(
            "xfrm",
            new Opaque(
                "xfrm",
                hex(
                    "0800020000000005"
                        + "0500030000000000"
                        + "0800040000000000"
                        + "0800010000000001")),
            Cmp.eq(R1, host32(5)),
            ACCEPT));
  }

  /** Fails if a field is written under another attribute, in another order, width or byte order. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("rules")
  void encodesWhatNftSends(String name, List<Expression> expressions) {
    Golden golden = Golden.load(name);
    assertThat(expressions.stream().map(GoldenExpressions::encode))
        .as("%s", golden)
        .containsExactlyElementsOf(GoldenExpressions.sent(golden));
  }

  /** Fails if a field is read from another attribute, in another width or byte order, or not. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("rules")
  void decodesWhatNftSends(String name, List<Expression> expressions) {
    Golden golden = Golden.load(name);
    assertThat(GoldenExpressions.sent(golden).stream().map(GoldenExpressions::decode))
        .as("%s", golden)
        .containsExactlyElementsOf(expressions);
  }

  static List<String> captures() {
    List<String> captures = new ArrayList<>(Golden.names("nftables/rule-"));
    captures.addAll(Golden.names("nftables/reference-rule-"));
    // It carries a handle instead of expressions.
    captures.remove("nftables/rule-delete");
    return captures;
  }

  /**
   * NFTA_BITWISE_OP with NFT_BITWISE_MASK_XOR, which nft states in some places and leaves out in
   * others; this library always leaves it out.
   */
  private static final Bytes STATED_MASK_XOR = hex("0800060000000000");

  /** Fails if any expression of any captured rule changes on its way through the library. */
  @ParameterizedTest
  @MethodSource("captures")
  void everyCapturedRuleSurvives(String name) {
    Golden golden = Golden.load(name);
    for (Bytes bytes : GoldenExpressions.sent(golden)) {
      Expression expression = GoldenExpressions.decode(bytes);
      Bytes again = GoldenExpressions.encode(expression);
      if (expression instanceof Bitwise.MaskXor && !again.equals(bytes)) {
        // Behind the name (4 + 8), the header of the data (4), and the registers (2 * 8).
        assertThat(bytes.slice(32, 8)).as("%s: %s", golden, expression).isEqualTo(STATED_MASK_XOR);
        Bytes without = bytes.slice(16, 16).concat(bytes.slice(40, bytes.length() - 40));
        assertThat(again.slice(16, again.length() - 16)).isEqualTo(without);
      } else {
        assertThat(again).as("%s: %s", golden, expression).isEqualTo(bytes);
      }
    }
  }

  /** Fails if {@code toString} departs from how nft itself writes the expression. */
  @Test
  void readsLikeNft() {
    Map<String, List<String>> differences = new HashMap<>();
    int compared = 0;
    for (String name : captures()) {
      Golden golden = Golden.load(name);
      List<String> nft = GoldenExpressions.asNftWritesThem(golden);
      if (nft.isEmpty()) {
        continue; // captured without: the reference, and the ways to place a rule
      }
      List<String> ours =
          GoldenExpressions.sent(golden).stream()
              .map(bytes -> GoldenExpressions.decode(bytes))
              .map(expression -> expression.toString().strip())
              .toList();
      compared += ours.size();
      if (!ours.equals(nft) && !name.equals("nftables/rule-xfrm")) {
        differences.put(golden.toString(), List.of("ours: " + ours, "nft's: " + nft));
      }
    }
    assertThat(differences).isEmpty();
    assertThat(compared).isGreaterThan(300);
  }

  /** Fails if an expression is added without a capture, or comes back as unknown. */
  @Test
  void everyKnownExpressionHasBeenCaptured() {
    TreeSet<String> known = new TreeSet<>();
    TreeSet<String> unknown = new TreeSet<>();
    for (String name : captures()) {
      for (Bytes bytes : GoldenExpressions.sent(Golden.load(name))) {
        Expression expression = GoldenExpressions.decode(bytes);
        (expression instanceof Opaque ? unknown : known).add(expression.name());
      }
    }
    assertThat(known)
        .containsExactly(
            "bitwise",
            "byteorder",
            "cmp",
            "connlimit",
            "counter",
            "ct",
            "dynset",
            "exthdr",
            "fib",
            "hash",
            "immediate",
            "limit",
            "log",
            "lookup",
            "masq",
            "meta",
            "nat",
            "notrack",
            "numgen",
            "objref",
            "payload",
            "queue",
            "quota",
            "range",
            "redir",
            "reject",
            "rt",
            "synproxy");
    assertThat(unknown).containsExactly("xfrm");
  }

  /** Fails if what the kernel reports of the reference table cannot be read. */
  @Test
  void readsTheKernelsDump() {
    Golden golden = Golden.load("nftables/dump-rules");
    List<List<Bytes>> rules = GoldenExpressions.rules(golden.receivedMessages());
    assertThat(rules).hasSizeGreaterThan(50);
    List<String> texts = new ArrayList<>();
    for (List<Bytes> rule : rules) {
      for (Bytes bytes : rule) {
        Expression expression = GoldenExpressions.decode(bytes);
        assertThat(expression).isNotInstanceOf(Opaque.class);
        assertThat(GoldenExpressions.decode(GoldenExpressions.encode(expression)))
            .isEqualTo(expression);
        texts.add(expression.toString());
      }
    }
    assertThat(texts)
        .contains(
            "meta load iif => reg 1",
            "immediate reg 0 jump -> user",
            "fib daddr type => reg 1",
            "lookup reg 1 set exact4 dreg 1",
            "immediate reg 0 drop");
  }

  /** Fails if a cut anywhere makes the decoder throw anything but a refusal. */
  @Test
  void everyTruncationIsRefusedOrRead() {
    int refused = 0;
    for (String name : captures()) {
      for (Bytes bytes : GoldenExpressions.sent(Golden.load(name))) {
        for (int length = 0; length < bytes.length(); length++) {
          byte[] cut = Arrays.copyOf(bytes.toArray(), length);
          Throwable thrown = catchThrowable(() -> GoldenExpressions.decode(cut));
          if (thrown != null) {
            assertThat(thrown)
                .as("%s cut to %d: %s", name, length, Bytes.of(cut))
                .isInstanceOf(MalformedMessageException.class);
            refused++;
          }
        }
      }
    }
    assertThat(refused).isGreaterThan(1000);
  }

  /** Fails if any change of bytes makes the decoder throw anything but a refusal. */
  @Test
  void everyDistortionIsRefusedOrRead() {
    long seed = 0x5105ceL;
    Random random = new Random(seed);
    for (String name : captures()) {
      for (Bytes bytes : GoldenExpressions.sent(Golden.load(name))) {
        for (int round = 0; round < 20; round++) {
          byte[] distorted = bytes.toArray();
          for (int i = 0; i <= round % 3; i++) {
            distorted[random.nextInt(distorted.length)] = (byte) random.nextInt();
          }
          Throwable thrown =
              catchThrowable(() -> GoldenExpressions.encode(GoldenExpressions.decode(distorted)));
          if (thrown != null) {
            assertThat(thrown)
                .as("seed %d, %s: %s", seed, name, Bytes.of(distorted))
                .isInstanceOf(MalformedMessageException.class);
          }
        }
      }
    }
  }
}
