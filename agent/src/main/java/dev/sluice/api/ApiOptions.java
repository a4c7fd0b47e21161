package dev.sluice.api;

import java.nio.file.Path;

/**
 * The limits of the API server.
 *
 * @param group the group whose members may use the API, beside root and the agent's own user; a
 *     group that does not exist admits nobody
 * @param maxConnections connections served at the same time, event streams not counted
 * @param maxConnectionsPerUid of these, how many one user may have
 * @param maxEventStreams event streams at the same time
 * @param maxBodyBytes the largest request body
 * @param requestTimeoutMillis how long a connection may be idle, how long a request may take to
 *     arrive from its first byte to its last, and how long a client may take nothing of its answer
 * @param streamTimeoutMillis how long the reader of an event stream may take nothing of it
 */
public record ApiOptions(
    String group,
    int maxConnections,
    int maxConnectionsPerUid,
    int maxEventStreams,
    int maxBodyBytes,
    int requestTimeoutMillis,
    int streamTimeoutMillis) {

  /** Where the agent listens if nobody says otherwise. */
  public static final Path DEFAULT_SOCKET = Path.of("/run/sluice/sluice.sock");

  /** The limits if nobody says otherwise. */
  public static final ApiOptions DEFAULTS =
      new ApiOptions("sluice", 256, 64, 32, 8 * 1024 * 1024, 30_000, 300_000);

  /** The group whose members may read events, if there is such a group. */
  public static final String EVENTS_GROUP = "sluice-events";

  /** The limits of the socket for consumers of events. */
  public static final ApiOptions FOR_EVENTS =
      new ApiOptions("sluice", 64, 32, 32, 8 * 1024, 30_000, 300_000);

  /** The same limits for another group. */
  public ApiOptions group(String other) {
    return new ApiOptions(
        other,
        maxConnections,
        maxConnectionsPerUid,
        maxEventStreams,
        maxBodyBytes,
        requestTimeoutMillis,
        streamTimeoutMillis);
  }

  public ApiOptions {
    if (maxConnections < 1
        || maxConnectionsPerUid < 1
        || maxEventStreams < 0
        || maxBodyBytes < 1
        || requestTimeoutMillis < 1
        || streamTimeoutMillis < 1) {
      throw new IllegalArgumentException(
          "limits are positive: maxConnections="
              + maxConnections
              + ", maxConnectionsPerUid="
              + maxConnectionsPerUid
              + ", maxEventStreams="
              + maxEventStreams
              + ", maxBodyBytes="
              + maxBodyBytes
              + ", requestTimeoutMillis="
              + requestTimeoutMillis
              + ", streamTimeoutMillis="
              + streamTimeoutMillis);
    }
  }
}
