package dev.sluice.model;

/**
 * What went in one direction of a flow.
 *
 * @param packets how many packets
 * @param bytes how many bytes, from the IP header on
 */
public record FlowCounters(long packets, long bytes) {
  /**
   * Checks the numbers.
   *
   * @throws IllegalArgumentException if one is negative
   */
  public FlowCounters {
    if (packets < 0 || bytes < 0) {
      throw new IllegalArgumentException(
          "counters are not negative: packets=" + packets + ", bytes=" + bytes);
    }
  }

  /** Both together. */
  public FlowCounters plus(FlowCounters other) {
    return new FlowCounters(packets + other.packets, bytes + other.bytes);
  }
}
