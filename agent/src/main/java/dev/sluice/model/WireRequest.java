package dev.sluice.model;

import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import java.util.List;
import java.util.Optional;

/**
 * A place on a network for a sandbox that somebody else makes: a wire whose far end lies on the
 * host until they take it into their namespace, of which nothing more is known.
 *
 * @param sandbox what the sandbox is called
 * @param id identifies its place; both ends of the wire are named after it
 * @param network the network's name
 * @param addresses the addresses it will have, at most one of each family, at least one
 * @param mac the hardware address of the far end; empty to make it of an address
 * @param owner who asks, and gives the far end its addresses and routes
 */
public record WireRequest(
    SandboxName sandbox,
    EndpointId id,
    String network,
    List<IpAddress> addresses,
    Optional<MacAddress> mac,
    Owner owner) {
  /**
   * Checks the parts.
   *
   * @throws dev.sluice.net.MalformedValueException if the network's name breaks the rule
   * @throws InvalidMappingException if there are two addresses of a family
   * @throws InvalidNetworkException if there is no address
   */
  public WireRequest {
    Names.check("network name", network);
    addresses = Targets.check(addresses);
    if (addresses.isEmpty()) {
      throw new InvalidNetworkException("the sandbox " + sandbox + " needs an address");
    }
  }
}
