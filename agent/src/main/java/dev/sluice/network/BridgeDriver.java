package dev.sluice.network;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.ffi.Errno;
import dev.sluice.model.Endpoint;
import dev.sluice.model.EndpointId;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.model.SandboxName;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.network.NetworkException.Kind;
import dev.sluice.route.BridgeOptions;
import dev.sluice.route.Link;
import dev.sluice.route.LinuxRtnetlink;
import dev.sluice.route.PortOptions;
import dev.sluice.route.Route;
import dev.sluice.route.Rtnetlink;
import dev.sluice.route.VethOptions;
import dev.sluice.sysctl.Sysctl;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Networks and endpoints as the kernel has them: a network is a bridge, an endpoint a pair of links
 * of which one is a port of the bridge and the other in the sandbox. Their texts for operators
 * (ip-link(8), "alias") say what they are, so that what a killed agent left half made is
 * recognised.
 *
 * <p>Thread-safe.
 */
final class BridgeDriver implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(BridgeDriver.class);

  private static final String NETWORK_ALIAS = "sluice network ";
  private static final String ENDPOINT_ALIAS = "sluice endpoint ";

  private static final Pattern LOOSE_END = Pattern.compile("sv([0-9a-f]{12})");

  private static final int DEFAULT_MTU_BYTES = 1_500;

  private static final int ENDPOINT_SOCKETS = 8;

  private final Rtnetlink routes;

  // A socket has one request at a time, and deleting a link takes the kernel tens of milliseconds,
  // most of which it waits without holding anything: whoever comes or goes meanwhile has a socket
  // of its own.
  private final List<Rtnetlink> endpointSockets = new ArrayList<>(ENDPOINT_SOCKETS);
  private final Queue<Rtnetlink> idle = new ConcurrentLinkedQueue<>();

  /**
   * Works in the namespace of the calling thread.
   *
   * @param routes of that namespace; the caller's to close
   */
  BridgeDriver(Rtnetlink routes) {
    this.routes = routes;
    for (int i = 0; i < ENDPOINT_SOCKETS; i++) {
      endpointSockets.add(Rtnetlink.open());
    }
    idle.addAll(endpointSockets);
  }

  /** On a socket that nobody else uses meanwhile, or if there is none left, on everybody's. */
  private <T> T onOwnSocket(Function<Rtnetlink, T> action) {
    Rtnetlink own = idle.poll();
    if (own == null) {
      return action.apply(routes);
    }
    try {
      return action.apply(own);
    } finally {
      idle.add(own);
    }
  }

  // ---- networks

  /** The MTU of the way to the outside. */
  int usualMtuBytes() {
    return routes.routes(Family.IPV4).stream()
        .filter(route -> route.isDefault() && route.linkIndex().isPresent())
        .flatMap(route -> routes.link(route.linkIndex().getAsInt()).stream())
        .mapToInt(Link::mtuBytes)
        .findFirst()
        .orElse(DEFAULT_MTU_BYTES);
  }

  /**
   * The blocks the host has routes to, except those everything or nothing in particular matches.
   */
  List<Prefix> routedBlocks() {
    return routes.routes().stream()
        .map(Route::destination)
        // A default route may come in two halves.
        .filter(block -> block.lengthBits() > 1)
        .filter(block -> !block.address().isLinkLocal() && !block.address().isMulticast())
        .filter(block -> !block.address().isLoopback())
        .distinct()
        .toList();
  }

  /** Makes the bridge of a network, with the gateways' addresses, switched on. */
  void makeBridge(Network network) {
    String name = network.bridge().text();
    // Of its own, or it would be that of a port, and change as ports come and go: neighbours would
    // talk to a gateway that is not there any more.
    BridgeOptions options =
        BridgeOptions.DEFAULT
            .withMac(macOf(network.settings().gateways()))
            .withAlias(NETWORK_ALIAS + network.name());
    if (network.settings().mtuBytes().isPresent()) {
      options = options.withMtu(network.settings().mtuBytes().getAsInt());
    }
    Link bridge;
    try {
      bridge = routes.createBridge(name, options);
    } catch (NetlinkException e) {
      if (e.errno() == Errno.EEXIST) {
        throw new NetworkException(
            Kind.CONFLICT,
            "the host has an interface " + quote(name) + " already: name another with --bridge",
            e);
      }
      throw e;
    }
    try {
      for (IpAddress gateway : network.settings().gateways()) {
        Prefix subnet = network.subnet(gateway.family()).orElseThrow();
        routes.addAddress(bridge.index(), gateway, subnet.lengthBits(), LinuxRtnetlink.IFA_F_NODAD);
      }
      routes.setUp(bridge.index(), true);
    } catch (RuntimeException e) {
      deleteQuietly(routes, bridge.index());
      throw e;
    }
  }

  /** Removes the bridge of a network, if it is still the one that was made for it. */
  void removeBridge(Network network) {
    routes
        .link(network.bridge().text())
        .filter(link -> networkOf(link).equals(Optional.of(network.name())))
        .ifPresent(link -> delete(link.index()));
  }

  /** The name of the network a bridge was made for. */
  static Optional<String> networkOf(Link link) {
    return link.isBridge()
        ? link.alias()
            .filter(text -> text.startsWith(NETWORK_ALIAS))
            .map(text -> text.substring(NETWORK_ALIAS.length()))
        : Optional.empty();
  }

  List<Link> links() {
    return routes.links();
  }

  Optional<Link> link(int index) {
    return routes.link(index);
  }

  Optional<Link> link(InterfaceName name) {
    return routes.link(name.text());
  }

  // ---- endpoints

  /**
   * What is to be plugged in.
   *
   * @param interfaceName in the sandbox; empty for the first free of eth0, eth1 and so on
   * @param defaultWay the families whose packets to everywhere go this way
   */
  record Plug(
      SandboxName sandbox,
      EndpointId id,
      Network network,
      Optional<InterfaceName> interfaceName,
      List<IpAddress> addresses,
      List<SandboxName> aliases,
      Set<Family> defaultWay) {}

  /**
   * Connects a sandbox, completely or not at all. Everything is done by the descriptor of its
   * namespace, which is therefore the one that is meant and stays there meanwhile.
   */
  Endpoint plug(NetworkNamespace namespace, Plug plug) {
    return onOwnSocket(
        host ->
            inside(
                namespace,
                () -> {
                  try (Rtnetlink within = Rtnetlink.open()) {
                    return plug(namespace, host, within, plug);
                  }
                }));
  }

  private static Endpoint plug(
      NetworkNamespace namespace, Rtnetlink host, Rtnetlink within, Plug plug) {
    Network network = plug.network();
    int bridge = bridgeOf(host, network);
    InterfaceName name = plug.interfaceName().orElseGet(() -> firstFree(within));
    VethOptions options =
        VethOptions.of(plug.id().hostInterface().text(), name.text())
            .withPeerNamespace(namespace)
            .withMaster(bridge)
            .withPeerMac(macOf(plug.addresses()));
    if (network.settings().mtuBytes().isPresent()) {
      options = options.withMtu(network.settings().mtuBytes().getAsInt());
    }
    Link near;
    try {
      near = host.createVeth(options);
    } catch (NetlinkException e) {
      if (e.errno() == Errno.EEXIST) {
        throw new NetworkException(
            Kind.CONFLICT,
            "the sandbox "
                + plug.sandbox()
                + " has an interface "
                + quote(name.text())
                + " already: choose another name",
            e);
      }
      throw e;
    }
    try {
      configure(within, near.linkedIndex().orElseThrow(), name, plug);
      // Last, when the other end is up: the port then forwards from its first moment on, and not
      // only once the kernel has noticed the carrier, up to a second later.
      host.setPort(near.index(), portOf(plug.id(), plug.sandbox(), network));
    } catch (RuntimeException e) {
      deleteQuietly(host, near.index());
      throw e;
    }
    return new Endpoint(plug.id(), network.name(), name, plug.addresses(), plug.aliases());
  }

  /**
   * Makes a wire of which the far end lies on the host, switched off and without addresses, until
   * somebody takes it.
   *
   * @param mac of the far end; made of an address if empty
   */
  Endpoint lay(
      SandboxName sandbox,
      EndpointId id,
      Network network,
      List<IpAddress> addresses,
      Optional<MacAddress> mac) {
    return onOwnSocket(
        host -> {
          VethOptions options =
              VethOptions.of(id.hostInterface().text(), id.looseEnd().text())
                  .withMaster(bridgeOf(host, network))
                  .withPeerMac(mac.orElseGet(() -> macOf(addresses)));
          if (network.settings().mtuBytes().isPresent()) {
            options = options.withMtu(network.settings().mtuBytes().getAsInt());
          }
          Link near = host.createVeth(options);
          try {
            host.setPort(near.index(), portOf(id, sandbox, network));
          } catch (RuntimeException e) {
            deleteQuietly(host, near.index());
            throw e;
          }
          return new Endpoint(id, network.name(), id.looseEnd(), addresses, List.of());
        });
  }

  private static PortOptions portOf(EndpointId id, SandboxName sandbox, Network network) {
    return PortOptions.DEFAULT
        .withAlias(ENDPOINT_ALIAS + id + " " + sandbox + " " + network.name())
        .withHairpin(true)
        .withIsolated(network.settings().isolated())
        .withUp();
  }

  private static int bridgeOf(Rtnetlink host, Network network) {
    return host.link(network.bridge().text())
        .orElseThrow(
            () ->
                new NetworkException(
                    Kind.UNAVAILABLE,
                    "the bridge "
                        + network.bridge()
                        + " of the network "
                        + network.name()
                        + " is gone: remove the network and make it anew"))
        .index();
  }

  private static InterfaceName firstFree(Rtnetlink within) {
    Set<String> taken = within.links().stream().map(Link::name).collect(Collectors.toSet());
    for (int number = 0; ; number++) {
      if (!taken.contains("eth" + number)) {
        return new InterfaceName("eth" + number);
      }
    }
  }

  private static void configure(Rtnetlink within, int index, InterfaceName name, Plug plug) {
    // Before it is switched on: neither a neighbour's advertisement of itself as a router nor a
    // redirect past the host shall count.
    Sysctl sysctl = new Sysctl();
    for (String parameter : List.of("accept_ra", "accept_redirects")) {
      String ipv6 = "net/ipv6/conf/" + name + "/" + parameter;
      if (sysctl.get(ipv6).isPresent()) {
        sysctl.set(ipv6, "0");
      }
    }
    // Of IPv4 the stricter of the two would count only if the sandbox forwarded.
    for (String scope : List.of("all", name.text())) {
      sysctl.set("net/ipv4/conf/" + scope + "/accept_redirects", "0");
    }
    boolean isolated = plug.network().settings().isolated();
    for (IpAddress address : plug.addresses()) {
      Prefix subnet = plug.network().subnet(address.family()).orElseThrow();
      // On an isolated network everybody else is behind the gateway.
      int lengthBits = isolated ? address.family().bits() : subnet.lengthBits();
      within.addAddress(index, address, lengthBits, LinuxRtnetlink.IFA_F_NODAD);
    }
    within.link("lo").filter(lo -> !lo.isUp()).ifPresent(lo -> within.setUp(lo.index(), true));
    within.setUp(index, true);
    for (IpAddress address : plug.addresses()) {
      Optional<IpAddress> gateway = plug.network().settings().gateway(address.family());
      if (gateway.isEmpty()) {
        continue;
      }
      if (isolated) {
        within.addRoute(Route.direct(Prefix.of(gateway.get()), index));
        Prefix subnet = plug.network().subnet(address.family()).orElseThrow();
        within.addRoute(Route.via(subnet, gateway.get()).withLink(index));
      }
      if (plug.defaultWay().contains(address.family())) {
        addDefault(within, gateway.get(), index, plug.sandbox());
      }
    }
  }

  private static void addDefault(
      Rtnetlink within, IpAddress gateway, int index, SandboxName sandbox) {
    Prefix everything = Prefix.containing(gateway, 0);
    try {
      within.addRoute(Route.via(everything, gateway).withLink(index));
    } catch (NetlinkException e) {
      if (e.errno() != Errno.EEXIST) {
        throw e;
      }
      LOG.info(
          "the sandbox {} keeps the {} default route it had", sandbox, gateway.family().title());
    }
  }

  /** Gives a sandbox another default way, in place of one whose link has gone. */
  void addDefault(NetworkNamespace namespace, Endpoint endpoint, IpAddress gateway) {
    inside(
        namespace,
        () -> {
          try (Rtnetlink within = Rtnetlink.open()) {
            // It may have been renamed; its address tells.
            IpAddress own = endpoint.address(gateway.family()).orElseThrow();
            within.addresses().stream()
                .filter(one -> one.address().equals(own))
                .findFirst()
                .ifPresent(
                    one ->
                        within.replaceRoute(
                            Route.via(Prefix.containing(gateway, 0), gateway)
                                .withLink(one.linkIndex())));
            return endpoint;
          }
        });
  }

  /** Disconnects; does nothing if the links have gone with the sandbox already. */
  void unplug(EndpointId id) {
    onOwnSocket(
        host -> {
          Optional<Link> found = find(host, id);
          found.ifPresent(link -> delete(host, link.index()));
          return found;
        });
  }

  /** The host's end of a wire, also if it was renamed. */
  private static Optional<Link> find(Rtnetlink host, EndpointId id) {
    return host.link(id.hostInterface().text())
        .filter(link -> isOf(link, id))
        .or(() -> host.links().stream().filter(link -> isOf(link, id)).findFirst());
  }

  private static boolean isOf(Link link, EndpointId id) {
    return endpointOf(link).equals(Optional.of(id));
  }

  /** The endpoint that the host's end of a wire belongs to. */
  static Optional<EndpointId> endpointOf(Link link) {
    return link.alias()
        .filter(text -> text.startsWith(ENDPOINT_ALIAS))
        .map(text -> text.substring(ENDPOINT_ALIAS.length()).split(" ", 2)[0])
        .filter(text -> text.matches("[0-9a-f]{12}"))
        .map(EndpointId::new);
  }

  /** Whether the host's end of an endpoint's wire is there. */
  boolean isPlugged(EndpointId id) {
    return find(routes, id).isPresent();
  }

  /** The far end of an endpoint's wire, if it lies on the host. */
  Optional<Link> looseEnd(EndpointId id) {
    return routes.link(id.looseEnd().text());
  }

  /** The endpoint whose wire this is the far end of, which lies on the host. */
  static Optional<EndpointId> looseEndOf(Link link) {
    Matcher matcher = LOOSE_END.matcher(link.name());
    return matcher.matches() ? Optional.of(new EndpointId(matcher.group(1))) : Optional.empty();
  }

  /** Whether an agent made the link and was killed before it said what for. */
  static boolean isNameless(Link link) {
    boolean ours =
        link.isBridge()
            ? link.mac().filter(mac -> isOurs(mac)).isPresent()
            : link.name().matches("sl[0-9a-f]{12}");
    return ours && !link.isUp() && link.alias().filter(text -> !text.isEmpty()).isEmpty();
  }

  private static boolean isOurs(MacAddress mac) {
    byte[] bytes = mac.toBytes();
    return bytes[0] == 2 && bytes[1] == 's';
  }

  /** Makes the host's end of a wire what it is to be as a port of its network's bridge. */
  void plugAgain(Link link, Network network) {
    int bridge = routes.link(network.bridge().text()).map(Link::index).orElse(0);
    if (bridge != 0) {
      if (link.masterIndex().orElse(0) != bridge) {
        routes.setMaster(link.index(), bridge);
      }
      routes.setPort(
          link.index(),
          PortOptions.DEFAULT
              .withAlias(link.alias().orElse(""))
              .withHairpin(true)
              .withIsolated(network.settings().isolated())
              .withUp());
    }
  }

  /** Deletes a link that may have gone meanwhile. */
  void delete(int index) {
    delete(routes, index);
  }

  private static void delete(Rtnetlink host, int index) {
    try {
      host.deleteLink(index);
    } catch (NetlinkException e) {
      if (e.errno() != Errno.ENODEV) {
        throw e;
      }
    }
  }

  private static void deleteQuietly(Rtnetlink host, int index) {
    try {
      delete(host, index);
    } catch (RuntimeException e) {
      LOG.warn("a link that is not wanted is left: {}", e.getMessage());
    }
  }

  private static MacAddress macOf(List<IpAddress> addresses) {
    return MacAddress.fromBytes(EndpointMac.bytes(addresses));
  }

  private static <T> T inside(NetworkNamespace namespace, Callable<T> action) {
    try {
      return namespace.call(action);
    } catch (RuntimeException e) {
      throw e;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while changing " + namespace, e);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    endpointSockets.forEach(Rtnetlink::close);
  }
}
