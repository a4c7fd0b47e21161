package dev.sluice.ruleset;

import static dev.sluice.netlink.LinuxNetlink.NETLINK_NETFILTER;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.Nftables;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Scale;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A change whose answer the kernel cannot deliver, because the socket's buffer is full. */
class LostAnswersIT {
  private static final int NFNLGRP_NFTABLES = 7;
  private static final int OPERATIONS = 3_000;
  private static final int BUFFER_BYTES = 4096;

  private static List<Mapping> mappings() {
    return IntStream.range(0, OPERATIONS)
        .mapToObj(
            i ->
                new Mapping(
                    MappingId.random(),
                    Optional.empty(),
                    Owner.CLI,
                    Protocol.TCP,
                    Optional.empty(),
                    PortRange.of(10_000 + i),
                    IpAddress.parse("172.30.0.2"),
                    PortRange.of(80),
                    Instant.EPOCH))
        .toList();
  }

  /**
   * Fails if a lost answer is taken for a failure or for success without a look at the table, or if
   * the change is sent once more.
   */
  @ParameterizedTest
  @EnumSource
  void theTableItselfTellsWhatBecameOfAChange(Ownership ownership) {
    try (Netns host = Netns.create("host");
        NetworkNamespace namespace = NetworkNamespace.open(host.path());
        Nftables reader = Nftables.open(namespace)) {
      NetlinkSocket socket = NetlinkSocket.open(NETLINK_NETFILTER, namespace);
      try (SluiceTable table = SluiceTable.open(Nftables.over(socket), ownership)) {
        // The kernel reports each of the elements to this socket, and then acknowledges.
        socket.receiveBuffer(BUFFER_BYTES);
        socket.joinGroup(NFNLGRP_NFTABLES);
        int generation = reader.generation();
        List<Mapping> mappings = mappings();
        table.apply(Change.publish(List.of(), mappings));
        assertThat(socket.drops()).as("answers that were lost").isPositive();
        assertThat(reader.generation()).as("transactions").isEqualTo(generation + 1);
        assertThat(reader.elements(SluiceTable.ID, "any4")).hasSize(OPERATIONS);
        assertThat(table.mappings())
            .extracting(PublishedMapping::mapping)
            .containsExactlyInAnyOrderElementsOf(mappings);

        String before = Nft.in(host).table("inet", "sluice");
        assertThatThrownBy(() -> table.apply(Change.publish(List.of(), mappings())))
            .isInstanceOf(AlreadyPublishedException.class);
        assertThat(Nft.in(host).table("inet", "sluice")).isEqualTo(before);
        table.apply(Change.withdraw(mappings.subList(1, OPERATIONS)));
        assertThat(reader.generation()).as("transactions").isEqualTo(generation + 2);
        assertThat(table.mappings())
            .extracting(PublishedMapping::mapping)
            .containsExactly(mappings.get(0));
        Scale.report("4", OPERATIONS + " operations, answers lost: " + socket.drops());
      }
    }
  }
}
