package dev.sluice.publish;

import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.net.IpAddress;
import java.util.List;
import java.util.Optional;

/**
 * One request: all of its ports are published, or none.
 *
 * @param ports what to publish, at least one
 * @param target the address of the container
 * @param name what to call it; several mappings may share a name
 * @param owner who asks
 */
public record PublishRequest(
    List<PortSpec> ports, IpAddress target, Optional<MappingName> name, Owner owner) {
  public PublishRequest {
    ports = List.copyOf(ports);
    if (ports.isEmpty()) {
      throw new IllegalArgumentException("a publish request needs at least one port");
    }
  }
}
