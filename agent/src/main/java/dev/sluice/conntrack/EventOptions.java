package dev.sluice.conntrack;

/**
 * How an {@link EventSource} is sized.
 *
 * @param ringSlots records between the thread in C and Java, a power of two from 16 to 4,194,304;
 *     192 bytes each. What the reader may be late (a collection of garbage) without loss
 * @param latencyMicros how long an event may wait for others to come with it, 0 to 1,000,000; only
 *     while they follow each other faster than that. To wake up less often is what makes events
 *     cheap; 200 to 1,000 is a good trade
 * @param receiveBufferBytes receive buffer of the socket as the kernel accounts it, about 1,280
 *     bytes per queued event, up to 2^31 - 2; 0 leaves the system's default of some 160 events. The
 *     kernel takes the memory when events wait in it, not before
 * @param maxReceiveBufferBytes the buffer is doubled after a loss, up to this; 0: never
 * @param reliable whether the kernel keeps the end of a flow that it could not deliver, and the
 *     dead entry with it, and delivers it later; costs nothing while the reader keeps up
 */
public record EventOptions(
    int ringSlots,
    int latencyMicros,
    int receiveBufferBytes,
    int maxReceiveBufferBytes,
    boolean reliable) {
  public static final int MIN_RING_SLOTS = 16;
  public static final int MAX_RING_SLOTS = 1 << 22;
  public static final int MAX_LATENCY_MICROS = 1_000_000;

  /**
   * 65,536 records (12 MiB), a millisecond, 64 MiB (half a second at 100,000 events/s) that grow to
   * 256 MiB.
   */
  public static final EventOptions DEFAULT =
      new EventOptions(1 << 16, 1_000, 64 << 20, 256 << 20, false);

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
    checkBuffer("receiveBufferBytes", receiveBufferBytes);
    checkBuffer("maxReceiveBufferBytes", maxReceiveBufferBytes);
  }

  private static void checkBuffer(String name, int bytes) {
    if (bytes < 0 || bytes == Integer.MAX_VALUE) {
      throw new IllegalArgumentException(name + " must be 0 to 2147483646: " + name + "=" + bytes);
    }
  }

  public EventOptions ringSlots(int slots) {
    return new EventOptions(
        slots, latencyMicros, receiveBufferBytes, maxReceiveBufferBytes, reliable);
  }

  public EventOptions latencyMicros(int micros) {
    return new EventOptions(ringSlots, micros, receiveBufferBytes, maxReceiveBufferBytes, reliable);
  }

  /** A buffer of this size, which does not grow. */
  public EventOptions receiveBufferBytes(int bytes) {
    return new EventOptions(ringSlots, latencyMicros, bytes, 0, reliable);
  }

  public EventOptions maxReceiveBufferBytes(int bytes) {
    return new EventOptions(ringSlots, latencyMicros, receiveBufferBytes, bytes, reliable);
  }

  public EventOptions reliable(boolean on) {
    return new EventOptions(
        ringSlots, latencyMicros, receiveBufferBytes, maxReceiveBufferBytes, on);
  }
}
