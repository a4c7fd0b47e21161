package dev.sluice.flow;

import java.util.Optional;

/**
 * How the stream of events is doing. Each number is exact; they are read one after the other while
 * the reader works.
 *
 * @param state whether events are being read
 * @param failure one sentence: why they are not, if the reader failed
 * @param received events read since the start
 * @param lostReceiveBuffer events lost because they came faster than they were fetched
 * @param lostRing events lost because they were fetched faster than the reader read
 * @param lostMalformed events lost because they could not be understood
 * @param consumers cursors open at this moment
 * @param retainedBytes how much of the log is in use
 * @param oldestSequence number of the oldest event that is retained
 * @param nextSequence number that the next event will have; one less is received and lost together
 */
public record EventStatistics(
    State state,
    Optional<String> failure,
    long received,
    long lostReceiveBuffer,
    long lostRing,
    long lostMalformed,
    int consumers,
    long retainedBytes,
    long oldestSequence,
    long nextSequence) {

  /** What the reader of events is doing. */
  public enum State {
    /** Events are read as they come. */
    RUNNING("running"),
    /** Closed, as when the agent stops. */
    STOPPED("stopped"),
    /** Given up; the log says why. */
    FAILED("failed");

    private final String text;

    State(String text) {
      this.text = text;
    }

    @Override
    public String toString() {
      return text;
    }
  }

  /** Events that happened and are not in the stream, for whatever reason. */
  public long lost() {
    return lostReceiveBuffer + lostRing + lostMalformed;
  }
}
