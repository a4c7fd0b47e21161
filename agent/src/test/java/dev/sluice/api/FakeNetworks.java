package dev.sluice.api;

import dev.sluice.model.Endpoint;
import dev.sluice.model.EndpointId;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Joined;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.NamespacePath;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.Subnet;
import dev.sluice.model.Wire;
import dev.sluice.model.WireRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MacAddress;
import dev.sluice.net.Prefix;
import dev.sluice.network.NetworkException;
import dev.sluice.network.NetworkException.Kind;
import dev.sluice.network.NetworkService;
import dev.sluice.network.Topology;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/** Networks in memory: the first subnet is 10.9.0.0/24, and everybody has 10.9.0.2. */
public final class FakeNetworks implements NetworkService {
  private final FakeAgent agent;
  private final Topology topology = new Topology(List.of(), List.of());
  private @Nullable NetworkRequest lastNetwork;
  private @Nullable SandboxRequest lastSandbox;

  FakeNetworks(FakeAgent agent) {
    this.agent = agent;
  }

  /** What was asked for last with {@link #create(NetworkRequest)}. */
  public synchronized @Nullable NetworkRequest lastNetwork() {
    return lastNetwork;
  }

  /** What was asked for last with {@link #create(SandboxRequest)}. */
  public synchronized @Nullable SandboxRequest lastSandbox() {
    return lastSandbox;
  }

  @Override
  public Topology topology() {
    return topology;
  }

  @Override
  public synchronized Network create(NetworkRequest request) {
    lastNetwork = request;
    if (topology.network(request.name()).isPresent()) {
      throw new NetworkException(
          Kind.CONFLICT, "there is a network " + request.name() + " already");
    }
    List<Subnet> subnets =
        request.subnets().isEmpty()
            ? List.of(Subnet.of(Prefix.parse("10.9.0.0/24")))
            : request.subnets();
    Network made =
        new Network(
            request.name(),
            request.bridge().orElseGet(() -> bridgeOf(request.name())),
            subnets.stream().map(Subnet::prefix).toList(),
            request.egress(),
            new NetworkSettings(
                request.internal(),
                request.isolated(),
                subnets.stream().map(one -> one.gateway().orElseGet(() -> first(one))).toList(),
                subnets.stream().flatMap(one -> one.pool().stream()).toList(),
                OptionalInt.of(request.mtuBytes().orElse(1_500)),
                Optional.of(new NetworkSettings.Made(request.owner(), FakeAgent.CREATED))));
    topology.put(made);
    return made;
  }

  private static IpAddress first(Subnet subnet) {
    return IpAddress.parse(subnet.prefix().address().toString().replaceFirst("0?$", "1"));
  }

  @Override
  public synchronized Network remove(String name) {
    Network found = require(name);
    if (!topology.on(name).isEmpty()) {
      throw new NetworkException(Kind.CONFLICT, "the network " + name + " is in use");
    }
    topology.remove(found);
    return found;
  }

  private static InterfaceName bridgeOf(String network) {
    String name = "sl-" + network;
    return new InterfaceName(name.substring(0, Math.min(InterfaceName.MAX_BYTES, name.length())));
  }

  private Network require(String name) {
    return topology
        .network(name)
        .orElseThrow(() -> new NetworkException(Kind.NOT_FOUND, "there is no network " + name));
  }

  @Override
  public synchronized Joined create(SandboxRequest request) {
    lastSandbox = request;
    Sandbox sandbox =
        new Sandbox(
            request.name(),
            Optional.of(new NamespacePath(request.namespacePath(), 4_711)),
            request.owner(),
            FakeAgent.CREATED,
            List.of(),
            request.exposed(),
            request.links());
    for (Attachment attachment : request.attachments()) {
      sandbox = sandbox.with(endpoint(attachment, sandbox.endpoints().size()));
    }
    topology.put(sandbox);
    List<Mapping> published =
        request.publish().isEmpty()
            ? List.of()
            : agent.publish(
                new PublishRequest(
                    request.publish(),
                    request.name(),
                    Optional.of(new MappingName(request.name().text())),
                    request.owner(),
                    request.options()));
    return new Joined(sandbox, published);
  }

  private Endpoint endpoint(Attachment attachment, int index) {
    require(attachment.network());
    return new Endpoint(
        new EndpointId("00000000000" + index),
        attachment.network(),
        attachment.interfaceName().orElse(new InterfaceName("eth" + index)),
        attachment.addresses().isEmpty()
            ? List.of(IpAddress.parse("10.9.0.2"))
            : attachment.addresses(),
        attachment.aliases());
  }

  @Override
  public synchronized Wire wire(WireRequest request) {
    require(request.network());
    InterfaceName looseEnd = request.id().looseEnd();
    Sandbox sandbox =
        new Sandbox(
            request.sandbox(),
            Optional.empty(),
            request.owner(),
            FakeAgent.CREATED,
            List.of(
                new Endpoint(
                    request.id(), request.network(), looseEnd, request.addresses(), List.of())),
            List.of(),
            List.of());
    topology.put(sandbox);
    return new Wire(sandbox, looseEnd, request.mac().orElse(MacAddress.parse("02:73:00:00:00:01")));
  }

  @Override
  public synchronized Sandbox connect(
      SandboxName name, Attachment attachment, Optional<String> namespacePath, Owner owner) {
    Optional<Sandbox> known = topology.sandbox(name);
    if (known.isEmpty()) {
      return create(
              new SandboxRequest(
                  name,
                  namespacePath.orElseThrow(
                      () -> new NetworkException(Kind.NOT_FOUND, "there is no sandbox " + name)),
                  List.of(attachment),
                  List.of(),
                  List.of(),
                  List.of(),
                  MappingOptions.NONE,
                  owner))
          .sandbox();
    }
    Sandbox now = known.get().with(endpoint(attachment, known.get().endpoints().size()));
    topology.put(now);
    return now;
  }

  @Override
  public synchronized Sandbox disconnect(SandboxName name, String network) {
    Sandbox now = requireSandbox(name).without(network);
    topology.put(now);
    return now;
  }

  @Override
  public Sandbox relink(SandboxName name, List<ExposeSpec> exposed, List<SandboxLink> links) {
    throw new UnsupportedOperationException("only the agent itself asks for this");
  }

  @Override
  public Optional<Sandbox> at(String namespacePath) {
    return topology.sandboxes().stream()
        .filter(one -> one.namespace().map(at -> at.path()).equals(Optional.of(namespacePath)))
        .findFirst();
  }

  @Override
  public synchronized Sandbox remove(SandboxName name) {
    Sandbox found = requireSandbox(name);
    topology.remove(name);
    return found;
  }

  private Sandbox requireSandbox(SandboxName name) {
    return topology
        .sandbox(name)
        .orElseThrow(() -> new NetworkException(Kind.NOT_FOUND, "there is no sandbox " + name));
  }
}
