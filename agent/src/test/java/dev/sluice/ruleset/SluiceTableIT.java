package dev.sluice.ruleset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.FlowCounters;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.Network;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Traffic;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.Nftables;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is published and attached, through the real kernel and back. */
class SluiceTableIT {
  @AutoClose private Netns host;
  @AutoClose private NetworkNamespace namespace;
  @AutoClose private SluiceTable table;
  private Nft nft;

  @BeforeEach
  void open() {
    host = Netns.create("host");
    namespace = NetworkNamespace.open(host.path());
    nft = Nft.in(host);
    table = SluiceTable.open(Nftables.open(namespace), Ownership.OFF);
  }

  private static List<Mapping> mappings(int count) {
    Samples samples = new Samples(42);
    List<Mapping> mappings = new ArrayList<>();
    while (mappings.size() < count) {
      Mapping next = samples.mapping();
      if (mappings.stream().noneMatch(one -> one.key().overlaps(next.key()))) {
        mappings.add(next);
      }
    }
    return mappings;
  }

  private static List<Network> networks(int count) {
    Samples samples = new Samples(42);
    List<Network> networks = new ArrayList<>();
    while (networks.size() < count) {
      Network next = samples.network();
      if (networks.stream()
          .noneMatch(one -> one.bridge().equals(next.bridge()) || overlap(one, next))) {
        networks.add(next);
      }
    }
    return networks;
  }

  private static boolean overlap(Network a, Network b) {
    return a.subnets().stream()
        .anyMatch(subnet -> b.subnets().stream().anyMatch((Prefix s) -> s.overlaps(subnet)));
  }

  /** Fails if the kernel has another idea of an element than the codec. */
  @Test
  void everyFormOfMappingComesBackFromTheKernel() {
    String empty = nft.table("inet", "sluice");
    List<Mapping> mappings = mappings(200);
    table.apply(Change.publish(List.of(), mappings));
    assertThat(table.mappings())
        .extracting(PublishedMapping::mapping)
        .containsExactlyInAnyOrderElementsOf(mappings);
    table.apply(Change.withdraw(mappings));
    assertThat(table.mappings()).isEmpty();
    assertThat(nft.table("inet", "sluice")).isEqualTo(empty);
  }

  /**
   * Fails if what a mapping carried is lost or mixed up, is kept for one that is gone, or a restart
   * forgets that it is there.
   */
  @Test
  void whatMappingsCarriedIsKeptUntilTheyGo() {
    String empty = nft.table("inet", "sluice");
    List<Mapping> mappings = mappings(3);
    table.apply(Change.publish(List.of(), mappings));
    Map<MappingId, Traffic> traffic = new HashMap<>();
    for (int i = 0; i < 3; i++) {
      FlowCounters in = new FlowCounters(1L << 40, 2 + i);
      traffic.put(mappings.get(i).id(), new Traffic(in, new FlowCounters(i, 1L << 50)));
    }
    table.saveTraffic(traffic);
    assertThat(table.traffic()).isEqualTo(traffic);
    // Another sum for the first; the second is withdrawn, and published again without a past.
    traffic.put(mappings.get(0).id(), new Traffic(new FlowCounters(5, 6), new FlowCounters(7, 8)));
    table.saveTraffic(Map.of(mappings.get(0).id(), traffic.get(mappings.get(0).id())));
    table.apply(Change.withdraw(List.of(mappings.get(1))));
    traffic.remove(mappings.get(1).id());
    assertThat(table.traffic()).isEqualTo(traffic);
    // Who notes from time to time says of a mapping that has gone that nothing is to be noted.
    table.saveTraffic(Map.of(mappings.get(1).id(), Traffic.NONE));
    assertThat(table.traffic()).isEqualTo(traffic);
    // Changed, the third is still the same.
    Mapping renamed = mappings.get(2).withName(Optional.of(new MappingName("renamed")));
    table.apply(
        Change.replace(
            List.of(), List.of(mappings.get(2)), Change.startingAtZero(List.of(renamed))));
    assertThat(table.traffic()).isEqualTo(traffic);

    table.close();
    table = SluiceTable.open(Nftables.open(namespace), Ownership.AUTO);
    assertThat(table.origin()).isEqualTo(SluiceTable.Origin.REBUILT);
    assertThat(table.traffic()).isEqualTo(traffic);
    table.apply(Change.withdraw(List.of(mappings.get(0), renamed)));
    assertThat(table.traffic()).isEmpty();
    table.close();
    table = SluiceTable.open(Nftables.open(namespace), Ownership.OFF);
    assertThat(nft.table("inet", "sluice")).isEqualTo(empty);
  }

  /**
   * Fails if a network is not attached in one transaction with what needs it, or attached twice.
   */
  @Test
  void networksComeBackFromTheKernel() {
    List<Network> networks = networks(20);
    table.apply(Change.attach(networks));
    assertAttached(networks);
    String attached = nft.table("inet", "sluice");
    table.apply(Change.attach(networks));
    assertThat(nft.table("inet", "sluice")).isEqualTo(attached);
    table.close();
    table = SluiceTable.open(Nftables.open(namespace), Ownership.AUTO);
    assertThat(table.origin()).isEqualTo(SluiceTable.Origin.REBUILT);
    assertAttached(networks);
  }

  private void assertAttached(List<Network> networks) {
    assertThat(table.networks())
        .usingElementComparator(NetworkCodecTest::compare)
        .containsExactlyInAnyOrderElementsOf(networks);
  }

  /** Fails if withdrawing and publishing in one change do not replace a mapping. */
  @Test
  void aChangeCanReplaceAMapping() {
    List<Mapping> two = mappings(2);
    Mapping old = two.get(0);
    Mapping replacement =
        new Mapping(
            two.get(1).id(),
            old.name(),
            old.owner(),
            old.protocol(),
            old.family(),
            old.hostAddress(),
            old.hostPorts(),
            old.backends(),
            old.targetPorts(),
            old.createdAt(),
            old.options());
    table.apply(Change.publish(List.of(), List.of(old)));
    assertThatThrownBy(() -> table.apply(Change.publish(List.of(), List.of(replacement))))
        .isInstanceOf(AlreadyPublishedException.class);
    table.apply(
        Change.replace(List.of(), List.of(old), Change.startingAtZero(List.of(replacement))));
    assertThat(table.mappings()).extracting(PublishedMapping::mapping).containsExactly(replacement);
  }
}
