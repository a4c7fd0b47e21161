package dev.sluice.model;

import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
    Map<Junction, Integer> openEnds = new HashMap<>();
    for (Mapping next : mappings.stream().sorted(ORDER).toList()) {
      Integer continued = openEnds.remove(Junction.before(next));
      if (continued == null) {
        openEnds.put(Junction.behind(next), entries.size());
        entries.add(next);
      } else {
        Mapping whole = joined(entries.get(continued), next);
        openEnds.put(Junction.behind(whole), continued);
        entries.set(continued, whole);
      }
    }
    return entries.stream().map(PortsColumn::of).collect(Collectors.joining(", "));
  }

  /** Where a mapping ends and another may continue it; the ports are those of the continuation. */
  private record Junction(
      Protocol protocol,
      Optional<IpAddress> hostAddress,
      Backends backends,
      int hostPort,
      int targetPort) {
    static Junction before(Mapping mapping) {
      return at(mapping, mapping.hostPorts().first(), mapping.targetPorts().first());
    }

    static Junction behind(Mapping mapping) {
      return at(mapping, mapping.hostPorts().last() + 1, mapping.targetPorts().last() + 1);
    }

    private static Junction at(Mapping mapping, int hostPort, int targetPort) {
      return new Junction(
          mapping.protocol(), mapping.hostAddress(), mapping.backends(), hostPort, targetPort);
    }
  }

  private static Mapping joined(Mapping entry, Mapping next) {
    return new Mapping(
        entry.id(),
        entry.name(),
        entry.owner(),
        entry.protocol(),
        entry.family(),
        entry.hostAddress(),
        new PortRange(entry.hostPorts().first(), next.hostPorts().last()),
        entry.backends(),
        new PortRange(entry.targetPorts().first(), next.targetPorts().last()),
        entry.createdAt(),
        MappingOptions.NONE);
  }
}
