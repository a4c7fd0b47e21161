package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.MalformedValueException;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.util.Locale;

/**
 * Ports of a container with their protocol, as in {@code docker run --expose}: {@code 80/tcp},
 * {@code 8000-8010/udp}.
 *
 * @param ports the ports
 * @param protocol tcp, udp or sctp
 */
public record ExposeSpec(PortRange ports, Protocol protocol) {

  /**
   * Checks the protocol.
   *
   * @throws IllegalArgumentException if it has no ports
   */
  public ExposeSpec {
    if (!protocol.hasPorts()) {
      throw new IllegalArgumentException("protocol " + protocol + " has no ports");
    }
  }

  /**
   * Reads {@code port[-port][/protocol]}. The protocol may be in any case and is tcp if absent or
   * empty.
   *
   * @throws MalformedValueException if the text is anything else
   */
  public static ExposeSpec parse(String text) {
    int slash = text.indexOf('/');
    String portsText = slash < 0 ? text : text.substring(0, slash);
    String protocolText = slash < 0 ? "" : text.substring(slash + 1);
    if (portsText.isEmpty()) {
      throw new MalformedValueException(text, 0, "the container port is missing");
    }
    PortRange ports;
    try {
      ports = PortRange.parse(portsText);
    } catch (MalformedValueException e) {
      throw e.within(text, 0);
    }
    return new ExposeSpec(
        ports,
        protocolText.isEmpty() ? Protocol.TCP : parseProtocol(protocolText, text, slash + 1));
  }

  /** The canonical text, always with the protocol. */
  public String text() {
    return ports + "/" + protocol;
  }

  /** The same as {@link #text()}. */
  @Override
  public String toString() {
    return text();
  }

  private static Protocol parseProtocol(String protocolText, String text, int at) {
    // Not equalsIgnoreCase: that takes the long s of U+017F for an s.
    String lowerCase = protocolText.toLowerCase(Locale.ROOT);
    for (Protocol protocol : Protocol.values()) {
      if (protocol.hasPorts() && protocol.toString().equals(lowerCase)) {
        return protocol;
      }
    }
    throw new MalformedValueException(
        text, at, "protocol " + quote(protocolText) + " is none of tcp, udp, sctp");
  }
}
