package dev.sluice.flow;

/**
 * The stream of flow events as lines of JSON, one event a line, for any number of consumers. The
 * reader of the kernel's events never waits: the last events are retained in a bounded log, each
 * consumer has a cursor into it, and one that falls behind finds a gap line in place of what it
 * missed.
 */
public interface EventStream {
  /** No line is longer, its newline included. */
  int MAX_LINE_BYTES = 2_048;

  /** A consumer's place in the stream. Not thread-safe. */
  interface Cursor extends AutoCloseable {
    /**
     * Waits for events and copies whole lines, each ending in a newline, UTF-8.
     *
     * @param target where the lines go, from index 0; at least {@link #MAX_LINE_BYTES} long
     * @param timeoutMillis how long to wait when there is none
     * @return bytes written; 0 after the timeout; -1 when everything has been read and nothing more
     *     will come, because the agent stops or its reader of events has failed
     * @throws InterruptedException if the thread is interrupted
     */
    int read(byte[] target, int timeoutMillis) throws InterruptedException;

    @Override
    void close();
  }

  /** A cursor behind the newest event: what happens from now on. Thread-safe. */
  Cursor follow(FlowFilter filter);

  /**
   * A cursor at event {@code seq}, as far as it is still retained; a gap line tells what is not.
   * Thread-safe.
   *
   * @param seq the first sequence number wanted, from 1 to the one that the next event will have
   * @throws IllegalArgumentException if it is in the future, with a sentence that says which number
   *     comes next: the agent has been restarted since the caller got its number
   */
  Cursor from(long seq, FlowFilter filter);
}
