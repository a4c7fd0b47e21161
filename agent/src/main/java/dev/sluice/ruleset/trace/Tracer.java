package dev.sluice.ruleset.trace;

import dev.sluice.ffi.Errno;
import dev.sluice.model.TraceQuestion;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.nftables.Nftables;
import dev.sluice.nftables.TraceMonitor;
import dev.sluice.route.Rtnetlink;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Follows packets of one network namespace, for one who asks at a time. Thread-safe.
 *
 * <p>Nothing of it is in the kernel but while somebody follows.
 */
public final class Tracer implements AutoCloseable {
  private final Supplier<Nftables> nftables;
  private final Supplier<TraceMonitor> monitor;
  private final Supplier<Rtnetlink> links;
  private @Nullable RunningTrace running;
  private boolean closed;

  /** Each opens a socket of the namespace; the sockets belong to the trace that is started. */
  public Tracer(
      Supplier<Nftables> nftables, Supplier<TraceMonitor> monitor, Supplier<Rtnetlink> links) {
    this.nftables = nftables;
    this.monitor = monitor;
    this.links = links;
  }

  /** Follows packets of the calling thread's network namespace. */
  public static Tracer ofThisNamespace() {
    return new Tracer(Nftables::open, TraceMonitor::open, Rtnetlink::open);
  }

  /**
   * Begins to follow packets. When it returns, every packet that is asked for is followed.
   *
   * @throws TraceRefusedException if somebody else does, or the kernel cannot
   * @throws NetlinkException if the kernel refuses for another reason
   */
  public synchronized RunningTrace start(TraceQuestion question) {
    if (closed) {
      throw new TraceRefusedException(
          TraceRefusedException.Reason.BUSY, "the agent is ending; try again later");
    }
    RunningTrace other = running;
    if (other != null && !other.isOver()) {
      throw new TraceRefusedException(
          TraceRefusedException.Reason.BUSY,
          "packets to "
              + other.question()
              + " are being followed already, and only one can at a time; wait for its end, at"
              + " most "
              + other.question().seconds()
              + " seconds");
    }
    Nftables own = nftables.get();
    TraceMonitor listener = null;
    Rtnetlink devices = null;
    try {
      // Before the table: whatever it marks is heard.
      listener = monitor.get();
      devices = links.get();
      own.commit(TraceTable.creation(question), "make the table " + TraceTable.ID);
      RunningTrace trace =
          RunningTrace.start(question, notes(), own, listener, devices, Clock.systemUTC());
      running = trace;
      return trace;
    } catch (RuntimeException e) {
      close(own, listener, devices);
      throw e instanceof NetlinkException refused ? explain(refused) : e;
    }
  }

  private static void close(
      Nftables own, @Nullable TraceMonitor listener, @Nullable Rtnetlink devices) {
    own.close();
    if (listener != null) {
      listener.close();
    }
    if (devices != null) {
      devices.close();
    }
  }

  private static RuntimeException explain(NetlinkException e) {
    return switch (e.errno()) {
      case Errno.EEXIST, Errno.EPERM ->
          new TraceRefusedException(
              TraceRefusedException.Reason.BUSY,
              "a table "
                  + TraceTable.ID
                  + " of somebody else is there; if it is nobody's, nft delete table "
                  + TraceTable.ID,
              e);
      case Errno.EOPNOTSUPP, Errno.EINVAL, Errno.ENOENT ->
          new TraceRefusedException(
              TraceRefusedException.Reason.UNSUPPORTED,
              "this kernel cannot hold the table that marks packets (it takes tables with an"
                  + " owner, Linux 5.12, and the modules nft_ct, nft_fib_inet, nft_limit): "
                  + e.getMessage(),
              e);
      default -> e;
    };
  }

  /** What will not be seen. */
  private static List<String> notes() {
    Map<String, String> legacy = new TreeMap<>();
    legacy.put("iptables", "ip_tables_names");
    legacy.put("ip6tables", "ip6_tables_names");
    List<String> notes = new ArrayList<>();
    legacy.forEach(
        (program, file) -> {
          String tables = tables(Path.of("/proc/thread-self/net").resolve(file));
          if (!tables.isEmpty()) {
            notes.add(
                "rules of "
                    + program
                    + "-legacy are not told (there are its tables "
                    + tables
                    + "): a packet that they drop vanishes without a word");
          }
        });
    return notes;
  }

  private static String tables(Path names) {
    try {
      return Files.exists(names) ? String.join(", ", Files.readAllLines(names)) : "";
    } catch (IOException e) {
      return "which cannot be read: " + e.getMessage();
    }
  }

  /** Ends what is running; nothing is left in the kernel. */
  @Override
  public synchronized void close() {
    closed = true;
    if (running != null) {
      running.close();
    }
  }
}
