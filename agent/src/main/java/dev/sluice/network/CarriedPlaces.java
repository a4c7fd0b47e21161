package dev.sluice.network;

import dev.sluice.fastpath.ContainerPort;
import dev.sluice.fastpath.FastPath;
import dev.sluice.fastpath.FastPath.Attachment;
import dev.sluice.fastpath.FastPath.Way;
import dev.sluice.ffi.Errno;
import dev.sluice.ffi.ShimException;
import dev.sluice.net.IpAddress;
import dev.sluice.network.Stations.Plan;
import dev.sluice.route.Link;
import dev.sluice.route.LinkEvent;
import dev.sluice.route.Rtnetlink;
import dev.sluice.route.StationEvent;
import dev.sluice.route.StationMonitor;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells the fast path where containers are, and brings its programs to the devices, as both come
 * and go. It learns of them by the kernel's events; what it does not know takes the slow path.
 */
public final class CarriedPlaces implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(CarriedPlaces.class);

  private static final int RETRY_MILLIS = 5_000;

  /** The kernel tells nobody of tcx programs that come and go. */
  private static final int LOOK_AGAIN_MILLIS = 10_000;

  private static final int PAUSE_MILLIS = 500;

  /**
   * What was done.
   *
   * @param outer names of the outer devices, with how the program is attached
   * @param containerPorts how many ports of bridges have a program
   * @param containers how many addresses of containers are known
   * @param problem the last thing that went wrong, if something did
   */
  public record Report(
      Map<String, Attachment> outer, int containerPorts, int containers, Optional<String> problem) {
    /** Before anything was done. */
    public static final Report NOTHING = new Report(Map.of(), 0, 0, Optional.empty());
  }

  private record Attached(String name, Way way, Attachment how) {}

  private final FastPath fastPath;
  private final Topology topology;
  private final Rtnetlink routes;
  private final StationMonitor monitor;
  private final Thread thread = new Thread(this::run, "sluice-places");

  // Of the thread alone, once it runs.
  private final Stations stations = new Stations();
  private final Map<Integer, Attached> attached = new HashMap<>();
  private final Map<IpAddress, ContainerPort> placed = new HashMap<>();
  private final Map<Integer, String> refused = new TreeMap<>();
  // Devices of which it was said that they are refused: once, however often they are tried.
  private final Set<Integer> told = new HashSet<>();
  // Devices whose queueing disciplines or filters have changed.
  private final Set<Integer> disturbed = new HashSet<>();
  private boolean full;
  // Whether something was said to the fast path that is not true any more.
  private boolean stale;
  private long lookedNanos = System.nanoTime();
  private Plan plan = Plan.NOTHING;
  private boolean missed;

  private volatile boolean networksChanged;
  private volatile Report report = Report.NOTHING;

  private CarriedPlaces(
      FastPath fastPath, Topology topology, Rtnetlink routes, StationMonitor monitor) {
    this.fastPath = fastPath;
    this.topology = topology;
    this.routes = routes;
    this.monitor = monitor;
  }

  /**
   * Brings the programs to where they belong, in place of those of earlier processes, and takes
   * those away that are elsewhere; then follows. The calling thread's namespace is meant.
   *
   * @param routes closed with this
   * @param monitor of the same namespace; closed with this
   */
  public static CarriedPlaces start(
      FastPath fastPath, Topology topology, Rtnetlink routes, StationMonitor monitor) {
    CarriedPlaces places = new CarriedPlaces(fastPath, topology, routes, monitor);
    topology.onNetworksChanged(places::networksChanged);
    places.compare();
    places.thread.setDaemon(true);
    places.thread.start();
    return places;
  }

  /** What was done so far. */
  public Report report() {
    return report;
  }

  private void networksChanged() {
    networksChanged = true;
    monitor.wake();
  }

  /** Begins anew with what the kernel has. */
  private void compare() {
    missed = false;
    stations.replace(routes.links(), routes.neighbours(), routes.forwardingEntries());
    refused.clear();
    attached.clear(); // what is attached already is attached again, which changes nothing
    stations.links().forEach(link -> disturbed.add(link.index()));
    plan = stations.plan(topology.networks(), plan);
    apply();
    for (Link link : stations.links()) {
      if (!attached.containsKey(link.index())) {
        detach(link.index());
      }
    }
  }

  private void run() {
    while (!monitor.isClosed()) {
      try {
        follow();
      } catch (RuntimeException e) {
        if (!monitor.isClosed()) {
          missed = true;
          LOG.warn("the fast path may not know all containers, trying again: {}", e.getMessage());
          pause();
        }
      }
    }
  }

  private static void pause() {
    try {
      Thread.sleep(PAUSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void follow() {
    boolean[] changed = {false};
    int patienceMillis = missed ? RETRY_MILLIS : LOOK_AGAIN_MILLIS;
    boolean any = monitor.poll(patienceMillis, event -> changed[0] |= on(event));
    // A container comes with a dozen events.
    while (any && monitor.poll(0, event -> changed[0] |= on(event))) {}
    if (monitor.isClosed()) {
      return;
    }
    if (System.nanoTime() - lookedNanos > TimeUnit.MILLISECONDS.toNanos(LOOK_AGAIN_MILLIS)) {
      changed[0] |= disturb(StationEvent.TrafficControl.SHARED);
    }
    if (missed) {
      compare();
    } else if (changed[0] || networksChanged) {
      networksChanged = false;
      plan = stations.plan(topology.networks(), plan);
      apply();
    }
  }

  private boolean on(StationEvent event) {
    if (event instanceof StationEvent.OfLink of) {
      if (of.event() instanceof LinkEvent.Lost) {
        LOG.warn("changes of links came too fast and were missed: comparing all");
        missed = true;
        return false;
      }
      if (of.event() instanceof LinkEvent.Deleted deleted) {
        // Another device may have its number, and has no program.
        attached.remove(deleted.link().index());
        refused.remove(deleted.link().index());
        told.remove(deleted.link().index());
      }
    }
    if (event instanceof StationEvent.TrafficControl changed) {
      return disturb(changed.linkIndex());
    }
    return stations.on(event);
  }

  /** Our own filters are told as well, of which nothing follows. */
  private boolean disturb(int device) {
    if (device == StationEvent.TrafficControl.SHARED) {
      lookedNanos = System.nanoTime();
      disturbed.addAll(attached.keySet());
      disturbed.addAll(refused.keySet());
      placed.values().forEach(container -> disturbed.add(container.device()));
    } else if (attached.containsKey(device)
        || refused.containsKey(device)
        || placed.values().stream().anyMatch(container -> container.device() == device)) {
      disturbed.add(device);
    }
    return !disturbed.isEmpty();
  }

  private void apply() {
    refused.keySet().removeAll(disturbed);
    forgetAndMove();
    plan.containers().values().stream()
        .filter(container -> !placed.containsKey(container.address()))
        .filter(container -> !refused.containsKey(container.device()))
        .forEach(this::place);
    if (stale) {
      fastPath.refresh();
      stale = false;
    }
    for (Integer device : List.copyOf(attached.keySet())) {
      if (!plan.devices().containsKey(device) || refused.containsKey(device)) {
        attached.remove(device);
        detach(device);
      }
    }
    for (Link link : stations.links()) {
      Way way = plan.devices().get(link.index());
      Attached there = attached.get(link.index());
      if (way != null
          && (there == null || there.way() != way || disturbed.contains(link.index()))
          && !refused.containsKey(link.index())) {
        attach(link.index(), link.name(), way);
      }
    }
    disturbed.clear();
    report = summary();
  }

  private void forgetAndMove() {
    for (ContainerPort known : List.copyOf(placed.values())) {
      ContainerPort now = plan.containers().get(known.address());
      if (now == null) {
        forget(known.address());
      } else if (!now.equals(known)) {
        stale = true;
        place(now);
      } else if (disturbed.contains(now.device())) {
        place(now);
      }
    }
  }

  private void forget(IpAddress address) {
    if (placed.remove(address) != null) {
      stale = true;
      fastPath.forget(address);
    }
  }

  private void place(ContainerPort container) {
    try {
      fastPath.place(container);
      placed.put(container.address(), container);
      told.remove(container.device());
      full = false;
    } catch (ShimException e) {
      if (e.errno() == Errno.ENODEV) {
        forget(container.address());
        return; // it is gone already, which is told in a moment
      }
      if (e.errno() == Errno.EOPNOTSUPP) {
        refused.put(container.device(), String.valueOf(e.getMessage()));
        if (told.add(container.device())) {
          LOG.info("{}; what goes to {} takes the slow path", e.getMessage(), container.address());
        }
        // It has all its addresses at this port.
        List.copyOf(placed.values()).stream()
            .filter(known -> known.device() == container.device())
            .forEach(known -> forget(known.address()));
        return;
      }
      if (e.errno() != Errno.E2BIG) {
        throw e;
      }
      if (!full) {
        LOG.warn("{}; what goes to further containers takes the slow path", e.getMessage());
      }
      full = true;
    }
  }

  private void attach(int device, String name, Way way) {
    try {
      Attachment how = fastPath.attach(device, way, Attachment.ANY);
      attached.put(device, new Attached(name, way, how));
      told.remove(device);
    } catch (ShimException e) {
      if (e.errno() != Errno.ENODEV) {
        refused.put(device, String.valueOf(e.getMessage()));
        if (told.add(device)) {
          LOG.warn("{}; its packets take the slow path", e.getMessage());
        }
      }
      // What was there before is not where it belongs.
      attached.remove(device);
      detach(device);
    }
  }

  private void detach(int device) {
    try {
      FastPath.detach(device);
    } catch (ShimException e) {
      LOG.warn("{}", e.getMessage());
    }
  }

  private Report summary() {
    Map<String, Attachment> outer = new TreeMap<>();
    int ports = 0;
    for (Attached one : attached.values()) {
      if (one.way() == Way.INWARD) {
        outer.put(one.name(), one.how());
      } else {
        ports++;
      }
    }
    Optional<String> problem =
        refused.values().stream()
            .findFirst()
            .or(
                () ->
                    full
                        ? Optional.of("there are more containers than it can know")
                        : Optional.empty());
    return new Report(outer, ports, placed.size(), problem);
  }

  /** Follows no longer. What is attached stays, with what it knows. */
  @Override
  public void close() {
    monitor.close();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    routes.close();
  }
}
