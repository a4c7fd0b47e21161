package dev.sluice.flow;

import static dev.sluice.conntrack.FlowRecordDescriptor.KIND_OFFSET;
import static dev.sluice.conntrack.FlowRecordDescriptor.RECORD_BYTES;
import static dev.sluice.conntrack.FlowRecordDescriptor.SLUICE_KIND_DESTROY;
import static dev.sluice.conntrack.FlowRecordDescriptor.SLUICE_KIND_NEW;
import static dev.sluice.conntrack.FlowRecordDescriptor.SLUICE_KIND_UPDATE;

import dev.sluice.conntrack.EventRing;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.GapRecord;
import dev.sluice.conntrack.LinuxNfConntrack;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/**
 * What the events of the kernel say of the flows: keeps the {@link FlowTable}, finds the mapping of
 * each flow, sees to it that the end of every flow is told once, and appends to the log. One
 * thread; allocates nothing per event.
 *
 * <p><b>Who is who.</b> The kernel's id is used again, even for the same tuple, so that a flow is
 * told by id, tuple and start. Only an end and a dump say when a flow started; a beginning comes
 * right after it.
 *
 * <p><b>After a gap</b> a {@link Resync} compares the table with the kernel's: it calls {@link
 * #beginComparison}, {@link #onEntry} for each entry of the dump, and then {@link #conclude} until
 * everything that was missed is told. Which flows the dump should have shown is decided by the
 * order of things, not by the clock, which may be set meanwhile: those that were known when it
 * began and of which no event came since. If the end of another is lost, that is another gap, and
 * another comparison.
 *
 * <p><b>What the fast path carried</b> is added to the counters of an end. If some of that is not
 * known yet, the end waits for it, a few milliseconds; what happens to other flows meanwhile is
 * told before ({@link PendingEvents}).
 */
final class FlowTracker implements EventRing.Handler {
  /**
   * How far the start of a flow and the event that tells of its beginning may be apart, in either
   * direction: the kernel takes the two times a few microseconds from each other, but between them
   * it may be interrupted. What is further apart is another flow.
   */
  private static final long BEGIN_SLACK_NANOS = 100_000_000;

  /** Events that are concluded in one go, and slots that are looked at. */
  private static final int PORTION = 1 << 10;

  private static final int PORTION_SLOTS = 1 << 14;

  private static final VarHandle RECEIVED = counter("received");
  private static final VarHandle LOST_RECEIVE_BUFFER = counter("lostReceiveBuffer");
  private static final VarHandle LOST_RING = counter("lostRing");
  private static final VarHandle LOST_MALFORMED = counter("lostMalformed");
  private static final VarHandle SYNTHESISED = counter("synthesised");
  private static final VarHandle DUPLICATES = counter("duplicates");
  private static final VarHandle UNTRACKED = counter("untracked");
  private static final VarHandle OPEN = counter("open");

  private final MappingIndex index;
  private final EventLog log;
  private final FlowTable table;
  private final RecentEnds ended = new RecentEnds();
  private final CarriedFlows carried;
  private final PendingEvents pending = new PendingEvents();

  private final ByteBuffer concluded =
      ByteBuffer.allocate(RECORD_BYTES).order(ByteOrder.nativeOrder());
  private final FlowRecord concludedFlow = new FlowRecord().wrap(concluded, 0);

  private @Nullable GapListener gapListener;

  /** Of flows that the last dump showed, and of those of which an event came since it began. */
  private int generation;

  // The slots that the conclusions have still to look at.
  private int concludeAt;
  private int concludeTo;

  /** The events that come now were queued after this, as far as is known. */
  private long queuedAfterNanos;

  /** How many gaps there were: what has been seen since is complete. */
  private long gaps;

  /** There was a flow for which there was no room. */
  private volatile boolean full;

  /** When the last end of a flow without a known start was concluded. */
  private long concludedNanos = Long.MIN_VALUE;

  /** Flows in the table that may end without an event. */
  private long older;

  /** {@link #gaps} when a dump last brought the table up to date; -1 before the first. */
  private long completeSinceGap = -1;

  // Written by the one thread, read by any.
  private volatile long received;
  private volatile long lostReceiveBuffer;
  private volatile long lostRing;
  private volatile long lostMalformed;
  private volatile long synthesised;
  private volatile long duplicates;
  private volatile long untracked;
  private volatile long open;

  /** Is told of every gap. */
  interface GapListener {
    void onGap();
  }

  FlowTracker(MappingIndex index, EventLog log, FlowTable table) {
    this(index, log, table, new CarriedFlows(index));
  }

  /**
   * @param carried what the fast path carries
   */
  FlowTracker(MappingIndex index, EventLog log, FlowTable table, CarriedFlows carried) {
    this.index = index;
    this.log = log;
    this.table = table;
    this.carried = carried;
  }

  void onGap(GapListener listener) {
    gapListener = listener;
  }

  @Override
  public void onFlow(FlowRecord flow) {
    switch (flow.kind()) {
      case NEW -> onNew(flow);
      case UPDATE -> onUpdate(flow);
      case DESTROY -> onDestroy(flow);
      case ENTRY -> throw new IllegalStateException("an entry of a dump among events: " + flow);
    }
    // Those behind it were queued later than it happened.
    queuedAfterNanos = Math.max(queuedAfterNanos, flow.eventNanos());
    RECEIVED.setOpaque(this, received + 1);
    OPEN.setOpaque(this, (long) table.size());
  }

  /** The events that come from now on were queued after this, ns since 1970. */
  void queuedAfter(long nanos) {
    queuedAfterNanos = nanos;
  }

  @Override
  public void onGap(GapRecord gap) {
    gaps++;
    log.appendGap(
        FrameDescriptor.gapCause(gap.causeNumber()),
        gap.lost(),
        gap.isAtMost(),
        gap.fromNanos(),
        gap.toNanos());
    long lost = gap.lost();
    switch (gap.cause()) {
      case RECEIVE_BUFFER -> LOST_RECEIVE_BUFFER.setOpaque(this, lostReceiveBuffer + lost);
      case RING -> LOST_RING.setOpaque(this, lostRing + lost);
      case MALFORMED -> LOST_MALFORMED.setOpaque(this, lostMalformed + lost);
    }
    if (gapListener != null) {
      gapListener.onGap();
    }
  }

  private void onNew(FlowRecord flow) {
    if (!carried.isEmpty() && flow.hasPorts()) {
      carried.begin(flow);
    }
    int slot = table.find(flow);
    if (slot != FlowTable.NONE) {
      if (!isBeginOf(slot, flow)) {
        concludeEnd(slot, flow.eventNanos());
      } else if (table.has(slot, FlowTable.FLAG_FROM_DUMP)) {
        // The dump was faster than the event.
        table.clear(slot, FlowTable.FLAG_FROM_DUMP | FlowTable.FLAG_DIFFERS);
        table.update(slot, flow);
        MappingIndex.Publication owner = table.owner(slot);
        if (owner != null) {
          owner.totals.counted(flow.eventNanos());
        }
        tell(flow, owner, false);
        return;
      } else {
        duplicate();
        return;
      }
    }
    MappingIndex.Publication owner = mappingOf(flow, flow.eventNanos());
    if (queuedAfterNanos - flow.eventNanos() > BEGIN_SLACK_NANOS) {
      // Its first packet was held up on its way (NFQUEUE): it began only when that went on.
      var unused = enter(flow, owner, queuedAfterNanos, 0, true);
    } else {
      int began = flow.hasKernelTime() ? FlowTable.FLAG_BEGAN : 0;
      var unused = enter(flow, owner, flow.eventNanos(), began, true);
    }
    tell(flow, owner, false);
  }

  /**
   * Whether the flow in the slot is the one that begins with this event; else it is an earlier one
   * of the same id and tuple, whose end was lost.
   */
  private boolean isBeginOf(int slot, FlowRecord flow) {
    if (table.has(slot, FlowTable.FLAG_EXACT_START) && flow.hasKernelTime()) {
      return flow.eventNanos() - table.startNanos(slot) <= BEGIN_SLACK_NANOS;
    }
    // If nothing was lost it is the same flow, told again.
    return table.has(slot, FlowTable.FLAG_FROM_DUMP) || isComplete();
  }

  private void onUpdate(FlowRecord flow) {
    int slot = table.find(flow);
    if (slot == FlowTable.NONE) {
      MappingIndex.Publication owner = mappingOf(flow, MappingIndex.UNKNOWN_NANOS);
      boolean isNew = completeSinceGap >= 0;
      if (enter(flow, owner, flow.eventNanos(), 0, isNew) && isNew) {
        // Its beginning was lost. Before the first dump it may just be older than we are.
        concluded(flow, SLUICE_KIND_NEW, owner);
      }
      tell(flow, owner, false);
      return;
    }
    concludeBeginOf(slot);
    table.clear(slot, FlowTable.FLAG_DIFFERS);
    table.update(slot, flow);
    table.setGeneration(slot, generation);
    MappingIndex.Publication owner = table.owner(slot);
    if (owner != null) {
      owner.totals.seen(flow.eventNanos());
    }
    tell(flow, owner, false);
  }

  private void onDestroy(FlowRecord flow) {
    if (flow.hasStart() && ended.contains(flow)) {
      duplicate();
      return;
    }
    int slot = table.find(flow);
    int order = slot == FlowTable.NONE ? -1 : compareStart(slot, flow);
    MappingIndex.Publication owner;
    if (order == 0) {
      concludeBeginOf(slot);
      owner = table.owner(slot);
      leave(slot, flow.eventNanos());
      if (owner == null && flow.hasStart()) {
        // When it began the time was not known that well.
        owner = mappingOf(flow, flow.startNanos());
      }
    } else {
      if (order > 0) {
        // The flow we know ended unseen, and the beginning of this one was lost.
        concludeEnd(slot, flow.startNanos());
      }
      owner = mappingOf(flow, flow.hasStart() ? flow.startNanos() : MappingIndex.UNKNOWN_NANOS);
    }
    ended.add(flow);
    if (owner != null && flow.hasCounters()) {
      owner.totals.add(
          flow.originalPackets(), flow.originalBytes(), flow.replyPackets(), flow.replyBytes());
      owner.totals.seen(flow.eventNanos());
    }
    if (slot == FlowTable.NONE
        && flow.hasStart()
        && flow.startNanos() <= concludedNanos
        && ended.containsStartless(flow)) {
      // It was concluded, and then the kernel delivered it after all (reliable mode).
      duplicate();
      return;
    }
    switch (carried.of(flow)) {
      case NOTHING -> log.appendFlow(flow, latest(owner), false);
      case PART -> defer(flow, owner, false);
      case ALL -> {
        flow.copyTo(concluded, 0);
        tellEnd(owner);
      }
    }
  }

  // ---- the log

  /** An event of a flow whose end, or another's with its tuples, does not wait is told at once. */
  private void tell(
      FlowRecord flow, MappingIndex.@Nullable Publication owner, boolean isSynthesised) {
    if (!pending.isEmpty() && flow.hasPorts() && carried.isAwaited(flow)) {
      defer(flow, owner, isSynthesised);
    } else {
      log.appendFlow(flow, latest(owner), isSynthesised);
    }
  }

  private void defer(
      FlowRecord flow, MappingIndex.@Nullable Publication owner, boolean isSynthesised) {
    if (pending.isFull()) {
      settle(true);
    }
    pending.add(flow, owner, isSynthesised);
  }

  /** The end that was copied, with what the fast path carried of the flow. */
  private void tellEnd(MappingIndex.@Nullable Publication owner) {
    if (concludedFlow.hasCounters()) {
      carried.conclude(concludedFlow, concluded);
    } else {
      carried.forget(concludedFlow);
    }
    log.appendFlow(concludedFlow, latest(owner), false);
  }

  /**
   * Tells the events that waited for what the fast path carried, if that is known now, or if they
   * have waited long enough.
   */
  void settle() {
    settle(false);
  }

  private void settle(boolean everything) {
    while (!pending.isEmpty()) {
      pending.copyFirst(concluded);
      boolean isSynthesised = pending.isFirstSynthesised();
      if (isSynthesised || concludedFlow.kind() != FlowRecord.Kind.DESTROY) {
        log.appendFlow(concludedFlow, latest(pending.removeFirst()), isSynthesised);
      } else if (everything || pending.isFirstLate() || !carried.isOutstanding(concludedFlow)) {
        tellEnd(pending.removeFirst());
      } else {
        return;
      }
    }
  }

  /** Nothing comes any more: tells the events that wait, with what is known. */
  void end() {
    settle(true);
  }

  /**
   * An event comes of a flow that only the dump told of so far. Events of one flow come in their
   * order: that of its beginning was lost.
   */
  private void concludeBeginOf(int slot) {
    if (!table.has(slot, FlowTable.FLAG_FROM_DUMP)) {
      return;
    }
    table.clear(slot, FlowTable.FLAG_FROM_DUMP | FlowTable.FLAG_DIFFERS);
    if (completeSinceGap >= 0) {
      concludeBegin(slot);
    }
  }

  /**
   * Whether the flow of the record is older than that in the slot (< 0), the same (0), or newer.
   */
  private int compareStart(int slot, FlowRecord flow) {
    if (!flow.hasStart()) {
      return 0;
    }
    long known = table.startNanos(slot);
    long start = flow.startNanos();
    if (table.has(slot, FlowTable.FLAG_EXACT_START)) {
      return Long.compare(start, known);
    }
    // Known is when an event of the flow came first.
    if (start - known > BEGIN_SLACK_NANOS) {
      return isComplete() ? 0 : 1; // nothing was lost, so it only took long to begin
    }
    return table.has(slot, FlowTable.FLAG_BEGAN) && known - start > BEGIN_SLACK_NANOS ? -1 : 0;
  }

  // ---- the table

  /** Whether there was room for the flow. */
  private boolean enter(
      FlowRecord flow,
      MappingIndex.@Nullable Publication owner,
      long startNanos,
      int flags,
      boolean isNew) {
    if (table.insert(flow, owner, startNanos, flags, generation) == FlowTable.NONE) {
      UNTRACKED.setOpaque(this, untracked + 1);
      full = true;
      return false;
    }
    if (owner != null) {
      owner.totals.opened(isNew, flow.eventNanos());
    }
    return true;
  }

  private void leave(int slot, long nanos) {
    MappingIndex.Publication owner = table.owner(slot);
    if (owner != null) {
      owner.totals.closed(nanos);
    }
    if (table.has(slot, FlowTable.FLAG_OLDER)) {
      older--;
    }
    table.remove(slot);
  }

  /** Whether nothing was lost since a dump brought the table up to date. */
  boolean isComplete() {
    return completeSinceGap == gaps && !full;
  }

  /** Whether flows are missing because there was no room, since the last comparison began. */
  boolean isFull() {
    return full;
  }

  // ---- resynchronisation

  /** A dump begins. Every event from before the last gap has been handled. */
  void beginComparison() {
    generation++;
    full = false;
  }

  /** The dump shows this entry. */
  void onEntry(FlowRecord entry) {
    // The kernel has entries ready before it is asked for them: they may have ended meanwhile.
    if ((entry.status() & LinuxNfConntrack.IPS_DYING) != 0 || ended.contains(entry)) {
      return;
    }
    int slot = table.find(entry);
    int order = slot == FlowTable.NONE ? 0 : compareStart(slot, entry);
    boolean heardOf = slot != FlowTable.NONE && table.generation(slot) == generation;
    if (order < 0 && heardOf) {
      return; // an earlier flow of the same id and tuple, which has ended
    }
    if (order != 0) {
      // Also if it seems to be older: there is one flow of a tuple at a time, and a clock can be
      // set.
      concludeEnd(slot, entry.startNanos());
      slot = FlowTable.NONE;
    }
    if (slot == FlowTable.NONE) {
      long start = entry.hasStart() ? entry.startNanos() : entry.eventNanos();
      MappingIndex.Publication owner =
          mappingOf(entry, entry.hasStart() ? start : MappingIndex.UNKNOWN_NANOS);
      int flags = FlowTable.FLAG_FROM_DUMP | (entry.hasStart() ? FlowTable.FLAG_EXACT_START : 0);
      var unused = enter(entry, owner, start, flags, false);
      OPEN.setOpaque(this, (long) table.size());
      return;
    }
    table.setGeneration(slot, generation);
    if (entry.hasStart() && !table.has(slot, FlowTable.FLAG_EXACT_START)) {
      table.setStart(slot, entry.startNanos());
      table.set(slot, FlowTable.FLAG_EXACT_START);
    }
    // What happened since the dump began may not be in it yet.
    if (!heardOf && !table.isInState(slot, entry)) {
      table.update(slot, entry);
      table.set(slot, FlowTable.FLAG_DIFFERS);
    }
  }

  /** The dump and everything that happened before its end has been read. */
  void beginConclusions() {
    concludeAt = 0;
    concludeTo = table.slots(); // what comes behind is heard of
  }

  /**
   * Concludes a portion of what was missed, so little that the log has room for it several times
   * over. Events may come between two portions; what they tell of is not concluded any more.
   *
   * @param gapsBefore {@link #gaps()} before the dump began
   * @param nanos when the dump ended
   * @return whether there is more
   */
  boolean conclude(long gapsBefore, long nanos) {
    long most = synthesised + Math.min(PORTION, log.capacity() / 8);
    int end = Math.min(concludeTo, concludeAt + PORTION_SLOTS);
    while (concludeAt < end && synthesised < most) {
      if (table.isUsed(concludeAt)) {
        concludeOf(concludeAt, nanos);
      }
      concludeAt++;
    }
    OPEN.setOpaque(this, (long) table.size());
    if (concludeAt < concludeTo) {
      return true;
    }
    completeSinceGap = gapsBefore;
    return false;
  }

  private void concludeOf(int slot, long nanos) {
    boolean heardOf = table.generation(slot) == generation;
    if (table.has(slot, FlowTable.FLAG_FROM_DUMP)) {
      if (!heardOf) {
        leave(slot, nanos); // of a dump that broke off; nobody was told of it
        return;
      }
      table.clear(slot, FlowTable.FLAG_FROM_DUMP | FlowTable.FLAG_DIFFERS);
      if (completeSinceGap < 0) {
        table.set(slot, FlowTable.FLAG_OLDER);
        older++;
      } else {
        concludeBegin(slot);
      }
    } else if (!heardOf) {
      concludeEnd(slot, nanos);
    } else if (table.has(slot, FlowTable.FLAG_DIFFERS)) {
      table.clear(slot, FlowTable.FLAG_DIFFERS);
      concludeUpdate(slot, nanos);
    }
  }

  /** Whether what is appended now comes faster than somebody reads it. */
  boolean isAheadOfConsumers() {
    return log.isCrowded();
  }

  /**
   * How many flows of the first dump are open. If they began while events were off, or nobody
   * listened (nf_conntrack_events = 2), the kernel does not tell their end.
   */
  long older() {
    return older;
  }

  /** How many gaps there have been. */
  long gaps() {
    return gaps;
  }

  private void concludeBegin(int slot) {
    MappingIndex.Publication owner = table.owner(slot);
    if (owner != null) {
      owner.totals.counted(table.startNanos(slot));
    }
    table.copyTo(slot, SLUICE_KIND_NEW, table.startNanos(slot), concluded);
    append(owner);
  }

  private void concludeUpdate(int slot, long nanos) {
    table.copyTo(slot, SLUICE_KIND_UPDATE, nanos, concluded);
    append(table.owner(slot));
  }

  private void concludeEnd(int slot, long nanos) {
    table.copyTo(slot, SLUICE_KIND_DESTROY, nanos, concluded);
    ended.add(concludedFlow);
    if (!concludedFlow.hasStart()) {
      concludedNanos = Math.max(concludedNanos, nanos);
    }
    append(table.owner(slot));
    leave(slot, nanos);
    if (!carried.isEmpty() && concludedFlow.hasPorts() && !carried.isAwaited(concludedFlow)) {
      carried.forget(concludedFlow);
    }
  }

  private void concluded(FlowRecord flow, int kind, MappingIndex.@Nullable Publication owner) {
    flow.copyTo(concluded, 0);
    concluded.put(KIND_OFFSET, (byte) kind);
    append(owner);
  }

  private void append(MappingIndex.@Nullable Publication owner) {
    tell(concludedFlow, owner, true);
    SYNTHESISED.setOpaque(this, synthesised + 1);
  }

  private void duplicate() {
    DUPLICATES.setOpaque(this, duplicates + 1);
  }

  // ---- statistics, from any thread

  long received() {
    return received;
  }

  long lostReceiveBuffer() {
    return lostReceiveBuffer;
  }

  long lostRing() {
    return lostRing;
  }

  long lostMalformed() {
    return lostMalformed;
  }

  /** Events that were concluded after gaps. */
  long synthesised() {
    return synthesised;
  }

  /** Events that told again what had been told, and are not in the log. */
  long duplicates() {
    return duplicates;
  }

  /** Flows for which the table had no room. */
  long untracked() {
    return untracked;
  }

  /** Flows in the table. */
  long open() {
    return open;
  }

  FlowTable table() {
    return table;
  }

  private static MappingIndex.@Nullable Publication latest(
      MappingIndex.@Nullable Publication publication) {
    return publication == null ? null : publication.latest();
  }

  private MappingIndex.@Nullable Publication mappingOf(FlowRecord flow, long startNanos) {
    if ((flow.status() & LinuxNfConntrack.IPS_DST_NAT) == 0 || !flow.hasPorts()) {
      return null;
    }
    boolean six = flow.isIpv6();
    return index.find(
        six,
        flow.protocol(),
        six ? flow.originalDestinationHigh() : 0,
        six ? flow.originalDestinationLow() : MappingIndex.mapped(flow.originalDestination4()),
        flow.originalDestinationPort(),
        six ? flow.replySourceHigh() : 0,
        six ? flow.replySourceLow() : MappingIndex.mapped(flow.replySource4()),
        flow.replySourcePort(),
        startNanos);
  }

  private static VarHandle counter(String field) {
    try {
      return MethodHandles.lookup().findVarHandle(FlowTracker.class, field, long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }
}
