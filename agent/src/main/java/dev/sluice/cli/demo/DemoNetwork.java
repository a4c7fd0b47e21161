package dev.sluice.cli.demo;

import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.route.BridgeOptions;
import dev.sluice.route.NamedNamespaces;
import dev.sluice.route.Route;
import dev.sluice.route.Rtnetlink;
import java.util.Optional;

/**
 * Four machines, each a network namespace.
 *
 * <pre>
 *   client               host                                web
 *   198.18.0.2 ───── 198.18.0.1   172.30.0.1 (br-demo) ─┬─ 172.30.0.2
 *                                                       └─ 172.30.0.3
 *                                                          sibling
 * </pre>
 */
final class DemoNetwork {
  static final String CLIENT = "198.18.0.2";
  static final String HOST = "198.18.0.1";
  static final String WEB = "172.30.0.2";
  static final String BRIDGE = "br-demo";

  private static final String BRIDGE_ADDRESS = "172.30.0.1";
  private static final String SIBLING = "172.30.0.3";
  private static final int PREFIX_BITS = 24;
  private static final Prefix EVERYWHERE = Prefix.parse("0.0.0.0/0");

  /** One of the four. */
  record Machine(String name, NetworkNamespace namespace) implements AutoCloseable {
    @Override
    public void close() {
      namespace.close();
      NamedNamespaces.system().delete(name);
    }

    @Override
    public String toString() {
      return "network namespace " + name;
    }
  }

  private final Machine client;
  private final Machine host;
  private final Machine web;
  private final Machine sibling;

  /**
   * Makes them and the wires between them.
   *
   * @param prefix what their names begin with
   */
  DemoNetwork(String prefix, Cleanup cleanup) {
    client = machine(prefix + "client", cleanup);
    host = machine(prefix + "host", cleanup);
    web = machine(prefix + "web", cleanup);
    sibling = machine(prefix + "sibling", cleanup);
    try (Rtnetlink onHost = Rtnetlink.open(host.namespace)) {
      plug(onHost, "up0", client, CLIENT, HOST);
      address(onHost, "up0", HOST);
      int bridge = onHost.createBridge(BRIDGE, BridgeOptions.DEFAULT).index();
      address(onHost, BRIDGE, BRIDGE_ADDRESS);
      plug(onHost, "to-web", web, WEB, BRIDGE_ADDRESS);
      plug(onHost, "to-sibling", sibling, SIBLING, BRIDGE_ADDRESS);
      onHost.setMaster(index(onHost, "to-web"), bridge);
      onHost.setMaster(index(onHost, "to-sibling"), bridge);
    }
  }

  Machine client() {
    return client;
  }

  Machine host() {
    return host;
  }

  Machine web() {
    return web;
  }

  Machine sibling() {
    return sibling;
  }

  private static Machine machine(String name, Cleanup cleanup) {
    Machine machine = cleanup.keep(new Machine(name, NamedNamespaces.system().create(name)));
    try (Rtnetlink inside = Rtnetlink.open(machine.namespace)) {
      inside.setUp(index(inside, "lo"), true);
    }
    return machine;
  }

  /** A wire from the host to {@code eth0} of a machine. */
  private static void plug(
      Rtnetlink onHost, String name, Machine machine, String address, String gateway) {
    int hostEnd = onHost.createVeth(name, "eth0", Optional.of(machine.namespace)).index();
    onHost.setUp(hostEnd, true);
    try (Rtnetlink inside = Rtnetlink.open(machine.namespace)) {
      address(inside, "eth0", address);
      inside.addRoute(Route.via(EVERYWHERE, IpAddress.parse(gateway)));
    }
  }

  private static void address(Rtnetlink on, String link, String address) {
    int index = index(on, link);
    on.addAddress(index, IpAddress.parse(address), PREFIX_BITS, 0);
    on.setUp(index, true);
  }

  private static int index(Rtnetlink on, String link) {
    return on.link(link).orElseThrow(() -> new DemoFailure("there is no link " + link)).index();
  }
}
