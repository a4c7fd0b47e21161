package dev.sluice.conntrack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.ffi.NativeBuffer;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetlinkTransport;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Traffic;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Entries of real flows (translated or not, both families, marks, zones, ICMP), with {@code
 * conntrack} as the witness.
 */
class ConntrackIT {
  private static final IpAddress CONTAINER = IpAddress.parse(Lab.C1);
  private static final IpAddress CONTAINER6 = IpAddress.parse(Lab.C1_6);

  @AutoClose private static Lab lab;
  @AutoClose private static NetworkNamespace namespace;
  @AutoClose private static Conntrack conntrack;
  private static dev.sluice.testing.Conntrack tool;
  private static final List<Traffic.Held> OPEN = new ArrayList<>();

  @BeforeAll
  static void build() {
    lab = Lab.small();
    lab.host()
        .sysctl("net.netfilter.nf_conntrack_acct=1", "net.netfilter.nf_conntrack_timestamp=1");
    Nft.in(lab.host())
        .apply(
            """
            table inet t {
              chain zones {
                type filter hook prerouting priority raw
                udp dport 80 ct zone set 7
                udp sport 80 ct zone set 7
                tcp dport 7002 ct original zone set 9
                tcp dport 7003 ct reply zone set 11
                tcp sport 7003 ct reply zone set 11
              }
              chain marks {
                type filter hook prerouting priority mangle
                tcp dport 7001 ct mark set 0x8000002a
              }
              chain arriving {
                type nat hook prerouting priority dstnat
                ip daddr 198.18.0.1 tcp dport 8080 dnat ip to 172.30.0.2:80
                ip6 daddr 2001:db8:18::1 tcp dport 8080 dnat ip6 to [fd30::2]:80
                ip daddr 198.18.0.1 udp dport 5353 dnat ip to 172.30.0.2:53
              }
              chain leaving {
                type nat hook postrouting priority srcnat
                tcp dport 7005 masquerade
              }
            }
            """);
    namespace = NetworkNamespace.open(lab.host().path());
    tool = dev.sluice.testing.Conntrack.in(lab.host());
    conntrack = Conntrack.open(namespace);
  }

  @BeforeEach
  void freshFlows() {
    OPEN.forEach(Traffic.Held::close);
    OPEN.clear();
    tool.flush();
    Traffic client = lab.client().traffic();
    OPEN.add(client.hold(Lab.HOST, 8080, 3));
    OPEN.add(client.hold(Lab.HOST6, 8080, 2));
    OPEN.add(client.hold(Lab.C1, 7001, 1));
    OPEN.add(client.hold(Lab.C1, 7002, 1));
    OPEN.add(client.hold(Lab.C1, 7003, 1));
    OPEN.add(client.hold(Lab.C2, 7005, 1));
    OPEN.add(client.hold(Lab.C2_6, 80, 1));
    assertThat(client.udp(Lab.HOST, 5353).outcome()).isEqualTo(Traffic.Outcome.ANSWERED);
    assertThat(client.udp(Lab.C1, 80).outcome()).isEqualTo(Traffic.Outcome.ANSWERED);
    assertThat(client.udp(Lab.C1_6, 53).outcome()).isEqualTo(Traffic.Outcome.ANSWERED);
    String mac = lab.host().mac("out0");
    client.inject(
        "eth0", mac, 1, "IP(src='198.18.0.2',dst='172.30.0.2')/ICMP(type=8,code=0,id=4660,seq=1)");
    client.inject(
        "eth0",
        mac,
        1,
        "IPv6(src='2001:db8:18::2',dst='fd30::2')/ICMPv6EchoRequest(id=22136,seq=1)");
    // GRE: a protocol whose tuple has addresses only, or keys where the kernel knows it; and OSPF,
    // which it never does.
    client.inject(
        "eth0", mac, 1, "IP(src='198.18.0.2',dst='172.30.0.2',proto=89)/Raw(b'12345678')");
    awaitAnswered();
  }

  /** Waits until both echo requests are answered, so that nothing changes while two sides look. */
  private static void awaitAnswered() {
    long deadline = System.nanoTime() + 5_000_000_000L;
    while (System.nanoTime() < deadline) {
      if (conntrack.list(ConntrackFilter.ALL).stream()
              .filter(e -> e.original().detail() instanceof Tuple.Icmp && e.isAnswered())
              .count()
          == 2) {
        return;
      }
    }
    throw new AssertionError("no answered echo requests in " + tool.list());
  }

  /**
   * Fails if any part of an entry is read wrongly: id, either tuple, mark, zone per direction,
   * counters, TCP state, the bits behind UNREPLIED and ASSURED.
   */
  @Test
  void dumpSaysWhatConntrackSays() {
    List<ConntrackEntry> theirs = tool.list().stream().map(ToolEntry::parse).toList();
    List<ConntrackEntry> ours = conntrack.list(ConntrackFilter.ALL);
    assertThat(ours.stream().map(ToolEntry::reduce))
        .containsExactlyInAnyOrderElementsOf(theirs)
        .hasSizeGreaterThanOrEqualTo(14);
    assertThat(ours).allSatisfy(entry -> assertThat(entry.startNanos()).isPresent());
    assertThat(ours)
        .filteredOn(ConntrackEntry::isDnat)
        .hasSize(6)
        .allSatisfy(
            entry ->
                assertThat(entry.reply().source())
                    .isEqualTo(entry.family() == Family.IPV4 ? CONTAINER : CONTAINER6));
    assertThat(ours).filteredOn(ConntrackEntry::isSnat).hasSize(1);
    assertThat(ours).extracting(ConntrackEntry::mark).contains(0x8000002a);
    assertThat(ours).extracting(ConntrackEntry::originalZone).contains(7, 9);
    assertThat(ours).extracting(ConntrackEntry::replyZone).contains(7, 11);
    assertThat(ours)
        .filteredOn(entry -> entry.protocol() == 6)
        .allSatisfy(
            entry ->
                assertThat(entry.tcpState()).hasValue(LinuxNfConntrack.TCP_CONNTRACK_ESTABLISHED));
  }

  /** Fails if the timeout is read in another unit or from another attribute. */
  @Test
  void timeoutsAreSeconds() {
    Map<Long, ConntrackEntry> ours =
        conntrack.list(ConntrackFilter.ALL).stream()
            .collect(Collectors.toMap(ConntrackEntry::id, Function.identity()));
    for (String line : tool.list("-p", "tcp")) {
      long seconds = Long.parseLong(line.strip().split("\\s+", -1)[4]);
      ConntrackEntry entry = Objects.requireNonNull(ours.get(ToolEntry.parse(line).id()), line);
      assertThat(entry.timeoutSeconds().orElseThrow()).isBetween(seconds, seconds + 3);
    }
  }

  /**
   * Fails if a part of a filter is dropped, sent to a kernel that answers it wrongly (IPv6
   * addresses) or refuses it (ports without a protocol), or not applied on our side.
   */
  @Test
  void filtersSelectWhatConntrackSelects() {
    TupleFilter any = TupleFilter.ANY;
    ConntrackFilter all = ConntrackFilter.ALL;
    assertSame(all.family(Family.IPV6), 5, "-f", "ipv6");
    assertSame(
        all.original(any.protocol(6).destinationPort(8080)),
        5,
        "-p",
        "tcp",
        "--orig-port-dst",
        "8080");
    assertSame(all.original(any.destination(IpAddress.parse(Lab.HOST))), 4, "-d", Lab.HOST);
    assertSame(all.original(any.source(IpAddress.parse(Lab.CLIENT6))), 5, "-s", Lab.CLIENT6);
    assertSame(
        all.original(any.destination(CONTAINER6).protocol(17)), 1, "-p", "udp", "-d", Lab.C1_6);
    assertSame(
        all.reply(any.source(CONTAINER).protocol(6).sourcePort(80)),
        3,
        "-p",
        "tcp",
        "--reply-src",
        Lab.C1,
        "--reply-port-src",
        "80");
    assertSame(all.reply(any.source(CONTAINER6)), 4, "-r", Lab.C1_6);
    assertSame(all.original(any.protocol(1)), 1, "-p", "icmp");
    assertSame(all.mark(0x8000002a, -1), 1, "-m", "0x8000002a");
    assertSame(all.mark(0x2a, 0xff), 1, "-m", "0x2a/0xff");
    assertSame(all.zone(7), 1, "-w", "7");
    assertSame(all.zone(9), 1, "--orig-zone", "9");
    assertSame(all.zone(11), 1, "--reply-zone", "11");
    int assured = LinuxNfConntrack.IPS_ASSURED;
    assertSame(all.status(assured, assured), 10, "-u", "ASSURED");
    assertThat(ids(all.original(any.destinationPort(53))))
        .as("a port without a protocol")
        .hasSize(1);
    assertThat(ids(all.original(any.destination(IpAddress.parse("192.0.2.9"))))).isEmpty();
    assertThat(ids(all.mark(0, -1))).hasSizeGreaterThan(10);
    assertThat(ids(all.zone(0))).hasSize(ids(all).size() - 3);
  }

  private static void assertSame(ConntrackFilter filter, int count, String... words) {
    List<String> familyWords = List.of(words).contains("-f") ? List.of(words) : List.of();
    List<String> lines =
        familyWords.isEmpty()
            ? witnessed(words)
            : tool.run("-L", "-o", "extended,id", words[0], words[1])
                .orFail()
                .stdout()
                .lines()
                .toList();
    assertThat(ids(filter))
        .as("%s, as conntrack -L -o id %s", filter, String.join(" ", words))
        .hasSize(count)
        .containsExactlyInAnyOrderElementsOf(
            lines.stream().map(line -> ToolEntry.parse(line).id()).toList());
  }

  /** Both families; the tool refuses an address of the other one. */
  private static List<String> witnessed(String... words) {
    List<String> lines = new ArrayList<>();
    boolean v6 = String.join(" ", words).contains(":");
    boolean v4 = String.join(" ", words).matches(".*\\d\\.\\d.*");
    for (String family : v6 ? List.of("ipv6") : v4 ? List.of("ipv4") : List.of("ipv4", "ipv6")) {
      List<String> command = new ArrayList<>(List.of("-L", "-o", "extended,id", "-f", family));
      command.addAll(List.of(words));
      if (family.equals("ipv6") && command.contains("icmp")) {
        continue;
      }
      lines.addAll(tool.run(command.toArray(String[]::new)).orFail().stdout().lines().toList());
    }
    return lines;
  }

  private static List<Long> ids(ConntrackFilter filter) {
    return conntrack.list(filter).stream().map(ConntrackEntry::id).toList();
  }

  /** Fails if a filter is only applied on our side: the kernel must send just what is wanted. */
  @Test
  void theKernelFilters() {
    CountingTransport counting =
        new CountingTransport(NetlinkSocket.open(LinuxNetlink.NETLINK_NETFILTER, namespace));
    try (Conntrack counted = new Conntrack(counting)) {
      TupleFilter web = TupleFilter.ANY.protocol(6).destinationPort(8080);
      List<ConntrackFilter> exact =
          List.of(
              ConntrackFilter.ALL.original(web.destination(IpAddress.parse(Lab.HOST))),
              ConntrackFilter.ALL.reply(TupleFilter.ANY.source(CONTAINER)),
              ConntrackFilter.ALL.family(Family.IPV6).original(web),
              ConntrackFilter.ALL.mark(0x2a, 0xff),
              ConntrackFilter.ALL.zone(7),
              ConntrackFilter.ALL.status(
                  LinuxNfConntrack.IPS_SRC_NAT, LinuxNfConntrack.IPS_SRC_NAT),
              ConntrackFilter.ALL.family(Family.IPV6));
      for (ConntrackFilter filter : exact) {
        counting.entries = 0;
        assertThat(counted.list(filter)).as("%s", filter).isNotEmpty().hasSize(counting.entries);
      }
      counting.entries = 0;
      assertThat(
              counted.list(
                  ConntrackFilter.ALL.original(
                      TupleFilter.ANY.source(IpAddress.parse(Lab.CLIENT6)))))
          .as("IPv6 addresses, which this kernel compares the wrong way round")
          .hasSize(5)
          .hasSize(counting.entries);
    }
  }

  /**
   * Fails if get asks with a wrong tuple (ports, ICMP, zone) or takes "no such entry" for an error.
   */
  @Test
  void everyEntryIsFoundByItsTupleAndZone() {
    for (ConntrackEntry entry : conntrack.list(ConntrackFilter.ALL)) {
      assertThat(conntrack.get(entry.original(), entry.originalZone()))
          .as("%s", entry)
          .hasValueSatisfying(
              found -> {
                assertThat(found.id()).isEqualTo(entry.id());
                assertThat(found.reply()).isEqualTo(entry.reply());
              });
      assertThat(conntrack.get(entry.original(), entry.originalZone() + 1)).isEmpty();
    }
  }

  /** Fails if delete ignores the id, or takes "no such entry" for an error or for success. */
  @Test
  void deletesExactlyOneEntry() {
    for (ConntrackEntry entry : conntrack.list(ConntrackFilter.ALL)) {
      ConntrackEntry successor = withId(entry, entry.id() ^ 1);
      assertThat(conntrack.delete(successor)).as("another id than %s", entry).isFalse();
      int before = conntrack.count();
      assertThat(conntrack.delete(entry)).as("%s", entry).isTrue();
      assertThat(conntrack.count()).isEqualTo(before - 1);
      assertThat(conntrack.delete(entry)).as("%s, again", entry).isFalse();
    }
    assertThat(tool.list()).isEmpty();
    assertThat(tool.count()).isZero();
  }

  /**
   * Fails if a delete by tuple needs an id, ignores the zone, or takes the entry whose answers have
   * that tuple: the kernel does not care which direction it finds.
   */
  @Test
  void deletesByOriginalTupleAndZone() {
    ConntrackEntry entry = conntrack.list(ConntrackFilter.ALL.zone(7)).get(0);
    assertThat(conntrack.delete(entry.original(), 0)).isFalse();
    assertThat(conntrack.get(entry.reply(), 7)).isEmpty();
    assertThat(conntrack.delete(entry.reply(), 7)).isFalse();
    assertThat(conntrack.delete(entry.original(), 7)).isTrue();
    assertThat(tool.list("-w", "7")).isEmpty();
  }

  /**
   * Fails if deleteMatching deletes something else too, stops at an entry that has gone meanwhile,
   * or miscounts over several datagrams.
   */
  @Test
  void deletesWhatMatchesAndNothingElse() {
    lab.host()
        .exec(
            "/usr/bin/python3",
            "-c",
            """
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(('127.0.0.1', 20000))
            for port in range(30000, 30500): s.sendto(b'x', ('127.0.0.1', port))
            """)
        .orFail();
    List<ConntrackEntry> others = conntrack.list(ConntrackFilter.ALL.mark(0, -1));
    ConntrackFilter burst =
        ConntrackFilter.ALL.original(TupleFilter.ANY.protocol(17).sourcePort(20000));
    List<ConntrackEntry> found = conntrack.list(burst);
    assertThat(found).hasSize(500);
    assertThat(conntrack.delete(found.get(0))).isTrue();
    assertThat(conntrack.delete(found.get(499))).isTrue();
    assertThat(conntrack.deleteAll(found)).isEqualTo(498);
    assertThat(conntrack.deleteMatching(burst)).isZero();
    assertThat(tool.count()).isEqualTo(others.size() - 500 + 1);
    assertThat(conntrack.deleteMatching(ConntrackFilter.ALL.mark(0, -1)))
        .isEqualTo(others.size() - 500);
    assertThat(tool.list())
        .singleElement()
        .satisfies(line -> assertThat(line).contains("mark=2147483690"));
  }

  /** Fails if the number of entries is not the kernel's. */
  @Test
  void countsEntries() {
    assertThat(conntrack.count()).isEqualTo(tool.count()).isGreaterThanOrEqualTo(14);
  }

  /** Fails if a counter or the limit is not the one that conntrack and sysctl show. */
  @Test
  void statisticsAreThoseThatConntrackShows() {
    lab.client()
        .traffic()
        .inject(
            "eth0",
            lab.host().mac("out0"),
            5,
            "IP(src='198.18.0.2',dst='172.30.0.2')/TCP(sport=9,dport=9,flags='SF')");
    assertThat(conntrack.size().limit())
        .isEqualTo(Long.parseLong(lab.host().sysctlValue("net.netfilter.nf_conntrack_max")));
    long deadline = System.nanoTime() + 5_000_000_000L;
    while (conntrack.statistics().stream().mapToLong(CpuStatistics::invalid).sum() < 5) {
      assertThat(System.nanoTime()).as("%s", conntrack.statistics()).isLessThan(deadline);
    }
    List<CpuStatistics> ours = conntrack.statistics();
    List<String> theirs = tool.run("-S").orFail().stdout().lines().toList();
    assertThat(theirs).hasSameSizeAs(ours);
    for (int i = 0; i < theirs.size(); i++) {
      assertThat(theirs.get(i))
          .matches("cpu=" + ours.get(i).cpu() + "\\s.*")
          .contains(" invalid=" + ours.get(i).invalid() + " ")
          .contains(" drop=" + ours.get(i).dropped() + " ")
          .contains(" error=" + ours.get(i).errors() + " ");
    }
  }

  /** Fails if the table of another namespace is read. */
  @Test
  void eachNamespaceHasItsOwnTable() {
    try (NetworkNamespace other = NetworkNamespace.open(lab.c2().path());
        Conntrack elsewhere = Conntrack.open(other)) {
      assertThat(elsewhere.list(ConntrackFilter.ALL)).isEmpty();
    }
  }

  /** Fails if what the consumer throws is lost, or leaves the socket unusable. */
  @Test
  void aConsumerThatThrowsEndsTheDump() {
    assertThatThrownBy(
            () ->
                conntrack.dump(
                    ConntrackFilter.ALL,
                    entry -> {
                      throw new IllegalStateException("enough");
                    }))
        .hasMessage("enough");
    assertThat(conntrack.list(ConntrackFilter.ALL)).hasSizeGreaterThanOrEqualTo(14);
  }

  private static ConntrackEntry withId(ConntrackEntry entry, long id) {
    return new ConntrackEntry(
        id,
        entry.original(),
        entry.reply(),
        entry.status(),
        entry.mark(),
        entry.originalZone(),
        entry.replyZone(),
        entry.timeoutSeconds(),
        entry.tcpState(),
        entry.originalCounters(),
        entry.replyCounters(),
        entry.startNanos(),
        entry.stopNanos(),
        entry.helper());
  }

  /** Counts the entries that the kernel sends. */
  private static final class CountingTransport implements NetlinkTransport {
    private final NetlinkTransport kernel;
    private int entries;

    CountingTransport(NetlinkTransport kernel) {
      this.kernel = kernel;
    }

    @Override
    public int portId() {
      return kernel.portId();
    }

    @Override
    public void send(long address, int length, String operation) {
      kernel.send(address, length, operation);
    }

    @Override
    public int receive(NativeBuffer buffer, int timeoutMillis) {
      int length = kernel.receive(buffer, timeoutMillis);
      if (length > 0) {
        MessageCursor cursor = new MessageCursor(buffer.bytes(), 0, length);
        while (cursor.next()) {
          if (cursor.subsystem() == LinuxNetlink.NFNL_SUBSYS_CTNETLINK) {
            entries++;
          }
        }
      }
      return length;
    }

    @Override
    public void close() {
      kernel.close();
    }
  }
}
