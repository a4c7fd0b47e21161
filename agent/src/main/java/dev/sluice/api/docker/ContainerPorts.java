package dev.sluice.api.docker;

import dev.sluice.api.docker.EngineContainer.Attachment;
import dev.sluice.api.docker.EngineContainer.Binding;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Port;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What the ports of a container mean for us.
 *
 * <p>They lead to its address on the network that gives it its way to the outside, as the engine
 * has it: of those that are not internal the one of the highest priority, then of the first name. A
 * host address that is none of that address's family leads nowhere: {@code [::]:8080} of a
 * container without IPv6, which the engine holds and does not serve.
 */
final class ContainerPorts {
  private static final Comparator<Attachment> GATEWAY_FIRST =
      Comparator.comparing(Attachment::priority, Comparator.reverseOrder())
          .thenComparing(Attachment::networkName);

  private ContainerPorts() {}

  /** One port of the host that leads to one of the container. */
  private record Wanted(Protocol protocol, IpAddress hostAddress, int hostPort, int containerPort) {
    private static final Comparator<Wanted> IN_ORDER =
        Comparator.comparing(Wanted::protocol)
            .thenComparing(Wanted::hostAddress)
            .thenComparing(Wanted::hostPort)
            .thenComparing(Wanted::containerPort);

    boolean isBehind(Wanted other, int distance) {
      return protocol == other.protocol
          && hostAddress.equals(other.hostAddress)
          && hostPort == other.hostPort + distance
          && containerPort == other.containerPort + distance;
    }
  }

  /** The place on a network that a container's ports lead to. */
  static Optional<Attachment> gateway(
      EngineContainer container, Function<String, Optional<EngineNetwork>> networks) {
    return container.attachments().stream()
        .filter(
            one ->
                networks
                    .apply(one.network())
                    .filter(network -> network.isOnBridge() && !network.internal())
                    .isPresent())
        .min(GATEWAY_FIRST);
  }

  /**
   * Why none of the ports that the engine has given a container leads to it, as far as its networks
   * are the reason: {@code it is only on …}. Empty if they are not.
   */
  static Optional<String> unserved(
      EngineContainer container, Function<String, Optional<EngineNetwork>> networks) {
    boolean asked = container.bound().stream().anyMatch(one -> !one.hostPort().isEmpty());
    if (!asked || gateway(container, networks).isPresent()) {
      return Optional.empty();
    }
    String on =
        container.attachments().stream()
            .map(
                place ->
                    place.networkName()
                        + networks
                            .apply(place.network())
                            .map(one -> " (driver " + one.driver() + ")")
                            .orElse(""))
            .collect(Collectors.joining(", "));
    return Optional.of(
        "it is on no network of this host's bridges but on "
            + (on.isEmpty() ? "none" : on)
            + "; docker network connect bridge CONTAINER makes its ports lead there");
  }

  /** What the engine has given a running container. */
  static List<PublishRequest> bound(
      EngineContainer container, Function<String, Optional<EngineNetwork>> networks) {
    return requests(container, container.bound().stream(), networks);
  }

  /**
   * What the engine is about to give a container that is being started, as far as that is certain
   * before it says so: the ports whose number was asked for.
   */
  static List<PublishRequest> expected(
      EngineContainer container, Function<String, Optional<EngineNetwork>> networks) {
    Optional<EngineNetwork> network =
        gateway(container, networks).flatMap(place -> networks.apply(place.network()));
    if (network.isEmpty()) {
      return List.of();
    }
    String anyAddress = network.get().hostBinding();
    Stream<Binding> explicit =
        container.asked().stream()
            .filter(one -> isNumber(one.hostPort()))
            .flatMap(one -> one.hostAddress().isEmpty() ? both(one, anyAddress) : Stream.of(one));
    return requests(container, explicit, networks);
  }

  /** Whether some port is known before the container runs. */
  static boolean expectsSome(EngineContainer container) {
    return container.asked().stream().anyMatch(one -> isNumber(one.hostPort()));
  }

  /** Neither a range to choose from nor nothing. */
  private static boolean isNumber(String hostPort) {
    return !hostPort.isEmpty()
        && !hostPort.equals("0")
        && hostPort.chars().allMatch(c -> c >= '0' && c <= '9');
  }

  /** Without a host address, every one of both families, unless the network has its own. */
  private static Stream<Binding> both(Binding binding, String anyAddress) {
    Binding ipv4 = new Binding(binding.containerPort(), anyAddress, binding.hostPort());
    return anyAddress.equals("0.0.0.0")
        ? Stream.of(ipv4, new Binding(binding.containerPort(), "::", binding.hostPort()))
        : Stream.of(ipv4);
  }

  private static List<PublishRequest> requests(
      EngineContainer container,
      Stream<Binding> bindings,
      Function<String, Optional<EngineNetwork>> networks) {
    List<IpAddress> targets =
        gateway(container, networks).map(Attachment::addresses).orElse(List.of());
    List<PortSpec> specs =
        ranges(
            bindings
                .flatMap(binding -> wanted(binding).stream())
                .filter(one -> target(one.hostAddress().family(), targets).isPresent())
                .distinct()
                .sorted(Wanted.IN_ORDER)
                .toList());
    List<PublishRequest> requests = new ArrayList<>(1);
    for (Family family : Family.values()) {
      List<PortSpec> own =
          specs.stream()
              .filter(spec -> spec.hostAddress().orElseThrow().family() == family)
              .toList();
      if (!own.isEmpty()) {
        requests.add(
            new PublishRequest(
                own,
                List.of(target(family, targets).orElseThrow()),
                Optional.of(container.mappingName()),
                Owner.DOCKER,
                MappingOptions.NONE));
      }
    }
    return requests;
  }

  private static Optional<IpAddress> target(Family family, List<IpAddress> targets) {
    return targets.stream().filter(one -> one.family() == family).findFirst();
  }

  /** Empty for a port that is exposed and not published. */
  private static Optional<Wanted> wanted(Binding binding) {
    if (binding.hostPort().isEmpty()) {
      return Optional.empty();
    }
    ExposeSpec port = ExposeSpec.parse(binding.containerPort());
    IpAddress host =
        EngineNetwork.address(binding.hostAddress()).orElse(IpAddress.any(Family.IPV4));
    return Optional.of(
        new Wanted(port.protocol(), host, Port.parse(binding.hostPort()), port.ports().first()));
  }

  /** The engine tells of ranges port by port. */
  private static List<PortSpec> ranges(List<Wanted> sorted) {
    List<PortSpec> specs = new ArrayList<>();
    int from = 0;
    for (int i = 1; i <= sorted.size(); i++) {
      if (i == sorted.size() || !sorted.get(i).isBehind(sorted.get(from), i - from)) {
        Wanted first = sorted.get(from);
        int more = i - from - 1;
        specs.add(
            new PortSpec(
                Optional.of(first.hostAddress()),
                new PortSpec.Exactly(PortRange.of(first.hostPort(), first.hostPort() + more)),
                PortRange.of(first.containerPort(), first.containerPort() + more),
                first.protocol()));
        from = i;
      }
    }
    return specs;
  }
}
