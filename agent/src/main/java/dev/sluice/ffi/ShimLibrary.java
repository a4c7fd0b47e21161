package dev.sluice.ffi;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import jnr.ffi.LibraryLoader;
import org.jspecify.annotations.Nullable;

/**
 * libsluice.so, the part of the agent that is written in C (native/include/sluice.h). It is loaded
 * from the directory named by the system property {@value #DIRECTORY_PROPERTY}, else from {@value
 * #DEFAULT_DIRECTORY}; nothing is ever unpacked to a temporary directory.
 *
 * <p>Methods carry the names of the functions they call and return what those return, {@code
 * -errno} after a failure; {@link #failure} then tells why.
 */
public final class ShimLibrary {
  /** Names the directory that holds the library. */
  public static final String DIRECTORY_PROPERTY = "sluice.native.dir";

  public static final String DEFAULT_DIRECTORY = "/usr/lib/sluice";

  /** SLUICE_ABI_VERSION of the header this class was written for. */
  public static final int ABI_VERSION = 2;

  private static final int SLUICE_EVENTS_RELIABLE = 1;

  private static final String FILE = "libsluice.so";

  private static @Nullable ShimLibrary loaded;

  private final Path file;
  private final ShimCalls calls;

  private ShimLibrary(Path file, ShimCalls calls) {
    this.file = file;
    this.calls = calls;
  }

  /**
   * The library, loaded when first asked for.
   *
   * @throws IllegalStateException if it is missing, cannot be loaded or is of another version; the
   *     message says what to do
   */
  public static synchronized ShimLibrary load() {
    ShimLibrary library = loaded;
    if (library == null) {
      library = load(Path.of(System.getProperty(DIRECTORY_PROPERTY, DEFAULT_DIRECTORY)));
      loaded = library;
    }
    return library;
  }

  /** As {@link #load()}, from a directory of the caller's choice. */
  public static ShimLibrary load(Path directory) {
    Path file = directory.toAbsolutePath().normalize().resolve(FILE);
    if (!Files.isRegularFile(file)) {
      throw new IllegalStateException(
          FILE + " not found in " + file.getParent() + ": run ./mvnw package");
    }
    ShimCalls calls;
    try {
      calls = LibraryLoader.create(ShimCalls.class).failImmediately().load(file.toString());
    } catch (UnsatisfiedLinkError e) {
      throw new IllegalStateException(
          file + " cannot be loaded (" + e.getMessage() + "): run ./mvnw package again", e);
    }
    int version = calls.sluice_abi_version();
    if (version != ABI_VERSION) {
      throw new IllegalStateException(
          file
              + " speaks version "
              + version
              + " of the interface, this agent version "
              + ABI_VERSION
              + ": run ./mvnw package again");
    }
    return new ShimLibrary(file, calls);
  }

  /** The library's version, for people. */
  public String version() {
    return calls.sluice_version();
  }

  /** The file it was loaded from. */
  public Path file() {
    return file;
  }

  /** The layouts of the structures it shares with Java, by the field's name, in its order. */
  public Map<String, ShimField> layout() {
    Map<String, ShimField> layout = new LinkedHashMap<>();
    int count = calls.sluice_layout_count();
    for (int i = 0; i < count; i++) {
      String name = Objects.requireNonNull(calls.sluice_layout_name(i));
      layout.put(
          name, new ShimField(name, calls.sluice_layout_offset(i), calls.sluice_layout_size(i)));
    }
    return layout;
  }

  /**
   * Compares a structure as Java knows it with the structure as C has it, field by field, in both
   * directions.
   *
   * @param expected the structure itself and all its fields
   * @throws IllegalStateException if anything differs; the message names both sides of the first
   *     few differences
   */
  public void requireLayout(List<ShimField> expected) {
    List<String> differences = differences(expected, layout());
    if (!differences.isEmpty()) {
      throw new IllegalStateException(
          file
              + " does not match this agent: "
              + String.join("; ", differences)
              + ". Run ./mvnw package again");
    }
  }

  static List<String> differences(List<ShimField> expected, Map<String, ShimField> exported) {
    List<String> differences = new ArrayList<>();
    Map<String, ShimField> unexpected = new LinkedHashMap<>(exported);
    String structure = expected.get(0).structure();
    unexpected.values().removeIf(field -> !field.structure().equals(structure));
    for (ShimField java : expected) {
      ShimField c = unexpected.remove(java.name());
      if (c == null) {
        differences.add("Java has " + java + ", C has no such field");
      } else if (!c.equals(java)) {
        differences.add("Java has " + java + ", C has " + c);
      }
    }
    for (ShimField c : unexpected.values()) {
      differences.add("C has " + c + ", Java has no such field");
    }
    return differences;
  }

  /** Bytes of memory that a ring of {@code slots} records needs; 0 if there is no such ring. */
  public long ringBytes(int slots) {
    return calls.sluice_ring_bytes(slots);
  }

  /**
   * Subscribes to conntrack events and starts the thread that drains them.
   *
   * @param fd a NETLINK_NETFILTER socket; on success the library owns it
   * @param ring must stay reachable until {@link #eventsClose} has returned
   * @param maxReceiveBufferBytes the receive buffer grows up to this after a loss, 0: never
   * @param reliable whether the kernel keeps ends of flows that it could not deliver
   * @param handleOut receives the handle, 8 bytes
   */
  public int eventsOpen(
      int fd,
      NativeBuffer ring,
      int latencyMicros,
      long receiveBufferBytes,
      long maxReceiveBufferBytes,
      boolean reliable,
      NativeBuffer handleOut) {
    return calls.sluice_events_open(
        fd,
        ring.address(),
        ring.capacity(),
        latencyMicros,
        receiveBufferBytes,
        maxReceiveBufferBytes,
        reliable ? SLUICE_EVENTS_RELIABLE : 0,
        handleOut.address());
  }

  /**
   * Waits for a record: 1 if there is one, 0 after the timeout (-1 for none), -ESHUTDOWN at the
   * end.
   */
  public int ringWait(long handle, int timeoutMillis) {
    return calls.sluice_ring_wait(handle, timeoutMillis);
  }

  /** Ends the subscription and the thread; the records stay readable. */
  public int eventsStop(long handle) {
    return calls.sluice_events_stop(handle);
  }

  /** Frees the handle; no other call may be in progress or follow. */
  public int eventsClose(long handle) {
    return calls.sluice_events_close(handle);
  }

  /** Makes the thread look at its socket now and say how far it has read; from any thread. */
  public int eventsSync(long handle) {
    return calls.sluice_events_sync(handle);
  }

  /** Enters or leaves reliable mode; from any thread. */
  public int eventsReliable(long handle, boolean on) {
    return calls.sluice_events_reliable(handle, on ? 1 : 0);
  }

  /**
   * Begins to read the table of connections.
   *
   * @param fd a NETLINK_NETFILTER socket; on success the library owns it
   * @param handleOut receives the handle, 8 bytes
   */
  public int dumpOpen(int fd, NativeBuffer handleOut) {
    return calls.sluice_dump_open(fd, handleOut.address());
  }

  /** Fills {@code target} with records of 192 bytes: how many, 0 at the end. */
  public int dumpRead(long handle, NativeBuffer target, int records) {
    return calls.sluice_dump_read(handle, target.address(), records);
  }

  /** How many entries could not be decoded so far. */
  public int dumpMalformed(long handle) {
    return calls.sluice_dump_malformed(handle);
  }

  /** Ends the dump; no other call may follow. */
  public int dumpClose(long handle) {
    return calls.sluice_dump_close(handle);
  }

  /** Copies the counters to {@code target}. */
  public int eventsStats(long handle, NativeBuffer target) {
    return calls.sluice_events_stats(handle, target.address(), target.capacity());
  }

  /**
   * Starts the userland proxy in the calling thread's network namespace.
   *
   * @param handleOut receives the handle, 8 bytes
   */
  public int proxyOpen(int threads, NativeBuffer handleOut) {
    return calls.sluice_proxy_open(threads, handleOut.address());
  }

  /** Listens on a bound socket, of which the proxy makes a copy. */
  public int proxyListen(
      long handle, long id, int fd, NativeBuffer targets, int count, int balance, int flags) {
    return calls.sluice_proxy_listen(handle, id, fd, targets.address(), count, balance, flags);
  }

  /** Leads new connections to other targets. */
  public int proxyRetarget(
      long handle, long id, NativeBuffer targets, int count, int balance, int flags) {
    return calls.sluice_proxy_retarget(handle, id, targets.address(), count, balance, flags);
  }

  /** Listens no longer; may be called again to cut connections. */
  public int proxyRemove(long handle, long id, int flags) {
    return calls.sluice_proxy_remove(handle, id, flags);
  }

  /** Waits until everything that was asked for is done. */
  public int proxySync(long handle) {
    return calls.sluice_proxy_sync(handle);
  }

  /** Copies the counters to {@code target}. */
  public int proxyStats(long handle, NativeBuffer target) {
    return calls.sluice_proxy_stats(handle, target.address(), target.capacity());
  }

  /** Ends it with all connections; no other call may be in progress or follow. */
  public int proxyClose(long handle) {
    return calls.sluice_proxy_close(handle);
  }

  /**
   * Loads the fast path's programs, switched off and attached to nothing.
   *
   * @param flows 1 to 2^24, of each family
   * @param containers 1 to 2^20
   * @param handleOut receives the handle, 8 bytes
   */
  public int fastPathOpen(int flows, int containers, NativeBuffer handleOut) {
    return calls.sluice_fastpath_open(flows, containers, handleOut.address());
  }

  /** The maps of the programs that an earlier process left at a device: a number for them. */
  public int fastPathOrphan(int device, NativeBuffer handleOut) {
    return calls.sluice_fastpath_orphan(device, handleOut.address());
  }

  /** Settings, in force at once; the meaning of each is in sluice.h. */
  public int fastPathConfigure(
      long handle,
      boolean on,
      int recheckMillis,
      int sample,
      int youngPackets,
      int asksPerSecond,
      int tcpTimeoutMillis,
      int udpTimeoutMillis) {
    return calls.sluice_fastpath_configure(
        handle,
        on ? 1 : 0,
        recheckMillis,
        sample,
        youngPackets,
        asksPerSecond,
        tcpTimeoutMillis,
        udpTimeoutMillis);
  }

  /** On or off; then no packet is under way that was handled otherwise. */
  public int fastPathSwitch(long handle, boolean on) {
    return calls.sluice_fastpath_switch(handle, on ? 1 : 0);
  }

  /** What is known of flows is checked before it is used again. */
  public int fastPathRefresh(long handle) {
    return calls.sluice_fastpath_refresh(handle);
  }

  /** Attaches a program to a device of the calling thread's namespace: how it was. */
  public int fastPathAttach(long handle, int device, int way, int how) {
    return calls.sluice_fastpath_attach(handle, device, way, how);
  }

  /** Takes every program of the fast path away from a device: how many there were. */
  public int fastPathDetach(int device) {
    return calls.sluice_fastpath_detach(device);
  }

  /**
   * Where a container is.
   *
   * @param address 16 bytes
   * @param device 0 forgets it
   */
  public int fastPathContainer(
      long handle,
      NativeBuffer address,
      int device,
      int bridge,
      int mtu,
      long mac,
      long bridgeMac) {
    return calls.sluice_fastpath_container(
        handle, address.address(), device, bridge, mtu, mac, bridgeMac);
  }

  /** Waits for flows that want to be made liberal: how many. */
  public int fastPathRequests(long handle, NativeBuffer target, int records, int timeoutMillis) {
    return calls.sluice_fastpath_requests(handle, target.address(), records, timeoutMillis);
  }

  /** Reads what is carried: how many records, 0 at the end. */
  public int fastPathFlows(long handle, NativeBuffer target, int records) {
    return calls.sluice_fastpath_flows(handle, target.address(), records);
  }

  /** Ends the flows that the records name and reads their last counters: how many there were. */
  public int fastPathTake(long handle, NativeBuffer flows, int records) {
    return calls.sluice_fastpath_take(handle, flows.address(), records);
  }

  /** Copies the counters to {@code target}. */
  public int fastPathStats(long handle, NativeBuffer target) {
    return calls.sluice_fastpath_stats(handle, target.address(), target.capacity());
  }

  /** Frees the handle; programs that are attached stay. */
  public int fastPathClose(long handle) {
    return calls.sluice_fastpath_close(handle);
  }

  /**
   * Why the calling thread's last call failed; ask at once and on the same thread.
   *
   * @param attempted what was tried, as it reads after "cannot"
   * @param result the negative errno it returned
   */
  public ShimException failure(String attempted, int result) {
    return new ShimException(attempted, -result, calls.sluice_last_error());
  }

  @Override
  public String toString() {
    return "libsluice " + version() + " (" + file + ")";
  }
}
