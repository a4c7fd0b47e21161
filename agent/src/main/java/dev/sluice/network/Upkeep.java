package dev.sluice.network;

import dev.sluice.model.Endpoint;
import dev.sluice.model.EndpointId;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.NamesAt;
import dev.sluice.model.Network;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxName;
import dev.sluice.network.NetworkException.Kind;
import dev.sluice.route.Link;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps networks and sandboxes what they are to be, whatever becomes of them in the kernel without
 * a request. Thread-safe.
 */
final class Upkeep {
  private static final Logger LOG = LoggerFactory.getLogger(Upkeep.class);

  /** How long a wire waits for who is to take it; Docker does so in a fraction of a second. */
  static final int LOOSE_SECONDS = 30;

  private final NetworkTable table;
  private final Topology topology;
  private final HostNetworks host;
  private final NetworkNames names;
  private final BridgeDriver driver;
  private final SandboxChanges changes;
  private final Map<EndpointId, Long> looseSinceNanos = new HashMap<>();

  Upkeep(
      NetworkTable table,
      Topology topology,
      HostNetworks host,
      NetworkNames names,
      BridgeDriver driver,
      SandboxChanges changes) {
    this.table = table;
    this.topology = topology;
    this.host = host;
    this.names = names;
    this.driver = driver;
    this.changes = changes;
  }

  /**
   * Compares what is kept with what the kernel has, after a start or when something was missed:
   * what is half made is removed, what has vanished is taken back, what was pulled out is plugged
   * in.
   */
  void resume() {
    changes.reloadIfUncertain();
    Set<EndpointId> there = new HashSet<>();
    Set<String> bridges = new HashSet<>();
    boolean done;
    // Nobody is half way through a request while this is held, so what nobody knows is left over.
    changes.networksLock().lock();
    try {
      done = settle(driver.links(), bridges, there);
    } finally {
      changes.networksLock().unlock();
    }
    for (Network network : topology.networks()) {
      if (network.isManaged() && !bridges.contains(network.name())) {
        done &= SandboxChanges.attempt("the network " + network.name(), () -> makeAgain(network));
      }
    }
    for (Sandbox sandbox : topology.sandboxes()) {
      for (Endpoint endpoint : sandbox.endpoints()) {
        if (!there.contains(endpoint.id())) {
          done &=
              SandboxChanges.attempt(
                  "the end of the sandbox " + sandbox.name(),
                  () -> takeBack(endpoint.id(), driver::isPlugged));
        }
      }
    }
    done &= SandboxChanges.attempt("the answers to names", this::answerNames);
    sweep();
    if (!done) {
      throw new NetworkException(
          Kind.UNAVAILABLE, "not everything could be compared with the kernel");
    }
  }

  /** Whether all could be done. */
  private boolean settle(List<Link> links, Set<String> bridges, Set<EndpointId> there) {
    boolean done = true;
    for (Link link : links) {
      Optional<String> network = BridgeDriver.networkOf(link);
      Optional<EndpointId> endpoint = BridgeDriver.endpointOf(link);
      if (network.isPresent()) {
        done &= settleBridge(link, network.get(), bridges);
      } else if (endpoint.isPresent()) {
        done &= settleEndpoint(link, endpoint.get(), there);
      } else if (BridgeDriver.isNameless(link)) {
        LOG.info("removing the interface {}, which was left half made", link.name());
        done &=
            SandboxChanges.attempt(
                "the interface " + link.name(), () -> driver.delete(link.index()));
      }
    }
    return done;
  }

  private boolean settleBridge(Link link, String name, Set<String> bridges) {
    Optional<Network> network = topology.network(name).filter(Network::isManaged);
    if (network.isEmpty()) {
      LOG.info("removing the bridge {}, which is left of a network {}", link.name(), name);
      return SandboxChanges.attempt("the bridge " + link.name(), () -> driver.delete(link.index()));
    }
    bridges.add(name);
    return network.get().bridge().text().equals(link.name())
        || SandboxChanges.attempt("the name of a bridge", () -> renamed(name, link.index()));
  }

  private boolean settleEndpoint(Link link, EndpointId id, Set<EndpointId> there) {
    Optional<Sandbox> sandbox = topology.sandboxOf(id);
    if (sandbox.isEmpty()) {
      LOG.info("removing the interface {}, which was left half made", link.name());
      return SandboxChanges.attempt(
          "the interface " + link.name(), () -> driver.delete(link.index()));
    }
    there.add(id);
    return link.masterIndex().isPresent()
        || SandboxChanges.attempt(
            "the interface " + link.name(), () -> plugAgain(link, sandbox.get(), id));
  }

  /** Answers the names of all networks, and leads the questions there. */
  private void answerNames() {
    Set<NamesAt> before = table.names();
    Set<NamesAt> now = new HashSet<>();
    for (Network network : topology.networks()) {
      if (network.answersNames()) {
        SandboxChanges.attempt(
            "the names of the network " + network.name(), () -> names.begin(network, before));
        now.addAll(names.of(network));
      }
    }
    Set<NamesAt> noLonger = new HashSet<>(before);
    noLonger.removeAll(now);
    now.removeAll(before);
    if (!noLonger.isEmpty() || !now.isEmpty()) {
      table.answerNames(noLonger, now);
    }
  }

  /** Somebody took an endpoint's link out of its bridge. */
  void pulledOut(Link link, EndpointId id) {
    topology.sandboxOf(id).ifPresent(sandbox -> plugAgain(link, sandbox, id));
  }

  private void plugAgain(Link link, Sandbox sandbox, EndpointId id) {
    sandbox.endpoints().stream()
        .filter(endpoint -> endpoint.id().equals(id))
        .flatMap(endpoint -> topology.network(endpoint.network()).stream())
        .forEach(
            network -> {
              LOG.warn(
                  "the interface {} of the sandbox {} was taken from the network {}: plugged in"
                      + " again",
                  link.name(),
                  sandbox.name(),
                  network.name());
              driver.plugAgain(link, network);
            });
  }

  /** The bridge of a network may have another name now. */
  void renamed(String name, int linkIndex) {
    changes.networksLock().lock();
    try {
      Optional<Network> network = topology.network(name).filter(Network::isManaged);
      // As it is called at this moment: it may have been renamed again since.
      Optional<Link> link =
          driver
              .link(linkIndex)
              .filter(one -> BridgeDriver.networkOf(one).equals(Optional.of(name)));
      if (network.isPresent()
          && link.isPresent()
          && !network.get().bridge().text().equals(link.get().name())) {
        LOG.warn("the bridge of the network {} is called {} now", name, link.get().name());
        InterfaceName now = new InterfaceName(link.get().name());
        table.rename(network.get(), network.get().withBridge(now));
      }
    } finally {
      changes.networksLock().unlock();
    }
  }

  /** Somebody deleted the bridge of a network: it is made anew, and all are plugged in again. */
  void makeAgain(Network network) {
    changes.networksLock().lock();
    try {
      if (!topology.network(network.name()).equals(Optional.of(network))
          || driver.link(network.bridge()).isPresent()) {
        return;
      }
      LOG.warn(
          "the bridge {} of the network {} was gone: made anew", network.bridge(), network.name());
      driver.makeBridge(network);
      host.prepare(network);
      for (Link link : driver.links()) {
        BridgeDriver.endpointOf(link)
            .flatMap(
                id ->
                    topology
                        .sandboxOf(id)
                        .flatMap(one -> one.on(network.name()))
                        .filter(e -> e.id().equals(id)))
            .ifPresent(
                endpoint ->
                    SandboxChanges.attempt(
                        "the interface " + link.name(), () -> driver.plugAgain(link, network)));
      }
    } finally {
      changes.networksLock().unlock();
    }
  }

  /**
   * The link of an endpoint has gone, most often with its sandbox: takes back what it had.
   *
   * @throws RuntimeException if that cannot be done now
   */
  void ended(EndpointId id) {
    takeBack(id, told -> false);
  }

  /**
   * As {@link #ended}.
   *
   * @param isPlugged whether it is there all the same: who has only looked a while ago asks again
   */
  private void takeBack(EndpointId id, Predicate<EndpointId> isPlugged) {
    Optional<SandboxName> name = topology.sandboxOf(id).map(Sandbox::name);
    if (name.isEmpty()) {
      return; // by a request, which has done so itself
    }
    changes.changing(
        name.get(),
        "take back what the sandbox " + name.get() + " had",
        undo -> {
          Optional<Sandbox> known = topology.sandbox(name.get());
          Optional<Endpoint> endpoint =
              known.flatMap(
                  one -> one.endpoints().stream().filter(e -> e.id().equals(id)).findFirst());
          if (known.isEmpty() || endpoint.isEmpty() || isPlugged.test(id)) {
            return false; // somebody else was faster, or it came meanwhile
          }
          Sandbox after = known.get().without(endpoint.get().network());
          boolean alive = after.namespace().filter(Namespaces::isThere).isPresent();
          LOG.info(
              "the sandbox {} {} the network {}",
              name.get(),
              alive ? "has lost its link to" : "has ended and left",
              endpoint.get().network());
          boolean stays = alive || !after.endpoints().isEmpty();
          changes.leave(known.get(), List.of(endpoint.get()), stays, false);
          return true;
        });
  }

  /**
   * Takes back the places of wires whose far end was seen on the host half a minute ago, and is
   * there still: whoever was to take it has died meanwhile, and never tells.
   *
   * @param nowNanos of the clock of {@link System#nanoTime}
   */
  synchronized void collectLooseEnds(long nowNanos) {
    Set<EndpointId> loose = new HashSet<>();
    if (topology.sandboxes().stream().anyMatch(one -> one.namespace().isEmpty())) {
      for (Link link : driver.links()) {
        BridgeDriver.looseEndOf(link)
            .filter(id -> topology.sandboxOf(id).isPresent())
            .ifPresent(loose::add);
      }
    }
    looseSinceNanos.keySet().retainAll(loose);
    for (EndpointId id : loose) {
      Long sinceNanos = looseSinceNanos.putIfAbsent(id, nowNanos);
      if (sinceNanos != null && nowNanos - sinceNanos >= TimeUnit.SECONDS.toNanos(LOOSE_SECONDS)) {
        looseSinceNanos.remove(id); // another of this name has its own time
        SandboxChanges.attempt("a wire that nobody takes", () -> collect(id));
      }
    }
  }

  private void collect(EndpointId id) {
    Optional<SandboxName> name = topology.sandboxOf(id).map(Sandbox::name);
    if (name.isEmpty()) {
      return;
    }
    changes.changing(
        name.get(),
        "take back the wire of the sandbox " + name.get(),
        undo -> {
          Optional<Sandbox> known = topology.sandboxOf(id);
          if (known.isEmpty() || driver.looseEnd(id).isEmpty()) {
            return false; // it was given back or taken meanwhile
          }
          LOG.warn("nobody has taken the wire of the sandbox {}: removing it", name.get());
          changes.leave(known.get(), known.get().endpoints(), false, true);
          return true;
        });
  }

  /** The ports of bridges, of which links tell. */
  HairpinPorts hairpinPorts() {
    return host.hairpinPorts();
  }

  /** Whether the table has to be read before it is known what there is. */
  boolean isUncertain() {
    return changes.isUncertain();
  }

  /** Forgets sandboxes that are on no network and have ended: of their end nothing is told. */
  void sweep() {
    for (Sandbox sandbox : topology.sandboxes()) {
      if (sandbox.endpoints().isEmpty()) {
        SandboxChanges.attempt("the sandbox " + sandbox.name(), () -> forgetIfEnded(sandbox));
      }
    }
  }

  /** Unless another of its name has come meanwhile, or it has come to a network. */
  private void forgetIfEnded(Sandbox sandbox) {
    if (sandbox.namespace().filter(Namespaces::isThere).isPresent()) {
      return;
    }
    changes.changing(
        sandbox.name(),
        "forget the sandbox " + sandbox.name(),
        undo -> {
          boolean same = topology.sandbox(sandbox.name()).equals(Optional.of(sandbox));
          return same ? changes.leave(sandbox, List.of(), false, false) : sandbox;
        });
  }
}
