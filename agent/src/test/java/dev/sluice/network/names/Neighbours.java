package dev.sluice.network.names;

import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What the container of these tests sees: {@code web} in both families, {@code db} in one, {@code
 * many} with more addresses than a datagram has room for.
 */
record Neighbours(boolean forwards, List<PublishedAs> self) implements View {
  private static final IpAddress WEB4 = IpAddress.parse("10.88.0.2");
  private static final IpAddress WEB6 = IpAddress.parse("fd00:88::2");
  private static final Map<String, List<IpAddress>> ADDRESSES =
      Map.of(
          "web", List.of(WEB4, WEB6),
          "web.blue", List.of(WEB4, WEB6),
          "db", List.of(IpAddress.parse("10.88.0.3")),
          "many",
              IntStream.rangeClosed(1, 100)
                  .mapToObj(i -> IpAddress.parse("10.88.1." + i))
                  .toList());

  /** Published on two addresses, once on both at the same port and once on each at its own. */
  static final List<PublishedAs> PUBLISHED =
      List.of(
          published("80", Protocol.TCP, "203.0.113.5", "8080", "shop"),
          published("80", Protocol.TCP, "2001:db8::5", "8080", "shop"),
          published("53", Protocol.UDP, "203.0.113.5", "5353", null),
          published("9000-9009", Protocol.TCP, "203.0.113.5", "19000-19009", null));

  static final Neighbours ALL = new Neighbours(true, PUBLISHED);

  private static PublishedAs published(
      String ports, Protocol protocol, String host, String hostPorts, @Nullable String mapping) {
    return new PublishedAs(
        PortRange.parse(ports),
        protocol,
        IpAddress.parse(host),
        PortRange.parse(hostPorts),
        Optional.ofNullable(mapping));
  }

  @Override
  public List<IpAddress> addressesOf(String name) {
    return ADDRESSES.getOrDefault(name, List.of());
  }

  @Override
  public Optional<String> nameOf(IpAddress address) {
    return address.equals(WEB4) || address.equals(WEB6)
        ? Optional.of("web.blue")
        : Optional.empty();
  }

  @Override
  public List<ServicePorts> portsOf(String name) {
    return name.startsWith("web")
        ? List.of(
            new ServicePorts(PortRange.parse("80"), Protocol.TCP),
            new ServicePorts(PortRange.parse("4000-4010"), Protocol.UDP))
        : List.of();
  }
}
