package dev.sluice.bench.reach;

import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** A client, a host, and a server behind a bridge of the host: three network namespaces. */
public final class Topology implements AutoCloseable {
  /** The host, as the client calls it. */
  public static final String HOST = "198.18.0.1";

  static final String HOST6 = "fd00:198:18::1";

  /** The server, which has no IPv6 address. */
  static final String SERVER = BenchNamespace.TARGET;

  private static final String CLIENT_SETUP =
      """
      ip link add eth0 type veth peer name up0 netns "$1"
      ip address add 198.18.0.2/24 dev eth0
      ip address add fd00:198:18::2/64 dev eth0 nodad
      ip link set eth0 up
      ip route add 172.30.0.0/24 via 198.18.0.1
      # A port is free again when its connection has ended.
      echo 0 >/proc/sys/net/ipv4/tcp_max_tw_buckets
      """;

  private static final String HOST_SETUP =
      """
      ip address add %s/24 dev up0
      ip address add %s/64 dev up0 nodad
      ip link set up0 up
      ip link set far0 netns "$1"
      echo 1 >/proc/sys/net/ipv4/ip_forward
      """
          .formatted(HOST, HOST6);

  private static final String SERVER_SETUP =
      """
      ip address add %s/24 dev far0
      ip link set far0 up
      ip route add default via 172.30.0.1
      """
          .formatted(SERVER);

  private final List<BenchNamespace> namespaces = new ArrayList<>();
  private final List<Path> identities = new ArrayList<>();

  private Topology() {}

  public static Topology open() throws IOException, InterruptedException {
    Topology topology = new Topology();
    try {
      topology.add(BenchNamespace.openBare());
      topology.add(BenchNamespace.open());
      topology.add(BenchNamespace.openBare());
      run(topology.client(), CLIENT_SETUP, topology.host());
      run(topology.host(), HOST_SETUP, topology.server());
      run(topology.server(), SERVER_SETUP, topology.server());
      return topology;
    } catch (IOException | InterruptedException | RuntimeException e) {
      topology.namespaces.forEach(BenchNamespace::close);
      throw e;
    }
  }

  private void add(BenchNamespace namespace) throws IOException {
    namespaces.add(namespace);
    identities.add(Files.readSymbolicLink(Path.of(namespace.path())));
  }

  private static void run(BenchNamespace where, String script, BenchNamespace peer)
      throws IOException, InterruptedException {
    Workbench.output(where.inside(List.of("sh", "-ec", script, "sh", "" + peer.pid())));
  }

  public BenchNamespace client() {
    return namespaces.get(0);
  }

  public BenchNamespace host() {
    return namespaces.get(1);
  }

  BenchNamespace server() {
    return namespaces.get(2);
  }

  /**
   * Ends the namespaces.
   *
   * @throws IOException if a process is still in one of them
   */
  @Override
  public void close() throws IOException {
    namespaces.forEach(BenchNamespace::close);
    try (Stream<Path> processes = Files.list(Path.of("/proc"))) {
      List<String> left =
          processes
              .map(process -> process.resolve("ns/net"))
              .filter(Files::isSymbolicLink)
              .filter(this::isOurs)
              .map(Path::toString)
              .toList();
      if (!left.isEmpty()) {
        throw new IOException("processes are left in a namespace of the benchmark: " + left);
      }
    }
  }

  private boolean isOurs(Path namespace) {
    try {
      return identities.contains(Files.readSymbolicLink(namespace));
    } catch (IOException e) {
      return false; // The process has ended meanwhile.
    }
  }
}
