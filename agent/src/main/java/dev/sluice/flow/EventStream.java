package dev.sluice.flow;

/**
 * The stream of flow events for any number of consumers. The reader of the kernel's events never
 * waits: the last events are retained in a bounded log, each consumer has a cursor into it, and one
 * that falls behind finds a gap in place of what it missed. One that falls behind again before it
 * has caught up is too slow for good: it finds the gap, and then the end.
 */
public interface EventStream {
  /** No line is longer, its newline included; nor is a frame. */
  int MAX_ENTRY_BYTES = 2_048;

  /** The form in which events are read. */
  enum Format {
    /** A line of JSON each, UTF-8, ending in a newline. */
    LINES,
    /** A frame of {@link FrameDescriptor#FRAME_BYTES} bytes each, which costs next to nothing. */
    FRAMES
  }

  /** A consumer's place in the stream. Not thread-safe. */
  interface Cursor extends AutoCloseable {
    /**
     * Waits for events and copies whole ones.
     *
     * @param target where they go, from index 0; at least {@link #MAX_ENTRY_BYTES} long
     * @param timeoutMillis how long to wait when there is none
     * @return bytes written; 0 after the timeout; -1 when everything has been read and nothing more
     *     will come, because the agent stops, its reader of events has failed, or the consumer
     *     {@linkplain #isEvicted was too slow}
     * @throws InterruptedException if the thread is interrupted
     */
    int read(byte[] target, int timeoutMillis) throws InterruptedException;

    /** The number of the first event that was wanted when the cursor was opened. */
    long firstSequence();

    /** Whether the stream ends here because this consumer could not keep up. */
    boolean isEvicted();

    /**
     * What to do when the consumer is evicted while it does not read, for it may hang where only
     * somebody else can get it out.
     *
     * @param action called by another thread, once; must not wait
     */
    void onEviction(Runnable action);

    @Override
    void close();
  }

  /**
   * Which stream this is: 16 hexadecimal digits, chosen at random whenever an agent starts, as
   * numbers begin with 1 again then.
   */
  String id();

  /** A cursor behind the newest event: what happens from now on. Thread-safe. */
  Cursor follow(FlowFilter filter, Format format);

  /**
   * A cursor at event {@code seq}, as far as it is still retained; a gap tells what is not.
   * Thread-safe.
   *
   * @param seq the first sequence number wanted, from 1 to the one that the next event will have
   * @throws IllegalArgumentException if it is in the future, with a sentence that says which number
   *     comes next: the agent has been restarted since the caller got its number
   */
  Cursor from(long seq, FlowFilter filter, Format format);
}
