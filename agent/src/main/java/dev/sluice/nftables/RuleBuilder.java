package dev.sluice.nftables;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.net.Bytes;
import dev.sluice.nftables.expr.Bitwise;
import dev.sluice.nftables.expr.Cmp;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Dynset;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Immediate;
import dev.sluice.nftables.expr.Lookup;
import dev.sluice.nftables.expr.Masq;
import dev.sluice.nftables.expr.Nat;
import dev.sluice.nftables.expr.Register;
import dev.sluice.nftables.expr.Verdict;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes a rule from left to right, as in nft, and takes care of registers and of the checks nft
 * adds silently: {@code ip daddr} in an inet table is only looked at after {@code meta nfproto
 * ipv4}.
 *
 * <pre>{@code
 * // meta l4proto . th dport vmap @guarded
 * RuleBuilder.in(table, "publish").vmap("guarded", L4PROTO, TH_DPORT);
 * }</pre>
 */
public final class RuleBuilder {
  /** ct status, bit 5 (IPS_DST_NAT, linux/netfilter/nf_conntrack_common.h). */
  private static final int IPS_DST_NAT = 1 << 5;

  /** Type "local" of a fib lookup (RTN_LOCAL, linux/rtnetlink.h). */
  private static final int RTN_LOCAL = 2;

  // enum ip_conntrack_info as bits of "ct state" (NF_CT_STATE_BIT)
  private static final int STATE_ESTABLISHED = 2;
  private static final int STATE_RELATED = 4;

  // include/net/tcp.h
  private static final int TCPHDR_FIN = 1;
  private static final int TCPHDR_SYN = 1 << 1;
  private static final int TCPHDR_RST = 1 << 2;
  private static final int TCPHDR_ACK = 1 << 4;

  private final TableId table;
  private final String chain;
  private final List<Expression> expressions = new ArrayList<>();
  private int familyChecked = NFPROTO_UNSPEC;

  private RuleBuilder(TableId table, String chain) {
    this.table = table;
    this.chain = chain;
  }

  public static RuleBuilder in(TableId table, String chain) {
    return new RuleBuilder(table, chain);
  }

  /** Any expression, for what has no method here. */
  public RuleBuilder with(Expression expression) {
    expressions.add(expression);
    return this;
  }

  /** Adds expressions of any kind. */
  public RuleBuilder with(List<Expression> several) {
    expressions.addAll(several);
    return this;
  }

  // ---- matches

  /** Goes on if the field has this value. */
  public RuleBuilder match(Field field, Bytes value) {
    load(field);
    return with(Cmp.eq(Register.R1, value));
  }

  /** As {@link #match(Field, Bytes)} for a one-byte field. */
  public RuleBuilder match(Field field, int value) {
    return match(field, Bytes.of((byte) value));
  }

  /** Goes on if the destination address is one of the host's own. */
  public RuleBuilder destinationIsLocal() {
    load(Field.FIB_DADDR_TYPE);
    return with(Cmp.eq(Register.R1, Bytes.ofU32Host(RTN_LOCAL)));
  }

  /** Goes on if the source address is one of the host's own. */
  public RuleBuilder sourceIsLocal() {
    load(Field.FIB_SADDR_TYPE);
    return with(Cmp.eq(Register.R1, Bytes.ofU32Host(RTN_LOCAL)));
  }

  /** Goes on if the connection's destination was translated: {@code ct status dnat}. */
  public RuleBuilder destinationTranslated() {
    load(Field.CT_STATUS);
    with(Bitwise.mask(Register.R1, Register.R1, Bytes.ofU32Host(IPS_DST_NAT), Bytes.ofU32Host(0)));
    return with(Cmp.neq(Register.R1, Bytes.ofU32Host(0)));
  }

  /** Goes on if the packet is of a connection that is known, or related to one. */
  public RuleBuilder belongsToConnection() {
    load(Field.CT_STATE);
    with(Bitwise.mask(Register.R1, Bytes.ofU32Host(STATE_ESTABLISHED | STATE_RELATED)));
    return with(Cmp.neq(Register.R1, Bytes.ofU32Host(0)));
  }

  /** Goes on if a tcp packet is the first of a connection: syn alone of these flags. */
  public RuleBuilder opensConnection() {
    loadHandshakeFlags();
    return with(Cmp.eq(Register.R1, Bytes.of((byte) TCPHDR_SYN)));
  }

  /** Goes on if a tcp packet is not the first of a connection: not syn alone of these flags. */
  public RuleBuilder opensNoConnection() {
    loadHandshakeFlags();
    return with(Cmp.neq(Register.R1, Bytes.of((byte) TCPHDR_SYN)));
  }

  private void loadHandshakeFlags() {
    load(Field.TCP_FLAGS);
    with(
        Bitwise.mask(
            Register.R1, Bytes.of((byte) (TCPHDR_FIN | TCPHDR_SYN | TCPHDR_RST | TCPHDR_ACK))));
  }

  /** Goes on if the concatenated fields are in the set. */
  public RuleBuilder inSet(String set, Field... fields) {
    load(fields);
    return with(Lookup.in(set, Register.R1));
  }

  public RuleBuilder inSet(ElementSet anonymous, Field... fields) {
    load(fields);
    return with(
        new Lookup(anonymous.name(), anonymous.transactionId(), Register.R1, Register.NONE, false));
  }

  /** Goes on if the concatenated fields are not in the set. */
  public RuleBuilder notInSet(String set, Field... fields) {
    load(fields);
    return with(Lookup.notIn(set, Register.R1));
  }

  // ---- statements

  /**
   * Keeps an element for the fields in the dynamic set, with an expression of its own; goes on if
   * that does, or if the set is full.
   */
  public RuleBuilder update(String set, Expression perElement, Field... fields) {
    load(fields);
    return with(Dynset.update(set, Register.R1, 0, perElement));
  }

  public RuleBuilder counter() {
    return with(new Counter(0, 0));
  }

  // ---- ends of a rule

  /** Does what the verdict map says for the fields; the next rule follows if it says nothing. */
  public Rule vmap(String map, Field... fields) {
    load(fields);
    return with(Lookup.verdict(map, Register.R1)).build();
  }

  public Rule vmap(ElementSet anonymous, Field... fields) {
    load(fields);
    return with(new Lookup(
            anonymous.name(), anonymous.transactionId(), Register.R1, Register.VERDICT, false))
        .build();
  }

  /**
   * Sends the connection to the address and port the map holds for the fields; the next rule
   * follows if it holds nothing.
   *
   * @param family NFPROTO_IPV4 or NFPROTO_IPV6
   */
  public Rule dnatToAddressAndPort(int family, String map, Field... fields) {
    load(fields);
    with(Lookup.map(map, Register.R1, Register.R1));
    int port = Register.at(family == NFPROTO_IPV4 ? 4 : 16);
    return with(Nat.destination(family, Register.R1, port)).build();
  }

  /** Sends the connection to the address the map holds for the fields; the port stays. */
  public Rule dnatToAddress(int family, String map, Field... fields) {
    load(fields);
    with(Lookup.map(map, Register.R1, Register.R1));
    return with(Nat.destination(family, Register.R1, Register.NONE)).build();
  }

  /** Gives the connection the source address the map holds for the fields, and any port. */
  public Rule snatToAddress(int family, String map, int flags, Field... fields) {
    load(fields);
    with(Lookup.map(map, Register.R1, Register.R1));
    return with(Nat.source(family, Register.R1, flags)).build();
  }

  /**
   * Gives the connection the address of the interface it leaves by.
   *
   * @param flags NF_NAT_RANGE_PROTO_RANDOM_FULLY or 0
   */
  public Rule masquerade(int flags) {
    return with(Masq.any(flags)).build();
  }

  public Rule accept() {
    return verdict(Verdict.ACCEPT);
  }

  public Rule drop() {
    return verdict(Verdict.DROP);
  }

  public Rule returns() {
    return verdict(Verdict.RETURN);
  }

  public Rule jump(String target) {
    return verdict(Verdict.jump(target));
  }

  public Rule goTo(String target) {
    return verdict(Verdict.goTo(target));
  }

  public Rule verdict(Verdict verdict) {
    return with(Immediate.verdict(verdict)).build();
  }

  public Rule build() {
    return Rule.of(table, chain, expressions);
  }

  /** Loads the fields into consecutive registers, which makes them a concatenation. */
  private void load(Field... fields) {
    for (Field field : fields) {
      if (field.family() != NFPROTO_UNSPEC && field.family() != familyChecked) {
        with(Field.NFPROTO.load().apply(Register.R1));
        with(Cmp.eq(Register.R1, Bytes.of((byte) field.family())));
        familyChecked = field.family();
      }
    }
    int offset = 0;
    for (Field field : fields) {
      with(field.load().apply(Register.at(offset)));
      offset += Register.padded(field.lengthBytes());
    }
  }
}
