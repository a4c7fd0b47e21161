package dev.sluice.flow;

import static dev.sluice.flow.Mappings.CREATED;
import static dev.sluice.flow.Mappings.mapping;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Flow;
import dev.sluice.model.FlowStatus;
import dev.sluice.model.FlowTuple;
import dev.sluice.model.Mapping;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** Which mapping a flow is said to go through. */
class MappingIndexTest {
  private Instant now = CREATED.plusSeconds(3600);
  private final MappingIndex index = new MappingIndex(() -> now);

  private Optional<Mapping> tcp(String to, int port, String target, int targetPort) {
    return find(Protocol.TCP, to, port, target, targetPort, Optional.empty());
  }

  private Optional<Mapping> tcpBegunAt(
      Instant start, String to, int port, String target, int targetPort) {
    return find(Protocol.TCP, to, port, target, targetPort, Optional.of(start));
  }

  private Optional<Mapping> find(
      Protocol protocol,
      String to,
      int port,
      String target,
      int targetPort,
      Optional<Instant> start) {
    return index.find(
        flow(protocol, to, port, target, targetPort, start, EnumSet.of(FlowStatus.DST_NAT)));
  }

  private static Flow flow(
      Protocol protocol,
      String to,
      int port,
      String target,
      int targetPort,
      Optional<Instant> start,
      Set<FlowStatus> status) {
    IpAddress destination = IpAddress.parse(to);
    IpAddress client =
        IpAddress.parse(destination.toString().contains(":") ? "2001:db8:18::2" : "198.18.0.2");
    return new Flow(
        1,
        new FlowTuple(protocol.number(), client, destination, new FlowTuple.Ports(40112, port)),
        new FlowTuple(
            protocol.number(),
            IpAddress.parse(target),
            client,
            new FlowTuple.Ports(targetPort, 40112)),
        status,
        Optional.empty(),
        0,
        0,
        OptionalInt.empty(),
        Optional.empty(),
        Optional.empty(),
        start,
        Optional.empty());
  }

  /** Fails if family, protocol, port or target are left out of the comparison. */
  @Test
  void aFlowBelongsToTheMappingThatLedIt() {
    Mapping web = mapping("web", "8080:80", "172.30.0.2");
    Mapping dns = mapping("dns", "8080:53/udp", "172.30.0.3");
    Mapping web6 = mapping("web6", "8080:80", "fd30::2");
    index.add(web);
    index.add(dns);
    index.add(web6);
    assertThat(tcp("198.18.0.1", 8080, "172.30.0.2", 80)).contains(web);
    assertThat(find(Protocol.UDP, "198.18.0.1", 8080, "172.30.0.3", 53, Optional.empty()))
        .contains(dns);
    assertThat(tcp("2001:db8:18::1", 8080, "fd30::2", 80)).contains(web6);

    assertThat(tcp("198.18.0.1", 8081, "172.30.0.2", 80)).isEmpty();
    assertThat(tcp("198.18.0.1", 8080, "172.30.0.9", 80)).isEmpty();
    assertThat(tcp("198.18.0.1", 8080, "172.30.0.2", 81)).isEmpty();
    assertThat(find(Protocol.SCTP, "198.18.0.1", 8080, "172.30.0.2", 80, Optional.empty()))
        .isEmpty();
    // A flow that merely has the ports of a mapping, such as to a server of the host.
    assertThat(
            index.find(
                flow(
                    Protocol.TCP,
                    "198.18.0.1",
                    8080,
                    "172.30.0.2",
                    80,
                    Optional.empty(),
                    EnumSet.of(FlowStatus.SRC_NAT))))
        .isEmpty();
  }

  /**
   * Fails if every address wins over an exact one, or an exact one takes other addresses' flows.
   */
  @Test
  void anExactAddressComesBeforeEveryAddress() {
    Mapping any = mapping("any", "8080:80", "172.30.0.2");
    Mapping exact = mapping("exact", "198.18.0.77:8080:80", "172.30.0.2");
    index.add(any);
    index.add(exact);
    assertThat(tcp("198.18.0.77", 8080, "172.30.0.2", 80)).contains(exact);
    assertThat(tcp("198.18.0.1", 8080, "172.30.0.2", 80)).contains(any);
    index.remove(exact);
    assertThat(tcpBegunAt(now.plusSeconds(1), "198.18.0.77", 8080, "172.30.0.2", 80)).contains(any);
  }

  /** Fails if a range that keeps its ports wins over a single port, against the packets' way. */
  @Test
  void rangesComeAfterSinglePorts() {
    Mapping range = mapping("range", "5000-5010:5000-5010", "172.30.0.2");
    Mapping single = mapping("single", "5004:5004", "172.30.0.2");
    index.add(range);
    index.add(single);
    assertThat(tcp("198.18.0.1", 5004, "172.30.0.2", 5004)).contains(single);
    assertThat(tcp("198.18.0.1", 5005, "172.30.0.2", 5005)).contains(range);
    Mapping exact = mapping("exact", "198.18.0.1:5000-5010:5000-5010", "172.30.0.2");
    index.add(exact);
    assertThat(tcp("198.18.0.1", 5004, "172.30.0.2", 5004)).contains(exact);
  }

  /** Fails if a range is cut into blocks that leave out a port or take one too many. */
  @Test
  void everyPortOfARangeIsFoundAndNoneBesideIt() {
    for (int[] bounds :
        new int[][] {{1, 65535}, {1, 2}, {4999, 5001}, {32767, 32769}, {60000, 65535}, {7, 4242}}) {
      MappingIndex ranges = new MappingIndex();
      int first = bounds[0];
      int last = bounds[1];
      String text = first + "-" + last;
      Mapping range = mapping("", text + ":" + text, "172.30.0.2");
      ranges.add(range);
      assertThat(ranges.blocks()).isLessThanOrEqualTo(30);
      for (int port = 1; port <= 65535; port++) {
        Optional<Mapping> found =
            ranges.find(
                flow(
                    Protocol.TCP,
                    "198.18.0.1",
                    port,
                    "172.30.0.2",
                    port,
                    Optional.empty(),
                    EnumSet.of(FlowStatus.DST_NAT)));
        if (found.isPresent() != (first <= port && port <= last)) {
          throw new AssertionError("port " + port + " of " + text + ": " + found);
        }
      }
    }
  }

  /** Fails if the target port of a range is not the one at the same place in the range. */
  @Test
  void shiftedRangesLeadEachPortToItsOwn() {
    Mapping shifted = mapping("shifted", "8000-8010:80-90", "172.30.0.2");
    index.add(shifted);
    for (int i = 0; i <= 10; i++) {
      assertThat(tcp("198.18.0.1", 8000 + i, "172.30.0.2", 80 + i)).contains(shifted);
      assertThat(tcp("198.18.0.1", 8000 + i, "172.30.0.2", 81 + i)).isEmpty();
    }
  }

  /** Fails if a port that was published anew takes over the flows from before. */
  @Test
  void aRepublishedPortLeavesOldFlowsToTheOldMapping() {
    Mapping old = mapping("old", "8080:80", "172.30.0.2");
    Mapping anew = mapping("new", "8080:80", "172.30.0.3", now);
    index.add(old);
    index.remove(old);
    index.add(anew);
    assertThat(tcp("198.18.0.1", 8080, "172.30.0.2", 80)).contains(old);
    assertThat(tcp("198.18.0.1", 8080, "172.30.0.3", 80)).contains(anew);
  }

  /** Fails if the time a flow began is ignored where old and new mapping have one target. */
  @Test
  void theStartDecidesBetweenMappingsOfOneTarget() {
    Mapping old = mapping("old", "8080:80", "172.30.0.2");
    index.add(old);
    index.remove(old);
    Instant republished = now.plusSeconds(10);
    Mapping anew = mapping("new", "8080:80", "172.30.0.2", republished);
    index.add(anew);
    assertThat(tcpBegunAt(now.minusSeconds(1), "198.18.0.1", 8080, "172.30.0.2", 80)).contains(old);
    assertThat(tcpBegunAt(republished.plusNanos(1), "198.18.0.1", 8080, "172.30.0.2", 80))
        .contains(anew);
    assertThat(tcp("198.18.0.1", 8080, "172.30.0.2", 80)).contains(anew);
  }

  /** Fails if removed mappings are forgotten at once, or take flows that came after them. */
  @Test
  void aRemovedMappingHasTheFlowsThatBeganBeforeItsRemoval() {
    Mapping web = mapping("web", "8080:80", "172.30.0.2");
    index.add(web);
    index.remove(web);
    assertThat(index.size()).isZero();
    assertThat(tcpBegunAt(now, "198.18.0.1", 8080, "172.30.0.2", 80)).contains(web);
    assertThat(tcp("198.18.0.1", 8080, "172.30.0.2", 80)).contains(web);
    assertThat(tcpBegunAt(now.plusNanos(1), "198.18.0.1", 8080, "172.30.0.2", 80)).isEmpty();
  }

  /** Fails if a clock that was set back leaves the flows of a mapping in force without it. */
  @Test
  void aMappingInForceKeepsItsFlowsWhenTheClockIsSetBack() {
    Mapping web = mapping("web", "8080:80", "172.30.0.2");
    index.add(web);
    assertThat(tcpBegunAt(CREATED.minus(Duration.ofDays(1)), "198.18.0.1", 8080, "172.30.0.2", 80))
        .contains(web);
  }

  /** Fails if a mapping with a new target under the old id is not exchanged. */
  @Test
  void aChangedMappingReplacesTheOneOfItsId() {
    Mapping before = mapping("web", "8080:80", "172.30.0.2");
    Mapping after =
        new Mapping(
            before.id(),
            before.name(),
            before.owner(),
            before.protocol(),
            before.hostAddress(),
            before.hostPorts(),
            IpAddress.parse("172.30.0.3"),
            before.targetPorts(),
            before.createdAt());
    index.add(before);
    index.add(before);
    index.add(after);
    assertThat(index.size()).isEqualTo(1);
    assertThat(index.blocks()).isEqualTo(2);
    assertThat(tcp("198.18.0.1", 8080, "172.30.0.3", 80)).contains(after);
    assertThat(tcp("198.18.0.1", 8080, "172.30.0.2", 80)).contains(before);
  }

  /** Fails if replacing all keeps what is gone as published, or counts what stayed as new. */
  @Test
  void replacingAllKeepsAddsAndRemoves() {
    Mapping stays = mapping("stays", "1000:80", "172.30.0.2");
    Mapping goes = mapping("goes", "2000:80", "172.30.0.2");
    Mapping comes = mapping("comes", "3000:80", "172.30.0.2");
    index.replaceAll(List.of(stays, goes));
    index.replaceAll(List.of(stays, comes));
    assertThat(index.size()).isEqualTo(2);
    assertThat(index.blocks()).isEqualTo(3);
    Instant later = now.plusSeconds(1);
    assertThat(tcpBegunAt(later, "198.18.0.1", 1000, "172.30.0.2", 80)).contains(stays);
    assertThat(tcpBegunAt(later, "198.18.0.1", 2000, "172.30.0.2", 80)).isEmpty();
    assertThat(tcpBegunAt(later, "198.18.0.1", 3000, "172.30.0.2", 80)).contains(comes);
  }

  /** Fails if what is remembered of removed mappings has no bound, per port or in all. */
  @Test
  void whatIsRememberedIsBounded() {
    for (int i = 0; i < 1_000; i++) {
      Mapping again = mapping("", "8080:80", "172.30.0.2");
      index.add(again);
      index.remove(again);
    }
    assertThat(index.blocks()).isEqualTo(MappingIndex.REMEMBERED_PER_KEY + 1);
    for (int i = 0; i < MappingIndex.REMEMBERED + 100; i++) {
      Mapping other =
          mapping("", "10.%d.%d.1:9000:80".formatted(i >> 8 & 0xff, i & 0xff), "172.30.0.2");
      index.add(other);
      index.remove(other);
    }
    assertThat(index.blocks()).isLessThanOrEqualTo(MappingIndex.REMEMBERED);
  }

  /** Fails if the table does not grow with its mappings, or loses some when it does. */
  @Test
  void sixtyThousandMappingsAreAllFound() {
    List<Mapping> mappings = new ArrayList<>();
    for (int i = 0; i < 60_000; i++) {
      mappings.add(mapping("", (1 + i) + ":80", "10.0.%d.%d".formatted(i >> 8, (i & 0xff) | 1)));
    }
    long start = System.nanoTime();
    index.replaceAll(mappings);
    long millis = (System.nanoTime() - start) / 1_000_000;
    for (int i = 0; i < 60_000; i++) {
      assertThat(tcp("198.18.0.1", 1 + i, mappings.get(i).targetAddress().toString(), 80))
          .contains(mappings.get(i));
    }
    // Copying 60,000 entries for each of 60,000 would take minutes.
    assertThat(millis).isLessThan(5_000);
  }

  /** Fails if a reader can miss a mapping that is there while others come and go. */
  @Test
  void readersSeeAStandingMappingThroughoutAllChanges() throws Exception {
    Mapping standing = mapping("standing", "8080:80", "172.30.0.2");
    index.add(standing);
    AtomicBoolean done = new AtomicBoolean();
    CompletableFuture<Long> reader =
        CompletableFuture.supplyAsync(
            () -> {
              long found = 0;
              while (!done.get()) {
                if (!tcp("198.18.0.1", 8080, "172.30.0.2", 80).equals(Optional.of(standing))) {
                  throw new AssertionError("missed after " + found + " lookups");
                }
                found++;
              }
              return found;
            });
    for (int round = 0; round < 20; round++) {
      List<Mapping> others = new ArrayList<>(List.of(standing));
      for (int i = 0; i < 2_000; i++) {
        others.add(mapping("", (20_000 + i) + ":80", "172.30.0.3"));
      }
      index.replaceAll(others);
      index.replaceAll(List.of(standing));
    }
    done.set(true);
    assertThat(reader.get(10, TimeUnit.SECONDS)).isPositive();
  }
}
