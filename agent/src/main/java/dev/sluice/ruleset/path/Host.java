package dev.sluice.ruleset.path;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.route.InterfaceAddress;
import dev.sluice.route.Link;
import dev.sluice.route.Neighbour;
import dev.sluice.route.Route;
import dev.sluice.route.RouteAnswer;
import dev.sluice.route.RouteQuery;
import dev.sluice.route.Rtnetlink;
import dev.sluice.ruleset.path.Packet.Interface;
import dev.sluice.sysctl.Sysctl;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/** Links, addresses, routes and parameters of this host; each is asked once. Not thread-safe. */
final class Host {
  private final Rtnetlink routes;
  private final Sysctl sysctl;
  private final List<Link> links;
  private final List<InterfaceAddress> addresses;
  private final List<Neighbour> neighbours;
  private final Map<RouteQuery, RouteAnswer> answers = new HashMap<>();

  Host(Rtnetlink routes, Sysctl sysctl) {
    this.routes = routes;
    this.sysctl = sysctl;
    this.links = routes.links();
    this.addresses = routes.addresses();
    this.neighbours = routes.neighbours();
  }

  List<Link> links() {
    return links;
  }

  List<InterfaceAddress> addresses() {
    return addresses;
  }

  Optional<Interface> link(int index) {
    return links.stream().filter(link -> link.index() == index).findFirst().map(Host::of);
  }

  Optional<Interface> link(String name) {
    return links.stream().filter(link -> link.name().equals(name)).findFirst().map(Host::of);
  }

  private static Interface of(Link link) {
    return new Interface(link.index(), link.name(), link.kind());
  }

  RouteAnswer look(RouteQuery query) {
    return answers.computeIfAbsent(query, routes::look);
  }

  /** Where the host's own packets to an address go. */
  Optional<Route> routeTo(IpAddress address) {
    return look(RouteQuery.to(address)).route();
  }

  boolean isOwn(IpAddress address) {
    return look(RouteQuery.to(address)).isLocal();
  }

  /** Whether an interface has the address. */
  boolean has(Interface link, IpAddress address) {
    return addresses.stream()
        .anyMatch(one -> one.linkIndex() == link.index() && one.address().equals(address));
  }

  /** The address by which packets that leave by {@code link} for {@code next} are masqueraded. */
  Optional<IpAddress> addressOf(Interface link, IpAddress next) {
    List<InterfaceAddress> own =
        addresses.stream()
            .filter(one -> one.linkIndex() == link.index())
            .filter(one -> one.address().family() == next.family())
            .filter(one -> !one.address().isLinkLocal() || next.isLinkLocal())
            .toList();
    return own.stream()
        .filter(one -> one.prefix().contains(next))
        .findFirst()
        .or(() -> own.stream().findFirst())
        .map(InterfaceAddress::address);
  }

  Optional<Neighbour> neighbour(Interface link, IpAddress address) {
    return neighbours.stream()
        .filter(one -> one.linkIndex() == link.index() && one.address().equals(address))
        .findFirst();
  }

  /** A kernel parameter below /proc/sys, {@code net/ipv4/ip_forward}; empty if there is none. */
  Optional<String> parameter(String name) {
    return sysctl.get(name).map(String::strip);
  }

  boolean isOn(String parameter) {
    return parameter(parameter).filter(value -> !value.equals("0")).isPresent();
  }

  /** Whether frames between ports of a bridge pass the tables of the family. */
  boolean filtersBridged(Family family) {
    return isOn(
        family == Family.IPV4
            ? "net/bridge/bridge-nf-call-iptables"
            : "net/bridge/bridge-nf-call-ip6tables");
  }

  OptionalInt indexOf(Optional<Route> route) {
    return route.map(Route::linkIndex).orElse(OptionalInt.empty());
  }
}
