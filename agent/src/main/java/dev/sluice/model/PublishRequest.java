package dev.sluice.model;

import dev.sluice.net.IpAddress;
import java.util.List;
import java.util.Optional;

/**
 * One request: all of its ports are published, or none.
 *
 * @param ports what to publish, at least one
 * @param to the container, or several: each port leads to those whose family its host address
 *     admits. Where one is named, its addresses are looked up, and the ports follow it from network
 *     to network
 * @param name what to call it; several mappings may share a name
 * @param owner who asks
 * @param options who may use the ports, and how much. Allowed sources count for the target of their
 *     family; if there are any, there must be some for each target
 */
public record PublishRequest(
    List<PortSpec> ports,
    Destination to,
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
    if (to.isNone()) {
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

  /** A request by address. */
  public PublishRequest(
      List<PortSpec> ports,
      List<IpAddress> targets,
      Optional<MappingName> name,
      Owner owner,
      MappingOptions options) {
    this(ports, Destination.of(targets), name, owner, options);
  }

  /** A request by name. */
  public PublishRequest(
      List<PortSpec> ports,
      SandboxName sandbox,
      Optional<MappingName> name,
      Owner owner,
      MappingOptions options) {
    this(ports, Destination.of(sandbox), name, owner, options);
  }

  /** The same with other ports. */
  public PublishRequest with(List<PortSpec> otherPorts) {
    return new PublishRequest(otherPorts, to, name, owner, options);
  }

  /** The same to other containers. */
  public PublishRequest with(Destination other) {
    return new PublishRequest(ports, other, name, owner, options);
  }

  /** A request for each of the ports. */
  public List<PublishRequest> oneByOne() {
    return ports.stream().map(port -> with(List.of(port))).toList();
  }

  /** A request with one target and no options. */
  public PublishRequest(
      List<PortSpec> ports, IpAddress target, Optional<MappingName> name, Owner owner) {
    this(ports, List.of(target), name, owner, MappingOptions.NONE);
  }
}
