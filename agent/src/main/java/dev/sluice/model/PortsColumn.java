package dev.sluice.model;

import dev.sluice.net.PortRange;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;

/** Writes mappings as the PORTS column of {@code docker ps}. */
public final class PortsColumn {
  private static final Comparator<Mapping> ORDER =
      Comparator.<Mapping>comparingInt(mapping -> mapping.targetPorts().first())
          .thenComparing(Mapping::protocol)
          .thenComparing(mapping -> mapping.key().addressOrAny())
          .thenComparing(Mapping::hostPorts);

  private PortsColumn() {}

  /** One mapping: {@code 0.0.0.0:8080->80/tcp}, {@code [::1]:8000-8010->8000-8010/udp}. */
  public static String of(Mapping mapping) {
    return HostBinding.withPorts(mapping.key().addressOrAny(), mapping.hostPorts())
        + "->"
        + mapping.targetPorts()
        + "/"
        + mapping.protocol();
  }

  /**
   * All mappings of one container, by container port: {@code 0.0.0.0:8080->80/tcp,
   * [::]:8080->80/tcp}. Mappings that continue each other are written as one range, as Docker does.
   */
  public static String of(Collection<Mapping> mappings) {
    List<Mapping> entries = new ArrayList<>();
    for (Mapping next : mappings.stream().sorted(ORDER).toList()) {
      int continued = indexOfContinued(entries, next);
      if (continued < 0) {
        entries.add(next);
      } else {
        entries.set(continued, joined(entries.get(continued), next));
      }
    }
    return entries.stream().map(PortsColumn::of).collect(Collectors.joining(", "));
  }

  private static int indexOfContinued(List<Mapping> entries, Mapping next) {
    for (int i = 0; i < entries.size(); i++) {
      Mapping entry = entries.get(i);
      if (entry.protocol() == next.protocol()
          && entry.family() == next.family()
          && entry.hostAddress().equals(next.hostAddress())
          && entry.hostPorts().last() + 1 == next.hostPorts().first()
          && entry.targetPorts().last() + 1 == next.targetPorts().first()) {
        return i;
      }
    }
    return -1;
  }

  private static Mapping joined(Mapping entry, Mapping next) {
    return new Mapping(
        entry.id(),
        entry.name(),
        entry.owner(),
        entry.protocol(),
        entry.hostAddress(),
        new PortRange(entry.hostPorts().first(), next.hostPorts().last()),
        entry.targetAddress(),
        new PortRange(entry.targetPorts().first(), next.targetPorts().last()),
        entry.createdAt());
  }
}
