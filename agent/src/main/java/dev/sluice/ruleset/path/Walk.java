package dev.sluice.ruleset.path;

import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_FORWARD;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_LOCAL_IN;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_LOCAL_OUT;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_POST_ROUTING;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_PRE_ROUTING;

import dev.sluice.ffi.Errno;
import dev.sluice.model.PathReport.Outcome;
import dev.sluice.model.PathReport.Step;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.nftables.TableId;
import dev.sluice.route.Route;
import dev.sluice.route.RouteAnswer;
import dev.sluice.route.RouteQuery;
import dev.sluice.ruleset.path.Packet.End;
import dev.sluice.ruleset.path.Packet.Interface;
import dev.sluice.ruleset.path.Packet.Tracking;
import dev.sluice.ruleset.path.Result.Kind;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * The way of one packet through this host, hook by hook, until it has arrived somewhere or somebody
 * has ended it.
 */
final class Walk {
  private static final int CONNTRACK_PRIORITY = -200;
  private static final int DESTINATION_NAT_PRIORITY = -100;
  private static final int SOURCE_NAT_PRIORITY = 100;

  private static final List<String> HOOKS =
      List.of("prerouting", "input", "forward", "output", "postrouting");

  /**
   * Where the way ends.
   *
   * @param outcome what becomes of the packet as far as this host can tell
   * @param local whether it is delivered to this host itself
   * @param out the interface it leaves by; empty if it does not
   * @param at where it was when it ended
   * @param nextHop whom it is handed to, if it leaves
   * @param culprit the chain that ended it; null if none did
   * @param reason why it ended, where no chain did it; empty otherwise
   * @param remedy what to do about that; empty if a chain ended it
   */
  record Ending(
      Outcome outcome,
      boolean local,
      Optional<Interface> out,
      End at,
      Optional<IpAddress> nextHop,
      @Nullable Culprit culprit,
      String reason,
      String remedy) {}

  /**
   * A chain that ended a packet's way.
   *
   * @param table of nf_tables; null if it is one of the old iptables
   * @param legacyTable name of a table of the old iptables; empty otherwise
   * @param base the chain at the hook
   * @param hook its number
   * @param result which rule it was
   * @param translated whether the packet was translated by then
   */
  record Culprit(
      @Nullable TableId table,
      String legacyTable,
      String base,
      int hook,
      Result result,
      boolean translated) {
    String place() {
      return table == null
          ? "the table " + legacyTable + " of iptables-legacy"
          : "the table " + table;
    }
  }

  private final Firewall firewall;
  private final Host host;
  private final Packet packet;
  private final Choices choices;
  private final List<Step> steps = new ArrayList<>();
  private @Nullable Ending ending;

  private Walk(Firewall firewall, Host host, Packet packet, Choices choices) {
    this.firewall = firewall;
    this.host = host;
    this.packet = packet;
    this.choices = choices;
  }

  /**
   * What a walk came to.
   *
   * @param steps what the packet met
   * @param asked what it depended on
   */
  record Done(List<Step> steps, Ending ending, List<Choices.Choice> asked) {}

  /** A packet that comes in by an interface. */
  static Done arriving(Firewall firewall, Host host, Packet packet, Choices choices) {
    Walk walk = new Walk(firewall, host, packet, choices);
    walk.arrive();
    return walk.done();
  }

  /** A packet of this host's own. */
  static Done leaving(Firewall firewall, Host host, Packet packet, Choices choices) {
    Walk walk = new Walk(firewall, host, packet, choices);
    walk.leave();
    return walk.done();
  }

  /** A frame from one port of a bridge to another. */
  static Done bridged(Firewall firewall, Host host, Packet packet, Choices choices) {
    Walk walk = new Walk(firewall, host, packet, choices);
    walk.bridge();
    return walk.done();
  }

  private Done done() {
    Ending end = ending;
    if (end == null) {
      throw new IllegalStateException("the way of " + packet + " has no end");
    }
    return new Done(List.copyOf(steps), end, choices.asked());
  }

  // ---- ways

  private void arrive() {
    Interface in = packet.in.orElseThrow();
    if (!pass(NF_INET_PRE_ROUTING)) {
      return;
    }
    RouteAnswer answer =
        host.look(
            new RouteQuery(
                packet.destination.address(),
                Optional.of(packet.source.address()),
                OptionalInt.of(in.index()),
                packet.mark));
    if (answer.route().isEmpty()) {
      refused(answer.errno(), in);
      return;
    }
    if (answer.isLocal()) {
      routed("this host itself", "for this host");
      deliver();
      return;
    }
    Route route = answer.route().get();
    Optional<Interface> out = outOf(route);
    if (packet.family() == Family.IPV6 && !host.isOn("net/ipv6/conf/all/forwarding")) {
      notForwarded("net.ipv6.conf.all.forwarding");
      return;
    }
    packet.out = out;
    routed(way(route, out), "forwarded");
    if (pass(NF_INET_FORWARD)) {
      leaveBy(route, out);
    }
  }

  private void leave() {
    RouteAnswer answer = host.look(ownQuery());
    if (answer.route().isEmpty()) {
      refused(answer.errno(), null);
      return;
    }
    Route route = answer.route().get();
    packet.out = outOf(route);
    routed(way(route, packet.out), answer.isLocal() ? "stays on this host" : "leaves");
    End before = packet.destination;
    int mark = packet.mark;
    if (!pass(NF_INET_LOCAL_OUT)) {
      return;
    }
    if (!before.equals(packet.destination) || mark != packet.mark) {
      answer = host.look(ownQuery());
      if (answer.route().isEmpty()) {
        refused(answer.errno(), null);
        return;
      }
      route = answer.route().get();
      packet.out = outOf(route);
      routed(way(route, packet.out), "now that it goes elsewhere");
    }
    if (!answer.isLocal()) {
      leaveBy(route, packet.out);
      return;
    }
    if (!pass(NF_INET_POST_ROUTING)) {
      return;
    }
    packet.in = packet.out;
    packet.out = Optional.empty();
    if (pass(NF_INET_PRE_ROUTING)) {
      deliver();
    }
  }

  /** A source that is not this host's own is asked about as if it were of no matter. */
  private RouteQuery ownQuery() {
    IpAddress source = packet.source.address();
    return new RouteQuery(
        packet.destination.address(),
        host.isOwn(source) ? Optional.of(source) : Optional.empty(),
        OptionalInt.empty(),
        packet.mark);
  }

  private void bridge() {
    packet.out = packet.in;
    String name = packet.in.map(Interface::name).orElse("");
    if (!host.filtersBridged(packet.family())) {
      step("bridge", name, OptionalInt.empty(), "", "carried over, past the tables of inet and ip");
    } else if (!(pass(NF_INET_PRE_ROUTING)
        && pass(NF_INET_FORWARD)
        && pass(NF_INET_POST_ROUTING))) {
      return;
    }
    end(Outcome.ARRIVES, false, Optional.of(packet.destination.address()));
  }

  private void deliver() {
    packet.out = Optional.empty();
    if (pass(NF_INET_LOCAL_IN)) {
      end(Outcome.ARRIVES, true, Optional.empty());
    }
  }

  private void leaveBy(Route route, Optional<Interface> out) {
    packet.out = out;
    if (pass(NF_INET_POST_ROUTING)) {
      end(
          Outcome.ARRIVES,
          false,
          Optional.of(route.gateway().orElse(packet.destination.address())));
    }
  }

  private void end(Outcome outcome, boolean local, Optional<IpAddress> nextHop) {
    ending =
        new Ending(
            outcome,
            local,
            local ? Optional.empty() : packet.out,
            packet.destination,
            nextHop,
            null,
            "",
            "");
  }

  // ---- routes

  private Optional<Interface> outOf(Route route) {
    return route.linkIndex().isPresent()
        ? host.link(route.linkIndex().getAsInt())
        : Optional.empty();
  }

  private static String way(Route route, Optional<Interface> out) {
    return out.map(link -> "by " + link.name()).orElse("nowhere")
        + route.gateway().map(gateway -> " via " + gateway).orElse("");
  }

  private void routed(String way, String effect) {
    step("routing", way, OptionalInt.empty(), "", effect);
  }

  private void notForwarded(String parameter) {
    lost(
        "this host does not forward: " + parameter + " is 0",
        "sysctl -w " + parameter + "=1, and find out who resets it");
  }

  private void refused(int errno, @Nullable Interface in) {
    IpAddress destination = packet.destination.address();
    boolean four = packet.family() == Family.IPV4;
    if (in != null && four && errno == Errno.EHOSTUNREACH && !forwards(in)) {
      notForwarded(
          host.isOn("net/ipv4/ip_forward")
              ? "net.ipv4.conf." + in.name() + ".forwarding"
              : "net.ipv4.ip_forward");
    } else if (in != null && errno == Errno.EXDEV) {
      lost(
          "answers to "
              + packet.source.address()
              + " would not leave by "
              + in.name()
              + ", where it came in, and rp_filter there is strict",
          "sysctl -w net.ipv4.conf."
              + in.name()
              + ".rp_filter=2, or give the host a route to that address by "
              + in.name());
    } else if (errno == Errno.EINVAL && four) {
      String link = in == null ? "the bridge" : in.name();
      lost(
          "the kernel takes "
              + packet
              + " for impossible"
              + (packet.source.address().isLoopback()
                  ? ": a loopback address leaves the host only with route_localnet"
                  : in == null ? "" : " on " + link),
          packet.source.address().isLoopback()
              ? "sysctl -w net.ipv4.conf.BRIDGE.route_localnet=1 for the bridge of " + destination
              : "send it from another address");
    } else {
      lost(
          (errno == Errno.EACCES ? "a route prohibits " : "this host has no route to ")
              + destination,
          "ip route get " + destination + " says more");
    }
  }

  private boolean forwards(Interface in) {
    return host.isOn("net/ipv4/conf/" + in.name() + "/forwarding");
  }

  private void lost(String reason, String remedy) {
    step("routing", reason, OptionalInt.empty(), "", "ends here");
    ending =
        new Ending(
            Outcome.UNREACHABLE,
            false,
            Optional.empty(),
            packet.destination,
            Optional.empty(),
            null,
            reason,
            remedy);
  }

  // ---- hooks

  /** Something at a hook, in the order of priorities. */
  private record Station(int priority, Runnable visit) {}

  private boolean pass(int hook) {
    Family family = packet.family();
    List<Station> stations = new ArrayList<>();
    for (Firewall.Base base : firewall.at(hook, family)) {
      if (!base.hook().type().equals("nat")) {
        stations.add(new Station(base.hook().priority(), () -> visit(hook, base)));
      }
    }
    for (LegacyTable table : firewall.legacy(family)) {
      if (!table.name().equals("nat") && table.hooks().containsKey(hook)) {
        stations.add(new Station(priority(table.name()), () -> visit(hook, table)));
      }
    }
    if (hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT) {
      stations.add(new Station(CONNTRACK_PRIORITY, this::track));
      stations.add(new Station(DESTINATION_NAT_PRIORITY, () -> translate(hook)));
    } else if (hook == NF_INET_POST_ROUTING || hook == NF_INET_LOCAL_IN) {
      stations.add(new Station(SOURCE_NAT_PRIORITY, () -> translate(hook)));
    }
    stations.sort(Comparator.comparingInt(Station::priority));
    for (Station station : stations) {
      station.visit().run();
      if (ending != null) {
        return false;
      }
    }
    return true;
  }

  private static int priority(String legacyTable) {
    return switch (legacyTable) {
      case "raw" -> -300;
      case "mangle" -> -150;
      case "security" -> 50;
      default -> 0;
    };
  }

  private void track() {
    if (packet.tracking == Tracking.BEFORE) {
      packet.tracking = Tracking.NEW;
    }
  }

  private void visit(int hook, Firewall.Base base) {
    Result result = NftChain.pass(firewall, host, base, packet, choices);
    TableId table = base.chain().table();
    record(hook, table, "", base.chain().name(), base.hook().priority(), result);
  }

  private void visit(int hook, LegacyTable table) {
    Result result = LegacyChain.pass(table, hook, host, packet, choices);
    record(
        hook, null, table.name(), LegacyChain.HOOK_NAMES.get(hook), priority(table.name()), result);
  }

  /** Chains that translate: the first that decides is the last; then the kernel has decided. */
  private void translate(int hook) {
    boolean ofSource = hook == NF_INET_POST_ROUTING || hook == NF_INET_LOCAL_IN;
    if (packet.tracking != Tracking.NEW
        || (ofSource ? packet.sourceDecided : packet.destinationDecided)) {
      return;
    }
    List<Station> chains = new ArrayList<>();
    for (Firewall.Base base : firewall.at(hook, packet.family())) {
      if (base.hook().type().equals("nat")) {
        chains.add(new Station(base.hook().priority(), () -> visit(hook, base)));
      }
    }
    for (LegacyTable table : firewall.legacy(packet.family())) {
      if (table.name().equals("nat") && table.hooks().containsKey(hook)) {
        chains.add(
            new Station(
                ofSource ? SOURCE_NAT_PRIORITY : DESTINATION_NAT_PRIORITY,
                () -> visitNat(hook, table)));
      }
    }
    chains.sort(Comparator.comparingInt(Station::priority));
    for (Station chain : chains) {
      chain.visit().run();
      if (ending != null || (ofSource ? packet.sourceDecided : packet.destinationDecided)) {
        return;
      }
    }
    if (ofSource) {
      packet.sourceDecided = true;
    } else {
      packet.destinationDecided = true;
    }
  }

  private void visitNat(int hook, LegacyTable table) {
    Result result = LegacyChain.pass(table, hook, host, packet, choices);
    int priority =
        hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_OUT
            ? DESTINATION_NAT_PRIORITY
            : SOURCE_NAT_PRIORITY;
    record(hook, null, table.name(), LegacyChain.HOOK_NAMES.get(hook), priority, result);
  }

  private void record(
      int hook,
      @Nullable TableId table,
      String legacyTable,
      String base,
      int priority,
      Result result) {
    Culprit culprit =
        new Culprit(table, legacyTable, base, hook, result, packet.destinationTranslated());
    String chain =
        result.chain().isEmpty() || result.chain().equals(base)
            ? base
            : base + " → " + result.chain();
    step(
        HOOKS.get(hook),
        (table == null ? "iptables-legacy " + legacyTable : table.toString()) + " " + chain,
        OptionalInt.of(priority),
        result.rule(),
        result.effect());
    if (result.kind() == Kind.PROXIED) {
      proxied();
    } else if (result.ends()) {
      ending =
          new Ending(
              result.outcome(),
              false,
              packet.out,
              packet.destination,
              Optional.empty(),
              culprit,
              "",
              "");
    }
  }

  /** The kernel opens the connection to the server by itself, from the client's address. */
  private void proxied() {
    packet.tracking = Tracking.BEFORE;
    packet.in = Optional.empty();
    packet.out = Optional.empty();
    leave();
  }

  private void step(String hook, String place, OptionalInt priority, String rule, String effect) {
    steps.add(new Step(hook, place, priority, rule, effect, packet.toString()));
  }
}
