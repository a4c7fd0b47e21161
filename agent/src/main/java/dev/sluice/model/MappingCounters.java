package dev.sluice.model;

import java.util.Optional;

/**
 * What a mapping has carried since it was published.
 *
 * @param connections how many connections were led to the target; for udp, conversations
 * @param traffic what they carried, where somebody asked for it
 */
public record MappingCounters(long connections, Optional<Traffic> traffic) {
  /** Nothing yet. */
  public static final MappingCounters ZERO = new MappingCounters(0);

  /** Connections alone. */
  public MappingCounters(long connections) {
    this(connections, Optional.empty());
  }

  public MappingCounters withTraffic(Traffic carried) {
    return new MappingCounters(connections, Optional.of(carried));
  }

  /**
   * Checks the number.
   *
   * @throws IllegalArgumentException if it is negative
   */
  public MappingCounters {
    if (connections < 0) {
      throw new IllegalArgumentException("connections is negative: connections=" + connections);
    }
  }
}
