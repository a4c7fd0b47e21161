package dev.sluice.daemon;

import dev.sluice.api.docker.EngineRehearsal;
import dev.sluice.conntrack.Conntrack;
import dev.sluice.flow.FlowCutter;
import dev.sluice.flow.MappingIndex;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.network.HostNetworks;
import dev.sluice.network.TargetPorts;
import dev.sluice.network.Topology;
import dev.sluice.nftables.Nftables;
import dev.sluice.publish.MappingListener;
import dev.sluice.publish.PortReservations;
import dev.sluice.publish.ProxyPorts;
import dev.sluice.publish.TablePublisher;
import dev.sluice.route.BridgeOptions;
import dev.sluice.route.Link;
import dev.sluice.route.Rtnetlink;
import dev.sluice.ruleset.Ownership;
import dev.sluice.ruleset.SluiceTable;
import dev.sluice.sysctl.ReservedLocalPorts;
import dev.sluice.sysctl.Sysctl;
import java.time.Clock;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What is asked of an agent that follows an engine, played through once it is ready, so that the
 * virtual machine has compiled the way by the time somebody waits for it: a container's ports take
 * a tenth of the time then.
 *
 * <p>The stage is a network namespace of its own, which nobody else sees and which goes with it;
 * what is played on it is no imitation, but the table, the routes and the parameters of that
 * namespace.
 */
final class Rehearsal implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Rehearsal.class);

  /** From then on nothing becomes quicker that anybody would notice. */
  static final int TIMES = 300;

  /** Whoever starts the agent may want the processors for something else. */
  private static final long LIMIT_NANOS = 10_000_000_000L;

  private static final long STOP_MILLIS = 5_000;
  private static final int PORTS = 64;

  private final Thread thread = new Thread(this::run, "sluice-rehearsal");
  private final int wanted;
  private volatile boolean closed;
  private int times; // of the thread, until that has ended

  private Rehearsal(int wanted) {
    this.wanted = wanted;
  }

  /**
   * Begins; it ends by itself.
   *
   * @param wanted how often to play it
   */
  static Rehearsal start(int wanted) {
    Rehearsal rehearsal = new Rehearsal(wanted);
    rehearsal.thread.setDaemon(true);
    rehearsal.thread.start();
    return rehearsal;
  }

  /** How often it was played, once it has ended. */
  int await() throws InterruptedException {
    thread.join();
    return times;
  }

  private void run() {
    long beganAtNanos = System.nanoTime();
    try (NetworkNamespace stage = NetworkNamespace.create()) {
      stage.call(
          () -> {
            play(beganAtNanos + LIMIT_NANOS);
            return null;
          });
    } catch (Exception e) {
      // Only the first containers have to wait longer.
      LOG.info("the first containers will be slow, there was no rehearsal: {}", e.toString());
    }
    LOG.debug("rehearsed {} times in {} ms", times, (System.nanoTime() - beganAtNanos) / 1_000_000);
  }

  private void play(long untilNanos) throws Exception {
    Sysctl sysctl = new Sysctl();
    MappingIndex index = new MappingIndex();
    try (Rtnetlink routes = Rtnetlink.open();
        Nftables nftables = Nftables.open();
        SluiceTable table = SluiceTable.open(nftables, Ownership.OFF);
        HostNetworks host = new HostNetworks(Rtnetlink.open(), sysctl);
        PortReservations reservations = new PortReservations(PORTS);
        Conntrack conntrack = Conntrack.open()) {
      Link bridge = routes.createBridge(EngineRehearsal.BRIDGE, BridgeOptions.DEFAULT);
      routes.addAddress(
          bridge.index(),
          IpAddress.parse(EngineRehearsal.GATEWAY),
          EngineRehearsal.PREFIX_LENGTH,
          0);
      routes.setUp(bridge.index(), true);
      Topology topology = new Topology(List.of(), List.of());
      try (TablePublisher publisher =
          new TablePublisher(
              table,
              host,
              topology,
              reservations,
              new ReservedLocalPorts(sysctl),
              // Nothing flows there.
              new FlowCutter(conntrack, () -> (ports, consumer) -> true, index, host::isLocal),
              MappingListener.feeding(index, new TargetPorts()).and(ProxyPorts.off()),
              Clock.systemUTC())) {
        EngineRehearsal.play(publisher, publisher, topology, host, () -> again(untilNanos));
      }
    }
  }

  private boolean again(long untilNanos) {
    if (closed || times == wanted || System.nanoTime() > untilNanos) {
      return false;
    }
    times++;
    return true;
  }

  @Override
  public void close() {
    closed = true;
    try {
      thread.join(STOP_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
