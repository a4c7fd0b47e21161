package dev.sluice.model;

import dev.sluice.net.IpAddress;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What a mapping has carried since it was published.
 *
 * @param connections how many connections were led to the target; for udp, conversations
 * @param traffic what they carried, where somebody asked for it
 * @param open how many connections are open; empty if none was seen since the agent started
 * @param lastSeen when one of them last began, changed its state or ended; empty as {@code open} is
 * @param byBackend how many were led to each container, where there are several
 */
public record MappingCounters(
    long connections,
    Optional<Traffic> traffic,
    OptionalLong open,
    Optional<Instant> lastSeen,
    Map<IpAddress, Long> byBackend) {
  /** Nothing yet. */
  public static final MappingCounters ZERO = new MappingCounters(0);

  /** Connections alone. */
  public MappingCounters(long connections) {
    this(connections, Map.of());
  }

  /** Connections, and how many of them each container got. */
  public MappingCounters(long connections, Map<IpAddress, Long> byBackend) {
    this(connections, Optional.empty(), OptionalLong.empty(), Optional.empty(), byBackend);
  }

  public MappingCounters withTraffic(Traffic carried) {
    return new MappingCounters(connections, Optional.of(carried), open, lastSeen, byBackend);
  }

  /** With what the agent has seen. */
  public MappingCounters with(Activity seen) {
    return new MappingCounters(
        connections,
        traffic,
        OptionalLong.of(seen.open()),
        Optional.of(seen.lastSeen()),
        byBackend);
  }

  /**
   * Checks the number.
   *
   * @throws IllegalArgumentException if it is negative
   */
  public MappingCounters {
    byBackend = Map.copyOf(byBackend);
    if (connections < 0) {
      throw new IllegalArgumentException("connections is negative: connections=" + connections);
    }
  }
}
