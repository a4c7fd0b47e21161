package dev.sluice.api.docker;

import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.net.MalformedValueException;
import dev.sluice.network.HostNetworks;
import dev.sluice.network.NetworkTable;
import dev.sluice.network.Topology;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine's networks, and those of them on bridges as networks of ours, so that their containers
 * reach the outside and are kept apart. Their bridges are the engine's. Of one thread.
 */
final class EngineNetworks {
  private static final Logger LOG = LoggerFactory.getLogger(EngineNetworks.class);

  private static final Pattern MADE_BY_ENGINE = Pattern.compile("br-[0-9a-f]{12}");

  private final NetworkTable table;
  private final Topology topology;
  private final HostNetworks host;
  private final Map<String, EngineNetwork> byId = new HashMap<>();
  // The interface's index when the host was set up for it; those of this engine.
  private final Map<InterfaceName, OptionalInt> prepared = new HashMap<>();
  // One sentence for each that cannot be served, by id.
  private final Map<String, String> problems = new HashMap<>();

  EngineNetworks(NetworkTable table, Topology topology, HostNetworks host) {
    this.table = table;
    this.topology = topology;
    this.host = host;
  }

  Optional<EngineNetwork> get(String id) {
    return Optional.ofNullable(byId.get(id));
  }

  int count() {
    return (int) byId.values().stream().filter(EngineNetwork::isOnBridge).count();
  }

  Collection<String> problems() {
    return List.copyOf(problems.values());
  }

  /** Takes these for all there are; those that have gone are let go by {@link #forgetOthers}. */
  void takeAll(List<EngineNetwork> all) {
    byId.clear();
    all.forEach(this::take);
    problems.keySet().retainAll(byId.keySet());
  }

  /** The engine tells of a network what cannot be read. */
  void unreadable(String id, String reason) {
    problem(id, EngineNetwork.shortId(id), reason);
  }

  private void problem(String id, String name, String reason) {
    String problem = "the Docker network " + name + " cannot be served: " + reason;
    if (!problem.equals(problems.put(id, problem))) {
      LOG.warn("{}", problem);
    }
  }

  /** Learns of a network, or what has changed about it. */
  void take(EngineNetwork network) {
    byId.put(network.id(), network);
    if (!network.isOnBridge() || network.subnets().isEmpty()) {
      return;
    }
    try {
      attach(network);
      problems.remove(network.id());
    } catch (RuntimeException e) {
      // Of all it may be, nothing is a reason not to serve the others.
      problem(network.id(), network.name(), String.valueOf(e.getMessage()));
    }
  }

  private void attach(EngineNetwork network) {
    Optional<Network> there = topology.onBridge(network.bridge());
    OptionalInt index = host.index(network.bridge());
    Network wanted = network.toNetwork(nameOf(network));
    if (there.isEmpty()) {
      table.attach(wanted, Set.of());
      LOG.debug("the Docker network {} is attached", wanted.name());
    } else if (there.get().isManaged()) {
      throw new IllegalStateException(
          "its bridge " + wanted.bridge() + " is that of our network " + there.get().name());
    } else if (!there.get().equals(wanted)) {
      host.prepare(wanted);
      table.rename(there.get(), wanted);
    } else if (!index.equals(prepared.get(wanted.bridge()))) {
      host.prepare(wanted); // a bridge made anew has the kernel's defaults
    }
    prepared.put(wanted.bridge(), index);
    keepApart(network.id());
  }

  /** As the engine calls it, where that is free for it and follows our rule. */
  private String nameOf(EngineNetwork network) {
    try {
      String name = Network.checkName(network.name());
      boolean free =
          topology.network(name).filter(one -> !one.bridge().equals(network.bridge())).isEmpty();
      return free ? name : network.bridge().text();
    } catch (MalformedValueException e) {
      return network.bridge().text();
    }
  }

  /**
   * On a network whose containers are not to reach each other, their wires are kept apart; the
   * engine has just made one.
   */
  void keepApart(String id) {
    get(id)
        .filter(EngineNetwork::isOnBridge)
        .flatMap(network -> topology.onBridge(network.bridge()))
        .filter(network -> network.settings().isolated())
        .ifPresent(host::keepPortsApart);
  }

  /** Lets a network go whose bridge the engine has removed. */
  void forget(String id) {
    EngineNetwork network = byId.remove(id);
    problems.remove(id);
    if (network != null && network.isOnBridge()) {
      topology.onBridge(network.bridge()).ifPresent(this::detach);
    }
  }

  /** Lets networks go that were removed while nobody looked. */
  void forgetOthers() {
    Set<String> bridges =
        byId.values().stream()
            .filter(EngineNetwork::isOnBridge)
            .map(network -> network.bridge().text())
            .collect(Collectors.toCollection(HashSet::new));
    for (Network network : topology.networks()) {
      if (isOurs(network.bridge())
          && !bridges.contains(network.bridge().text())
          && !host.isThere(network.bridge())) {
        detach(network);
      }
    }
  }

  /** Seen there, or named as the engine names those that went while we were away. */
  private boolean isOurs(InterfaceName bridge) {
    return prepared.containsKey(bridge) || MADE_BY_ENGINE.matcher(bridge.text()).matches();
  }

  private void detach(Network network) {
    if (network.isManaged()) {
      return;
    }
    try {
      table.detach(network, Set.of());
      LOG.debug("the network {} is let go", network.name());
    } catch (RuntimeException e) {
      LOG.warn("the network {} has gone and is kept: {}", network.name(), e.getMessage());
    }
  }
}
