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
 * @param synthesised events concluded after a gap
 * @param duplicates events that told what had been told, and are not in the stream
 * @param openFlows flows that are open, as far as is known
 * @param untracked flows for which the table of open flows had no room
 * @param isCurrent whether what is known of the flows is complete: not between a gap and the end of
 *     the comparison with the kernel's table
 * @param comparisons how often what is known was compared with the kernel's table
 * @param consumers cursors open at this moment
 * @param evictedConsumers consumers that were too slow and lost their cursor
 * @param retained how many entries the log holds
 * @param oldestSequence number of the oldest event that is retained
 * @param nextSequence number that the next event will have; one less is received, lost and
 *     synthesised together, without the duplicates
 */
public record EventStatistics(
    State state,
    Optional<String> failure,
    long received,
    long lostReceiveBuffer,
    long lostRing,
    long lostMalformed,
    long synthesised,
    long duplicates,
    long openFlows,
    long untracked,
    boolean isCurrent,
    long comparisons,
    int consumers,
    long evictedConsumers,
    long retained,
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
