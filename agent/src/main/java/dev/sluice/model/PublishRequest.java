package dev.sluice.model;

import dev.sluice.net.Family;
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
   * The most ports of one request, a range that keeps its numbers on every address counted once,
   * and each port to several containers as often as these may have slots.
   */
  public static final int MAX_ELEMENTS = 262_144;

  public PublishRequest {
    ports = List.copyOf(ports);
    if (ports.isEmpty()) {
      throw new IllegalArgumentException("a publish request needs at least one port");
    }
    int slots = slots(to);
    long elements = ports.stream().mapToLong(spec -> (long) slots * elements(spec, slots)).sum();
    if (elements > MAX_ELEMENTS) {
      throw new InvalidMappingException(
          "the request asks for "
              + elements / slots
              + " ports one by one"
              + (slots == 1 ? "" : " with up to " + slots + " slots each for the containers")
              + ", and at most "
              + MAX_ELEMENTS / slots
              + " are possible: split it");
    }
    if (to.isNone()) {
      throw new IllegalArgumentException("a publish request needs a target");
    }
  }

  /** How many slots a port has at most; an IPv4 and an IPv6 address are no two containers. */
  private static int slots(Destination to) {
    int slots = 1;
    for (Family family : Family.values()) {
      List<Destination.Aim> some =
          to.all().stream()
              .filter(aim -> aim.address().map(one -> one.family() == family).orElse(true))
              .toList();
      if (some.size() > 1) {
        int weights = some.stream().mapToInt(Destination.Aim::weight).sum();
        slots =
            Math.max(
                slots,
                to.balance().equals(Optional.of(Balance.SOURCE))
                    ? Backends.SOURCE_SLOTS
                    : Math.min(weights, Backends.MAX_WEIGHT));
      }
    }
    return slots;
  }

  private static int elements(PortSpec spec, int slots) {
    boolean keepsItsPorts =
        slots == 1
            && spec.hostAddress().filter(address -> !address.isAny()).isEmpty()
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
