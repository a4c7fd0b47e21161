package dev.sluice.conntrack;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.ShimLibrary;
import dev.sluice.ffi.Sys;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.NetworkNamespace;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.LongToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Conntrack events of one network namespace: a subscription, the thread in C that drains it, and
 * the {@link EventRing} it drains into. Needs CAP_NET_ADMIN in the namespace.
 *
 * <p>Close it when done: an open source keeps its thread and its memory, even if nobody refers to
 * it any more.
 */
public final class EventSource implements AutoCloseable {
  /**
   * The thread in C writes to memory that belongs to Java: what is open must not be collected with
   * the last reference to it.
   */
  private static final Set<EventSource> OPEN = ConcurrentHashMap.newKeySet();

  private static final int SIZEOF_HANDLE = 8;

  private final ShimLibrary shim;
  private final NativeBuffer memory;
  private final EventRing ring;

  /** Read side: the handle is in use. Write side: it is freed. */
  private final ReentrantReadWriteLock handleLock = new ReentrantReadWriteLock();

  private long handle;
  private @Nullable EventStats finalStats;

  private EventSource(ShimLibrary shim, NativeBuffer memory, long handle) {
    this.shim = shim;
    this.memory = memory;
    this.handle = handle;
    this.ring = new EventRing(memory, this::await);
  }

  /** Subscribes in the calling thread's namespace. */
  public static EventSource open(EventOptions options) {
    return open(options, openSocket());
  }

  /** Subscribes in {@code namespace}. */
  public static EventSource open(NetworkNamespace namespace, EventOptions options) {
    return open(options, openSocket(namespace));
  }

  static int openSocket(NetworkNamespace namespace) {
    try {
      return namespace.call(EventSource::openSocket);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("interrupted while opening a socket in " + namespace, e);
    }
  }

  static int openSocket() {
    return SystemCallException.check(
        Sys.socket(
            LinuxNetlink.AF_NETLINK,
            LinuxNetlink.SOCK_RAW | LinuxNetlink.SOCK_CLOEXEC,
            LinuxNetlink.NETLINK_NETFILTER),
        "open a netlink socket for conntrack");
  }

  private static EventSource open(EventOptions options, int fd) {
    boolean taken = false;
    try {
      ShimLibrary shim = ShimLibrary.load();
      requireLayouts(shim);
      NativeBuffer memory =
          NativeBuffer.allocateAligned(
              Math.toIntExact(shim.ringBytes(options.ringSlots())), EventRingDescriptor.ALIGNMENT);
      NativeBuffer handleOut = NativeBuffer.allocate(SIZEOF_HANDLE);
      int result =
          shim.eventsOpen(
              fd,
              memory,
              options.latencyMicros(),
              options.receiveBufferBytes(),
              options.maxReceiveBufferBytes(),
              options.reliable(),
              handleOut);
      if (result < 0) {
        throw shim.failure("subscribe to conntrack events", result);
      }
      taken = true;
      EventSource source = new EventSource(shim, memory, handleOut.bytes().getLong(0));
      OPEN.add(source);
      return source;
    } finally {
      if (!taken) {
        Sys.close(fd);
      }
    }
  }

  /** Refuses a library whose structures are not those that this package reads. */
  static void requireLayouts(ShimLibrary shim) {
    shim.requireLayout(EventRingDescriptor.LAYOUT);
    shim.requireLayout(FlowRecordDescriptor.LAYOUT);
    shim.requireLayout(GapRecordDescriptor.LAYOUT);
    shim.requireLayout(EventStats.LAYOUT);
  }

  /** Where the events arrive. */
  public EventRing ring() {
    return ring;
  }

  /** The counters, from any thread; after the end, those of the end. */
  public EventStats stats() {
    handleLock.readLock().lock();
    try {
      EventStats last = finalStats;
      return last != null ? last : readStats();
    } finally {
      handleLock.readLock().unlock();
    }
  }

  /**
   * Makes the thread read what the kernel has queued at this moment, then wakes the reader; {@link
   * EventRing#drainedNanos} tells when that was. From any thread; does nothing after the end.
   */
  public void sync() {
    whileOpen("ask the conntrack event thread how far it is", shim::eventsSync);
  }

  /** Enters or leaves reliable mode, see {@link EventOptions#reliable}. From any thread. */
  public void reliable(boolean on) {
    whileOpen("change the mode of conntrack events", open -> shim.eventsReliable(open, on));
  }

  private void whileOpen(String attempted, LongToIntFunction call) {
    handleLock.readLock().lock();
    try {
      int result = handle == 0 ? 0 : call.applyAsInt(handle);
      if (result < 0) {
        throw shim.failure(attempted, result);
      }
    } finally {
      handleLock.readLock().unlock();
    }
  }

  /**
   * Ends the subscription and the thread: what the kernel has queued is drained first, what was
   * lost becomes a gap. The records stay readable; {@link EventRing#await} says when all are read.
   * From any thread; does nothing the second time.
   */
  public void stop() {
    whileOpen("stop the conntrack event thread", shim::eventsStop);
  }

  /**
   * Stops and frees everything but the records, which the reader can still read. From any thread; a
   * reader that waits is woken. Does nothing the second time.
   */
  @Override
  public void close() {
    // The thread has ended before the handle is freed, and a waiting reader has left C.
    stop();
    handleLock.writeLock().lock();
    try {
      if (handle == 0) {
        return;
      }
      finalStats = readStats();
      int result = shim.eventsClose(handle);
      if (result < 0) {
        throw shim.failure("close the conntrack event thread", result);
      }
      handle = 0;
      OPEN.remove(this);
    } finally {
      handleLock.writeLock().unlock();
    }
  }

  private EventRing.Readiness await(int timeoutMillis) {
    handleLock.readLock().lock();
    try {
      if (handle == 0) {
        return EventRing.Readiness.ENDED;
      }
      int result = shim.ringWait(handle, timeoutMillis);
      if (result < 0 && result != -Errno.ESHUTDOWN) {
        throw shim.failure("go on reading conntrack events", result);
      }
      return result > 0
          ? EventRing.Readiness.READY
          : result == 0 ? EventRing.Readiness.TIMEOUT : EventRing.Readiness.ENDED;
    } finally {
      handleLock.readLock().unlock();
    }
  }

  private EventStats readStats() {
    NativeBuffer counters = NativeBuffer.allocate(EventStats.BYTES);
    int result = shim.eventsStats(handle, counters);
    if (result < 0) {
      throw shim.failure("read the counters of the conntrack event thread", result);
    }
    return EventStats.read(counters.bytes());
  }

  @Override
  public String toString() {
    return "EventSource[ring=" + ring.capacity() + " slots, " + memory.capacity() + " bytes]";
  }
}
