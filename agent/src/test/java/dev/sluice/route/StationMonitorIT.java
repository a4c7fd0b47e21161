package dev.sluice.route;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Netns;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The monitor against what {@code ip}, {@code bridge} and {@code tc} do in a namespace. */
class StationMonitorIT {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final MacAddress MAC = MacAddress.parse("02:00:00:00:00:77");

  private Netns netns;
  private NetworkNamespace namespace;
  private StationMonitor monitor;
  private int bridge;
  private int port;

  @BeforeEach
  void open() {
    netns = Netns.create("stations");
    netns.ip(
        "link add br0 type bridge",
        "link add port type veth peer name other",
        "link set port master br0 up",
        "link set other up",
        "link set br0 up");
    namespace = NetworkNamespace.open(netns.path());
    try (Rtnetlink rtnetlink = Rtnetlink.open(namespace)) {
      bridge = rtnetlink.link("br0").orElseThrow().index();
      port = rtnetlink.link("port").orElseThrow().index();
    }
    monitor = StationMonitor.open(namespace);
  }

  @AfterEach
  void close() {
    monitor.close();
    namespace.close();
    netns.close();
  }

  /** Fails if a neighbour's beginning or end is not told, or with another address or link. */
  @Test
  void neighboursAreFollowed() {
    IpAddress address = IpAddress.parse("172.30.0.77");
    netns.ip(
        "neigh add 172.30.0.77 lladdr " + MAC + " dev br0 nud stale",
        "neigh del 172.30.0.77 dev br0");

    List<StationEvent> seen =
        until(
            event ->
                event instanceof StationEvent.NeighbourDeleted gone
                    && gone.neighbour().address().equals(address)
                    && gone.neighbour().linkIndex() == bridge);
    assertThat(seen)
        .contains(
            new StationEvent.NeighbourChanged(
                new Neighbour(bridge, address, Optional.of(MAC), LinuxRtnetlink.NUD_STALE, 0)));
  }

  /** Fails if where a station is on a bridge is not told, or that it is not known any more. */
  @Test
  void forwardingEntriesAreFollowed() {
    ForwardingEntry entry = new ForwardingEntry(bridge, MAC, port);
    netns.exec("bridge", "fdb", "add", MAC.toString(), "dev", "port", "master", "dynamic").orFail();
    netns.exec("bridge", "fdb", "del", MAC.toString(), "dev", "port", "master").orFail();

    assertThat(until(new StationEvent.Forgotten(entry)::equals))
        .contains(new StationEvent.Seen(entry));
  }

  /** Fails if a queueing discipline that somebody adds, or a filter, is not told of its link. */
  @Test
  void trafficControlIsFollowed() {
    StationEvent changed = new StationEvent.TrafficControl(port);
    for (String command :
        List.of(
            "qdisc add dev port clsact",
            "filter add dev port egress prio 7 bpf da bytecode 1,6#0#0#2,",
            "filter del dev port egress prio 7",
            "qdisc del dev port clsact",
            "qdisc add dev port root tbf rate 1gbit burst 1mb latency 50ms",
            "qdisc del dev port root")) {
      String[] words = ("tc " + command).split(" ");
      for (int i = 0; i < words.length; i++) {
        words[i] = words[i].replace('#', ' ');
      }
      netns.exec(words).orFail();
      assertThat(until(changed::equals)).as(command).contains(changed);
      while (monitor.poll(0, event -> {})) {
        // what else it has brought about
      }
    }
  }

  /** Everything up to the first event that {@code last} holds for, which must come. */
  private List<StationEvent> until(Predicate<StationEvent> last) {
    List<StationEvent> seen = new ArrayList<>();
    long start = System.nanoTime();
    while (seen.stream().noneMatch(last)) {
      assertThat(System.nanoTime() - start).as("waited, saw %s", seen).isLessThan(PATIENCE_NANOS);
      monitor.poll(1000, seen::add);
    }
    return seen;
  }
}
