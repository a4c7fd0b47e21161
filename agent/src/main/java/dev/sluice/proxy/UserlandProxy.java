package dev.sluice.proxy;

import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.ShimException;
import dev.sluice.ffi.ShimHandle;
import dev.sluice.ffi.ShimLibrary;
import dev.sluice.net.Family;
import dev.sluice.net.SocketAddr;
import java.nio.ByteBuffer;

/**
 * Listens on sockets and carries what comes to containers and back: TCP and UDP, in either family.
 * It lives, and connects to the containers, in the network namespace of the thread that opened it.
 *
 * <p>Its connections, of two descriptors each, do not count against the limit of this process: its
 * threads have tables of their own. Closing it ends them all.
 *
 * <p>Thread-safe.
 */
public final class UserlandProxy implements AutoCloseable {
  // sluice.h
  private static final int SLUICE_PROXY_TARGET_BYTES = 32;
  private static final int SLUICE_PROXY_HEADER = 1;
  private static final int SLUICE_PROXY_CUT = 2;

  // bits/socket.h
  private static final short AF_INET = 2;
  private static final short AF_INET6 = 10;

  /** Of struct sockaddr_in and sockaddr_in6: behind family and port, and behind the flow label. */
  private static final int IPV4_ADDRESS_OFFSET = 4;

  private static final int IPV6_ADDRESS_OFFSET = 8;
  private static final int WEIGHT_OFFSET = 28;

  private final ShimLibrary shim;
  private final NativeBuffer targets =
      NativeBuffer.allocate(Route.MAX_TARGETS * SLUICE_PROXY_TARGET_BYTES);

  private final ShimHandle<ProxyStatistics> handle;
  private long lastId;

  private UserlandProxy(ShimLibrary shim, NativeBuffer handleOut) {
    this.shim = shim;
    this.handle =
        new ShimHandle<>(
            shim,
            "the userland proxy",
            handleOut,
            opened -> readStatistics(shim, opened),
            ProxyStatistics.NONE,
            shim::proxyClose);
  }

  /**
   * Starts it in the calling thread's network namespace.
   *
   * @param threads 1 to 8; each serves about half as many connections as a process may have
   *     descriptors (RLIMIT_NOFILE), the second when the first is full
   * @throws ShimException if the system refuses a thread, memory or a descriptor
   */
  public static UserlandProxy open(int threads) {
    ShimLibrary shim = ShimLibrary.load();
    shim.requireLayout(ProxyStatistics.LAYOUT);
    NativeBuffer handleOut = NativeBuffer.allocate(ShimHandle.BYTES);
    int result = shim.proxyOpen(threads, handleOut);
    if (result < 0) {
      throw shim.failure("start the userland proxy", result);
    }
    return new UserlandProxy(shim, handleOut);
  }

  /**
   * Listens on a bound TCP or UDP socket, which stays the caller's: he may close it at once.
   *
   * @return by which the other methods know it
   * @throws ShimException if another socket listens on the port already (EADDRINUSE), or there is
   *     no place for one more (EMFILE)
   */
  public synchronized long listen(int fd, Route route) {
    long id = ++lastId;
    write(route);
    int flags = route.header() ? SLUICE_PROXY_HEADER : 0;
    handle.call(
        "listen for connections to a container",
        opened ->
            shim.proxyListen(
                opened, id, fd, targets, route.targets().size(), route.choice().number, flags));
    return id;
  }

  /**
   * Leads new connections somewhere else.
   *
   * @param cut whether those that are open end
   */
  public synchronized void retarget(long id, Route route, boolean cut) {
    write(route);
    int flags = (route.header() ? SLUICE_PROXY_HEADER : 0) | (cut ? SLUICE_PROXY_CUT : 0);
    handle.call(
        "lead connections to another container",
        opened ->
            shim.proxyRetarget(
                opened, id, targets, route.targets().size(), route.choice().number, flags));
  }

  /**
   * Listens no longer. It may be called again, to cut connections that were to live on; what is
   * unknown is ignored.
   *
   * @param cut whether connections that are open end
   */
  public void remove(long id, boolean cut) {
    handle.call(
        "listen no longer", opened -> shim.proxyRemove(opened, id, cut ? SLUICE_PROXY_CUT : 0));
  }

  /**
   * Waits until everything that was asked for is done: necessary before the port of a removed
   * socket is used otherwise.
   *
   * @throws ShimException if the descriptors did not suffice for a socket that was to be listened
   *     on since the last call
   */
  public void sync() {
    handle.call("listen for connections to a container", shim::proxySync);
  }

  /** The counters; after the end, those of the end. */
  public ProxyStatistics statistics() {
    return handle.counters();
  }

  private static ProxyStatistics readStatistics(ShimLibrary shim, long handle) {
    NativeBuffer buffer = NativeBuffer.allocate(ProxyStatistics.BYTES);
    int result = shim.proxyStats(handle, buffer);
    if (result < 0) {
      throw shim.failure("read the counters of the userland proxy", result);
    }
    return ProxyStatistics.read(buffer.bytes());
  }

  @Override
  public void close() {
    handle.close();
  }

  /** Family in host order, port and address in network order, weight in host order. */
  private void write(Route route) {
    ByteBuffer bytes = targets.bytes();
    int at = 0;
    for (Route.Target target : route.targets()) {
      SocketAddr end = target.address();
      boolean ipv4 = end.address().family() == Family.IPV4;
      for (int i = 0; i < SLUICE_PROXY_TARGET_BYTES; i++) {
        bytes.put(at + i, (byte) 0);
      }
      bytes.putShort(at, ipv4 ? AF_INET : AF_INET6);
      bytes.put(at + 2, (byte) (end.port() >>> 8)).put(at + 3, (byte) end.port());
      bytes.put(at + (ipv4 ? IPV4_ADDRESS_OFFSET : IPV6_ADDRESS_OFFSET), end.address().toBytes());
      bytes.putInt(at + WEIGHT_OFFSET, target.weight());
      at += SLUICE_PROXY_TARGET_BYTES;
    }
  }
}
