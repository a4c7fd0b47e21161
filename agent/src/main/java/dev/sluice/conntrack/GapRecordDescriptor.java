package dev.sluice.conntrack;

import dev.sluice.ffi.ShimField;
import java.util.List;

/**
 * Layout of a gap in the ring, as native/src/record.h has it; compared when the library is loaded.
 *
 * <pre>
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |  kind  | cause  |at_most |               zero (5 bytes)               |    0
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                               event_ns                                |    8
 *   |                               lost                                    |   16
 *   |                               from_ns                                 |   24
 *   |                               to_ns                                   |   32
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 *   |                            zero (152 bytes)                           |   40
 *   +--------+--------+--------+--------+--------+--------+--------+--------+
 * </pre>
 */
public final class GapRecordDescriptor {
  public static final int KIND_OFFSET = 0;
  public static final int CAUSE_OFFSET = 1;
  public static final int AT_MOST_OFFSET = 2;
  public static final int ZERO_OFFSET = 3;
  public static final int EVENT_NS_OFFSET = 8;
  public static final int LOST_OFFSET = 16;
  public static final int FROM_NS_OFFSET = 24;
  public static final int TO_NS_OFFSET = 32;
  public static final int REST_OFFSET = 40;

  // enum sluice_cause
  public static final int SLUICE_CAUSE_RECEIVE_BUFFER = 1;
  public static final int SLUICE_CAUSE_RING_OVERFLOW = 2;
  public static final int SLUICE_CAUSE_MALFORMED = 3;

  /** The structure and all its fields, as the library must export them. */
  static final List<ShimField> LAYOUT =
      List.of(
          new ShimField("gap", 0, FlowRecordDescriptor.RECORD_BYTES),
          new ShimField("gap.kind", KIND_OFFSET, Byte.BYTES),
          new ShimField("gap.cause", CAUSE_OFFSET, Byte.BYTES),
          new ShimField("gap.at_most", AT_MOST_OFFSET, Byte.BYTES),
          new ShimField("gap.zero", ZERO_OFFSET, 5),
          new ShimField("gap.event_ns", EVENT_NS_OFFSET, Long.BYTES),
          new ShimField("gap.lost", LOST_OFFSET, Long.BYTES),
          new ShimField("gap.from_ns", FROM_NS_OFFSET, Long.BYTES),
          new ShimField("gap.to_ns", TO_NS_OFFSET, Long.BYTES),
          new ShimField("gap.rest", REST_OFFSET, FlowRecordDescriptor.RECORD_BYTES - REST_OFFSET));

  private GapRecordDescriptor() {}
}
