package dev.sluice.publish;

import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What is published, to be compared with what is asked for: each serves one wish at most. */
final class Reconciliation {
  private final Map<MappingId, PublishedMapping> left = new LinkedHashMap<>();
  // Twenty thousand wishes look for theirs.
  private final Map<Place, List<PublishedMapping>> byPlace = new HashMap<>();

  private final Map<Aim, List<PublishedMapping>> byAim = new HashMap<>();

  private record Place(Protocol protocol, PortRange hostPorts, IpAddress target) {}

  private record Aim(
      Optional<MappingName> name, Protocol protocol, PortRange targetPorts, IpAddress target) {}

  Reconciliation(List<PublishedMapping> published) {
    for (PublishedMapping one : published) {
      Mapping mapping = one.mapping();
      left.put(mapping.id(), one);
      byAim
          .computeIfAbsent(
              new Aim(
                  mapping.name(),
                  mapping.protocol(),
                  mapping.targetPorts(),
                  mapping.targetAddress()),
              aim -> new ArrayList<>(1))
          .add(one);
      byPlace
          .computeIfAbsent(
              new Place(mapping.protocol(), mapping.hostPorts(), mapping.targetAddress()),
              place -> new ArrayList<>(1))
          .add(one);
    }
  }

  /** Takes one out that the specification would have published under this name. */
  Optional<PublishedMapping> take(PortSpec spec, IpAddress target, Optional<MappingName> name) {
    Collection<PublishedMapping> candidates =
        spec.hostPorts() instanceof PortSpec.Exactly exactly
            ? byPlace.getOrDefault(new Place(spec.protocol(), exactly.ports(), target), List.of())
            : byAim.getOrDefault(
                new Aim(name, spec.protocol(), spec.targetPorts(), target), List.of());
    Optional<PublishedMapping> found =
        candidates.stream()
            .filter(
                one ->
                    left.containsKey(one.mapping().id())
                        && one.mapping().targetAddress().equals(target)
                        && one.mapping().name().equals(name)
                        && Selection.wouldPublish(spec, one.mapping()))
            .findFirst();
    found.ifPresent(one -> left.remove(one.mapping().id()));
    return found;
  }

  /** What nobody has taken. */
  Collection<PublishedMapping> left() {
    return left.values();
  }
}
