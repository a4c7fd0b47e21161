package dev.sluice.route;

import static dev.sluice.route.LinuxRtnetlink.*;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * An entry of a routing table.
 *
 * <p>Made by {@link #direct}, {@link #via}, {@link #local} or {@link #rejecting}, then adjusted:
 * {@code Route.via(destination, gateway).withMetric(100)}.
 *
 * @param destination where packets go to; {@code 0.0.0.0/0} and {@code ::/0} are the default routes
 * @param nextHops the ways there; none for types that send nothing, such as RTN_BLACKHOLE
 * @param type RTN_UNICAST, RTN_LOCAL and others of {@link LinuxRtnetlink}
 * @param table the table's number as an unsigned 32-bit number; RT_TABLE_MAIN, RT_TABLE_LOCAL
 * @param protocol who made it: RTPROT_KERNEL, RTPROT_STATIC
 * @param scope how far the destination is: RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_SCOPE_HOST; always
 *     RT_SCOPE_UNIVERSE in IPv6
 * @param metric smaller is better, 0 to 4294967295; 0 in a request leaves it to the kernel, which
 *     takes 0 for IPv4 and 1024 for IPv6
 * @param preferredSource the source address of packets that have none yet
 */
public record Route(
    Prefix destination,
    List<NextHop> nextHops,
    int type,
    int table,
    int protocol,
    int scope,
    long metric,
    Optional<IpAddress> preferredSource) {

  /** The largest metric. */
  public static final long MAX_METRIC = 0xffff_ffffL;

  public Route {
    nextHops = List.copyOf(nextHops);
    if (metric < 0 || metric > MAX_METRIC) {
      throw new IllegalArgumentException(
          "the metric of a route is in 0–" + MAX_METRIC + ": metric=" + metric);
    }
    Family family = destination.family();
    if (preferredSource.isPresent() && preferredSource.get().family() != family) {
      throw new IllegalArgumentException(
          "the preferred source "
              + preferredSource.get()
              + " is not an "
              + family.title()
              + " address");
    }
  }

  /** To hosts on a link. */
  public static Route direct(Prefix destination, int linkIndex) {
    return unicast(destination, NextHop.direct(linkIndex), RT_SCOPE_LINK);
  }

  /** By a router, over the link that leads there. */
  public static Route via(Prefix destination, IpAddress gateway) {
    return unicast(destination, NextHop.via(gateway), RT_SCOPE_UNIVERSE);
  }

  /** To this host itself, in the table "local". */
  public static Route local(Prefix destination, int linkIndex) {
    return new Route(
        destination,
        List.of(NextHop.direct(linkIndex)),
        RTN_LOCAL,
        RT_TABLE_LOCAL,
        RTPROT_STATIC,
        scope(destination, RT_SCOPE_HOST),
        0,
        Optional.empty());
  }

  /**
   * To nowhere.
   *
   * @param type RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT or RTN_THROW
   */
  public static Route rejecting(Prefix destination, int type) {
    return new Route(
        destination,
        List.of(),
        type,
        RT_TABLE_MAIN,
        RTPROT_STATIC,
        RT_SCOPE_UNIVERSE,
        0,
        Optional.empty());
  }

  /** The same over other next hops. */
  public Route withNextHops(List<NextHop> hops) {
    return new Route(destination, hops, type, table, protocol, scope, metric, preferredSource);
  }

  /** The same with every next hop on this link. */
  public Route withLink(int index) {
    return withNextHops(nextHops.stream().map(hop -> hop.withLink(index)).toList());
  }

  /**
   * The same with gateways that are on their links, whatever the addresses of the links say: the
   * gateway may lie outside every subnet. Needs {@link #withLink}.
   */
  public Route onLink() {
    return withNextHops(nextHops.stream().map(NextHop::onLink).toList());
  }

  public Route withTable(int number) {
    return new Route(destination, nextHops, type, number, protocol, scope, metric, preferredSource);
  }

  public Route withProtocol(int number) {
    return new Route(destination, nextHops, type, table, number, scope, metric, preferredSource);
  }

  public Route withMetric(long value) {
    return new Route(destination, nextHops, type, table, protocol, scope, value, preferredSource);
  }

  public Route withPreferredSource(IpAddress address) {
    return new Route(
        destination, nextHops, type, table, protocol, scope, metric, Optional.of(address));
  }

  public Family family() {
    return destination.family();
  }

  /** Whether every destination matches. */
  public boolean isDefault() {
    return destination.lengthBits() == 0;
  }

  /** The gateway of the first next hop. */
  public Optional<IpAddress> gateway() {
    return nextHops.isEmpty() ? Optional.empty() : nextHops.get(0).gateway();
  }

  /** The link of the first next hop. */
  public OptionalInt linkIndex() {
    return nextHops.isEmpty() ? OptionalInt.empty() : nextHops.get(0).linkIndex();
  }

  /** Much as {@code ip route} writes it, links by their number. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    if (type != RTN_UNICAST) {
      text.append(typeName(type)).append(' ');
    }
    text.append(destination);
    for (NextHop hop : nextHops) {
      text.append(nextHops.size() > 1 ? " nexthop " : " ").append(hop);
    }
    if (table != RT_TABLE_MAIN) {
      text.append(" table ").append(Integer.toUnsignedString(table));
    }
    preferredSource.ifPresent(source -> text.append(" src ").append(source));
    if (metric != 0) {
      text.append(" metric ").append(metric);
    }
    return text.toString();
  }

  private static Route unicast(Prefix destination, NextHop hop, int scope) {
    return new Route(
        destination,
        List.of(hop),
        RTN_UNICAST,
        RT_TABLE_MAIN,
        RTPROT_STATIC,
        scope(destination, scope),
        0,
        Optional.empty());
  }

  /** IPv6 knows no scopes of routes: the kernel reports RT_SCOPE_UNIVERSE for all of them. */
  private static int scope(Prefix destination, int ip4Scope) {
    return destination.family() == Family.IPV6 ? RT_SCOPE_UNIVERSE : ip4Scope;
  }

  private static String typeName(int type) {
    return switch (type) {
      case RTN_UNICAST -> "unicast";
      case RTN_LOCAL -> "local";
      case RTN_BROADCAST -> "broadcast";
      case RTN_ANYCAST -> "anycast";
      case RTN_MULTICAST -> "multicast";
      case RTN_BLACKHOLE -> "blackhole";
      case RTN_UNREACHABLE -> "unreachable";
      case RTN_PROHIBIT -> "prohibit";
      case RTN_THROW -> "throw";
      case RTN_NAT -> "nat";
      default -> "type " + type;
    };
  }
}
