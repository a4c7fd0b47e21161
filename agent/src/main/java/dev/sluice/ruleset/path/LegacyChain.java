package dev.sluice.ruleset.path;

import dev.sluice.net.Bytes;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import dev.sluice.ruleset.path.LegacyTable.Entry;
import dev.sluice.ruleset.path.Packet.Interface;
import dev.sluice.ruleset.path.Result.Kind;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.StringJoiner;

/** A packet's way through one chain of the old iptables. */
final class LegacyChain {
  /** By the number of the hook. */
  static final List<String> HOOK_NAMES =
      List.of("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING");

  // Verdicts of the standard target: -NF_… - 1 (linux/netfilter/x_tables.h)
  private static final int DROP = -1;
  private static final int ACCEPT = -2;
  private static final int QUEUE = -4;
  private static final int RETURN = -5;

  // ipt_ip.flags and .invflags; those of IPv6 have the same numbers, except for goto.
  private static final int IPT_F_GOTO = 0x02;
  private static final int IP6T_F_GOTO = 0x04;
  private static final int INVERT_IN = 0x01;
  private static final int INVERT_OUT = 0x02;
  private static final int INVERT_SOURCE = 0x08;
  private static final int INVERT_DESTINATION = 0x10;
  private static final int INVERT_PROTOCOL = 0x40;

  /** Rules of one walk: a table that sends packets in a circle cannot be loaded. */
  private static final int MAX_RULES = 1_000_000;

  private final LegacyTable table;
  private final int hook;
  private final Host host;
  private final Packet packet;
  private final Choices choices;

  private LegacyChain(LegacyTable table, int hook, Host host, Packet packet, Choices choices) {
    this.table = table;
    this.hook = hook;
    this.host = host;
    this.packet = packet;
    this.choices = choices;
  }

  /** Lets the packet pass, and changes it as the rules do. */
  static Result pass(LegacyTable table, int hook, Host host, Packet packet, Choices choices) {
    return new LegacyChain(table, hook, host, packet, choices).run();
  }

  /** The words of iptables' listing for a rule. */
  static String text(LegacyTable table, Entry entry) {
    StringJoiner text = new StringJoiner(" ");
    int inverted = table.inverted(entry);
    block(text, "-s", table, entry, false, (inverted & INVERT_SOURCE) != 0);
    block(text, "-d", table, entry, true, (inverted & INVERT_DESTINATION) != 0);
    link(text, "-i", table.interfaceName(entry, false), (inverted & INVERT_IN) != 0);
    link(text, "-o", table.interfaceName(entry, true), (inverted & INVERT_OUT) != 0);
    int protocol = table.protocol(entry);
    if (protocol != 0) {
      text.add(((inverted & INVERT_PROTOCOL) != 0 ? "! -p " : "-p ") + Protocol.nameOf(protocol));
    }
    entry.matches().forEach(match -> text.add(match.text()));
    Integer verdict = entry.verdict();
    if (verdict == null) {
      text.add(entry.target().text());
    } else {
      text.add(
          switch (verdict) {
            case DROP -> "-j DROP";
            case ACCEPT -> "-j ACCEPT";
            case QUEUE -> "-j QUEUE";
            case RETURN -> "-j RETURN";
            default -> (isGoto(table, entry) ? "-g " : "-j ") + table.chainAt(verdict);
          });
    }
    return text.toString();
  }

  private static void block(
      StringJoiner text,
      String option,
      LegacyTable table,
      Entry entry,
      boolean destination,
      boolean inverted) {
    Bytes mask = table.block(entry, destination, true);
    int bits = 0;
    for (byte octet : mask.toArray()) {
      bits += Integer.bitCount(octet & 0xff);
    }
    if (bits > 0) {
      IpAddress address = IpAddress.fromBytes(table.block(entry, destination, false).toArray());
      text.add((inverted ? "! " : "") + option + " " + address + "/" + bits);
    }
  }

  private static void link(StringJoiner text, String option, Bytes name, boolean inverted) {
    if (name.length() > 0) {
      boolean whole = name.u8(name.length() - 1) == 0;
      String shown = whole ? name.slice(0, name.length() - 1).toText() : name.toText() + "+";
      text.add((inverted ? "! " : "") + option + " " + shown);
    }
  }

  private static boolean isGoto(LegacyTable table, Entry entry) {
    return (table.flags(entry) & (table.family() == Family.IPV4 ? IPT_F_GOTO : IP6T_F_GOTO)) != 0;
  }

  private Result run() {
    Integer first = table.hooks().get(hook);
    Integer policy = table.policies().get(hook);
    if (first == null || policy == null) {
      return Result.passes("no chain", 0, "", "goes on");
    }
    Deque<Entry> callers = new ArrayDeque<>();
    Deque<String> chains = new ArrayDeque<>();
    chains.push(HOOK_NAMES.get(hook));
    Entry entry = at(first);
    for (int i = 0; i < MAX_RULES; i++) {
      if (!matches(entry)) {
        entry = at(entry.next());
        continue;
      }
      Integer verdict = entry.verdict();
      if (verdict == null) {
        Optional<Result> ended = target(entry, chains.element());
        if (ended.isPresent()) {
          return ended.get();
        }
        entry = at(entry.next());
      } else if (verdict == RETURN) {
        if (callers.isEmpty()) {
          entry = at(policy);
          return standard(entry, entry.verdict(), chains.getLast(), true);
        }
        Entry caller = callers.pop();
        chains.pop();
        entry = at(caller.next());
      } else if (verdict < 0) {
        return standard(entry, verdict, chains.element(), entry.offset() == policy);
      } else {
        // Where a rule leads to the one behind it, it is no jump.
        if (verdict != entry.next() && !isGoto(table, entry)) {
          callers.push(entry);
          chains.push(table.chainAt(verdict));
        }
        entry = at(verdict);
      }
    }
    throw new IllegalStateException("the table " + table.name() + " of iptables has no end");
  }

  private Entry at(int offset) {
    Entry entry = table.entries().get(offset);
    if (entry == null) {
      throw new dev.sluice.netlink.MalformedMessageException(
          "the table " + table.name() + " of iptables leads to " + offset + ", where no rule is");
    }
    return entry;
  }

  private Result standard(
      Entry entry,
      @org.jspecify.annotations.Nullable Integer verdict,
      String chain,
      boolean policy) {
    boolean drops = verdict != null && verdict == DROP;
    String rule = policy ? (drops ? "policy DROP" : "policy ACCEPT") : text(table, entry);
    if (drops) {
      return new Result(Kind.DROPPED, rule, 0, chain, "dropped");
    }
    if (verdict != null && verdict == QUEUE) {
      return choices.holds(true, "what the program says that \"" + rule + "\" asks")
          ? Result.passes(rule, 0, chain, "handed to a program, which lets it go on")
          : new Result(Kind.DROPPED, rule, 0, chain, "handed to a program, which drops it");
    }
    return Result.passes(rule, 0, chain, policy ? "goes on" : "accepted here, goes on");
  }

  private Optional<Result> target(Entry entry, String chain) {
    XtExtension.Effect effect = entry.target().apply(packet, host, choices, hook);
    String rule = text(table, entry);
    Translation translation = effect.translation();
    if (translation != null) {
      return Optional.of(Result.passes(rule, 0, chain, translation.apply(packet)));
    }
    return switch (effect.kind()) {
      case CONTINUES -> Optional.empty();
      case ACCEPTED -> Optional.of(Result.passes(rule, 0, chain, "accepted here, goes on"));
      case DROPPED -> Optional.of(new Result(Kind.DROPPED, rule, 0, chain, effect.text()));
      case REJECTED -> Optional.of(new Result(Kind.REJECTED, rule, 0, chain, effect.text()));
    };
  }

  private boolean matches(Entry entry) {
    int inverted = table.inverted(entry);
    int protocol = table.protocol(entry);
    return inBlock(entry, false) != ((inverted & INVERT_SOURCE) != 0)
        && inBlock(entry, true) != ((inverted & INVERT_DESTINATION) != 0)
        && isOn(entry, packet.in, false) != ((inverted & INVERT_IN) != 0)
        && isOn(entry, packet.out, true) != ((inverted & INVERT_OUT) != 0)
        && (protocol == 0
            || protocol == packet.protocol.number() != ((inverted & INVERT_PROTOCOL) != 0))
        && entry.matches().stream().allMatch(match -> match.matches(packet, host, choices));
  }

  private boolean inBlock(Entry entry, boolean destination) {
    byte[] address = (destination ? packet.destination : packet.source).address().toBytes();
    byte[] wanted = table.block(entry, destination, false).toArray();
    byte[] mask = table.block(entry, destination, true).toArray();
    for (int i = 0; i < address.length; i++) {
      if (((address[i] ^ wanted[i]) & mask[i]) != 0) {
        return false;
      }
    }
    return true;
  }

  private boolean isOn(Entry entry, Optional<Interface> link, boolean out) {
    Bytes wanted = table.interfaceName(entry, out);
    Bytes name = Bytes.ofText(link.map(Interface::name).orElse("")).padTo(wanted.length());
    return name.slice(0, wanted.length()).equals(wanted);
  }
}
