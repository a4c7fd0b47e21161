package dev.sluice.network;

import dev.sluice.model.EndpointId;
import dev.sluice.model.Network;
import dev.sluice.route.Link;
import dev.sluice.route.LinkEvent;
import dev.sluice.route.LinkMonitor;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Follows what happens to the links of networks and endpoints without a request: sandboxes end,
 * bridges are renamed or deleted. Reading what the kernel tells never waits for acting on it.
 */
public final class LinkWatch implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(LinkWatch.class);

  /** How often sandboxes without links are looked after, of whose end nothing is told. */
  private static final int SWEEP_MILLIS = 5_000;

  /** In how many of these looks it is looked for wires that nobody takes. */
  private static final int SWEEPS_BETWEEN_COLLECTIONS = 12;

  private static final long STOP_SECONDS = 5;

  private final Topology topology;
  private final Upkeep upkeep;
  private final LinkMonitor monitor;
  private final ExecutorService actor =
      Executors.newSingleThreadExecutor(task -> thread(task, "sluice-networks"));
  private final Thread reader;
  private volatile boolean closed;
  private volatile boolean failed;

  private LinkWatch(Networks networks, LinkMonitor monitor) {
    this.topology = networks.topology();
    this.upkeep = networks.upkeep();
    this.monitor = monitor;
    this.reader = thread(this::read, "sluice-links");
  }

  /**
   * Compares once, then follows.
   *
   * @param monitor of the networks' namespace; closed with this
   */
  public static LinkWatch start(Networks networks, LinkMonitor monitor) {
    LinkWatch watch = new LinkWatch(networks, monitor);
    try {
      watch.upkeep.resume();
    } catch (RuntimeException e) {
      watch.failed = true;
      LOG.warn("{}; trying again", e.getMessage());
    }
    watch.upkeep.hairpinPorts().follow();
    watch.reader.start();
    return watch;
  }

  private static Thread thread(Runnable task, String name) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    return thread;
  }

  private void read() {
    long nextSweepNanos = System.nanoTime() + SWEEP_MILLIS * 1_000_000L;
    int sweeps = 0;
    try {
      while (!closed) {
        monitor.poll(SWEEP_MILLIS, this::on);
        // By the clock: on a busy host there is always something to read.
        if (System.nanoTime() - nextSweepNanos >= 0) {
          nextSweepNanos = System.nanoTime() + SWEEP_MILLIS * 1_000_000L;
          boolean compare = failed || upkeep.isUncertain();
          failed = false;
          act(compare ? upkeep::resume : upkeep::sweep);
          if (++sweeps % SWEEPS_BETWEEN_COLLECTIONS == 0) {
            act(() -> upkeep.collectLooseEnds(System.nanoTime()));
          }
        }
      }
    } catch (RuntimeException e) {
      if (!closed) {
        LOG.error("links are not followed any more: sandboxes that end keep their ports", e);
      }
    }
  }

  private void on(LinkEvent event) {
    if (event instanceof LinkEvent.Changed changed) {
      onChanged(changed.link());
    } else if (event instanceof LinkEvent.Deleted deleted) {
      act(() -> upkeep.hairpinPorts().deleted(deleted.link()));
      BridgeDriver.endpointOf(deleted.link()).ifPresent(id -> act(() -> upkeep.ended(id)));
      networkOf(deleted.link()).ifPresent(network -> act(() -> upkeep.makeAgain(network)));
    } else {
      LOG.warn("changes of links came too fast and were missed: comparing all");
      upkeep.hairpinPorts().forget();
      act(upkeep::resume);
    }
  }

  private void onChanged(Link link) {
    act(() -> upkeep.hairpinPorts().changed(link));
    Optional<EndpointId> id = BridgeDriver.endpointOf(link);
    if (id.isPresent() && link.masterIndex().isEmpty()) {
      act(() -> upkeep.pulledOut(link, id.get()));
    }
    // Whether it is another name is decided when it is acted on: it may be on its way back.
    if (link.isBridge()) {
      networkOf(link).ifPresent(one -> act(() -> upkeep.renamed(one.name(), link.index())));
    }
  }

  private Optional<Network> networkOf(Link link) {
    return BridgeDriver.networkOf(link).flatMap(topology::network).filter(Network::isManaged);
  }

  private void act(Runnable action) {
    if (closed) {
      return;
    }
    actor.execute(
        () -> {
          try {
            action.run();
          } catch (RuntimeException e) {
            // Comparing everything, in a moment, makes up for it.
            failed = true;
            LOG.warn("following a change of a link failed, trying again: {}", e.toString());
          }
        });
  }

  @Override
  public void close() {
    closed = true;
    actor.shutdown();
    monitor.close();
    try {
      if (!actor.awaitTermination(STOP_SECONDS, TimeUnit.SECONDS)) {
        LOG.warn("a change of a link is still being followed");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
