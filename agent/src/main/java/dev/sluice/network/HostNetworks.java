package dev.sluice.network;

import dev.sluice.ffi.Errno;
import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.OutcomeUnknownException;
import dev.sluice.route.InterfaceAddress;
import dev.sluice.route.Link;
import dev.sluice.route.LinuxRtnetlink;
import dev.sluice.route.PortOptions;
import dev.sluice.route.Route;
import dev.sluice.route.Rtnetlink;
import dev.sluice.sysctl.Sysctl;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The networks this host has: an interface with subnets of its own, behind which containers live.
 * Asked for an address, it says which network that is on; asked to {@link #prepare} one, it sets
 * the host to forward for it.
 *
 * <p>Thread-safe.
 */
public final class HostNetworks implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(HostNetworks.class);

  /** Behind the metrics that people use; each bridge needs one of its own. */
  private static final long LOOPBACK_ROUTE_METRIC = 1_000;

  // Addresses of nobody (RFC 5737, RFC 3849), to ask for the way; nothing is sent there.
  private static final IpAddress OUTSIDE = IpAddress.parse("192.0.2.1");
  private static final IpAddress OUTSIDE6 = IpAddress.parse("2001:db8::1");

  // Absent as long as br_netfilter is not loaded.
  private static final String BRIDGED_IPV4 = "net/bridge/bridge-nf-call-iptables";
  private static final String BRIDGED_IPV6 = "net/bridge/bridge-nf-call-ip6tables";

  private static final String IPV6_FORWARDING = "net/ipv6/conf/all/forwarding";

  private final Rtnetlink routes;
  private final Sysctl sysctl;
  private final HairpinPorts hairpinPorts;

  public HostNetworks(Rtnetlink routes, Sysctl sysctl) {
    this.routes = routes;
    this.hairpinPorts = new HairpinPorts(routes);
    this.sysctl = sysctl;
  }

  /**
   * The network {@code target} is on.
   *
   * @throws UnknownTargetException if the address is the host's own, is behind a router, or no
   *     route leads to it
   */
  public Network behind(IpAddress target) {
    Route route =
        routes
            .routeTo(target)
            .orElseThrow(
                () ->
                    new UnknownTargetException(
                        "no route leads to the target "
                            + target
                            + ": give the address of a container on a bridge of this host"));
    if (route.type() == LinuxRtnetlink.RTN_LOCAL) {
      throw new UnknownTargetException(
          "the target "
              + target
              + " is an address of this host itself: give the address of a container");
    }
    if (route.gateway().isPresent() || route.linkIndex().isEmpty()) {
      throw new UnknownTargetException(
          "the target "
              + target
              + " is not on a network of this host"
              + route.gateway().map(router -> " but behind the router " + router).orElse("")
              + ": give the address of a container on a bridge of this host");
    }
    Link link = link(route.linkIndex().getAsInt());
    if (!link.isBridge()) {
      // Taken for a network of containers, an uplink would be closed to everybody else.
      throw new UnknownTargetException(
          "the target "
              + target
              + " is on "
              + link.name()
              + ", which is not a bridge: give the address of a container on a bridge of this"
              + " host");
    }
    Network network = networkOn(link);
    if (!network.contains(target)) {
      throw new UnknownTargetException(
          "the target "
              + target
              + " is reached through "
              + link.name()
              + ", which has no address in its subnet: give "
              + link.name()
              + " an address of the containers' network");
    }
    return network;
  }

  /**
   * The network on the interface {@code bridge}: its subnets are those of the interface's
   * addresses.
   *
   * @throws UnknownTargetException if there is no such interface, or it has no address
   */
  public Network onInterface(InterfaceName bridge) {
    Optional<Link> link = routes.link(bridge.toString());
    return networkOn(
        link.orElseThrow(() -> new UnknownTargetException("this host has no interface " + bridge)));
  }

  private Network networkOn(Link link) {
    List<Prefix> subnets =
        routes.addresses(link.index()).stream()
            .map(InterfaceAddress::prefix)
            .filter(subnet -> !subnet.address().isLinkLocal())
            .distinct()
            .toList();
    if (subnets.isEmpty()) {
      throw new UnknownTargetException(
          "the interface " + link.name() + " has no address, so no network is known behind it");
    }
    InterfaceName bridge = new InterfaceName(link.name());
    return new Network(link.name(), bridge, subnets, new Egress.Masquerade());
  }

  private Link link(int index) {
    return routes
        .link(index)
        .orElseThrow(
            () -> new UnknownTargetException("the interface " + index + " has just vanished"));
  }

  /** Whether the address is one of this host's own. */
  public boolean isLocal(IpAddress address) {
    return routes
        .routeTo(address)
        .filter(route -> route.type() == LinuxRtnetlink.RTN_LOCAL)
        .isPresent();
  }

  /**
   * Sets what the host needs to serve the network: forwarding, loopback-published ports, and no
   * router advertisements taken from containers. What was changed is in {@link #changes}.
   *
   * @return sets everything back that this call has changed
   */
  public Runnable prepare(Network network) {
    Deque<Runnable> undo = new ArrayDeque<>();
    Runnable undoAll = () -> setBack(network, undo);
    try {
      prepare(network, undo);
    } catch (RuntimeException e) {
      undoAll.run();
      throw e;
    }
    return undoAll;
  }

  /** A step that fails does not keep the others from being tried. */
  private static void setBack(Network network, Deque<Runnable> undo) {
    for (Runnable step : undo) {
      try {
        step.run();
      } catch (RuntimeException e) {
        LOG.warn("the host is not as it was before {}: {}", network.name(), e.getMessage());
      }
    }
  }

  private void prepare(Network network, Deque<Runnable> undo) {
    String bridge = network.bridge().toString();
    set(undo, "net/ipv4/ip_forward", "1");
    // 127.0.0.1:PORT of the host leads to a container only if the bridge may route 127/8; the first
    // rules of our table keep everybody else from using that.
    set(undo, "net/ipv4/conf/" + bridge + "/route_localnet", "1");
    set(undo, "net/ipv4/conf/" + bridge + "/send_redirects", "0");
    setIfPresent(undo, "net/ipv6/conf/" + bridge + "/accept_ra", "0");
    if (network.subnets().stream().anyMatch(subnet -> subnet.family() == Family.IPV6)) {
      prepareIpv6(bridge, undo);
    }
  }

  private void set(Deque<Runnable> undo, String name, String value) {
    String before = sysctl.get(name).orElse(value);
    if (sysctl.set(name, value)) {
      undo.push(() -> sysctl.set(name, before));
    }
  }

  /** Does nothing where the kernel has no such parameter (IPv6 switched off). */
  private void setIfPresent(Deque<Runnable> undo, String name, String value) {
    if (sysctl.get(name).isPresent()) {
      set(undo, name, value);
    }
  }

  /**
   * Lets the containers on the network reach their own published ports. Where the host filters
   * bridged packets (br_netfilter), a translated packet must leave by the port it came from, which
   * a bridge does not do unless the port is in hairpin mode; elsewhere this changes nothing.
   */
  public void allowHairpin(Network network) {
    if (!isOn(BRIDGED_IPV4) && !isOn(BRIDGED_IPV6)) {
      return;
    }
    routes.link(network.bridge().toString()).ifPresent(link -> hairpinPorts.allow(link.index()));
  }

  /** The ports of bridges, for who follows the links. */
  HairpinPorts hairpinPorts() {
    return hairpinPorts;
  }

  /**
   * Keeps the wires of an isolated network from each other, as far as others have plugged them in.
   * What leads from one to another goes through the host then, and is looked at there.
   */
  public void keepPortsApart(Network network) {
    int bridge = routes.link(network.bridge().toString()).map(Link::index).orElse(0);
    for (Link port : routes.links()) {
      boolean set = port.isolated() && port.hairpin();
      if (bridge != 0 && port.masterIndex().orElse(-1) == bridge && !set) {
        keepApart(port);
      }
    }
  }

  private void keepApart(Link port) {
    try {
      routes.setPort(port.index(), PortOptions.DEFAULT.withHairpin(true).withIsolated(true));
    } catch (NetlinkException e) {
      if (e.errno() != Errno.ENODEV) {
        throw e;
      }
      LOG.debug("{} went before it was set", port.name());
    }
  }

  /** Whether there is such an interface. */
  public boolean isThere(InterfaceName name) {
    return index(name).isPresent();
  }

  /** The number of an interface: another one if it is made anew. */
  public OptionalInt index(InterfaceName name) {
    return routes.link(name.toString()).stream().mapToInt(Link::index).findFirst();
  }

  /**
   * Whether answers that come over a bridge are translated while they are bridged (br_netfilter).
   * Then the host cannot be reached by {@code ::1} through translation: the kernel drops what has
   * that address when the bridge hands it over.
   */
  public boolean translatesBridgedIpv6() {
    return isOn(BRIDGED_IPV6);
  }

  private boolean isOn(String name) {
    return sysctl.get(name).orElse("0").equals("1");
  }

  private void prepareIpv6(String bridge, Deque<Runnable> undo) {
    if (sysctl.get(IPV6_FORWARDING).filter(now -> now.equals("0")).isPresent()) {
      keepRouterAdvertisements(undo);
    }
    setIfPresent(undo, IPV6_FORWARDING, "1");
    Link link = link(routes.link(bridge).map(Link::index).orElse(0));
    // ::1 is looked up strictly by interface: a local route on the bridge is what route_localnet is
    // for IPv4.
    Route loopback =
        Route.local(Prefix.of(IpAddress.parse("::1")), link.index())
            .withMetric(LOOPBACK_ROUTE_METRIC + link.index());
    try {
      routes.addRoute(loopback);
      undo.push(() -> routes.removeRoute(loopback));
    } catch (NetlinkException e) {
      if (e.errno() != Errno.EEXIST) {
        throw e;
      }
    } catch (OutcomeUnknownException e) {
      // Perhaps it is there.
      undo.push(() -> routes.removeRoute(loopback));
      throw e;
    }
  }

  /**
   * A host that forwards takes router advertisements only with accept_ra=2: where its own routes
   * come from them it must go on doing so.
   */
  private void keepRouterAdvertisements(Deque<Runnable> undo) {
    routes.routes(Family.IPV6).stream()
        .filter(route -> route.protocol() == LinuxRtnetlink.RTPROT_RA)
        .flatMapToInt(route -> route.linkIndex().stream())
        .distinct()
        .mapToObj(index -> "net/ipv6/conf/" + link(index).name() + "/accept_ra")
        .filter(name -> sysctl.get(name).filter(now -> now.equals("1")).isPresent())
        .forEach(name -> set(undo, name, "2"));
  }

  /**
   * The address by which the outside reaches this host: the one its packets to the outside come
   * from. Empty if no way leads there.
   */
  public Optional<IpAddress> outwardAddress(Family family) {
    return routes
        .routeTo(family == Family.IPV4 ? OUTSIDE : OUTSIDE6)
        .flatMap(Route::preferredSource);
  }

  /** What {@link #prepare} had to change. */
  public List<Sysctl.Changed> changes() {
    return sysctl.changes();
  }

  @Override
  public void close() {
    routes.close();
  }
}
