package dev.sluice.ruleset.path;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import dev.sluice.nftables.ElementSet;
import dev.sluice.nftables.Rule;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.expr.Bitwise;
import dev.sluice.nftables.expr.Byteorder;
import dev.sluice.nftables.expr.Cmp;
import dev.sluice.nftables.expr.Connlimit;
import dev.sluice.nftables.expr.Ct;
import dev.sluice.nftables.expr.Data;
import dev.sluice.nftables.expr.Dynset;
import dev.sluice.nftables.expr.Expression;
import dev.sluice.nftables.expr.Exthdr;
import dev.sluice.nftables.expr.Fib;
import dev.sluice.nftables.expr.Hash;
import dev.sluice.nftables.expr.Immediate;
import dev.sluice.nftables.expr.Limit;
import dev.sluice.nftables.expr.Lookup;
import dev.sluice.nftables.expr.Masq;
import dev.sluice.nftables.expr.Meta;
import dev.sluice.nftables.expr.Nat;
import dev.sluice.nftables.expr.Notrack;
import dev.sluice.nftables.expr.Numgen;
import dev.sluice.nftables.expr.Opaque;
import dev.sluice.nftables.expr.Payload;
import dev.sluice.nftables.expr.Queue;
import dev.sluice.nftables.expr.Quota;
import dev.sluice.nftables.expr.Range;
import dev.sluice.nftables.expr.Redir;
import dev.sluice.nftables.expr.Register;
import dev.sluice.nftables.expr.Reject;
import dev.sluice.nftables.expr.Rt;
import dev.sluice.nftables.expr.Synproxy;
import dev.sluice.nftables.expr.Verdict;
import dev.sluice.route.LinuxRtnetlink;
import dev.sluice.route.Route;
import dev.sluice.ruleset.path.Packet.Interface;
import dev.sluice.ruleset.path.Packet.Tracking;
import dev.sluice.ruleset.path.Result.Kind;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A packet's way through one base chain of nf_tables and the chains it jumps to. */
final class NftChain {
  // enum nft_registers: 64 bytes in registers of 4 or 16.
  private static final int REGISTERS_BYTES = 64;
  private static final int REGISTER32_BYTES = 4;
  private static final int REGISTER_BYTES = 16;
  private static final int NAME_BYTES = 16;

  /** NF_QUEUE of linux/netfilter.h; higher bits of a verdict carry the queue. */
  private static final int NF_QUEUE = 3;

  private static final int VERDICT_MASK = 0xff;

  /** NFT_JUMP_STACK_SIZE. */
  private static final int MAX_DEPTH = 16;

  /** NF_NAT_RANGE_NETMAP (linux/netfilter/nf_nat.h). */
  private static final int NF_NAT_RANGE_NETMAP = 1 << 6;

  /** Elements that a key could be, if it is not wholly known. */
  private static final int MAX_CANDIDATES = 16;

  private static final int ETH_P_IP = 0x0800;
  private static final int ETH_P_IPV6 = 0x86dd;

  private final Firewall firewall;
  private final Host host;
  private final Firewall.Base base;
  private final Packet packet;
  private final Choices choices;

  private final byte[] typical = new byte[REGISTERS_BYTES];
  private final byte[] known = new byte[REGISTERS_BYTES];

  private NftChain(
      Firewall firewall, Host host, Firewall.Base base, Packet packet, Choices choices) {
    this.firewall = firewall;
    this.host = host;
    this.base = base;
    this.packet = packet;
    this.choices = choices;
  }

  /** Lets the packet pass, and changes it as the rules do. */
  static Result pass(
      Firewall firewall, Host host, Firewall.Base base, Packet packet, Choices choices) {
    NftChain chain = new NftChain(firewall, host, base, packet, choices);
    Result result = chain.run(base.chain().name(), 0);
    if (result != null) {
      return result;
    }
    String name = base.chain().name();
    return base.hook().policy() == NF_DROP
        ? new Result(Kind.DROPPED, "policy drop", 0, name, "dropped")
        : Result.passes("policy accept", 0, name, "goes on");
  }

  /** What a rule comes to: the next rule, another verdict, or the end. */
  private record Step(@Nullable Verdict verdict, @Nullable Result end) {
    static final Step NEXT = new Step(null, null);
  }

  /** Null if the chain ends without a decision. */
  private @Nullable Result run(String chain, int depth) {
    if (depth > MAX_DEPTH) {
      return null;
    }
    for (Rule rule : firewall.rules(base.chain().table(), chain)) {
      Step step = run(rule);
      if (step.end() != null) {
        return step.end();
      }
      Verdict verdict = step.verdict();
      if (verdict == null) {
        continue;
      }
      switch (verdict.code()) {
        case NFT_RETURN -> {
          return null;
        }
        case NFT_JUMP -> {
          Result result = run(String.valueOf(verdict.chain()), depth + 1);
          if (result != null) {
            return result;
          }
        }
        case NFT_GOTO -> {
          return run(String.valueOf(verdict.chain()), depth + 1);
        }
        default -> {
          return decided(rule, verdict.code());
        }
      }
    }
    return null;
  }

  private Result decided(Rule rule, int code) {
    return switch (code & VERDICT_MASK) {
      case NF_DROP -> result(rule, Kind.DROPPED, "dropped");
      case NF_QUEUE -> queued(rule);
      default -> result(rule, Kind.PASSES, "accepted here, goes on");
    };
  }

  private Result queued(Rule rule) {
    return choices.holds(true, "what the program says that \"" + firewall.text(rule) + "\" asks")
        ? result(rule, Kind.PASSES, "handed to a program, which lets it go on")
        : result(rule, Kind.DROPPED, "handed to a program, which drops it");
  }

  private Result result(Rule rule, Kind kind, String effect) {
    return new Result(kind, firewall.text(rule), rule.handle(), rule.chain(), effect);
  }

  private Step run(Rule rule) {
    Arrays.fill(known, (byte) 0);
    Verdict verdict = null;
    for (Expression expression : rule.expressions()) {
      // A condition of a rule decides what becomes of the packet as soon as the rule matches.
      if (expression instanceof Immediate immediate
          && immediate.data() instanceof Data.OfVerdict constant) {
        verdict = constant.verdict();
      } else if (expression instanceof Lookup lookup) {
        Found found = lookup(rule, lookup);
        if (!found.matches()) {
          return Step.NEXT;
        }
        if (found.verdict() != null) {
          verdict = found.verdict();
        }
      } else {
        Step step = statement(rule, expression);
        if (step != null) {
          return step;
        }
      }
      if (verdict != null && verdict.code() == NFT_CONTINUE) {
        verdict = null;
      }
      if (verdict != null) {
        return verdict.code() == NFT_BREAK ? Step.NEXT : new Step(verdict, null);
      }
    }
    return Step.NEXT;
  }

  /** Null if the rule goes on behind the expression. */
  private @Nullable Step statement(Rule rule, Expression expression) {
    if (expression instanceof Nat nat) {
      return nat(rule, nat);
    }
    if (expression instanceof Masq masq) {
      return translated(rule, masquerade(port(masq.portMin())));
    }
    if (expression instanceof Redir redir) {
      return translated(rule, redirect(port(redir.portMin())));
    }
    if (expression instanceof Reject reject) {
      return new Step(null, result(rule, Kind.REJECTED, rejected(reject)));
    }
    if (expression instanceof Queue) {
      return new Step(null, queued(rule));
    }
    if (expression instanceof Synproxy) {
      return new Step(
          null, result(rule, Kind.PROXIED, "answered with a SYN cookie by the SYN proxy"));
    }
    if (expression instanceof Opaque opaque && XtExtension.isOne(opaque)) {
      return xt(rule, XtExtension.of(opaque, rule.table().family()));
    }
    return condition(rule, expression) ? null : Step.NEXT;
  }

  private static String rejected(Reject reject) {
    return reject.type() == NFT_REJECT_TCP_RST
        ? "refused with a TCP reset"
        : "refused with an ICMP error";
  }

  private @Nullable Step xt(Rule rule, XtExtension extension) {
    if (!extension.isTarget()) {
      return extension.matches(packet, host, choices) ? null : Step.NEXT;
    }
    XtExtension.Effect effect = extension.apply(packet, host, choices, base.hook().number());
    if (effect.translation() != null) {
      return translated(rule, Optional.of(effect.translation()));
    }
    return switch (effect.kind()) {
      case CONTINUES -> null;
      case ACCEPTED -> new Step(null, result(rule, Kind.PASSES, "accepted here, goes on"));
      case DROPPED -> new Step(null, result(rule, Kind.DROPPED, effect.text()));
      case REJECTED -> new Step(null, result(rule, Kind.REJECTED, effect.text()));
    };
  }

  // ---- translations

  private Step nat(Rule rule, Nat nat) {
    int family = packet.family() == Family.IPV4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
    if (nat.family() != family) {
      return Step.NEXT;
    }
    boolean ofSource = nat.type() == NFT_NAT_SNAT;
    Optional<IpAddress> address =
        nat.addressMin() == Register.NONE
            ? Optional.empty()
            : Optional.of(
                IpAddress.fromBytes(
                    get(nat.addressMin(), packet.family().bytes()).value().toArray()));
    if (address.isPresent() && (nat.flags() & NF_NAT_RANGE_NETMAP) != 0) {
      IpAddress last =
          IpAddress.fromBytes(get(nat.addressMax(), packet.family().bytes()).value().toArray());
      IpAddress old = (ofSource ? packet.source : packet.destination).address();
      address = Optional.of(mapped(old, address.get(), last));
    }
    return translated(rule, Optional.of(new Translation(ofSource, address, port(nat.portMin()))));
  }

  /** The bits in which the ends of the block differ are kept (nf_nat_setup_info, NETMAP). */
  static IpAddress mapped(IpAddress old, IpAddress first, IpAddress last) {
    byte[] result = first.toBytes();
    byte[] to = last.toBytes();
    byte[] kept = old.toBytes();
    for (int i = 0; i < result.length; i++) {
      int free = result[i] ^ to[i];
      result[i] = (byte) ((result[i] & ~free) | (kept[i] & free));
    }
    return IpAddress.fromBytes(result);
  }

  private OptionalInt port(int register) {
    return register == Register.NONE
        ? OptionalInt.empty()
        : OptionalInt.of(get(register, 2).value().u16be(0));
  }

  private Optional<Translation> masquerade(OptionalInt port) {
    return masquerade(packet, host, port);
  }

  /** To the address of the interface it leaves by; empty if that has none. */
  static Optional<Translation> masquerade(Packet packet, Host host, OptionalInt port) {
    return packet
        .out
        .flatMap(link -> host.addressOf(link, packet.destination.address()))
        .map(address -> new Translation(true, Optional.of(address), port));
  }

  private Optional<Translation> redirect(OptionalInt port) {
    return redirect(packet, host, port);
  }

  /** To this host: the address of the interface it came in by, or the loopback address. */
  static Optional<Translation> redirect(Packet packet, Host host, OptionalInt port) {
    IpAddress loopback = IpAddress.parse(packet.family() == Family.IPV4 ? "127.0.0.1" : "::1");
    Optional<IpAddress> to =
        packet.in.isEmpty()
            ? Optional.of(loopback)
            : packet.in.flatMap(link -> host.addressOf(link, packet.source.address()));
    return to.map(address -> new Translation(false, Optional.of(address), port));
  }

  private Step translated(Rule rule, Optional<Translation> translation) {
    if (translation.isEmpty()) {
      // nf_nat_masquerade_ipv4 and nf_nat_redirect without an address to take
      return new Step(
          null, result(rule, Kind.DROPPED, "dropped, since the interface has no address for it"));
    }
    return new Step(null, result(rule, Kind.PASSES, translation.get().apply(packet)));
  }

  // ---- conditions

  private boolean condition(Rule rule, Expression expression) {
    if (expression instanceof Payload.Load load) {
      return load(load);
    } else if (expression instanceof Payload.Write) {
      return true;
    } else if (expression instanceof Meta meta) {
      return meta(meta);
    } else if (expression instanceof Ct ct) {
      return ct(ct);
    } else if (expression instanceof Fib fib) {
      return fib(fib);
    } else if (expression instanceof Rt rt) {
      put(rt.dreg(), Bits.unknown(rt.key() == NFT_RT_NEXTHOP6 ? 16 : 4));
      return true;
    } else if (expression instanceof Exthdr exthdr) {
      return exthdr(exthdr);
    } else if (expression instanceof Numgen numgen) {
      number(numgen.dreg(), numgen.modulus(), numgen.offset(), "which number numgen draws");
      return true;
    } else if (expression instanceof Hash hash) {
      number(hash.dreg(), hash.modulus(), hash.offset(), "what the hash of the packet is");
      return true;
    } else if (expression instanceof Immediate immediate) {
      put(immediate.dreg(), Bits.of(((Data.Value) immediate.data()).bytes()));
      return true;
    } else if (expression instanceof Bitwise bitwise) {
      bitwise(bitwise);
      return true;
    } else if (expression instanceof Byteorder byteorder) {
      byteorder(byteorder);
      return true;
    } else if (expression instanceof Cmp cmp) {
      return compare(rule, cmp);
    } else if (expression instanceof Range range) {
      Bits value = get(range.sreg(), range.from().length());
      boolean inside =
          decide(
              between(value, range.from(), range.to()),
              between(Bits.of(value.value()), range.from(), range.to()),
              rule);
      return inside == (range.op() == NFT_RANGE_EQ);
    } else if (expression instanceof Dynset dynset) {
      return dynset.expressions().stream().allMatch(one -> perElement(rule, one))
          != dynset.inverted();
    } else if (expression instanceof Notrack) {
      if (packet.tracking == Tracking.BEFORE) {
        packet.tracking = Tracking.UNTRACKED;
      }
      return true;
    } else if (expression instanceof Opaque opaque) {
      return switch (opaque.name()) {
        // What it does is done behind the first packet, or beside it.
        case "last", "dup", "flow_offload", "counter" -> true;
        default -> choices.holds(false, "\"" + opaque.name() + "\" in the rule " + text(rule));
      };
    }
    return perElement(rule, expression);
  }

  private String text(Rule rule) {
    return "\"" + firewall.text(rule) + "\" of " + rule.table() + " " + rule.chain();
  }

  /** What a rule or an element of a set asks beside the packet. */
  private boolean perElement(Rule rule, Expression expression) {
    if (expression instanceof Limit limit) {
      boolean over = (limit.flags() & NFT_LIMIT_F_INV) != 0;
      return choices.holds(!over, "the rate of " + text(rule));
    }
    if (expression instanceof Connlimit limit) {
      boolean over = (limit.flags() & NFT_CONNLIMIT_F_INV) != 0;
      return choices.holds(
          !over,
          "how many connections are open ("
              + (over ? "over " : "")
              + limit.count()
              + ") in "
              + text(rule));
    }
    if (expression instanceof Quota quota) {
      boolean over = (quota.flags() & NFT_QUOTA_F_INV) != 0;
      return Long.compareUnsigned(quota.consumed(), quota.bytes()) >= 0 == over;
    }
    return true;
  }

  private boolean decide(@Nullable Boolean certain, @Nullable Boolean usual, Rule rule) {
    return certain != null
        ? certain
        : choices.holds(Boolean.TRUE.equals(usual), "what the packet is like for " + text(rule));
  }

  private boolean compare(Rule rule, Cmp cmp) {
    Bits value = get(cmp.sreg(), cmp.value().length());
    return decide(
        compare(cmp.op(), value, cmp.value()),
        compare(cmp.op(), Bits.of(value.value()), cmp.value()),
        rule);
  }

  /** Null if it depends on bits that are not known. */
  static @Nullable Boolean compare(int op, Bits value, Bytes with) {
    switch (op) {
      case NFT_CMP_EQ, NFT_CMP_NEQ -> {
        boolean equal = op == NFT_CMP_EQ;
        if (!value.canBe(with)) {
          return !equal;
        }
        return value.isCertain() ? equal : null;
      }
      default -> {
        boolean least = holds(op, order(value.least(), with));
        boolean most = holds(op, order(value.most(), with));
        return least == most ? (Boolean) least : null;
      }
    }
  }

  private static boolean holds(int op, int order) {
    return switch (op) {
      case NFT_CMP_LT -> order < 0;
      case NFT_CMP_LTE -> order <= 0;
      case NFT_CMP_GT -> order > 0;
      default -> order >= 0;
    };
  }

  private static int order(Bytes a, Bytes b) {
    return Arrays.compareUnsigned(a.toArray(), b.toArray());
  }

  private static @Nullable Boolean between(Bits value, Bytes from, Bytes to) {
    Boolean above = compare(NFT_CMP_GTE, value, from);
    Boolean below = compare(NFT_CMP_LTE, value, to);
    if (Boolean.FALSE.equals(above) || Boolean.FALSE.equals(below)) {
      return false;
    }
    if (above == null || below == null) {
      return null;
    }
    return true;
  }

  // ---- sets

  private record Found(boolean matches, @Nullable Verdict verdict) {
    static final Found NOTHING = new Found(false, null);
  }

  private Found lookup(Rule rule, Lookup lookup) {
    Optional<ElementSet> set = firewall.set(rule.table(), lookup.set());
    if (set.isEmpty()) {
      return Found.NOTHING;
    }
    Bits key = get(lookup.sreg(), set.get().keyLengthBytes());
    Optional<SetElement> element = element(rule, lookup, set.get(), key);
    if (element.isEmpty() || lookup.inverted()) {
      return element.isEmpty() == lookup.inverted() ? new Found(true, null) : Found.NOTHING;
    }
    Verdict verdict = null;
    if (lookup.dreg() != Register.NONE) {
      Data data = element.get().data();
      if (data instanceof Data.OfVerdict of) {
        verdict = of.verdict();
      } else if (data instanceof Data.Value value) {
        put(lookup.dreg(), Bits.of(value.bytes()));
      }
    }
    for (Expression expression : element.get().expressions()) {
      if (!perElement(rule, expression)) {
        return Found.NOTHING;
      }
    }
    return new Found(true, verdict);
  }

  private Optional<SetElement> element(Rule rule, Lookup lookup, ElementSet set, Bits key) {
    if (key.isCertain()) {
      return firewall.element(rule.table(), lookup.set(), key.value());
    }
    Optional<SetElement> usual = firewall.element(rule.table(), lookup.set(), key.value());
    List<Optional<SetElement>> candidates = new ArrayList<>();
    candidates.add(usual);
    Set<String> different = new LinkedHashSet<>();
    for (SetElement element : firewall.elements(rule.table(), lookup.set())) {
      boolean interval =
          (set.flags() & NFT_SET_INTERVAL) != 0 || (element.flags() & NFT_SET_ELEM_CATCHALL) != 0;
      if ((interval || key.canBe(element.key()))
          && different.size() < MAX_CANDIDATES
          && different.add(String.valueOf(element.data()))) {
        candidates.add(Optional.of(element));
      }
    }
    if (different.isEmpty()) {
      return usual;
    }
    candidates.add(Optional.empty());
    return candidates.get(
        choices.choose(candidates.size(), 0, "what the packet is like for " + text(rule)));
  }

  // ---- registers

  private static int offset(int register) {
    return register >= NFT_REG32_00
        ? (register - NFT_REG32_00) * REGISTER32_BYTES
        : (register - NFT_REG_1) * REGISTER_BYTES;
  }

  private Bits get(int register, int length) {
    int at = offset(register);
    return Bits.of(
        Bytes.of(Arrays.copyOfRange(typical, at, at + length)),
        Bytes.of(Arrays.copyOfRange(known, at, at + length)));
  }

  /** Fills the register up with zeros to whole words, as the kernel does. */
  private void put(int register, Bits value) {
    int at = offset(register);
    int padded = Register.padded(value.length());
    Arrays.fill(typical, at, at + padded, (byte) 0);
    Arrays.fill(known, at, at + padded, (byte) 0xff);
    value.copyTo(typical, known, at);
  }

  private void bitwise(Bitwise bitwise) {
    if (bitwise instanceof Bitwise.MaskXor mask) {
      put(mask.dreg(), get(mask.sreg(), mask.mask().length()).masked(mask.mask(), mask.xor()));
    } else if (bitwise instanceof Bitwise.Shift shift) {
      put(shift.dreg(), shifted(get(shift.sreg(), shift.length()), shift));
    }
  }

  private static Bits shifted(Bits value, Bitwise.Shift shift) {
    if (value.length() != Integer.BYTES) {
      return Bits.unknown(value.length());
    }
    int bits = host(shift.bits());
    boolean left = shift.op() == NFT_BITWISE_LSHIFT;
    int number = host(value.value());
    int certain = host(value.known());
    // What comes in is zero, and known.
    return Bits.of(
        Bytes.ofU32Host(left ? number << bits : number >>> bits),
        Bytes.ofU32Host(left ? ~(~certain << bits) : ~(~certain >>> bits)));
  }

  /** Four bytes in this machine's order as a number. */
  private static int host(Bytes four) {
    return Bytes.ofU32Host(four.u32be(0)).u32be(0);
  }

  private void byteorder(Byteorder order) {
    Bits value = get(order.sreg(), order.length());
    if (ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN) {
      value = Bits.of(turned(value.value(), order.size()), turned(value.known(), order.size()));
    }
    put(order.dreg(), value);
  }

  /** Each number of {@code size} bytes the other way round. */
  private static Bytes turned(Bytes numbers, int size) {
    byte[] turned = numbers.toArray();
    for (int at = 0; at + size <= turned.length; at += size) {
      for (int i = 0; i < size; i++) {
        turned[at + i] = (byte) numbers.u8(at + size - 1 - i);
      }
    }
    return Bytes.of(turned);
  }

  private void number(int register, int modulus, int offset, String what) {
    int chosen = modulus <= 1 ? 0 : choices.choose(modulus, 0, what);
    put(register, Bits.u32Host(chosen + offset));
  }

  // ---- what is looked at

  private boolean load(Payload.Load load) {
    Bits header =
        switch (load.base()) {
          case NFT_PAYLOAD_NETWORK_HEADER -> packet.networkHeader();
          case NFT_PAYLOAD_TRANSPORT_HEADER -> packet.transportHeader();
          default -> Bits.unknown(0);
        };
    int end = load.offset() + load.length();
    put(
        load.dreg(),
        end <= header.length()
            ? header.slice(load.offset(), load.length())
            : Bits.unknown(load.length()));
    return true;
  }

  private boolean meta(Meta meta) {
    if (meta.set()) {
      if (meta.key() == NFT_META_MARK) {
        packet.mark = host(get(meta.register(), Integer.BYTES).value());
      }
      return true;
    }
    Optional<Interface> in = packet.in;
    Optional<Interface> out = packet.out;
    Bits value =
        switch (meta.key()) {
          case NFT_META_PROTOCOL ->
              Bits.u16be(packet.family() == Family.IPV4 ? ETH_P_IP : ETH_P_IPV6);
          case NFT_META_NFPROTO ->
              Bits.u8(packet.family() == Family.IPV4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
          case NFT_META_L4PROTO -> Bits.u8(packet.protocol.number());
          case NFT_META_MARK -> Bits.u32Host(packet.mark);
          case NFT_META_IIF -> Bits.u32Host(in.map(Interface::index).orElse(0));
          case NFT_META_OIF -> Bits.u32Host(out.map(Interface::index).orElse(0));
          case NFT_META_IIFNAME -> name(in.map(Interface::name));
          case NFT_META_OIFNAME -> name(out.map(Interface::name));
          case NFT_META_IIFKIND -> name(in.map(Interface::kind));
          case NFT_META_OIFKIND -> name(out.map(Interface::kind));
          case NFT_META_PRIORITY, NFT_META_IIFGROUP, NFT_META_OIFGROUP, NFT_META_NFTRACE ->
              Bits.unknown(4);
          // PACKET_HOST
          case NFT_META_PKTTYPE -> Bits.u8(0);
          case NFT_META_LEN -> Bits.unknown(Bytes.ofU32Host(60));
          case NFT_META_TIME_NS -> Bits.unknown(8);
          default -> Bits.unknown(4);
        };
    put(meta.register(), value);
    return true;
  }

  private static Bits name(Optional<String> text) {
    return Bits.of(Bytes.ofText(text.orElse("")).padTo(NAME_BYTES));
  }

  private boolean ct(Ct ct) {
    if (ct.set()) {
      if (ct.key() == NFT_CT_MARK && packet.tracking == Tracking.NEW) {
        packet.connectionMark = host(get(ct.register(), Integer.BYTES).value());
      }
      return true;
    }
    if (ct.key() == NFT_CT_STATE) {
      put(ct.register(), Bits.u32Host(packet.state()));
      return true;
    }
    if (packet.tracking != Tracking.NEW) {
      return false;
    }
    boolean reply = ct.direction() == Ct.REPLY;
    Bits value =
        switch (ct.key()) {
          case NFT_CT_DIRECTION -> Bits.u8(Ct.ORIGINAL);
          case NFT_CT_STATUS -> Bits.u32Host(packet.status());
          case NFT_CT_MARK -> Bits.u32Host(packet.connectionMark);
          case NFT_CT_L3PROTOCOL ->
              Bits.u8(packet.family() == Family.IPV4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
          case NFT_CT_PROTOCOL -> Bits.u8(packet.protocol.number());
          case NFT_CT_SRC, NFT_CT_SRC_IP, NFT_CT_SRC_IP6 -> address(reply, true, ct.key());
          case NFT_CT_DST, NFT_CT_DST_IP, NFT_CT_DST_IP6 -> address(reply, false, ct.key());
          case NFT_CT_PROTO_SRC -> Packet.port(end(reply, true).port());
          case NFT_CT_PROTO_DST -> Packet.port(end(reply, false).port());
          case NFT_CT_ZONE -> Bits.of(Bytes.of((byte) 0, (byte) 0));
          case NFT_CT_LABELS -> Bits.of(Bytes.EMPTY.padTo(16));
          case NFT_CT_PKTS, NFT_CT_BYTES, NFT_CT_AVGPKT -> Bits.of(Bytes.EMPTY.padTo(8));
          case NFT_CT_HELPER -> null;
          default -> Bits.unknown(4);
        };
    if (value == null || value.length() == 0) {
      return false;
    }
    put(ct.register(), value);
    return true;
  }

  private Packet.End end(boolean reply, boolean ofSource) {
    return reply ? packet.replyEnd(ofSource) : packet.originalEnd(ofSource);
  }

  /** Empty where the key is for the other family. */
  private Bits address(boolean reply, boolean ofSource, int key) {
    boolean six = packet.family() == Family.IPV6;
    boolean fits =
        switch (key) {
          case NFT_CT_SRC_IP, NFT_CT_DST_IP -> !six;
          case NFT_CT_SRC_IP6, NFT_CT_DST_IP6 -> six;
          default -> true;
        };
    return fits
        ? Bits.of(Bytes.of(end(reply, ofSource).address().toBytes()))
        : Bits.of(Bytes.EMPTY);
  }

  private boolean exthdr(Exthdr exthdr) {
    if (exthdr.set()) {
      return true;
    }
    if ((exthdr.flags() & NFT_EXTHDR_F_PRESENT) != 0) {
      boolean option = exthdr.op() == NFT_EXTHDR_OP_TCPOPT && packet.protocol == Protocol.TCP;
      // First packets of tcp have options, and nobody knows which; others have no such headers.
      put(exthdr.register(), option ? Bits.unknown(1) : Bits.u8(0));
      return true;
    }
    if (exthdr.op() != NFT_EXTHDR_OP_TCPOPT || packet.protocol != Protocol.TCP) {
      return false;
    }
    put(exthdr.register(), Bits.unknown(exthdr.length()));
    return true;
  }

  private boolean fib(Fib fib) {
    IpAddress address =
        ((fib.flags() & NFTA_FIB_F_SADDR) != 0 ? packet.source : packet.destination).address();
    Optional<Interface> on =
        (fib.flags() & NFTA_FIB_F_IIF) != 0
            ? packet.in
            : (fib.flags() & NFTA_FIB_F_OIF) != 0 ? packet.out : Optional.empty();
    if (fib.result() == NFT_FIB_RESULT_ADDRTYPE) {
      put(fib.dreg(), Bits.u32Host(addressType(host, address, on)));
      return true;
    }
    Optional<Route> route =
        host.routeTo(address).filter(found -> found.type() == LinuxRtnetlink.RTN_UNICAST);
    OptionalInt index = host.indexOf(route);
    if (on.isPresent() && index.isPresent() && index.getAsInt() != on.get().index()) {
      index = OptionalInt.empty();
    }
    if ((fib.flags() & NFTA_FIB_F_PRESENT) != 0) {
      put(fib.dreg(), Bits.u8(index.isPresent() ? 1 : 0));
    } else if (fib.result() == NFT_FIB_RESULT_OIF) {
      put(fib.dreg(), Bits.u32Host(index.orElse(0)));
    } else {
      put(
          fib.dreg(),
          name(
              index.isPresent()
                  ? host.link(index.getAsInt()).map(Interface::name)
                  : Optional.empty()));
    }
    return true;
  }

  /** RTN_* as the tables see it: what is no address of this host or of a group is unicast. */
  static int addressType(Host host, IpAddress address, Optional<Interface> on) {
    if (address.isMulticast()) {
      return LinuxRtnetlink.RTN_MULTICAST;
    }
    if (address.isAny() && address.family() == Family.IPV4) {
      return LinuxRtnetlink.RTN_BROADCAST;
    }
    int type =
        host.routeTo(address)
            .map(Route::type)
            .orElse(
                address.family() == Family.IPV6
                    ? LinuxRtnetlink.RTN_UNREACHABLE
                    : LinuxRtnetlink.RTN_UNICAST);
    if (type == LinuxRtnetlink.RTN_LOCAL && on.isPresent() && !host.has(on.get(), address)) {
      return LinuxRtnetlink.RTN_UNICAST;
    }
    return type;
  }
}
