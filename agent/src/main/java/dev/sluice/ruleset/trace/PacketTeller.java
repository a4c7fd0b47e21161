package dev.sluice.ruleset.trace;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;

import dev.sluice.model.FlowTuple;
import dev.sluice.model.TracedPacket;
import dev.sluice.model.TracedPacket.AtChain;
import dev.sluice.model.TracedPacket.AtRule;
import dev.sluice.model.TracedPacket.Culprit;
import dev.sluice.model.TracedPacket.End;
import dev.sluice.model.TracedPacket.Outcome;
import dev.sluice.model.TracedPacket.Step;
import dev.sluice.model.TracedPacket.Translated;
import dev.sluice.nftables.Chain;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.TraceMessage;
import dev.sluice.nftables.expr.Verdict;
import dev.sluice.ruleset.trace.PacketAssembler.Trail;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/** Tells what happened to one packet. Our own table, which did nothing to it, is left out. */
final class PacketTeller {
  private static final List<String> IP_HOOKS =
      List.of("prerouting", "input", "forward", "output", "postrouting", "ingress");
  private static final List<String> ARP_HOOKS = List.of("input", "output", "forward");
  private static final List<String> NETDEV_HOOKS = List.of("ingress", "egress");

  private final RuleBook book;
  private final IntFunction<String> deviceName;
  private final Trail trail;

  private final List<Step> steps = new ArrayList<>();
  private @Nullable FlowTuple header;
  private String hook = "";
  private Optional<String> out = Optional.empty();

  // The chain it is in; null in one of ours.
  private @Nullable TraceMessage entered;
  private Optional<Chain.Hook> place = Optional.empty();
  private final List<AtRule> rules = new ArrayList<>();
  private boolean translates;

  private PacketTeller(Trail trail, RuleBook book, IntFunction<String> deviceName) {
    this.trail = trail;
    this.book = book;
    this.deviceName = deviceName;
  }

  /**
   * Tells it.
   *
   * @param deviceName the name of the device with an index
   * @return empty if it is no IP packet
   */
  static Optional<TracedPacket> tell(Trail trail, RuleBook book, IntFunction<String> deviceName) {
    return new PacketTeller(trail, book, deviceName).tell();
  }

  private Optional<TracedPacket> tell() {
    TraceMessage first = trail.steps().get(0);
    Optional<FlowTuple> seen = first.packet().flatMap(Headers::tuple);
    if (seen.isEmpty()) {
      return Optional.empty();
    }
    Optional<TraceMessage.Connection> connection = Optional.empty();
    for (TraceMessage message : trail.steps()) {
      if (message.packet().isPresent()) {
        leave(Optional.empty());
        enter(message, message.packet().get());
      }
      if (entered != null) {
        pass(message);
      }
      if (message.connection().isPresent()) {
        connection = message.connection();
      }
    }
    End end = end();
    return Optional.of(
        new TracedPacket(
            trail.time(),
            HexFormat.of().toHexDigits(first.id()),
            trail.way(),
            seen.get(),
            first.packet().flatMap(packet -> Headers.tcpFlags(seen.get(), packet)),
            first.packet().map(TraceMessage.Packet::inIndex).flatMap(this::device),
            connection.isPresent() && connection.get().id() != 0
                ? OptionalLong.of(Integer.toUnsignedLong(connection.get().id()))
                : OptionalLong.empty(),
            connection.map(of -> state(of.state())),
            steps,
            end));
  }

  /** A base chain begins with it, and tells what it looks like. */
  private void enter(TraceMessage message, TraceMessage.Packet packet) {
    boolean ours = message.table().equals(TraceTable.ID);
    place = ours ? Optional.empty() : book.hook(message.table(), message.chain());
    String before = hook;
    hook =
        ours
            ? ownHook(message.chain(), packet)
            : place.map(of -> name(message.table(), of)).orElse(hook.isEmpty() ? "?" : hook);
    Optional<FlowTuple> now = Headers.tuple(packet);
    if (now.isPresent()) {
      if (header != null && !header.equals(now.get())) {
        steps.add(new Translated(translates ? before : hook, header, now.get(), !translates));
      }
      header = now.get();
    }
    translates = false;
    out = device(packet.outIndex());
    entered = ours ? null : message;
    rules.clear();
  }

  /** Of one of our chains. */
  private static String ownHook(String chain, TraceMessage.Packet packet) {
    int end = chain.indexOf('_');
    if (end > 0) {
      return chain.substring(0, end);
    }
    return packet.inIndex() == 0 ? "output" : "prerouting";
  }

  private void pass(TraceMessage message) {
    if (message.type() == NFT_TRACETYPE_POLICY) {
      leave(Optional.of(message.verdict()));
      return;
    }
    if (message.ruleHandle().isEmpty()) {
      // The end of a chain in which no rule decided.
      return;
    }
    String rule =
        book.rule(message.table(), message.ruleHandle().getAsLong())
            .orElse("(a rule that is gone)");
    rules.add(new AtRule(message.chain(), rule, text(message.verdict())));
    // Of a chain that translates, the rule that decides is the one that did it.
    translates =
        place.map(Chain.Hook::type).equals(Optional.of("nat"))
            && message.verdict().code() == NF_ACCEPT;
  }

  /** The chain is over. */
  private void leave(Optional<Verdict> policy) {
    TraceMessage at = entered;
    if (at == null) {
      return;
    }
    String verdict =
        policy
            .map(PacketTeller::text)
            .orElseGet(() -> rules.isEmpty() ? "?" : rules.get(rules.size() - 1).verdict());
    steps.add(
        new AtChain(
            hook,
            place.map(of -> OptionalInt.of(of.priority())).orElse(OptionalInt.empty()),
            at.table().toString(),
            at.chain(),
            rules,
            verdict,
            policy.isPresent()));
    rules.clear();
    entered = null;
  }

  private End end() {
    TraceMessage last = trail.steps().get(trail.steps().size() - 1);
    // Before the last chain is put away, since that forgets its rules.
    Optional<Culprit> culprit =
        last.table().equals(TraceTable.ID) ? Optional.empty() : Optional.of(culprit(last));
    leave(Optional.empty());
    FlowTuple as = header;
    if (as == null) {
      throw new IllegalStateException("a packet that begins without its header");
    }
    if (!trail.complete()) {
      return new End(
          trail.gap() ? Outcome.UNKNOWN : Outcome.VANISHED,
          hook,
          as,
          Optional.empty(),
          Optional.empty());
    }
    if (culprit.isPresent()) {
      boolean taken = last.verdict().code() == NF_STOLEN;
      return new End(taken ? Outcome.TAKEN : Outcome.DROPPED, hook, as, Optional.empty(), culprit);
    }
    return last.chain().equals(TraceTable.POSTROUTING_LAST)
        ? new End(Outcome.SENT, hook, as, out, Optional.empty())
        : new End(Outcome.DELIVERED, hook, as, Optional.empty(), Optional.empty());
  }

  private Culprit culprit(TraceMessage last) {
    Optional<String> rule =
        last.type() == NFT_TRACETYPE_POLICY || rules.isEmpty()
            ? Optional.empty()
            : Optional.of(rules.get(rules.size() - 1).rule());
    return new Culprit(hook, last.table().toString(), last.chain(), rule);
  }

  private Optional<String> device(int index) {
    return index == 0 ? Optional.empty() : Optional.of(deviceName.apply(index));
  }

  private static String name(TableId table, Chain.Hook hook) {
    List<String> names =
        switch (table.family()) {
          case NFPROTO_ARP -> ARP_HOOKS;
          case NFPROTO_NETDEV -> NETDEV_HOOKS;
          default -> IP_HOOKS;
        };
    return hook.number() >= 0 && hook.number() < names.size()
        ? names.get(hook.number())
        : "hook " + hook.number();
  }

  private static String text(Verdict verdict) {
    if (verdict.code() >= 0) {
      return switch (verdict.code() & NF_VERDICT_MASK) {
        case NF_DROP -> "drop";
        case NF_ACCEPT -> "accept";
        case NF_STOLEN -> "stolen";
        case NF_QUEUE -> "queue " + (verdict.code() >>> 16);
        default -> "verdict " + verdict.code();
      };
    }
    return switch (verdict.code()) {
      case NFT_CONTINUE -> "continue";
      case NFT_BREAK -> "break";
      case NFT_JUMP -> "jump " + verdict.chain();
      case NFT_GOTO -> "goto " + verdict.chain();
      case NFT_RETURN -> "return";
      default -> "verdict " + verdict.code();
    };
  }

  /** NF_CT_STATE_BIT of enum ip_conntrack_info (linux/netfilter/nf_conntrack_common.h). */
  private static String state(int bit) {
    return switch (bit) {
      case 1 -> "invalid";
      case 1 << 1 -> "established";
      case 1 << 2 -> "related";
      case 1 << 3 -> "new";
      case 1 << 6 -> "untracked";
      default -> "state " + bit;
    };
  }
}
