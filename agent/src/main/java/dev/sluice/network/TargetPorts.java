package dev.sluice.network;

import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.net.IpAddress;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** An index of what is published, by the address it leads to. Thread-safe. */
public final class TargetPorts {
  private final Map<IpAddress, Map<MappingId, Mapping>> byTarget = new HashMap<>();
  private final Map<MappingId, List<IpAddress>> targets = new HashMap<>();

  /** Takes note of a mapping, in place of what was known of it. */
  public synchronized void add(Mapping mapping) {
    remove(mapping);
    List<IpAddress> addresses = mapping.backends().addresses();
    targets.put(mapping.id(), addresses);
    for (IpAddress target : addresses) {
      byTarget
          .computeIfAbsent(target, address -> new LinkedHashMap<>(2))
          .put(mapping.id(), mapping);
    }
  }

  public synchronized void remove(Mapping mapping) {
    List<IpAddress> addresses = targets.remove(mapping.id());
    if (addresses == null) {
      return;
    }
    for (IpAddress target : addresses) {
      byTarget.computeIfPresent(
          target,
          (address, mappings) -> {
            mappings.remove(mapping.id());
            return mappings.isEmpty() ? null : mappings;
          });
    }
  }

  /** What leads to the address, in the order in which it was published. */
  public synchronized List<Mapping> to(IpAddress address) {
    return List.copyOf(byTarget.getOrDefault(address, Map.of()).values());
  }
}
