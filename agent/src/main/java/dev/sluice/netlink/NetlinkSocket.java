package dev.sluice.netlink;

import static dev.sluice.ffi.SystemCallException.check;
import static dev.sluice.netlink.LinuxNetlink.AF_NETLINK;
import static dev.sluice.netlink.LinuxNetlink.MSG_DONTWAIT;
import static dev.sluice.netlink.LinuxNetlink.MSG_TRUNC;
import static dev.sluice.netlink.LinuxNetlink.SOL_NETLINK;
import static dev.sluice.netlink.LinuxNetlink.SOL_SOCKET;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.SystemCallException;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A netlink socket. Requests go in with {@link #send}, datagrams come out with {@link #receive};
 * what they mean is {@link NetlinkClient}'s business.
 *
 * <p>Not thread-safe for concurrent receives; sending while another thread receives is fine.
 */
public final class NetlinkSocket implements NetlinkTransport {
  /** struct sockaddr_nl: family (2), pad (2), port id (4), groups (4). */
  private static final int SOCKADDR_NL_BYTES = 12;

  private static final int SOCKADDR_PORT_OFFSET = 4;

  /**
   * Index of the drop counter in SO_MEMINFO's array of u32 (SK_MEMINFO_DROPS, linux/sock_diag.h).
   */
  private static final int SK_MEMINFO_DROPS = 8;

  private final int fd;
  private final int portId;
  private final AtomicBoolean closed = new AtomicBoolean();

  private NetlinkSocket(int fd) {
    this.fd = fd;
    NativeBuffer kernel = NativeBuffer.allocate(SOCKADDR_NL_BYTES);
    kernel.bytes().putShort(0, (short) AF_NETLINK);
    int port = boundPort(fd);
    if (port == 0) {
      check(Sys.bind(fd, kernel, SOCKADDR_NL_BYTES), "bind a netlink socket");
      port = boundPort(fd);
    }
    this.portId = port;
    // Port 0 is the kernel. Any process may send to a netlink port, but once the socket is
    // connected the kernel refuses everybody else for us (netlink_getsockbyportid).
    check(Sys.connect(fd, kernel, SOCKADDR_NL_BYTES), "connect a netlink socket to the kernel");
    setOption(LinuxNetlink.NETLINK_EXT_ACK, 1);
    setOption(LinuxNetlink.NETLINK_CAP_ACK, 1);
    // Strict checking makes rtnetlink refuse filters it would otherwise ignore; absent before 4.20.
    trySetOption(LinuxNetlink.NETLINK_GET_STRICT_CHK, 1);
  }

  private static int boundPort(int fd) {
    NativeBuffer length = NativeBuffer.allocate(Integer.BYTES);
    length.bytes().putInt(0, SOCKADDR_NL_BYTES);
    NativeBuffer own = NativeBuffer.allocate(SOCKADDR_NL_BYTES);
    check(Sys.getsockname(fd, own, length), "read a netlink socket's address");
    return own.bytes().getInt(SOCKADDR_PORT_OFFSET);
  }

  /**
   * Opens a socket in the calling thread's network namespace.
   *
   * @param family NETLINK_ROUTE, NETLINK_NETFILTER
   */
  public static NetlinkSocket open(int family) {
    int fd = Sys.socket(AF_NETLINK, LinuxNetlink.SOCK_RAW | LinuxNetlink.SOCK_CLOEXEC, family);
    check(fd, "open a netlink socket of family " + family);
    try {
      return new NetlinkSocket(fd);
    } catch (RuntimeException e) {
      Sys.close(fd);
      throw e;
    }
  }

  /**
   * Takes over a socket that another process opened and this one was given. It keeps its port id;
   * what its former user asked and did not read is discarded.
   *
   * @param fd the descriptor, owned by the new object; still the caller's if this method throws
   * @param family as for {@link #open(int)}
   * @throws IllegalArgumentException if it is no netlink socket of this family that belongs to the
   *     calling thread's network namespace; the message says what it is
   */
  public static NetlinkSocket adopt(int fd, int family) {
    int domain = option(fd, LinuxNetlink.SO_DOMAIN);
    int protocol = option(fd, LinuxNetlink.SO_PROTOCOL);
    if (domain != AF_NETLINK || protocol != family) {
      throw new IllegalArgumentException(
          "descriptor "
              + fd
              + " is a socket of domain "
              + domain
              + ", protocol "
              + protocol
              + ", not of netlink family "
              + family);
    }
    long itsNamespace = namespaceCookie(fd);
    try (NetlinkSocket here = open(family)) {
      if (namespaceCookie(here.fd) != itsNamespace) {
        throw new IllegalArgumentException(
            "descriptor " + fd + " is a netlink socket of another network namespace");
      }
    }
    check(
        Sys.fcntl(fd, LinuxNetlink.F_SETFD, LinuxNetlink.FD_CLOEXEC),
        "keep a netlink socket from programs that are started");
    NetlinkSocket socket = new NetlinkSocket(fd);
    socket.discardAnswers();
    return socket;
  }

  /**
   * Reads until nothing is left. Reading also makes the kernel go on with a dump that was asked
   * for: an unfinished one would make it refuse the next (EBUSY).
   */
  private void discardAnswers() {
    NativeBuffer nowhere = NativeBuffer.allocate(Integer.BYTES);
    int result;
    do {
      result = Sys.recv(fd, nowhere.address(), 0, MSG_DONTWAIT | MSG_TRUNC);
    } while (result >= 0 || result == -Errno.EINTR || result == -Errno.ENOBUFS);
    if (result != -Errno.EAGAIN) {
      check(result, "empty a netlink socket");
    }
  }

  private static int option(int fd, int name) {
    NativeBuffer value = NativeBuffer.allocate(Integer.BYTES);
    int result = Sys.getsockopt(fd, SOL_SOCKET, name, value);
    if (result < 0) {
      throw new IllegalArgumentException(
          "descriptor " + fd + " is no socket: " + Errno.describe(-result));
    }
    return value.bytes().getInt(0);
  }

  /** What the kernel calls the socket's network namespace: a number never used twice. */
  private static long namespaceCookie(int fd) {
    try {
      return NetworkNamespace.cookieOfSocket(fd, "read a socket's network namespace");
    } catch (SystemCallException e) {
      if (e.errno() != Errno.ENOPROTOOPT) {
        throw e;
      }
      throw new IllegalArgumentException(
          "this kernel does not tell which network namespace descriptor "
              + fd
              + " belongs to (Linux 5.14 does)",
          e);
    }
  }

  /** Opens a socket that belongs to {@code namespace}. */
  public static NetlinkSocket open(int family, NetworkNamespace namespace) {
    try {
      return namespace.call(() -> open(family));
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("interrupted while opening a socket in " + namespace, e);
    }
  }

  /** The descriptor, owned by this object. */
  public int fd() {
    return fd;
  }

  @Override
  public int portId() {
    return portId;
  }

  /** Sets an int option at SOL_NETLINK. */
  public void setOption(int option, int value) {
    check(Sys.setsockopt(fd, SOL_NETLINK, option, value), "set netlink option " + option);
  }

  /** As {@link #setOption}; false if this kernel does not know the option. */
  public boolean trySetOption(int option, int value) {
    int result = Sys.setsockopt(fd, SOL_NETLINK, option, value);
    if (result == -Errno.ENOPROTOOPT) {
      return false;
    }
    check(result, "set netlink option " + option);
    return true;
  }

  /** Subscribes to a multicast group (NFNLGRP_*, RTNLGRP_*). */
  public void joinGroup(int group) {
    setOption(LinuxNetlink.NETLINK_ADD_MEMBERSHIP, group);
  }

  /**
   * Sizes the receive buffer, beyond net.core.rmem_max if the process may; the kernel doubles the
   * value.
   */
  public void receiveBuffer(int bytes) {
    if (Sys.setsockopt(fd, SOL_SOCKET, LinuxNetlink.SO_RCVBUFFORCE, bytes) < 0) {
      check(
          Sys.setsockopt(fd, SOL_SOCKET, LinuxNetlink.SO_RCVBUF, bytes),
          "set the receive buffer to " + bytes + " bytes");
    }
  }

  /** Sizes the send buffer: a batch must fit into it as one datagram. */
  public void sendBuffer(int bytes) {
    if (Sys.setsockopt(fd, SOL_SOCKET, LinuxNetlink.SO_SNDBUFFORCE, bytes) < 0) {
      check(
          Sys.setsockopt(fd, SOL_SOCKET, LinuxNetlink.SO_SNDBUF, bytes),
          "set the send buffer to " + bytes + " bytes");
    }
  }

  /**
   * Datagrams dropped because the receive buffer was full, since the socket was opened; 32 bits,
   * wrapping.
   */
  public int drops() {
    NativeBuffer memInfo = NativeBuffer.allocate(64);
    int length =
        check(
            Sys.getsockopt(fd, SOL_SOCKET, LinuxNetlink.SO_MEMINFO, memInfo),
            "read a socket's memory counters");
    return length < (SK_MEMINFO_DROPS + 1) * 4 ? 0 : memInfo.bytes().getInt(SK_MEMINFO_DROPS * 4);
  }

  @Override
  public void send(long address, int length, String operation) {
    int sent;
    do {
      sent = Sys.send(fd, address, length, 0);
    } while (sent == -Errno.EINTR);
    if (sent == -Errno.EMSGSIZE) {
      // The send buffer is smaller than the datagram: the limit is per socket, so raise it and try
      // once more.
      sendBuffer(length + (length >> 1));
      sent = Sys.send(fd, address, length, 0);
    }
    check(sent, operation);
  }

  /**
   * Waits until there is something to receive, and leaves it there.
   *
   * @param timeoutMillis 0: does not wait; negative: waits for ever
   * @return whether there is; a pending error, such as an overrun, counts
   */
  public boolean awaitReadable(int timeoutMillis) {
    int ready;
    do {
      ready = Sys.poll(fd, LinuxNetlink.POLLIN, timeoutMillis);
    } while (ready == -Errno.EINTR);
    return check(ready, "wait for a netlink message") != 0;
  }

  @Override
  public int receive(NativeBuffer buffer, int timeoutMillis) {
    while (true) {
      int length = Sys.recv(fd, buffer.address(), buffer.capacity(), MSG_DONTWAIT | MSG_TRUNC);
      if (length == -Errno.EINTR) {
        continue;
      }
      if (length == -Errno.EAGAIN) {
        if (timeoutMillis == 0) {
          return NOTHING;
        }
        int ready = Sys.poll(fd, LinuxNetlink.POLLIN, timeoutMillis);
        if (ready == -Errno.EINTR) {
          continue;
        }
        check(ready, "wait for a netlink message");
        if (ready == 0 || closed.get()) {
          return NOTHING;
        }
        continue;
      }
      if (length == -Errno.ENOBUFS) {
        return OVERRUN;
      }
      check(length, "receive a netlink message");
      if (length > buffer.capacity()) {
        throw new MalformedMessageException(
            "netlink datagram of " + length + " bytes was cut to " + buffer.capacity());
      }
      return length;
    }
  }

  @Override
  public void close() {
    // Once only, whoever comes first: by the second time the number may be another file's.
    if (closed.compareAndSet(false, true)) {
      int result = Sys.close(fd);
      if (result < 0) {
        throw new SystemCallException("close a netlink socket", -result);
      }
    }
  }
}
