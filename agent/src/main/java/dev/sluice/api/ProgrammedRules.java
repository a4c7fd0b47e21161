package dev.sluice.api;

import java.io.IOException;

/** What the agent has programmed into the kernel, in the words of the kernel's own tool. */
@FunctionalInterface
public interface ProgrammedRules {
  /** Reads all of it. */
  Listing read();

  /** What was read. */
  @FunctionalInterface
  interface Listing {
    /**
     * Prints it so that the tool can load it again.
     *
     * @throws IOException if {@code out} throws it
     */
    void print(Appendable out) throws IOException;
  }
}
