package dev.sluice.fastpath;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.NativeBuffer;
import dev.sluice.ffi.ShimException;
import dev.sluice.ffi.ShimHandle;
import dev.sluice.ffi.ShimLibrary;
import dev.sluice.net.Ip4Address;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The programs and what they know. They are attached to devices of the calling thread's namespace,
 * and stay in force, with their maps, when this process ends or closes them: see {@link #detach}
 * and {@link #orphans}.
 *
 * <p>Thread-safe. What the kernel refuses is thrown as {@link ShimException}.
 */
public final class FastPath implements AutoCloseable {
  /** Which packets a program is for, with its number in sluice.h. */
  public enum Way {
    /** Of outer devices, towards containers. */
    INWARD(0),
    /** Of the host's side of a container's veth pair. */
    OUTWARD(1);

    private final int number;

    Way(int number) {
      this.number = number;
    }
  }

  /** How a program is attached, with its number in sluice.h. */
  public enum Attachment {
    /** {@link #TCX}, or {@link #CLSACT} where the kernel has none or others have filters. */
    ANY(0),
    /** Linux 6.6. */
    TCX(1),
    CLSACT(2);

    private final int number;

    Attachment(int number) {
      this.number = number;
    }
  }

  private final ShimLibrary shim;

  private final ShimHandle<FastPathStatistics> handle;

  private FastPath(ShimLibrary shim, NativeBuffer handleOut) {
    this.shim = shim;
    this.handle =
        new ShimHandle<>(
            shim,
            "the fast path",
            handleOut,
            opened -> readStatistics(shim, opened),
            FastPathStatistics.NONE,
            shim::fastPathClose);
  }

  /**
   * Loads the programs, switched off and attached to nothing.
   *
   * @param flows that are carried at most, of each family, 1 to 2^24
   * @param containers 1 to 2^20
   * @throws ShimException EPERM without CAP_SYS_ADMIN and CAP_NET_ADMIN; ENOSYS where the kernel
   *     lacks something; or what the verifier said
   */
  public static FastPath open(int flows, int containers) {
    ShimLibrary shim = library();
    NativeBuffer handleOut = NativeBuffer.allocate(ShimHandle.BYTES);
    int result = shim.fastPathOpen(flows, containers, handleOut);
    if (result < 0) {
      throw shim.failure("load the fast path", result);
    }
    return new FastPath(shim, handleOut);
  }

  /**
   * What the programs know that earlier processes left at devices: for {@link #flows}, {@link
   * #take} and {@link #statistics} once they are detached or replaced, so that what they carried is
   * not forgotten. Programs of another version cannot be read and are left out.
   *
   * @param devices their indexes
   * @return one for each process that left some
   */
  public static List<FastPath> orphans(List<Integer> devices) {
    ShimLibrary shim = library();
    NativeBuffer handleOut = NativeBuffer.allocate(ShimHandle.BYTES);
    Map<Integer, FastPath> found = new LinkedHashMap<>();
    for (int device : devices) {
      int result = shim.fastPathOrphan(device, handleOut);
      if (result == -Errno.ENOENT || result == -Errno.EPROTO || result == -Errno.ENODEV) {
        continue;
      }
      if (result < 0) {
        found.values().forEach(FastPath::close);
        throw shim.failure("look for programs of the fast path at device " + device, result);
      }
      FastPath orphan = new FastPath(shim, handleOut);
      if (found.putIfAbsent(result, orphan) != null) {
        orphan.close();
      }
    }
    return List.copyOf(found.values());
  }

  private static ShimLibrary library() {
    ShimLibrary shim = ShimLibrary.load();
    shim.requireLayout(OffloadDescriptor.LAYOUT);
    shim.requireLayout(Outcome.layout());
    return shim;
  }

  /**
   * Takes every program of the fast path away from a device of the calling thread's namespace,
   * whoever attached it.
   *
   * @return how many there were; 0 also where the device is gone
   */
  public static int detach(int device) {
    ShimLibrary shim = library();
    int result = shim.fastPathDetach(device);
    if (result == -Errno.ENODEV) {
      return 0;
    }
    if (result < 0) {
      throw shim.failure("take the fast path away from device " + device, result);
    }
    return result;
  }

  /** Sets everything, in force with the next packet. */
  public void configure(FastPathSettings settings, boolean on) {
    handle.call(
        "configure the fast path",
        opened ->
            shim.fastPathConfigure(
                opened,
                on,
                settings.recheckMillis(),
                settings.sample(),
                settings.youngPackets(),
                settings.requestsPerSecond(),
                settings.tcpTimeoutSeconds() * 1000,
                settings.udpTimeoutSeconds() * 1000));
  }

  /** On or off; when it returns, no packet is under way that was handled otherwise. */
  public void switchTo(boolean on) {
    handle.call("switch the fast path", opened -> shim.fastPathSwitch(opened, on));
  }

  /**
   * What is known of flows is checked before it is used again. To be called when conntrack entries
   * were deleted, or routes or containers have changed; when it returns, no packet is under way on
   * old knowledge.
   */
  public void refresh() {
    handle.call("refresh the fast path", shim::fastPathRefresh);
  }

  /**
   * Attaches a program to a device of the calling thread's namespace, behind other people's; in
   * place of one that an earlier process left there, without a gap.
   *
   * @param device its index
   * @return how it was done
   * @throws ShimException ENODEV; EOPNOTSUPP without tcx, if nothing else is allowed
   */
  public Attachment attach(int device, Way way, Attachment how) {
    int done =
        handle.call(
            "attach the fast path to device " + device,
            opened -> shim.fastPathAttach(opened, device, way.number, how.number));
    return done == Attachment.TCX.number ? Attachment.TCX : Attachment.CLSACT;
  }

  /**
   * Where a container is: replaces what was known. Flows that are carried follow with {@link
   * #refresh}, and soon after the device has gone also if nobody says so. The device is one of the
   * calling thread's namespace.
   *
   * @throws ShimException E2BIG: as many as {@link #open} allowed for; ENODEV
   */
  public void place(ContainerPort port) {
    tell(
        port.address(),
        port.device(),
        port.bridge(),
        port.mtu(),
        port.mac().bits(),
        port.bridgeMac().bits());
  }

  /** A container is gone: what goes to it takes the slow path, after {@link #refresh}. */
  public void forget(IpAddress container) {
    tell(container, 0, 0, 0, 0, 0);
  }

  private void tell(IpAddress address, int device, int bridge, int mtu, long mac, long bridgeMac) {
    NativeBuffer bytes = NativeBuffer.allocate(OffloadDescriptor.ADDRESS_BYTES);
    Ip6Address six =
        address instanceof Ip4Address four ? Ip6Address.mapped(four) : (Ip6Address) address;
    bytes.bytes().put(0, six.toBytes());
    handle.call(
        "tell the fast path where " + address + " is",
        opened -> shim.fastPathContainer(opened, bytes, device, bridge, mtu, mac, bridgeMac));
  }

  /**
   * Waits for TCP flows that want conntrack to stop watching their windows, each named by its
   * original tuple. A flow may be named repeatedly.
   *
   * @param timeoutMillis -1 for none
   * @return how many records were written; 0 after the timeout
   */
  public int requests(OffloadRecords target, int timeoutMillis) {
    return handle.call(
        "wait for requests of the fast path",
        opened -> shim.fastPathRequests(opened, target.memory(), target.capacity(), timeoutMillis));
  }

  /**
   * Reads what is carried, one record for each direction of a flow. What is added or taken
   * meanwhile may be missing or come twice.
   *
   * @param target for at least {@value OffloadRecords#MIN_FOR_FLOWS} records
   * @return how many records were written; 0 at the end, after which the next call begins anew
   */
  public synchronized int flows(OffloadRecords target) {
    return handle.call(
        "read the flows of the fast path",
        opened -> shim.fastPathFlows(opened, target.memory(), target.capacity()));
  }

  /**
   * Ends the flows that the records name, waits until no packet is under way on them, and writes
   * their last counters into the records; zero for those that are not there. A flow that speaks
   * again is learned again. It takes some milliseconds however many there are.
   *
   * @param count of the first records
   * @return how many there were
   */
  public int take(OffloadRecords flows, int count) {
    if (count < 0 || count > flows.capacity()) {
      throw new IndexOutOfBoundsException(count);
    }
    return count == 0
        ? 0
        : handle.call(
            "take flows from the fast path",
            opened -> shim.fastPathTake(opened, flows.memory(), count));
  }

  /** The counters; after the end, those of the end. */
  public FastPathStatistics statistics() {
    return handle.counters();
  }

  private static FastPathStatistics readStatistics(ShimLibrary shim, long handle) {
    NativeBuffer buffer = NativeBuffer.allocate(FastPathStatistics.BYTES);
    int result = shim.fastPathStats(handle, buffer);
    if (result < 0) {
      throw shim.failure("read the counters of the fast path", result);
    }
    return FastPathStatistics.read(buffer.bytes());
  }

  /**
   * Frees what this process holds; programs that are attached stay, with their maps. A call of
   * {@link #requests} must have a timeout, for it is waited for.
   */
  @Override
  public void close() {
    handle.close();
  }
}
