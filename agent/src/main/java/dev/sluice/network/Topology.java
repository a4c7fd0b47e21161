package dev.sluice.network;

import dev.sluice.model.Endpoint;
import dev.sluice.model.EndpointId;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxName;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * An index of the networks and sandboxes that are kept in the kernel, so that a request finds one
 * without reading all. It changes when a transaction has, by whoever carried that out. Thread-safe.
 */
public final class Topology {
  private final Map<String, Network> networks = new TreeMap<>();
  private final Map<SandboxName, Sandbox> sandboxes = new TreeMap<>();
  private final Map<IpAddress, Sandbox> byAddress = new HashMap<>();
  private final Map<EndpointId, Sandbox> byEndpoint = new HashMap<>();
  // Names and aliases in lower case. Several sandboxes may have the same alias.
  private final Map<String, Set<Sandbox>> byName = new HashMap<>();
  private Runnable networksChanged = () -> {};

  public Topology(List<Network> networks, List<Sandbox> sandboxes) {
    networks.forEach(this::put);
    sandboxes.forEach(this::put);
  }

  /** Forgets all, and knows these. */
  public synchronized void replace(List<Network> newNetworks, List<Sandbox> newSandboxes) {
    networks.clear();
    List.copyOf(sandboxes.keySet()).forEach(this::remove);
    newNetworks.forEach(this::put);
    networksChanged.run(); // also if there is none any more
    newSandboxes.forEach(this::put);
  }

  // ---- networks

  /** All, by name. */
  public synchronized List<Network> networks() {
    return List.copyOf(networks.values());
  }

  public synchronized Optional<Network> network(String name) {
    return Optional.ofNullable(networks.get(name));
  }

  public synchronized Optional<Network> onBridge(InterfaceName bridge) {
    return networks.values().stream().filter(one -> one.bridge().equals(bridge)).findFirst();
  }

  /** The network the address is one of. */
  public synchronized Optional<Network> containing(IpAddress address) {
    for (Network network : networks.values()) {
      if (network.contains(address)) {
        return Optional.of(network);
      }
    }
    return Optional.empty();
  }

  /** Adds a network, or replaces the one of its name. */
  public synchronized void put(Network network) {
    networks.put(network.name(), network);
    networksChanged.run();
  }

  public synchronized void remove(Network network) {
    networks.remove(network.name());
    networksChanged.run();
  }

  /**
   * Tells from now on, in place of whom it has told before.
   *
   * @param listener must be quick, and not ask this
   */
  public synchronized void onNetworksChanged(Runnable listener) {
    networksChanged = listener;
  }

  // ---- sandboxes

  /** All, by name. */
  public synchronized List<Sandbox> sandboxes() {
    return List.copyOf(sandboxes.values());
  }

  public synchronized Optional<Sandbox> sandbox(SandboxName name) {
    return Optional.ofNullable(sandboxes.get(name));
  }

  /** Whose address it is. */
  public synchronized Optional<Sandbox> sandboxAt(IpAddress address) {
    return Optional.ofNullable(byAddress.get(address));
  }

  /** Whose place on a network it is. */
  public synchronized Optional<Sandbox> sandboxOf(EndpointId id) {
    return Optional.ofNullable(byEndpoint.get(id));
  }

  /** Those with a place on the network. */
  public synchronized List<Sandbox> on(String network) {
    return sandboxes.values().stream().filter(one -> one.on(network).isPresent()).toList();
  }

  /** Adds a sandbox, or replaces the one of its name. */
  public synchronized void put(Sandbox sandbox) {
    remove(sandbox.name());
    sandboxes.put(sandbox.name(), sandbox);
    addresses(sandbox).forEach(address -> byAddress.put(address, sandbox));
    sandbox.endpoints().forEach(endpoint -> byEndpoint.put(endpoint.id(), sandbox));
    names(sandbox)
        .forEach(name -> byName.computeIfAbsent(name, any -> new LinkedHashSet<>(1)).add(sandbox));
  }

  public synchronized void remove(SandboxName name) {
    Sandbox before = sandboxes.remove(name);
    if (before != null) {
      addresses(before).forEach(byAddress::remove);
      before.endpoints().forEach(endpoint -> byEndpoint.remove(endpoint.id()));
      for (String one : names(before)) {
        byName.computeIfPresent(
            one, (same, all) -> all.remove(before) && all.isEmpty() ? null : all);
      }
    }
  }

  /**
   * The sandboxes that have this name, or on some network this alias.
   *
   * @param lowerCase a name as {@link SandboxName#lowerCase} gives it
   */
  public synchronized List<Sandbox> named(String lowerCase) {
    return List.copyOf(byName.getOrDefault(lowerCase, Set.of()));
  }

  private static Set<String> names(Sandbox sandbox) {
    Set<String> names = new HashSet<>();
    names.add(sandbox.name().lowerCase());
    sandbox
        .endpoints()
        .forEach(endpoint -> endpoint.aliases().forEach(alias -> names.add(alias.lowerCase())));
    return names;
  }

  private static List<IpAddress> addresses(Sandbox sandbox) {
    return sandbox.endpoints().stream().flatMap(one -> one.addresses().stream()).toList();
  }

  /**
   * Where ports that are published by the sandbox's name lead to: for each family the address on
   * the network it came to first, of those from which an answer finds its way out.
   */
  public synchronized List<IpAddress> targets(Sandbox sandbox) {
    List<IpAddress> targets = new ArrayList<>(2);
    for (Family family : Family.values()) {
      for (Endpoint endpoint : sandbox.endpoints()) {
        Network network = networks.get(endpoint.network());
        Optional<IpAddress> address = endpoint.address(family);
        if (address.isPresent() && network != null && !network.settings().internal()) {
          targets.add(address.get());
          break;
        }
      }
    }
    return targets;
  }

  /**
   * As {@link #targets(Sandbox)}.
   *
   * @throws UnknownTargetException if there is no such sandbox, or it is on no network that leads
   *     outside
   */
  public List<IpAddress> targets(SandboxName name) {
    Sandbox sandbox =
        sandbox(name)
            .orElseThrow(
                () ->
                    new UnknownTargetException(
                        "there is no sandbox "
                            + name
                            + ": give the name of one that is on a network, or an address; see"
                            + " sluice network inspect"));
    List<IpAddress> targets = targets(sandbox);
    if (targets.isEmpty()) {
      throw new UnknownTargetException(
          "the sandbox "
              + name
              + (sandbox.endpoints().isEmpty()
                  ? " is on no network"
                  : " is on internal networks only, from which no answer finds its way out")
              + ": connect it to one that leads outside");
    }
    return targets;
  }
}
