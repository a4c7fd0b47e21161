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
  /**
   * The most ports of one request, a range that keeps its numbers on every address counted once.
   */
  public static final int MAX_ELEMENTS = 262_144;

  public PublishRequest {
    ports = List.copyOf(ports);
    if (ports.isEmpty()) {
      throw new IllegalArgumentException("a publish request needs at least one port");
    }
    long elements = ports.stream().mapToLong(PublishRequest::elements).sum();
    if (elements > MAX_ELEMENTS) {
      throw new InvalidMappingException(
          "the request asks for "
              + elements
              + " ports one by one, and at most "
              + MAX_ELEMENTS
              + " are possible: split it");
    }
    targets = Targets.check(targets);
    if (targets.isEmpty()) {
      throw new IllegalArgumentException("a publish request needs a target");
    }
  }

  private static int elements(PortSpec spec) {
    boolean keepsItsPorts =
        spec.hostAddress().filter(address -> !address.isAny()).isEmpty()
            && spec.hostPorts() instanceof PortSpec.Exactly exactly
            && exactly.ports().equals(spec.targetPorts());
    return keepsItsPorts ? 1 : spec.targetPorts().size();
  }

  /** A request with one target and no options. */
  public PublishRequest(
      List<PortSpec> ports, IpAddress target, Optional<MappingName> name, Owner owner) {
    this(ports, List.of(target), name, owner, MappingOptions.NONE);
  }
}
