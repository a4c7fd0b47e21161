package dev.sluice.flow;

import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.util.Optional;

/**
 * Which flows are wanted; what is empty admits everything.
 *
 * @param mapping name or id of a mapping
 * @param protocol tcp, udp, …
 * @param address any of the four addresses of the two tuples
 * @param publishedOnly only flows through a published port
 */
public record FlowFilter(
    Optional<String> mapping,
    Optional<Protocol> protocol,
    Optional<IpAddress> address,
    boolean publishedOnly) {
  public static final FlowFilter ALL =
      new FlowFilter(Optional.empty(), Optional.empty(), Optional.empty(), false);
}
