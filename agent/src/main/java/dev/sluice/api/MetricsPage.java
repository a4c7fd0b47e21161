package dev.sluice.api;

import java.io.IOException;
import java.io.OutputStream;
import java.util.Optional;

/** The figures of the agent, for programs that collect them. */
@FunctionalInterface
public interface MetricsPage {
  /**
   * Reads all figures, without a walk through the connections.
   *
   * @param accept the formats that the client takes, as its Accept header says
   */
  Page read(Optional<String> accept);

  /** What was read. */
  interface Page {
    /** The media type, with its version. */
    String contentType();

    /**
     * Writes it.
     *
     * @throws IOException if {@code out} throws it
     */
    void write(OutputStream out) throws IOException;
  }
}
