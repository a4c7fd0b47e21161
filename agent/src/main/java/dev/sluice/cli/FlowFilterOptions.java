package dev.sluice.cli;

import dev.sluice.flow.FlowFilter;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options that say which flows are wanted. */
final class FlowFilterOptions {
  @Option(
      names = "--mapping",
      paramLabel = "NAME|ID",
      description = "Only what goes through this mapping.")
  private @Nullable String mapping;

  @Option(
      names = "--protocol",
      paramLabel = "PROTOCOL",
      description = "Only tcp, udp, sctp, icmp or icmpv6.")
  private @Nullable String protocol;

  @Option(
      names = "--address",
      paramLabel = "ADDRESS",
      description = "Only what has this address at one of its ends, before or after translation.")
  private @Nullable String address;

  @Option(names = "--published", description = "Only what goes through a published port.")
  private boolean publishedOnly;

  FlowFilter filter() {
    return new FlowFilter(
        Optional.ofNullable(mapping),
        Optional.ofNullable(protocol).map(Protocol::parse),
        Optional.ofNullable(address).map(IpAddress::parse),
        publishedOnly);
  }
}
