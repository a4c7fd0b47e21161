package dev.sluice.flow;

import dev.sluice.conntrack.FlowRecordDescriptor;
import dev.sluice.conntrack.GapRecordDescriptor;
import dev.sluice.model.FlowEvent.GapCause;

/**
 * Layout of an entry of the {@link EventLog}, which is also what a consumer of the binary stream
 * reads: a header of 96 bytes, then the record (docs/events.md). Integers are in the host's byte
 * order.
 *
 * <pre>
 *    0        1        2        3        4        5        6        7
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                               sequence                                |    0
 *   |                             next sequence                             |    8
 *   |                              mapping id                               |   16
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |lab. len| flags  |                   zero (6 bytes)                    |   24
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                  label of the mapping (64 bytes, ASCII)               |   32
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                           record (192 bytes)                          |   96
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 * </pre>
 *
 * <p>The entry stands for the events from sequence to next sequence: one, or all those that a gap
 * admits. The label's length is 0 and the id 0 where no mapping led the flow. The record is that of
 * a flow or of a gap ({@link FlowRecordDescriptor}, {@link
 * dev.sluice.conntrack.GapRecordDescriptor}), or an alarm:
 *
 * <pre>
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |  kind  | level  |   text bytes    |subject |      zero (3 bytes)      |    0
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                               event_ns                                |    8
 *   |                     connections that are tracked                      |   16
 *   |                     connections that can be tracked                   |   24
 *   |                       packets dropped since the start                 |   32
 *   |                          text (152 bytes, UTF-8)                      |   40
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 * </pre>
 */
public final class FrameDescriptor {
  public static final int SEQUENCE_OFFSET = 0;
  public static final int NEXT_SEQUENCE_OFFSET = 8;
  public static final int MAPPING_ID_OFFSET = 16;
  public static final int LABEL_LENGTH_OFFSET = 24;
  public static final int FLAGS_OFFSET = 25;
  public static final int LABEL_OFFSET = 32;
  public static final int LABEL_BYTES = 64;
  public static final int RECORD_OFFSET = 96;
  public static final int FRAME_BYTES = RECORD_OFFSET + FlowRecordDescriptor.RECORD_BYTES;

  /** In flags: not observed but concluded from the state of things after a gap. */
  public static final int FLAG_SYNTHESISED = 1;

  /** Kind of an alarm's record; the other kinds are the library's. */
  public static final int KIND_ALARM = 6;

  public static final int ALARM_WARNING = 1;
  public static final int ALARM_CRITICAL = 2;
  public static final int ALARM_FULL = 3;
  public static final int ALARM_CLEARED = 4;

  public static final int ALARM_CONNECTION_TABLE = 0;
  public static final int ALARM_SOURCE_PORTS = 1;

  public static final int ALARM_LEVEL_OFFSET = 1;
  public static final int ALARM_TEXT_LENGTH_OFFSET = 2;
  public static final int ALARM_SUBJECT_OFFSET = 4;
  public static final int ALARM_ENTRIES_OFFSET = 16;
  public static final int ALARM_LIMIT_OFFSET = 24;
  public static final int ALARM_DROPS_OFFSET = 32;
  public static final int ALARM_TEXT_OFFSET = 40;
  public static final int ALARM_TEXT_BYTES = 152;

  // Causes of a gap that arise behind the library; the others are in GapRecordDescriptor.
  public static final int CAUSE_SLOW_CONSUMER = 4;
  public static final int CAUSE_AGENT_RESTART = 5;

  private static final GapCause[] CAUSES = GapCause.values();

  private FrameDescriptor() {}

  /** The number of a gap's cause in a record. */
  static int number(GapCause cause) {
    return switch (cause) {
      case RECEIVE_BUFFER -> GapRecordDescriptor.SLUICE_CAUSE_RECEIVE_BUFFER;
      case RING -> GapRecordDescriptor.SLUICE_CAUSE_RING_OVERFLOW;
      case MALFORMED -> GapRecordDescriptor.SLUICE_CAUSE_MALFORMED;
      case SLOW_CONSUMER -> CAUSE_SLOW_CONSUMER;
      case AGENT_RESTART -> CAUSE_AGENT_RESTART;
    };
  }

  /**
   * The cause of a gap by its number in a record.
   *
   * @throws IllegalStateException if no cause has the number
   */
  static GapCause gapCause(int number) {
    for (GapCause cause : CAUSES) {
      if (number(cause) == number) {
        return cause;
      }
    }
    throw new IllegalStateException("gap of unknown cause: cause=" + number);
  }
}
