package dev.sluice.conntrack;

/**
 * How an {@link EventSource} is sized.
 *
 * @param ringSlots records between the thread in C and Java, a power of two from 16 to 4,194,304;
 *     192 bytes each. What the reader may be late (a collection of garbage) without loss
 * @param latencyMicros how long the thread sleeps after it has caught up, 0 to 1,000,000. To wake
 *     up less often is what makes events cheap; 200 to 1,000 is a good trade
 * @param receiveBufferBytes receive buffer of the socket as the kernel accounts it, about 1,280
 *     bytes per queued event, up to 2^31 - 2; 0 leaves the system's default of some 160 events
 */
public record EventOptions(int ringSlots, int latencyMicros, int receiveBufferBytes) {
  public static final int MIN_RING_SLOTS = 16;
  public static final int MAX_RING_SLOTS = 1 << 22;
  public static final int MAX_LATENCY_MICROS = 1_000_000;

  /** 65,536 records (12 MiB), half a millisecond, 64 MiB (half a second at 100,000 events/s). */
  public static final EventOptions DEFAULT = new EventOptions(1 << 16, 500, 64 << 20);

  /**
   * Checks the ranges.
   *
   * @throws IllegalArgumentException if a number is out of range
   */
  public EventOptions {
    if (ringSlots < MIN_RING_SLOTS
        || ringSlots > MAX_RING_SLOTS
        || Integer.bitCount(ringSlots) != 1) {
      throw new IllegalArgumentException(
          "ringSlots must be a power of two from 16 to 4194304: ringSlots=" + ringSlots);
    }
    if (latencyMicros < 0 || latencyMicros > MAX_LATENCY_MICROS) {
      throw new IllegalArgumentException(
          "latencyMicros must be 0 to 1000000: latencyMicros=" + latencyMicros);
    }
    if (receiveBufferBytes < 0 || receiveBufferBytes == Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "receiveBufferBytes must be 0 to 2147483646: receiveBufferBytes=" + receiveBufferBytes);
    }
  }

  public EventOptions ringSlots(int slots) {
    return new EventOptions(slots, latencyMicros, receiveBufferBytes);
  }

  public EventOptions latencyMicros(int micros) {
    return new EventOptions(ringSlots, micros, receiveBufferBytes);
  }

  public EventOptions receiveBufferBytes(int bytes) {
    return new EventOptions(ringSlots, latencyMicros, bytes);
  }
}
