package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.HostBinding;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Netns;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Host ports held against processes of the host: here a namespace with the addresses 127.0.0.1,
 * 192.0.2.1 and 192.0.2.2, and sockets of our own that play the other processes.
 */
class PortReservationsIT {
  private static final Optional<IpAddress> ANY = Optional.empty();
  private static final Optional<IpAddress> FIRST = Optional.of(IpAddress.parse("192.0.2.1"));
  private static final Optional<IpAddress> SECOND = Optional.of(IpAddress.parse("192.0.2.2"));

  @AutoClose private Netns host;
  @AutoClose private NetworkNamespace namespace;
  @AutoClose private PortReservations reservations = new PortReservations(100);

  @BeforeEach
  void build() {
    host = Netns.create("host");
    host.ip("addr add 192.0.2.1/32 dev lo", "addr add 192.0.2.2/32 dev lo");
    namespace = NetworkNamespace.open(host.path());
  }

  private <T> T inside(Callable<T> action) {
    try {
      return namespace.call(action);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static HostBinding tcp(Optional<IpAddress> address, int first, int last) {
    return new HostBinding(Protocol.TCP, Family.IPV4, address, new PortRange(first, last));
  }

  private static HostBinding tcp(Optional<IpAddress> address, int port) {
    return tcp(address, port, port);
  }

  private void reserve(HostBinding binding) {
    inside(
        () -> {
          reservations.reserve(binding);
          return null;
        });
  }

  private void release(HostBinding binding) {
    inside(
        () -> {
          reservations.release(binding);
          return null;
        });
  }

  /** What another process that listens would be told. */
  private ServerSocket listen(String address, int port) {
    return inside(
        () -> {
          ServerSocket socket = new ServerSocket();
          try {
            socket.bind(new InetSocketAddress(InetAddress.getByName(address), port));
            return socket;
          } catch (IOException e) {
            socket.close();
            throw new UncheckedIOException(e);
          }
        });
  }

  private void assertFree(String address, int port) {
    try (ServerSocket socket = listen(address, port)) {
      assertThat(socket.isBound()).isTrue();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void assertTaken(String address, int port) {
    assertThatThrownBy(() -> listen(address, port).close()).hasCauseInstanceOf(BindException.class);
  }

  private void assertRefused(HostBinding binding, int port, boolean byUs) {
    assertThatThrownBy(() -> reserve(binding))
        .isInstanceOfSatisfying(
            PortTakenException.class,
            taken -> {
              assertThat(taken.port()).isEqualTo(port);
              assertThat(taken.byUs()).isEqualTo(byUs);
            });
  }

  /**
   * Fails if the socket is closed again, bound to an address only, or left with SO_REUSEADDR, by
   * which others could share it (Java sets it on listeners, as servers do).
   */
  @Test
  void aReservedPortIsClosedToOthersUntilItIsReleased() {
    reserve(tcp(ANY, 8080));
    assertThat(reservations.descriptors()).isEqualTo(1);
    assertTaken("0.0.0.0", 8080);
    assertTaken("192.0.2.2", 8080);
    release(tcp(ANY, 8080));
    assertThat(reservations.descriptors()).isZero();
    assertFree("0.0.0.0", 8080);
  }

  /** Fails if a port somebody listens on is published over. */
  @Test
  void aListenerOfTheHostIsAConflict() throws IOException {
    try (ServerSocket listener = listen("192.0.2.1", 8080)) {
      assertRefused(tcp(ANY, listener.getLocalPort()), 8080, false);
      assertRefused(tcp(FIRST, 8080), 8080, false);
      assertThat(reservations.descriptors()).isZero();
      reserve(tcp(SECOND, 8080));
      assertThat(reservations.descriptors()).isEqualTo(1);
    }
  }

  /** Fails if TIME_WAIT blocks a port for a minute after its server has gone (SO_REUSEADDR). */
  @Test
  void aPortWithConnectionsInTimeWaitIsFree() throws IOException {
    try (ServerSocket server = listen("192.0.2.1", 8080);
        Socket client = inside(() -> new Socket(InetAddress.getByName("192.0.2.1"), 8080))) {
      server.accept().close(); // the side that closes first waits
      assertThat(client.getInputStream().read()).isEqualTo(-1);
    }
    assertThat(host.exec("ss", "-Htan", "state", "time-wait").stdout()).contains("192.0.2.1]:8080");
    reserve(tcp(ANY, 8080));
  }

  /** Fails if IPv6 sockets take the IPv4 port too (IPV6_V6ONLY), or udp and tcp are confused. */
  @Test
  void familiesAndProtocolsDoNotGetInEachOthersWay() {
    for (Family family : Family.values()) {
      for (Protocol protocol : new Protocol[] {Protocol.TCP, Protocol.UDP}) {
        reserve(new HostBinding(protocol, family, ANY, PortRange.of(8080)));
      }
    }
    assertThat(reservations.descriptors()).isEqualTo(4);
    assertThatThrownBy(
            () -> inside(() -> new DatagramSocket(8080, InetAddress.getLoopbackAddress())).close())
        .hasRootCauseInstanceOf(BindException.class);
  }

  /** Fails if our own socket of every address is a conflict for one of an exact address. */
  @Test
  void exactAfterAnySharesItsSocketAndOutlivesIt() {
    reserve(tcp(ANY, 8080));
    reserve(tcp(FIRST, 8080));
    assertThat(reservations.descriptors()).isEqualTo(1);
    assertRefused(tcp(FIRST, 8080), 8080, true);
    release(tcp(ANY, 8080));
    assertThat(reservations.descriptors()).isEqualTo(1);
    assertTaken("192.0.2.1", 8080);
    assertFree("192.0.2.2", 8080);
    release(tcp(FIRST, 8080));
    assertFree("0.0.0.0", 8080);
  }

  /** Fails if our own exact sockets are a conflict for the one of every address. */
  @Test
  void anyAfterExactReplacesTheirSockets() {
    reserve(tcp(FIRST, 8080));
    reserve(tcp(SECOND, 8080));
    assertThat(reservations.descriptors()).isEqualTo(2);
    reserve(tcp(ANY, 8080));
    assertThat(reservations.descriptors()).isEqualTo(1);
    assertRefused(tcp(ANY, 8080), 8080, true);
    release(tcp(FIRST, 8080));
    assertTaken("192.0.2.1", 8080);
    release(tcp(ANY, 8080));
    assertFree("192.0.2.1", 8080);
    assertTaken("192.0.2.2", 8080);
  }

  /** Fails if the exact sockets stay closed when the one of every address cannot be bound. */
  @Test
  void anyRefusedLeavesTheExactOnesHeld() throws IOException {
    reserve(tcp(FIRST, 8080));
    try (ServerSocket listener = listen("192.0.2.2", 8080)) {
      assertRefused(tcp(ANY, listener.getLocalPort()), 8080, false);
      assertTaken("192.0.2.1", 8080);
      assertThat(reservations.descriptors()).isEqualTo(1);
    }
  }

  /** Fails if a release stops half way because an address has left the host meanwhile. */
  @Test
  void anAddressThatIsGoneDoesNotStopARelease() {
    reserve(tcp(ANY, 8080, 8081));
    reserve(tcp(FIRST, 8080));
    host.ip("addr del 192.0.2.1/32 dev lo");
    release(tcp(ANY, 8080, 8081));
    assertThat(reservations.descriptors()).isZero();
    release(tcp(FIRST, 8080));
    assertFree("0.0.0.0", 8080);
    assertFree("0.0.0.0", 8081);
  }

  /** Fails if the ports before the one that is taken stay reserved. */
  @Test
  void aRangeIsReservedWhollyOrNotAtAll() throws IOException {
    for (int taken = 9000; taken <= 9004; taken++) {
      try (ServerSocket listener = listen("0.0.0.0", taken)) {
        assertRefused(tcp(ANY, 9000, 9004), listener.getLocalPort(), false);
        assertThat(reservations.descriptors()).isZero();
        for (int port = 9000; port <= 9004; port++) {
          if (port != taken) {
            assertFree("0.0.0.0", port);
          }
        }
      }
    }
    reserve(tcp(ANY, 9000, 9004));
    assertThat(reservations.descriptors()).isEqualTo(5);
  }

  /** Fails if more descriptors are held than allowed, or ports beyond them are not looked at. */
  @Test
  void beyondTheBudgetAPortIsProbedOnly() throws IOException {
    try (PortReservations small = new PortReservations(2)) {
      inside(
          () -> {
            small.reserve(tcp(ANY, 9000, 9003));
            return null;
          });
      assertThat(small.descriptors()).isEqualTo(2);
      assertTaken("0.0.0.0", 9001);
      assertFree("0.0.0.0", 9003);
      try (ServerSocket listener = listen("0.0.0.0", 9010)) {
        assertThatThrownBy(
                () ->
                    inside(
                        () -> {
                          small.reserve(tcp(ANY, listener.getLocalPort()));
                          return null;
                        }))
            .isInstanceOf(PortTakenException.class);
      }
      // Ours is ours, held or not.
      assertThatThrownBy(
              () ->
                  inside(
                      () -> {
                        small.reserve(tcp(ANY, 9003));
                        return null;
                      }))
          .isInstanceOf(PortTakenException.class);
    }
  }

  /** Fails if a large range takes a descriptor a port, or hides a listener inside it. */
  @Test
  void aLargeRangeIsProbedOnly() throws IOException {
    HostBinding large = tcp(ANY, 20_000, 20_000 + PortReservations.LARGEST_HELD_RANGE);
    try (ServerSocket listener = listen("127.0.0.1", 20_500)) {
      assertRefused(large, listener.getLocalPort(), false);
    }
    reserve(large);
    assertThat(reservations.descriptors()).isZero();
    assertRefused(tcp(ANY, 20_500), 20_500, true);
  }

  /** Fails if the port that was chosen is not held. */
  @Test
  void aPortTheKernelChoosesIsHeld() {
    int port = inside(() -> reservations.reserveAny(Protocol.TCP, Family.IPV4, ANY));
    assertTaken("0.0.0.0", port);
    release(tcp(ANY, port));
    assertFree("0.0.0.0", port);
  }

  /** Fails if a port that is published but only probed is given away a second time. */
  @Test
  void aPortThatIsOursIsNotChosenAgain() {
    HostBinding large = tcp(ANY, 40_000, 40_000 + PortReservations.LARGEST_HELD_RANGE);
    reserve(large);
    host.sysctl("net.ipv4.ip_local_port_range=40000 40001");
    assertThatThrownBy(() -> inside(() -> reservations.reserveAny(Protocol.TCP, Family.IPV4, ANY)))
        .isInstanceOf(PublishException.class)
        .hasMessageContaining("net.ipv4.ip_local_port_range");
    assertThat(reservations.descriptors()).isZero();
    assertRefused(tcp(ANY, 40_000), 40_000, true);
    host.sysctl("net.ipv4.ip_local_port_range=39999 40001");
    int chosen = inside(() -> reservations.reserveAny(Protocol.TCP, Family.IPV4, ANY));
    assertThat(chosen).isEqualTo(39_999);
  }

  /**
   * Fails if an address the host does not have is a matter of the kernel and not of the request.
   */
  @Test
  void anAddressTheHostDoesNotHaveIsNamed() {
    assertThatThrownBy(() -> reserve(tcp(Optional.of(IpAddress.parse("203.0.113.9")), 8080)))
        .isInstanceOfSatisfying(
            PublishException.class,
            e -> assertThat(e.kind()).isEqualTo(PublishException.Kind.INVALID))
        .hasMessage(
            "203.0.113.9 is not an address of this host: give one that is, or none to publish on all of them");
    assertThat(reservations.descriptors()).isZero();
  }
}
