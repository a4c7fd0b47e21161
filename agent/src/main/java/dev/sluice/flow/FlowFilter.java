package dev.sluice.flow;

import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.util.Optional;
import java.util.Set;

/**
 * Which flows, and which of their events, are wanted; what is empty admits everything.
 *
 * @param mapping name or id of a mapping
 * @param protocol tcp, udp, …
 * @param address any of the four addresses of the two tuples
 * @param publishedOnly only flows through a published port
 * @param kinds only such events
 */
public record FlowFilter(
    Optional<String> mapping,
    Optional<Protocol> protocol,
    Optional<IpAddress> address,
    boolean publishedOnly,
    Set<EventKind> kinds) {
  public static final FlowFilter ALL =
      new FlowFilter(Optional.empty(), Optional.empty(), Optional.empty(), false);

  /** Copies the set. */
  public FlowFilter {
    kinds = Set.copyOf(kinds);
  }

  /** Events of every kind. */
  public FlowFilter(
      Optional<String> mapping,
      Optional<Protocol> protocol,
      Optional<IpAddress> address,
      boolean publishedOnly) {
    this(mapping, protocol, address, publishedOnly, Set.of());
  }

  /** The same flows, but only these events of them. */
  public FlowFilter kinds(Set<EventKind> wanted) {
    return new FlowFilter(mapping, protocol, address, publishedOnly, wanted);
  }
}
