package dev.sluice.network.names;

import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;

/**
 * Ports at which a container can be reached by its neighbours.
 *
 * @param ports the container's own ports
 * @param protocol one that has ports
 */
public record ServicePorts(PortRange ports, Protocol protocol) {

  boolean contain(int port, Protocol wanted) {
    return protocol == wanted && ports.contains(port);
  }
}
