package dev.sluice.publish;

import dev.sluice.model.Mapping;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishedMapping;
import dev.sluice.publish.PublishException.Kind;
import java.util.List;

/** Finds mappings by what people call them. */
final class Selection {
  /** Shortest part of an id that stands for it. */
  private static final int SHORTEST_ID_PREFIX = 4;

  private Selection() {}

  /** What {@link Publisher} says a name or id stands for. */
  static List<PublishedMapping> find(List<PublishedMapping> all, String nameOrId) {
    List<PublishedMapping> byName =
        all.stream()
            .filter(p -> p.mapping().name().filter(n -> n.text().equals(nameOrId)).isPresent())
            .toList();
    if (!byName.isEmpty()) {
      return byName;
    }
    List<PublishedMapping> byId =
        nameOrId.length() < SHORTEST_ID_PREFIX
            ? List.of()
            : all.stream().filter(p -> p.mapping().id().toString().startsWith(nameOrId)).toList();
    if (byId.size() > 1) {
      throw new PublishException(
          Kind.CONFLICT,
          nameOrId + " stands for " + byId.size() + " mappings: give more of the id");
    }
    if (byId.isEmpty()) {
      throw new PublishException(
          Kind.NOT_FOUND, "nothing published is called " + nameOrId + ": sluice ps lists what is");
    }
    return byId;
  }

  /**
   * Whether the specification would have published the mapping. Without a host part it stands for
   * every mapping to the container ports.
   */
  static boolean matches(PortSpec spec, Mapping mapping) {
    return spec.protocol() == mapping.protocol()
        && spec.targetPorts().equals(mapping.targetPorts())
        && (spec.hostAddress().isEmpty()
            || (spec.hostAddress().get().isAny()
                ? mapping.hostAddress().isEmpty()
                    && mapping.family() == spec.hostAddress().get().family()
                : mapping.hostAddress().equals(spec.hostAddress())))
        && hostPortsMatch(spec, mapping);
  }

  /** As {@link #matches}, but an address left out stands for every address, not for any. */
  static boolean wouldPublish(PortSpec spec, Mapping mapping) {
    return matches(spec, mapping)
        && (spec.hostAddress().isPresent() || mapping.hostAddress().isEmpty());
  }

  private static boolean hostPortsMatch(PortSpec spec, Mapping mapping) {
    if (spec.hostPorts() instanceof PortSpec.Exactly exactly) {
      return exactly.ports().equals(mapping.hostPorts());
    }
    if (spec.hostPorts() instanceof PortSpec.Pool pool) {
      return pool.ports().contains(mapping.hostPorts());
    }
    return true;
  }
}
