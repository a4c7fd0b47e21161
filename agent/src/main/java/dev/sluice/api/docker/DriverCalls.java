package dev.sluice.api.docker;

import dev.sluice.model.Destination;
import dev.sluice.model.EndpointId;
import dev.sluice.model.InvalidNetworkException;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxName;
import dev.sluice.model.Subnet;
import dev.sluice.model.Wire;
import dev.sluice.model.WireRequest;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Prefix;
import dev.sluice.network.NetworkException;
import dev.sluice.network.NetworkService;
import dev.sluice.publish.PublishException;
import dev.sluice.publish.Publisher;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JsonGenerator;

/**
 * What Docker asks of a network driver, said in our words: a network is a network, an endpoint a
 * sandbox with one place on it, whose wire Docker takes into its namespace between Join and Leave.
 *
 * <p>Docker repeats a call whose answer it did not get, for half a minute, and after it was killed
 * knows nothing of those it had begun: every call can be made again, also about what is gone.
 * Nothing is kept here; the table and the links say all there is to know.
 */
final class DriverCalls {
  private static final Logger LOG = LoggerFactory.getLogger(DriverCalls.class);

  /** What Docker puts in front of the number of an interface in a container. */
  private static final String INTERFACE_PREFIX = "eth";

  /** Docker moves the ports of a running container within a call, without an event before it. */
  private static final String TAKEN_OVER =
      "; it is a port that Docker itself has published: a container whose ports are taken over"
          + " cannot move them to a network of sluice while it runs, so disconnect it from Docker's"
          + " network first, or run it anew with --network";

  /** What an answer is made of. */
  interface Answer extends Consumer<JsonGenerator> {}

  /** The answer that says nothing but that it is done. */
  static final Answer DONE = json -> {};

  private final NetworkService networks;
  private final Publisher publisher;
  private final DriverStore store;

  DriverCalls(NetworkService networks, Publisher publisher, DriverStore store) {
    this.networks = networks;
    this.publisher = publisher;
    this.store = store;
  }

  // ---- networks

  /** Makes the networks that were there before the host was restarted. */
  void restore() {
    store
        .all()
        .forEach(
            (id, request) -> {
              try {
                makeIfAbsent(DriverNetworkRequest.read(request));
              } catch (RuntimeException e) {
                LOG.warn("the network {} of Docker is not made again: {}", id, e.getMessage());
              }
            });
  }

  Answer createNetwork(JsonObject request, byte[] body) {
    String id = request.requiredText("NetworkID");
    NetworkRequest wanted = DriverNetworkRequest.read(request);
    removeForgotten(id, wanted);
    // Kept first: who is killed in between leaves nothing that no file tells of.
    store.keep(id, body);
    try {
      makeIfAbsent(wanted);
    } catch (RuntimeException e) {
      store.forget(id);
      throw e;
    }
    return DONE;
  }

  /**
   * Removes networks of which Docker knows nothing any more: it gave up creating them, or has lost
   * its own state. That it gives their subnets to another tells so, for it gives none twice.
   */
  private void removeForgotten(String id, NetworkRequest wanted) {
    for (Network network : networks.topology().networks()) {
      if (isOurs(network)
          && !network.name().equals(wanted.name())
          && overlap(network.subnets(), wanted)
          && networks.topology().on(network.name()).isEmpty()) {
        LOG.warn(
            "Docker gives the subnet of the network {} to another: removing what it has forgotten",
            network.name());
        networks.remove(network.name());
      }
    }
    store
        .all()
        .forEach(
            (otherId, kept) -> {
              if (!otherId.equals(id) && isForgotten(otherId, kept, wanted)) {
                store.forget(otherId);
              }
            });
  }

  private boolean isForgotten(String id, JsonObject kept, NetworkRequest wanted) {
    try {
      NetworkRequest other = DriverNetworkRequest.read(kept);
      boolean isThere =
          !other.name().equals(wanted.name())
              && networks.topology().network(other.name()).isPresent();
      return !isThere && overlap(prefixes(other), wanted);
    } catch (InvalidNetworkException | MalformedValueException e) {
      LOG.warn("what is kept of the network {} of Docker is no request: {}", id, e.getMessage());
      return false;
    }
  }

  private static boolean overlap(Collection<Prefix> subnets, NetworkRequest wanted) {
    return subnets.stream()
        .anyMatch(one -> prefixes(wanted).stream().anyMatch(other -> other.overlaps(one)));
  }

  private static Set<Prefix> prefixes(NetworkRequest request) {
    return request.subnets().stream().map(Subnet::prefix).collect(Collectors.toSet());
  }

  private void makeIfAbsent(NetworkRequest request) {
    Optional<Network> there = networks.topology().network(request.name());
    if (there.isEmpty() || !isFor(there.get(), request)) {
      networks.create(request);
    }
  }

  private static boolean isFor(Network network, NetworkRequest request) {
    return isOurs(network) && Set.copyOf(network.subnets()).equals(prefixes(request));
  }

  private static boolean isOurs(Network network) {
    return network
        .settings()
        .made()
        .map(NetworkSettings.Made::by)
        .equals(Optional.of(Owner.DOCKER_DRIVER));
  }

  Answer deleteNetwork(JsonObject request) {
    String id = request.requiredText("NetworkID");
    String name = nameOf(id);
    for (Sandbox sandbox : networks.topology().on(name)) {
      if (sandbox.owner() == Owner.DOCKER_DRIVER) {
        // Docker deletes only networks on which it has nobody: this one it has forgotten.
        removeIfPresent(sandbox.name());
      }
    }
    if (networks.topology().network(name).isPresent()) {
      networks.remove(name);
    }
    store.forget(id);
    return DONE;
  }

  private String nameOf(String networkId) {
    return nameOf(networkId, store.find(networkId).orElse(JsonObject.EMPTY));
  }

  private static String nameOf(String networkId, JsonObject request) {
    return request.names().isEmpty()
        ? DriverNetworkRequest.nameOf(networkId)
        : DriverNetworkRequest.read(request).name();
  }

  private Network network(JsonObject request) {
    String id = request.requiredText("NetworkID");
    Optional<JsonObject> kept = store.find(id);
    kept.map(DriverNetworkRequest::read).ifPresent(this::makeIfAbsent);
    String name = nameOf(id);
    return networks
        .topology()
        .network(name)
        .orElseThrow(
            () ->
                new NetworkException(
                    NetworkException.Kind.NOT_FOUND,
                    "there is no network "
                        + name
                        + ": remove it with docker network rm, and create it anew"));
  }

  // ---- endpoints

  Answer createEndpoint(JsonObject request) {
    Network network = network(request);
    JsonObject asked = request.object("Interface");
    List<IpAddress> addresses = new ArrayList<>(2);
    asked.text("Address").map(DriverNetworkRequest::address).ifPresent(addresses::add);
    asked.text("AddressIPv6").map(DriverNetworkRequest::address).ifPresent(addresses::add);
    Optional<MacAddress> mac = asked.text("MacAddress").map(MacAddress::parse);
    // Read now, so that what is wrong with them is said before anything is made.
    DriverPorts.read(ports(request));
    Wire wire =
        networks.wire(
            new WireRequest(
                sandboxName(request),
                endpointId(request),
                network.name(),
                addresses,
                mac,
                Owner.DOCKER_DRIVER));
    // An address that Docker chose may not be repeated to it.
    return json -> {
      json.writeObjectPropertyStart("Interface");
      if (mac.isEmpty()) {
        json.writeStringProperty("MacAddress", wire.mac().toString());
      }
      json.writeEndObject();
    };
  }

  Answer deleteEndpoint(JsonObject request) {
    removeIfPresent(sandboxName(request));
    return DONE;
  }

  private void removeIfPresent(SandboxName name) {
    try {
      networks.remove(name);
    } catch (NetworkException e) {
      if (e.kind() != NetworkException.Kind.NOT_FOUND) {
        throw e;
      }
      LOG.debug("{} was gone before Docker gave it back", name);
    }
  }

  Answer join(JsonObject request) {
    Sandbox sandbox = sandbox(request);
    Network network = network(request);
    return json -> {
      json.writeObjectPropertyStart("InterfaceName");
      json.writeStringProperty("SrcName", endpointId(request).looseEnd().text());
      json.writeStringProperty("DstPrefix", INTERFACE_PREFIX);
      json.writeEndObject();
      if (network.settings().internal()) {
        // Otherwise Docker connects the container to a bridge of its own that leads outside.
        json.writeBooleanProperty("DisableGatewayService", true);
        return;
      }
      gateway(network, sandbox, Family.IPV4)
          .ifPresent(address -> json.writeStringProperty("Gateway", address.toString()));
      gateway(network, sandbox, Family.IPV6)
          .ifPresent(address -> json.writeStringProperty("GatewayIPv6", address.toString()));
    };
  }

  private static Optional<IpAddress> gateway(Network network, Sandbox sandbox, Family family) {
    return sandbox
        .on(network.name())
        .flatMap(place -> place.address(family))
        .flatMap(address -> network.settings().gateway(family));
  }

  // ---- published ports

  Answer programExternalConnectivity(JsonObject request) {
    SandboxName name = sandbox(request).name();
    List<PortSpec> ports = DriverPorts.read(ports(request));
    try {
      publisher.keep(
          Owner.DOCKER_DRIVER,
          mappingName(name),
          ports.isEmpty()
              ? List.of()
              : List.of(
                  new PublishRequest(
                      ports,
                      Destination.of(name),
                      Optional.of(mappingName(name)),
                      Owner.DOCKER_DRIVER,
                      MappingOptions.NONE)));
    } catch (PublishException e) {
      throw e.kind() == PublishException.Kind.CONFLICT && isTakenOver(ports)
          ? new PublishException(e.kind(), e.getMessage() + TAKEN_OVER, e)
          : e;
    }
    return DONE;
  }

  /** Whether one of the ports is published because Docker published it on a network of its own. */
  private boolean isTakenOver(List<PortSpec> ports) {
    return publisher.published().stream()
        .map(PublishedMapping::mapping)
        .filter(mapping -> mapping.owner() == Owner.DOCKER)
        .anyMatch(
            mapping ->
                ports.stream()
                    .anyMatch(
                        spec ->
                            spec.protocol() == mapping.protocol()
                                && spec.hostPorts() instanceof PortSpec.Exactly exactly
                                && exactly.ports().overlaps(mapping.hostPorts())));
  }

  /** Also at Leave: of a container whose ports could not be published nothing else is told. */
  Answer revokeExternalConnectivity(JsonObject request) {
    publisher.withdraw(Owner.DOCKER_DRIVER, mappingName(sandboxName(request)));
    return DONE;
  }

  Answer endpointOperInfo(JsonObject request) {
    List<Mapping> mappings =
        publisher.publishedBy(Owner.DOCKER_DRIVER, mappingName(sandboxName(request)));
    return json -> {
      json.writeObjectPropertyStart("Value");
      DriverPorts.write(json, mappings);
      json.writeEndObject();
    };
  }

  private static List<JsonObject> ports(JsonObject request) {
    return request.object("Options").objects(DriverPorts.MEMBER);
  }

  // ---- names

  private Sandbox sandbox(JsonObject request) {
    SandboxName name = sandboxName(request);
    return networks
        .topology()
        .sandbox(name)
        .orElseThrow(
            () ->
                new NetworkException(
                    NetworkException.Kind.NOT_FOUND,
                    "the endpoint " + name + " has gone: start the container again"));
  }

  private static EndpointId endpointId(JsonObject request) {
    return EndpointId.of(request.requiredText("EndpointID"));
  }

  private static SandboxName sandboxName(JsonObject request) {
    return new SandboxName("docker-" + endpointId(request));
  }

  private static MappingName mappingName(SandboxName sandbox) {
    return new MappingName(sandbox.text());
  }
}
