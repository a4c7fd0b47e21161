package dev.sluice.fastpath;

/**
 * How flows come to the fast path, and how long they stay without being asked after.
 *
 * @param recheckMillis how old what is known of a flow may be before conntrack and the routes are
 *     asked again, at least 1
 * @param sample a power of two: one in so many packets of no known flow is looked at
 * @param youngPackets a flow is carried once netfilter has seen so many of its packets
 * @param requestsPerSecond requests for liberal windows at most, for each processor
 * @param tcpTimeoutSeconds nf_conntrack_tcp_timeout_established of the namespace
 * @param udpTimeoutSeconds nf_conntrack_udp_timeout_stream
 */
public record FastPathSettings(
    int recheckMillis,
    int sample,
    int youngPackets,
    int requestsPerSecond,
    int tcpTimeoutSeconds,
    int udpTimeoutSeconds) {
  /** In the kernel a time in jiffies has 32 bits; this is what milliseconds in 32 bits can tell. */
  private static final int MAX_TIMEOUT_SECONDS = Integer.MAX_VALUE / 1000;

  public FastPathSettings {
    if (recheckMillis < 1 || Integer.bitCount(sample) != 1 || youngPackets < 0) {
      throw new IllegalArgumentException("settings of the fast path out of range");
    }
    tcpTimeoutSeconds = Math.min(tcpTimeoutSeconds, MAX_TIMEOUT_SECONDS);
    udpTimeoutSeconds = Math.min(udpTimeoutSeconds, MAX_TIMEOUT_SECONDS);
  }

  /** What was measured to serve best (docs/adr/0017). */
  public static FastPathSettings withTimeouts(int tcpSeconds, int udpSeconds) {
    return new FastPathSettings(1_000, 16, 32, 2_000, tcpSeconds, udpSeconds);
  }
}
