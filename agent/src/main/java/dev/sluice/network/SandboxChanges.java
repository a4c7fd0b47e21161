package dev.sluice.network;

import dev.sluice.ffi.SystemCallException;
import dev.sluice.model.Endpoint;
import dev.sluice.model.LinkedPort;
import dev.sluice.model.Mapping;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxChange;
import dev.sluice.model.SandboxName;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.netlink.OutcomeUnknownException;
import dev.sluice.network.NetworkException.Kind;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How a sandbox changes: under its lock, in one transaction of the table, and what was made for it
 * in the kernel unmade if that fails. Thread-safe; changes of different sandboxes do not wait for
 * each other.
 */
final class SandboxChanges {
  private static final Logger LOG = LoggerFactory.getLogger(SandboxChanges.class);

  private static final int LOCKS = 64;

  private final NetworkTable table;
  private final Topology topology;
  private final BridgeDriver driver;
  private final AddressPlan plan;
  private final LinkedPorts linkedPorts;
  // Written by who adds or removes a network, read by who is about to plug something into one.
  private final ReentrantReadWriteLock networksLock = new ReentrantReadWriteLock();
  private final ReentrantLock[] sandboxLocks = new ReentrantLock[LOCKS];
  // What links open depends on both their ends, so one change is worked out at a time.
  private final Object oneCommitAtATime = new Object();
  private volatile boolean uncertain;

  SandboxChanges(NetworkTable table, Topology topology, BridgeDriver driver, AddressPlan plan) {
    this.table = table;
    this.topology = topology;
    this.driver = driver;
    this.plan = plan;
    this.linkedPorts = new LinkedPorts(topology);
    for (int i = 0; i < LOCKS; i++) {
      sandboxLocks[i] = new ReentrantLock();
    }
  }

  /** Held by who adds, removes or changes a network: nobody is half way through a request then. */
  Lock networksLock() {
    return networksLock.writeLock();
  }

  /** Returns when nobody is busy with a network, or with working out a change. */
  void awaitTurn() {
    // Not the writer's: whoever waits for that keeps all others waiting.
    networksLock.readLock().lock();
    try {
      synchronized (oneCommitAtATime) {
        LOG.trace("sandboxes have their turn");
      }
    } finally {
      networksLock.readLock().unlock();
    }
  }

  /** What makes a part of a request, and how to unmake it. */
  interface Step<T> {
    T run(Deque<Runnable> undo);
  }

  /** Carries out a request about one sandbox; what it made is unmade if it fails. */
  <T> T changing(SandboxName name, String what, Step<T> step) {
    ReentrantLock one = sandboxLocks[Math.floorMod(name.hashCode(), LOCKS)];
    one.lock();
    networksLock.readLock().lock();
    Deque<Runnable> undo = new ArrayDeque<>();
    try {
      return step.run(undo);
    } catch (RuntimeException e) {
      if (!mayBeInForce(e)) {
        undo.forEach(back -> attempt("a part of the request to " + what, back));
      }
      throw explain(what, e);
    } finally {
      networksLock.readLock().unlock();
      one.unlock();
    }
  }

  /** Notes what became of a sandbox, and publishes ports of it along with that. */
  List<Mapping> commit(
      Optional<Sandbox> before, Optional<Sandbox> after, List<PublishRequest> publish) {
    List<Mapping> published;
    synchronized (oneCommitAtATime) {
      Set<LinkedPort> closed = linkedPorts.of(before);
      Set<LinkedPort> opened = linkedPorts.of(after);
      Set<LinkedPort> both = new HashSet<>(closed);
      both.retainAll(opened);
      closed.removeAll(both);
      opened.removeAll(both);
      List<IpAddress> targets = after.map(topology::targets).orElse(List.of());
      if (targets.isEmpty() && !publish.isEmpty()) {
        throw new NetworkException(
            Kind.INVALID,
            "the sandbox "
                + publish.get(0).to()
                + " is on internal networks only, from which no answer finds its way out: publish"
                + " its ports on another network");
      }
      published = table.change(new SandboxChange(before, after, targets, closed, opened), publish);
    }
    after.ifPresent(now -> now.endpoints().forEach(endpoint -> plan.settle(endpoint.addresses())));
    return published;
  }

  /**
   * The table first: no port may lead to a link that has gone.
   *
   * @param stays whether the sandbox stays known without endpoints
   * @param plugged whether there are links to delete
   */
  Sandbox leave(Sandbox before, List<Endpoint> endpoints, boolean stays, boolean plugged) {
    Sandbox after = before;
    for (Endpoint endpoint : endpoints) {
      after = after.without(endpoint.network());
    }
    commit(Optional.of(before), stays ? Optional.of(after) : Optional.empty(), List.of());
    for (Endpoint endpoint : plugged ? endpoints : List.<Endpoint>of()) {
      attempt(
          "the link of the sandbox " + before.name() + " on the network " + endpoint.network(),
          () -> driver.unplug(endpoint.id()));
    }
    if (stays) {
      Sandbox rest = after;
      attempt(
          "the default route of the sandbox " + before.name(), () -> moveDefaultWay(before, rest));
    }
    return after;
  }

  /** Gives a sandbox that has left its default way another, where it has one. */
  private void moveDefaultWay(Sandbox before, Sandbox after) {
    for (Family family : Family.values()) {
      Optional<Endpoint> old = defaultWay(before, family);
      Optional<Endpoint> now = defaultWay(after, family);
      if (now.isEmpty() || now.equals(old)) {
        continue;
      }
      Optional<IpAddress> gateway =
          topology.network(now.get().network()).flatMap(one -> one.settings().gateway(family));
      Optional<NetworkNamespace> namespace = after.namespace().flatMap(Namespaces::reopen);
      if (gateway.isPresent() && namespace.isPresent()) {
        try (NetworkNamespace there = namespace.get()) {
          driver.addDefault(there, now.get(), gateway.get());
        }
      }
    }
  }

  /** The first of its endpoints that leads outside. */
  Optional<Endpoint> defaultWay(Sandbox sandbox, Family family) {
    return sandbox.endpoints().stream()
        .filter(one -> one.address(family).isPresent())
        .filter(
            one ->
                topology
                    .network(one.network())
                    .filter(network -> !network.settings().internal())
                    .isPresent())
        .findFirst();
  }

  /**
   * Takes one of several steps, of which each is to be taken even if another fails.
   *
   * @return whether it could be taken
   */
  static boolean attempt(String what, Runnable step) {
    try {
      step.run();
      return true;
    } catch (RuntimeException e) {
      LOG.warn("{} could not be put right: {}", what, e.getMessage());
      return false;
    }
  }

  /** Whether nobody knows; then nothing may be undone before the table has been read. */
  boolean mayBeInForce(RuntimeException e) {
    boolean unknown = e instanceof NetworkException refused && refused.kind() == Kind.UNCERTAIN;
    if (unknown) {
      uncertain = true; // never back to what another thread has read before
    }
    return unknown;
  }

  /** Whether the table has to be read before it is known what there is. */
  boolean isUncertain() {
    return uncertain;
  }

  /** Where nobody knows what became of a change, the table is read: what it says is so. */
  void reloadIfUncertain() {
    if (uncertain) {
      networksLock.writeLock().lock();
      try {
        table.reload();
        uncertain = false;
      } finally {
        networksLock.writeLock().unlock();
      }
    }
  }

  /** What went wrong, as one sentence for who asked. */
  static RuntimeException explain(String what, RuntimeException e) {
    if (e instanceof NetlinkException
        || e instanceof SystemCallException
        || e instanceof OutcomeUnknownException
        || e instanceof UncheckedIOException) {
      return new NetworkException(
          Kind.UNAVAILABLE, "cannot " + what + ", nothing was changed: " + e.getMessage(), e);
    }
    return e;
  }
}
