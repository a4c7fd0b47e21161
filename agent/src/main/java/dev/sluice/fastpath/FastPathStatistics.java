package dev.sluice.fastpath;

import java.nio.ByteBuffer;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/**
 * What became of the packets since the programs were loaded.
 *
 * @param packets for every outcome
 */
public record FastPathStatistics(Map<Outcome, Long> packets) {
  /** Of a fast path that is off. */
  public static final FastPathStatistics NONE = new FastPathStatistics(Map.of());

  public FastPathStatistics {
    Map<Outcome, Long> all = new EnumMap<>(Outcome.class);
    for (Outcome outcome : Outcome.values()) {
      all.put(outcome, packets.getOrDefault(outcome, 0L));
    }
    packets = Collections.unmodifiableMap(all);
  }

  static final int BYTES = Outcome.values().length * Long.BYTES;

  static FastPathStatistics read(ByteBuffer bytes) {
    Map<Outcome, Long> packets = new EnumMap<>(Outcome.class);
    int offset = 0;
    for (Outcome outcome : Outcome.values()) {
      packets.put(outcome, bytes.getLong(offset));
      offset += Long.BYTES;
    }
    return new FastPathStatistics(packets);
  }

  public long of(Outcome outcome) {
    return packets.getOrDefault(outcome, 0L);
  }

  /** Packets that were carried, both ways. */
  public long carried() {
    return of(Outcome.INWARD) + of(Outcome.OUTWARD);
  }

  /** Packets that the programs saw. */
  public long seen() {
    return packets.values().stream().mapToLong(Long::longValue).sum();
  }
}
