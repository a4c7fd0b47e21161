package dev.sluice.model;

import dev.sluice.net.IpAddress;
import dev.sluice.net.Port;
import dev.sluice.net.Protocol;
import java.util.Optional;

/**
 * What {@code sluice explain} is asked: the way of a first packet to a port.
 *
 * @param port the port it goes to, 1 to 65535
 * @param protocol tcp, udp or sctp
 * @param from who sends it: an address, the name of a sandbox, or {@code host}; empty for everybody
 *     it makes sense to ask about
 * @param to the address it goes to; empty for those that the port is published on
 */
public record PathQuestion(
    int port, Protocol protocol, Optional<String> from, Optional<IpAddress> to) {
  /** What {@link #from} calls this host. */
  public static final String HOST = "host";

  /**
   * Checks the parts.
   *
   * @throws IllegalArgumentException if the port is none, or the protocol has no ports
   */
  public PathQuestion {
    Port.check(port);
    if (!protocol.hasPorts()) {
      throw new IllegalArgumentException(protocol + " has no ports");
    }
  }
}
