package dev.sluice.model;

import dev.sluice.net.IpAddress;
import java.util.List;
import java.util.Optional;

/**
 * One request: all of its ports are published, or none.
 *
 * @param ports what to publish, at least one
 * @param targets the addresses of the container, one of each family at most: each port leads to all
 *     of them whose family its host address admits
 * @param name what to call it; several mappings may share a name
 * @param owner who asks
 * @param options who may use the ports, and how much. Allowed sources count for the target of their
 *     family; if there are any, there must be some for each target
 */
public record PublishRequest(
    List<PortSpec> ports,
    List<IpAddress> targets,
    Optional<MappingName> name,
    Owner owner,
    MappingOptions options) {
  public PublishRequest {
    ports = List.copyOf(ports);
    if (ports.isEmpty()) {
      throw new IllegalArgumentException("a publish request needs at least one port");
    }
    targets = Targets.check(targets);
    if (targets.isEmpty()) {
      throw new IllegalArgumentException("a publish request needs a target");
    }
  }

  /** A request with one target and no options. */
  public PublishRequest(
      List<PortSpec> ports, IpAddress target, Optional<MappingName> name, Owner owner) {
    this(ports, List.of(target), name, owner, MappingOptions.NONE);
  }
}
