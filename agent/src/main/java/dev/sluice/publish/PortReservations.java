package dev.sluice.publish;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.model.HostBinding;
import dev.sluice.model.Precedence;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Holds the host ports of published mappings with bound sockets, so that no process of the host can
 * take a port whose traffic goes to a container, and a port somebody has is never published over.
 *
 * <p>The sockets are bound and do not listen, unless the userland proxy does so on them: ss and
 * netstat do not show them. Beyond a budget of descriptors, and for ranges of more than {@value
 * #LARGEST_HELD_RANGE} ports, a port is only probed: bound and released again.
 *
 * <p>An exact address and every address of the same port exclude each other for the kernel's
 * sockets, while the table knows which goes first ({@link Precedence}). Where all are ours one
 * socket holds for all: the one of every address.
 *
 * <p>Thread-safe.
 */
public final class PortReservations implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PortReservations.class);

  // bits/socket.h, asm-generic/socket.h, linux/in.h, linux/in6.h
  static final int AF_INET = 2;
  static final int AF_INET6 = 10;
  static final int SOCK_STREAM = 1;
  static final int SOCK_DGRAM = 2;
  static final int SOCK_SEQPACKET = 5;
  static final int SOCK_CLOEXEC = 0x80000;
  static final int SOL_SOCKET = 1;
  static final int SO_REUSEADDR = 2;
  static final int SO_RCVBUF = 8;
  static final int SO_REUSEPORT = 15;
  static final int IPPROTO_IPV6 = 41;
  static final int IPV6_V6ONLY = 26;
  static final int IPPROTO_SCTP = 132;

  // linux/fcntl.h
  private static final int F_DUPFD_CLOEXEC = 1030;

  private static final int SOCKADDR_BYTES = 28;

  /** Ports the kernel may offer of which each turns out to be ours before we give up. */
  private static final int CHOICE_ATTEMPTS = 64;

  /** Ports of one range that are held; a larger one is probed. */
  public static final int LARGEST_HELD_RANGE = 1024;

  private final int descriptorBudget;
  private final Map<PortKey, Holders> held = new HashMap<>();
  private final NativeBuffer socketAddress = NativeBuffer.allocate(SOCKADDR_BYTES);
  private final NativeBuffer addressLength = NativeBuffer.allocate(Integer.BYTES);
  // Whose ports are listened on, on copies of them.
  private final Set<Integer> lent = new HashSet<>();
  private int descriptors;
  private Yielding yielding = (protocol, port) -> false;

  /** Who listens on IPv6 ports only as long as nobody else wants them. */
  interface Yielding {
    /**
     * Gives the port up at once.
     *
     * @return whether it had it
     */
    boolean giveWay(Protocol protocol, int port);
  }

  private record PortKey(Protocol protocol, Family family, int port) {}

  /** Who holds a port: a socket for every address, or one each for exact addresses. */
  private static final class Holders {
    /** Descriptor for every address; -1 if there is none. */
    int any = -1;

    /** What every address is reserved for: nothing, ANY, RANGE or both. */
    final Set<Precedence> wide = EnumSet.noneOf(Precedence.class);

    /** Exact addresses and their descriptors; -1 where the socket of every address holds for it. */
    final Map<IpAddress, Integer> exact = new HashMap<>(2);

    boolean isReserved(HostBinding binding) {
      return binding.address().map(exact::containsKey).orElse(wide.contains(binding.precedence()));
    }
  }

  /**
   * @param descriptorBudget most sockets to hold
   */
  public PortReservations(int descriptorBudget) {
    this.descriptorBudget = descriptorBudget;
  }

  /**
   * Reserves every port of the binding, or none.
   *
   * @throws PortTakenException if a process of this host has one of them
   * @throws PublishException if the host does not have the address
   */
  public synchronized void reserve(HostBinding binding) {
    boolean hold = binding.ports().size() <= LARGEST_HELD_RANGE;
    int port = binding.ports().first();
    try {
      for (; port <= binding.ports().last(); port++) {
        reserve(binding, port, hold);
      }
    } catch (PortTakenException | PublishException | SystemCallException e) {
      if (port > binding.ports().first()) {
        release(binding.withPorts(new PortRange(binding.ports().first(), port - 1)));
      }
      throw e;
    }
  }

  /**
   * Reserves a port the kernel chooses.
   *
   * @return the port
   * @throws PublishException if it has none left
   */
  public synchronized int reserveAny(
      Protocol protocol, Family family, Optional<IpAddress> address) {
    HostBinding probe = new HostBinding(protocol, family, address, new PortRange(1, 1));
    // Ours, but only probed: held until another is found, or the kernel may offer it again.
    List<Integer> setAside = new ArrayList<>();
    try {
      while (setAside.size() < CHOICE_ATTEMPTS) {
        int fd = bind(probe, 0);
        if (fd < 0) {
          throw new PublishException(
              PublishException.Kind.UNAVAILABLE,
              "this kernel has no " + protocol + " sockets to find a free port with: name one");
        }
        int port = boundPort(fd);
        PortKey key = new PortKey(protocol, family, port);
        Holders holders = held.get(key);
        if (holders != null && holders.isReserved(probe)) {
          setAside.add(fd);
          continue;
        }
        keep(held.computeIfAbsent(key, k -> new Holders()), probe, fd, true);
        return port;
      }
      throw noneLeft(null);
    } catch (PortTakenException e) {
      throw noneLeft(e);
    } finally {
      setAside.forEach(Sys::close);
    }
  }

  private static PublishException noneLeft(@Nullable Throwable cause) {
    return new PublishException(
        PublishException.Kind.CONFLICT,
        "no host port is left of those the kernel chooses from (net.ipv4.ip_local_port_range):"
            + " name one",
        cause);
  }

  /** Gives the ports of the binding back. What was not reserved is ignored. */
  public synchronized void release(HostBinding binding) {
    for (int port = binding.ports().first(); port <= binding.ports().last(); port++) {
      PortKey key = new PortKey(binding.protocol(), binding.family(), port);
      Holders holders = held.get(key);
      if (holders == null) {
        continue;
      }
      if (binding.address().isPresent()) {
        Integer fd = holders.exact.remove(binding.address().get());
        if (fd != null) {
          close(fd);
        }
      } else if (holders.wide.remove(binding.precedence()) && holders.wide.isEmpty()) {
        releaseWide(holders, binding, port);
      }
      if (holders.wide.isEmpty() && holders.exact.isEmpty()) {
        held.remove(key);
      }
    }
  }

  /** Asks {@code other} for IPv6 ports that are taken. */
  synchronized void preferredTo(Yielding other) {
    yielding = other;
  }

  /**
   * A socket on a port that is reserved for the binding, to be listened on.
   *
   * @return its descriptor, which the caller closes
   * @throws PortTakenException if a process of this host has the port
   */
  synchronized int reservedSocket(HostBinding binding, int port) {
    Holders holders = held.get(new PortKey(binding.protocol(), binding.family(), port));
    int any = holders == null ? -1 : holders.any;
    int own =
        holders == null
            ? -1
            : binding.address().map(one -> holders.exact.getOrDefault(one, -1)).orElse(any);
    if (own < 0) {
      // Not held, or by the socket of every address: then beside that.
      own = bind(binding, port, any < 0 ? List.of() : List.of(any));
      if (holders == null || binding.address().isEmpty()) {
        return own;
      }
      descriptors++;
      holders.exact.put(binding.address().get(), own);
    }
    lent.add(own);
    return SystemCallException.check(
        Sys.fcntl(own, F_DUPFD_CLOEXEC, 0), "copy the socket of " + binding);
  }

  /**
   * A socket on a port that is not reserved.
   *
   * @return its descriptor, which the caller closes; negative if the kernel lacks the protocol
   * @throws PortTakenException if a process of this host, or one of our sockets, has the port
   * @throws PublishException if the host does not have the address
   */
  synchronized int unreservedSocket(HostBinding binding, int port) {
    return tryBind(binding, port, List.of());
  }

  /** How many sockets are held. */
  public synchronized int descriptors() {
    return descriptors;
  }

  @Override
  public synchronized void close() {
    for (Holders holders : held.values()) {
      close(holders.any);
      holders.exact.values().forEach(this::close);
    }
    held.clear();
  }

  private void reserve(HostBinding binding, int port, boolean hold) {
    PortKey key = new PortKey(binding.protocol(), binding.family(), port);
    Holders holders = held.get(key);
    if (holders == null) {
      holders = new Holders();
      keep(holders, binding, bind(binding, port), hold);
      held.put(key, holders);
      return;
    }
    if (holders.isReserved(binding)) {
      throw new PortTakenException(binding, port, true);
    }
    if (binding.address().isPresent()) {
      // Where the socket of every address is ours, it holds for this one too.
      int fd = holders.any < 0 ? bind(binding, port) : -1;
      keep(holders, binding, fd, hold);
      return;
    }
    if (holders.any >= 0) {
      // Our own socket holds the port already, for the mapping that goes first or comes after.
      holders.wide.add(binding.precedence());
    } else {
      replaceExactByWide(holders, binding, port, hold);
    }
  }

  /**
   * Our own exact sockets are in the way of the one for every address, which then holds for them,
   * unless they are listened on.
   */
  private void replaceExactByWide(Holders holders, HostBinding binding, int port, boolean hold) {
    List<Integer> exact = holders.exact.values().stream().filter(fd -> fd >= 0).toList();
    int wide = bind(binding, port, exact);
    for (Map.Entry<IpAddress, Integer> entry : holders.exact.entrySet()) {
      if (!lent.contains(entry.getValue())) {
        close(entry.getValue());
        entry.setValue(-1);
      }
    }
    keep(holders, binding, wide, hold);
  }

  private void releaseWide(Holders holders, HostBinding binding, int port) {
    close(holders.any);
    holders.any = -1;
    rebindExact(holders, binding, port);
  }

  /**
   * Best effort: the table keeps the mapping even if somebody takes the port in this moment, or the
   * address has left the host.
   */
  private void rebindExact(Holders holders, HostBinding binding, int port) {
    for (Map.Entry<IpAddress, Integer> entry : holders.exact.entrySet()) {
      if (entry.getValue() >= 0) {
        continue;
      }
      HostBinding exact =
          new HostBinding(
              binding.protocol(),
              binding.family(),
              Optional.of(entry.getKey()),
              new PortRange(port, port));
      try {
        keep(holders, exact, bind(exact, port), true);
      } catch (PortTakenException | PublishException | SystemCallException e) {
        LOG.warn("{} stays published but cannot be held: {}", exact, e.getMessage());
        entry.setValue(-1);
      }
    }
  }

  private void keep(Holders holders, HostBinding binding, int fd, boolean hold) {
    int kept = fd;
    if (fd >= 0) {
      descriptors++;
      if (!hold || descriptors > descriptorBudget) {
        close(fd);
        kept = -1;
      }
    }
    if (binding.address().isPresent()) {
      holders.exact.put(binding.address().get(), kept);
    } else {
      holders.any = kept;
      holders.wide.add(binding.precedence());
    }
  }

  private void close(int fd) {
    if (fd >= 0) {
      Sys.close(fd);
      lent.remove(fd);
      descriptors--;
    }
  }

  private int bind(HostBinding binding, int port) {
    return bind(binding, port, List.of());
  }

  private int bind(HostBinding binding, int port, List<Integer> beside) {
    try {
      return tryBind(binding, port, beside);
    } catch (PortTakenException e) {
      if (binding.family() == Family.IPV6 && yielding.giveWay(binding.protocol(), port)) {
        return tryBind(binding, port, beside);
      }
      throw e;
    }
  }

  /**
   * Binds a socket.
   *
   * @param beside sockets of ours on the same port that are not to be in the way
   * @return its descriptor, negative if the kernel lacks the protocol
   */
  private int tryBind(HostBinding binding, int port, List<Integer> beside) {
    boolean ipv4 = binding.family() == Family.IPV4;
    int type =
        switch (binding.protocol()) {
          case UDP -> SOCK_DGRAM;
          case SCTP -> SOCK_SEQPACKET;
          default -> SOCK_STREAM;
        };
    int protocol = binding.protocol() == Protocol.SCTP ? IPPROTO_SCTP : 0;
    int fd = Sys.socket(ipv4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, protocol);
    if (fd == -Errno.EPROTONOSUPPORT || fd == -Errno.ESOCKTNOSUPPORT || fd == -Errno.EAFNOSUPPORT) {
      // A kernel without the protocol has nobody who could listen on it either.
      return -1;
    }
    if (fd == -Errno.EMFILE) {
      throw new SystemCallException("open one more socket (raise the limit of open files)", -fd);
    }
    SystemCallException.check(fd, "open a socket for " + binding);
    if (!beside.isEmpty()) {
      // Of sockets that all say so, one on an exact address goes before one on every address.
      beside.forEach(PortReservations::sharePort);
      sharePort(fd);
    }
    int result = configureAndBind(fd, binding, port, ipv4);
    if (result < 0) {
      Sys.close(fd);
      if (result == -Errno.EADDRINUSE) {
        throw new PortTakenException(binding, port, false);
      }
      if (result == -Errno.EADDRNOTAVAIL) {
        throw new PublishException(
            PublishException.Kind.INVALID,
            binding.addressOrAny()
                + " is not an address of this host: give one that is, or none to publish on all of"
                + " them");
      }
      throw new SystemCallException("bind " + binding, -result);
    }
    return fd;
  }

  private static void sharePort(int fd) {
    SystemCallException.check(
        Sys.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1), "share a port among our sockets");
  }

  private int configureAndBind(int fd, HostBinding binding, int port, boolean ipv4) {
    boolean stream = binding.protocol() == Protocol.TCP;
    int result;
    if (stream) {
      // A port whose last connections are in TIME_WAIT is free.
      result = Sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    } else {
      // Whatever the translation does not take would queue up in a socket that nobody reads.
      result = Sys.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, 0);
    }
    if (result >= 0 && !ipv4) {
      // Otherwise it would hold the port of IPv4 as well.
      result = Sys.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (result >= 0) {
      result = Sys.bind(fd, socketAddress, writeAddress(binding, port));
    }
    if (result >= 0 && stream) {
      // Nobody else is to share it.
      result = Sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 0);
    }
    return result;
  }

  /**
   * struct sockaddr_in or sockaddr_in6: family in host order, port and address in network order.
   */
  private int writeAddress(HostBinding binding, int port) {
    ByteBuffer address = socketAddress.bytes();
    for (int i = 0; i < SOCKADDR_BYTES; i++) {
      address.put(i, (byte) 0);
    }
    boolean ipv4 = binding.family() == Family.IPV4;
    address.putShort(0, (short) (ipv4 ? AF_INET : AF_INET6));
    address.put(2, (byte) (port >>> 8)).put(3, (byte) port);
    address.put(ipv4 ? 4 : 8, binding.addressOrAny().toBytes());
    return ipv4 ? 16 : SOCKADDR_BYTES;
  }

  private int boundPort(int fd) {
    addressLength.bytes().putInt(0, SOCKADDR_BYTES);
    SystemCallException.check(
        Sys.getsockname(fd, socketAddress, addressLength), "read a socket's port");
    ByteBuffer address = socketAddress.bytes();
    return (address.get(2) & 0xff) << 8 | (address.get(3) & 0xff);
  }
}
