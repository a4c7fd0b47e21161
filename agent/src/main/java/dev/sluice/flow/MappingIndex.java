package dev.sluice.flow;

import dev.sluice.model.Activity;
import dev.sluice.model.Backend;
import dev.sluice.model.Flow;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.FlowStatus;
import dev.sluice.model.FlowTuple;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.Traffic;
import dev.sluice.net.Family;
import dev.sluice.net.Ip4Address;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Which mapping a flow goes through. The publisher tells it what is published; the reader of events
 * asks it for every event, without a lock and without allocation.
 *
 * <p>A flow belongs to a mapping if it was sent to a host port of the mapping and really went to
 * the target of that port, or to one of them, which its reply direction tells. So a flow that began
 * before a port was published anew with another target is not taken for a flow of the new mapping.
 * Where the target is the same too, the time the flow began decides, if it is known.
 *
 * <p>A mapping that was removed stays resolvable, because the ends of its flows are reported after
 * it is gone: the last {@value #REMEMBERED} removed mappings are remembered, of one port the last
 * {@value #REMEMBERED_PER_KEY}. A flow that began after the removal does not belong to it.
 *
 * <p>{@link #add} a mapping before it takes effect and {@link #remove} it afterwards: then no event
 * comes too early or too late, and as the target is verified nothing is attributed too early.
 *
 * <p>Inside is a hash table with chains. A {@code ConcurrentHashMap} would box its key at every
 * lookup, and copying would cost O(n) for each mapping; here adding one is O(1), amortised over the
 * doubling of the table. Writers exclude each other, readers only load. A range is kept as the at
 * most 30 aligned blocks of 1, 2, 4, … 32,768 ports that make it up, so one of 60,000 ports costs
 * no more than a handful; a lookup tries only the block sizes in use, which is one where no ranges
 * are published.
 */
public final class MappingIndex {
  /** A flow's start, where it is not known. */
  static final long UNKNOWN_NANOS = Long.MIN_VALUE;

  static final int REMEMBERED = 65_536;
  static final int REMEMBERED_PER_KEY = 8;

  private static final int MIN_BUCKETS = 64;
  private static final long NOT_REMOVED = Long.MAX_VALUE;
  private static final long MAPPED_PREFIX = 0xffffL << 32;
  private static final int BLOCK_SIZES = 16;

  // In which order mappings are tried that share a port: that of Precedence.
  private static final int ORDER_EXACT = 0;
  private static final int ORDER_ANY = 1;
  private static final int ORDER_RANGE = 2;
  private static final int ORDERS = 3;

  private static final VarHandle BUCKET = MethodHandles.arrayElementVarHandle(Node[].class);

  private final InstantSource clock;

  /** Replaced when it grows. The elements are read and written with acquire and release. */
  private volatile @Nullable Node[] table = new @Nullable Node[MIN_BUCKETS];

  /** Sixteen bits for each order: bit k is set while there are blocks of 2^k ports. */
  private volatile long sizesInUse;

  // What follows is the writers', under the lock of this object.
  private final int[] blocksBySize = new int[ORDERS * BLOCK_SIZES];
  private final Map<MappingId, Publication> live = new HashMap<>();
  private final ArrayDeque<Publication> removed = new ArrayDeque<>();
  private int nodes;

  /** Of removed mappings, the last at each place. */
  private final Map<Place, Publication> removedByPlace = new HashMap<>();

  /** Where a mapping of a name is published: who comes there again is the same to its users. */
  private record Place(
      String label, Protocol protocol, Optional<IpAddress> hostAddress, PortRange hostPorts) {
    static Place of(Mapping mapping) {
      return new Place(
          mapping.label(), mapping.protocol(), mapping.hostAddress(), mapping.hostPorts());
    }
  }

  public MappingIndex() {
    this(InstantSource.system());
  }

  MappingIndex(InstantSource clock) {
    this.clock = clock;
  }

  /** A mapping as readers need it. */
  static final class Publication {
    final Mapping mapping;

    /** The label, in ASCII. */
    final byte[] label;

    final long createdNanos;

    /**
     * Shared with earlier and later forms of the same mapping, and with one of the same name that
     * is published at the same place after this one was taken back.
     */
    final Totals totals;

    volatile long removedNanos = NOT_REMOVED;

    /** What the same mapping became when it was changed. */
    private volatile @Nullable Publication successor;

    private Publication(Mapping mapping, Totals totals) {
      this.mapping = mapping;
      this.totals = totals;
      this.label = mapping.label().getBytes(StandardCharsets.US_ASCII);
      this.createdNanos = nanos(mapping.createdAt());
    }

    /** The mapping as it is now, or was last. */
    Publication latest() {
      Publication latest = this;
      for (Publication next = successor; next != null; next = latest.successor) {
        latest = next;
      }
      return latest;
    }

    private boolean existedAt(long nanos) {
      return createdNanos <= nanos && nanos <= removedNanos;
    }
  }

  /**
   * What went through a mapping. Written by one thread, the reader of events, but for what the fast
   * path carried, which is written under the lock of {@link CarriedFlows}; read by any.
   */
  static final class Totals {
    private volatile long connections;
    private volatile long open;
    private volatile long lastNanos;

    private volatile Traffic before = Traffic.NONE;
    private volatile long inPackets;
    private volatile long inBytes;
    private volatile long outPackets;
    private volatile long outBytes;

    // What the fast path carried, and of that, by entries that it does not have any more.
    private volatile long carriedInPackets;
    private volatile long carriedInBytes;
    private volatile long carriedOutPackets;
    private volatile long carriedOutBytes;
    private volatile long settledInPackets;
    private volatile long settledInBytes;
    private volatile long settledOutPackets;
    private volatile long settledOutBytes;
    private volatile long carriedNanos;

    /** Only the reader of events calls this. */
    @SuppressWarnings("NonAtomicVolatileUpdate")
    void add(long morePacketsIn, long moreBytesIn, long morePacketsOut, long moreBytesOut) {
      inPackets += morePacketsIn;
      inBytes += moreBytesIn;
      outPackets += morePacketsOut;
      outBytes += moreBytesOut;
    }

    /** The fast path carried so much more. */
    @SuppressWarnings("NonAtomicVolatileUpdate")
    void carried(boolean out, long morePackets, long moreBytes, long nanos) {
      if (out) {
        carriedOutPackets += morePackets;
        carriedOutBytes += moreBytes;
      } else {
        carriedInPackets += morePackets;
        carriedInBytes += moreBytes;
      }
      carriedNanos = nanos;
    }

    /** So much of what was carried is counted nowhere else any more. */
    @SuppressWarnings("NonAtomicVolatileUpdate")
    void settle(boolean out, long morePackets, long moreBytes) {
      if (out) {
        settledOutPackets += morePackets;
        settledOutBytes += moreBytes;
      } else {
        settledInPackets += morePackets;
        settledInBytes += moreBytes;
      }
    }

    /** A connection began; {@code isNew} unless it is only now that we learn of it. */
    @SuppressWarnings("NonAtomicVolatileUpdate")
    void opened(boolean isNew, long nanos) {
      open++;
      if (isNew) {
        connections++;
      }
      seen(nanos);
    }

    /** A connection that is known as open turns out to have begun while we watched. */
    @SuppressWarnings("NonAtomicVolatileUpdate")
    void counted(long nanos) {
      connections++;
      seen(nanos);
    }

    @SuppressWarnings("NonAtomicVolatileUpdate")
    void closed(long nanos) {
      open--;
      seen(nanos);
    }

    void seen(long nanos) {
      if (nanos > lastNanos) {
        lastNanos = nanos;
      }
    }

    /** Connections that are open now. */
    long open() {
      return open;
    }

    /** Connections that began while somebody watched. */
    long connections() {
      return connections;
    }

    /** When the last event of one was, ns since 1970; 0 if there was none. */
    long lastNanos() {
      return Math.max(lastNanos, carriedNanos);
    }

    Traffic sum() {
      return counted()
          .plus(
              new Traffic(
                  new FlowCounters(carriedInPackets, carriedInBytes),
                  new FlowCounters(carriedOutPackets, carriedOutBytes)));
    }

    /** As {@link #sum}, without what the fast path's entries still hold. */
    Traffic kept() {
      return counted()
          .plus(
              new Traffic(
                  new FlowCounters(settledInPackets, settledInBytes),
                  new FlowCounters(settledOutPackets, settledOutBytes)));
    }

    private Traffic counted() {
      return before.plus(
          new Traffic(
              new FlowCounters(inPackets, inBytes), new FlowCounters(outPackets, outBytes)));
    }
  }

  /** One block of host ports of one mapping. Newer ones stand before older ones of the same key. */
  private static final class Node {
    final long addressHigh;
    final long addressLow;
    final int block;
    final long targetHigh;
    final long targetLow;

    /** Target port minus host port. */
    final int shift;

    final Publication publication;
    volatile @Nullable Node next;

    private Node(
        long addressHigh,
        long addressLow,
        int block,
        long targetHigh,
        long targetLow,
        int shift,
        Publication publication) {
      this.addressHigh = addressHigh;
      this.addressLow = addressLow;
      this.block = block;
      this.targetHigh = targetHigh;
      this.targetLow = targetLow;
      this.shift = shift;
      this.publication = publication;
    }

    private Node(Node other) {
      this(
          other.addressHigh,
          other.addressLow,
          other.block,
          other.targetHigh,
          other.targetLow,
          other.shift,
          other.publication);
    }

    boolean hasKey(long high, long low, int wanted) {
      return block == wanted && addressLow == low && addressHigh == high;
    }

    boolean leadsTo(long high, long low, int hostPort, int targetPort) {
      return targetLow == low && targetHigh == high && hostPort + shift == targetPort;
    }
  }

  /**
   * Makes a mapping known. One of the same id is replaced and remembered as removed; the same
   * mapping again changes nothing.
   */
  public synchronized void add(Mapping mapping) {
    Publication known = live.get(mapping.id());
    if (known != null) {
      if (known.mapping.equals(mapping)) {
        return;
      }
      forget(known);
    }
    Publication publication = new Publication(mapping, totalsFor(mapping, known));
    if (known != null) {
      known.successor = publication;
    }
    live.put(mapping.id(), publication);
    forEachBlock(
        mapping,
        (order, block) -> {
          int slot = order * BLOCK_SIZES + sizeOf(block);
          for (Backend backend : mapping.backends().all()) {
            if (blocksBySize[slot]++ == 0) {
              sizesInUse |= 1L << slot;
            }
            insert(nodeOf(publication, backend.address(), block));
          }
        });
  }

  private Totals totalsFor(Mapping mapping, @Nullable Publication known) {
    if (known != null) {
      return known.totals;
    }
    Publication before = removedByPlace.get(Place.of(mapping));
    return before == null ? new Totals() : before.totals;
  }

  /** Takes a mapping back, by its id; does nothing if it is not known. */
  public synchronized void remove(Mapping mapping) {
    Publication publication = live.get(mapping.id());
    if (publication != null) {
      forget(publication);
    }
  }

  /** Makes these the mappings that exist: adds what is new, removes what is not among them. */
  public synchronized void replaceAll(Collection<Mapping> mappings) {
    Set<MappingId> wanted = new HashSet<>();
    for (Mapping mapping : mappings) {
      wanted.add(mapping.id());
    }
    for (Publication publication : List.copyOf(live.values())) {
      if (!wanted.contains(publication.mapping.id())) {
        forget(publication);
      }
    }
    mappings.forEach(this::add);
  }

  /**
   * What went through the published mappings, as far as connections have ended or the fast path has
   * carried it; without those that are at zero.
   */
  public Map<MappingId, Traffic> ended() {
    return each(Totals::sum);
  }

  /**
   * As {@link #ended}, without what entries of the fast path hold: for an agent to come, which
   * reads these itself.
   */
  public Map<MappingId, Traffic> kept() {
    return each(Totals::kept);
  }

  private synchronized Map<MappingId, Traffic> each(Function<Totals, Traffic> part) {
    Map<MappingId, Traffic> each = new HashMap<>();
    live.forEach(
        (id, publication) -> {
          Traffic traffic = part.apply(publication.totals);
          if (!traffic.equals(Traffic.NONE)) {
            each.put(id, traffic);
          }
        });
    return each;
  }

  /** Connections of the published mappings: how many, how many are open, and when the last was. */
  public synchronized Map<MappingId, Activity> activity() {
    Map<MappingId, Activity> activity = new HashMap<>();
    live.forEach(
        (id, publication) -> {
          Totals totals = publication.totals;
          long last = totals.lastNanos();
          if (last != 0) {
            activity.put(
                id,
                new Activity(totals.connections(), totals.open(), Instant.ofEpochSecond(0, last)));
          }
        });
    return activity;
  }

  /** What mappings had carried when an earlier agent ended; ignored for those not published. */
  public synchronized void continueFrom(Map<MappingId, Traffic> earlier) {
    earlier.forEach(
        (id, traffic) -> {
          Publication publication = live.get(id);
          if (publication != null) {
            publication.totals.before = traffic;
          }
        });
  }

  /** Whether the mapping is published, in whatever form. */
  public synchronized boolean isPublished(Mapping mapping) {
    return live.containsKey(mapping.id());
  }

  /** How many mappings are published, the removed ones not counted. */
  public synchronized int size() {
    return live.size();
  }

  /** How many blocks of ports are kept, those of removed mappings included. */
  synchronized int blocks() {
    return nodes;
  }

  /** The mapping the flow goes through. */
  public Optional<Mapping> find(Flow flow) {
    FlowTuple original = flow.original();
    if (!flow.status().contains(FlowStatus.DST_NAT)
        || !(original.detail() instanceof FlowTuple.Ports there)
        || !(flow.reply().detail() instanceof FlowTuple.Ports back)) {
      return Optional.empty();
    }
    IpAddress target = flow.reply().source();
    Publication found =
        find(
            flow.family() == Family.IPV6,
            original.protocol(),
            high(original.destination()),
            low(original.destination()),
            there.destination(),
            high(target),
            low(target),
            back.source(),
            flow.startedAt().map(MappingIndex::nanos).orElse(UNKNOWN_NANOS));
    return found == null ? Optional.empty() : Optional.of(found.mapping);
  }

  /**
   * As {@link #find(Flow)}, for a flow whose destination is translated, without allocation. IPv4
   * addresses are given as IPv6 ones: {@code (0, mapped(bits))}.
   *
   * @param startNanos when the flow began, ns since 1970, or {@link #UNKNOWN_NANOS}
   */
  @Nullable Publication find(
      boolean ipv6,
      int protocol,
      long destinationHigh,
      long destinationLow,
      int destinationPort,
      long targetHigh,
      long targetLow,
      int targetPort,
      long startNanos) {
    long sizes = sizesInUse;
    for (int order = 0; sizes != 0; order++, sizes >>>= BLOCK_SIZES) {
      boolean exact = order == ORDER_EXACT;
      long high = exact ? destinationHigh : 0;
      long low = exact ? destinationLow : ipv6 ? 0 : MAPPED_PREFIX;
      for (long left = sizes & 0xffff; left != 0; left &= left - 1) {
        int size = Long.numberOfTrailingZeros(left);
        int block = block(order, protocol, size, destinationPort);
        Publication found =
            findInChain(
                high, low, block, targetHigh, targetLow, destinationPort, targetPort, startNanos);
        if (found != null) {
          return found;
        }
      }
    }
    return null;
  }

  private @Nullable Publication findInChain(
      long high,
      long low,
      int block,
      long targetHigh,
      long targetLow,
      int hostPort,
      int targetPort,
      long startNanos) {
    @Nullable Node[] buckets = table;
    Node node = head(buckets, bucketOf(high, low, block, buckets.length));
    Publication unsure = null;
    for (; node != null; node = node.next) {
      if (!node.hasKey(high, low, block)
          || !node.leadsTo(targetHigh, targetLow, hostPort, targetPort)) {
        continue;
      }
      Publication publication = node.publication;
      if (startNanos == UNKNOWN_NANOS || publication.existedAt(startNanos)) {
        return publication;
      }
      if (publication.removedNanos == NOT_REMOVED) {
        // It is in force and leads where the flow went; only the clock disagrees, which may have
        // been set back.
        unsure = publication;
      }
    }
    return unsure;
  }

  /** The low half of the IPv6 form of an IPv4 address. */
  static long mapped(int bits) {
    return MAPPED_PREFIX | (bits & 0xffff_ffffL);
  }

  static long high(IpAddress address) {
    return address instanceof Ip6Address six ? six.high() : 0;
  }

  static long low(IpAddress address) {
    return address instanceof Ip6Address six ? six.low() : mapped(((Ip4Address) address).bits());
  }

  /** Nanoseconds since 1970. */
  static long nanos(Instant instant) {
    return instant.getEpochSecond() * 1_000_000_000L + instant.getNano();
  }

  // ---- writers, all under the lock

  private interface BlockVisitor {
    void visit(int order, int block);
  }

  /** Cuts the host ports into aligned blocks of powers of two, largest possible first. */
  private static void forEachBlock(Mapping mapping, BlockVisitor visitor) {
    PortRange ports = mapping.hostPorts();
    int order =
        switch (mapping.precedence()) {
          case EXACT -> ORDER_EXACT;
          case ANY -> ORDER_ANY;
          case RANGE -> ORDER_RANGE;
        };
    int port = ports.first();
    while (port <= ports.last()) {
      int size = Integer.numberOfTrailingZeros(port);
      while (port + (1 << size) - 1 > ports.last()) {
        size--;
      }
      visitor.visit(order, block(order, mapping.protocol().number(), size, port));
      port += 1 << size;
    }
  }

  private static Node nodeOf(Publication publication, IpAddress target, int block) {
    Mapping mapping = publication.mapping;
    IpAddress address = mapping.hostAddress().orElse(IpAddress.any(mapping.family()));
    return new Node(
        high(address),
        low(address),
        block,
        high(target),
        low(target),
        mapping.targetPorts().first() - mapping.hostPorts().first(),
        publication);
  }

  /** Order (2 bits), size (4), protocol (8), first port of the block (16). */
  private static int block(int order, int protocol, int size, int port) {
    return order << 28 | size << 24 | protocol << 16 | port >>> size << size;
  }

  private static int sizeOf(int block) {
    return block >>> 24 & 0xf;
  }

  private static int bucketOf(long high, long low, int block, int buckets) {
    long hash = (high * 0x9e37_79b9_7f4a_7c15L + low) * 0xc2b2_ae3d_27d4_eb4fL;
    hash = (hash ^ block) * 0x9e37_79b9_7f4a_7c15L;
    return (int) (hash >>> 40) & (buckets - 1);
  }

  private static @Nullable Node head(@Nullable Node[] buckets, int bucket) {
    return (Node) BUCKET.getAcquire(buckets, bucket);
  }

  private void insert(Node node) {
    if (nodes >= table.length - table.length / 4) {
      grow();
    }
    @Nullable Node[] buckets = table;
    int bucket = bucketOf(node.addressHigh, node.addressLow, node.block, buckets.length);
    node.next = head(buckets, bucket);
    BUCKET.setRelease(buckets, bucket, node);
    nodes++;
    dropOldest(bucket, node);
  }

  /** Readers may be on the old chains, so the new table gets nodes of its own. */
  private void grow() {
    @Nullable Node[] old = table;
    @Nullable Node[] buckets = new @Nullable Node[old.length * 2];
    @Nullable Node[] tails = new @Nullable Node[buckets.length];
    for (int i = 0; i < old.length; i++) {
      for (Node node = head(old, i); node != null; node = node.next) {
        Node copy = new Node(node);
        int bucket = bucketOf(copy.addressHigh, copy.addressLow, copy.block, buckets.length);
        Node tail = tails[bucket];
        if (tail == null) {
          buckets[bucket] = copy;
        } else {
          tail.next = copy;
        }
        tails[bucket] = copy;
      }
    }
    table = buckets;
  }

  /** Publishing one port again and again must not make its chain long. */
  private void dropOldest(int bucket, Node newest) {
    int older = 0;
    // A mapping to several containers has a node for each of them, one behind the other.
    Publication last = newest.publication;
    Node before = newest;
    for (Node node = newest.next; node != null; node = node.next) {
      boolean removedBefore =
          node.hasKey(newest.addressHigh, newest.addressLow, newest.block)
              && node.publication.removedNanos != NOT_REMOVED;
      if (removedBefore && node.publication != last) {
        last = node.publication;
        older++;
      }
      if (removedBefore && older > REMEMBERED_PER_KEY) {
        unlink(bucket, before, node);
      } else {
        before = node;
      }
    }
  }

  private void forget(Publication publication) {
    live.remove(publication.mapping.id());
    publication.removedNanos = nanos(clock.instant());
    removed.add(publication);
    removedByPlace.put(Place.of(publication.mapping), publication);
    if (removed.size() > REMEMBERED) {
      drop(removed.remove());
    }
  }

  /** Removes a remembered mapping for good. */
  private void drop(Publication publication) {
    removedByPlace.remove(Place.of(publication.mapping), publication);
    forEachBlock(
        publication.mapping,
        (order, block) -> {
          Node key = nodeOf(publication, publication.mapping.targetAddress(), block);
          int bucket = bucketOf(key.addressHigh, key.addressLow, block, table.length);
          Node before = null;
          for (Node node = head(table, bucket); node != null; node = node.next) {
            if (node.publication == publication && node.block == block) {
              unlink(bucket, before, node);
            } else {
              before = node;
            }
          }
        });
  }

  private void unlink(int bucket, @Nullable Node before, Node node) {
    if (before == null) {
      BUCKET.setRelease(table, bucket, node.next);
    } else {
      before.next = node.next;
    }
    nodes--;
    int slot = (node.block >>> 28) * BLOCK_SIZES + sizeOf(node.block);
    if (--blocksBySize[slot] == 0) {
      sizesInUse &= ~(1L << slot);
    }
  }
}
