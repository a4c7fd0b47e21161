package dev.sluice.ruleset.path;

import dev.sluice.ffi.SystemCallException;
import dev.sluice.model.Endpoint;
import dev.sluice.model.Mapping;
import dev.sluice.model.Network;
import dev.sluice.model.PathQuestion;
import dev.sluice.model.PathReport;
import dev.sluice.model.PathReport.Outcome;
import dev.sluice.model.PathReport.Way;
import dev.sluice.model.Sandbox;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.netlink.NotANetworkNamespaceException;
import dev.sluice.netlink.SocketOwner;
import dev.sluice.nftables.Nftables;
import dev.sluice.route.InterfaceAddress;
import dev.sluice.route.Link;
import dev.sluice.route.LinuxRtnetlink;
import dev.sluice.route.Route;
import dev.sluice.route.RouteAnswer;
import dev.sluice.route.RouteQuery;
import dev.sluice.route.Rtnetlink;
import dev.sluice.ruleset.path.Packet.End;
import dev.sluice.ruleset.path.Packet.Interface;
import dev.sluice.ruleset.path.Walk.Culprit;
import dev.sluice.ruleset.path.Walk.Ending;
import dev.sluice.sysctl.Sysctl;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * Says what becomes of first packets to a port, and why.
 *
 * <p>Nothing is sent and nothing is changed. What it says is what the kernel would do at the moment
 * of asking. Thread-safe; its calls belong on a thread in the agent's network namespace.
 */
public final class Explainer {
  /** Any address of the outside will do for a host with a default route (RFC 5737, RFC 3849). */
  private static final IpAddress SOMEBODY4 = IpAddress.parse("203.0.113.1");

  private static final IpAddress SOMEBODY6 = IpAddress.parse("2001:db8:ffff::1");

  /** Conditions that are told; further ones say little. */
  private static final int MAX_CONDITIONS = 6;

  /** What the agent knows of. */
  public record Known(List<Mapping> mappings, List<Network> networks, List<Sandbox> sandboxes) {
    public Known {
      mappings = List.copyOf(mappings);
      networks = List.copyOf(networks);
      sandboxes = List.copyOf(sandboxes);
    }
  }

  private final Nftables nftables;
  private final Rtnetlink routes;
  private final Sysctl sysctl;
  private final Supplier<Known> known;

  /**
   * @param nftables to read the tables with; closed by the caller, as {@code routes} is
   * @param known is asked with every question
   */
  public Explainer(Nftables nftables, Rtnetlink routes, Sysctl sysctl, Supplier<Known> known) {
    this.nftables = nftables;
    this.routes = routes;
    this.sysctl = sysctl;
    this.known = known;
  }

  /**
   * Answers a question.
   *
   * @throws MalformedValueException if {@link PathQuestion#from} is neither an address nor the name
   *     of a sandbox
   */
  public PathReport explain(PathQuestion question) {
    return new Session(question.protocol(), question.port()).answer(question);
  }

  /**
   * What keeps packets from outside from mappings: one way for each that does not arrive, of at
   * most {@code sample} mappings.
   */
  public List<Way> obstacles(int sample) {
    List<Way> found = new ArrayList<>();
    for (Mapping mapping : known.get().mappings().stream().limit(sample).toList()) {
      Session session = new Session(mapping.protocol(), mapping.hostPorts().first());
      session
          .fromOutside(mapping)
          .map(session::way)
          .filter(way -> way.outcome() != Outcome.ARRIVES && way.outcome() != Outcome.REFUSED)
          .ifPresent(found::add);
    }
    return found;
  }

  /**
   * Whether a Docker engine has its chains for published ports here, in the new iptables or the
   * old: it writes rules of its own, or did before it was told not to.
   */
  public boolean hasChainsOfDocker() {
    return Firewall.read(nftables).hasChain("nat", "DOCKER");
  }

  /**
   * Who sends what to whom.
   *
   * @param title in words
   * @param sender an address; empty for the one the kernel chooses
   * @param sandbox whose network namespace sends it; empty for none
   * @param in the interface by which it comes; empty if it is the host's own, or the sandbox's
   * @param own whether the host sends it
   */
  private record Ask(
      String title,
      Optional<IpAddress> sender,
      Optional<Sandbox> sandbox,
      Optional<Interface> in,
      boolean own,
      IpAddress to) {}

  /** One question's view of the host. */
  private final class Session {
    private final dev.sluice.net.Protocol protocol;
    private final int port;
    private final Host host = new Host(routes, sysctl);
    private final Firewall firewall = Firewall.read(nftables);
    private final Remedies remedies = new Remedies(firewall);
    private final Known now = known.get();

    Session(dev.sluice.net.Protocol protocol, int port) {
      this.protocol = protocol;
      this.port = port;
    }

    PathReport answer(PathQuestion question) {
      Set<Ask> asks = new LinkedHashSet<>();
      List<Mapping> mappings = mappings();
      if (question.to().isPresent()) {
        IpAddress to = question.to().get();
        if (question.from().isPresent()) {
          asks.add(from(question.from().get(), to));
        } else {
          everybody(to, Optional.empty(), asks);
        }
      } else if (mappings.isEmpty()) {
        for (Family family : Family.values()) {
          hostAddress(family)
              .ifPresent(
                  to -> {
                    if (question.from().isPresent()) {
                      asks.add(from(question.from().get(), to));
                    } else {
                      fromOutside(to, Optional.empty()).ifPresent(asks::add);
                    }
                  });
        }
      } else {
        for (Mapping mapping : mappings) {
          Optional<IpAddress> to = addressOf(mapping);
          if (to.isEmpty()) {
            continue;
          }
          if (question.from().isPresent()) {
            asks.add(from(question.from().get(), to.get()));
          } else {
            everybody(to.get(), Optional.of(mapping), asks);
            byProxy(mapping)
                .flatMap(six -> fromOutside(six, Optional.empty()))
                .ifPresent(asks::add);
          }
        }
      }
      return new PathReport(asks.stream().map(this::way).toList());
    }

    private List<Mapping> mappings() {
      return now.mappings().stream()
          .filter(mapping -> mapping.protocol() == protocol)
          .filter(
              mapping -> mapping.hostPorts().first() <= port && port <= mapping.hostPorts().last())
          .toList();
    }

    /** The mapping a packet to this address and port would be of, if nobody ends it. */
    private Optional<Mapping> mappingAt(IpAddress to) {
      List<Mapping> candidates =
          mappings().stream()
              .filter(mapping -> family(mapping) == to.family())
              .filter(mapping -> mapping.hostAddress().map(to::equals).orElse(host.isOwn(to)))
              .toList();
      return candidates.stream()
          .filter(mapping -> mapping.hostAddress().isPresent())
          .findFirst()
          .or(() -> candidates.stream().findFirst());
    }

    private static Family family(Mapping mapping) {
      return mapping.family();
    }

    // ---- who asks whom

    private void everybody(IpAddress to, Optional<Mapping> mapping, Set<Ask> asks) {
      if (!to.isLoopback()) {
        fromOutside(to, Optional.empty()).ifPresent(asks::add);
        mapping
            .flatMap(one -> one.options().allowedSources().stream().findFirst())
            .flatMap(allowed -> fromAllowed(allowed, to))
            .ifPresent(asks::add);
      }
      if (mapping.isPresent() && mapping.get().hostAddress().isEmpty()) {
        IpAddress loopback = IpAddress.parse(to.family() == Family.IPV4 ? "127.0.0.1" : "::1");
        asks.add(ofHost("from this host", loopback));
      }
      asks.add(ofHost("from this host", to));
      if (to.isLoopback()) {
        return;
      }
      IpAddress target = mapping.map(Mapping::targetAddress).orElse(to);
      Optional<Network> home = network(target);
      Optional<Sandbox> self = sandbox(target);
      if (mapping.isPresent()) {
        self.map(one -> ofSandbox("from the container itself", one, to))
            .or(() -> inNetwork("from the container itself", home, Optional.of(target), to))
            .ifPresent(asks::add);
      }
      home.ifPresent(
          network -> {
            now.sandboxes().stream()
                .filter(one -> one.on(network.name()).isPresent() && !one.has(target))
                .findFirst()
                .map(one -> ofSandbox("from a container of the same network", one, to))
                .or(
                    () ->
                        inNetwork(
                            "from a container of the same network",
                            home,
                            neighbour(network, target),
                            to))
                .ifPresent(asks::add);
            now.sandboxes().stream()
                .filter(one -> one.on(network.name()).isEmpty())
                .findFirst()
                .ifPresent(
                    one -> asks.add(ofSandbox("from a container of another network", one, to)));
          });
    }

    /** The IPv6 address of this host at which the proxy serves a mapping of IPv4 as well. */
    private Optional<IpAddress> byProxy(Mapping mapping) {
      return mapping.family() == Family.IPV4 && mapping.hostAddress().isEmpty()
          ? hostAddress(Family.IPV6)
              .filter(six -> !LocalSockets.taking(protocol, six, port).isEmpty())
          : Optional.empty();
    }

    private Ask ofHost(String title, IpAddress to) {
      return new Ask(title, Optional.empty(), Optional.empty(), Optional.empty(), true, to);
    }

    private Ask ofSandbox(String title, Sandbox sandbox, IpAddress to) {
      return new Ask(
          title + ", " + sandbox.name(),
          Optional.empty(),
          Optional.of(sandbox),
          Optional.empty(),
          false,
          to);
    }

    private Optional<Ask> inNetwork(
        String title, Optional<Network> network, Optional<IpAddress> address, IpAddress to) {
      return network
          .flatMap(one -> host.link(one.bridge().toString()))
          .filter(link -> address.isPresent() && address.get().family() == to.family())
          .map(link -> new Ask(title, address, Optional.empty(), Optional.of(link), false, to));
    }

    private Optional<Ask> fromAllowed(Prefix allowed, IpAddress to) {
      IpAddress one =
          allowed.lengthBits() == allowed.family().bits()
              ? allowed.first()
              : behind(allowed.first());
      return host.routeTo(one)
          .filter(route -> route.type() == LinuxRtnetlink.RTN_UNICAST)
          .flatMap(route -> link(route))
          .map(
              link ->
                  new Ask(
                      "from an allowed source",
                      Optional.of(one),
                      Optional.empty(),
                      Optional.of(link),
                      false,
                      to));
    }

    private Ask from(String sender, IpAddress to) {
      if (sender.equals(PathQuestion.HOST)) {
        return ofHost("from this host", to);
      }
      Optional<Sandbox> named =
          now.sandboxes().stream().filter(one -> one.name().toString().equals(sender)).findFirst();
      if (named.isPresent()) {
        return ofSandbox("from the container", named.get(), to);
      }
      IpAddress address = address(sender);
      if (address.family() != to.family()) {
        throw new MalformedValueException(
            sender, 0, address + " cannot send to " + to + ": both must be of one family");
      }
      if (host.isOwn(address)) {
        return new Ask(
            "from this host", Optional.of(address), Optional.empty(), Optional.empty(), true, to);
      }
      Optional<Sandbox> owner = sandbox(address);
      if (owner.isPresent()) {
        return new Ask(
            "from the container, " + owner.get().name(),
            Optional.of(address),
            owner,
            Optional.empty(),
            false,
            to);
      }
      Optional<Interface> in = host.routeTo(address).flatMap(this::link);
      if (in.isEmpty()) {
        throw new MalformedValueException(
            sender, 0, "this host has no route to " + address + ": nothing can come from there");
      }
      return new Ask("from " + address, Optional.of(address), Optional.empty(), in, false, to);
    }

    private IpAddress address(String sender) {
      try {
        return IpAddress.parse(sender);
      } catch (MalformedValueException e) {
        throw new MalformedValueException(
            sender,
            0,
            MalformedValueException.quote(sender)
                + " is neither an address nor a sandbox, nor \"host\"");
      }
    }

    Optional<Ask> fromOutside(Mapping mapping) {
      return addressOf(mapping)
          .filter(to -> !to.isLoopback())
          .flatMap(to -> fromOutside(to, mapping.options().allowedSources().stream().findFirst()));
    }

    private Optional<Ask> fromOutside(IpAddress to, Optional<Prefix> allowed) {
      if (allowed.isPresent()) {
        return fromAllowed(allowed.get(), to);
      }
      IpAddress somebody = to.family() == Family.IPV4 ? SOMEBODY4 : SOMEBODY6;
      Optional<Interface> uplink = uplinkWith(to).or(() -> uplink(to.family()));
      if (uplink.isEmpty()) {
        return Optional.empty();
      }
      boolean leadsThere =
          host.routeTo(somebody)
              .flatMap(this::link)
              .filter(link -> link.index() == uplink.get().index())
              .isPresent();
      Optional<IpAddress> sender =
          leadsThere ? Optional.of(somebody) : neighbour(uplink.get(), to.family());
      return sender.map(
          address ->
              new Ask("from outside", Optional.of(address), Optional.empty(), uplink, false, to));
    }

    /** The interface of the outside that has the address. */
    private Optional<Interface> uplinkWith(IpAddress address) {
      return host.addresses().stream()
          .filter(one -> one.address().equals(address))
          .flatMap(one -> uplinks().stream().filter(link -> link.index() == one.linkIndex()))
          .findFirst()
          .flatMap(link -> host.link(link.index()));
    }

    private Optional<Interface> uplink(Family family) {
      IpAddress somebody = family == Family.IPV4 ? SOMEBODY4 : SOMEBODY6;
      Optional<Interface> byDefault =
          host.routeTo(somebody)
              .filter(route -> route.type() == LinuxRtnetlink.RTN_UNICAST)
              .flatMap(this::link);
      return byDefault.or(
          () ->
              uplinks().stream()
                  .filter(link -> ownAddress(link.index(), family).isPresent())
                  .findFirst()
                  .flatMap(link -> host.link(link.index())));
    }

    private List<Link> uplinks() {
      return host.links().stream()
          .filter(Link::isUp)
          .filter(link -> !link.isLoopback() && link.masterIndex().isEmpty())
          .filter(
              link ->
                  now.networks().stream()
                      .noneMatch(network -> network.bridge().toString().equals(link.name())))
          .filter(
              link ->
                  !link.isBridge()
                      || host.routeTo(SOMEBODY4)
                          .flatMap(this::link)
                          .filter(one -> one.index() == link.index())
                          .isPresent())
          .toList();
    }

    private Optional<InterfaceAddress> ownAddress(int link, Family family) {
      return host.addresses().stream()
          .filter(one -> one.linkIndex() == link && one.address().family() == family)
          .filter(one -> !one.address().isLinkLocal())
          .findFirst();
    }

    /** An address of somebody on a link: one that is known, or the one behind the host's. */
    private Optional<IpAddress> neighbour(Interface link, Family family) {
      return ownAddress(link.index(), family)
          .flatMap(
              own -> {
                IpAddress candidate = behind(own.address());
                for (int i = 0; i < 3 && host.isOwn(candidate); i++) {
                  candidate = behind(candidate);
                }
                return own.prefix().contains(candidate) && !host.isOwn(candidate)
                    ? Optional.of(candidate)
                    : Optional.empty();
              });
    }

    private Optional<IpAddress> neighbour(Network network, IpAddress target) {
      IpAddress candidate = behind(target);
      for (int i = 0; i < 3 && host.isOwn(candidate); i++) {
        candidate = behind(candidate);
      }
      return network.contains(candidate) ? Optional.of(candidate) : Optional.empty();
    }

    private IpAddress behind(IpAddress address) {
      byte[] bytes = address.toBytes();
      for (int i = bytes.length - 1; i >= 0; i--) {
        if (++bytes[i] != 0) {
          break;
        }
      }
      return IpAddress.fromBytes(bytes);
    }

    private Optional<IpAddress> addressOf(Mapping mapping) {
      return mapping.hostAddress().or(() -> hostAddress(family(mapping)));
    }

    /** How the outside knows this host. */
    private Optional<IpAddress> hostAddress(Family family) {
      IpAddress somebody = family == Family.IPV4 ? SOMEBODY4 : SOMEBODY6;
      return host.routeTo(somebody)
          .flatMap(Route::preferredSource)
          .or(
              () ->
                  uplink(family)
                      .flatMap(link -> ownAddress(link.index(), family))
                      .map(InterfaceAddress::address));
    }

    private Optional<Interface> link(Route route) {
      return route.linkIndex().isPresent()
          ? host.link(route.linkIndex().getAsInt())
          : Optional.empty();
    }

    private Optional<Network> network(IpAddress address) {
      return now.networks().stream().filter(one -> one.contains(address)).findFirst();
    }

    private Optional<Sandbox> sandbox(IpAddress address) {
      return now.sandboxes().stream().filter(one -> one.has(address)).findFirst();
    }

    // ---- one way

    private Way way(Ask ask) {
      if (ask.sandbox().isPresent()) {
        return wayOf(ask, ask.sandbox().get());
      }
      if (ask.own()) {
        return walked(ask, sender(ask), WayKind.OWN, Optional.empty());
      }
      IpAddress from = ask.sender().orElseThrow();
      Optional<Network> network =
          network(from)
              .filter(
                  one ->
                      one.contains(ask.to())
                          && !host.isOwn(ask.to())
                          && !one.settings().isolated());
      return walked(ask, from, network.isPresent() ? WayKind.BRIDGED : WayKind.ARRIVING, ask.in());
    }

    private IpAddress sender(Ask ask) {
      if (ask.sender().isPresent()) {
        return ask.sender().get();
      }
      RouteAnswer answer = host.look(RouteQuery.to(ask.to()));
      return answer.isLocal()
          ? ask.to()
          : answer.route().flatMap(Route::preferredSource).orElse(ask.to());
    }

    /** What a sandbox sends goes where its own routes say. */
    private Way wayOf(Ask ask, Sandbox sandbox) {
      if (sandbox.namespace().isEmpty()) {
        return byItsGateway(ask, sandbox);
      }
      RouteAnswer answer;
      try (NetworkNamespace namespace =
              NetworkNamespace.open(Path.of(sandbox.namespace().get().path()));
          Rtnetlink inside = Rtnetlink.open(namespace)) {
        answer = inside.look(new RouteQuery(ask.to(), ask.sender(), OptionalInt.empty(), 0));
      } catch (SystemCallException | NotANetworkNamespaceException e) {
        return ended(
            ask,
            ask.sender().map(IpAddress::toString).orElse("?"),
            "the network namespace of " + sandbox.name() + " is gone: " + e.getMessage(),
            "sluice sandbox rm " + sandbox.name());
      }
      if (answer.route().isEmpty()) {
        List<String> internal =
            sandbox.endpoints().stream()
                .map(one -> one.network())
                .filter(
                    name ->
                        now.networks().stream()
                            .anyMatch(
                                network ->
                                    network.name().equals(name) && network.settings().internal()))
                .toList();
        return ended(
            ask,
            sandbox.name().toString(),
            sandbox.name()
                + " has no route to "
                + ask.to()
                + (internal.isEmpty()
                    ? ""
                    : ": its network " + String.join(", ", internal) + " is internal"),
            "sluice network connect NETWORK "
                + sandbox.name()
                + " with a network that leads there");
      }
      Route route = answer.route().get();
      IpAddress from = ask.sender().or(route::preferredSource).orElse(ask.to());
      if (answer.isLocal()) {
        Ask own = ask;
        return new Way(
            own.title(),
            from.toString(),
            ask.to().toString(),
            port,
            protocol,
            List.of(),
            listens(sandbox, ask.to(), port) ? Outcome.ARRIVES : Outcome.REFUSED,
            true,
            "stays in " + sandbox.name() + ", whose own address " + ask.to() + " is",
            "",
            List.of());
      }
      IpAddress next = route.gateway().orElse(ask.to());
      Optional<Interface> bridge =
          sandbox.endpoints().stream()
              .filter(one -> one.addresses().contains(from))
              .findFirst()
              .map(one -> one.network())
              .flatMap(
                  name ->
                      now.networks().stream()
                          .filter(network -> network.name().equals(name))
                          .findFirst())
              .or(() -> network(from))
              .flatMap(network -> host.link(network.bridge().toString()));
      if (bridge.isEmpty()) {
        return ended(
            ask,
            from.toString(),
            sandbox.name() + " sends to " + next + " by a way that is not of this host's networks",
            "");
      }
      WayKind kind = host.isOwn(next) ? WayKind.ARRIVING : WayKind.BRIDGED;
      return walked(ask, from, kind, bridge);
    }

    /** Where only its owner knows where a sandbox is, it is taken to send to its gateway. */
    private Way byItsGateway(Ask ask, Sandbox sandbox) {
      for (Endpoint place : sandbox.endpoints()) {
        Optional<IpAddress> from = place.address(ask.to().family());
        Optional<Network> network =
            now.networks().stream().filter(one -> one.name().equals(place.network())).findFirst();
        if (from.isPresent() && network.isPresent()) {
          boolean neighbour =
              network.get().contains(ask.to())
                  && !network.get().settings().isolated()
                  && !host.isOwn(ask.to());
          return walked(
              ask,
              ask.sender().orElse(from.get()),
              neighbour ? WayKind.BRIDGED : WayKind.ARRIVING,
              host.link(network.get().bridge().toString()));
        }
      }
      return ended(
          ask,
          sandbox.name().toString(),
          sandbox.name() + " has no " + ask.to().family().title() + " address",
          "");
    }

    private enum WayKind {
      ARRIVING,
      OWN,
      BRIDGED
    }

    private Way ended(Ask ask, String from, String reason, String remedy) {
      return new Way(
          ask.title(),
          from,
          ask.to().toString(),
          port,
          protocol,
          List.of(),
          Outcome.UNREACHABLE,
          true,
          reason,
          remedy,
          List.of());
    }

    /** A walk, and what becomes of the packet where it ended. */
    private record Told(Walk.Done done, Outcome outcome, String verdict, String remedy) {}

    private Way walked(Ask ask, IpAddress from, WayKind kind, Optional<Interface> in) {
      List<Told> all =
          Choices.everyWalk(
              choices -> {
                Packet packet = packet(ask, from, in);
                Walk.Done done =
                    switch (kind) {
                      case ARRIVING -> Walk.arriving(firewall, host, packet, choices);
                      case OWN -> Walk.leaving(firewall, host, packet, choices);
                      case BRIDGED -> Walk.bridged(firewall, host, packet, choices);
                    };
                return told(ask, from, in, done);
              });
      Told usual = all.get(0);
      boolean certain = all.stream().allMatch(one -> one.outcome() == usual.outcome());
      List<String> conditions = new ArrayList<>(firewall.unread());
      String verdict = usual.verdict();
      if (certain) {
        Set<String> verdicts = new LinkedHashSet<>();
        all.forEach(one -> verdicts.add(one.verdict()));
        if (verdicts.size() > 1 && usual.outcome() == Outcome.ARRIVES) {
          verdict = String.join(", or ", verdicts);
        }
      } else {
        conditions.addAll(conditions(all, usual));
      }
      return new Way(
          ask.title(),
          from.toString(),
          ask.to().toString(),
          port,
          protocol,
          usual.done().steps(),
          usual.outcome(),
          certain,
          verdict,
          usual.remedy(),
          conditions);
    }

    private List<String> conditions(List<Told> all, Told usual) {
      Set<String> conditions = new LinkedHashSet<>();
      for (Told one : all) {
        List<String> unusual =
            one.done().asked().stream()
                .filter(choice -> !choice.isUsual())
                .map(Choices.Choice::text)
                .toList();
        if (one.outcome() != usual.outcome()
            && unusual.size() == 1
            && conditions.size() < MAX_CONDITIONS) {
          conditions.add("it depends on " + unusual.get(0) + "; otherwise it is " + one.verdict());
        }
      }
      return List.copyOf(conditions);
    }

    private Packet packet(Ask ask, IpAddress from, Optional<Interface> in) {
      return new Packet(
          protocol,
          new End(from, OptionalInt.empty()),
          new End(ask.to(), OptionalInt.of(port)),
          in);
    }

    // ---- what becomes of it

    private Told told(Ask ask, IpAddress from, Optional<Interface> in, Walk.Done done) {
      Ending ending = done.ending();
      Culprit culprit = ending.culprit();
      if (culprit != null) {
        String verdict =
            (ending.outcome() == Outcome.REJECTED ? "rejected" : "dropped")
                + " by "
                + (culprit.result().rule().startsWith("policy ")
                    ? "the " + culprit.result().rule()
                    : "the rule \"" + culprit.result().rule() + "\"")
                + " of the chain "
                + culprit.result().chain()
                + " of "
                + culprit.place();
        String remedy =
            Remedies.isOurs(culprit)
                ? ourRemedy(ask, culprit)
                : remedies.against(culprit, packet(ask, from, in), ending);
        return new Told(done, ending.outcome(), verdict, remedy);
      }
      if (ending.outcome() != Outcome.ARRIVES) {
        return new Told(done, ending.outcome(), ending.reason(), ending.remedy());
      }
      return ending.local() ? atHost(ask, done) : behind(from, done);
    }

    private String ourRemedy(Ask ask, Culprit culprit) {
      String chain = culprit.result().chain();
      String name = mappingAt(ask.to()).map(Mapping::label).orElse("NAME");
      if (chain.startsWith("guard_")) {
        return culprit.result().rule().contains("@limited_")
            ? "too many connections are open: sluice update " + name + " --max-connections N"
            : "it is published for other sources only: sluice update " + name + " --allow PREFIX";
      }
      if (chain.startsWith("rate_")) {
        return "this source begins connections too often: sluice update "
            + name
            + " --source-rate N/UNIT";
      }
      if (chain.equals("raw")) {
        return "loopback addresses are for this host itself: use another address of it";
      }
      if (chain.equals("isolated")) {
        return "its network keeps containers apart: link them (sluice sandbox add --link), or"
            + " publish the port";
      }
      return "containers are reached from elsewhere by published ports only, and those of internal"
          + " networks from nowhere else: publish the port, or let both join one network";
    }

    private Told atHost(Ask ask, Walk.Done done) {
      End at = done.ending().at();
      Optional<Mapping> mapping = mappingAt(ask.to());
      int to = at.port().orElse(port);
      if (!LocalSockets.knows(protocol)) {
        return new Told(
            done, Outcome.ARRIVES, "comes to this host itself, which may or may not listen", "");
      }
      for (LocalSockets.Socket socket : LocalSockets.taking(protocol, at.address(), to)) {
        boolean agent = LocalSockets.isOurs(socket);
        if (agent && !isProxied(at.address().family(), socket)) {
          // It holds the port, for nobody else to take it, and reads nothing.
          continue;
        }
        if (agent) {
          return new Told(
              done,
              Outcome.ARRIVES,
              "is taken by this agent's userland proxy, which carries it on"
                  + mapping
                      .or(() -> mappings().stream().findFirst())
                      .map(one -> " to " + carried(one))
                      .orElse(""),
              "");
        }
        String process =
            SocketOwner.ofInode(socket.inode())
                .map(one -> "process " + one.pid() + " (" + one.command() + ")")
                .orElse("a process");
        return new Told(
            done,
            Outcome.ARRIVES,
            "is taken by "
                + process
                + " of this host, which listens on that port"
                + mapping
                    .map(one -> "; it is published as " + one.label() + ", but not for this way")
                    .orElse(""),
            "");
      }
      String elsewhere =
          mappings().stream()
              .filter(one -> one.hostAddress().isPresent())
              .map(one -> one.hostAddress().get().toString())
              .distinct()
              .reduce((a, b) -> a + ", " + b)
              .map(text -> "; it is published on " + text + " only")
              .orElse("");
      return new Told(
          done,
          Outcome.REFUSED,
          port
              + "/"
              + protocol
              + " is not published on "
              + ask.to()
              + elsewhere
              + ", and nothing listens there",
          mapping.isPresent()
              ? ""
              : "sluice publish -p "
                  + port
                  + ":PORT"
                  + (protocol == dev.sluice.net.Protocol.TCP ? "" : "/" + protocol)
                  + " --to CONTAINER");
    }

    /**
     * Whether one of our own sockets is served: where a mapping of IPv6 leads to a container of
     * IPv6, the socket only holds the port.
     */
    private boolean isProxied(Family family, LocalSockets.Socket socket) {
      return family == Family.IPV6
          && socket.address().family() == Family.IPV6
          && mappings().stream().noneMatch(one -> one.family() == Family.IPV6 && !one.isRelayed());
    }

    /** The containers behind a mapping. */
    private static String carried(Mapping mapping) {
      return mapping.backends().all().stream()
          .map(one -> one.address().toString())
          .collect(Collectors.joining(" or "));
    }

    private Told behind(IpAddress from, Walk.Done done) {
      Ending ending = done.ending();
      End at = ending.at();
      Optional<Interface> out = ending.out();
      String by = out.map(link -> " by " + link.name()).orElse("");
      Optional<Sandbox> target = sandbox(at.address());
      String whom = Packet.text(at) + target.map(one -> " (" + one.name() + ")").orElse("");
      Optional<Network> network = network(at.address());
      boolean sameBridge =
          network.isPresent() && network.equals(network(from)) && !from.equals(at.address());
      if (sameBridge
          && network.get().settings().isolated()
          && host.filtersBridged(at.address().family())) {
        return new Told(
            done,
            Outcome.DROPPED,
            "dropped by the bridge "
                + network.get().bridge()
                + ", which keeps its ports apart and is handed what was translated while bridged"
                + " packets are filtered",
            "sysctl -w net.bridge.bridge-nf-call-iptables=0");
      }
      boolean unanswered =
          ending
              .nextHop()
              .flatMap(next -> out.flatMap(link -> host.neighbour(link, next)))
              .filter(one -> one.state() == LinuxRtnetlink.NUD_FAILED)
              .isPresent();
      if (unanswered) {
        return new Told(
            done,
            Outcome.UNREACHABLE,
            "is sent to " + whom + by + ", where nobody has that address",
            "start the container, or let the mapping lead to another: sluice update NAME --to");
      }
      if (target.isPresent()
          && LocalSockets.knows(protocol)
          && !listens(target.get(), at.address(), at.port().orElse(port))) {
        return new Told(
            done,
            Outcome.REFUSED,
            "arrives at " + whom + by + ", where nothing listens",
            "start the server in "
                + target.get().name()
                + ", or let it listen on every address instead of 127.0.0.1");
      }
      return new Told(done, Outcome.ARRIVES, "arrives at " + whom + by, "");
    }

    /** Whether a server in a sandbox takes packets; true where that cannot be seen. */
    private boolean listens(Sandbox sandbox, IpAddress address, int to) {
      if (sandbox.namespace().isEmpty()) {
        return true;
      }
      try (NetworkNamespace namespace =
          NetworkNamespace.open(Path.of(sandbox.namespace().get().path()))) {
        return namespace.call(() -> !LocalSockets.taking(protocol, address, to).isEmpty());
      } catch (SystemCallException | NotANetworkNamespaceException e) {
        return true;
      } catch (RuntimeException e) {
        throw e;
      } catch (Exception e) {
        throw new IllegalStateException("interrupted", e);
      }
    }
  }
}
