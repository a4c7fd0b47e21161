package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.util.List;
import java.util.Optional;

/**
 * A sandbox's place on a network.
 *
 * @param id identifies it; the host's interface is named after it
 * @param network the network's name
 * @param interfaceName what the sandbox's interface was called when it came
 * @param addresses at most one of each family, at least one
 * @param aliases what the sandbox is also called on this network
 */
public record Endpoint(
    EndpointId id,
    String network,
    InterfaceName interfaceName,
    List<IpAddress> addresses,
    List<SandboxName> aliases) {
  public Endpoint {
    addresses = List.copyOf(addresses);
    aliases = List.copyOf(aliases);
    if (addresses.isEmpty()) {
      throw new IllegalArgumentException("an endpoint needs an address");
    }
  }

  /** The address of that family. */
  public Optional<IpAddress> address(Family family) {
    return Targets.of(addresses, family);
  }
}
