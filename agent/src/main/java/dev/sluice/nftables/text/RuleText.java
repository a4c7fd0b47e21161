package dev.sluice.nftables.text;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.net.Bytes;
import dev.sluice.nftables.Rule;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.expr.Bitwise;
import dev.sluice.nftables.expr.Byteorder;
import dev.sluice.nftables.expr.Cmp;
import dev.sluice.nftables.expr.Connlimit;
import dev.sluice.nftables.expr.Counter;
import dev.sluice.nftables.expr.Ct;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Dynset;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Exthdr;
import dev.sluice.nftables.expr.Fib;
import dev.sluice.nftables.expr.Hash;
import dev.sluice.nftables.expr.Immediate;
import dev.sluice.nftables.expr.Limit;
import dev.sluice.nftables.expr.Log;
import dev.sluice.nftables.expr.Lookup;
import dev.sluice.nftables.expr.Masq;
import dev.sluice.nftables.expr.Meta;
import dev.sluice.nftables.expr.Nat;
import dev.sluice.nftables.expr.Notrack;
import dev.sluice.nftables.expr.Numgen;
import dev.sluice.nftables.expr.Payload;
import dev.sluice.nftables.expr.Queue;
import dev.sluice.nftables.expr.Quota;
import dev.sluice.nftables.expr.Range;
import dev.sluice.nftables.expr.Redir;
import dev.sluice.nftables.expr.Register;
import dev.sluice.nftables.expr.Reject;
import dev.sluice.nftables.expr.Rt;
import dev.sluice.nftables.expr.Synproxy;
import dev.sluice.nftables.text.Operand.Beginning;
import dev.sluice.nftables.text.Operand.Computed;
import dev.sluice.nftables.text.Operand.Constant;
import dev.sluice.nftables.text.Operand.Fields;
import dev.sluice.nftables.text.Operand.MapData;
import dev.sluice.nftables.text.Operand.Masked;
import dev.sluice.nftables.text.Operand.Selector;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/**
 * Reads a rule from left to right and says it in nft's words. Registers hold where a value comes
 * from; a match, an assignment or a translation then names it.
 *
 * <p>nft puts checks of its own before a field of a header ({@code meta nfproto ipv4} before {@code
 * ip saddr}) and leaves them out where it prints. So does this, where such a check stands right
 * before the field; a field whose check is missing keeps no name, for nft would add the check.
 */
final class RuleText {
  // linux/in.h, linux/in6.h
  private static final int ICMP = 1;
  private static final int ICMPV6 = 58;
  private static final Map<Integer, String> TRANSPORT_HEADERS =
      Map.of(6, "tcp", 17, "udp", 33, "dccp", 132, "sctp", 136, "udplite");

  /** ARPHRD_ETHER (linux/if_arp.h). */
  private static final int ETHERNET = 1;

  private static final int UNKNOWN = -1;

  /** The longest stretch of a packet nft can name by its position, in bytes. */
  private static final int MAX_RAW_BYTES = 16;

  private static final int REGISTER_BYTES = 16;
  private static final int REGISTER32_BYTES = 4;

  // Flags the kernel derives from the registers.
  private static final int NAT_DERIVED = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED;

  private final Rule rule;
  private final Map<String, SetText> sets;
  private final Map<String, List<SetElement>> elements;

  /** By the first byte of the register. */
  private final Map<Integer, Operand> registers = new HashMap<>();

  private final List<String> statements = new ArrayList<>();

  // What the rule has asked for so far, and the statement that asked: nft would ask by itself.
  private int family;
  private int familyAsked = UNKNOWN;

  /** Whether a field needs that check, with the one for the transport between them. */
  private boolean familyUsed;

  private int transport = UNKNOWN;
  private int transportAsked = UNKNOWN;
  private boolean ethernet;
  private int ethernetAsked = UNKNOWN;

  private RuleText(Rule rule, Map<String, SetText> sets, Map<String, List<SetElement>> elements) {
    this.rule = rule;
    this.sets = sets;
    this.elements = elements;
    int family = rule.table().family();
    this.family = family == NFPROTO_IPV4 || family == NFPROTO_IPV6 ? family : NFPROTO_UNSPEC;
  }

  /**
   * The rule without its comment.
   *
   * @param sets by name, those that can be written
   * @param elements of the sets, by the set's name
   * @throws InexpressibleException naming the first expression that has no words
   */
  static String of(Rule rule, Map<String, SetText> sets, Map<String, List<SetElement>> elements)
      throws InexpressibleException {
    return new RuleText(rule, sets, elements).read();
  }

  private String read() throws InexpressibleException {
    List<Expression> all = rule.expressions();
    for (int i = 0; i < all.size(); i++) {
      Expression next = i + 1 < all.size() ? all.get(i + 1) : null;
      if (all.get(i) instanceof Cmp from
          && next instanceof Cmp to
          && from.op() == NFT_CMP_GTE
          && to.op() == NFT_CMP_LTE
          && from.sreg() == to.sreg()) {
        range(from, from.sreg(), "", from.value(), to.value());
        i++;
      } else {
        read(all.get(i));
      }
    }
    if (statements.isEmpty()) {
      throw new InexpressibleException("a rule without a statement");
    }
    return String.join(" ", statements);
  }

  private void read(Expression expression) throws InexpressibleException {
    if (expression instanceof Payload.Load load) {
      put(load.dreg(), load(load));
    } else if (expression instanceof Payload.Write write) {
      write(write);
    } else if (expression instanceof Meta meta) {
      meta(meta);
    } else if (expression instanceof Ct ct) {
      ct(ct);
    } else if (expression instanceof Fib fib) {
      put(fib.dreg(), Selectors.fib(fib));
    } else if (expression instanceof Rt rt) {
      put(rt.dreg(), Selectors.rt(rt));
    } else if (expression instanceof Numgen numgen) {
      put(numgen.dreg(), Selectors.numgen(numgen));
    } else if (expression instanceof Hash hash) {
      put(hash.dreg(), hash(hash));
    } else if (expression instanceof Exthdr exthdr) {
      exthdr(exthdr);
    } else if (expression instanceof Bitwise bitwise) {
      bitwise(bitwise);
    } else if (expression instanceof Byteorder byteorder) {
      byteorder(byteorder);
    } else if (expression instanceof Immediate immediate) {
      immediate(immediate);
    } else if (expression instanceof Cmp cmp) {
      compare(cmp);
    } else if (expression instanceof Range range) {
      range(
          range, range.sreg(), range.op() == NFT_RANGE_NEQ ? "!= " : "", range.from(), range.to());
    } else if (expression instanceof Lookup lookup) {
      lookup(lookup);
    } else if (expression instanceof Dynset dynset) {
      dynset(dynset);
    } else if (expression instanceof Nat nat) {
      nat(nat);
    } else if (expression instanceof Masq masq) {
      say("masquerade" + ports(masq, masq.portMin(), masq.portMax()) + flags(masq, masq.flags()));
    } else if (expression instanceof Redir redir) {
      say(
          "redirect"
              + ports(redir, redir.portMin(), redir.portMax())
              + flags(redir, redir.flags()));
    } else if (expression instanceof Reject reject) {
      reject(reject);
    } else if (expression instanceof Queue queue) {
      queue(queue);
    } else if (expression instanceof Log log) {
      say(Statements.log(log));
    } else if (expression instanceof Notrack) {
      say("notrack");
    } else if (expression instanceof Synproxy synproxy) {
      say(Statements.synproxy(synproxy));
    } else if (expression instanceof Counter
        || expression instanceof Limit
        || expression instanceof Connlimit
        || expression instanceof Quota) {
      say(Statements.perElement(expression));
    } else {
      throw new InexpressibleException(expression);
    }
  }

  private void say(String statement) {
    familyUsed = false;
    statements.add(statement);
  }

  // ---- registers

  private static int offset(int register) {
    return register >= NFT_REG32_00
        ? (register - NFT_REG32_00) * REGISTER32_BYTES
        : (register - NFT_REG_1) * REGISTER_BYTES;
  }

  private void put(int register, Operand operand) {
    registers.put(offset(register), operand);
  }

  private Operand get(int register, Expression user) throws InexpressibleException {
    Operand operand = registers.get(offset(register));
    if (operand == null) {
      throw new InexpressibleException(user);
    }
    return operand;
  }

  private Selector selector(int register, Expression user) throws InexpressibleException {
    if (get(register, user) instanceof Selector selector) {
      return selector;
    }
    throw new InexpressibleException(user);
  }

  /** The fields that lie side by side from {@code register} on: {@code ip daddr . th dport}. */
  private String concatenation(int register, int lengthBytes, Expression user)
      throws InexpressibleException {
    StringJoiner fields = new StringJoiner(" . ");
    int at = offset(register);
    int end = at + lengthBytes;
    while (at < end) {
      // What only has a position has no type, and nft would not compare it with a set's.
      if (!(registers.get(at) instanceof Selector field) || field.type() == ValueType.RAW) {
        throw new InexpressibleException(user);
      }
      fields.add(field.text());
      at += Register.padded(field.lengthBytes());
    }
    // The last field may be shorter than the whole registers it occupies.
    if (at - end > 3) {
      throw new InexpressibleException(user);
    }
    return fields.toString();
  }

  // ---- what is looked at

  private Operand load(Payload.Load load) throws InexpressibleException {
    String header = header(load.base(), load.offset());
    if (header != null) {
      Optional<PayloadField> found = PayloadField.at(header, load.offset());
      if (found.isPresent()) {
        PayloadField field = found.get();
        Selector whole = new Selector(field.text(), field.type(), field.lengthBytes(), true, load);
        if (field.lengthBytes() == load.length()) {
          dropAsked(header);
          return whole;
        }
        if (load.length() < field.lengthBytes() && field.type().isAddress()) {
          dropAsked(header);
          return new Beginning(whole, load.length());
        }
        List<Selector> fields = neighbours(header, load);
        if (!fields.isEmpty()) {
          return new Fields(header, fields, raw(load));
        }
      }
    }
    return raw(load);
  }

  /** The fields that together are what was read; none if there are not such. */
  private static List<Selector> neighbours(String header, Payload.Load load) {
    List<Selector> fields = new ArrayList<>();
    int at = load.offset();
    int end = load.offset() + load.length();
    while (at < end) {
      Optional<PayloadField> field = PayloadField.at(header, at);
      if (field.isEmpty() || at + field.get().lengthBytes() > end) {
        return List.of();
      }
      fields.add(
          new Selector(
              field.get().text(), field.get().type(), field.get().lengthBytes(), true, null));
      at += field.get().lengthBytes();
    }
    return fields;
  }

  private static Selector raw(Payload.Load load) throws InexpressibleException {
    String base =
        switch (load.base()) {
          case NFT_PAYLOAD_LL_HEADER -> "ll";
          case NFT_PAYLOAD_NETWORK_HEADER -> "nh";
          case NFT_PAYLOAD_TRANSPORT_HEADER -> "th";
          case NFT_PAYLOAD_INNER_HEADER -> "ih";
          default -> throw new InexpressibleException(load);
        };
    if (load.length() > MAX_RAW_BYTES) {
      throw new InexpressibleException(load);
    }
    String text = "@" + base + "," + load.offset() * Byte.SIZE + "," + load.length() * Byte.SIZE;
    return new Selector(text, ValueType.RAW, load.length(), true, load);
  }

  /** The header that the rule knows to be there; null if it does not. */
  private @Nullable String header(int base, int offset) {
    switch (base) {
      case NFT_PAYLOAD_LL_HEADER -> {
        return ethernet ? "ether" : null;
      }
      case NFT_PAYLOAD_NETWORK_HEADER -> {
        return family == NFPROTO_IPV4 ? "ip" : family == NFPROTO_IPV6 ? "ip6" : null;
      }
      case NFT_PAYLOAD_TRANSPORT_HEADER -> {
        if (transport == ICMP) {
          return family == NFPROTO_IPV4 ? "icmp" : null;
        }
        if (transport == ICMPV6) {
          return family == NFPROTO_IPV6 ? "icmpv6" : null;
        }
        // Ports lie in the same place in all of these, and nft asks for nothing.
        return TRANSPORT_HEADERS.getOrDefault(transport, offset < 4 ? "th" : null);
      }
      default -> {
        return null;
      }
    }
  }

  /** Leaves out the check for the header, if it is the last thing said. */
  private void dropAsked(String header) {
    switch (header) {
      case "ether" -> ethernetAsked = drop(ethernetAsked);
      case "ip", "ip6" -> {
        familyUsed = familyAsked != UNKNOWN && familyAsked == transportAsked - 1;
        familyAsked = drop(familyAsked);
      }
      case "th" -> {}
      case "icmp", "icmpv6" -> {
        if (drop(transportAsked) == UNKNOWN) {
          transportAsked = UNKNOWN;
          familyAsked = drop(familyAsked);
        }
      }
      default -> {
        transportAsked = drop(transportAsked);
        // Both checks stood before fields of both headers.
        familyAsked = familyUsed ? drop(familyAsked) : familyAsked;
      }
    }
  }

  private int drop(int asked) {
    if (asked != UNKNOWN && asked == statements.size() - 1) {
      statements.remove(asked);
      return UNKNOWN;
    }
    return asked;
  }

  private void meta(Meta meta) throws InexpressibleException {
    Optional<Selector> selector = Selectors.meta(meta.key());
    if (selector.isEmpty()) {
      throw new InexpressibleException(meta);
    }
    if (meta.set()) {
      assign(selector.get(), meta.register(), meta);
    } else {
      put(meta.register(), selector.get());
    }
  }

  private void ct(Ct ct) throws InexpressibleException {
    Selector selector = Selectors.ct(ct);
    if (ct.set()) {
      assign(selector, ct.register(), ct);
    } else {
      put(ct.register(), selector);
    }
  }

  private Selector hash(Hash hash) throws InexpressibleException {
    StringBuilder text = new StringBuilder();
    if (hash.type() == NFT_HASH_SYM) {
      text.append("symhash");
    } else {
      text.append("jhash ").append(concatenation(hash.sreg(), hash.length(), hash));
    }
    text.append(" mod ").append(Integer.toUnsignedString(hash.modulus()));
    if (hash.type() != NFT_HASH_SYM && hash.seed().isPresent()) {
      text.append(" seed 0x").append(Integer.toHexString(hash.seed().getAsInt()));
    }
    if (hash.offset() != 0) {
      text.append(" offset ").append(Integer.toUnsignedString(hash.offset()));
    }
    return Selector.of(text.toString(), ValueType.INTEGER, 4);
  }

  private void exthdr(Exthdr exthdr) throws InexpressibleException {
    Selector selector = Selectors.exthdr(exthdr);
    if (exthdr.set()) {
      assign(selector, exthdr.register(), exthdr);
      return;
    }
    int needed =
        switch (exthdr.op()) {
          case NFT_EXTHDR_OP_IPV6 -> NFPROTO_IPV6;
          case NFT_EXTHDR_OP_IPV4 -> NFPROTO_IPV4;
          default -> family;
        };
    if (needed != family) {
      throw new InexpressibleException(exthdr);
    }
    if (exthdr.op() != NFT_EXTHDR_OP_TCPOPT) {
      familyAsked = drop(familyAsked);
    }
    put(exthdr.register(), selector);
  }

  private void bitwise(Bitwise bitwise) throws InexpressibleException {
    if (bitwise instanceof Bitwise.MaskXor mask) {
      Selector of =
          get(mask.sreg(), bitwise) instanceof Fields fields
              ? fields.whole()
              : selector(mask.sreg(), bitwise);
      put(mask.dreg(), new Masked(of, mask.mask(), mask.xor()));
    } else if (bitwise instanceof Bitwise.Shift shift) {
      Selector shifted = selector(shift.sreg(), bitwise);
      String operator = shift.op() == NFT_BITWISE_LSHIFT ? " << " : " >> ";
      String bits = ValueType.INTEGER.text(ValueType.INTEGER.ordered(shift.bits()));
      put(shift.dreg(), new Computed(shifted.text() + operator + bits));
    }
  }

  private void byteorder(Byteorder byteorder) throws InexpressibleException {
    Selector turned = selector(byteorder.sreg(), byteorder);
    boolean toNetwork = byteorder.op() == NFT_BYTEORDER_HTON;
    if (turned.lengthBytes() == 1) {
      return; // nft turns single bytes of a concatenation, too
    }
    if (turned.networkOrder() == toNetwork || byteorder.size() != turned.lengthBytes()) {
      throw new InexpressibleException(byteorder);
    }
    put(byteorder.dreg(), turned.inNetworkOrder(toNetwork));
  }

  private void immediate(Immediate immediate) throws InexpressibleException {
    if (immediate.data() instanceof Data.OfVerdict verdict) {
      say(Words.verdict(verdict.verdict()));
    } else if (immediate.data() instanceof Data.Value value) {
      put(immediate.dreg(), new Constant(value.bytes()));
    }
  }

  // ---- matches

  private void compare(Cmp cmp) throws InexpressibleException {
    Operand left = get(cmp.sreg(), cmp);
    boolean equality = cmp.op() == NFT_CMP_EQ || cmp.op() == NFT_CMP_NEQ;
    if (left instanceof Selector selector) {
      if (!equality && !selector.networkOrder()) {
        throw new InexpressibleException(cmp);
      }
      compare(selector, cmp);
    } else if (left instanceof Beginning beginning && equality) {
      Selector address = beginning.address();
      String prefix = address.valueText(cmp.value().padTo(address.lengthBytes()));
      int bits = beginning.lengthBytes() * Byte.SIZE;
      say(address.text() + " " + operator(cmp, "") + prefix + "/" + bits);
    } else if (left instanceof Fields fields && cmp.op() == NFT_CMP_EQ) {
      int at = 0;
      dropAsked(fields.header());
      for (Selector field : fields.fields()) {
        if (at + field.lengthBytes() > cmp.value().length()) {
          throw new InexpressibleException(cmp);
        }
        say(field.text() + " " + field.valueText(cmp.value().slice(at, field.lengthBytes())));
        at += field.lengthBytes();
      }
    } else if (left instanceof Masked masked && equality) {
      compare(masked, cmp);
    } else {
      throw new InexpressibleException(cmp);
    }
  }

  private void compare(Selector left, Cmp cmp) throws InexpressibleException {
    boolean shortened = cmp.value().length() < left.lengthBytes();
    String value;
    if (shortened && left.type().isName()) {
      // A name without its end matches every name that begins so.
      String beginning = left.valueText(cmp.value());
      value = beginning.substring(0, beginning.length() - 1) + "*\"";
    } else if (shortened) {
      throw new InexpressibleException(cmp);
    } else {
      value = left.valueText(cmp.value());
    }
    // Without an operator nft would look at the bits.
    say(left.text() + " " + operator(cmp, left.type().isBits() ? "== " : "") + value);
    if (cmp.op() == NFT_CMP_EQ) {
      remember(left, cmp.value());
    }
  }

  /** Keeps in mind what the packet is known to be from here on. */
  private void remember(Selector asked, Bytes value) {
    int last = statements.size() - 1;
    switch (asked.text()) {
      case "meta nfproto" -> {
        if (rule.table().family() == NFPROTO_INET) {
          family = value.u8(0);
          familyAsked = last;
        }
      }
      case "meta l4proto" -> {
        transport = value.u8(0);
        transportAsked = last;
      }
      case "meta iiftype" -> {
        ethernet = value.equals(asked.ordered(Bytes.of((byte) 0, (byte) ETHERNET)));
        ethernetAsked = last;
      }
      case "ip protocol", "ip6 nexthdr" -> {
        transport = value.u8(0);
        transportAsked = UNKNOWN; // has been written, and stays
      }
      default -> {}
    }
  }

  private static String operator(Cmp cmp, String equal) throws InexpressibleException {
    return switch (cmp.op()) {
      case NFT_CMP_EQ -> equal;
      case NFT_CMP_NEQ -> "!= ";
      case NFT_CMP_LT -> "< ";
      case NFT_CMP_LTE -> "<= ";
      case NFT_CMP_GT -> "> ";
      case NFT_CMP_GTE -> ">= ";
      default -> throw new InexpressibleException(cmp);
    };
  }

  private void compare(Masked left, Cmp cmp) throws InexpressibleException {
    Selector of = left.of();
    Bytes value = cmp.value();
    if (isSet(left.xor()) || value.length() != left.mask().length()) {
      throw new InexpressibleException(cmp);
    }
    if (of.type().isBits()) {
      String bits = of.valueText(left.mask());
      if (!isSet(value)) {
        say(of.text() + (cmp.op() == NFT_CMP_NEQ ? " " : " ! ") + bits);
      } else if (of.type() == ValueType.TCP_FLAG) {
        say(of.text() + " " + operator(cmp, "") + of.valueText(value) + " / " + bits);
      } else {
        throw new InexpressibleException(cmp);
      }
      return;
    }
    int prefix = of.type().isAddress() ? prefixLength(left.mask()) : UNKNOWN;
    if (prefix != UNKNOWN) {
      say(of.text() + " " + operator(cmp, "") + of.valueText(value) + "/" + prefix);
    } else {
      say(
          of.text()
              + " & "
              + of.valueText(left.mask())
              + " "
              + operator(cmp, "== ")
              + of.valueText(value));
    }
  }

  private static boolean isSet(Bytes bits) {
    return FieldTypes.isSet(bits);
  }

  /** How many leading bits are set; UNKNOWN if there are others behind them. */
  private static int prefixLength(Bytes mask) {
    int length = 0;
    while (length < mask.length() * Byte.SIZE && bit(mask, length)) {
      length++;
    }
    for (int i = length; i < mask.length() * Byte.SIZE; i++) {
      if (bit(mask, i)) {
        return UNKNOWN;
      }
    }
    return length;
  }

  private static boolean bit(Bytes bits, int index) {
    return (bits.u8(index / Byte.SIZE) & 0x80 >>> index % Byte.SIZE) != 0;
  }

  private void range(Expression user, int register, String operator, Bytes from, Bytes to)
      throws InexpressibleException {
    Selector left = selector(register, user);
    if (!left.networkOrder() || left.type().isBits() || left.type().isName()) {
      throw new InexpressibleException(user);
    }
    say(left.text() + " " + operator + left.valueText(from) + "-" + left.valueText(to));
  }

  // ---- sets

  private SetText set(String name, Expression user) throws InexpressibleException {
    SetText set = sets.get(name);
    if (set == null) {
      throw new InexpressibleException(user);
    }
    return set;
  }

  private void lookup(Lookup lookup) throws InexpressibleException {
    SetText set = set(lookup.set(), lookup);
    String key = concatenation(lookup.sreg(), set.set().keyLengthBytes(), lookup);
    String reference = set.reference(elements.getOrDefault(lookup.set(), List.of()));
    if (lookup.dreg() == Register.NONE) {
      say(key + (lookup.inverted() ? " != " : " ") + reference);
    } else if (lookup.dreg() == Register.VERDICT) {
      say(key + " vmap " + reference);
    } else if (set.data().isPresent()) {
      put(lookup.dreg(), new MapData(key + " map " + reference, set.data().get().fields()));
    } else {
      throw new InexpressibleException(lookup);
    }
  }

  private void dynset(Dynset dynset) throws InexpressibleException {
    SetText set = set(dynset.set(), dynset);
    if (dynset.inverted() || set.set().isAnonymous()) {
      throw new InexpressibleException(dynset);
    }
    StringBuilder text = new StringBuilder();
    text.append(
        switch (dynset.op()) {
          case NFT_DYNSET_OP_ADD -> "add @";
          case NFT_DYNSET_OP_UPDATE -> "update @";
          case NFT_DYNSET_OP_DELETE -> "delete @";
          default -> throw new InexpressibleException(dynset);
        });
    text.append(Words.identifier(dynset.set())).append(" { ");
    text.append(concatenation(dynset.sregKey(), set.set().keyLengthBytes(), dynset));
    if (dynset.timeoutMillis() != 0) {
      text.append(" timeout ").append(Words.duration(dynset.timeoutMillis()));
    }
    for (Expression expression : dynset.expressions()) {
      text.append(' ').append(Statements.declared(expression));
    }
    if (dynset.sregData() != Register.NONE) {
      int length = set.set().dataLengthBytes();
      text.append(" : ").append(concatenation(dynset.sregData(), length, dynset));
    }
    say(text.append(" }").toString());
  }

  // ---- assignments

  private void assign(Selector target, int register, Expression user)
      throws InexpressibleException {
    say(target.text() + " set " + value(target, get(register, user), user));
  }

  private static String value(Selector target, Operand source, Expression user)
      throws InexpressibleException {
    if (source instanceof Constant constant) {
      return target.valueText(constant.value());
    }
    if (source instanceof Selector selector) {
      return selector.text();
    }
    if (source instanceof Computed computed) {
      return computed.text();
    }
    if (source instanceof MapData data && data.fields().size() == 1) {
      return data.text();
    }
    if (source instanceof Masked masked) {
      return masked(masked, user);
    }
    throw new InexpressibleException(user);
  }

  /** {@code & mask}, {@code | bits} and {@code ^ bits} are all one operation of the kernel. */
  private static String masked(Masked masked, Expression user) throws InexpressibleException {
    Selector of = masked.of();
    Bytes mask = masked.mask();
    Bytes xor = masked.xor();
    if (!isSet(xor)) {
      return of.text() + " & " + of.valueText(mask);
    }
    boolean flips = true;
    boolean sets = true;
    for (int i = 0; i < mask.length(); i++) {
      flips &= mask.u8(i) == 0xff;
      sets &= (mask.u8(i) ^ xor.u8(i)) == 0xff;
    }
    if (flips || sets) {
      return of.text() + (flips ? " ^ " : " | ") + of.valueText(xor);
    }
    throw new InexpressibleException(user);
  }

  private void write(Payload.Write write) throws InexpressibleException {
    Operand source = get(write.sreg(), write);
    int offset = write.offset();
    int length = write.length();
    Bytes value;
    if (source instanceof Constant constant) {
      value = constant.value();
    } else if (source instanceof Masked masked && isSamePlace(masked.of().packet(), write)) {
      // A field smaller than the checksum's unit is written together with its neighbour.
      int from = 0;
      while (from < length && masked.mask().u8(from) == 0xff) {
        from++;
      }
      int to = from;
      while (to < length && masked.mask().u8(to) == 0) {
        to++;
      }
      Bytes kept = masked.mask().slice(to, length - to);
      if (from == to || !kept.equals(ones(length - to))) {
        throw new InexpressibleException(write);
      }
      value = masked.xor().slice(from, to - from);
      offset += from;
      length = to - from;
    } else {
      throw new InexpressibleException(write);
    }
    String header = header(write.base(), offset);
    Optional<PayloadField> field =
        header == null ? Optional.empty() : PayloadField.at(header, offset);
    if (field.isEmpty() || field.get().lengthBytes() != length || value.length() != length) {
      throw new InexpressibleException(write);
    }
    dropAsked(field.get().header());
    say(field.get().text() + " set " + field.get().type().text(value));
  }

  private static Bytes ones(int length) {
    byte[] ones = new byte[length];
    Arrays.fill(ones, (byte) 0xff);
    return Bytes.of(ones);
  }

  private static boolean isSamePlace(Payload.@Nullable Load load, Payload.Write write) {
    return load != null
        && load.base() == write.base()
        && load.offset() == write.offset()
        && load.length() == write.length();
  }

  // ---- translations and refusals

  private void nat(Nat nat) throws InexpressibleException {
    if (nat.family() != NFPROTO_IPV4 && nat.family() != NFPROTO_IPV6) {
      throw new InexpressibleException(nat);
    }
    StringBuilder text = new StringBuilder(nat.type() == NFT_NAT_SNAT ? "snat" : "dnat");
    if (rule.table().family() == NFPROTO_INET) {
      text.append(nat.family() == NFPROTO_IPV4 ? " ip" : " ip6");
    }
    text.append(" to ").append(natTarget(nat)).append(flags(nat, nat.flags()));
    say(text.toString());
  }

  private String natTarget(Nat nat) throws InexpressibleException {
    ValueType type = nat.family() == NFPROTO_IPV4 ? ValueType.IPV4_ADDR : ValueType.IPV6_ADDR;
    if (nat.addressMin() == Register.NONE) {
      if (nat.portMin() == Register.NONE) {
        throw new InexpressibleException(nat);
      }
      return ports(nat, nat.portMin(), nat.portMax()).substring(" to ".length());
    }
    if (get(nat.addressMin(), nat) instanceof MapData data) {
      boolean withPort = nat.portMin() != Register.NONE;
      List<ValueType> wanted = withPort ? List.of(type, ValueType.INET_SERVICE) : List.of(type);
      boolean oneAddress = single(nat.addressMin(), nat.addressMax());
      boolean onePort = single(nat.portMin(), nat.portMax());
      boolean adjacent =
          !withPort || offset(nat.portMin()) == offset(nat.addressMin()) + type.lengthBytes();
      if (!data.fields().equals(wanted) || !oneAddress || !onePort || !adjacent) {
        throw new InexpressibleException(nat);
      }
      return data.text();
    }
    boolean withPort = nat.portMin() != Register.NONE;
    String first = address(nat.addressMin(), type, withPort, nat);
    String text =
        single(nat.addressMin(), nat.addressMax())
            ? first
            : first + "-" + address(nat.addressMax(), type, withPort, nat);
    return withPort
        ? text + ports(nat, nat.portMin(), nat.portMax()).substring(" to ".length())
        : text;
  }

  /** Whether there is no range: the kernel reports the same register twice then. */
  private static boolean single(int min, int max) {
    return max == Register.NONE || max == min;
  }

  private String address(int register, ValueType type, boolean withPort, Nat nat)
      throws InexpressibleException {
    if (!(get(register, nat) instanceof Constant constant)) {
      throw new InexpressibleException(nat);
    }
    String text = type.text(constant.value());
    return withPort && type == ValueType.IPV6_ADDR ? "[" + text + "]" : text;
  }

  /** {@code " to :80-90"}, or nothing without a register. */
  private String ports(Expression user, int min, int max) throws InexpressibleException {
    if (min == Register.NONE) {
      return "";
    }
    String text = " to :" + port(min, user);
    return single(min, max) ? text : text + "-" + port(max, user);
  }

  private String port(int register, Expression user) throws InexpressibleException {
    if (get(register, user) instanceof Constant constant) {
      return ValueType.INET_SERVICE.text(constant.value().slice(0, 2));
    }
    throw new InexpressibleException(user);
  }

  private static String flags(Expression user, int flags) throws InexpressibleException {
    int known =
        NAT_DERIVED
            | NF_NAT_RANGE_PROTO_RANDOM
            | NF_NAT_RANGE_PROTO_RANDOM_FULLY
            | NF_NAT_RANGE_PERSISTENT;
    if ((flags & ~known) != 0) {
      throw new InexpressibleException(user);
    }
    StringJoiner names = new StringJoiner(",", " ", "").setEmptyValue("");
    if ((flags & NF_NAT_RANGE_PROTO_RANDOM) != 0) {
      names.add("random");
    }
    if ((flags & NF_NAT_RANGE_PROTO_RANDOM_FULLY) != 0) {
      names.add("fully-random");
    }
    if ((flags & NF_NAT_RANGE_PERSISTENT) != 0) {
      names.add("persistent");
    }
    return names.toString();
  }

  private void reject(Reject reject) throws InexpressibleException {
    String text = Statements.reject(reject, family);
    if (reject.type() == NFT_REJECT_ICMP_UNREACH) {
      familyAsked = drop(familyAsked);
    }
    say(text);
  }

  private void queue(Queue queue) throws InexpressibleException {
    StringJoiner flags = new StringJoiner(",", " flags ", "").setEmptyValue("");
    if ((queue.flags() & NFT_QUEUE_FLAG_BYPASS) != 0) {
      flags.add("bypass");
    }
    if ((queue.flags() & NFT_QUEUE_FLAG_CPU_FANOUT) != 0) {
      flags.add("fanout");
    }
    String to;
    if (queue.sreg() != Register.NONE) {
      to = selector(queue.sreg(), queue).text();
    } else {
      int last = queue.first() + Math.max(queue.total(), 1) - 1;
      to = queue.first() + (last > queue.first() ? "-" + last : "");
    }
    say("queue" + flags + " to " + to);
  }
}
