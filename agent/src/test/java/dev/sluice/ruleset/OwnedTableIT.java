package dev.sluice.ruleset;

import static dev.sluice.netlink.LinuxNetlink.NETLINK_NETFILTER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_TABLE_F_OWNER;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFT_TABLE_F_PERSIST;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.ffi.Sys;
import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.Network;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.Table;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Ran;
import dev.sluice.testing.Scale;
import dev.sluice.testing.Traffic.Held;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The table with an owner: what others cannot do to it, and what survives its owner. */
class OwnedTableIT {
  private static final Network NETWORK =
      new Network(
          "web-net",
          new InterfaceName("br0"),
          List.of(Prefix.parse("172.30.0.0/24"), Prefix.parse("fd30::/64")),
          new Egress.Masquerade());
  private static final Mapping WEB = mapping(8080, 80, Optional.of(new MappingName("web")));
  private static final Mapping RANGE = mapping(7000, 7000, Optional.empty());
  private static final List<Mapping> MAPPINGS = List.of(WEB, RANGE);

  /** Datagrams to port 8080 of the host, each of another flow than those of the last second. */
  private static final String SENDER =
      """
      import random, socket, struct, sys

      def checksum(header):
          total = sum(struct.unpack('>10H', header))
          total = (total & 0xffff) + (total >> 16)
          return ~((total & 0xffff) + (total >> 16)) & 0xffff

      host = bytes.fromhex(sys.argv[1].replace(':', ''))
      frames = []
      for i in range(20000):
          addresses = bytes([203, 0, 113, 1 + i % 250, 198, 18, 0, 1])
          begin = struct.pack('>BBHHHBB', 0x45, 0, 29, 0, 0, 64, 17)
          check = checksum(begin + bytes(2) + addresses)
          header = begin + struct.pack('>H', check) + addresses
          port = 1024 + i // 250 * 700 + random.randrange(700)
          frames.append(host + bytes([2, 0, 0, 0, 0, 1, 8, 0]) + header + struct.pack('>HHHH', port, 8080, 9, 0) + b'x')
      wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
      wire.bind(('eth0', 0))
      print('sending', flush=True)
      while True:
          for frame in frames:
              wire.send(frame)
      """;

  @AutoClose private static Lab lab;
  @AutoClose private static NetworkNamespace namespace;
  private static Nft nft;

  @BeforeAll
  static void build() {
    lab = Lab.builder().containers(1).build();
    namespace = NetworkNamespace.open(lab.host().path());
    nft = Nft.in(lab.host());
  }

  @AfterEach
  void deleteOrphan() {
    nft.run("delete", "table", "inet", "sluice");
  }

  private static Mapping mapping(int host, int target, Optional<MappingName> name) {
    int more = name.isPresent() ? 0 : 9;
    return new Mapping(
        MappingId.random(),
        name,
        Owner.DOCKER,
        Protocol.TCP,
        Optional.empty(),
        new PortRange(host, host + more),
        IpAddress.parse(Lab.C1),
        new PortRange(target, target + more),
        Instant.parse("2026-01-02T03:04:05.678Z"));
  }

  private static SluiceTable open(Ownership ownership) {
    return SluiceTable.open(Nftables.open(namespace), ownership);
  }

  private static SluiceTable published() {
    SluiceTable table = open(Ownership.AUTO);
    table.apply(Change.publish(List.of(NETWORK), MAPPINGS));
    return table;
  }

  private static void assertServed() {
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 7003).server()).isEqualTo("c1:7003");
  }

  /** Fails without the owner flag. */
  @Test
  void flushRulesetBySomebodyElseLeavesEverything() {
    nft.apply("add table inet foreign");
    try (SluiceTable table = published()) {
      String before = nft.table("inet", "sluice");
      assertThat(table.isOwned()).isTrue();
      // The kernel passes an owned table by without a word, and takes the others.
      assertThat(nft.run("flush", "ruleset").exitCode()).isZero();
      assertThat(nft.hasTable("inet", "foreign")).isFalse();
      assertThat(nft.table("inet", "sluice")).isEqualTo(before);
      assertServed();
    }
  }

  /** Fails without the owner flag. */
  @Test
  void everyForeignChangeIsRefusedWithEperm() {
    try (SluiceTable table = published()) {
      String before = nft.table("inet", "sluice");
      for (String change :
          List.of(
              "add element inet sluice any4 { tcp . 81 : 172.30.0.2 . 80 }",
              "delete element inet sluice any4 { tcp . 8080 }",
              "flush map inet sluice any4",
              "add rule inet sluice forward drop",
              "flush chain inet sluice raw",
              "add chain inet sluice other",
              "delete table inet sluice")) {
        Ran ran = nft.attempt(change);
        assertThat(ran.exitCode()).as(change).isNotZero();
        assertThat(ran.stderr()).as(change).contains("Operation not permitted");
      }
      assertThat(nft.table("inet", "sluice")).isEqualTo(before);
      assertThat(table.mappings()).extracting(PublishedMapping::mapping).hasSize(2);
    }
  }

  /** Fails without the persist flag, or if adoption rebuilds, or loses a counter or a name. */
  @Test
  void theTableSurvivesItsOwnerAndIsAdoptedWithEverythingInIt() {
    SluiceTable first = published();
    assertThat(first.origin()).isEqualTo(SluiceTable.Origin.CREATED);
    assertServed();
    try (Held download = lab.client().traffic().hold(Lab.HOST, 8080, 1)) {
      first.close();
      assertServed();
      assertThat(download.alive()).isEqualTo(1);
    }
    try (SluiceTable second = open(Ownership.AUTO)) {
      assertThat(second.origin()).isEqualTo(SluiceTable.Origin.ADOPTED);
      assertThat(second.isOwned()).isTrue();
      List<PublishedMapping> kept = second.mappings();
      assertThat(kept)
          .extracting(PublishedMapping::mapping)
          .containsExactlyInAnyOrderElementsOf(MAPPINGS);
      assertThat(connections(kept, WEB)).isEqualTo(3);
      assertThat(second.networks()).containsExactly(NETWORK);
      assertThat(nft.attempt("delete table inet sluice").succeeded()).isFalse();
      second.apply(Change.withdraw(List.of(WEB)));
      assertThat(second.mappings()).extracting(PublishedMapping::mapping).containsExactly(RANGE);
    }
  }

  private static long connections(List<PublishedMapping> published, Mapping mapping) {
    return published.stream()
        .filter(each -> each.mapping().id().equals(mapping.id()))
        .findFirst()
        .orElseThrow()
        .counters()
        .connections();
  }

  /** Fails if the port of the owner is not looked up among the sockets of this namespace. */
  @Test
  void aSecondOpenerIsRefusedAndToldWhoOwnsTheTable() throws Exception {
    try (SluiceTable owner = published()) {
      for (Ownership ownership : Ownership.values()) {
        try (Nftables rival = Nftables.open(namespace)) {
          assertThatThrownBy(() -> namespace.call(() -> SluiceTable.open(rival, ownership)))
              .isInstanceOf(TableTakenException.class)
              .hasMessageMatching(
                  "the table inet sluice is owned by process %d \\(.*java.*\\), netlink port \\d+: another agent serves this namespace; stop it first"
                      .formatted(ProcessHandle.current().pid()));
        }
      }
      assertThat(owner.mappings()).hasSize(2);
      assertServed();
    }
  }

  /** Fails if deleting and creating are two transactions, or if contents or counters are lost. */
  @Test
  void aTableOfAnotherVersionIsRebuiltWhileClientsConnect() {
    try (Nftables past = Nftables.open(namespace)) {
      Tables.create(past, 0, 0, List.of(NETWORK), MAPPINGS, 41);
    }
    assertRebuilt(Ownership.AUTO, NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST, 41);
  }

  /** Fails if an orphan of another version is adopted as it is. */
  @Test
  void anOrphanOfAnotherVersionIsRebuiltWhileClientsConnect() {
    Nftables past = Nftables.open(namespace);
    Tables.create(past, 0, NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST, List.of(NETWORK), MAPPINGS, 41);
    past.close();
    assertRebuilt(Ownership.AUTO, NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST, 41);
  }

  /** Fails if the flags of the table found are not compared with those wanted. */
  @Test
  void aTableWithOtherFlagsIsRebuiltWhileClientsConnect() {
    published().close();
    assertRebuilt(Ownership.OFF, 0, 0);
    assertRebuilt(Ownership.AUTO, NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST, 0);
  }

  /**
   * Fails, nine times in ten, if nothing stands in for the table between the old one and the new:
   * of some tens of thousands of first packets a second one or two come to a hook just then.
   */
  @Test
  void noFirstPacketSlipsThroughWhileItIsRebuilt() {
    int rebuilds = Scale.count("rebuilds", 60, 1_000);
    Mapping udp =
        new Mapping(
            MappingId.random(),
            Optional.empty(),
            Owner.DOCKER,
            Protocol.UDP,
            Optional.empty(),
            PortRange.of(8080),
            IpAddress.parse(Lab.C1),
            PortRange.of(9),
            Instant.parse("2026-01-02T03:04:05.678Z"));
    try (SluiceTable table = open(Ownership.AUTO)) {
      table.apply(Change.publish(List.of(NETWORK), List.of(udp)));
    }
    lab.host().sysctl("net.netfilter.nf_conntrack_udp_timeout=1");
    nft.apply(
        """
        table inet witness {
          chain onwards {
            type filter hook forward priority 10
            ip saddr 203.0.113.0/24 udp dport 9 counter drop
          }
          chain untranslated {
            type filter hook input priority 10
            ip saddr 203.0.113.0/24 udp dport 8080 counter drop
          }
        }
        """);
    try (Background sender =
        lab.client().start("/usr/bin/python3", "-c", SENDER, lab.host().mac("out0"))) {
      sender.awaitLine("sending", Duration.ofSeconds(30));
      for (int i = 0; i < rebuilds; i++) {
        Ownership other = i % 2 == 0 ? Ownership.OFF : Ownership.AUTO;
        try (SluiceTable table = open(other)) {
          assertThat(table.origin()).isEqualTo(SluiceTable.Origin.REBUILT);
        }
      }
      assertThat(nft.hasTable("inet", "sluice-stand-in")).isFalse();
      String counted = nft.table("inet", "witness");
      assertThat(counted).containsPattern("udp dport 9 counter packets [1-9]\\d{3}");
      assertThat(counted).contains("udp dport 8080 counter packets 0 ");
    } finally {
      nft.apply("delete table inet witness");
    }
  }

  /** Fails if what an agent left that was killed while it rebuilt the table is not taken away. */
  @Test
  void whatStoodInForAKilledAgentGoes() {
    published().close();
    nft.apply("add table inet sluice-stand-in");
    try (SluiceTable table = open(Ownership.AUTO)) {
      assertThat(table.origin()).isEqualTo(SluiceTable.Origin.ADOPTED);
      assertThat(nft.hasTable("inet", "sluice-stand-in")).isFalse();
    }
  }

  private static SluiceTable openOver(int keptFd, Ownership ownership) throws Exception {
    return namespace.call(
        () ->
            SluiceTable.open(
                Nftables.over(NetlinkSocket.adopt(Sys.dup(keptFd), NETLINK_NETFILTER)), ownership));
  }

  /**
   * Fails if a table that our own socket owns is taken for another agent's, or for an orphan's; or
   * if it is not rebuilt where it is of another version or shall be plain.
   */
  @Test
  void aTableOwnedByTheInheritedSocketIsTakenOverAsItIsOrRebuilt() throws Exception {
    try (NetlinkSocket kept = NetlinkSocket.open(NETLINK_NETFILTER, namespace)) {
      SluiceTable first = openOver(kept.fd(), Ownership.AUTO);
      first.apply(Change.publish(List.of(NETWORK), MAPPINGS));
      first.close();
      assertThat(nft.attempt("delete table inet sluice").succeeded()).isFalse();

      int generation = generation();
      try (SluiceTable second = openOver(kept.fd(), Ownership.AUTO)) {
        assertThat(second.origin()).isEqualTo(SluiceTable.Origin.ADOPTED);
        assertThat(generation()).as("nothing had to be changed").isEqualTo(generation);
        assertThat(second.mappings()).hasSize(2);
        second.apply(Change.withdraw(List.of(RANGE)));
      }
      try (SluiceTable plain = openOver(kept.fd(), Ownership.OFF)) {
        assertThat(plain.origin()).isEqualTo(SluiceTable.Origin.REBUILT);
        assertThat(plain.isOwned()).isFalse();
        assertThat(plain.mappings()).extracting(PublishedMapping::mapping).containsExactly(WEB);
      }
      nft.apply("delete table inet sluice");
      try (Nftables past =
          namespace.call(
              () -> Nftables.over(NetlinkSocket.adopt(Sys.dup(kept.fd()), NETLINK_NETFILTER)))) {
        Tables.create(
            past, 0, NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST, List.of(NETWORK), MAPPINGS, 41);
        try (SluiceTable rebuilt = openOver(kept.fd(), Ownership.AUTO)) {
          assertThat(rebuilt.origin()).isEqualTo(SluiceTable.Origin.REBUILT);
          assertThat(rebuilt.isOwned()).isTrue();
          assertThat(connections(rebuilt.mappings(), WEB)).isEqualTo(41);
          assertThat(nft.attempt("delete table inet sluice").succeeded()).isFalse();
        }
      }
    }
  }

  private static int generation() {
    try (Nftables reader = Nftables.open(namespace)) {
      return reader.generation();
    }
  }

  private static void assertRebuilt(Ownership ownership, int flags, long atLeastConnections) {
    Netns client = lab.client();
    try (Prober prober = Prober.start(client, Lab.HOST, 8080);
        Held held = client.traffic().hold(Lab.HOST, 8080, 2)) {
      prober.awaitMore(50);
      try (Nftables reader = Nftables.open(namespace);
          SluiceTable table = open(ownership)) {
        assertThat(table.origin()).isEqualTo(SluiceTable.Origin.REBUILT);
        prober.awaitMore(50);
        Table found = reader.table(SluiceTable.ID).orElseThrow();
        assertThat(found.flags()).isEqualTo(flags);
        assertThat(table.mappings())
            .extracting(PublishedMapping::mapping)
            .containsExactlyInAnyOrderElementsOf(MAPPINGS);
        assertThat(connections(table.mappings(), WEB))
            .isGreaterThanOrEqualTo(atLeastConnections + 100);
        assertThat(connections(table.mappings(), RANGE)).isEqualTo(atLeastConnections);
        assertThat(table.networks()).containsExactly(NETWORK);
      }
      assertThat(prober.failures()).isEmpty();
      assertThat(held.alive()).isEqualTo(2);
    }
  }
}
