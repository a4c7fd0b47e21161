package dev.sluice.network;

import dev.sluice.fastpath.ContainerPort;
import dev.sluice.fastpath.FastPath.Way;
import dev.sluice.model.Network;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.route.ForwardingEntry;
import dev.sluice.route.Link;
import dev.sluice.route.LinkEvent;
import dev.sluice.route.LinuxRtnetlink;
import dev.sluice.route.Neighbour;
import dev.sluice.route.StationEvent;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * What is known of links, neighbours and stations, and what follows for the fast path: which device
 * gets which program, and where containers are. Whatever is not understood gets nothing, and is
 * left to the kernel. Not thread-safe.
 */
final class Stations {
  /**
   * What the fast path is to know.
   *
   * @param devices which program a device gets, by its index
   * @param containers by address
   */
  record Plan(Map<Integer, Way> devices, Map<IpAddress, ContainerPort> containers) {
    static final Plan NOTHING = new Plan(Map.of(), Map.of());
  }

  private record Place(int link, IpAddress address) {}

  private record Station(int bridge, MacAddress mac) {}

  private final Map<Integer, Link> links = new TreeMap<>();
  private final Map<Place, MacAddress> neighbours = new HashMap<>();
  private final Map<Station, Integer> ports = new HashMap<>();

  /** In place of all that was known. */
  void replace(
      List<Link> allLinks, List<Neighbour> allNeighbours, List<ForwardingEntry> allEntries) {
    links.clear();
    neighbours.clear();
    ports.clear();
    allLinks.forEach(link -> links.put(link.index(), link));
    allNeighbours.forEach(this::put);
    allEntries.forEach(this::put);
  }

  Collection<Link> links() {
    return links.values();
  }

  /**
   * Takes note of an event.
   *
   * @return whether something may follow from it: most neighbours are only confirmed
   */
  boolean on(StationEvent event) {
    if (event instanceof StationEvent.NeighbourChanged changed) {
      return put(changed.neighbour());
    }
    if (event instanceof StationEvent.NeighbourDeleted deleted) {
      Neighbour gone = deleted.neighbour();
      return neighbours.remove(new Place(gone.linkIndex(), gone.address())) != null;
    }
    if (event instanceof StationEvent.Seen seen) {
      return put(seen.entry());
    }
    if (event instanceof StationEvent.Forgotten forgotten) {
      ForwardingEntry entry = forgotten.entry();
      return ports.remove(new Station(entry.bridgeIndex(), entry.mac()), entry.portIndex());
    }
    if (event instanceof StationEvent.OfLink of) {
      if (of.event() instanceof LinkEvent.Changed changed) {
        Link link = changed.link();
        return !link.equals(links.put(link.index(), link));
      }
      if (of.event() instanceof LinkEvent.Deleted deleted) {
        forget(deleted.link().index());
      }
    }
    return true;
  }

  /** Another link may have its index soon. */
  private void forget(int index) {
    links.remove(index);
    neighbours.keySet().removeIf(place -> place.link() == index);
    ports.entrySet().removeIf(one -> one.getValue() == index || one.getKey().bridge() == index);
  }

  private boolean put(Neighbour neighbour) {
    Place place = new Place(neighbour.linkIndex(), neighbour.address());
    boolean proxied = (neighbour.flags() & LinuxRtnetlink.NTF_PROXY) != 0;
    if (proxied || neighbour.address().isLinkLocal() || neighbour.address().isMulticast()) {
      return false;
    }
    if (!neighbour.isValid()) {
      return neighbours.remove(place) != null;
    }
    MacAddress mac = neighbour.mac().orElseThrow();
    return !mac.equals(neighbours.put(place, mac));
  }

  private boolean put(ForwardingEntry entry) {
    Station station = new Station(entry.bridgeIndex(), entry.mac());
    return !Integer.valueOf(entry.portIndex()).equals(ports.put(station, entry.portIndex()));
  }

  /**
   * What follows from all this.
   *
   * @param networks those behind whose bridges containers live
   * @param before the plan so far: a station that is silent is where it was
   */
  Plan plan(List<Network> networks, Plan before) {
    Map<Integer, Network> bridges = new HashMap<>();
    Map<String, Network> byName = new HashMap<>();
    networks.forEach(network -> byName.put(network.bridge().text(), network));
    Map<Integer, Way> devices = new TreeMap<>();
    for (Link link : links.values()) {
      Network network = link.isBridge() ? byName.get(link.name()) : null;
      if (network != null && link.isUp()) {
        bridges.put(link.index(), network);
      }
    }
    for (Link link : links.values()) {
      way(link, bridges, byName).ifPresent(way -> devices.put(link.index(), way));
    }
    return new Plan(devices, containers(bridges, before));
  }

  private static Optional<Way> way(
      Link link, Map<Integer, Network> bridges, Map<String, Network> byName) {
    if (!isEthernet(link) || !link.isUp()) {
      return Optional.empty();
    }
    if (link.masterIndex().isPresent()) {
      boolean ours = bridges.containsKey(link.masterIndex().getAsInt());
      return ours && isWireToContainer(link) ? Optional.of(Way.OUTWARD) : Optional.empty();
    }
    boolean containersBehind =
        link.isBridge()
            && (byName.containsKey(link.name()) || BridgeDriver.networkOf(link).isPresent());
    return containersBehind || !isOuter(link) ? Optional.empty() : Optional.of(Way.INWARD);
  }

  /** Hardware, and what else hands over frames as they came in by the wire. */
  private static boolean isOuter(Link link) {
    return link.kind().isEmpty() || link.kind().equals("veth") || link.isBridge();
  }

  private static boolean isEthernet(Link link) {
    return !link.isLoopback()
        && link.mac().isPresent()
        && (link.flags() & LinuxRtnetlink.IFF_BROADCAST) != 0
        && (link.flags() & LinuxRtnetlink.IFF_NOARP) == 0;
  }

  /** Frames are handed over to the other end, which the kernel does to another namespace only. */
  private static boolean isWireToContainer(Link link) {
    return link.kind().equals("veth") && link.linkedNamespaceId().isPresent();
  }

  private Map<IpAddress, ContainerPort> containers(Map<Integer, Network> bridges, Plan before) {
    Map<IpAddress, ContainerPort> containers = new HashMap<>();
    Set<IpAddress> ambiguous = new HashSet<>();
    neighbours.forEach(
        (place, mac) -> {
          Network network = bridges.get(place.link());
          // A container can make the host believe that it has any address.
          if (network == null || !network.contains(place.address())) {
            return;
          }
          port(place, mac, before)
              .flatMap(port -> container(place, mac, port))
              .ifPresent(
                  container -> {
                    if (containers.put(place.address(), container) != null) {
                      ambiguous.add(place.address());
                    }
                  });
        });
    containers.keySet().removeAll(ambiguous);
    return containers;
  }

  /** The port a neighbour is behind. What is carried does not pass the bridge, and it forgets. */
  private Optional<Integer> port(Place place, MacAddress mac, Plan before) {
    Integer port = ports.get(new Station(place.link(), mac));
    if (port != null) {
      return Optional.of(port);
    }
    return Optional.ofNullable(before.containers().get(place.address()))
        .filter(known -> known.mac().equals(mac) && known.bridge() == place.link())
        .map(ContainerPort::device);
  }

  private Optional<ContainerPort> container(Place place, MacAddress mac, int portIndex) {
    Link port = links.get(portIndex);
    Link bridge = links.get(place.link());
    if (port == null
        || bridge == null
        || bridge.mac().isEmpty()
        || port.masterIndex().orElse(0) != place.link()
        || !port.isRunning()
        || !isEthernet(port)
        || !isWireToContainer(port)) {
      return Optional.empty();
    }
    return Optional.of(
        new ContainerPort(
            place.address(),
            portIndex,
            place.link(),
            Math.min(port.mtuBytes(), bridge.mtuBytes()),
            mac,
            bridge.mac().get()));
  }
}
