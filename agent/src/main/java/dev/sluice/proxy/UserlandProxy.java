package dev.sluice.proxy;

import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.ShimException;
import dev.sluice.ffi.ShimLibrary;
import dev.sluice.net.Family;
import dev.sluice.net.SocketAddr;
import java.nio.ByteBuffer;
import java.util.concurrent.locks.ReentrantReadWriteLock;

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

  private static final int SIZEOF_HANDLE = 8;

  private final ShimLibrary shim;
  private final NativeBuffer targets =
      NativeBuffer.allocate(Route.MAX_TARGETS * SLUICE_PROXY_TARGET_BYTES);

  /** Read side: the handle is in use. Write side: it is freed. */
  private final ReentrantReadWriteLock handleLock = new ReentrantReadWriteLock();

  private long handle;
  private long lastId;
  private ProxyStatistics finalStatistics = ProxyStatistics.NONE;

  private UserlandProxy(ShimLibrary shim, long handle) {
    this.shim = shim;
    this.handle = handle;
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
    NativeBuffer handleOut = NativeBuffer.allocate(SIZEOF_HANDLE);
    int result = shim.proxyOpen(threads, handleOut);
    if (result < 0) {
      throw shim.failure("start the userland proxy", result);
    }
    return new UserlandProxy(shim, handleOut.bytes().getLong(0));
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
    call(
        "listen for connections to a container",
        () ->
            shim.proxyListen(
                handle, id, fd, targets, route.targets().size(), route.choice().number, flags));
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
    call(
        "lead connections to another container",
        () ->
            shim.proxyRetarget(
                handle, id, targets, route.targets().size(), route.choice().number, flags));
  }

  /**
   * Listens no longer. It may be called again, to cut connections that were to live on; what is
   * unknown is ignored.
   *
   * @param cut whether connections that are open end
   */
  public void remove(long id, boolean cut) {
    call("listen no longer", () -> shim.proxyRemove(handle, id, cut ? SLUICE_PROXY_CUT : 0));
  }

  /**
   * Waits until everything that was asked for is done: necessary before the port of a removed
   * socket is used otherwise.
   *
   * @throws ShimException if the descriptors did not suffice for a socket that was to be listened
   *     on since the last call
   */
  public void sync() {
    call("listen for connections to a container", () -> shim.proxySync(handle));
  }

  /** The counters; after the end, those of the end. */
  public ProxyStatistics statistics() {
    handleLock.readLock().lock();
    try {
      return handle == 0 ? finalStatistics : readStatistics();
    } finally {
      handleLock.readLock().unlock();
    }
  }

  private ProxyStatistics readStatistics() {
    NativeBuffer buffer = NativeBuffer.allocate(ProxyStatistics.BYTES);
    int result = shim.proxyStats(handle, buffer);
    if (result < 0) {
      throw shim.failure("read the counters of the userland proxy", result);
    }
    return ProxyStatistics.read(buffer.bytes());
  }

  @Override
  public void close() {
    handleLock.writeLock().lock();
    try {
      if (handle != 0) {
        finalStatistics = readStatistics();
        shim.proxyClose(handle);
        handle = 0;
      }
    } finally {
      handleLock.writeLock().unlock();
    }
  }

  private interface Call {
    int run();
  }

  private void call(String attempted, Call call) {
    handleLock.readLock().lock();
    try {
      if (handle == 0) {
        throw new IllegalStateException("the userland proxy has ended");
      }
      int result = call.run();
      if (result < 0) {
        throw shim.failure(attempted, result);
      }
    } finally {
      handleLock.readLock().unlock();
    }
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
