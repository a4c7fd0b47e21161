package dev.sluice.model;

import java.time.Instant;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Something that happened to the flows of the host, or a {@linkplain Gap gap} in what we know of
 * it.
 */
public sealed interface FlowEvent {

  /** The place in the stream, from 1, one more for each event. */
  long sequence();

  /** When it happened; for a gap, when it ended. */
  Instant time();

  /**
   * The word for it in output: {@code new}, {@code update}, {@code destroy}, {@code gap} or {@code
   * alarm}.
   */
  String kind();

  /** An event of one flow. */
  sealed interface OfFlow extends FlowEvent {
    /** The flow as it was at that time. */
    Flow flow();

    /** The {@linkplain Mapping#label() label} of the mapping that led it, empty if none did. */
    Optional<String> mapping();

    /** Whether it was not observed but concluded from the state of things after a gap. */
    boolean synthesised();
  }

  /**
   * A flow began.
   *
   * @param sequence the place in the stream
   * @param time when
   * @param flow the flow after its first packet
   * @param mapping the label of its mapping
   * @param synthesised whether it was concluded rather than observed
   */
  record Started(
      long sequence, Instant time, Flow flow, Optional<String> mapping, boolean synthesised)
      implements OfFlow {
    @Override
    public String kind() {
      return "new";
    }
  }

  /**
   * The state of a flow changed.
   *
   * @param sequence the place in the stream
   * @param time when
   * @param flow the flow after the change
   * @param mapping the label of its mapping
   * @param synthesised whether it was concluded rather than observed
   */
  record Updated(
      long sequence, Instant time, Flow flow, Optional<String> mapping, boolean synthesised)
      implements OfFlow {
    @Override
    public String kind() {
      return "update";
    }
  }

  /**
   * A flow ended.
   *
   * @param sequence the place in the stream
   * @param time when
   * @param flow the flow with its final counters
   * @param mapping the label of its mapping
   * @param synthesised whether it was concluded rather than observed
   */
  record Ended(
      long sequence, Instant time, Flow flow, Optional<String> mapping, boolean synthesised)
      implements OfFlow {
    @Override
    public String kind() {
      return "destroy";
    }
  }

  /**
   * Events are missing here.
   *
   * @param sequence the place in the stream
   * @param cause why
   * @param lost how many, empty if nobody counted
   * @param from the last moment known to be complete
   * @param to the first moment known to be complete again
   */
  record Gap(long sequence, GapCause cause, OptionalLong lost, Instant from, Instant to)
      implements FlowEvent {
    /**
     * Checks the numbers.
     *
     * @throws IllegalArgumentException if the number is negative or the times are reversed
     */
    public Gap {
      if (lost.isPresent() && lost.getAsLong() < 0) {
        throw new IllegalArgumentException("lost is negative: lost=" + lost.getAsLong());
      }
      if (to.isBefore(from)) {
        throw new IllegalArgumentException(
            "a gap ends after it begins: from=" + from + ", to=" + to);
      }
    }

    @Override
    public Instant time() {
      return to;
    }

    @Override
    public String kind() {
      return "gap";
    }
  }

  /**
   * Something runs out that connections need, or is there again.
   *
   * @param sequence the place in the stream
   * @param alarm what is the matter
   */
  record Raised(long sequence, Alarm alarm) implements FlowEvent {
    @Override
    public Instant time() {
      return alarm.time();
    }

    @Override
    public String kind() {
      return "alarm";
    }
  }

  /** Why events are missing. */
  enum GapCause {
    /** They came faster than they were fetched, and the buffer they wait in was full. */
    RECEIVE_BUFFER("receive-buffer"),
    /** They were fetched faster than they were read, and the ring between the two was full. */
    RING("ring"),
    /** They came in a form that could not be understood. */
    MALFORMED("malformed"),
    /** The reader of this stream was slower than the log is long. */
    SLOW_CONSUMER("slow-consumer"),
    /** The agent was not running. */
    AGENT_RESTART("agent-restart");

    private final String text;

    GapCause(String text) {
      this.text = text;
    }

    /** The word for it in output. */
    @Override
    public String toString() {
      return text;
    }
  }
}
