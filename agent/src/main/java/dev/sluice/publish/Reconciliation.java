package dev.sluice.publish;

import dev.sluice.model.Backends;
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

  private record Place(Protocol protocol, PortRange hostPorts) {}

  private record Aim(
      Optional<MappingName> name, Protocol protocol, PortRange targetPorts, IpAddress target) {
    /** A mapping has an aim for each of its containers. */
    static List<Aim> of(
        Optional<MappingName> name, Protocol protocol, PortRange targetPorts, Backends backends) {
      return backends.addresses().stream()
          .map(target -> new Aim(name, protocol, targetPorts, target))
          .toList();
    }
  }

  Reconciliation(List<PublishedMapping> published) {
    for (PublishedMapping one : published) {
      Mapping mapping = one.mapping();
      left.put(mapping.id(), one);
      for (Aim aim :
          Aim.of(mapping.name(), mapping.protocol(), mapping.targetPorts(), mapping.backends())) {
        byAim.computeIfAbsent(aim, same -> new ArrayList<>(1)).add(one);
      }
      byPlace
          .computeIfAbsent(
              new Place(mapping.protocol(), mapping.hostPorts()), place -> new ArrayList<>(1))
          .add(one);
    }
  }

  /**
   * Takes one out that the specification would have published under this name: to the same
   * containers, or else to several of which one is the same.
   */
  Optional<PublishedMapping> take(PortSpec spec, Backends targets, Optional<MappingName> name) {
    Collection<PublishedMapping> candidates =
        spec.hostPorts() instanceof PortSpec.Exactly exactly
            ? byPlace.getOrDefault(new Place(spec.protocol(), exactly.ports()), List.of())
            : Aim.of(name, spec.protocol(), spec.targetPorts(), targets).stream()
                .flatMap(aim -> byAim.getOrDefault(aim, List.of()).stream())
                .toList();
    List<PublishedMapping> fitting =
        candidates.stream()
            .filter(
                one ->
                    left.containsKey(one.mapping().id())
                        && one.mapping().backends().addresses().stream().anyMatch(targets::has)
                        && one.mapping().family() == PortChoice.family(spec, targets)
                        && one.mapping().name().equals(name)
                        && Selection.wouldPublish(spec, one.mapping()))
            .toList();
    Optional<PublishedMapping> found =
        fitting.stream()
            .filter(one -> one.mapping().backends().isSameAs(targets))
            .findFirst()
            .or(() -> fitting.stream().findFirst());
    found.ifPresent(one -> left.remove(one.mapping().id()));
    return found;
  }

  /** What nobody has taken. */
  Collection<PublishedMapping> left() {
    return left.values();
  }
}
