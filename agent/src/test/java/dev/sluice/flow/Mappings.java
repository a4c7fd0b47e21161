package dev.sluice.flow;

import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.net.IpAddress;
import java.time.Instant;
import java.util.Optional;

/** Mappings for tests. */
final class Mappings {
  /** When they were published. */
  static final Instant CREATED = Instant.parse("2026-11-21T08:00:00Z");

  private Mappings() {}

  /** A mapping with a random id, as in {@code sluice publish -p SPEC --to TARGET --name NAME}. */
  static Mapping mapping(String name, String spec, String target) {
    return mapping(name, spec, target, CREATED);
  }

  static Mapping mapping(String name, String spec, String target, Instant createdAt) {
    PortSpec ports = PortSpec.parse(spec);
    if (!(ports.hostPorts() instanceof PortSpec.Exactly exactly)) {
      throw new IllegalArgumentException("host ports are needed: " + spec);
    }
    return new Mapping(
        MappingId.random(),
        name.isEmpty() ? Optional.empty() : Optional.of(new MappingName(name)),
        Owner.CLI,
        ports.protocol(),
        ports.hostAddress(),
        exactly.ports(),
        IpAddress.parse(target),
        ports.targetPorts(),
        createdAt);
  }
}
