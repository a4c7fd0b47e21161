package dev.sluice.fastpath;

import static dev.sluice.conntrack.LinuxNfConntrack.IPPROTO_TCP;
import static dev.sluice.nftables.uapi.LinuxNfTables.NFPROTO_IPV4;
import static dev.sluice.nftables.uapi.LinuxNfTables.NF_INET_PRE_ROUTING;

import dev.sluice.conntrack.Conntrack;
import dev.sluice.fastpath.FastPath.Attachment;
import dev.sluice.fastpath.FastPath.Way;
import dev.sluice.net.Bytes;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.Batch;
import dev.sluice.nftables.Chain;
import dev.sluice.nftables.Field;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.RuleBuilder;
import dev.sluice.nftables.Table;
import dev.sluice.nftables.TableId;
import dev.sluice.nftables.expr.Immediate;
import dev.sluice.nftables.expr.Nat;
import dev.sluice.nftables.expr.Register;
import dev.sluice.route.Link;
import dev.sluice.route.Route;
import dev.sluice.route.Rtnetlink;
import dev.sluice.route.VethOptions;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/**
 * Sends a TCP connection through a fast path of its own, in network namespaces of their own: a
 * client, a router that translates, and a container. Programs that load need not work: they know
 * the structs of the kernel only by its own description.
 *
 * <pre>
 *   client 192.0.2.2 -- outer 192.0.2.1 router 198.51.100.1 inner -- container 198.51.100.2
 * </pre>
 */
public final class SelfTest {
  private static final String CLIENT = "192.0.2.2";
  private static final String OUTER = "192.0.2.1";
  private static final String INNER = "198.51.100.1";
  private static final String CONTAINER = "198.51.100.2";
  private static final int PREFIX_BITS = 24;
  private static final int PUBLISHED_PORT = 8080;
  private static final int CONTAINER_PORT = 80;

  private static final int SOCKET_TIMEOUT_MILLIS = 2_000;
  private static final int LEARNING_SECONDS = 3;

  /** Less than what a connection takes without its reader. */
  private static final int TRANSFER_BYTES = 16 << 10;

  /** What a round trip leaves, at least. */
  private static final int PING_BYTES = 64;

  /** Each packet is looked at, however young the connection. */
  private static final FastPathSettings EAGER =
      new FastPathSettings(1_000, 1, 0, 100_000, 432_000, 120);

  private static final int DSTNAT = -100;

  /** Behind the address. */
  private static final int PORT_REGISTER = Register.at(Integer.BYTES);

  private SelfTest() {}

  /**
   * Carries out the test.
   *
   * @throws SelfTestException if it fails, or cannot be made
   */
  public static void run() {
    try (NetworkNamespace client = NetworkNamespace.create();
        NetworkNamespace router = NetworkNamespace.create();
        NetworkNamespace container = NetworkNamespace.create();
        Rtnetlink routes = Rtnetlink.open(router);
        Nftables nftables = Nftables.open(router);
        FastPath fastPath = FastPath.open(16, 16)) {
      Link outer = wire(routes, "outer", OUTER, client, CLIENT);
      Link inner = wire(routes, "inner", INNER, container, CONTAINER);
      MacAddress mac;
      try (Rtnetlink there = Rtnetlink.open(container)) {
        there.addRoute(Route.via(Prefix.parse("0.0.0.0/0"), IpAddress.parse(INNER)));
        mac = there.link("inner").flatMap(Link::mac).orElseThrow();
      }
      ContainerPort place =
          new ContainerPort(
              IpAddress.parse(CONTAINER),
              inner.index(),
              inner.index(),
              inner.mtuBytes(),
              mac,
              inner.mac().orElseThrow());
      translate(nftables);
      fastPath.configure(EAGER, true);
      router.call(
          () -> {
            Files.writeString(Path.of("/proc/sys/net/ipv4/ip_forward"), "1\n");
            fastPath.place(place);
            fastPath.attach(inner.index(), Way.OUTWARD, Attachment.ANY);
            return fastPath.attach(outer.index(), Way.INWARD, Attachment.ANY);
          });
      Liberator liberator = Liberator.start(fastPath, Conntrack.open(router));
      try {
        carry(fastPath, client, container);
      } finally {
        liberator.close();
      }
    } catch (SelfTestException e) {
      throw e;
    } catch (Exception e) {
      throw new SelfTestException("its self-test failed: " + e.getMessage(), e);
    }
  }

  private static Link wire(
      Rtnetlink routes, String name, String address, NetworkNamespace peer, String peerAddress) {
    Link link =
        routes.createVeth(VethOptions.of(name, name).withPeerNamespace(peer).withUp().withPeerUp());
    routes.addAddress(link.index(), IpAddress.parse(address), PREFIX_BITS, 0);
    try (Rtnetlink there = Rtnetlink.open(peer)) {
      Link end = there.link(name).orElseThrow();
      there.addAddress(end.index(), IpAddress.parse(peerAddress), PREFIX_BITS, 0);
    }
    return link;
  }

  /** {@code ip daddr 192.0.2.1 tcp dport 8080 dnat ip to 198.51.100.2:80}. */
  private static void translate(Nftables nftables) {
    TableId table = TableId.inet("selftest");
    Chain.Hook hook = Chain.Hook.nat(NF_INET_PRE_ROUTING, DSTNAT);
    nftables.commit(
        new Batch()
            .create(Table.of(table))
            .add(Chain.base(table, "arriving", hook))
            .add(
                RuleBuilder.in(table, "arriving")
                    .match(Field.IP_DADDR, Bytes.of(IpAddress.parse(OUTER).toBytes()))
                    .match(Field.L4PROTO, IPPROTO_TCP)
                    .match(Field.TH_DPORT, Bytes.ofU16be(PUBLISHED_PORT))
                    .with(
                        Immediate.value(
                            Register.R1, Bytes.of(IpAddress.parse(CONTAINER).toBytes())))
                    .with(Immediate.value(PORT_REGISTER, Bytes.ofU16be(CONTAINER_PORT)))
                    .with(Nat.destination(NFPROTO_IPV4, Register.R1, PORT_REGISTER))
                    .build()),
        "translate for the self-test of the fast path");
  }

  private static void carry(FastPath fastPath, NetworkNamespace client, NetworkNamespace container)
      throws Exception {
    try (ServerSocketChannel listener =
            container.call(() -> ServerSocketChannel.open(StandardProtocolFamily.INET));
        SocketChannel connection =
            client.call(() -> SocketChannel.open(StandardProtocolFamily.INET))) {
      listener.bind(new InetSocketAddress(CONTAINER, CONTAINER_PORT));
      listener.socket().setSoTimeout(SOCKET_TIMEOUT_MILLIS);
      Socket near = connection.socket();
      near.connect(new InetSocketAddress(OUTER, PUBLISHED_PORT), SOCKET_TIMEOUT_MILLIS);
      try (Socket far = listener.socket().accept()) {
        near.setTcpNoDelay(true);
        far.setTcpNoDelay(true);
        near.setSoTimeout(SOCKET_TIMEOUT_MILLIS);
        far.setSoTimeout(SOCKET_TIMEOUT_MILLIS);
        awaitCarried(fastPath, near, far);
        FastPathStatistics before = fastPath.statistics();
        exchange(near, far, TRANSFER_BYTES);
        requireGrowth(before, fastPath.statistics());
      }
    }
  }

  private static void awaitCarried(FastPath fastPath, Socket near, Socket far) throws IOException {
    long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(LEARNING_SECONDS);
    FastPathStatistics now;
    do {
      exchange(near, far, PING_BYTES);
      now = fastPath.statistics();
      if (now.of(Outcome.INWARD) > 0 && now.of(Outcome.OUTWARD) > 0) {
        return;
      }
    } while (System.nanoTime() - deadlineNanos < 0);
    throw new SelfTestException("packets of its self-test were not carried: " + mostly(now), null);
  }

  private static void requireGrowth(FastPathStatistics before, FastPathStatistics after) {
    if (after.of(Outcome.INWARD) == before.of(Outcome.INWARD)
        || after.of(Outcome.OUTWARD) == before.of(Outcome.OUTWARD)) {
      throw new SelfTestException(
          "the connection of its self-test was carried no longer: " + mostly(after), null);
    }
  }

  private static String mostly(FastPathStatistics statistics) {
    return statistics.packets().entrySet().stream()
        .filter(one -> !one.getKey().isCarried())
        .max(Comparator.comparingLong(Map.Entry::getValue))
        .filter(one -> one.getValue() > 0)
        .map(one -> one.getValue() + " packets were " + one.getKey().text())
        .orElse("the programs saw none");
  }

  /** Sends bytes there and others back. */
  private static void exchange(Socket near, Socket far, int bytes) throws IOException {
    Random random = new Random(bytes);
    send(near, far, random, bytes);
    send(far, near, random, bytes);
  }

  private static void send(Socket from, Socket to, Random random, int bytes) throws IOException {
    byte[] sent = new byte[bytes];
    random.nextBytes(sent);
    from.getOutputStream().write(sent);
    if (!Arrays.equals(to.getInputStream().readNBytes(bytes), sent)) {
      throw new SelfTestException(
          "the connection of its self-test did not bring the bytes that were sent", null);
    }
  }
}
