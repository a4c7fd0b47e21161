package dev.sluice.testing;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import tools.jackson.databind.JsonNode;

/**
 * A host that publishes ports, its containers, and the world outside, each in a namespace of its
 * own.
 *
 * <pre>
 *  client ── 198.18.0.0/24 ── out0 ┐      ┌ br0 172.30.0.1 ── c1 172.30.0.2, c2 172.30.0.3
 *  .2 .3                    .1 .77 │ host ├ br1 172.31.0.1 ── c3 172.31.0.2   (a second network)
 *  attacker ─ 198.18.1.0/24 ─ out1 ┘      └ br2 10.99.0.1  ── c4 10.99.0.2    (a routed network)
 *  .2                       .1 .77
 * </pre>
 *
 * <p>IPv6 beside it: {@code 2001:db8:18::/64}, {@code 2001:db8:19::/64} outside, {@code fd30::/64},
 * {@code fd31::/64}, {@code 2001:db8:99::/64} inside, with the same last digits. The host is
 * everybody's default gateway. On the host, the wire to container {@code cN} is {@code vcN};
 * everywhere else the device is {@code eth0}.
 *
 * <p>Containers and the attacker serve TCP 80, 8080, 7000–7009 and UDP 53, 80; the host serves TCP
 * 5000 (as {@code hostsvc}).
 */
public final class Lab implements AutoCloseable {

  public static final String CLIENT = "198.18.0.2";

  /** The client's second address. */
  public static final String CLIENT_2 = "198.18.0.3";

  public static final String CLIENT6 = "2001:db8:18::2";
  public static final String ATTACKER = "198.18.1.2";
  public static final String ATTACKER6 = "2001:db8:19::2";

  /** The host's address on the client's side. */
  public static final String HOST = "198.18.0.1";

  public static final String HOST6 = "2001:db8:18::1";

  /** The host's second address on the client's side. */
  public static final String HOST_2 = "198.18.0.77";

  public static final String HOST6_2 = "2001:db8:18::77";

  /** The host's address on the attacker's side. */
  public static final String HOST_OUTER = "198.18.1.1";

  public static final String HOST6_OUTER = "2001:db8:19::1";
  public static final String C1 = "172.30.0.2";
  public static final String C1_6 = "fd30::2";
  public static final String C2 = "172.30.0.3";
  public static final String C2_6 = "fd30::3";
  public static final String C3 = "172.31.0.2";
  public static final String C3_6 = "fd31::2";
  public static final String C4 = "10.99.0.2";
  public static final String C4_6 = "2001:db8:99::2";

  private record Bridge(String name, int number, String address, String address6) {}

  private record Container(String name, Bridge bridge, String address, String address6) {}

  private static final Bridge BR0 = new Bridge("br0", 0, "172.30.0.1", "fd30::1");
  private static final Bridge BR1 = new Bridge("br1", 1, "172.31.0.1", "fd31::1");
  private static final Bridge BR2 = new Bridge("br2", 2, "10.99.0.1", "2001:db8:99::1");
  private static final List<Container> CONTAINERS =
      List.of(
          new Container("c1", BR0, C1, C1_6),
          new Container("c2", BR0, C2, C2_6),
          new Container("c3", BR1, C3, C3_6),
          new Container("c4", BR2, C4, C4_6));

  /** What to build. */
  public static final class Builder {
    private boolean attacker;
    private int containers = 2;
    private boolean agentConfiguresHost;
    private boolean servers = true;

    private Builder() {}

    /** Adds the attacker and its network. */
    public Builder attacker() {
      attacker = true;
      return this;
    }

    /**
     * How many of {@code c1} to {@code c4} there are, 0 to 4 (2 if not said); their bridges come
     * with them.
     */
    public Builder containers(int count) {
      if (count < 0 || count > CONTAINERS.size()) {
        throw new IllegalArgumentException(
            "containers: 0 to %d, not %d".formatted(CONTAINERS.size(), count));
      }
      containers = count;
      return this;
    }

    /**
     * Leaves to the agent what is the agent's: forwarding, {@code route_localnet}, {@code
     * accept_ra}, {@code send_redirects} and the local routes of {@code ::1} have the values of a
     * freshly booted kernel.
     */
    public Builder agentWillConfigureHost() {
      agentConfiguresHost = true;
      return this;
    }

    /** Starts no servers. */
    public Builder noServers() {
      servers = false;
      return this;
    }

    public Lab build() {
      Lab lab = new Lab();
      try {
        lab.create(this);
      } catch (RuntimeException | AssertionError e) {
        lab.close();
        throw e;
      }
      return lab;
    }
  }

  private final Map<String, Netns> nodes = new LinkedHashMap<>();

  private Lab() {}

  public static Builder builder() {
    return new Builder();
  }

  /** Client, host, {@code c1} and {@code c2} on one bridge. */
  public static Lab small() {
    return builder().build();
  }

  /** Everything in the picture. */
  public static Lab full() {
    return builder().attacker().containers(CONTAINERS.size()).build();
  }

  public Netns client() {
    return node("client");
  }

  public Netns attacker() {
    return node("attacker");
  }

  public Netns host() {
    return node("host");
  }

  public Netns c1() {
    return node("c1");
  }

  public Netns c2() {
    return node("c2");
  }

  public Netns c3() {
    return node("c3");
  }

  public Netns c4() {
    return node("c4");
  }

  private Netns node(String role) {
    Netns netns = nodes.get(role);
    if (netns == null) {
      throw new IllegalArgumentException(
          "this laboratory has no %s: it was built with %s".formatted(role, nodes.keySet()));
    }
    return netns;
  }

  private void create(Builder wanted) {
    List<Container> containers = CONTAINERS.subList(0, wanted.containers);
    List<String> roles = new ArrayList<>(List.of("host", "client"));
    if (wanted.attacker) {
      roles.add("attacker");
    }
    containers.forEach(container -> roles.add(container.name));

    // One shell for all of it: a process per command would take most of the second we have.
    Script script = new Script();
    for (String role : roles) {
      Netns netns = Netns.claim(role);
      nodes.put(role, netns);
      script.line("ip netns add " + netns.name());
      script.sysctl(netns, Netns.QUICK_IPV6);
    }
    script.sysctl(
        host(),
        "net.bridge.bridge-nf-call-iptables=0",
        "net.bridge.bridge-nf-call-ip6tables=0",
        "net.ipv4.ip_forward=" + (wanted.agentConfiguresHost ? 0 : 1),
        "net.ipv6.conf.all.forwarding=" + (wanted.agentConfiguresHost ? 0 : 1),
        "net.ipv4.conf.all.route_localnet=0",
        "net.ipv4.conf.default.route_localnet=0",
        "net.ipv6.conf.default.accept_ra=" + (wanted.agentConfiguresHost ? 1 : 0));

    List<String> host = new ArrayList<>(List.of("link set lo up"));
    List<Bridge> bridges = containers.stream().map(Container::bridge).distinct().toList();
    for (Bridge bridge : bridges) {
      host.add("link add %s type bridge".formatted(bridge.name));
      host.add("link set %s up".formatted(bridge.name));
      host.add("addr add %s/24 dev %s".formatted(bridge.address, bridge.name));
      host.add("addr add %s/64 dev %s".formatted(bridge.address6, bridge.name));
    }
    outside(host, client(), "out0", HOST, HOST_2, HOST6, HOST6_2);
    if (wanted.attacker) {
      outside(host, attacker(), "out1", HOST_OUTER, "198.18.1.77", HOST6_OUTER, "2001:db8:19::77");
    }
    for (Container container : containers) {
      String device = "v" + container.name;
      host.add(
          "link add %s type veth peer name eth0 netns %s"
              .formatted(device, node(container.name).name()));
      host.add("link set %s up master %s".formatted(device, container.bridge.name));
    }
    if (!wanted.agentConfiguresHost) {
      for (Bridge bridge : bridges) {
        // ::1 is looked up strictly by interface: a local route per bridge is for IPv6 what
        // route_localnet is for IPv4.
        host.add(
            "route add local ::1/128 dev %s table local metric %d"
                .formatted(bridge.name, 10 + bridge.number));
      }
    }
    script.ip(host(), host);
    if (!wanted.agentConfiguresHost) {
      for (Bridge bridge : bridges) {
        script.sysctl(
            host(),
            "net.ipv4.conf.%s.route_localnet=1".formatted(bridge.name),
            "net.ipv6.conf.%s.accept_ra=0".formatted(bridge.name),
            "net.ipv4.conf.%s.send_redirects=0".formatted(bridge.name));
      }
    }
    script.ip(client(), end(List.of(CLIENT, CLIENT_2), CLIENT6, HOST, HOST6));
    if (wanted.attacker) {
      script.ip(attacker(), end(List.of(ATTACKER), ATTACKER6, HOST_OUTER, HOST6_OUTER));
    }
    for (Container container : containers) {
      script.ip(
          node(container.name),
          end(
              List.of(container.address),
              container.address6,
              container.bridge.address,
              container.bridge.address6));
    }
    script.run();
    if (wanted.servers) {
      serve();
    }
  }

  private static void outside(
      List<String> host,
      Netns peer,
      String device,
      String address,
      String second,
      String address6,
      String second6) {
    host.add("link add %s type veth peer name eth0 netns %s".formatted(device, peer.name()));
    host.add("link set %s up".formatted(device));
    host.add("addr add %s/24 dev %s".formatted(address, device));
    host.add("addr add %s/24 dev %s".formatted(second, device));
    host.add("addr add %s/64 dev %s".formatted(address6, device));
    host.add("addr add %s/64 dev %s".formatted(second6, device));
  }

  private static List<String> end(
      List<String> addresses, String address6, String gateway, String gateway6) {
    List<String> lines = new ArrayList<>(List.of("link set lo up", "link set eth0 up"));
    addresses.forEach(address -> lines.add("addr add %s/24 dev eth0".formatted(address)));
    lines.add("addr add %s/64 dev eth0".formatted(address6));
    lines.add("route add default via " + gateway);
    lines.add("route add default via " + gateway6);
    return lines;
  }

  private void serve() {
    // The tools start beside each other; only then do we wait for them.
    nodes.values().forEach(Netns::traffic);
    List<CompletableFuture<JsonNode>> started = new ArrayList<>();
    nodes.forEach(
        (role, netns) -> {
          if (role.equals("host")) {
            started.add(netns.traffic().beginServe("hostsvc", "5000", ""));
          } else if (!role.equals("client")) {
            started.add(netns.traffic().beginServe(role, "80,8080,7000-7009", "53,80"));
          }
        });
    started.forEach(future -> Traffic.await("serve", future));
  }

  @Override
  public void close() {
    nodes.values().forEach(Netns::close);
  }

  /** A shell script that ends at its first failure. */
  private static final class Script {
    private final StringBuilder text = new StringBuilder("set -e\n");

    void line(String line) {
      text.append(line).append('\n');
    }

    void sysctl(Netns netns, String... assignments) {
      line("ip netns exec %s sysctl -qw %s".formatted(netns.name(), String.join(" ", assignments)));
    }

    void ip(Netns netns, List<String> lines) {
      line("ip -n %s -batch - <<END".formatted(netns.name()));
      lines.forEach(this::line);
      line("END");
    }

    void run() {
      Ran.run(text.toString(), List.of("sh")).orFail();
    }
  }
}
