package dev.sluice.network;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Egress;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.Protocol;
import dev.sluice.testing.Attempts;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Probe;
import dev.sluice.testing.Traffic;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Who reaches a published port, by which address, and as whom the container sees him. The tables
 * are what is observed, line by line: each place is a connection by TCP and a datagram by UDP that
 * came to the same. A dash is nobody's answer; that the same packet would be answered is shown by
 * the place beside it, where the port is published otherwise, or by a control.
 */
class ReachIT extends NetworkCase {
  private static final String WEB = "10.81.0.2";
  private static final String WEB6 = "fd81::2";
  private static final double SOON_SECONDS = 1.5;

  /** Where the container's port is published: everywhere, at the uplink, at loopback. */
  private static final List<Integer> PUBLISHED_PORTS = List.of(8080, 8081, 8082);

  private static final int PACKETS = 1_000;

  private void bridgeNetfilter(int on) {
    lab.host()
        .sysctl(
            "net.bridge.bridge-nf-call-iptables=" + on,
            "net.bridge.bridge-nf-call-ip6tables=" + on);
  }

  /** A container with published ports, its sibling, and one of another network. */
  private void publishEverywhereAndSomewhere() {
    network("blue", "10.81.0.0/24", "fd81::/64");
    network("green", "10.82.0.0/24", "fd82::/64");
    List<String> specs = new ArrayList<>();
    for (String protocol : List.of("", "/udp")) {
      specs.add("8080:80" + protocol);
      specs.add(Lab.HOST + ":8081:80" + protocol);
      specs.add("[" + Lab.HOST6 + "]:8081:80" + protocol);
      specs.add("127.0.0.1:8082:80" + protocol);
      specs.add("[::1]:8082:80" + protocol);
      specs.add("8083:82" + protocol); // where nobody listens
    }
    join("web", List.of("blue"), specs.toArray(String[]::new));
    join("sibling", List.of("blue"));
    join("other", List.of("green"));
    serve("web", "80", "80");
    lab.client()
        .ip("route add 10.81.0.0/24 via " + Lab.HOST, "route add fd81::/64 via " + Lab.HOST6);
  }

  private Netns place(String name) {
    return switch (name) {
      case "client" -> lab.client();
      case "host" -> lab.host();
      default -> namespace(name);
    };
  }

  /** As whom the container saw the one who asked, by both protocols; a dash if nobody answered. */
  private CompletableFuture<String> seen(String from, String address, int port) {
    Traffic traffic = place(from).traffic();
    CompletableFuture<String> udp = Attempts.begin(() -> text(traffic.udp(address, port)));
    return Attempts.begin(() -> text(traffic.tcp(address, port, SOON_SECONDS)))
        .thenCombine(udp, (one, other) -> one.equals(other) ? one : one + " (udp " + other + ")");
  }

  private static String text(Traffic.Answer answer) {
    if (answer.blocked()) {
      return "-";
    }
    return (answer.server().equals("web:80") ? "" : answer.server() + " ") + answer.peer();
  }

  /**
   * The table that comes of the ways on the left of {@code expected}: who asks, and which address.
   */
  private String observed(String expected) {
    List<String> ways =
        expected.lines().map(line -> line.substring(0, line.indexOf('|')).strip()).toList();
    List<List<CompletableFuture<String>>> all = new ArrayList<>();
    for (String way : ways) {
      String[] parts = way.split(" +", -1);
      all.add(PUBLISHED_PORTS.stream().map(port -> seen(parts[0], parts[1], port)).toList());
    }
    StringBuilder table = new StringBuilder();
    for (int i = 0; i < ways.size(); i++) {
      String[] parts = ways.get(i).split(" +", -1);
      String cells =
          all.get(i).stream()
              .map(CompletableFuture::join)
              .map(cell -> " | %-15s".formatted(cell))
              .collect(Collectors.joining());
      table
          .append(("%-7s %-15s".formatted(parts[0], parts[1]) + cells).stripTrailing())
          .append('\n');
    }
    return table.toString();
  }

  /**
   * Row 26. Fails if one of the ways in is closed, one more is open, or the container sees another
   * than the one who asks where he could be seen.
   */
  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void everyWayInByIpv4(int bridgeNetfilter) {
    bridgeNetfilter(bridgeNetfilter);
    publishEverywhereAndSomewhere();
    // who, by which address | published everywhere | at 198.18.0.1 | at 127.0.0.1
    String table =
        """
        client  198.18.0.1      | 198.18.0.2      | 198.18.0.2      | -
        client  198.18.0.77     | 198.18.0.2      | -               | -
        client  10.81.0.1       | 198.18.0.2      | -               | -
        host    198.18.0.1      | 198.18.0.1      | 198.18.0.1      | -
        host    198.18.0.77     | 198.18.0.1      | -               | -
        host    10.81.0.1       | 10.81.0.1       | -               | -
        host    127.0.0.1       | 10.81.0.1       | -               | 10.81.0.1
        sibling 198.18.0.1      | 10.81.0.1       | 10.81.0.1       | -
        sibling 198.18.0.77     | 10.81.0.1       | -               | -
        sibling 10.81.0.1       | 10.81.0.1       | -               | -
        web     198.18.0.1      | 10.81.0.1       | 10.81.0.1       | -
        web     198.18.0.77     | 10.81.0.1       | -               | -
        web     10.81.0.1       | 10.81.0.1       | -               | -
        other   198.18.0.1      | 10.82.0.2       | 10.82.0.2       | -
        other   198.18.0.77     | 10.82.0.2       | -               | -
        other   10.82.0.1       | 10.82.0.2       | -               | -
        other   10.81.0.1       | 10.82.0.2       | -               | -
        """;
    assertThat(observed(table)).isEqualTo(table);
  }

  /** Row 26. Fails as {@link #everyWayInByIpv4} does. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void everyWayInByIpv6(int bridgeNetfilter) {
    bridgeNetfilter(bridgeNetfilter);
    publishEverywhereAndSomewhere();
    // who, by which address | published everywhere | at 2001:db8:18::1 | at ::1
    String table =
        """
        client  2001:db8:18::1  | 2001:db8:18::2  | 2001:db8:18::2  | -
        client  2001:db8:18::77 | 2001:db8:18::2  | -               | -
        client  fd81::1         | 2001:db8:18::2  | -               | -
        host    2001:db8:18::1  | 2001:db8:18::1  | 2001:db8:18::1  | -
        host    2001:db8:18::77 | 2001:db8:18::77 | -               | -
        host    fd81::1         | fd81::1         | -               | -
        host    ::1             | fd81::1         | -               | fd81::1
        sibling 2001:db8:18::1  | fd81::1         | fd81::1         | -
        sibling 2001:db8:18::77 | fd81::1         | -               | -
        sibling fd81::1         | fd81::1         | -               | -
        web     2001:db8:18::1  | fd81::1         | fd81::1         | -
        web     2001:db8:18::77 | fd81::1         | -               | -
        web     fd81::1         | fd81::1         | -               | -
        other   2001:db8:18::1  | fd82::2         | fd82::2         | -
        other   2001:db8:18::77 | fd82::2         | -               | -
        other   fd82::1         | fd82::2         | -               | -
        other   fd81::1         | fd82::2         | -               | -
        """;
    assertThat(observed(table)).isEqualTo(table);
  }

  /**
   * Fails if an IPv6 address of the host does not lead to a container that has IPv4 only, or one
   * more than was asked for does.
   */
  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void everyWayInByIpv6ToAContainerOfIpv4(int bridgeNetfilter) {
    bridgeNetfilter(bridgeNetfilter);
    network("blue", "10.81.0.0/24");
    network("green", "10.82.0.0/24", "fd82::/64");
    List<String> specs = new ArrayList<>();
    for (String protocol : List.of("", "/udp")) {
      specs.add("[::]:8080:80" + protocol);
      specs.add("[" + Lab.HOST6 + "]:8081:80" + protocol);
      specs.add("[::1]:8082:80" + protocol);
    }
    join("web", List.of("blue"), specs.toArray(String[]::new));
    join("other", List.of("green"));
    serve("web", "80", "80");
    // The proxy asks in the host's name.
    String table =
        """
        client  2001:db8:18::1  | 10.81.0.1       | 10.81.0.1       | -
        client  2001:db8:18::77 | 10.81.0.1       | -               | -
        host    2001:db8:18::1  | 10.81.0.1       | 10.81.0.1       | -
        host    fd82::1         | 10.81.0.1       | -               | -
        host    ::1             | 10.81.0.1       | -               | 10.81.0.1
        host    127.0.0.1       | -               | -               | -
        other   2001:db8:18::1  | 10.81.0.1       | 10.81.0.1       | -
        other   fd82::1         | 10.81.0.1       | -               | -
        """;
    assertThat(observed(table)).isEqualTo(table);
  }

  /**
   * Row 24. Fails if a neighbour that routes to a container, or another network, gets a packet to
   * it, to a published port or to another.
   */
  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void aRouteLeadsNowhere(int bridgeNetfilter) {
    bridgeNetfilter(bridgeNetfilter);
    publishEverywhereAndSomewhere();
    assertThat(arrivals("client", lab.host().mac("out0"), Lab.CLIENT, Lab.CLIENT6)).isZero();
    assertThat(arrivals("other", lab.host().mac("sl-green"), "10.82.0.2", "fd82::2")).isZero();
    // The control: the same packets without the table.
    stop();
    nft.apply("delete table inet sluice");
    assertThat(arrivals("client", lab.host().mac("out0"), Lab.CLIENT, Lab.CLIENT6))
        .isEqualTo(PACKETS);
    assertThat(arrivals("other", lab.host().mac("sl-green"), "10.82.0.2", "fd82::2"))
        .isEqualTo(PACKETS);
    start();
  }

  /** Of so many packets, to ports 81 and 82, by both protocols and families, how many arrive. */
  private long arrivals(String from, String mac, String source, String source6) {
    String ports = "(sport=20000+i,dport=81+i%2";
    List<String> packets = new ArrayList<>();
    for (String header :
        List.of(
            "IP(src='" + source + "',dst='" + WEB + "')",
            "IPv6(src='" + source6 + "',dst='" + WEB6 + "')")) {
      packets.add(header + "/TCP" + ports + ",flags='S')");
      packets.add(header + "/UDP" + ports + ")");
    }
    String what = "meta l4proto { tcp, udp } th sport 20000-21999 th dport { 81, 82 }";
    try (Probe probe = Probe.in(namespace("web"), what)) {
      for (String packet : packets) {
        place(from).traffic().flood("eth0", mac, PACKETS / packets.size(), packet);
      }
      return probe.settledPackets();
    }
  }

  /**
   * FOUNDING's experiment: who reaches a port that is exposed, published as one or with all, or
   * neither; outside by the host's address, inside by the container's own. Fails if links,
   * published ports or the isolation of a network open more than they should, or less.
   */
  @ParameterizedTest
  @CsvSource({"false,0", "false,1", "true,0", "true,1"})
  void exposedAndPublishedPorts(boolean isolated, int bridgeNetfilter) {
    bridgeNetfilter(bridgeNetfilter);
    create(request("net", false, isolated, new Egress.Masquerade(), "10.83.0.0/24", "fd83::/64"));
    // EXPOSE, option | outside | linked | unlinked | unlinked, by the host's address
    String table =
        isolated
            ? """
              no  none | no  | no  | no  | no
              yes none | no  | yes | no  | no
              yes -p   | yes | yes | no  | yes
              yes -P   | yes | yes | no  | yes
              no  -p   | yes | yes | no  | yes
              """
            : """
              no  none | no  | yes | yes | no
              yes none | no  | yes | yes | no
              yes -p   | yes | yes | yes | yes
              yes -P   | yes | yes | yes | yes
              no  -p   | yes | yes | yes | yes
              """;
    if (isolated && bridgeNetfilter == 1) {
      // The bridge is handed what was translated, and keeps its ports apart: see docs/networks.md.
      table = table.replaceAll("yes\\n", "no\n");
    }
    List<String[]> rows = table.lines().map(line -> line.split("[ |]+", -1)).toList();
    List<String> servers = new ArrayList<>();
    for (String[] row : rows) {
      String name = "s" + servers.size();
      servers.add(name);
      List<String> exposed = row[0].equals("yes") ? List.of("80/tcp", "80/udp") : List.of();
      String[] published =
          switch (row[1]) {
            case "-p" -> {
              int port = 8080 + servers.size();
              yield new String[] {port + ":80", port + ":80/udp"};
            }
            // As the command does: each exposed port on a free one.
            case "-P" -> new String[] {"80/tcp", "80/udp"};
            default -> new String[0];
          };
      join(sandboxRequest(name, List.of("net"), exposed, List.of(), published));
      serve(name, "80", "80");
    }
    join(sandboxRequest("linked", List.of("net"), List.of(), servers));
    join(sandboxRequest("stranger", List.of("net"), List.of(), List.of()));

    List<List<CompletableFuture<String>>> all = new ArrayList<>();
    List<String> hosts = List.of(Lab.HOST, Lab.HOST6);
    for (String name : servers) {
      List<String> own = addresses(name, "net");
      all.add(
          List.of(
              reached(lab.client(), hosts, name, true),
              reached(namespace("linked"), own, name, false),
              reached(namespace("stranger"), own, name, false),
              reached(namespace("stranger"), hosts, name, true)));
    }
    StringBuilder observed = new StringBuilder();
    for (int i = 0; i < rows.size(); i++) {
      String cells =
          all.get(i).stream()
              .map(CompletableFuture::join)
              .map(cell -> " | %-3s".formatted(cell))
              .collect(Collectors.joining());
      String row = "%-3s %-4s".formatted(rows.get(i)[0], rows.get(i)[1]) + cells;
      observed.append(row.stripTrailing()).append('\n');
    }
    assertThat(observed.toString()).isEqualTo(table);
  }

  /** Whether the server answers at every address by both protocols; or which it does by. */
  private CompletableFuture<String> reached(
      Netns from, List<String> addresses, String server, boolean published) {
    int tcp = published ? hostPort(server, Protocol.TCP) : 80;
    int udp = published ? hostPort(server, Protocol.UDP) : 80;
    record Way(String address, Protocol protocol) {}
    List<Way> ways = new ArrayList<>();
    for (String address : addresses) {
      ways.add(new Way(address, Protocol.TCP));
      ways.add(new Way(address, Protocol.UDP));
    }
    Function<Way, Traffic.Answer> ask =
        way ->
            way.protocol() == Protocol.TCP
                ? from.traffic().tcp(way.address(), tcp, SOON_SECONDS)
                : from.traffic().udp(way.address(), udp);
    return Attempts.begin(
        () -> {
          List<String> answered = new ArrayList<>();
          Attempts.atOnce(ways, ask)
              .forEach(
                  (way, answer) -> {
                    if (answer.server().equals(server + ":80")) {
                      answered.add(way.toString());
                    }
                  });
          return answered.isEmpty()
              ? "no"
              : answered.size() == ways.size() ? "yes" : answered.toString();
        });
  }

  /** Where the server's port 80 is published; 80 if it is not. */
  private int hostPort(String sandbox, Protocol protocol) {
    return agent.publisher().published().stream()
        .map(PublishedMapping::mapping)
        .filter(one -> one.protocol() == protocol)
        .filter(one -> one.sandbox().filter(name -> name.text().equals(sandbox)).isPresent())
        .mapToInt(one -> one.hostPorts().first())
        .findFirst()
        .orElse(80);
  }
}
