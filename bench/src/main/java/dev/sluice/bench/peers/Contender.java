package dev.sluice.bench.peers;

import java.io.IOException;
import java.util.OptionalLong;

/** Somebody who publishes ports. Between {@link #load} and {@link #clear} it has some published. */
public interface Contender {
  /** The head of its column. */
  String label();

  /** How many ports at once it is asked for at most. */
  int most();

  /**
   * Publishes ports 1 to {@code mappings} in the fastest way it has; before, it has none.
   *
   * @return nanoseconds; empty if it has no such way, or nothing was asked for
   */
  OptionalLong load(int mappings) throws IOException, InterruptedException;

  /** Publishes some more, each by itself, and returns the nanoseconds of each. */
  Timings add() throws IOException, InterruptedException;

  /** Takes everything back. */
  void clear() throws IOException, InterruptedException;
}
