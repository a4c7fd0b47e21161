package dev.sluice.flow;

import static dev.sluice.flow.AsciiBuffer.ascii;
import static java.util.Objects.requireNonNull;

import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.GapRecord;
import dev.sluice.model.FlowEvent.GapCause;
import dev.sluice.model.FlowStatus;
import dev.sluice.model.TcpState;
import dev.sluice.net.Protocol;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The next entry of the {@link EventLog}: an event as a line of JSON ({@code docs/events.md}), and
 * beside it what filters look at. Used again for every event, so that writing one allocates
 * nothing; for one thread.
 */
final class LogEntry {
  /** What every tracked flow has sooner or later, and so says nothing. */
  static final Set<FlowStatus> UNREMARKABLE =
      EnumSet.of(
          FlowStatus.CONFIRMED, FlowStatus.SRC_NAT_DONE, FlowStatus.DST_NAT_DONE, FlowStatus.DYING);

  private static final byte[] SEQ = ascii("{\"seq\":");
  private static final byte[] NEW = ascii(",\"event\":\"new\",\"time\":\"");
  private static final byte[] UPDATE = ascii(",\"event\":\"update\",\"time\":\"");
  private static final byte[] DESTROY = ascii(",\"event\":\"destroy\",\"time\":\"");
  private static final byte[] ID = ascii("\",\"id\":");
  private static final byte[] IPV4 = ascii(",\"family\":\"ipv4\",\"proto\":\"");
  private static final byte[] IPV6 = ascii(",\"family\":\"ipv6\",\"proto\":\"");
  private static final byte[] ORIGINAL = ascii("\",\"original\":{\"src\":\"");
  private static final byte[] REPLY = ascii(",\"reply\":{\"src\":\"");
  private static final byte[] SPORT = ascii("\",\"sport\":");
  private static final byte[] DST_AFTER_NUMBER = ascii(",\"dst\":\"");
  private static final byte[] DST_AFTER_TEXT = ascii("\",\"dst\":\"");
  private static final byte[] DPORT = ascii("\",\"dport\":");
  private static final byte[] TYPE = ascii("\",\"type\":");
  private static final byte[] CODE = ascii(",\"code\":");
  private static final byte[] ICMP_ID = ascii(",\"id\":");
  private static final byte[] PACKETS = ascii(",\"packets\":");
  private static final byte[] BYTES = ascii(",\"bytes\":");
  private static final byte[] STATUS = ascii(",\"status\":[");
  private static final byte[] TCP_STATE = ascii(",\"tcpState\":\"");
  private static final byte[] TIMEOUT = ascii(",\"timeoutSeconds\":");
  private static final byte[] MARK = ascii(",\"mark\":");
  private static final byte[] ZONE = ascii(",\"zone\":");
  private static final byte[] START = ascii(",\"start\":\"");
  private static final byte[] STOP = ascii(",\"stop\":\"");
  private static final byte[] MAPPING = ascii(",\"mapping\":\"");
  private static final byte[] GAP = ascii(",\"event\":\"gap\",\"cause\":\"");
  private static final byte[] LOST = ascii("\",\"lost\":");
  private static final byte[] FROM = ascii(",\"from\":\"");
  private static final byte[] TO = ascii("\",\"to\":\"");
  private static final byte[] END_OF_GAP = ascii("\"}\n");
  private static final byte[] END = ascii("}\n");

  private static final int TCP = Protocol.TCP.number();
  private static final byte[][] PROTOCOL_NAMES = new byte[256][];
  private static final byte[][] TCP_STATE_NAMES = names(TcpState.values());
  private static final byte[][] STATUS_NAMES = names(FlowStatus.values());
  private static final int STATUS_SHOWN;
  private static final EnumMap<GapCause, byte[]> CAUSE_NAMES = new EnumMap<>(GapCause.class);

  static {
    for (int number = 0; number < PROTOCOL_NAMES.length; number++) {
      PROTOCOL_NAMES[number] = ascii(Protocol.nameOf(number));
    }
    int shown = 0;
    FlowStatus[] byBit = FlowStatus.values();
    for (int bit = 0; bit < byBit.length; bit++) {
      if (!UNREMARKABLE.contains(byBit[bit])) {
        shown |= 1 << bit;
      }
    }
    for (GapCause cause : GapCause.values()) {
      CAUSE_NAMES.put(cause, ascii(cause.toString()));
    }
    STATUS_SHOWN = shown;
  }

  /** The line, ending in a newline. */
  final AsciiBuffer line = new AsciiBuffer(EventStream.MAX_LINE_BYTES);

  /** The source and destination of the original, then of the reply; high half, low half. */
  final long[] addresses = new long[LogEntryDescriptor.ADDRESS_LONGS];

  /** How many events the entry stands for: 1, or as many as a gap admits. */
  long events;

  long timeNanos;
  int protocol;
  long mappingId;
  int labelOffset;
  int labelLength;

  /**
   * Becomes the entry of an event.
   *
   * @param sequence the event's place in the stream
   * @param publication the mapping that led the flow
   */
  void setFlow(long sequence, FlowRecord flow, MappingIndex.@Nullable Publication publication) {
    boolean six = flow.isIpv6();
    events = 1;
    timeNanos = flow.eventNanos();
    protocol = flow.protocol();
    setAddresses(flow, six);

    line.clear();
    line.add(SEQ).decimal(sequence);
    line.add(
        switch (flow.kind()) {
          case NEW -> NEW;
          case UPDATE -> UPDATE;
          case DESTROY -> DESTROY;
        });
    line.time(timeNanos).add(ID).decimal(flow.id());
    line.add(six ? IPV6 : IPV4).add(PROTOCOL_NAMES[protocol]);
    line.add(ORIGINAL);
    direction(
        flow,
        six,
        0,
        flow.originalSourcePort(),
        flow.originalDestinationPort(),
        flow.originalIcmpType(),
        flow.originalIcmpCode());
    if (flow.hasCounters()) {
      line.add(PACKETS).decimal(flow.originalPackets());
      line.add(BYTES).decimal(flow.originalBytes());
    }
    line.add('}').add(REPLY);
    direction(
        flow,
        six,
        4,
        flow.replySourcePort(),
        flow.replyDestinationPort(),
        flow.replyIcmpType(),
        flow.replyIcmpCode());
    if (flow.hasCounters()) {
      line.add(PACKETS).decimal(flow.replyPackets());
      line.add(BYTES).decimal(flow.replyBytes());
    }
    line.add('}');
    status(flow.status());
    if (flow.hasProtocolState()
        && protocol == TCP
        && flow.protocolState() < TCP_STATE_NAMES.length) {
      line.add(TCP_STATE).add(TCP_STATE_NAMES[flow.protocolState()]).add('"');
    }
    if (flow.hasTimeout()) {
      line.add(TIMEOUT).decimal(flow.timeoutSeconds());
    }
    line.add(MARK).decimal(flow.mark() & 0xffff_ffffL);
    line.add(ZONE).decimal(flow.zone());
    if (flow.hasStart()) {
      line.add(START).time(flow.startNanos()).add('"');
    }
    if (flow.hasStop()) {
      line.add(STOP).time(flow.stopNanos()).add('"');
    }
    if (publication == null) {
      mappingId = 0;
      labelOffset = 0;
      labelLength = 0;
    } else {
      line.add(MAPPING);
      mappingId = publication.mapping.id().bits();
      labelOffset = line.length();
      labelLength = publication.label.length;
      line.add(publication.label).add('"');
    }
    line.add(END);
  }

  /** Becomes the entry of a gap that the source of events admits. */
  void setGap(long sequence, GapRecord gap) {
    GapCause cause =
        switch (gap.cause()) {
          case RECEIVE_BUFFER -> GapCause.RECEIVE_BUFFER;
          case RING -> GapCause.RING;
          case MALFORMED -> GapCause.MALFORMED;
        };
    setGap(sequence, cause, gap.lost(), gap.fromNanos(), gap.toNanos());
  }

  /**
   * Becomes the entry of a gap.
   *
   * @param sequence the place of the first event that is missing
   */
  void setGap(long sequence, GapCause cause, long lost, long fromNanos, long toNanos) {
    events = lost;
    timeNanos = toNanos;
    protocol = LogEntryDescriptor.GAP;
    mappingId = 0;
    labelOffset = 0;
    labelLength = 0;
    Arrays.fill(addresses, 0);
    line.clear();
    line.add(SEQ).decimal(sequence);
    line.add(GAP).add(requireNonNull(CAUSE_NAMES.get(cause)));
    line.add(LOST).decimal(lost);
    line.add(FROM).time(fromNanos).add(TO).time(toNanos).add(END_OF_GAP);
  }

  private void setAddresses(FlowRecord flow, boolean six) {
    if (six) {
      addresses[0] = flow.originalSourceHigh();
      addresses[1] = flow.originalSourceLow();
      addresses[2] = flow.originalDestinationHigh();
      addresses[3] = flow.originalDestinationLow();
      addresses[4] = flow.replySourceHigh();
      addresses[5] = flow.replySourceLow();
      addresses[6] = flow.replyDestinationHigh();
      addresses[7] = flow.replyDestinationLow();
    } else {
      addresses[0] = 0;
      addresses[1] = MappingIndex.mapped(flow.originalSource4());
      addresses[2] = 0;
      addresses[3] = MappingIndex.mapped(flow.originalDestination4());
      addresses[4] = 0;
      addresses[5] = MappingIndex.mapped(flow.replySource4());
      addresses[6] = 0;
      addresses[7] = MappingIndex.mapped(flow.replyDestination4());
    }
  }

  private void direction(
      FlowRecord flow,
      boolean six,
      int at,
      int sourcePort,
      int destinationPort,
      int type,
      int code) {
    address(six, at);
    if (flow.hasPorts()) {
      line.add(SPORT).decimal(sourcePort).add(DST_AFTER_NUMBER);
      address(six, at + 2);
      line.add(DPORT).decimal(destinationPort);
      return;
    }
    line.add(DST_AFTER_TEXT);
    address(six, at + 2);
    if (flow.hasIcmp()) {
      // The identifier stands where others have the source port.
      line.add(TYPE).decimal(type).add(CODE).decimal(code).add(ICMP_ID).decimal(sourcePort);
    } else {
      line.add('"');
    }
  }

  private void address(boolean six, int at) {
    if (six) {
      line.ip6(addresses[at], addresses[at + 1]);
    } else {
      line.ip4((int) addresses[at + 1]);
    }
  }

  private void status(int bits) {
    line.add(STATUS);
    boolean first = true;
    for (int left = bits & STATUS_SHOWN; left != 0; left &= left - 1) {
      if (!first) {
        line.add(',');
      }
      first = false;
      line.add('"').add(STATUS_NAMES[Integer.numberOfTrailingZeros(left)]).add('"');
    }
    line.add(']');
  }

  private static byte[][] names(Enum<?>[] values) {
    byte[][] names = new byte[values.length][];
    for (int i = 0; i < names.length; i++) {
      names[i] = ascii(values[i].toString());
    }
    return names;
  }
}
