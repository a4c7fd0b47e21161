package dev.sluice.network;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.model.Egress;
import dev.sluice.model.Endpoint;
import dev.sluice.model.EndpointId;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Joined;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.NamespacePath;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.Subnet;
import dev.sluice.model.Targets;
import dev.sluice.model.Wire;
import dev.sluice.model.WireRequest;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.network.NetworkException.Kind;
import dev.sluice.route.Rtnetlink;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Networks of this host and the sandboxes on them. A request takes effect wholly or not at all;
 * what it made in the kernel counts once the table has it, in one transaction with the ports that
 * were asked for, and is unmade if that fails.
 *
 * <p>No namespace is held beyond a request: a sandbox ends when its last process does, and the
 * kernel takes its links away. {@link Upkeep} then takes back what it had.
 *
 * <p>Thread-safe; requests about different sandboxes do not wait for each other.
 */
public final class Networks implements NetworkService, AutoCloseable {
  /** The most networks. */
  public static final int MAX_NETWORKS = 1_024;

  private static final String BRIDGE_PREFIX = "sl-";

  private final NetworkTable table;
  private final Topology topology;
  private final HostNetworks host;
  private final NetworkNames names;
  private final BridgeDriver driver;
  private final Clock clock;
  private final Namespaces namespaces;
  private final AddressPlan plan = new AddressPlan(AddressPlan.DEFAULT_SOURCES);
  private final SandboxChanges changes;
  private final Upkeep upkeep;
  private final Rtnetlink routes;

  /**
   * Serves the namespace of the calling thread.
   *
   * @param routes of that namespace; closed with this
   */
  public Networks(
      NetworkTable table,
      Topology topology,
      HostNetworks host,
      NetworkNames names,
      Rtnetlink routes,
      Clock clock) {
    this.table = table;
    this.names = names;
    this.topology = topology;
    this.host = host;
    this.routes = routes;
    this.driver = new BridgeDriver(routes);
    this.clock = clock;
    this.namespaces = new Namespaces(topology);
    this.changes = new SandboxChanges(table, topology, driver, plan);
    this.upkeep = new Upkeep(table, topology, host, names, driver, changes);
  }

  @Override
  public Topology topology() {
    return topology;
  }

  /** Takes its turn among the requests: returns when one about a sandbox could be carried out. */
  public void awaitTurn() {
    changes.awaitTurn();
  }

  // ---- networks

  @Override
  public Network create(NetworkRequest request) {
    changes.networksLock().lock();
    try {
      Network network = plan(request);
      driver.makeBridge(network);
      try {
        table.attach(network, network.answersNames() ? names.begin(network, Set.of()) : Set.of());
      } catch (RuntimeException e) {
        if (!changes.mayBeInForce(e)) {
          names.end(network);
          SandboxChanges.attempt(
              "the bridge of the network " + network.name(), () -> driver.removeBridge(network));
        }
        throw e;
      }
      return network;
    } catch (RuntimeException e) {
      throw SandboxChanges.explain("create the network " + request.name(), e);
    } finally {
      changes.networksLock().unlock();
    }
  }

  private Network plan(NetworkRequest request) {
    String name = request.name();
    if (topology.network(name).isPresent()) {
      throw new NetworkException(Kind.CONFLICT, "there is a network " + name + " already");
    }
    if (topology.networks().size() >= MAX_NETWORKS) {
      throw new NetworkException(
          Kind.UNAVAILABLE, "there are " + MAX_NETWORKS + " networks already: remove one");
    }
    if (request.egress() instanceof Egress.FixedSource fixed) {
      for (IpAddress source : fixed.addresses()) {
        if (!host.isLocal(source)) {
          throw new NetworkException(
              Kind.INVALID,
              "the source address "
                  + source
                  + " is no address of this host: give it to an"
                  + " interface first");
        }
      }
    }
    List<Subnet> subnets = subnets(request);
    List<IpAddress> gateways = new ArrayList<>();
    List<Prefix> pools = new ArrayList<>();
    for (Subnet subnet : subnets) {
      gateways.add(subnet.gateway().orElseGet(() -> AddressPlan.firstHost(subnet.prefix())));
      subnet.pool().ifPresent(pools::add);
    }
    int mtuBytes = request.mtuBytes().orElseGet(driver::usualMtuBytes);
    return new Network(
        name,
        request.bridge().orElseGet(() -> bridgeOf(name)),
        subnets.stream().map(Subnet::prefix).toList(),
        request.egress(),
        new NetworkSettings(
            request.internal(),
            request.isolated(),
            gateways,
            pools,
            OptionalInt.of(mtuBytes),
            Optional.of(
                new NetworkSettings.Made(
                    request.owner(), clock.instant().truncatedTo(ChronoUnit.MILLIS)))));
  }

  /** Those that are asked for, and those that are chosen. */
  private List<Subnet> subnets(NetworkRequest request) {
    List<Prefix> routed = driver.routedBlocks();
    List<Subnet> subnets = new ArrayList<>(request.subnets());
    for (Subnet subnet : subnets) {
      for (Network other : topology.networks()) {
        for (Prefix block : other.subnets()) {
          if (block.overlaps(subnet.prefix())) {
            throw overlap(subnet, "the subnet " + block + " of the network " + other.name());
          }
        }
      }
      for (Prefix block : routed) {
        if (block.overlaps(subnet.prefix())) {
          throw overlap(subnet, "the host's route to " + block);
        }
      }
    }
    boolean needsIpv4 = subnets.isEmpty();
    boolean needsIpv6 =
        request.ipv6() && subnets.stream().noneMatch(one -> one.prefix().family() == Family.IPV6);
    List<Prefix> taken = new ArrayList<>(routed);
    topology.networks().forEach(other -> taken.addAll(other.subnets()));
    subnets.forEach(subnet -> taken.add(subnet.prefix()));
    if (needsIpv4) {
      subnets.add(plan.choose(Family.IPV4, taken));
    }
    if (needsIpv6) {
      subnets.add(plan.choose(Family.IPV6, taken));
    }
    return subnets;
  }

  private static NetworkException overlap(Subnet subnet, String with) {
    return new NetworkException(
        Kind.CONFLICT, "the subnet " + subnet.prefix() + " overlaps " + with + ": choose another");
  }

  /** A name that fits into 15 bytes, and says which network it is where it can. */
  private static InterfaceName bridgeOf(String name) {
    String whole = BRIDGE_PREFIX + name;
    return new InterfaceName(
        whole.length() <= InterfaceName.MAX_BYTES
            ? whole
            : BRIDGE_PREFIX + EndpointId.random().text());
  }

  @Override
  public Network remove(String name) {
    changes.networksLock().lock();
    try {
      Network network = require(name);
      List<String> there = topology.on(name).stream().map(one -> one.name().text()).toList();
      if (!there.isEmpty()) {
        throw new NetworkException(
            Kind.CONFLICT,
            "the network "
                + name
                + " is in use by "
                + (there.size() > 3
                    ? there.get(0) + " and " + (there.size() - 1) + " other sandboxes"
                    : String.join(", ", there))
                + ": disconnect them first");
      }
      try {
        table.detach(network, names.of(network));
      } catch (RuntimeException e) {
        changes.mayBeInForce(e);
        throw e;
      }
      SandboxChanges.attempt("the names of the network " + name, () -> names.end(network));
      if (network.isManaged()) {
        SandboxChanges.attempt(
            "the bridge of the network " + name, () -> driver.removeBridge(network));
      }
      return network;
    } catch (RuntimeException e) {
      throw SandboxChanges.explain("remove the network " + name, e);
    } finally {
      changes.networksLock().unlock();
    }
  }

  private Network require(String name) {
    return topology
        .network(name)
        .orElseThrow(
            () ->
                new NetworkException(
                    Kind.NOT_FOUND, "there is no network " + name + "; see sluice network ls"));
  }

  // ---- sandboxes

  @Override
  public Joined create(SandboxRequest request) {
    if (request.attachments().stream()
        .anyMatch(one -> one.network().equals(SandboxRequest.DEFAULT_NETWORK))) {
      makeDefaultNetwork();
    }
    return changes.changing(
        request.name(),
        "create the sandbox " + request.name(),
        undo -> {
          SandboxName name = request.name();
          if (topology.sandbox(name).isPresent()) {
            throw new NetworkException(Kind.CONFLICT, "there is a sandbox " + name + " already");
          }
          checkAreThere(name, request.links());
          try (NetworkNamespace namespace = Namespaces.open(request.namespacePath())) {
            Sandbox sandbox =
                new Sandbox(
                    name,
                    Optional.of(
                        new NamespacePath(request.namespacePath(), namespaces.cookieOf(namespace))),
                    request.owner(),
                    clock.instant().truncatedTo(ChronoUnit.MILLIS),
                    List.of(),
                    exposed(request),
                    request.links());
            for (Attachment attachment : request.attachments()) {
              sandbox = sandbox.with(plug(namespace, sandbox, attachment, undo));
            }
            List<PublishRequest> publish =
                request.publish().isEmpty()
                    ? List.of()
                    : List.of(
                        new PublishRequest(
                            request.publish(),
                            name,
                            Optional.of(new MappingName(name.text())),
                            request.owner(),
                            request.options()));
            return new Joined(
                sandbox, changes.commit(Optional.empty(), Optional.of(sandbox), publish));
          }
        });
  }

  private void checkAreThere(SandboxName name, List<SandboxLink> links) {
    for (SandboxLink link : links) {
      if (topology.sandbox(link.to()).isEmpty()) {
        throw new NetworkException(
            Kind.NOT_FOUND, "there is no sandbox " + link.to() + " to link " + name + " to");
      }
    }
  }

  private void makeDefaultNetwork() {
    if (topology.network(SandboxRequest.DEFAULT_NETWORK).isPresent()) {
      return;
    }
    changes.networksLock().lock();
    try {
      if (topology.network(SandboxRequest.DEFAULT_NETWORK).isEmpty()) {
        create(NetworkRequest.of(SandboxRequest.DEFAULT_NETWORK, Owner.API));
      }
    } finally {
      changes.networksLock().unlock();
    }
  }

  /** What is published can be reached by who is linked, as with Docker. */
  private static List<ExposeSpec> exposed(SandboxRequest request) {
    Set<ExposeSpec> exposed = new LinkedHashSet<>(request.exposed());
    for (PortSpec spec : request.publish()) {
      exposed.add(new ExposeSpec(spec.targetPorts(), spec.protocol()));
    }
    return List.copyOf(exposed);
  }

  @Override
  public Sandbox connect(
      SandboxName name, Attachment attachment, Optional<String> namespacePath, Owner owner) {
    Optional<Sandbox> known = topology.sandbox(name);
    if (known.isEmpty()) {
      String path =
          namespacePath.orElseThrow(
              () ->
                  new NetworkException(
                      Kind.NOT_FOUND,
                      "there is no sandbox "
                          + name
                          + " yet: say where its network namespace is, with --netns or --pid"));
      return create(
              new SandboxRequest(
                  name,
                  path,
                  List.of(attachment),
                  List.of(),
                  List.of(),
                  List.of(),
                  MappingOptions.NONE,
                  owner))
          .sandbox();
    }
    if (attachment.network().equals(SandboxRequest.DEFAULT_NETWORK)) {
      makeDefaultNetwork();
    }
    return changes.changing(
        name,
        "connect the sandbox " + name + " to the network " + attachment.network(),
        undo -> {
          Sandbox before = requireSandbox(name);
          if (before.on(attachment.network()).isPresent()) {
            throw new NetworkException(
                Kind.CONFLICT,
                "the sandbox " + name + " is on the network " + attachment.network() + " already");
          }
          NamespacePath place =
              before
                  .namespace()
                  .orElseThrow(
                      () ->
                          new NetworkException(
                              Kind.INVALID,
                              "only Docker knows where the sandbox "
                                  + name
                                  + " is: connect it with docker network connect"));
          String path = namespacePath.orElse(place.path());
          try (NetworkNamespace namespace = Namespaces.open(path)) {
            if (namespace.cookie() != place.cookie()) {
              throw new NetworkException(
                  Kind.CONFLICT,
                  quote(path)
                      + " is another network namespace than that of the sandbox "
                      + name
                      + ", which has gone or moved: disconnect it everywhere first");
            }
            Sandbox moved = before.at(new NamespacePath(path, place.cookie()));
            Sandbox after = moved.with(plug(namespace, moved, attachment, undo));
            changes.commit(Optional.of(before), Optional.of(after), List.of());
            return after;
          }
        });
  }

  @Override
  public Wire wire(WireRequest request) {
    return changes.changing(
        request.sandbox(),
        "make a wire for the sandbox " + request.sandbox(),
        undo -> {
          Network network = require(request.network());
          Optional<Sandbox> before = topology.sandbox(request.sandbox());
          if (before.isPresent()) {
            if (!isFor(before.get(), request)) {
              throw new NetworkException(
                  Kind.CONFLICT,
                  "there is a sandbox " + request.sandbox() + " already, which is another one");
            }
            if (driver.isPlugged(request.id())) {
              return wireOf(before.get(), request.id()); // asked again: no answer arrived
            }
            changes.leave(before.get(), before.get().endpoints(), false, false);
          }
          List<IpAddress> addresses = promise(network, request.addresses());
          undo.push(() -> plan.settle(addresses));
          Endpoint endpoint =
              driver.lay(request.sandbox(), request.id(), network, addresses, request.mac());
          undo.push(() -> driver.unplug(request.id()));
          Sandbox sandbox =
              new Sandbox(
                  request.sandbox(),
                  Optional.empty(),
                  request.owner(),
                  clock.instant().truncatedTo(ChronoUnit.MILLIS),
                  List.of(endpoint),
                  List.of(),
                  List.of());
          changes.commit(Optional.empty(), Optional.of(sandbox), List.of());
          return wireOf(sandbox, request.id());
        });
  }

  private Wire wireOf(Sandbox sandbox, EndpointId id) {
    return driver
        .looseEnd(id)
        .map(link -> new Wire(sandbox, id.looseEnd(), link.mac().orElseThrow()))
        .orElseThrow(
            () ->
                new NetworkException(
                    Kind.CONFLICT, "the wire of the sandbox " + sandbox.name() + " is in use"));
  }

  private static boolean isFor(Sandbox sandbox, WireRequest request) {
    return sandbox.namespace().isEmpty()
        && sandbox.owner() == request.owner()
        && sandbox
            .on(request.network())
            .filter(place -> place.id().equals(request.id()))
            .filter(place -> Set.copyOf(place.addresses()).equals(Set.copyOf(request.addresses())))
            .isPresent();
  }

  @Override
  public Sandbox disconnect(SandboxName name, String network) {
    return changes.changing(
        name,
        "disconnect the sandbox " + name + " from the network " + network,
        undo -> {
          Sandbox before = requireSandbox(name);
          require(network);
          Endpoint endpoint =
              before
                  .on(network)
                  .orElseThrow(
                      () ->
                          new NetworkException(
                              Kind.NOT_FOUND,
                              "the sandbox " + name + " is not on the network " + network));
          return changes.leave(before, List.of(endpoint), true, true);
        });
  }

  @Override
  public Sandbox remove(SandboxName name) {
    return changes.changing(
        name,
        "remove the sandbox " + name,
        undo -> {
          Sandbox before = requireSandbox(name);
          changes.leave(before, before.endpoints(), false, true);
          return before;
        });
  }

  @Override
  public Sandbox relink(SandboxName name, List<ExposeSpec> exposed, List<SandboxLink> links) {
    return changes.changing(
        name,
        "change the links of the sandbox " + name,
        undo -> {
          Sandbox before = requireSandbox(name);
          checkAreThere(name, links);
          Sandbox after = before.linked(exposed, links);
          changes.commit(Optional.of(before), Optional.of(after), List.of());
          return after;
        });
  }

  @Override
  public Optional<Sandbox> at(String namespacePath) {
    try (NetworkNamespace namespace = Namespaces.open(namespacePath)) {
      return namespaces.sandboxAt(namespace, namespace.cookie());
    } catch (RuntimeException e) {
      throw SandboxChanges.explain("look at the network namespace " + quote(namespacePath), e);
    }
  }

  private Sandbox requireSandbox(SandboxName name) {
    return topology
        .sandbox(name)
        .orElseThrow(
            () ->
                new NetworkException(
                    Kind.NOT_FOUND,
                    "there is no sandbox " + name + "; see sluice network inspect"));
  }

  // ---- the steps of a request

  private Endpoint plug(
      NetworkNamespace namespace, Sandbox sandbox, Attachment attachment, Deque<Runnable> undo) {
    Network network = require(attachment.network());
    if (!network.isManaged() && network.settings().gateways().isEmpty()) {
      throw new NetworkException(
          Kind.INVALID,
          "the network "
              + network.name()
              + " is a bridge of somebody else, who gives its addresses: make one with sluice"
              + " network create");
    }
    List<IpAddress> addresses = addresses(network, attachment);
    undo.push(() -> plan.settle(addresses));
    Set<Family> ways = EnumSet.noneOf(Family.class);
    if (!network.settings().internal()) {
      addresses.stream()
          .map(IpAddress::family)
          .filter(family -> changes.defaultWay(sandbox, family).isEmpty())
          .forEach(ways::add);
    }
    EndpointId id = EndpointId.random();
    Endpoint endpoint =
        driver.plug(
            namespace,
            new BridgeDriver.Plug(
                sandbox.name(),
                id,
                network,
                attachment.interfaceName(),
                addresses,
                attachment.aliases(),
                ways));
    undo.push(() -> driver.unplug(id));
    return endpoint;
  }

  /** One address of each family the network has. */
  private List<IpAddress> addresses(Network network, Attachment attachment) {
    List<IpAddress> addresses = new ArrayList<>(2);
    try {
      addresses.addAll(promise(network, attachment.addresses()));
      for (Prefix subnet : network.subnets()) {
        if (Targets.of(addresses, subnet.family()).isEmpty()) {
          addresses.add(plan.promise(network, subnet, this::isTaken));
        }
      }
      return addresses;
    } catch (RuntimeException e) {
      plan.settle(addresses);
      throw e;
    }
  }

  /** Just these addresses. */
  private List<IpAddress> promise(Network network, List<IpAddress> wanted) {
    List<IpAddress> addresses = new ArrayList<>(2);
    try {
      for (IpAddress one : wanted) {
        String owner =
            topology
                .sandboxAt(one)
                .map(other -> "the sandbox " + other.name())
                .orElse("a sandbox that is just coming");
        addresses.add(
            plan.promise(network, one, any -> topology.sandboxAt(any).isPresent(), owner));
      }
      return addresses;
    } catch (RuntimeException e) {
      plan.settle(addresses);
      throw e;
    }
  }

  /** An address that ports still lead to is given to nobody who has not asked for just that. */
  private boolean isTaken(IpAddress address) {
    return topology.sandboxAt(address).isPresent() || names.isPublished(address);
  }

  // ---- following the kernel

  /** What keeps all this as it is to be. */
  Upkeep upkeep() {
    return upkeep;
  }

  @Override
  public void close() {
    driver.close();
    routes.close();
  }
}
