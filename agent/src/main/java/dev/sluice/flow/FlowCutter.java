package dev.sluice.flow;

import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.ConntrackEntry;
import dev.sluice.conntrack.ConntrackFilter;
import dev.sluice.conntrack.LinuxNfConntrack;
import dev.sluice.conntrack.Tuple;
import dev.sluice.conntrack.TupleFilter;
import dev.sluice.model.Mapping;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * Ends flows, so that what was decided about a port holds for packets of connections that exist
 * already: the kernel decides about a connection once, at its first packet, and remembers.
 *
 * <p>Each call walks the host's table of connections once, about 8 ms.
 */
public final class FlowCutter {
  private final Conntrack conntrack;

  public FlowCutter(Conntrack conntrack) {
    this.conntrack = conntrack;
  }

  /** Ends every flow that goes through one of the mappings; returns how many. */
  public int cut(List<Mapping> mappings) {
    if (mappings.isEmpty()) {
      return 0;
    }
    ConntrackFilter translated =
        narrow(mappings).status(LinuxNfConntrack.IPS_DST_NAT, LinuxNfConntrack.IPS_DST_NAT);
    return deleteMatching(
        translated, entry -> mappings.stream().anyMatch(mapping -> goesThrough(entry, mapping)));
  }

  /**
   * Ends flows to the mappings' host ports that began before the mapping was published and
   * therefore bypass it. Only udp has such: a client that goes on sending from the same port keeps
   * its flow alive for ever, while a tcp connection needs somebody who accepted it, and the port
   * was free.
   *
   * @param isLocal tells the host's own addresses; flows to the same port elsewhere are none of our
   *     business
   * @return how many
   */
  public int dropStale(List<Mapping> mappings, Predicate<IpAddress> isLocal) {
    List<Mapping> udp =
        mappings.stream().filter(mapping -> mapping.protocol() == Protocol.UDP).toList();
    if (udp.isEmpty()) {
      return 0;
    }
    return deleteMatching(
        narrow(udp),
        entry ->
            udp.stream().anyMatch(mapping -> isStale(entry, mapping))
                && isLocal.test(entry.original().destination()));
  }

  private int deleteMatching(ConntrackFilter filter, Predicate<ConntrackEntry> wanted) {
    List<ConntrackEntry> doomed = new ArrayList<>();
    conntrack.dump(
        filter,
        entry -> {
          if (wanted.test(entry)) {
            doomed.add(entry);
          }
        });
    return conntrack.deleteAll(doomed);
  }

  /** What all mappings have in common, for the kernel to filter by. */
  private static ConntrackFilter narrow(List<Mapping> mappings) {
    Mapping first = mappings.get(0);
    TupleFilter original = TupleFilter.ANY;
    ConntrackFilter filter = ConntrackFilter.ALL;
    if (mappings.stream().allMatch(mapping -> mapping.family() == first.family())) {
      filter = filter.family(first.family());
    }
    if (mappings.stream().allMatch(mapping -> mapping.protocol() == first.protocol())) {
      original = original.protocol(first.protocol().number());
    }
    if (mappings.size() == 1 && first.hostPorts().isSingle()) {
      original = original.destinationPort(first.hostPorts().first());
    }
    return filter.original(original);
  }

  private static boolean goesThrough(ConntrackEntry entry, Mapping mapping) {
    return isToHostPort(entry.original(), mapping) && isFromTarget(entry, mapping);
  }

  private static boolean isStale(ConntrackEntry entry, Mapping mapping) {
    return isToHostPort(entry.original(), mapping) && !isFromTarget(entry, mapping);
  }

  private static boolean isToHostPort(Tuple original, Mapping mapping) {
    return original.protocol() == mapping.protocol().number()
        && original.destination().family() == mapping.family()
        && original.detail() instanceof Tuple.Ports ports
        && ports.destination() > 0
        && mapping.hostPorts().contains(ports.destination())
        && (mapping.hostAddress().isEmpty()
            || mapping.hostAddress().get().equals(original.destination()));
  }

  /** Whether the answers come from the port the mapping leads to. */
  private static boolean isFromTarget(ConntrackEntry entry, Mapping mapping) {
    if (!(entry.original().detail() instanceof Tuple.Ports asked)
        || !(entry.reply().detail() instanceof Tuple.Ports answered)) {
      return false;
    }
    int offset = asked.destination() - mapping.hostPorts().first();
    return entry.reply().source().equals(mapping.targetAddress())
        && answered.source() == mapping.targetPorts().first() + offset;
  }
}
