package dev.sluice.publish;

import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.EventOptions;
import dev.sluice.conntrack.EventSource;
import dev.sluice.conntrack.FlowDump;
import dev.sluice.flow.EventLog;
import dev.sluice.flow.EventReader;
import dev.sluice.flow.FlowCutter;
import dev.sluice.flow.MappingIndex;
import dev.sluice.flow.TrackingSettings;
import dev.sluice.model.DrainTime;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.network.HostNetworks;
import dev.sluice.network.LinkWatch;
import dev.sluice.network.NetworkNames;
import dev.sluice.network.Networks;
import dev.sluice.network.TargetPorts;
import dev.sluice.network.Topology;
import dev.sluice.nftables.Nftables;
import dev.sluice.proxy.ProxyStatistics;
import dev.sluice.proxy.UserlandProxy;
import dev.sluice.route.LinkMonitor;
import dev.sluice.route.Rtnetlink;
import dev.sluice.ruleset.Ownership;
import dev.sluice.ruleset.SluiceTable;
import dev.sluice.sysctl.ReservedLocalPorts;
import dev.sluice.sysctl.Sysctl;
import dev.sluice.testing.Netns;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Clock;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/**
 * What an agent consists of from the publisher down, put together inside one namespace of a
 * laboratory. Closing it is the end of an agent: its sockets close, what it published stays.
 */
public final class LabAgent implements AutoCloseable {
  /** Descriptors it may hold for ports. */
  private static final int DESCRIPTOR_BUDGET = 1_000;

  /** Whom other names are asked of, at 127.0.0.1 of the host. */
  public static final int RESOLVER_PORT = 5300;

  private final NetworkNamespace namespace;
  private final SluiceTable table;
  private final HostNetworks networks;
  private final PortReservations reservations;
  private final Optional<UserlandProxy> proxy;
  private final Conntrack conntrack;
  private final EventReader events;
  private final TablePublisher publisher;
  private final NetworkNames names;
  private final Networks networking;
  private @Nullable LinkWatch links;

  private LabAgent(Netns host, Ownership ownership, Sysctl sysctl, boolean withProxy) {
    namespace = NetworkNamespace.open(host.path());
    table = SluiceTable.open(Nftables.open(namespace), ownership);
    networks = new HostNetworks(Rtnetlink.open(namespace), sysctl);
    reservations = new PortReservations(DESCRIPTOR_BUDGET);
    proxy = withProxy ? Optional.of(inside(() -> UserlandProxy.open(2))) : Optional.empty();
    conntrack = Conntrack.open(namespace);
    MappingIndex index = new MappingIndex();
    inside(TrackingSettings::apply);
    events =
        EventReader.start(
            EventSource.open(namespace, EventOptions.DEFAULT),
            () -> FlowDump.open(namespace),
            index,
            new EventLog(1024),
            () -> 0);
    TargetPorts targetPorts = new TargetPorts();
    Topology topology = new Topology(table.networks(), table.sandboxes());
    publisher =
        new TablePublisher(
            table,
            networks,
            topology,
            reservations,
            inside(() -> new ReservedLocalPorts(sysctl)),
            new FlowCutter(conntrack, () -> events, index, networks::isLocal),
            listener(MappingListener.feeding(index, targetPorts)),
            Clock.systemUTC());
    // The resolver of its choice: a test's own, at an address of the host.
    names =
        inside(
            () ->
                new NetworkNames(
                    topology,
                    targetPorts,
                    networks::outwardAddress,
                    () ->
                        List.of(
                            new InetSocketAddress(
                                InetAddress.getLoopbackAddress(), RESOLVER_PORT))));
    networking =
        inside(
            () ->
                new Networks(
                    publisher, topology, networks, names, Rtnetlink.open(), Clock.systemUTC()));
  }

  private MappingListener listener(MappingListener feeding) {
    return feeding.and(
        proxy
            .<MappingListener>map(one -> new ProxyPorts(one, reservations))
            .orElseGet(ProxyPorts::off));
  }

  /** Follows the links of networks and sandboxes from now on. */
  public void follow() {
    links = inside(() -> LinkWatch.start(networking, LinkMonitor.open()));
  }

  public static LabAgent start(Netns host, Ownership ownership) {
    return new LabAgent(host, ownership, new Sysctl(), true);
  }

  /** As {@code sluice agent --userland-proxy=off}. */
  static LabAgent startWithoutProxy(Netns host, Ownership ownership) {
    return new LabAgent(host, ownership, new Sysctl(), false);
  }

  static LabAgent start(Netns host, Ownership ownership, Sysctl sysctl) {
    return new LabAgent(host, ownership, sysctl, true);
  }

  public SluiceTable table() {
    return table;
  }

  /** Its calls belong {@link #inside}, where the ports to reserve are. */
  public TablePublisher publisher() {
    return publisher;
  }

  /** Networks and sandboxes; its calls belong {@link #inside}. */
  public Networks networking() {
    return networking;
  }

  public NetworkNames names() {
    return names;
  }

  public HostNetworks networks() {
    return networks;
  }

  /** What the userland proxy has carried. */
  ProxyStatistics proxied() {
    return proxy.orElseThrow().statistics();
  }

  PortReservations reservations() {
    return reservations;
  }

  public NetworkNamespace namespace() {
    return namespace;
  }

  /** Runs {@code action} on a thread that is in the host's namespace. */
  public <T> T inside(Callable<T> action) {
    try {
      return namespace.call(action);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  /** {@code publish -p SPEC… --to TARGET}, without a name. */
  public List<Mapping> publish(String target, String... specs) {
    return publish(Optional.empty(), target, specs);
  }

  /** {@code publish -p SPEC… --to TARGET --name NAME}. */
  public List<Mapping> publishAs(String name, String target, String... specs) {
    return publish(Optional.of(new MappingName(name)), target, specs);
  }

  private List<Mapping> publish(Optional<MappingName> name, String target, String... specs) {
    PublishRequest request =
        new PublishRequest(
            Arrays.stream(specs).map(PortSpec::parse).toList(),
            IpAddress.parse(target),
            name,
            Owner.CLI);
    return publish(request);
  }

  public List<Mapping> publish(PublishRequest request) {
    return inside(() -> publisher.publish(request));
  }

  public List<Mapping> update(UpdateRequest request) {
    return inside(() -> publisher.update(request));
  }

  /** {@code unpublish --drain=TIME NAME}. */
  public List<Mapping> drain(String nameOrId, String time) {
    return inside(() -> publisher.drain(nameOrId, DrainTime.parse(time)));
  }

  public List<Mapping> unpublish(String nameOrId) {
    return inside(() -> publisher.unpublish(nameOrId));
  }

  @Override
  public void close() {
    if (links != null) {
      links.close();
    }
    networking.close();
    names.close();
    publisher.close();
    events.close();
    proxy.ifPresent(UserlandProxy::close);
    reservations.close();
    table.close();
    networks.close();
    conntrack.close();
    namespace.close();
  }
}
