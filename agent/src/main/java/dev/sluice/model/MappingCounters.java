package dev.sluice.model;

/**
 * What a mapping has carried since it was published.
 *
 * @param connections how many connections were led to the target; for udp, conversations
 */
public record MappingCounters(long connections) {
  /** Nothing yet. */
  public static final MappingCounters ZERO = new MappingCounters(0);

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
