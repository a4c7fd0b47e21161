package dev.sluice.model;

import java.util.List;

/** What somebody who follows packets is told, in this order: a start, the rest, an end. */
public sealed interface TraceEvent {

  /**
   * From now on packets are followed.
   *
   * @param question which
   * @param notes what will not be seen, a sentence each
   */
  record Started(TraceQuestion question, List<String> notes) implements TraceEvent {
    public Started {
      notes = List.copyOf(notes);
    }
  }

  /** A packet has reached its end. */
  record Followed(TracedPacket packet) implements TraceEvent {}

  /**
   * More packets came than may be followed in a second.
   *
   * @param packets how many were not followed since this was said last
   */
  record Skipped(long packets) implements TraceEvent {}

  /**
   * The kernel told more than was read in time: steps of packets are missing, or whole packets.
   *
   * @param steps how many, since this was said last
   */
  record Lost(long steps) implements TraceEvent {}

  /**
   * Nothing more is followed, and nothing of it is left in the kernel.
   *
   * @param reason why
   * @param detail a sentence where the reason needs one, else empty
   * @param followed packets that were told
   * @param skipped packets that were too many for their second
   * @param lost steps that were not read in time
   * @param untold packets that had been followed, and were not told because the reader of this did
   *     not keep up
   */
  record Ended(Reason reason, String detail, long followed, long skipped, long lost, long untold)
      implements TraceEvent {}

  /** Why it ended. */
  enum Reason {
    COUNT("count"),
    TIME("time"),
    CLOSED("closed"),
    FAILED("failed");

    private final String text;

    Reason(String text) {
      this.text = text;
    }

    /** The lower-case word. */
    @Override
    public String toString() {
      return text;
    }
  }
}
