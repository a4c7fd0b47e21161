package dev.sluice.conntrack;

import dev.sluice.ffi.Errno;
import dev.sluice.netlink.DumpInterruptedException;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.netlink.MessageHandler;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.netlink.NetlinkClient;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetlinkTransport;
import dev.sluice.netlink.NetworkNamespace;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The connection tracking table of one network namespace.
 *
 * <pre>{@code
 * try (Conntrack conntrack = Conntrack.open(namespace)) {
 *   conntrack.dump(ConntrackFilter.ALL.family(Family.IPV4), System.out::println);
 * }
 * }</pre>
 *
 * <p>Requests need CAP_NET_ADMIN in the namespace; what the kernel refuses is thrown as {@link
 * NetlinkException}, a lost answer as {@link dev.sluice.netlink.OutcomeUnknownException}.
 * Thread-safe: requests go one after the other.
 */
public final class Conntrack implements AutoCloseable {
  /**
   * Changes per datagram. Every one is answered before sendto returns, and an answer takes 768
   * bytes or more of the receive buffer, which is 208 KiB by default.
   */
  private static final int REQUESTS_PER_DATAGRAM = 64;

  private final NetlinkClient client;

  Conntrack(NetlinkTransport transport) {
    this.client = new NetlinkClient(transport, ConntrackSchema.INSTANCE);
  }

  /** Opens the table of the calling thread's namespace. */
  public static Conntrack open() {
    return new Conntrack(NetlinkSocket.open(LinuxNetlink.NETLINK_NETFILTER));
  }

  /** Opens the table of {@code namespace}. */
  public static Conntrack open(NetworkNamespace namespace) {
    return new Conntrack(NetlinkSocket.open(LinuxNetlink.NETLINK_NETFILTER, namespace));
  }

  /**
   * Hands every entry that satisfies the filter to {@code consumer}, as the kernel sends them. It
   * takes about 8 ms to walk the table and 2 µs per entry.
   *
   * <p>This is not a snapshot: an entry that comes or goes meanwhile may or may not be there, and
   * if the kernel resizes its table, others may be missing or come twice.
   *
   * @param consumer must not use this object, whose socket is busy with the dump
   */
  public void dump(ConntrackFilter filter, Consumer<ConntrackEntry> consumer) {
    MessageHandler decode =
        message -> {
          if (message.subsystem() != LinuxNetlink.NFNL_SUBSYS_CTNETLINK
              || message.subtype() != LinuxNfConntrack.IPCTNL_MSG_CT_NEW) {
            return;
          }
          ConntrackEntry entry = EntryDecoder.decode(message);
          if (filter.matches(entry)) {
            consumer.accept(entry);
          }
        };
    try {
      dump(filter, true, decode);
    } catch (NetlinkException e) {
      // Refused before the first entry: this kernel has no filter of that kind (zones or marks may
      // not be compiled in), so it is left to us.
      if (e.errno() != Errno.EOPNOTSUPP) {
        throw e;
      }
      dump(filter, false, decode);
    }
  }

  /** As {@link #dump(ConntrackFilter, Consumer)}, collected in a list. */
  public List<ConntrackEntry> list(ConntrackFilter filter) {
    List<ConntrackEntry> entries = new ArrayList<>();
    dump(filter, entries::add);
    return entries;
  }

  /**
   * The entry with this original tuple.
   *
   * @param zone the zone of the original direction, 0 if none
   */
  public Optional<ConntrackEntry> get(Tuple original, int zone) {
    MessageWriter request = new MessageWriter(512);
    Requests.get(request, original, zone);
    List<ConntrackEntry> found = new ArrayList<>(1);
    try {
      client.execute(
          request,
          "get the conntrack entry " + original,
          message -> found.add(EntryDecoder.decode(message)));
    } catch (NetlinkException e) {
      if (e.errno() == Errno.ENOENT) {
        return Optional.empty();
      }
      throw e;
    }
    // The kernel's lookup finds a tuple in either direction.
    return found.stream().filter(entry -> entry.original().equals(original)).findFirst();
  }

  /**
   * Deletes exactly this entry: one that has taken its tuple since is spared.
   *
   * @return false if it is gone already
   */
  public boolean delete(ConntrackEntry entry) {
    MessageWriter request = new MessageWriter(512);
    Requests.delete(request, entry);
    try {
      client.execute(request, "delete the conntrack entry " + entry.original());
      return true;
    } catch (NetlinkException e) {
      if (e.errno() == Errno.ENOENT) {
        return false;
      }
      throw e;
    }
  }

  /**
   * Deletes the entry that has this original tuple now.
   *
   * @param zone the zone of the original direction, 0 if none
   * @return false if there is none
   */
  public boolean delete(Tuple original, int zone) {
    // Not in one request: without an id the kernel would as well delete the entry that has this
    // tuple for its reply.
    return get(original, zone).map(this::delete).orElse(false);
  }

  /**
   * Deletes exactly these entries, several with one system call.
   *
   * @return how many of them were still there
   */
  public int deleteAll(List<ConntrackEntry> entries) {
    MessageWriter requests = new MessageWriter();
    int deleted = 0;
    for (int from = 0; from < entries.size(); from += REQUESTS_PER_DATAGRAM) {
      List<ConntrackEntry> some =
          entries.subList(from, Math.min(entries.size(), from + REQUESTS_PER_DATAGRAM));
      requests.reset();
      for (ConntrackEntry entry : some) {
        Requests.delete(requests, entry);
      }
      deleted += done(requests, "delete " + some.size() + " conntrack entries");
    }
    return deleted;
  }

  /**
   * Ends the watch over the windows of TCP entries, in both directions, several with one system
   * call: their packets are to be carried where conntrack does not see them.
   *
   * @param originals their original tuples, without a zone
   * @return how many of them are still there
   */
  public int makeLiberal(List<Tuple> originals) {
    MessageWriter requests = new MessageWriter();
    int changed = 0;
    for (int from = 0; from < originals.size(); from += REQUESTS_PER_DATAGRAM) {
      List<Tuple> some =
          originals.subList(from, Math.min(originals.size(), from + REQUESTS_PER_DATAGRAM));
      requests.reset();
      for (Tuple original : some) {
        Requests.liberal(requests, original);
      }
      changed += done(requests, "change the window tracking of " + some.size() + " connections");
    }
    return changed;
  }

  /** How many of the requests were carried out; the others' entries are gone. */
  private int done(MessageWriter requests, String operation) {
    int done = 0;
    for (int errno : client.executeEach(requests, operation)) {
      if (errno == 0) {
        done++;
      } else if (errno != Errno.ENOENT) {
        throw new NetlinkException(operation, errno, null, null, NetlinkException.NO_INDEX);
      }
    }
    return done;
  }

  /**
   * Deletes what satisfies the filter: one dump, then exact deletes. Entries that come after the
   * dump are spared.
   *
   * @return how many were deleted
   */
  public int deleteMatching(ConntrackFilter filter) {
    return deleteAll(list(filter));
  }

  /** How many entries the namespace has. */
  public int count() {
    return (int) size().entries();
  }

  /** How many entries the namespace has, and how many it may have; one cheap request. */
  public TableSize size() {
    MessageWriter request = new MessageWriter(64);
    Requests.size(request);
    List<TableSize> answer = new ArrayList<>(1);
    client.execute(
        request, "count the conntrack entries", message -> answer.add(TableSize.decode(message)));
    if (answer.isEmpty()) {
      throw new MalformedMessageException("the kernel did not say how many entries there are");
    }
    return answer.get(0);
  }

  /**
   * What has happened to the namespace's table since the namespace was made, for each processor
   * that can be there.
   */
  public List<CpuStatistics> statistics() {
    MessageWriter request = new MessageWriter(64);
    Requests.statistics(request);
    String operation = "read the statistics of conntrack";
    List<CpuStatistics> processors = new ArrayList<>();
    if (!client.dumpOnce(
        request, operation, message -> processors.add(CpuStatistics.decode(message)))) {
      throw new DumpInterruptedException(operation, 1);
    }
    return processors;
  }

  @Override
  public void close() {
    client.close();
  }

  private void dump(ConntrackFilter filter, boolean kernelSide, MessageHandler handler) {
    String operation = "list the conntrack entries";
    MessageWriter request = new MessageWriter(512);
    Requests.dump(request, filter, kernelSide);
    // The kernel has no generation counter for this table, so it never flags a dump; if one day it
    // does, the entries handed out so far cannot be taken back.
    if (!client.dumpOnce(request, operation, handler)) {
      throw new DumpInterruptedException(operation, 1);
    }
  }
}
