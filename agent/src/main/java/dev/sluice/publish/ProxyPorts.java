package dev.sluice.publish;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.ShimException;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.model.HostBinding;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.Precedence;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.net.SocketAddr;
import dev.sluice.proxy.Route;
import dev.sluice.proxy.UserlandProxy;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides what the userland proxy listens on.
 *
 * <p>A {@linkplain Mapping#isRelayed() relayed} mapping is served on the very sockets that reserve
 * its ports. Its options are the table's business, whose guards stand before these sockets too.
 *
 * <p>An IPv4 mapping of every address gets a <em>companion</em>: the same port of IPv6, as far as
 * nobody else wants it. Where the mapping has options, which the proxy does not know, the companion
 * is for this host alone, {@code [::1]}, whom no option keeps out. Companions are best effort: at
 * most {@value #MAX_COMPANIONS} ports, none for ranges of more than {@value #MAX_COMPANION_PORTS},
 * and they give way to a mapping, or a process, that has the port.
 *
 * <p>Where the kernel cannot translate connections to {@code ::1} ({@link #acceptLoopback}), an
 * IPv6 mapping is listened on as well, on the sockets that reserve its ports: whatever else comes
 * to them is translated before.
 *
 * <p>Everything is called under the publisher's lock, except {@link #report}.
 */
public final class ProxyPorts implements MappingListener, PortReservations.Yielding {
  private static final Logger LOG = LoggerFactory.getLogger(ProxyPorts.class);

  private static final String WITHOUT_PROXY =
      " leads from IPv6 to an IPv4 container, which takes the userland proxy, and the agent runs with"
          + " --userland-proxy=off";

  /** Each is a socket, and publishing thousands of ports must not wait for them. */
  public static final int MAX_COMPANIONS = 2_048;

  /** Of a mapping with companions. */
  public static final int MAX_COMPANION_PORTS = 64;

  /** Drained mappings whose connections can still be told apart, to end them later. */
  private static final int MAX_DRAINING = 10_000;

  private static final IpAddress LOOPBACK6 = IpAddress.parse("::1");

  private final UserlandProxy proxy;
  private final PortReservations reservations;
  private final Map<MappingId, Served> served = new HashMap<>();
  // A port has at most one: [::1] and every address exclude each other.
  private final Map<CompanionKey, Served> companions = new HashMap<>();
  // Whose companions are missing, because somebody has the port.
  private final Set<MappingId> incomplete = new LinkedHashSet<>();
  private final Map<MappingId, List<Long>> draining =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<MappingId, List<Long>> eldest) {
          return size() > MAX_DRAINING;
        }
      };
  private boolean acceptsLoopback;
  // Ports of Kind.OWN_LOOPBACK.
  private int ownLoopback;
  private boolean resuming;
  private String lastFailure = "";
  private volatile Report report = new Report(0, 0, false);

  /**
   * How far companions are served.
   *
   * @param companions IPv6 ports that are listened on for IPv4 mappings
   * @param incomplete mappings of which somebody else has the IPv6 port
   * @param full whether there are as many as there may be
   */
  public record Report(int companions, int incomplete, boolean full) {}

  private record CompanionKey(Protocol protocol, int port) {}

  private enum Kind {
    /** Nothing to listen on. */
    NONE,
    /** The mapping's own ports. */
    RELAY,
    /** The same port of every IPv6 address. */
    COMPANION,
    /** The same port of this host's own {@code ::1}. */
    LOOPBACK,
    /** The mapping's own ports, for {@code ::1}. */
    OWN_LOOPBACK;

    boolean onReservedSockets() {
      return this == RELAY || this == OWN_LOOPBACK;
    }
  }

  /** A mapping, and by which number the proxy knows each of its ports. */
  private static final class Served {
    final Kind kind;
    final Map<Integer, Long> listening = new LinkedHashMap<>();
    Mapping mapping;

    Served(Kind kind, Mapping mapping) {
      this.kind = kind;
      this.mapping = mapping;
    }
  }

  public ProxyPorts(UserlandProxy proxy, PortReservations reservations) {
    this.proxy = proxy;
    this.reservations = reservations;
    reservations.preferredTo(this);
  }

  public Report report() {
    return report;
  }

  private Kind kind(Mapping mapping) {
    if (mapping.isRelayed()) {
      return Kind.RELAY;
    }
    if (mapping.owner().holdsItsPorts()) {
      return Kind.NONE; // of every address of both families, if it likes
    }
    boolean carried = mapping.protocol() == Protocol.TCP || mapping.protocol() == Protocol.UDP;
    if (!carried || mapping.hostPorts().size() > MAX_COMPANION_PORTS) {
      return Kind.NONE;
    }
    if (mapping.family() == Family.IPV6) {
      boolean reachable = mapping.hostAddress().map(LOOPBACK6::equals).orElse(true);
      return acceptsLoopback && reachable ? Kind.OWN_LOOPBACK : Kind.NONE;
    }
    if (mapping.hostAddress().isPresent()) {
      return Kind.NONE;
    }
    return mapping.options().isUnrestricted() ? Kind.COMPANION : Kind.LOOPBACK;
  }

  // ---- what is told

  @Override
  public void published(Mapping mapping) {
    Kind kind = kind(mapping);
    Served before = served.get(mapping.id());
    if (before != null && before.kind == kind && before.mapping.key().equals(mapping.key())) {
      retarget(before, mapping);
      return;
    }
    if (before != null) {
      end(before, true);
      proxy.sync();
    }
    if (kind == Kind.RELAY || (kind != Kind.NONE && hasRoomFor(mapping))) {
      Served now = new Served(kind, mapping);
      served.put(mapping.id(), now);
      if (kind == Kind.OWN_LOOPBACK) {
        ownLoopback += mapping.hostPorts().size();
      }
      complete(now);
    }
    takeStock();
    if (kind == Kind.RELAY && incomplete.contains(mapping.id()) && !resuming) {
      throw new PublishException(
          PublishException.Kind.UNAVAILABLE,
          mapping.hostText() + " cannot be served by the userland proxy: " + lastFailure);
    }
  }

  /** What is in force already is served as far as possible, and again looked after. */
  @Override
  public void resumed(Mapping mapping) {
    resuming = true;
    try {
      published(mapping);
    } finally {
      resuming = false;
    }
  }

  @Override
  public void withdrawn(Mapping mapping) {
    end(mapping, true);
  }

  @Override
  public void retired(Mapping mapping) {
    end(mapping, false);
  }

  @Override
  public void cut(Mapping mapping) {
    Served one = served.get(mapping.id());
    if (one != null) {
      one.listening.forEach((port, id) -> proxy.retarget(id, route(one.mapping, port), true));
    }
    List<Long> ids = draining.remove(mapping.id());
    if (ids != null) {
      ids.forEach(id -> proxy.remove(id, true));
    }
  }

  @Override
  public void lookAgain() {
    for (MappingId id : List.copyOf(incomplete)) {
      Served one = served.get(id);
      if (one != null) {
        complete(one);
      }
    }
    takeStock();
  }

  @Override
  public boolean acceptLoopback(boolean wanted) {
    acceptsLoopback = wanted;
    return wanted;
  }

  /** The next packet is the new owner's; connections that are open live on. */
  @Override
  public boolean giveWay(Protocol protocol, int port) {
    Served owner = companions.remove(new CompanionKey(protocol, port));
    if (owner == null) {
      return false;
    }
    Long id = owner.listening.remove(port);
    if (id != null) {
      proxy.remove(id, false);
    }
    incomplete.add(owner.mapping.id());
    proxy.sync();
    takeStock();
    return true;
  }

  private void takeStock() {
    report =
        new Report(
            companions.size(),
            incomplete.size(),
            companions.size() + ownLoopback >= MAX_COMPANIONS);
  }

  // ---- listening

  private boolean hasRoomFor(Mapping mapping) {
    return companions.size() + ownLoopback + mapping.hostPorts().size() <= MAX_COMPANIONS;
  }

  private void retarget(Served before, Mapping mapping) {
    boolean moved =
        !before.mapping.backends().equals(mapping.backends())
            || !before.mapping.options().equals(mapping.options());
    before.mapping = mapping;
    if (moved) {
      before.listening.forEach((port, id) -> proxy.retarget(id, route(mapping, port), false));
    }
  }

  private void end(Mapping mapping, boolean cut) {
    Served before = served.get(mapping.id());
    if (before == null) {
      return;
    }
    if (!cut) {
      draining.put(mapping.id(), List.copyOf(before.listening.values()));
    }
    end(before, cut);
    // Its ports are given back next.
    proxy.sync();
    List.copyOf(incomplete).stream()
        .map(served::get)
        .filter(other -> other != null && other.kind != Kind.RELAY)
        .filter(other -> other.mapping.protocol() == mapping.protocol())
        .filter(other -> other.mapping.hostPorts().overlaps(mapping.hostPorts()))
        .forEach(this::complete);
    takeStock();
  }

  private void end(Served one, boolean cut) {
    served.remove(one.mapping.id());
    if (one.kind == Kind.OWN_LOOPBACK) {
      ownLoopback -= one.mapping.hostPorts().size();
    }
    incomplete.remove(one.mapping.id());
    one.listening.forEach(
        (port, id) -> {
          proxy.remove(id, cut);
          companions.remove(new CompanionKey(one.mapping.protocol(), port), one);
        });
  }

  /** Listens on the ports that are not listened on yet. */
  private void complete(Served one) {
    PortRange ports = one.mapping.hostPorts();
    boolean missing = false;
    for (int port = ports.first(); port <= ports.last(); port++) {
      if (!one.listening.containsKey(port)) {
        missing |= !listen(one, port);
      }
    }
    if (missing) {
      incomplete.add(one.mapping.id());
    } else {
      incomplete.remove(one.mapping.id());
    }
  }

  /** Whether nobody stands in the way. */
  private boolean listen(Served one, int port) {
    if (one.kind.onReservedSockets()) {
      try {
        return listen(one, port, reservations.reservedSocket(one.mapping.key(), port));
      } catch (PortTakenException | PublishException | SystemCallException e) {
        return failed(one.mapping, e);
      }
    }
    CompanionKey key = new CompanionKey(one.mapping.protocol(), port);
    Served other = companions.get(key);
    if (other != null && goesBefore(one.mapping, other.mapping)) {
      giveWay(key.protocol(), port);
    }
    Optional<IpAddress> address =
        one.kind == Kind.LOOPBACK ? Optional.of(LOOPBACK6) : Optional.empty();
    HostBinding binding =
        new HostBinding(one.mapping.protocol(), Family.IPV6, address, new PortRange(port, port));
    int fd;
    try {
      fd = reservations.unreservedSocket(binding, port);
    } catch (PortTakenException e) {
      return false;
    } catch (PublishException | SystemCallException e) {
      LOG.debug("no companion {}: {}", binding, e.getMessage());
      return true;
    }
    if (fd < 0) {
      // A host without IPv6.
      return true;
    }
    boolean listening = listen(one, port, fd);
    if (listening) {
      companions.put(key, one);
    }
    return listening;
  }

  private boolean listen(Served one, int port, int fd) {
    try {
      one.listening.put(port, proxy.listen(fd, route(one.mapping, port)));
      return true;
    } catch (ShimException e) {
      // Whoever was quicker than us keeps the port of a companion.
      return (one.kind.onReservedSockets() || e.errno() != Errno.EADDRINUSE)
          && failed(one.mapping, e);
    } finally {
      Sys.close(fd);
    }
  }

  private boolean failed(Mapping mapping, RuntimeException why) {
    lastFailure = String.valueOf(why.getMessage());
    LOG.warn("{} is not served over IPv6: {}", mapping.hostText(), lastFailure);
    return false;
  }

  /** As in the table, where single ports go before ranges. */
  private static boolean goesBefore(Mapping one, Mapping other) {
    return one.precedence() == Precedence.ANY && other.precedence() == Precedence.RANGE;
  }

  private static Route route(Mapping mapping, int hostPort) {
    OptionalInt withHeader = mapping.options().proxyProtocolPort();
    int port =
        withHeader.orElse(mapping.targetPorts().first() + hostPort - mapping.hostPorts().first());
    List<Route.Target> targets =
        mapping.backends().all().stream()
            .map(one -> new Route.Target(new SocketAddr(one.address(), port), one.weight()))
            .toList();
    Route.Choice choice =
        switch (mapping.backends().balance()) {
          case ROUND_ROBIN -> Route.Choice.ROUND_ROBIN;
          case RANDOM -> Route.Choice.RANDOM;
          case SOURCE -> Route.Choice.SOURCE;
        };
    return new Route(targets, choice, withHeader.isPresent());
  }

  /** In the place of this where the proxy is off: refuses what would take it. */
  public static MappingListener off() {
    return new MappingListener() {
      @Override
      public void published(Mapping mapping) {
        if (mapping.isRelayed()) {
          throw new PublishException(
              PublishException.Kind.INVALID, mapping.hostText() + WITHOUT_PROXY);
        }
      }

      @Override
      public void resumed(Mapping mapping) {
        if (mapping.isRelayed()) {
          LOG.warn("{}{}", mapping.hostText(), WITHOUT_PROXY);
        }
      }

      @Override
      public void withdrawn(Mapping mapping) {}
    };
  }
}
