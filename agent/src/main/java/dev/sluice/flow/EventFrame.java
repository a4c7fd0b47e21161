package dev.sluice.flow;

import static dev.sluice.flow.FrameDescriptor.*;

import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.FlowRecordDescriptor;
import dev.sluice.conntrack.GapRecordDescriptor;
import dev.sluice.model.FlowEvent.GapCause;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * A window on one event of the binary stream; see {@link FrameDescriptor}. Only valid while whoever
 * handed it out says so; {@link #flow} allocates nothing.
 */
public final class EventFrame {
  private ByteBuffer bytes;
  private int at;
  private final FlowRecord flow;

  /** A window on {@code bytes} (the writer's byte order), at its start. */
  public EventFrame(ByteBuffer bytes) {
    this.bytes = bytes;
    this.flow = new FlowRecord().wrap(bytes, RECORD_OFFSET);
  }

  /** Moves the window. */
  public EventFrame wrap(ByteBuffer memory, int offset) {
    bytes = memory;
    at = offset;
    flow.wrap(memory, offset + RECORD_OFFSET);
    return this;
  }

  /** The place in the stream, from 1. */
  public long sequence() {
    return bytes.getLong(at + SEQUENCE_OFFSET);
  }

  /** The place of the event that follows, which is where to go on after a broken connection. */
  public long nextSequence() {
    return bytes.getLong(at + NEXT_SEQUENCE_OFFSET);
  }

  /** Whether events are missing here. */
  public boolean isGap() {
    return kind() == FlowRecordDescriptor.SLUICE_KIND_GAP;
  }

  /** Whether it is an event of a flow. */
  public boolean isFlow() {
    int kind = kind();
    return kind > 0 && kind <= FlowRecordDescriptor.SLUICE_KIND_DESTROY;
  }

  /** Whether it says that something runs out: the table of connections, or ports. */
  public boolean isAlarm() {
    return kind() == KIND_ALARM;
  }

  /** When it happened, ns since 1970; for a gap, when it ended. */
  public long eventNanos() {
    return bytes.getLong(at + RECORD_OFFSET + FlowRecordDescriptor.EVENT_NS_OFFSET);
  }

  /** The flow, if it is an event of one. */
  public FlowRecord flow() {
    return flow;
  }

  /** Whether it was not observed but concluded from the state of things after a gap. */
  public boolean isSynthesised() {
    return (bytes.get(at + FLAGS_OFFSET) & FLAG_SYNTHESISED) != 0;
  }

  /** The label of the mapping that led the flow. */
  public Optional<String> mapping() {
    int length = bytes.get(at + LABEL_LENGTH_OFFSET);
    if (length == 0) {
      return Optional.empty();
    }
    byte[] label = new byte[length];
    bytes.get(at + LABEL_OFFSET, label);
    return Optional.of(new String(label, StandardCharsets.US_ASCII));
  }

  /** How many events are missing, if it is a gap. */
  public long lost() {
    return bytes.getLong(at + RECORD_OFFSET + GapRecordDescriptor.LOST_OFFSET);
  }

  /** Whether {@link #lost} is the most that can be missing, rather than the number, of a gap. */
  public boolean isAtMost() {
    return bytes.get(at + RECORD_OFFSET + GapRecordDescriptor.AT_MOST_OFFSET) != 0;
  }

  /** The sentence of an alarm: what is the case, and what to do. */
  public String alarmText() {
    byte[] text = new byte[bytes.getShort(at + RECORD_OFFSET + ALARM_TEXT_LENGTH_OFFSET)];
    bytes.get(at + RECORD_OFFSET + ALARM_TEXT_OFFSET, text);
    return new String(text, StandardCharsets.UTF_8);
  }

  /** Why events are missing, if it is a gap. */
  public GapCause gapCause() {
    return FrameDescriptor.gapCause(
        bytes.get(at + RECORD_OFFSET + GapRecordDescriptor.CAUSE_OFFSET));
  }

  private int kind() {
    return bytes.get(at + RECORD_OFFSET + FlowRecordDescriptor.KIND_OFFSET);
  }
}
