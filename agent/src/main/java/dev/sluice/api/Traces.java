package dev.sluice.api;

import dev.sluice.model.TraceEvent;
import dev.sluice.model.TraceQuestion;
import java.util.Optional;

/** Follows packets through the host. */
@FunctionalInterface
public interface Traces {
  /**
   * Begins to follow packets.
   *
   * @param unpublished whether the port need not be published
   * @throws ProblemException if it is not, somebody else follows packets, or the kernel cannot
   */
  Trace start(TraceQuestion question, boolean unpublished);

  /** Packets being followed. */
  interface Trace extends AutoCloseable {
    /**
     * The next event; the last is {@link TraceEvent.Ended}.
     *
     * @return empty if there was none in time
     */
    Optional<TraceEvent> next(int timeoutMillis) throws InterruptedException;

    /** Ends it; nothing is left of it in the kernel when this returns. */
    @Override
    void close();
  }
}
