package dev.sluice.flow;

import static dev.sluice.flow.AsciiBuffer.ascii;
import static dev.sluice.flow.FrameDescriptor.*;

import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.FlowRecordDescriptor;
import dev.sluice.conntrack.GapRecordDescriptor;
import dev.sluice.model.Alarm;
import dev.sluice.model.FlowEvent.GapCause;
import dev.sluice.model.FlowStatus;
import dev.sluice.model.TcpState;
import dev.sluice.net.Protocol;
import java.nio.ByteBuffer;
import java.util.EnumSet;
import java.util.Set;

/**
 * A {@linkplain FrameDescriptor frame} as a line of JSON (docs/events.md). For one reader, who uses
 * it again for every event: it allocates nothing.
 */
final class EventLine {
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
  private static final byte[] SYNTHESISED = ascii(",\"synthesised\":true");
  private static final byte[] LOST = ascii("\",\"lost\":");
  private static final byte[] AT_MOST = ascii(",\"atMost\":true");
  private static final byte[] FROM = ascii(",\"from\":\"");
  private static final byte[] TO = ascii("\",\"to\":\"");
  private static final byte[] ALARM = ascii(",\"event\":\"alarm\",\"subject\":\"");
  private static final byte[] LEVEL = ascii("\",\"level\":\"");
  private static final byte[] TIME = ascii("\",\"time\":\"");
  private static final byte[] ENTRIES = ascii("\",\"entries\":");
  private static final byte[] LIMIT = ascii(",\"limit\":");
  private static final byte[] DROPS = ascii(",\"drops\":");
  private static final byte[] TEXT = ascii(",\"text\":\"");
  private static final byte[] END_OF_GAP = ascii("\"}\n");
  private static final byte[] END = ascii("}\n");

  private static final int TCP = Protocol.TCP.number();
  private static final byte[][] PROTOCOL_NAMES = new byte[256][];
  private static final byte[][] TCP_STATE_NAMES = names(TcpState.values());
  private static final byte[][] STATUS_NAMES = names(FlowStatus.values());
  private static final int STATUS_SHOWN;

  /** By their number in a record; none has number 0. */
  private static final byte[][] LEVEL_NAMES = new byte[ALARM_CLEARED + 1][];

  private static final byte[][] SUBJECT_NAMES = new byte[ALARM_SOURCE_PORTS + 1][];
  private static final byte[][] CAUSE_NAMES = new byte[CAUSE_AGENT_RESTART + 1][];

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
    LEVEL_NAMES[ALARM_WARNING] = ascii(Alarm.Level.WARNING.toString());
    LEVEL_NAMES[ALARM_CRITICAL] = ascii(Alarm.Level.CRITICAL.toString());
    LEVEL_NAMES[ALARM_FULL] = ascii(Alarm.Level.FULL.toString());
    LEVEL_NAMES[ALARM_CLEARED] = ascii(Alarm.Level.CLEARED.toString());
    SUBJECT_NAMES[ALARM_CONNECTION_TABLE] = ascii(Alarm.Subject.CONNECTION_TABLE.toString());
    SUBJECT_NAMES[ALARM_SOURCE_PORTS] = ascii(Alarm.Subject.SOURCE_PORTS.toString());
    for (GapCause cause : GapCause.values()) {
      CAUSE_NAMES[number(cause)] = ascii(cause.toString());
    }
    STATUS_SHOWN = shown;
  }

  private final ByteBuffer frame;
  private final FlowRecord flow = new FlowRecord();
  private final byte[] label = new byte[LABEL_BYTES];
  private final AsciiBuffer line = new AsciiBuffer(EventStream.MAX_ENTRY_BYTES);

  /**
   * @param frame where the frames come to lie, at its beginning
   */
  EventLine(ByteBuffer frame) {
    this.frame = frame;
    flow.wrap(frame, RECORD_OFFSET);
  }

  /** The line of what is in the frame now, ending in a newline; valid until the next call. */
  AsciiBuffer write() {
    line.clear();
    line.add(SEQ).decimal(frame.getLong(SEQUENCE_OFFSET));
    switch (frame.get(RECORD_OFFSET + FlowRecordDescriptor.KIND_OFFSET)) {
      case FlowRecordDescriptor.SLUICE_KIND_GAP -> writeGap();
      case KIND_ALARM -> writeAlarm();
      default -> writeFlow();
    }
    return line;
  }

  private void writeFlow() {
    boolean six = flow.isIpv6();
    line.add(
        switch (flow.kind()) {
          case NEW -> NEW;
          case UPDATE -> UPDATE;
          case DESTROY -> DESTROY;
          case ENTRY -> throw new IllegalStateException("an entry of a dump is no event: " + flow);
        });
    line.time(flow.eventNanos()).add(ID).decimal(flow.id());
    line.add(six ? IPV6 : IPV4).add(PROTOCOL_NAMES[flow.protocol()]);
    line.add(ORIGINAL);
    originalSource(six);
    if (flow.hasPorts()) {
      line.add(SPORT).decimal(flow.originalSourcePort()).add(DST_AFTER_NUMBER);
      originalDestination(six);
      line.add(DPORT).decimal(flow.originalDestinationPort());
    } else {
      line.add(DST_AFTER_TEXT);
      originalDestination(six);
      icmp(flow.originalIcmpType(), flow.originalIcmpCode(), flow.originalSourcePort());
    }
    if (flow.hasCounters()) {
      line.add(PACKETS).decimal(flow.originalPackets());
      line.add(BYTES).decimal(flow.originalBytes());
    }
    line.add('}').add(REPLY);
    replySource(six);
    if (flow.hasPorts()) {
      line.add(SPORT).decimal(flow.replySourcePort()).add(DST_AFTER_NUMBER);
      replyDestination(six);
      line.add(DPORT).decimal(flow.replyDestinationPort());
    } else {
      line.add(DST_AFTER_TEXT);
      replyDestination(six);
      icmp(flow.replyIcmpType(), flow.replyIcmpCode(), flow.replySourcePort());
    }
    if (flow.hasCounters()) {
      line.add(PACKETS).decimal(flow.replyPackets());
      line.add(BYTES).decimal(flow.replyBytes());
    }
    line.add('}');
    status(flow.status());
    if (flow.hasProtocolState()
        && flow.protocol() == TCP
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
    int labelLength = frame.get(LABEL_LENGTH_OFFSET);
    if (labelLength > 0) {
      frame.get(LABEL_OFFSET, label, 0, labelLength);
      line.add(MAPPING).add(label, labelLength).add('"');
    }
    if ((frame.get(FLAGS_OFFSET) & FLAG_SYNTHESISED) != 0) {
      line.add(SYNTHESISED);
    }
    line.add(END);
  }

  private void writeGap() {
    int record = RECORD_OFFSET;
    int cause = frame.get(record + GapRecordDescriptor.CAUSE_OFFSET);
    line.add(GAP).add(CAUSE_NAMES[cause]);
    line.add(LOST).decimal(frame.getLong(record + GapRecordDescriptor.LOST_OFFSET));
    if (frame.get(record + GapRecordDescriptor.AT_MOST_OFFSET) != 0) {
      line.add(AT_MOST);
    }
    line.add(FROM).time(frame.getLong(record + GapRecordDescriptor.FROM_NS_OFFSET));
    line.add(TO).time(frame.getLong(record + GapRecordDescriptor.TO_NS_OFFSET));
    line.add(END_OF_GAP);
  }

  private void writeAlarm() {
    int record = RECORD_OFFSET;
    line.add(ALARM).add(SUBJECT_NAMES[frame.get(record + ALARM_SUBJECT_OFFSET)]);
    line.add(LEVEL).add(LEVEL_NAMES[frame.get(record + ALARM_LEVEL_OFFSET)]);
    line.add(TIME).time(frame.getLong(record + FlowRecordDescriptor.EVENT_NS_OFFSET));
    line.add(ENTRIES).decimal(frame.getLong(record + ALARM_ENTRIES_OFFSET));
    line.add(LIMIT).decimal(frame.getLong(record + ALARM_LIMIT_OFFSET));
    line.add(DROPS).decimal(frame.getLong(record + ALARM_DROPS_OFFSET));
    line.add(TEXT);
    int length = frame.getShort(record + ALARM_TEXT_LENGTH_OFFSET);
    for (int i = 0; i < length; i++) {
      byte one = frame.get(record + ALARM_TEXT_OFFSET + i);
      if (one == '"' || one == '\\') {
        line.add('\\');
      }
      // As a sentence has them, no other control characters but perhaps a line's end.
      line.add(one >= 0 && one < ' ' ? ' ' : (char) one);
    }
    line.add(END_OF_GAP);
  }

  private void icmp(int type, int code, int id) {
    if (flow.hasIcmp()) {
      line.add(TYPE).decimal(type).add(CODE).decimal(code).add(ICMP_ID).decimal(id);
    } else {
      line.add('"');
    }
  }

  private void originalSource(boolean six) {
    if (six) {
      line.ip6(flow.originalSourceHigh(), flow.originalSourceLow());
    } else {
      line.ip4(flow.originalSource4());
    }
  }

  private void originalDestination(boolean six) {
    if (six) {
      line.ip6(flow.originalDestinationHigh(), flow.originalDestinationLow());
    } else {
      line.ip4(flow.originalDestination4());
    }
  }

  private void replySource(boolean six) {
    if (six) {
      line.ip6(flow.replySourceHigh(), flow.replySourceLow());
    } else {
      line.ip4(flow.replySource4());
    }
  }

  private void replyDestination(boolean six) {
    if (six) {
      line.ip6(flow.replyDestinationHigh(), flow.replyDestinationLow());
    } else {
      line.ip4(flow.replyDestination4());
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
