package dev.sluice.model;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.net.Family;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.util.Optional;

/**
 * A request to publish ports, written as in {@code docker run -p}:
 *
 * <pre>
 *   [[address:][hostPort[-end]]:]containerPort[-end][/protocol]
 * </pre>
 *
 * <p>The reading is that of go-connections' {@code nat.ParsePortSpec}, with these differences, all
 * of them refusals of what could only fail or surprise later: container port 0, port 0 as an end of
 * a range, a sign before a number, a third part of a range, an IPv4 address or nothing in brackets.
 * Host port 0 means what it means to Docker: any free port.
 *
 * @param hostAddress the address to publish on; empty for every local address of both families,
 *     {@code 0.0.0.0} or {@code ::} for every one of that family
 * @param hostPorts which ports of the host to take
 * @param targetPorts the ports of the container
 * @param protocol tcp, udp or sctp
 */
public record PortSpec(
    Optional<IpAddress> hostAddress,
    HostPorts hostPorts,
    PortRange targetPorts,
    Protocol protocol) {

  /** Which ports of the host are asked for. */
  public sealed interface HostPorts {}

  /**
   * Exactly these, the first for the first container port and so on.
   *
   * @param ports as many as container ports
   */
  public record Exactly(PortRange ports) implements HostPorts {}

  /**
   * Any one of these for the one container port.
   *
   * @param ports two or more
   */
  public record Pool(PortRange ports) implements HostPorts {}

  /** Whichever are free. */
  public record Any() implements HostPorts {}

  /** The one {@link Any} that {@link #parse} hands out. */
  public static final HostPorts ANY_FREE = new Any();

  /**
   * Checks that the parts fit each other.
   *
   * @throws IllegalArgumentException if a number of ports is wrong, or the protocol has none
   */
  public PortSpec {
    if (!protocol.hasPorts()) {
      throw new IllegalArgumentException("protocol " + protocol + " has no ports");
    }
    if (hostPorts instanceof Exactly exactly && exactly.ports().size() != targetPorts.size()) {
      throw new IllegalArgumentException(lengthsProblem(exactly.ports(), targetPorts));
    }
    if (hostPorts instanceof Pool pool && (!targetPorts.isSingle() || pool.ports().isSingle())) {
      throw new IllegalArgumentException(
          "a pool is two or more host ports for one container port: hostPorts="
              + pool.ports()
              + ", targetPorts="
              + targetPorts);
    }
  }

  /**
   * Reads a request.
   *
   * @throws MalformedValueException if the text does not follow the grammar above
   */
  public static PortSpec parse(String text) {
    // An IPv6 address may stand without brackets: the last two colons are the grammar's.
    int targetAt = text.lastIndexOf(':') + 1;
    int hostColon = targetAt == 0 ? -1 : text.lastIndexOf(':', targetAt - 2);
    int closing = text.indexOf(']');
    if (text.startsWith("[") && (closing < 0 || hostColon != closing + 1)) {
      throw badBrackets(text, closing);
    }

    ExposeSpec target;
    try {
      target = ExposeSpec.parse(text.substring(targetAt));
    } catch (MalformedValueException e) {
      throw explained(e.within(text, targetAt), text, targetAt, text.length());
    }
    HostPorts hostPorts = ANY_FREE;
    if (targetAt > hostColon + 2) {
      hostPorts = parseHostPorts(text, hostColon + 1, targetAt - 1, target.ports());
    }
    Optional<IpAddress> hostAddress =
        hostColon > 0 ? Optional.of(parseAddress(text, hostColon)) : Optional.empty();
    return new PortSpec(hostAddress, hostPorts, target.ports(), target.protocol());
  }

  /** The canonical text: always with the protocol, IPv6 in brackets, no part that says nothing. */
  public String text() {
    StringBuilder text = new StringBuilder();
    hostAddress.ifPresent(
        address ->
            text.append(address.family() == Family.IPV6 ? "[" + address + "]" : address)
                .append(':'));
    if (hostPorts instanceof Exactly exactly) {
      text.append(exactly.ports()).append(':');
    } else if (hostPorts instanceof Pool pool) {
      text.append(pool.ports()).append(':');
    } else if (hostAddress.isPresent()) {
      text.append(':');
    }
    return text.append(targetPorts).append('/').append(protocol).toString();
  }

  /** The same as {@link #text()}. */
  @Override
  public String toString() {
    return text();
  }

  private static HostPorts parseHostPorts(String text, int from, int to, PortRange targetPorts) {
    String portsText = text.substring(from, to);
    if (isZero(portsText) && targetPorts.isSingle()) {
      return ANY_FREE;
    }
    PortRange ports;
    try {
      ports = PortRange.parse(portsText);
    } catch (MalformedValueException e) {
      throw explained(e.within(text, from), text, from, to);
    }
    if (ports.size() == targetPorts.size()) {
      return new Exactly(ports);
    }
    if (!targetPorts.isSingle()) {
      throw new MalformedValueException(text, from, lengthsProblem(ports, targetPorts));
    }
    return new Pool(ports);
  }

  private static IpAddress parseAddress(String text, int end) {
    boolean bracketed = text.startsWith("[");
    int from = bracketed ? 1 : 0;
    String addressText = text.substring(from, bracketed ? end - 1 : end);
    IpAddress address;
    try {
      address = bracketed ? Ip6Address.parse(addressText) : IpAddress.parse(addressText);
    } catch (MalformedValueException e) {
      throw e.within(text, from);
    }
    // A packet to a mapped address is an IPv4 packet.
    return address instanceof Ip6Address six ? six.unmapped() : address;
  }

  private static boolean isZero(String text) {
    return text.chars().allMatch(c -> c == '0');
  }

  /** Says what to write where somebody gave an address in the place of a port. */
  private static MalformedValueException explained(
      MalformedValueException e, String text, int from, int to) {
    String part = text.substring(from, to);
    if (part.indexOf('.') < 0) {
      return e;
    }
    return new MalformedValueException(
        text,
        from,
        quote(part) + " is not a port; an address stands first, as in 192.0.2.1:8080:80");
  }

  private static MalformedValueException badBrackets(String text, int closing) {
    if (closing < 0) {
      return new MalformedValueException(
          text, text.length(), "\"]\" is missing behind the IPv6 address in " + quote(text));
    }
    return new MalformedValueException(
        text,
        closing + 1,
        "a host port and a container port must follow the address in "
            + quote(text)
            + ", as in [2001:db8::1]:8080:80, or [2001:db8::1]::80 for any free host port");
  }

  private static String lengthsProblem(PortRange hostPorts, PortRange targetPorts) {
    return "host ports "
        + hostPorts
        + " are "
        + hostPorts.size()
        + " and container ports "
        + targetPorts
        + " are "
        + targetPorts.size()
        + "; give as many of each, or one container port";
  }
}
