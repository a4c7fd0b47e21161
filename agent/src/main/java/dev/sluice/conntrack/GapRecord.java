package dev.sluice.conntrack;

import static dev.sluice.conntrack.GapRecordDescriptor.*;

import java.nio.ByteBuffer;

/**
 * A window on a gap in the ring: between two times, a known number of events is missing. It stands
 * where the loss was noticed; events that the kernel had queued before the loss may follow it. See
 * {@link GapRecordDescriptor}; only valid during the call of {@link EventRing.Handler#onGap}.
 */
public final class GapRecord {
  /** Why events are missing. */
  public enum Cause {
    /** They came faster than the thread in C fetched them: the socket's receive buffer was full. */
    RECEIVE_BUFFER,
    /** They were fetched faster than Java read them: the ring was full. */
    RING,
    /** Messages that could not be decoded; {@link EventStats#malformedHex} shows the first. */
    MALFORMED
  }

  private ByteBuffer bytes;
  private int offset;

  /** A window on {@code bytes} (native byte order), at its start until {@link #wrap} moves it. */
  public GapRecord(ByteBuffer bytes) {
    this.bytes = bytes;
  }

  /** Moves the window to the record at {@code recordOffset} of {@code memory} (native order). */
  public GapRecord wrap(ByteBuffer memory, int recordOffset) {
    this.bytes = memory;
    this.offset = recordOffset;
    return this;
  }

  /** The cause by its number, SLUICE_CAUSE_*. */
  public int causeNumber() {
    return bytes.get(offset + CAUSE_OFFSET);
  }

  public Cause cause() {
    int cause = causeNumber();
    return switch (cause) {
      case SLUICE_CAUSE_RECEIVE_BUFFER -> Cause.RECEIVE_BUFFER;
      case SLUICE_CAUSE_RING_OVERFLOW -> Cause.RING;
      case SLUICE_CAUSE_MALFORMED -> Cause.MALFORMED;
      default -> throw new IllegalStateException("gap of unknown cause: cause=" + cause);
    };
  }

  /**
   * Whether {@link #lost} is an upper bound: in reliable mode the kernel may have delivered later
   * what it counted as lost.
   */
  public boolean isAtMost() {
    return bytes.get(offset + AT_MOST_OFFSET) != 0;
  }

  /** How many events are missing, at least 1; exact, unless {@link #isAtMost}. */
  public long lost() {
    return bytes.getLong(offset + LOST_OFFSET);
  }

  /** No event that is missing here happened before this, ns since 1970. */
  public long fromNanos() {
    return bytes.getLong(offset + FROM_NS_OFFSET);
  }

  /** No event that is missing here happened after this, ns since 1970. */
  public long toNanos() {
    return bytes.getLong(offset + TO_NS_OFFSET);
  }

  @Override
  public String toString() {
    return "GAP " + cause() + " lost=" + lost() + " from=" + fromNanos() + " to=" + toNanos();
  }
}
