package dev.sluice.proxy;

import dev.sluice.ffi.ShimField;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * Counters of a {@link UserlandProxy} since it was opened. Bytes count when they have been passed
 * on.
 *
 * @param connections TCP connections that are open
 * @param connectionsTotal TCP connections that were accepted
 * @param bytesIn from clients to containers, TCP and UDP
 * @param bytesOut from containers to clients
 * @param refused connections and sessions whose container refused or did not answer
 * @param noDescriptor times something had to wait, or was refused, because no descriptor was left
 * @param sessions clients of UDP ports that are remembered
 * @param sessionsTotal how many there were
 * @param sessionsEvicted those who were forgotten early because others needed the place
 * @param dropped datagrams that could not be passed on
 * @param listeners sockets that are listened on
 * @param descriptors open descriptors, in tables of the proxy's own
 * @param cpuNanos processor time of its threads
 */
public record ProxyStatistics(
    long connections,
    long connectionsTotal,
    long bytesIn,
    long bytesOut,
    long refused,
    long noDescriptor,
    long sessions,
    long sessionsTotal,
    long sessionsEvicted,
    long dropped,
    long listeners,
    long descriptors,
    long cpuNanos) {

  /** Of a proxy that is off. */
  public static final ProxyStatistics NONE =
      new ProxyStatistics(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

  static final int BYTES = 104;

  private static final int CONNECTIONS_OFFSET = 0;
  private static final int CONNECTIONS_TOTAL_OFFSET = 8;
  private static final int BYTES_IN_OFFSET = 16;
  private static final int BYTES_OUT_OFFSET = 24;
  private static final int REFUSED_OFFSET = 32;
  private static final int NO_DESCRIPTOR_OFFSET = 40;
  private static final int SESSIONS_OFFSET = 48;
  private static final int SESSIONS_TOTAL_OFFSET = 56;
  private static final int SESSIONS_EVICTED_OFFSET = 64;
  private static final int DROPPED_OFFSET = 72;
  private static final int LISTENERS_OFFSET = 80;
  private static final int DESCRIPTORS_OFFSET = 88;
  private static final int CPU_NS_OFFSET = 96;

  /** The structure and all its fields, as the library must export them. */
  static final List<ShimField> LAYOUT =
      List.of(
          new ShimField("proxy", 0, BYTES),
          new ShimField("proxy.connections", CONNECTIONS_OFFSET, Long.BYTES),
          new ShimField("proxy.connections_total", CONNECTIONS_TOTAL_OFFSET, Long.BYTES),
          new ShimField("proxy.bytes_in", BYTES_IN_OFFSET, Long.BYTES),
          new ShimField("proxy.bytes_out", BYTES_OUT_OFFSET, Long.BYTES),
          new ShimField("proxy.refused", REFUSED_OFFSET, Long.BYTES),
          new ShimField("proxy.no_descriptor", NO_DESCRIPTOR_OFFSET, Long.BYTES),
          new ShimField("proxy.sessions", SESSIONS_OFFSET, Long.BYTES),
          new ShimField("proxy.sessions_total", SESSIONS_TOTAL_OFFSET, Long.BYTES),
          new ShimField("proxy.sessions_evicted", SESSIONS_EVICTED_OFFSET, Long.BYTES),
          new ShimField("proxy.dropped", DROPPED_OFFSET, Long.BYTES),
          new ShimField("proxy.listeners", LISTENERS_OFFSET, Long.BYTES),
          new ShimField("proxy.descriptors", DESCRIPTORS_OFFSET, Long.BYTES),
          new ShimField("proxy.cpu_ns", CPU_NS_OFFSET, Long.BYTES));

  static ProxyStatistics read(ByteBuffer bytes) {
    return new ProxyStatistics(
        bytes.getLong(CONNECTIONS_OFFSET),
        bytes.getLong(CONNECTIONS_TOTAL_OFFSET),
        bytes.getLong(BYTES_IN_OFFSET),
        bytes.getLong(BYTES_OUT_OFFSET),
        bytes.getLong(REFUSED_OFFSET),
        bytes.getLong(NO_DESCRIPTOR_OFFSET),
        bytes.getLong(SESSIONS_OFFSET),
        bytes.getLong(SESSIONS_TOTAL_OFFSET),
        bytes.getLong(SESSIONS_EVICTED_OFFSET),
        bytes.getLong(DROPPED_OFFSET),
        bytes.getLong(LISTENERS_OFFSET),
        bytes.getLong(DESCRIPTORS_OFFSET),
        bytes.getLong(CPU_NS_OFFSET));
  }
}
