package dev.sluice.bench.agent;

import com.sun.management.UnixOperatingSystemMXBean;
import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.EventOptions;
import dev.sluice.conntrack.EventSource;
import dev.sluice.conntrack.FlowDump;
import dev.sluice.flow.EventLog;
import dev.sluice.flow.EventReader;
import dev.sluice.flow.FlowCutter;
import dev.sluice.flow.LiveFlows;
import dev.sluice.flow.MappingIndex;
import dev.sluice.flow.TrackingSettings;
import dev.sluice.network.HostNetworks;
import dev.sluice.network.LinkWatch;
import dev.sluice.network.NetworkNames;
import dev.sluice.network.Networks;
import dev.sluice.network.TargetPorts;
import dev.sluice.network.Topology;
import dev.sluice.network.names.ResolvConf;
import dev.sluice.nftables.Nftables;
import dev.sluice.publish.MappingListener;
import dev.sluice.publish.PortReservations;
import dev.sluice.publish.TablePublisher;
import dev.sluice.route.LinkMonitor;
import dev.sluice.route.Rtnetlink;
import dev.sluice.ruleset.Ownership;
import dev.sluice.ruleset.SluiceTable;
import dev.sluice.sysctl.ReservedLocalPorts;
import dev.sluice.sysctl.Sysctl;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Clock;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The inside of an agent, wired as {@code dev.sluice.daemon.Agent} does, in the namespace of this
 * process. It ends with the process.
 */
public final class WiredAgent {
  private static final int SPARE_DESCRIPTORS = 1_024;
  private static final Path RESOLV_CONF = Path.of("/etc/resolv.conf");
  private static final int EVENTS_RETAINED = 1_024;

  private final SluiceTable table = SluiceTable.open(Nftables.open(), Ownership.AUTO);
  private final HostNetworks hostNetworks = new HostNetworks(Rtnetlink.open(), new Sysctl());
  private final Topology topology = new Topology(table.networks(), table.sandboxes());
  private final MappingIndex index = new MappingIndex();
  private final TargetPorts targetPorts = new TargetPorts();
  // Until the events are read, the kernel's table of connections is asked.
  private final AtomicReference<LiveFlows> liveFlows = new AtomicReference<>(LiveFlows.UNKNOWN);
  private final PortReservations reservations = new PortReservations(descriptorBudget());
  private final TablePublisher publisher =
      new TablePublisher(
          table,
          hostNetworks,
          topology,
          reservations,
          new ReservedLocalPorts(new Sysctl()),
          new FlowCutter(Conntrack.open(), liveFlows::get, index, hostNetworks::isLocal),
          MappingListener.feeding(index, targetPorts),
          Clock.systemUTC());

  SluiceTable table() {
    return table;
  }

  HostNetworks hostNetworks() {
    return hostNetworks;
  }

  PortReservations reservations() {
    return reservations;
  }

  public TablePublisher publisher() {
    return publisher;
  }

  /** Networks and sandboxes, whose links are followed from now on. */
  public Networks followedNetworks() {
    NetworkNames names =
        new NetworkNames(
            topology, targetPorts, hostNetworks::outwardAddress, new ResolvConf(RESOLV_CONF));
    Networks networks =
        new Networks(publisher, topology, hostNetworks, names, Rtnetlink.open(), Clock.systemUTC());
    LinkWatch.start(networks, LinkMonitor.open());
    return networks;
  }

  /** Reads the events of connections from now on, and knows by them which there are. */
  public void followFlows() {
    TrackingSettings.apply();
    liveFlows.set(
        EventReader.start(
            EventSource.open(EventOptions.DEFAULT),
            FlowDump::open,
            index,
            new EventLog(EVENTS_RETAINED),
            () -> 0));
  }

  /** As the agent's: what this process may open, less what else it needs. */
  private static int descriptorBudget() {
    return (int)
            ManagementFactory.getPlatformMXBean(UnixOperatingSystemMXBean.class)
                .getMaxFileDescriptorCount()
        - SPARE_DESCRIPTORS;
  }
}
