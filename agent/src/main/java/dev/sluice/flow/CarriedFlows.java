package dev.sluice.flow;

import static dev.sluice.conntrack.FlowRecordDescriptor.*;
import static dev.sluice.flow.CarriedTable.*;

import dev.sluice.conntrack.ConntrackEntry;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.LinuxNfConntrack;
import dev.sluice.conntrack.Tuple;
import dev.sluice.fastpath.OffloadRecords;
import dev.sluice.model.Carried;
import dev.sluice.model.FlowCounters;
import dev.sluice.net.Ip4Address;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Collection;
import org.jspecify.annotations.Nullable;

/**
 * What the fast path has carried, which the kernel's connection tracking does not see: of each flow
 * that is open, for its end to tell, and of each mapping. Thread-safe; who notes and who asks hold
 * it up for microseconds.
 *
 * <p><b>Which is which.</b> The fast path counts directions, named by their packets as they come
 * in. That is how connection tracking names them too: the original direction by the original tuple,
 * the reply direction by the reply tuple.
 *
 * <p><b>Nothing twice, nothing lost.</b> An entry of the fast path only counts up, and goes only
 * when it is taken, with its last counters. So what it grew by since the last look is what is
 * noted, for the flow and at once for the mapping. What an agent that was killed had noted is lost
 * with it; the entries stay, and the next agent {@linkplain #adopt adopts} them. Hence what is kept
 * of a mapping ({@link MappingIndex#kept}) leaves out entries that are still there.
 *
 * <p><b>The end of a flow</b> tells what connection tracking has counted, and what is known here.
 * If an entry of the fast path is still there, the end {@linkplain Knowledge#PART waits} until it
 * was taken.
 */
public final class CarriedFlows {
  /** Directions that are remembered at most. */
  static final int CAPACITY = 1 << 22;

  /** So long nothing was carried: the entry makes room for another. */
  static final long IDLE_NANOS = 30_000_000_000L;

  /** What the fast path takes has been seen in both directions, and is translated. */
  private static final int NEEDED = LinuxNfConntrack.IPS_SEEN_REPLY | LinuxNfConntrack.IPS_ASSURED;

  private static final boolean NATIVE_IS_BIG = ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN;

  /** Who reads the fast path, as far as this class needs it. */
  interface Reader {
    /** Something is to be taken at once. */
    void wake();

    /** Reads the counters now, if that is quick. */
    void freshen();
  }

  private static final Reader NOBODY =
      new Reader() {
        @Override
        public void wake() {}

        @Override
        public void freshen() {}
      };

  private final MappingIndex index;
  private final CarriedTable table;

  /** Slots to be taken at once, each with FLAG_LISTED. */
  private int[] listed = new int[16];

  private int listedSize;

  private volatile Reader reader = NOBODY;
  private volatile Runnable settled = () -> {};

  private long directions;
  private long packets;
  private long bytes;

  /** Written under the lock, read by any. */
  private volatile boolean isEmpty = true;

  public CarriedFlows(MappingIndex index) {
    this(index, CAPACITY);
  }

  CarriedFlows(MappingIndex index, int capacity) {
    this.index = index;
    this.table = new CarriedTable(capacity);
  }

  void readBy(Reader someone) {
    reader = someone;
  }

  /**
   * Is run when ends that {@linkplain Knowledge#PART waited} need not wait any more; by any thread.
   */
  void onSettled(Runnable listener) {
    settled = listener;
  }

  // ---- what the fast path says; in the order in which it said so

  /**
   * Notes the counters of entries that the fast path has.
   *
   * @param nanos when they were read, ns since 1970
   * @param due receives those that are to be taken, from number {@code dueCount} on
   * @return how many are due, with the earlier ones
   */
  synchronized int read(
      OffloadRecords records, int count, long nanos, OffloadRecords due, int dueCount) {
    int all = dueCount;
    for (int i = 0; i < count; i++) {
      int slot = find(records, i);
      if (slot == NONE) {
        slot = insert(records, i, nanos);
      }
      if (slot == NONE) {
        due.name(all++, records, i); // whatever it has counted is noted when it is taken
        continue;
      }
      if (!table.has(slot, FLAG_LIVE)) {
        appear(slot, records, i, nanos);
      }
      note(slot, records.packets(i), records.bytes(i), nanos);
      if (records.isEnded(i)) {
        table.raise(slot, FLAG_ENDED);
      }
      if (table.has(slot, FLAG_ENDED | FLAG_OVER) || nanos - table.get(slot, LAST) >= IDLE_NANOS) {
        due.name(all++, records, i);
      }
    }
    return all;
  }

  /** Notes the last counters of entries that were taken; 0 for those that were not there. */
  void taken(OffloadRecords records, int count, long nanos) {
    boolean isSettled = false;
    synchronized (this) {
      for (int i = 0; i < count; i++) {
        int slot = find(records, i);
        if (slot == NONE) {
          noteWhole(records, i, nanos);
          continue;
        }
        if (!table.has(slot, FLAG_LIVE)) {
          appear(slot, records, i, nanos);
        }
        isSettled |= taken(slot, records.packets(i), records.bytes(i), nanos);
      }
    }
    if (isSettled) {
      settled.run();
    }
  }

  private boolean taken(int slot, long finalPackets, long finalBytes, long nanos) {
    if (finalPackets >= table.get(slot, SEEN_PACKETS)) {
      note(slot, finalPackets, finalBytes, nanos);
    }
    settleEntry(slot);
    directions--;
    boolean wasAwaited = table.has(slot, FLAG_AWAITED);
    table.lower(slot, FLAG_LIVE | FLAG_ENDED | FLAG_DOOMED);
    if (table.has(slot, FLAG_OVER) || table.get(slot, PACKETS) == 0) {
      removeIfIdle(slot);
    }
    return wasAwaited;
  }

  /**
   * Notes what an earlier agent's programs have carried that are attached no more; the records have
   * just been taken from them.
   */
  synchronized void adopt(OffloadRecords records, int count, long nanos) {
    for (int i = 0; i < count; i++) {
      long morePackets = records.packets(i);
      long moreBytes = records.bytes(i);
      int slot = find(records, i);
      if (slot == NONE && morePackets > 0) {
        slot = insert(records, i, nanos);
      }
      noteWhole(records, i, nanos);
      if (slot != NONE) {
        table.set(slot, PACKETS, table.get(slot, PACKETS) + morePackets);
        table.set(slot, BYTES, table.get(slot, BYTES) + moreBytes);
      }
    }
  }

  /** Names what is to be taken at once, as many as there is room for. */
  synchronized int urgent(OffloadRecords target) {
    int count = Math.min(listedSize, target.capacity());
    for (int i = 0; i < count; i++) {
      int slot = listed[i];
      table.lower(slot, FLAG_LISTED);
      table.name(slot, target, i);
    }
    System.arraycopy(listed, count, listed, 0, listedSize - count);
    listedSize -= count;
    return count;
  }

  /** What was named as urgent could not be taken, and still is. */
  synchronized void notTaken(OffloadRecords records, int count) {
    for (int i = 0; i < count; i++) {
      list(find(records, i));
    }
  }

  // ---- what connection tracking says

  /** Whether nothing is known, so that there is no need to ask further. */
  boolean isEmpty() {
    return isEmpty;
  }

  /** What is known of a flow that has ended. */
  enum Knowledge {
    NOTHING,
    /** Something is outstanding, or the end of another flow with these tuples waits for that. */
    PART,
    ALL
  }

  /**
   * What is known of the flow of this end. If it is a part, the fast path's entries are taken, and
   * {@link #onSettled} is told.
   */
  Knowledge of(FlowRecord ended) {
    if (isEmpty || !ended.hasPorts() || ended.zone() != 0) {
      return Knowledge.NOTHING;
    }
    Knowledge knowledge;
    synchronized (this) {
      int original = findOriginal(ended);
      int reply = findReply(ended);
      if (original == NONE && reply == NONE) {
        return Knowledge.NOTHING;
      }
      boolean isOutstanding = isOutstanding(original) || isOutstanding(reply);
      knowledge =
          isOutstanding || isAwaited(original) || isAwaited(reply) ? Knowledge.PART : Knowledge.ALL;
      await(original);
      await(reply);
    }
    if (knowledge == Knowledge.PART) {
      reader.wake();
    }
    return knowledge;
  }

  private boolean isOutstanding(int slot) {
    return slot != NONE && table.has(slot, FLAG_LIVE | FLAG_DOOMED) && !table.has(slot, FLAG_OVER);
  }

  private void await(int slot) {
    if (isOutstanding(slot)) {
      table.raise(slot, FLAG_AWAITED);
      list(slot);
    }
  }

  /** Whether an end waits for the flow's entries to be taken. */
  synchronized boolean isAwaited(FlowRecord flow) {
    return isAwaited(findOriginal(flow)) || isAwaited(findReply(flow));
  }

  /** Whether the entries that an end waits for have not been taken yet. */
  synchronized boolean isOutstanding(FlowRecord ended) {
    return isOutstanding(findOriginal(ended)) || isOutstanding(findReply(ended));
  }

  private boolean isAwaited(int slot) {
    return slot != NONE && table.has(slot, FLAG_AWAITED);
  }

  /**
   * Adds what is known to the counters of an end, and forgets the flow.
   *
   * @param target the record's memory
   * @param ended a window on it
   */
  synchronized void conclude(FlowRecord ended, ByteBuffer target) {
    conclude(findOriginal(ended), target, ORIG_PACKETS_OFFSET, ORIG_BYTES_OFFSET);
    conclude(findReply(ended), target, REPLY_PACKETS_OFFSET, REPLY_BYTES_OFFSET);
  }

  private void conclude(int slot, ByteBuffer target, int packetsOffset, int bytesOffset) {
    if (slot == NONE || table.has(slot, FLAG_OVER)) {
      return;
    }
    target.putLong(packetsOffset, target.getLong(packetsOffset) + table.get(slot, PACKETS));
    target.putLong(bytesOffset, target.getLong(bytesOffset) + table.get(slot, BYTES));
    forget(slot);
  }

  /** The flow is over, and its end has no counters. */
  synchronized void forget(FlowRecord ended) {
    forget(findOriginal(ended));
    forget(findReply(ended));
  }

  private void forget(int slot) {
    if (slot == NONE) {
      return;
    }
    table.lower(slot, FLAG_AWAITED);
    table.raise(slot, FLAG_OVER);
    removeIfIdle(slot);
  }

  /** A flow begins: what is known of an earlier one with its tuples is not its. */
  synchronized void begin(FlowRecord flow) {
    begin(findOriginal(flow), flow.eventNanos());
    begin(findReply(flow), flow.eventNanos());
  }

  private void begin(int slot, long nanos) {
    if (slot != NONE && table.isIdle(slot) && table.get(slot, LAST) < nanos) {
      table.remove(slot);
      isEmpty = table.size() == 0;
    }
  }

  /** These are about to be deleted: their ends wait until what they carried is known. */
  synchronized void doom(Collection<ConntrackEntry> entries) {
    for (ConntrackEntry entry : entries) {
      if (mayBeCarried(entry.status(), entry.protocol(), entry.zone())) {
        doom(entry.original());
        doom(entry.reply());
      }
    }
  }

  private void doom(Tuple tuple) {
    int slot = find(tuple);
    if (slot == NONE && tuple.detail() instanceof Tuple.Ports ports) {
      // It may be carried since a moment ago.
      slot =
          insert(
              headOf(tuple, ports),
              first(tuple.source()),
              second(tuple.source()),
              first(tuple.destination()),
              second(tuple.destination()));
    }
    if (slot != NONE) {
      table.raise(slot, FLAG_DOOMED);
    }
  }

  /** These have been deleted, or were not there any more: what the fast path has is taken. */
  void release(Collection<ConntrackEntry> entries) {
    synchronized (this) {
      for (ConntrackEntry entry : entries) {
        list(find(entry.original()));
        list(find(entry.reply()));
      }
    }
    reader.wake();
  }

  /** What is known of the flow. */
  Carried of(ConntrackEntry entry) {
    if (isEmpty || !mayBeCarried(entry.status(), entry.protocol(), entry.zone())) {
      return Carried.NOTHING;
    }
    synchronized (this) {
      int original = find(entry.original());
      int reply = find(entry.reply());
      return original == NONE && reply == NONE
          ? Carried.NOTHING
          : new Carried(
              isCarriedNow(original) || isCarriedNow(reply), counters(original), counters(reply));
    }
  }

  private boolean isCarriedNow(int slot) {
    return slot != NONE && table.has(slot, FLAG_LIVE) && !table.has(slot, FLAG_ENDED | FLAG_OVER);
  }

  private FlowCounters counters(int slot) {
    return slot == NONE || table.has(slot, FLAG_OVER)
        ? Carried.NOTHING.original()
        : new FlowCounters(table.get(slot, PACKETS), table.get(slot, BYTES));
  }

  // ---- figures

  /** Brings what is known up to date, if that is quick. Otherwise it is a second old at most. */
  void freshen() {
    reader.freshen();
  }

  /** What is known by now. */
  public synchronized CarriedStatistics statistics() {
    return new CarriedStatistics(directions, packets, bytes);
  }

  // ---- the table, under the lock

  /** The counters that the kernel's entry has now; a smaller one is another entry's. */
  private void note(int slot, long nowPackets, long nowBytes, long nanos) {
    if (nowPackets < table.get(slot, SEEN_PACKETS)) {
      settleEntry(slot);
    }
    long morePackets = nowPackets - table.get(slot, SEEN_PACKETS);
    long moreBytes = nowBytes - table.get(slot, SEEN_BYTES);
    if (morePackets == 0 && moreBytes == 0) {
      return;
    }
    table.set(slot, SEEN_PACKETS, nowPackets);
    table.set(slot, SEEN_BYTES, nowBytes);
    table.set(slot, LAST, nanos);
    if (!table.has(slot, FLAG_OVER)) {
      table.set(slot, PACKETS, table.get(slot, PACKETS) + morePackets);
      table.set(slot, BYTES, table.get(slot, BYTES) + moreBytes);
    }
    grow(table.owner(slot), table.has(slot, FLAG_OUT), morePackets, moreBytes, nanos);
  }

  /** The kernel's entry is gone; what it counted has been noted. */
  private void settleEntry(int slot) {
    MappingIndex.Totals owner = table.owner(slot);
    if (owner != null) {
      owner.settle(
          table.has(slot, FLAG_OUT), table.get(slot, SEEN_PACKETS), table.get(slot, SEEN_BYTES));
    }
    table.set(slot, SEEN_PACKETS, 0);
    table.set(slot, SEEN_BYTES, 0);
  }

  /** What an entry has counted in all, which is gone. */
  private void noteWhole(OffloadRecords records, int record, long nanos) {
    if (records.packets(record) == 0) {
      return;
    }
    boolean out = isOut(records, record);
    MappingIndex.Totals owner = ownerOf(records, record, out);
    grow(owner, out, records.packets(record), records.bytes(record), nanos);
    if (owner != null) {
      owner.settle(out, records.packets(record), records.bytes(record));
    }
  }

  private void grow(
      MappingIndex.@Nullable Totals owner,
      boolean out,
      long morePackets,
      long moreBytes,
      long nanos) {
    packets += morePackets;
    bytes += moreBytes;
    if (owner != null) {
      owner.carried(out, morePackets, moreBytes, nanos);
    }
  }

  private void list(int slot) {
    if (slot == NONE || table.has(slot, FLAG_LISTED)) {
      return;
    }
    table.raise(slot, FLAG_LISTED);
    if (listedSize == listed.length) {
      listed = Arrays.copyOf(listed, 2 * listedSize);
    }
    listed[listedSize++] = slot;
  }

  private void removeIfIdle(int slot) {
    if (table.isIdle(slot)) {
      table.remove(slot);
      isEmpty = table.size() == 0;
    }
  }

  /** The kernel has an entry for the direction, or had one until now. */
  private void appear(int slot, OffloadRecords records, int record, long nanos) {
    directions++;
    table.raise(slot, FLAG_LIVE);
    table.set(slot, LAST, nanos);
    if (table.owner(slot) == null) {
      boolean out = isOut(records, record);
      table.own(slot, ownerOf(records, record, out), out);
    }
  }

  private int insert(OffloadRecords records, int record, long nanos) {
    int slot =
        insert(
            head(
                records.isIpv6(record),
                records.protocol(record),
                records.sourcePort(record),
                records.destinationPort(record)),
            records.sourceHalf(record, 0),
            records.sourceHalf(record, 1),
            records.destinationHalf(record, 0),
            records.destinationHalf(record, 1));
    if (slot != NONE) {
      table.set(slot, LAST, nanos);
    }
    return slot;
  }

  private int insert(
      long head,
      long sourceFirst,
      long sourceSecond,
      long destinationFirst,
      long destinationSecond) {
    int slot = table.insert(head, sourceFirst, sourceSecond, destinationFirst, destinationSecond);
    isEmpty = table.size() == 0;
    return slot;
  }

  /** Whether the direction may come from a mapping's target: it is made to come from elsewhere. */
  private static boolean isOut(OffloadRecords records, int record) {
    return records.destinationPort(record) == records.newDestinationPort(record)
        && records.destination(record).equals(records.newDestination(record));
  }

  /**
   * The mapping that the direction goes through: in, if it is sent to one's host port and led to
   * its target; out, if it comes from there and is made to come from the host port. What a
   * container sends out on its own from the port it serves looks the same, if of all ports it was
   * given the host port for it.
   */
  private MappingIndex.@Nullable Totals ownerOf(OffloadRecords records, int record, boolean out) {
    IpAddress host = out ? records.newSource(record) : records.destination(record);
    IpAddress target = out ? records.source(record) : records.newDestination(record);
    MappingIndex.Publication found =
        index.find(
            records.isIpv6(record),
            records.protocol(record),
            MappingIndex.high(host),
            MappingIndex.low(host),
            out ? records.newSourcePort(record) : records.destinationPort(record),
            MappingIndex.high(target),
            MappingIndex.low(target),
            out ? records.sourcePort(record) : records.newDestinationPort(record),
            MappingIndex.UNKNOWN_NANOS);
    return found == null ? null : found.totals;
  }

  private int find(OffloadRecords records, int record) {
    return table.find(
        head(
            records.isIpv6(record),
            records.protocol(record),
            records.sourcePort(record),
            records.destinationPort(record)),
        records.sourceHalf(record, 0),
        records.sourceHalf(record, 1),
        records.destinationHalf(record, 0),
        records.destinationHalf(record, 1));
  }

  private int findOriginal(FlowRecord flow) {
    return table.find(
        head(
            flow.isIpv6(),
            flow.protocol(),
            flow.originalSourcePort(),
            flow.originalDestinationPort()),
        flow.rawLong(ORIG_SRC_OFFSET),
        flow.rawLong(ORIG_SRC_OFFSET + Long.BYTES),
        flow.rawLong(ORIG_DST_OFFSET),
        flow.rawLong(ORIG_DST_OFFSET + Long.BYTES));
  }

  private int findReply(FlowRecord flow) {
    return table.find(
        head(flow.isIpv6(), flow.protocol(), flow.replySourcePort(), flow.replyDestinationPort()),
        flow.rawLong(REPLY_SRC_OFFSET),
        flow.rawLong(REPLY_SRC_OFFSET + Long.BYTES),
        flow.rawLong(REPLY_DST_OFFSET),
        flow.rawLong(REPLY_DST_OFFSET + Long.BYTES));
  }

  private int find(Tuple tuple) {
    return tuple.detail() instanceof Tuple.Ports ports
        ? table.find(
            headOf(tuple, ports),
            first(tuple.source()),
            second(tuple.source()),
            first(tuple.destination()),
            second(tuple.destination()))
        : NONE;
  }

  private static long headOf(Tuple tuple, Tuple.Ports ports) {
    return head(
        tuple.source() instanceof Ip6Address,
        tuple.protocol(),
        ports.source(),
        ports.destination());
  }

  /** The first eight bytes of the address in a record, as they lie in memory. */
  private static long first(IpAddress address) {
    return asInMemory(
        address instanceof Ip6Address six
            ? six.high()
            : (long) ((Ip4Address) address).bits() << Integer.SIZE);
  }

  private static long second(IpAddress address) {
    return address instanceof Ip6Address six ? asInMemory(six.low()) : 0;
  }

  private static long asInMemory(long number) {
    return NATIVE_IS_BIG ? number : Long.reverseBytes(number);
  }

  private static boolean mayBeCarried(int status, int protocol, int zone) {
    return zone == 0
        && (status & NEEDED) == NEEDED
        && (status & LinuxNfConntrack.IPS_NAT_MASK) != 0
        && (protocol == LinuxNfConntrack.IPPROTO_TCP || protocol == LinuxNfConntrack.IPPROTO_UDP);
  }
}
