package dev.sluice.network;

import dev.sluice.model.Endpoint;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.NamesAt;
import dev.sluice.model.Network;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.network.names.NameSource;
import dev.sluice.network.names.PublishedAs;
import dev.sluice.network.names.Responder;
import dev.sluice.network.names.ResponderStatistics;
import dev.sluice.network.names.ServicePorts;
import dev.sluice.network.names.View;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The names of the sandboxes, answered at the gateways of their networks: each asker sees those it
 * shares a network with, by name, alias and link, and as what its own ports are published.
 *
 * <p>Thread-safe.
 */
public final class NetworkNames implements NameSource, AutoCloseable {
  private final Topology topology;
  private final TargetPorts published;
  private final Function<Family, Optional<IpAddress>> outwardAddress;
  private final Responder responder;
  private final Map<IpAddress, NamesAt> answering = new HashMap<>();

  /**
   * Answers nothing yet. Other names are asked for from the namespace of the calling thread.
   *
   * @param outwardAddress the host's address that a port is reached at which is published on all
   * @param resolvers whom other names are asked of
   */
  public NetworkNames(
      Topology topology,
      TargetPorts published,
      Function<Family, Optional<IpAddress>> outwardAddress,
      Supplier<List<InetSocketAddress>> resolvers) {
    this.topology = topology;
    this.published = published;
    this.outwardAddress = outwardAddress;
    try {
      this.responder = new Responder(this, resolvers);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot answer names: " + e.getMessage(), e);
    }
  }

  /**
   * Answers at a network's gateways.
   *
   * @param before where they were answered by an agent before this one: the same ports are taken
   *     where they are free, so that askers who know no better are answered still
   * @throws UncheckedIOException if a gateway is no address of the host
   */
  synchronized Set<NamesAt> begin(Network network, Set<NamesAt> before) {
    Set<NamesAt> places = new LinkedHashSet<>();
    for (IpAddress gateway : network.settings().gateways()) {
      OptionalInt preferred =
          before.stream()
              .filter(one -> one.gateway().equals(gateway))
              .mapToInt(NamesAt::port)
              .findFirst();
      try {
        NamesAt place = new NamesAt(gateway, responder.listen(inet(gateway), preferred));
        answering.put(gateway, place);
        places.add(place);
      } catch (IOException e) {
        throw new UncheckedIOException(
            "cannot answer the names of the network "
                + network.name()
                + " at "
                + gateway
                + ": "
                + e.getMessage(),
            e);
      }
    }
    return places;
  }

  /** Where the names of a network are answered. */
  synchronized Set<NamesAt> of(Network network) {
    Set<NamesAt> places = new HashSet<>();
    for (IpAddress gateway : network.settings().gateways()) {
      NamesAt place = answering.get(gateway);
      if (place != null) {
        places.add(place);
      }
    }
    return places;
  }

  synchronized void end(Network network) {
    for (NamesAt place : of(network)) {
      responder.stop(inet(place.gateway()));
      answering.remove(place.gateway());
    }
  }

  /** Whether ports lead to the address. */
  boolean isPublished(IpAddress address) {
    return !published.to(address).isEmpty();
  }

  public ResponderStatistics statistics() {
    return responder.statistics();
  }

  private static InetAddress inet(IpAddress address) {
    try {
      return InetAddress.getByAddress(address.toBytes());
    } catch (UnknownHostException e) {
      throw new IllegalStateException("an address is 4 or 16 bytes", e);
    }
  }

  // ---- answering

  @Override
  public Optional<View> viewOf(IpAddress source, IpAddress gateway) {
    // Who claims an address of another network is not who has it.
    Optional<Network> network =
        topology.containing(source).filter(one -> one.settings().gateways().contains(gateway));
    if (network.isEmpty()) {
      return Optional.empty();
    }
    Optional<Sandbox> sandbox = topology.sandboxAt(source);
    if (sandbox.isPresent()) {
      List<String> networks = sandbox.get().endpoints().stream().map(Endpoint::network).toList();
      return Optional.of(new Seen(networks, sandbox));
    }
    // The host itself asks with the gateway's address.
    return network
        .filter(one -> one.settings().gateways().contains(source))
        .map(one -> new Seen(List.of(one.name()), Optional.empty()));
  }

  /** What is seen from some networks. */
  private final class Seen implements View {
    private final List<String> networks;
    private final Optional<Sandbox> self;

    Seen(List<String> networks, Optional<Sandbox> self) {
      this.networks = networks;
      this.self = self;
    }

    @Override
    public List<IpAddress> addressesOf(String name) {
      Set<IpAddress> addresses = new LinkedHashSet<>();
      for (Sandbox sandbox : linked(name)) {
        networks.forEach(network -> add(sandbox.on(network), addresses));
      }
      for (Sandbox sandbox : topology.named(name)) {
        for (String network : networks) {
          add(sandbox.on(network).filter(place -> isCalled(sandbox, place, name)), addresses);
        }
      }
      // NAME.NETWORK
      for (String network : networks) {
        String suffix = "." + network.toLowerCase(Locale.ROOT);
        if (name.endsWith(suffix)) {
          String first = name.substring(0, name.length() - suffix.length());
          for (Sandbox sandbox : topology.named(first)) {
            add(sandbox.on(network).filter(place -> isCalled(sandbox, place, first)), addresses);
          }
        }
      }
      return List.copyOf(addresses);
    }

    private List<Sandbox> linked(String name) {
      List<Sandbox> linked = new ArrayList<>(1);
      for (SandboxLink link : self.map(Sandbox::links).orElse(List.of())) {
        if (link.alias().lowerCase().equals(name)) {
          topology.sandbox(link.to()).ifPresent(linked::add);
        }
      }
      return linked;
    }

    @Override
    public Optional<String> nameOf(IpAddress address) {
      return topology
          .sandboxAt(address)
          .flatMap(
              sandbox ->
                  sandbox.endpoints().stream()
                      .filter(place -> place.addresses().contains(address))
                      .filter(place -> networks.contains(place.network()))
                      .findFirst()
                      .map(place -> sandbox.name() + "." + place.network()))
          .filter(NetworkNames::isDomainName);
    }

    @Override
    public List<ServicePorts> portsOf(String name) {
      Set<ServicePorts> ports = new LinkedHashSet<>();
      for (IpAddress address : addressesOf(name)) {
        topology
            .sandboxAt(address)
            .map(Sandbox::exposed)
            .orElse(List.of())
            .forEach((ExposeSpec one) -> ports.add(new ServicePorts(one.ports(), one.protocol())));
        published
            .to(address)
            .forEach(one -> ports.add(new ServicePorts(one.targetPorts(), one.protocol())));
      }
      return List.copyOf(ports);
    }

    @Override
    public List<PublishedAs> self() {
      List<PublishedAs> ports = new ArrayList<>();
      // Asking for the way takes longer than all else, and is the same for all ports.
      Map<Family, Optional<IpAddress>> outward = new EnumMap<>(Family.class);
      for (Endpoint place : self.map(Sandbox::endpoints).orElse(List.of())) {
        for (IpAddress address : place.addresses()) {
          published.to(address).forEach(mapping -> ports.add(publishedAs(mapping, outward)));
        }
      }
      return ports;
    }

    @Override
    public boolean forwards() {
      return networks.stream()
          .flatMap(name -> topology.network(name).stream())
          .anyMatch(network -> !network.settings().internal());
    }
  }

  private PublishedAs publishedAs(Mapping mapping, Map<Family, Optional<IpAddress>> outward) {
    IpAddress host =
        mapping
            .hostAddress()
            .or(() -> outward.computeIfAbsent(mapping.family(), outwardAddress))
            .orElseGet(() -> IpAddress.any(mapping.family()));
    return new PublishedAs(
        mapping.targetPorts(),
        mapping.protocol(),
        host,
        mapping.hostPorts(),
        mapping.name().map(MappingName::text));
  }

  /** Names of ours may have dots anywhere, and those of networks a letter too many. */
  private static boolean isDomainName(String name) {
    return Arrays.stream(name.split("\\.", -1))
        .allMatch(label -> !label.isEmpty() && label.length() <= SandboxName.MAX_LENGTH);
  }

  private static void add(Optional<Endpoint> place, Set<IpAddress> addresses) {
    place.ifPresent(one -> addresses.addAll(one.addresses()));
  }

  private static boolean isCalled(Sandbox sandbox, Endpoint place, String name) {
    return sandbox.name().lowerCase().equals(name)
        || place.aliases().stream().map(SandboxName::lowerCase).anyMatch(name::equals);
  }

  @Override
  public void close() {
    responder.close();
  }
}
