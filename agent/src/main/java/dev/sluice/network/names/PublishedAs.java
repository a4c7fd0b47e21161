package dev.sluice.network.names;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * As what the world sees a container's ports.
 *
 * @param containerPorts the container's own ports
 * @param protocol one that has ports
 * @param hostAddress where the host accepts connections; an unspecified address is told in text,
 *     but is no address anybody could connect to
 * @param hostPorts as many as {@code containerPorts}, or several for one
 * @param mapping the name of the mapping, if it has one
 */
public record PublishedAs(
    PortRange containerPorts,
    Protocol protocol,
    IpAddress hostAddress,
    PortRange hostPorts,
    Optional<String> mapping) {

  /** The host's port that leads to this port of the container; the first, if there are several. */
  OptionalInt hostPortOf(int containerPort) {
    if (!containerPorts.contains(containerPort)) {
      return OptionalInt.empty();
    }
    return OptionalInt.of(
        containerPorts.size() == hostPorts.size()
            ? hostPorts.first() + containerPort - containerPorts.first()
            : hostPorts.first());
  }

  /** {@code 80/tcp=203.0.113.5:8080}, {@code 53/udp=[2001:db8::5]:5353-5354}. */
  @Override
  public String toString() {
    String host = hostAddress.family() == Family.IPV6 ? "[" + hostAddress + "]" : "" + hostAddress;
    return containerPorts + "/" + protocol + "=" + host + ":" + hostPorts;
  }
}
