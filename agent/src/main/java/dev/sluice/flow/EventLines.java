package dev.sluice.flow;

import dev.sluice.conntrack.EventRing;
import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.GapRecord;
import dev.sluice.model.FlowStatus;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * Turns records into lines of the log: attribute, format, append. One thread; allocates nothing.
 */
final class EventLines implements EventRing.Handler {
  private static final int DST_NAT = bit(FlowStatus.DST_NAT);

  private static final VarHandle RECEIVED = counter("received");
  private static final VarHandle LOST_RECEIVE_BUFFER = counter("lostReceiveBuffer");
  private static final VarHandle LOST_RING = counter("lostRing");
  private static final VarHandle LOST_MALFORMED = counter("lostMalformed");

  private final MappingIndex index;
  private final EventLog log;
  private final LogEntry entry = new LogEntry();

  // Written by the one thread, read by any.
  private volatile long received;
  private volatile long lostReceiveBuffer;
  private volatile long lostRing;
  private volatile long lostMalformed;

  EventLines(MappingIndex index, EventLog log) {
    this.index = index;
    this.log = log;
  }

  @Override
  public void onFlow(FlowRecord flow) {
    MappingIndex.Publication mapping = mappingOf(flow);
    if (mapping != null && flow.kind() == FlowRecord.Kind.DESTROY && flow.hasCounters()) {
      mapping.totals.add(
          flow.originalPackets(), flow.originalBytes(), flow.replyPackets(), flow.replyBytes());
    }
    entry.setFlow(log.nextForWriter(), flow, mapping);
    log.append(entry);
    RECEIVED.setOpaque(this, received + 1);
  }

  @Override
  public void onGap(GapRecord gap) {
    entry.setGap(log.nextForWriter(), gap);
    log.append(entry);
    long lost = gap.lost();
    switch (gap.cause()) {
      case RECEIVE_BUFFER -> LOST_RECEIVE_BUFFER.setOpaque(this, lostReceiveBuffer + lost);
      case RING -> LOST_RING.setOpaque(this, lostRing + lost);
      case MALFORMED -> LOST_MALFORMED.setOpaque(this, lostMalformed + lost);
    }
  }

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

  private MappingIndex.@Nullable Publication mappingOf(FlowRecord flow) {
    if ((flow.status() & DST_NAT) == 0 || !flow.hasPorts()) {
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
        startOf(flow));
  }

  /** The start of a flow comes with its end; with its beginning, it is now. */
  private static long startOf(FlowRecord flow) {
    if (flow.hasStart()) {
      return flow.startNanos();
    }
    return flow.kind() == FlowRecord.Kind.NEW ? flow.eventNanos() : MappingIndex.UNKNOWN_NANOS;
  }

  private static int bit(FlowStatus wanted) {
    FlowStatus[] byBit = FlowStatus.values();
    for (int bit = 0; bit < byBit.length; bit++) {
      if (byBit[bit] == wanted) {
        return 1 << bit;
      }
    }
    throw new AssertionError(wanted);
  }

  private static VarHandle counter(String field) {
    try {
      return MethodHandles.lookup().findVarHandle(EventLines.class, field, long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }
}
