package dev.sluice.network;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.fastpath.ContainerPort;
import dev.sluice.fastpath.FastPath.Way;
import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.net.Prefix;
import dev.sluice.network.Stations.Plan;
import dev.sluice.route.ForwardingEntry;
import dev.sluice.route.Link;
import dev.sluice.route.LinkEvent;
import dev.sluice.route.LinuxRtnetlink;
import dev.sluice.route.Neighbour;
import dev.sluice.route.StationEvent;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/**
 * Which devices get programs, and where containers are.
 *
 * <pre>
 *   eth0 (2)   br0 (3) 172.30.0.0/24: v1 (4), v2 (5)   br1 (6) 172.31.0.0/24: v3 (7)
 * </pre>
 */
class StationsTest {
  private static final int ETHERNET =
      LinuxRtnetlink.IFF_UP | LinuxRtnetlink.IFF_RUNNING | LinuxRtnetlink.IFF_BROADCAST;
  private static final MacAddress MAC = MacAddress.parse("02:00:00:00:00:99");
  private static final MacAddress OTHER = MacAddress.parse("02:00:00:00:00:88");
  private static final IpAddress CONTAINER = IpAddress.parse("172.30.0.2");
  private static final List<Network> NETWORKS =
      List.of(network("br0", "172.30.0.0/24"), network("br1", "172.31.0.0/24"));

  private final Stations stations = new Stations();

  private static Network network(String bridge, String subnet) {
    return new Network(
        bridge, new InterfaceName(bridge), List.of(Prefix.parse(subnet)), new Egress.Masquerade());
  }

  private static Link link(int index, String name, String kind, int flags) {
    return new Link(
        index,
        name,
        kind,
        flags,
        1500,
        Optional.of(new MacAddress(index)),
        OptionalInt.empty(),
        Optional.empty(),
        OptionalInt.empty(),
        OptionalInt.empty(),
        false,
        false);
  }

  private static Link port(int index, String name, int bridge, int mtu) {
    return wire(index, name, ETHERNET, mtu, OptionalInt.of(bridge), OptionalInt.of(0));
  }

  private static Link wire(
      int index, String name, int flags, int mtu, OptionalInt master, OptionalInt namespace) {
    return new Link(
        index,
        name,
        "veth",
        flags,
        mtu,
        Optional.of(new MacAddress(index)),
        master,
        Optional.empty(),
        OptionalInt.of(2),
        namespace,
        false,
        false);
  }

  private static Neighbour neighbour(int link, IpAddress address, MacAddress mac) {
    return new Neighbour(link, address, Optional.of(mac), LinuxRtnetlink.NUD_STALE, 0);
  }

  private void start(List<Neighbour> neighbours, ForwardingEntry... entries) {
    stations.replace(
        List.of(
            link(1, "lo", "", ETHERNET | LinuxRtnetlink.IFF_LOOPBACK),
            link(2, "eth0", "", ETHERNET),
            link(3, "br0", "bridge", ETHERNET),
            port(4, "v1", 3, 1500),
            port(5, "v2", 3, 1400),
            link(6, "br1", "bridge", ETHERNET),
            port(7, "v3", 6, 1500)),
        neighbours,
        List.of(entries));
  }

  private Plan plan() {
    return plan(Plan.NOTHING);
  }

  private Plan plan(Plan before) {
    return stations.plan(NETWORKS, before);
  }

  private boolean changed(Link link) {
    return stations.on(new StationEvent.OfLink(new LinkEvent.Changed(link)));
  }

  /** Fails if outer devices and ports are taken for each other, or a bridge for an outer device. */
  @Test
  void portsCarryOutwardAndOuterDevicesInward() {
    start(List.of());
    assertThat(plan().devices())
        .isEqualTo(Map.of(2, Way.INWARD, 4, Way.OUTWARD, 5, Way.OUTWARD, 7, Way.OUTWARD));
  }

  /** Fails if a device gets a program although it is not known what its frames are. */
  @Test
  void whatIsNotUnderstoodGetsNothing() {
    start(List.of());
    changed(link(10, "bond0", "bond", ETHERNET));
    changed(link(11, "eth0.7", "vlan", ETHERNET));
    changed(link(12, "wg0", "wireguard", LinuxRtnetlink.IFF_UP | LinuxRtnetlink.IFF_NOARP));
    changed(link(13, "eth1", "", LinuxRtnetlink.IFF_BROADCAST)); // down
    changed(wire(14, "slave", ETHERNET, 1500, OptionalInt.of(10), OptionalInt.of(0)));
    changed(link(15, "dummy0", "dummy", ETHERNET | LinuxRtnetlink.IFF_NOARP));
    // Frames cannot be handed over to the other end within a namespace: they would be dropped.
    changed(wire(16, "local", ETHERNET, 1500, OptionalInt.of(3), OptionalInt.empty()));
    changed(
        new Link(
            17,
            "tap0",
            "tun",
            ETHERNET,
            1500,
            Optional.of(MAC),
            OptionalInt.of(3),
            Optional.empty(),
            OptionalInt.empty(),
            OptionalInt.empty(),
            false,
            false));
    assertThat(plan().devices()).containsOnlyKeys(2, 4, 5, 7);
  }

  /** Fails if a place is not the bridge's port, or promises a larger packet than fits. */
  @Test
  void aContainerIsWhereItsBridgeHasSeenIt() {
    start(List.of(neighbour(3, CONTAINER, MAC)), new ForwardingEntry(3, MAC, 5));
    assertThat(plan().containers())
        .isEqualTo(
            Map.of(CONTAINER, new ContainerPort(CONTAINER, 5, 3, 1400, MAC, new MacAddress(3))));
  }

  /** Fails if anybody can draw the packets of another network by saying that an address is his. */
  @Test
  void anAddressOfAnotherNetworkIsNotBelieved() {
    IpAddress others = IpAddress.parse("172.31.0.2");
    start(
        List.of(neighbour(3, others, MAC), neighbour(3, IpAddress.parse("8.8.8.8"), MAC)),
        new ForwardingEntry(3, MAC, 5));
    assertThat(plan().containers()).isEmpty();
  }

  /** Fails if a place is guessed for an address that two networks have. */
  @Test
  void anAddressThatIsTwoContainersIsNoPlace() {
    start(
        List.of(neighbour(3, CONTAINER, MAC), neighbour(6, CONTAINER, OTHER)),
        new ForwardingEntry(3, MAC, 4),
        new ForwardingEntry(6, OTHER, 7));
    List<Network> same = List.of(network("br0", "172.30.0.0/24"), network("br1", "172.30.0.0/24"));
    assertThat(stations.plan(same, Plan.NOTHING).containers()).isEmpty();
  }

  /** Fails if a silent container is forgotten, whose packets the bridge does not see any more. */
  @Test
  void aContainerThatTheBridgeHasForgottenIsWhereItWas() {
    ForwardingEntry entry = new ForwardingEntry(3, MAC, 4);
    start(List.of(neighbour(3, CONTAINER, MAC)), entry);
    Plan before = plan();
    assertThat(stations.on(new StationEvent.Forgotten(entry))).isTrue();
    assertThat(plan(before)).isEqualTo(before);
    assertThat(plan().containers()).as("with no memory").isEmpty();
  }

  /** Fails if a container is still sent to after it has gone, moved, or changed its address. */
  @Test
  void placesFollowWhatHappens() {
    start(List.of(neighbour(3, CONTAINER, MAC)), new ForwardingEntry(3, MAC, 4));
    Plan before = plan();

    stations.on(new StationEvent.Seen(new ForwardingEntry(3, MAC, 5)));
    assertThat(plan(before).containers().values())
        .extracting(ContainerPort::device)
        .containsExactly(5);

    // Another one has the address: where that one is, nobody knows yet.
    stations.on(new StationEvent.NeighbourChanged(neighbour(3, CONTAINER, OTHER)));
    assertThat(plan(before).containers()).isEmpty();

    stations.on(new StationEvent.Seen(new ForwardingEntry(3, OTHER, 4)));
    Plan there = plan(before);
    assertThat(there.containers()).containsKey(CONTAINER);
    changed(
        wire(
            4,
            "v1",
            LinuxRtnetlink.IFF_UP | LinuxRtnetlink.IFF_BROADCAST,
            1500,
            OptionalInt.of(3),
            OptionalInt.of(0)));
    assertThat(plan(there).containers()).as("its end is down").isEmpty();

    changed(port(4, "v1", 3, 1500));
    assertThat(plan(there)).isEqualTo(there);
    stations.on(new StationEvent.OfLink(new LinkEvent.Deleted(port(4, "v1", 3, 1500))));
    changed(port(4, "another", 3, 1500));
    assertThat(plan(Plan.NOTHING).containers()).as("another device of its number").isEmpty();
  }

  /** Fails if a neighbour that does not answer keeps its place. */
  @Test
  void aNeighbourThatFailsIsForgotten() {
    start(List.of(neighbour(3, CONTAINER, MAC)), new ForwardingEntry(3, MAC, 4));
    Plan before = plan();
    assertThat(
            stations.on(
                new StationEvent.NeighbourChanged(
                    new Neighbour(3, CONTAINER, Optional.of(MAC), LinuxRtnetlink.NUD_FAILED, 0))))
        .isTrue();
    assertThat(plan(before).containers()).isEmpty();
  }

  /** Fails if each confirmation of a neighbour makes work. */
  @Test
  void whatIsOnlyConfirmedChangesNothing() {
    start(List.of(neighbour(3, CONTAINER, MAC)), new ForwardingEntry(3, MAC, 4));
    Neighbour confirmed =
        new Neighbour(3, CONTAINER, Optional.of(MAC), LinuxRtnetlink.NUD_REACHABLE, 0);
    assertThat(stations.on(new StationEvent.NeighbourChanged(confirmed))).isFalse();
    assertThat(stations.on(new StationEvent.Seen(new ForwardingEntry(3, MAC, 4)))).isFalse();
    assertThat(changed(link(2, "eth0", "", ETHERNET))).isFalse();
    assertThat(
            stations.on(
                new StationEvent.NeighbourChanged(neighbour(3, IpAddress.parse("fe80::1"), OTHER))))
        .as("nobody is sent to there")
        .isFalse();
  }
}
