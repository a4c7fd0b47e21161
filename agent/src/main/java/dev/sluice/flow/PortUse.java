package dev.sluice.flow;

/**
 * How many source ports are in use between an address of the host and one end elsewhere.
 *
 * @param where from which address to which end: {@code 198.18.0.1 to 198.18.0.2:53/udp}
 * @param used ports in use
 * @param range how many there are to choose from
 * @param isExact whether all connections were counted; else it is concluded from some
 */
record PortUse(String where, int used, int range, boolean isExact) {
  /** Nowhere. */
  static final PortUse NONE = new PortUse("", 0, 1, true);

  /** What is to be expected of {@code size} connections if so many of them have shown this. */
  PortUse ofAll(long seen, long size) {
    long expected = seen == 0 ? 0 : used * Math.max(seen, size) / seen;
    return new PortUse(where, (int) Math.min(range, expected), range, false);
  }

  /** Of a hundred ports, how many are in use, rounded down. */
  int percent() {
    return (int) (used * 100L / range);
  }
}
