package dev.sluice.publish;

import dev.sluice.model.Backend;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.SandboxName;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * By whom, by which name and to whom something is published, so that a request about one of these
 * finds it without reading the table. It follows the table, and is made anew from it.
 *
 * <p>For one thread at a time.
 */
final class PublishedIndex {
  private final Map<Key, Map<MappingId, Mapping>> byName = new HashMap<>();
  private final Map<SandboxName, Integer> portsOf = new HashMap<>();

  private record Key(Owner owner, MappingName name) {}

  void add(Mapping mapping) {
    mapping
        .name()
        .ifPresent(
            name ->
                byName
                    .computeIfAbsent(new Key(mapping.owner(), name), key -> new LinkedHashMap<>(2))
                    .put(mapping.id(), mapping));
    count(mapping, 1);
  }

  void remove(Mapping mapping) {
    mapping
        .name()
        .ifPresent(
            name ->
                byName.computeIfPresent(
                    new Key(mapping.owner(), name),
                    (key, all) -> {
                      all.remove(mapping.id());
                      return all.isEmpty() ? null : all;
                    }));
    count(mapping, -1);
  }

  void clear() {
    byName.clear();
    portsOf.clear();
  }

  /** In the order in which they came. */
  List<Mapping> of(Owner owner, MappingName name) {
    return List.copyOf(byName.getOrDefault(new Key(owner, name), Map.of()).values());
  }

  Set<MappingName> namesOf(Owner owner) {
    Set<MappingName> names = new TreeSet<>();
    byName.keySet().stream()
        .filter(key -> key.owner() == owner)
        .forEach(key -> names.add(key.name()));
    return names;
  }

  /** Whether ports were published by the sandbox's name. */
  boolean hasPorts(SandboxName sandbox) {
    return portsOf.containsKey(sandbox);
  }

  private void count(Mapping mapping, int more) {
    for (Backend backend : mapping.backends().all()) {
      backend
          .sandbox()
          .ifPresent(
              name ->
                  portsOf.compute(
                      name,
                      (same, ports) -> {
                        int now = (ports == null ? 0 : ports) + more;
                        return now == 0 ? null : now;
                      }));
    }
  }
}
