package dev.sluice.model;

import dev.sluice.net.IpAddress;
import dev.sluice.net.Port;
import dev.sluice.net.Protocol;
import java.util.Optional;

/**
 * Which packets to follow through the host, and how many.
 *
 * @param protocol tcp, udp or sctp
 * @param port the host port they go to, 1 to 65535; the answers to them are followed too
 * @param from only packets of this source
 * @param packetsPerSecond how many packets each way to follow at most, 1 to 1,000; the others are
 *     counted
 * @param packets after how many to end, 1 to 100,000
 * @param seconds after how long to end, 1 to 3,600
 */
public record TraceQuestion(
    Protocol protocol,
    int port,
    Optional<IpAddress> from,
    int packetsPerSecond,
    int packets,
    int seconds) {
  /** {@link #packetsPerSecond} if nobody says otherwise. */
  public static final int DEFAULT_PACKETS_PER_SECOND = 10;

  /** {@link #packets} if nobody says otherwise. */
  public static final int DEFAULT_PACKETS = 100;

  /** {@link #seconds} if nobody says otherwise. */
  public static final int DEFAULT_SECONDS = 60;

  private static final int MOST_PACKETS_PER_SECOND = 1_000;
  private static final int MOST_PACKETS = 100_000;
  private static final int MOST_SECONDS = 3_600;

  /**
   * Checks the numbers.
   *
   * @throws InvalidMappingException if one is out of its range, or the protocol has no ports
   */
  public TraceQuestion {
    Port.check(port);
    if (!protocol.hasPorts()) {
      throw new InvalidMappingException(
          "packets are followed by their port, and "
              + protocol
              + " has none; give tcp, udp or sctp");
    }
    check("rate", packetsPerSecond, MOST_PACKETS_PER_SECOND);
    check("count", packets, MOST_PACKETS);
    check("seconds", seconds, MOST_SECONDS);
  }

  private static void check(String what, int value, int most) {
    if (value < 1 || value > most) {
      throw new InvalidMappingException(what + " must be 1 to " + most + ", not " + value);
    }
  }

  /** As people read it: {@code 8080/tcp from 198.18.0.2}. */
  @Override
  public String toString() {
    return port + "/" + protocol + from.map(address -> " from " + address).orElse("");
  }
}
