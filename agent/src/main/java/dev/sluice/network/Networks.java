package dev.sluice.network;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.ffi.Errno;
import dev.sluice.ffi.SystemCallException;
import dev.sluice.model.Egress;
import dev.sluice.model.Endpoint;
import dev.sluice.model.EndpointId;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Joined;
import dev.sluice.model.LinkedPort;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.NamesAt;
import dev.sluice.model.NamespacePath;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxChange;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.Subnet;
import dev.sluice.model.Targets;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.netlink.NotANetworkNamespaceException;
import dev.sluice.netlink.OutcomeUnknownException;
import dev.sluice.network.NetworkException.Kind;
import dev.sluice.route.Link;
import dev.sluice.route.Rtnetlink;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Networks of this host and the sandboxes on them. A request takes effect wholly or not at all;
 * what it made in the kernel counts once the table has it, in one transaction with the ports that
 * were asked for, and is unmade if that fails.
 *
 * <p>No namespace is held beyond a request: a sandbox ends when its last process does, and the
 * kernel takes its links away. {@link #resume} and {@link #ended} then take back what it had.
 *
 * <p>Thread-safe; requests about different sandboxes do not wait for each other.
 */
public final class Networks implements NetworkService, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Networks.class);

  /** The most networks. */
  public static final int MAX_NETWORKS = 1_024;

  private static final String BRIDGE_PREFIX = "sl-";
  private static final int LOCKS = 64;

  private final NetworkTable table;
  private final Topology topology;
  private final HostNetworks host;
  private final NetworkNames names;
  private final BridgeDriver driver;
  private final Clock clock;
  private final long ownCookie;
  private final AddressPlan plan = new AddressPlan(AddressPlan.DEFAULT_SOURCES);
  // Written by who adds or removes a network, read by who is about to plug something into one.
  private final ReentrantReadWriteLock networksLock = new ReentrantReadWriteLock();
  private final ReentrantLock[] sandboxLocks = new ReentrantLock[LOCKS];
  private final Rtnetlink routes;
  // What links open depends on both their ends, so one change is worked out at a time.
  private final Object oneCommitAtATime = new Object();
  private volatile boolean uncertain;

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
    for (int i = 0; i < LOCKS; i++) {
      sandboxLocks[i] = new ReentrantLock();
    }
    try (NetworkNamespace own = NetworkNamespace.current()) {
      ownCookie = own.cookie();
    }
  }

  @Override
  public Topology topology() {
    return topology;
  }

  // ---- networks

  @Override
  public Network create(NetworkRequest request) {
    networksLock.writeLock().lock();
    try {
      Network network = plan(request);
      driver.makeBridge(network);
      try {
        table.attach(network, names.begin(network, Set.of()));
      } catch (RuntimeException e) {
        if (!mayBeInForce(e)) {
          names.end(network);
          attempt(
              "the bridge of the network " + network.name(), () -> driver.removeBridge(network));
        }
        throw e;
      }
      return network;
    } catch (RuntimeException e) {
      throw explain("create the network " + request.name(), e);
    } finally {
      networksLock.writeLock().unlock();
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
    networksLock.writeLock().lock();
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
        mayBeInForce(e);
        throw e;
      }
      attempt("the names of the network " + name, () -> names.end(network));
      if (network.isManaged()) {
        attempt("the bridge of the network " + name, () -> driver.removeBridge(network));
      }
      return network;
    } catch (RuntimeException e) {
      throw explain("remove the network " + name, e);
    } finally {
      networksLock.writeLock().unlock();
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
    return changing(
        request.name(),
        "create the sandbox " + request.name(),
        undo -> {
          SandboxName name = request.name();
          if (topology.sandbox(name).isPresent()) {
            throw new NetworkException(Kind.CONFLICT, "there is a sandbox " + name + " already");
          }
          checkAreThere(name, request.links());
          try (NetworkNamespace namespace = open(request.namespacePath())) {
            Sandbox sandbox =
                new Sandbox(
                    name,
                    new NamespacePath(request.namespacePath(), cookieOf(namespace)),
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
            return new Joined(sandbox, commit(Optional.empty(), Optional.of(sandbox), publish));
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
    networksLock.writeLock().lock();
    try {
      if (topology.network(SandboxRequest.DEFAULT_NETWORK).isEmpty()) {
        create(NetworkRequest.of(SandboxRequest.DEFAULT_NETWORK, Owner.API));
      }
    } finally {
      networksLock.writeLock().unlock();
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
    return changing(
        name,
        "connect the sandbox " + name + " to the network " + attachment.network(),
        undo -> {
          Sandbox before = requireSandbox(name);
          if (before.on(attachment.network()).isPresent()) {
            throw new NetworkException(
                Kind.CONFLICT,
                "the sandbox " + name + " is on the network " + attachment.network() + " already");
          }
          String path = namespacePath.orElse(before.namespace().path());
          try (NetworkNamespace namespace = open(path)) {
            if (namespace.cookie() != before.namespace().cookie()) {
              throw new NetworkException(
                  Kind.CONFLICT,
                  quote(path)
                      + " is another network namespace than that of the sandbox "
                      + name
                      + ", which has gone or moved: disconnect it everywhere first");
            }
            Sandbox moved = before.at(new NamespacePath(path, before.namespace().cookie()));
            Sandbox after = moved.with(plug(namespace, moved, attachment, undo));
            commit(Optional.of(before), Optional.of(after), List.of());
            return after;
          }
        });
  }

  @Override
  public Sandbox disconnect(SandboxName name, String network) {
    return changing(
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
          return leave(before, List.of(endpoint), true, true);
        });
  }

  @Override
  public Sandbox remove(SandboxName name) {
    return changing(
        name,
        "remove the sandbox " + name,
        undo -> {
          Sandbox before = requireSandbox(name);
          leave(before, before.endpoints(), false, true);
          return before;
        });
  }

  @Override
  public Sandbox relink(SandboxName name, List<ExposeSpec> exposed, List<SandboxLink> links) {
    return changing(
        name,
        "change the links of the sandbox " + name,
        undo -> {
          Sandbox before = requireSandbox(name);
          checkAreThere(name, links);
          Sandbox after = before.linked(exposed, links);
          commit(Optional.of(before), Optional.of(after), List.of());
          return after;
        });
  }

  @Override
  public Optional<Sandbox> at(String namespacePath) {
    try (NetworkNamespace namespace = open(namespacePath)) {
      return sandboxAt(namespace, namespace.cookie());
    } catch (RuntimeException e) {
      throw explain("look at the network namespace " + quote(namespacePath), e);
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

  /**
   * The table first: no port may lead to a link that has gone.
   *
   * @param stays whether the sandbox stays known without endpoints
   * @param plugged whether there are links to delete
   */
  private Sandbox leave(Sandbox before, List<Endpoint> endpoints, boolean stays, boolean plugged) {
    Sandbox after = before;
    for (Endpoint endpoint : endpoints) {
      after = after.without(endpoint.network());
    }
    commit(Optional.of(before), stays ? Optional.of(after) : Optional.empty(), List.of());
    for (Endpoint endpoint : plugged ? endpoints : List.<Endpoint>of()) {
      attempt(
          "the link of the sandbox " + before.name() + " on the network " + endpoint.network(),
          () -> driver.unplug(endpoint.id()));
    }
    if (stays) {
      Sandbox rest = after;
      attempt(
          "the default route of the sandbox " + before.name(), () -> moveDefaultWay(before, rest));
    }
    return after;
  }

  /** Gives a sandbox that has left its default way another, where it has one. */
  private void moveDefaultWay(Sandbox before, Sandbox after) {
    for (Family family : Family.values()) {
      Optional<Endpoint> old = defaultWay(before, family);
      Optional<Endpoint> now = defaultWay(after, family);
      if (now.isEmpty() || now.equals(old)) {
        continue;
      }
      Optional<IpAddress> gateway =
          topology.network(now.get().network()).flatMap(one -> one.settings().gateway(family));
      Optional<NetworkNamespace> namespace = reopen(after.namespace());
      if (gateway.isPresent() && namespace.isPresent()) {
        try (NetworkNamespace there = namespace.get()) {
          driver.addDefault(there, now.get(), gateway.get());
        }
      }
    }
  }

  /** The first of its endpoints that leads outside. */
  private Optional<Endpoint> defaultWay(Sandbox sandbox, Family family) {
    return sandbox.endpoints().stream()
        .filter(one -> one.address(family).isPresent())
        .filter(
            one ->
                topology
                    .network(one.network())
                    .filter(network -> !network.settings().internal())
                    .isPresent())
        .findFirst();
  }

  // ---- the steps of a request

  private interface Step<T> {
    T run(Deque<Runnable> undo);
  }

  /** Carries out a request about one sandbox; what it made is unmade if it fails. */
  private <T> T changing(SandboxName name, String what, Step<T> step) {
    ReentrantLock one = sandboxLocks[Math.floorMod(name.hashCode(), LOCKS)];
    one.lock();
    networksLock.readLock().lock();
    Deque<Runnable> undo = new ArrayDeque<>();
    try {
      return step.run(undo);
    } catch (RuntimeException e) {
      if (!mayBeInForce(e)) {
        undo.forEach(back -> attempt("a part of the request to " + what, back));
      }
      throw explain(what, e);
    } finally {
      networksLock.readLock().unlock();
      one.unlock();
    }
  }

  /**
   * Takes one of several steps, of which each is to be taken even if another fails.
   *
   * @return whether it could be taken
   */
  private static boolean attempt(String what, Runnable step) {
    try {
      step.run();
      return true;
    } catch (RuntimeException e) {
      LOG.warn("{} could not be put right: {}", what, e.getMessage());
      return false;
    }
  }

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
          .filter(family -> defaultWay(sandbox, family).isEmpty())
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
      for (IpAddress wanted : attachment.addresses()) {
        String owner =
            topology
                .sandboxAt(wanted)
                .map(one -> "the sandbox " + one.name())
                .orElse("a sandbox that is just coming");
        addresses.add(
            plan.promise(network, wanted, one -> topology.sandboxAt(one).isPresent(), owner));
      }
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

  /** An address that ports still lead to is given to nobody who has not asked for just that. */
  private boolean isTaken(IpAddress address) {
    return topology.sandboxAt(address).isPresent() || names.isPublished(address);
  }

  private List<Mapping> commit(
      Optional<Sandbox> before, Optional<Sandbox> after, List<PublishRequest> publish) {
    List<Mapping> published;
    synchronized (oneCommitAtATime) {
      Set<LinkedPort> closed = linkedPorts(before);
      Set<LinkedPort> opened = linkedPorts(after);
      Set<LinkedPort> both = new HashSet<>(closed);
      both.retainAll(opened);
      closed.removeAll(both);
      opened.removeAll(both);
      List<IpAddress> targets = after.map(topology::targets).orElse(List.of());
      if (targets.isEmpty() && !publish.isEmpty()) {
        throw new NetworkException(
            Kind.INVALID,
            "the sandbox "
                + publish.get(0).to()
                + " is on internal networks only, from which no answer finds its way out: publish"
                + " its ports on another network");
      }
      published = table.change(new SandboxChange(before, after, targets, closed, opened), publish);
    }
    after.ifPresent(now -> now.endpoints().forEach(endpoint -> plan.settle(endpoint.addresses())));
    return published;
  }

  /** What is open by links from and to a sandbox, if this is what it is like. */
  private Set<LinkedPort> linkedPorts(Optional<Sandbox> state) {
    Set<LinkedPort> ports = new HashSet<>();
    if (state.isEmpty()) {
      return ports;
    }
    Sandbox sandbox = state.get();
    boolean isolated =
        sandbox.endpoints().stream()
            .flatMap(endpoint -> topology.network(endpoint.network()).stream())
            .anyMatch(network -> network.settings().isolated());
    if (!isolated) {
      return ports; // there it is all open
    }
    for (SandboxLink link : sandbox.links()) {
      topology.sandbox(link.to()).ifPresent(to -> open(sandbox, to, ports));
    }
    boolean exposes = !sandbox.exposed().isEmpty();
    if (exposes) {
      for (Sandbox other : topology.sandboxes()) {
        if (!other.name().equals(sandbox.name())
            && other.links().stream().anyMatch(link -> link.to().equals(sandbox.name()))) {
          open(other, sandbox, ports);
        }
      }
    }
    return ports;
  }

  private void open(Sandbox from, Sandbox to, Set<LinkedPort> ports) {
    for (Endpoint source : from.endpoints()) {
      boolean isolated =
          topology
              .network(source.network())
              .filter(network -> network.settings().isolated())
              .isPresent();
      Optional<Endpoint> destination = to.on(source.network());
      if (!isolated || destination.isEmpty()) {
        continue;
      }
      for (IpAddress address : destination.get().addresses()) {
        source
            .address(address.family())
            .ifPresent(
                own ->
                    to.exposed()
                        .forEach(
                            spec -> {
                              for (int port = spec.ports().first();
                                  port <= spec.ports().last();
                                  port++) {
                                ports.add(new LinkedPort(own, address, spec.protocol(), port));
                              }
                            }));
      }
    }
  }

  // ---- namespaces

  private static NetworkNamespace open(String path) {
    try {
      return NetworkNamespace.open(Path.of(path));
    } catch (NotANetworkNamespaceException e) {
      throw new NetworkException(Kind.INVALID, String.valueOf(e.getMessage()), e);
    } catch (SystemCallException e) {
      if (e.errno() == Errno.ENOENT || e.errno() == Errno.ENOTDIR) {
        throw new NetworkException(
            Kind.NOT_FOUND, "there is no network namespace at " + quote(path), e);
      }
      throw e;
    }
  }

  private long cookieOf(NetworkNamespace namespace) {
    long cookie = namespace.cookie();
    Optional<Sandbox> other = sandboxAt(namespace, cookie);
    if (other.isPresent()) {
      throw new NetworkException(
          Kind.CONFLICT,
          "the network namespace "
              + quote(namespace.toString())
              + " is the sandbox "
              + other.get().name()
              + " already: connect that to more networks instead");
    }
    return cookie;
  }

  private Optional<Sandbox> sandboxAt(NetworkNamespace namespace, long cookie) {
    if (cookie == ownCookie) {
      throw new NetworkException(
          Kind.INVALID,
          quote(namespace.toString())
              + " is the host's own network namespace, which cannot be a sandbox");
    }
    return topology.sandboxes().stream()
        .filter(one -> one.namespace().cookie() == cookie)
        .findFirst();
  }

  /** The namespace, if it is still there and the same. */
  private static Optional<NetworkNamespace> reopen(NamespacePath place) {
    NetworkNamespace namespace;
    try {
      namespace = NetworkNamespace.open(Path.of(place.path()));
    } catch (NotANetworkNamespaceException e) {
      return Optional.empty();
    } catch (SystemCallException e) {
      if (e.errno() == Errno.ENOENT || e.errno() == Errno.ENOTDIR) {
        return Optional.empty();
      }
      throw e; // which does not say that it is gone
    }
    if (namespace.cookie() == place.cookie()) {
      return Optional.of(namespace);
    }
    namespace.close();
    return Optional.empty();
  }

  // ---- following the kernel

  /**
   * Compares what is kept with what the kernel has, after a start or when something was missed:
   * what is half made is removed, what has vanished is taken back, what was pulled out is plugged
   * in.
   */
  public void resume() {
    reloadIfUncertain();
    Set<EndpointId> there = new HashSet<>();
    Set<String> bridges = new HashSet<>();
    boolean done;
    // Nobody is half way through a request while this is held, so what nobody knows is left over.
    networksLock.writeLock().lock();
    try {
      done = settle(driver.links(), bridges, there);
    } finally {
      networksLock.writeLock().unlock();
    }
    for (Network network : topology.networks()) {
      if (network.isManaged() && !bridges.contains(network.name())) {
        done &= attempt("the network " + network.name(), () -> makeAgain(network));
      }
    }
    for (Sandbox sandbox : topology.sandboxes()) {
      for (Endpoint endpoint : sandbox.endpoints()) {
        if (!there.contains(endpoint.id())) {
          done &=
              attempt(
                  "the end of the sandbox " + sandbox.name(),
                  () -> takeBack(endpoint.id(), driver::isPlugged));
        }
      }
    }
    done &= attempt("the answers to names", this::answerNames);
    sweep();
    if (!done) {
      throw new NetworkException(
          Kind.UNAVAILABLE, "not everything could be compared with the kernel");
    }
  }

  /** Whether all could be done. */
  private boolean settle(List<Link> links, Set<String> bridges, Set<EndpointId> there) {
    boolean done = true;
    for (Link link : links) {
      Optional<String> network = BridgeDriver.networkOf(link);
      Optional<EndpointId> endpoint = BridgeDriver.endpointOf(link);
      if (network.isPresent()) {
        done &= settleBridge(link, network.get(), bridges);
      } else if (endpoint.isPresent()) {
        done &= settleEndpoint(link, endpoint.get(), there);
      } else if (BridgeDriver.isNameless(link)) {
        LOG.info("removing the interface {}, which was left half made", link.name());
        done &= attempt("the interface " + link.name(), () -> driver.delete(link.index()));
      }
    }
    return done;
  }

  /** Where nobody knows what became of a change, the table is read: what it says is so. */
  private void reloadIfUncertain() {
    if (uncertain) {
      networksLock.writeLock().lock();
      try {
        table.reload();
        uncertain = false;
      } finally {
        networksLock.writeLock().unlock();
      }
    }
  }

  /** Answers the names of all networks, and leads the questions there. */
  private void answerNames() {
    Set<NamesAt> before = table.names();
    Set<NamesAt> now = new HashSet<>();
    for (Network network : topology.networks()) {
      if (network.isManaged()) {
        attempt("the names of the network " + network.name(), () -> names.begin(network, before));
        now.addAll(names.of(network));
      }
    }
    Set<NamesAt> noLonger = new HashSet<>(before);
    noLonger.removeAll(now);
    now.removeAll(before);
    if (!noLonger.isEmpty() || !now.isEmpty()) {
      table.answerNames(noLonger, now);
    }
  }

  private boolean settleBridge(Link link, String name, Set<String> bridges) {
    Optional<Network> network = topology.network(name).filter(Network::isManaged);
    if (network.isEmpty()) {
      LOG.info("removing the bridge {}, which is left of a network {}", link.name(), name);
      return attempt("the bridge " + link.name(), () -> driver.delete(link.index()));
    }
    bridges.add(name);
    return network.get().bridge().text().equals(link.name())
        || attempt("the name of a bridge", () -> renamed(name, link.index()));
  }

  private boolean settleEndpoint(Link link, EndpointId id, Set<EndpointId> there) {
    Optional<Sandbox> sandbox = topology.sandboxOf(id);
    if (sandbox.isEmpty()) {
      LOG.info("removing the interface {}, which was left half made", link.name());
      return attempt("the interface " + link.name(), () -> driver.delete(link.index()));
    }
    there.add(id);
    return link.masterIndex().isPresent()
        || attempt("the interface " + link.name(), () -> plugAgain(link, sandbox.get(), id));
  }

  /** Somebody took an endpoint's link out of its bridge. */
  void pulledOut(Link link, EndpointId id) {
    topology.sandboxOf(id).ifPresent(sandbox -> plugAgain(link, sandbox, id));
  }

  private void plugAgain(Link link, Sandbox sandbox, EndpointId id) {
    sandbox.endpoints().stream()
        .filter(endpoint -> endpoint.id().equals(id))
        .flatMap(endpoint -> topology.network(endpoint.network()).stream())
        .forEach(
            network -> {
              LOG.warn(
                  "the interface {} of the sandbox {} was taken from the network {}: plugged in"
                      + " again",
                  link.name(),
                  sandbox.name(),
                  network.name());
              driver.plugAgain(link, network);
            });
  }

  /** The bridge of a network may have another name now. */
  void renamed(String name, int linkIndex) {
    networksLock.writeLock().lock();
    try {
      Optional<Network> network = topology.network(name).filter(Network::isManaged);
      // As it is called at this moment: it may have been renamed again since.
      Optional<Link> link =
          driver
              .link(linkIndex)
              .filter(one -> BridgeDriver.networkOf(one).equals(Optional.of(name)));
      if (network.isPresent()
          && link.isPresent()
          && !network.get().bridge().text().equals(link.get().name())) {
        LOG.warn("the bridge of the network {} is called {} now", name, link.get().name());
        InterfaceName now = new InterfaceName(link.get().name());
        table.rename(network.get(), network.get().withBridge(now));
      }
    } finally {
      networksLock.writeLock().unlock();
    }
  }

  /** Somebody deleted the bridge of a network: it is made anew, and all are plugged in again. */
  void makeAgain(Network network) {
    networksLock.writeLock().lock();
    try {
      if (!topology.network(network.name()).equals(Optional.of(network))
          || driver.link(network.bridge()).isPresent()) {
        return;
      }
      LOG.warn(
          "the bridge {} of the network {} was gone: made anew", network.bridge(), network.name());
      driver.makeBridge(network);
      host.prepare(network);
      for (Link link : driver.links()) {
        BridgeDriver.endpointOf(link)
            .flatMap(
                id ->
                    topology
                        .sandboxOf(id)
                        .flatMap(one -> one.on(network.name()))
                        .filter(e -> e.id().equals(id)))
            .ifPresent(
                endpoint ->
                    attempt("the interface " + link.name(), () -> driver.plugAgain(link, network)));
      }
    } finally {
      networksLock.writeLock().unlock();
    }
  }

  /**
   * The link of an endpoint has gone, most often with its sandbox: takes back what it had.
   *
   * @throws RuntimeException if that cannot be done now
   */
  void ended(EndpointId id) {
    takeBack(id, told -> false);
  }

  /**
   * As {@link #ended}.
   *
   * @param isPlugged whether it is there all the same: who has only looked a while ago asks again
   */
  private void takeBack(EndpointId id, Predicate<EndpointId> isPlugged) {
    Optional<SandboxName> name = topology.sandboxOf(id).map(Sandbox::name);
    if (name.isEmpty()) {
      return; // by a request, which has done so itself
    }
    changing(
        name.get(),
        "take back what the sandbox " + name.get() + " had",
        undo -> {
          Optional<Sandbox> known = topology.sandbox(name.get());
          Optional<Endpoint> endpoint =
              known.flatMap(
                  one -> one.endpoints().stream().filter(e -> e.id().equals(id)).findFirst());
          if (known.isEmpty() || endpoint.isEmpty() || isPlugged.test(id)) {
            return false; // somebody else was faster, or it came meanwhile
          }
          Sandbox after = known.get().without(endpoint.get().network());
          boolean alive = isThere(after.namespace());
          LOG.info(
              "the sandbox {} {} the network {}",
              name.get(),
              alive ? "has lost its link to" : "has ended and left",
              endpoint.get().network());
          boolean stays = alive || !after.endpoints().isEmpty();
          leave(known.get(), List.of(endpoint.get()), stays, false);
          return true;
        });
  }

  private static boolean isThere(NamespacePath place) {
    Optional<NetworkNamespace> namespace = reopen(place);
    namespace.ifPresent(NetworkNamespace::close);
    return namespace.isPresent();
  }

  /** Forgets sandboxes that are on no network and have ended: of their end nothing is told. */
  void sweep() {
    for (Sandbox sandbox : topology.sandboxes()) {
      if (sandbox.endpoints().isEmpty()) {
        attempt("the sandbox " + sandbox.name(), () -> forgetIfEnded(sandbox));
      }
    }
  }

  /** Unless another of its name has come meanwhile, or it has come to a network. */
  private void forgetIfEnded(Sandbox sandbox) {
    if (isThere(sandbox.namespace())) {
      return;
    }
    changing(
        sandbox.name(),
        "forget the sandbox " + sandbox.name(),
        undo -> {
          boolean same = topology.sandbox(sandbox.name()).equals(Optional.of(sandbox));
          return same ? leave(sandbox, List.of(), false, false) : sandbox;
        });
  }

  /** Whether nobody knows; then nothing may be undone before the table has been read. */
  private boolean mayBeInForce(RuntimeException e) {
    boolean unknown = e instanceof NetworkException refused && refused.kind() == Kind.UNCERTAIN;
    uncertain |= unknown;
    return unknown;
  }

  /** The ports of bridges, of which links tell. */
  HairpinPorts hairpinPorts() {
    return host.hairpinPorts();
  }

  /** Whether the table has to be read before it is known what there is. */
  boolean isUncertain() {
    return uncertain;
  }

  /** What went wrong, as one sentence for who asked. */
  private static RuntimeException explain(String what, RuntimeException e) {
    if (e instanceof NetlinkException
        || e instanceof SystemCallException
        || e instanceof OutcomeUnknownException
        || e instanceof UncheckedIOException) {
      return new NetworkException(
          Kind.UNAVAILABLE, "cannot " + what + ", nothing was changed: " + e.getMessage(), e);
    }
    return e;
  }

  @Override
  public void close() {
    driver.close();
    routes.close();
  }
}
