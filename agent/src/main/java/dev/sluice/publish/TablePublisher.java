package dev.sluice.publish;

import dev.sluice.ffi.SystemCallException;
import dev.sluice.flow.FlowCutter;
import dev.sluice.model.Backend;
import dev.sluice.model.Backends;
import dev.sluice.model.DrainTime;
import dev.sluice.model.Draining;
import dev.sluice.model.Egress;
import dev.sluice.model.HostBinding;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.NamesAt;
import dev.sluice.model.Network;
import dev.sluice.model.OpenPort;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.SandboxChange;
import dev.sluice.model.SandboxName;
import dev.sluice.model.Targets;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Prefix;
import dev.sluice.network.HostNetworks;
import dev.sluice.network.NetworkException;
import dev.sluice.network.NetworkTable;
import dev.sluice.network.Topology;
import dev.sluice.network.UnknownTargetException;
import dev.sluice.publish.PublishException.Kind;
import dev.sluice.ruleset.AlreadyPublishedException;
import dev.sluice.ruleset.Change;
import dev.sluice.ruleset.SluiceTable;
import dev.sluice.ruleset.UncertainChangeException;
import dev.sluice.sysctl.ReservedLocalPorts;
import java.io.UncheckedIOException;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The publisher of a running agent. The order of effects is: host ports are reserved, then one
 * transaction changes the table, then flows that the change concerns are ended, then the answer is
 * given. Whatever fails, what came before it is undone.
 *
 * <p>Nothing about mappings is kept here: reading asks the table. The exceptions are the ports that
 * another process holds, and an index of names.
 */
public final class TablePublisher implements Publisher, NetworkTable, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(TablePublisher.class);

  /** How often a port the kernel chose may turn out to be published before we give up. */
  private static final int CHOICE_ATTEMPTS = 16;

  /** A moment without memory must not leave a client with a container it shall not reach. */
  private static final int CUT_ATTEMPTS = 3;

  private static final Comparator<PublishedMapping> IN_PORT_ORDER =
      Comparator.comparingInt((PublishedMapping p) -> p.mapping().hostPorts().first())
          .thenComparing(p -> p.mapping().key().addressOrAny())
          .thenComparing(p -> p.mapping().protocol());

  private final SluiceTable table;
  private final HostNetworks hostNetworks;
  private final PortReservations reservations;
  private final ReservedLocalPorts localPorts;
  private final FlowCutter flows;
  private final MappingListener listener;
  private final Clock clock;
  private final Drainer drainer;
  // Reservation, transaction and cutting belong together: two requests for one port must not
  // interleave.
  private final Object oneRequestAtATime = new Object();
  private final Topology topology;
  // A request about one name goes without reading the table.
  private final PublishedIndex index = new PublishedIndex();
  private boolean indexIsCertain = true;
  // Targets whose bridge ports have been looked at, so that only the first mapping of one pays for
  // it.
  private final Set<IpAddress> knownTargets = new HashSet<>();
  private boolean loopbackByProxy;
  // Published, but another process has the port.
  private final Map<MappingId, Mapping> unheld = new LinkedHashMap<>();

  public TablePublisher(
      SluiceTable table,
      HostNetworks hostNetworks,
      Topology topology,
      PortReservations reservations,
      ReservedLocalPorts localPorts,
      FlowCutter flows,
      MappingListener listener,
      Clock clock) {
    this.table = table;
    this.hostNetworks = hostNetworks;
    this.topology = topology;
    this.reservations = reservations;
    this.localPorts = localPorts;
    this.flows = flows;
    this.listener = listener;
    this.clock = clock;
    this.drainer = new Drainer(clock, this::endDrained);
  }

  // ---- taking over

  /**
   * Takes over what the table holds after a start: sets the host up for its networks and reserves
   * the host ports again.
   *
   * @return one sentence for each network that could not be set up
   */
  public List<String> resume() {
    synchronized (oneRequestAtATime) {
      List<String> problems = new ArrayList<>();
      for (Network network : topology.networks()) {
        try {
          hostNetworks.prepare(network);
        } catch (UncheckedIOException | UnknownTargetException e) {
          problems.add("network " + network.name() + ": " + e.getMessage());
        }
      }
      List<PortRange> ports = new ArrayList<>();
      loopbackByProxy = listener.acceptLoopback(hostNetworks.translatesBridgedIpv6());
      for (PublishedMapping published : table.mappings()) {
        Mapping mapping = published.mapping();
        hold(mapping);
        listener.resumed(mapping);
        index.add(mapping);
        ports.add(mapping.hostPorts());
      }
      // Another agent may have left it otherwise.
      table.leaveLoopbackToProxy(loopbackByProxy);
      localPorts.adopt(ports);
      table.draining().forEach(drainer::schedule);
      return problems;
    }
  }

  private boolean hold(Mapping mapping) {
    if (mapping.owner().holdsItsPorts()) {
      return true;
    }
    try {
      reservations.reserve(mapping.key());
      return true;
    } catch (PortTakenException | PublishException | SystemCallException e) {
      if (unheld.put(mapping.id(), mapping) == null) {
        LOG.warn("{}", unheldText(mapping));
      }
      return false;
    }
  }

  private static String unheldText(Mapping mapping) {
    return mapping.hostText()
        + " ("
        + mapping.label()
        + ") stays published, but another process of this host has the port";
  }

  /**
   * Looks whether ports that another process has are free again, and holds them then.
   *
   * @return one sentence for each that still is not
   */
  public List<String> mend() {
    synchronized (oneRequestAtATime) {
      for (Mapping mapping : List.copyOf(unheld.values())) {
        if (hold(mapping)) {
          unheld.remove(mapping.id());
          LOG.info("{} ({}) is held again", mapping.hostText(), mapping.label());
        }
      }
      listener.lookAgain();
      followLoopback();
      return unheld.values().stream().map(TablePublisher::unheldText).toList();
    }
  }

  /**
   * Whether bridged packets are translated may change at any time, with the module br_netfilter.
   */
  private void followLoopback() {
    boolean wanted = listener.acceptLoopback(hostNetworks.translatesBridgedIpv6());
    if (wanted == loopbackByProxy) {
      return;
    }
    try {
      List<Mapping> concerned =
          table.mappings().stream()
              .map(PublishedMapping::mapping)
              .filter(one -> one.family() == Family.IPV6)
              .toList();
      if (!wanted) {
        table.leaveLoopbackToProxy(false);
      }
      concerned.forEach(listener::published);
      if (wanted) {
        table.leaveLoopbackToProxy(true);
      }
      loopbackByProxy = wanted;
    } catch (RuntimeException e) {
      LOG.warn("ports may not be reached by ::1, it is tried again: {}", e.getMessage());
    }
  }

  /** Takes its turn among the requests: returns when one could be carried out. */
  public void awaitTurn() {
    synchronized (oneRequestAtATime) {
      LOG.trace("requests have their turn");
    }
  }

  // ---- networks and sandboxes

  /** Makes the network on an existing bridge known, so that its containers reach the outside. */
  public void attach(Network network) {
    attach(network, Set.of());
  }

  @Override
  public void attach(Network network, Set<NamesAt> names) {
    synchronized (oneRequestAtATime) {
      Optional<Network> there =
          topology.onBridge(network.bridge()).or(() -> topology.network(network.name()));
      if (there.isPresent() && !network.isManaged() && sameBridge(there.get(), network)) {
        if (there.get().egress() instanceof Egress.Unmanaged) {
          // Ports led there before somebody asked for the whole.
          rename(there.get(), there.get().withEgress(network.egress()));
        }
        return;
      }
      if (there.isPresent()) {
        throw new PublishException(
            Kind.CONFLICT,
            "there is a network "
                + there.get().name()
                + " on the bridge "
                + there.get().bridge()
                + " already: remove it first, or choose another name");
      }
      Runnable undo = hostNetworks.prepare(network);
      try {
        apply(Change.attach(List.of(network)).with(new Change.Names(Set.of(), names)));
      } catch (UncertainChangeException e) {
        throw uncertain("attach the network " + network.name(), e);
      } catch (RuntimeException e) {
        undo.run();
        throw e;
      }
      topology.put(network);
      followLoopback();
    }
  }

  @Override
  public void detach(Network network, Set<NamesAt> names) {
    synchronized (oneRequestAtATime) {
      List<String> there =
          table.mappings().stream()
              .filter(one -> leadsInto(one.mapping(), network))
              .map(one -> one.mapping().label() + " (" + one.mapping().hostText() + ")")
              .toList();
      if (!there.isEmpty()) {
        throw new PublishException(
            Kind.CONFLICT,
            "the network "
                + network.name()
                + " has published ports, "
                + (there.size() > 3
                    ? there.get(0) + " and " + (there.size() - 1) + " more"
                    : String.join(", ", there))
                + ": unpublish them first");
      }
      try {
        apply(Change.detach(network).with(new Change.Names(names, Set.of())));
      } catch (UncertainChangeException e) {
        throw uncertain("detach the network " + network.name(), e);
      }
      topology.remove(network);
    }
  }

  private static boolean leadsInto(Mapping mapping, Network network) {
    return mapping.backends().addresses().stream().anyMatch(network::contains);
  }

  private void apply(Change change) {
    try {
      table.apply(change);
    } catch (UncertainChangeException e) {
      indexIsCertain = false;
      throw e;
    }
  }

  /** By the table, where nobody knew what had become of a change. */
  private PublishedIndex index() {
    if (!indexIsCertain) {
      index.clear();
      table.mappings().forEach(one -> index.add(one.mapping()));
      indexIsCertain = true;
    }
    return index;
  }

  private static NetworkException uncertain(String what, UncertainChangeException e) {
    return new NetworkException(
        NetworkException.Kind.UNCERTAIN,
        String.valueOf(Explanations.unknown(what, e).getMessage()),
        e);
  }

  private static boolean sameBridge(Network one, Network other) {
    return one.bridge().equals(other.bridge());
  }

  @Override
  public void reload() {
    synchronized (oneRequestAtATime) {
      List<Network> networks = table.networks();
      topology.replace(networks, table.sandboxes());
      indexIsCertain = false;
    }
  }

  @Override
  public Set<NamesAt> names() {
    return table.names();
  }

  @Override
  public void answerNames(Set<NamesAt> noLonger, Set<NamesAt> now) {
    apply(Change.NONE.with(new Change.Names(noLonger, now)));
  }

  @Override
  public void rename(Network before, Network now) {
    synchronized (oneRequestAtATime) {
      // What the host was set to for the interface has moved with it.
      apply(Change.rename(before, now));
      topology.remove(before);
      topology.put(now);
    }
  }

  @Override
  public List<Mapping> change(SandboxChange change, List<PublishRequest> publish) {
    String what =
        publish.isEmpty() ? "change the sandbox " + change.name() : "publish to " + change.name();
    try {
      return change(
          what,
          !publish.isEmpty()
              && publish.stream()
                  .flatMap(request -> request.ports().stream())
                  .allMatch(spec -> spec.hostPorts() instanceof PortSpec.Any),
          work -> {
            work.sandbox = change;
            if (index().hasPorts(change.name())) {
              work.follow(change);
            }
            for (PublishRequest request : publish) {
              List<Backends> targets = work.targetsOf(request);
              request.ports().forEach(spec -> work.publish(spec, request, targets));
            }
          });
    } catch (PublishException e) {
      if (e.getCause() instanceof UncertainChangeException cause) {
        throw uncertain(what, cause);
      }
      throw e;
    }
  }

  // ---- publishing

  @Override
  public List<Mapping> publish(PublishRequest request) {
    String what = "publish to " + request.to();
    boolean chosenByUs =
        request.ports().stream().allMatch(spec -> spec.hostPorts() instanceof PortSpec.Any);
    return change(
        what,
        chosenByUs,
        work -> {
          List<Backends> targets = work.targetsOf(request);
          for (PortSpec spec : request.ports()) {
            work.publish(spec, request, targets);
          }
        });
  }

  @Override
  public List<Mapping> update(UpdateRequest request) {
    return change(
        "update " + request.nameOrId(),
        false,
        work -> {
          List<PublishedMapping> selected = find(request.nameOrId());
          for (PortSpec spec : request.remove()) {
            if (selected.stream().noneMatch(one -> Selection.matches(spec, one.mapping()))) {
              throw new PublishException(
                  Kind.NOT_FOUND,
                  spec + " of " + request.nameOrId() + " is not published; see sluice ps");
            }
          }
          Redirection redirection =
              Redirection.of(
                  request,
                  topology::targets,
                  selected.stream().map(PublishedMapping::mapping).toList());
          for (PublishedMapping one : selected) {
            if (request.remove().stream().anyMatch(s -> Selection.matches(s, one.mapping()))) {
              work.withdraw(one.mapping());
            } else {
              work.replace(one, changed(one.mapping(), request, redirection));
            }
          }
          if (!request.add().isEmpty()) {
            PublishRequest more = further(request, selected, redirection);
            List<Backends> targets = work.targetsOf(more);
            more.ports().forEach(spec -> work.publish(spec, more, targets));
          }
          work.cutOldTargets = request.cut();
        });
  }

  private static Mapping changed(Mapping mapping, UpdateRequest request, Redirection redirection) {
    Backends backends = redirection.applyTo(mapping);
    return mapping
        .withName(request.name().or(mapping::name))
        .withBackends(backends)
        .withOptions(
            optionsFor(request.options().applyTo(mapping.options()), mapping.family(), backends));
  }

  /** The request that would have published the added ports along with the others. */
  private static PublishRequest further(
      UpdateRequest request, List<PublishedMapping> selected, Redirection redirection) {
    List<Mapping> changed =
        selected.stream().map(one -> changed(one.mapping(), request, redirection)).toList();
    MappingOptions options = request.options().applyTo(selected.get(0).mapping().options());
    if (request.options().allowedSources().isEmpty()) {
      // Each mapping keeps those of its family.
      options =
          options.withAllowedSources(
              selected.stream()
                  .flatMap(one -> one.mapping().options().allowedSources().stream())
                  .toList());
    }
    return new PublishRequest(
        request.add(),
        redirection.common(changed),
        changed.get(0).name(),
        changed.get(0).owner(),
        options);
  }

  @Override
  public List<Mapping> keep(Owner owner, MappingName name, List<PublishRequest> requests) {
    for (PublishRequest request : requests) {
      if (request.owner() != owner || !request.name().equals(Optional.of(name))) {
        throw new IllegalArgumentException("a request of another owner or name: " + request);
      }
    }
    Comparison comparison = new Comparison();
    List<Mapping> published =
        change(
            "publish " + name,
            false,
            work -> comparison.plan(work.uncounted(index().of(owner, name)), requests, work, null));
    List<Mapping> all = new ArrayList<>(comparison.unchanged);
    all.addAll(published);
    return all;
  }

  @Override
  public Applied apply(Owner owner, List<PublishRequest> requests) {
    return apply(owner, requests, false);
  }

  @Override
  public Applied applyPossible(Owner owner, List<PublishRequest> requests) {
    return apply(owner, requests, true);
  }

  @Override
  public Applied rehearse(Owner owner, List<PublishRequest> requests) {
    synchronized (oneRequestAtATime) {
      Work work = new Work();
      Comparison comparison = new Comparison();
      try {
        comparison.plan(publishedBy(owner), requests, work, null);
        return comparison.applied(work.results, List.of());
      } catch (RuntimeException e) {
        throw Explanations.explain(whatOf(requests), e, work::publishedBefore);
      } finally {
        work.undo.run();
      }
    }
  }

  private Applied apply(Owner owner, List<PublishRequest> requests, boolean leavingOut) {
    Comparison comparison = new Comparison();
    List<LeftOut> leftOut = new ArrayList<>();
    List<Mapping> published =
        change(
            whatOf(requests),
            false,
            work ->
                comparison.plan(publishedBy(owner), requests, work, leavingOut ? leftOut : null));
    return comparison.applied(published, leftOut);
  }

  private static String whatOf(List<PublishRequest> requests) {
    return "apply " + requests.size() + " entries";
  }

  private List<PublishedMapping> publishedBy(Owner owner) {
    return published().stream().filter(one -> one.mapping().owner() == owner).toList();
  }

  /** What an owner has, beside what it asks for. */
  private final class Comparison {
    private final List<Mapping> unchanged = new ArrayList<>();
    private final List<Mapping> withdrawn = new ArrayList<>();

    Applied applied(List<Mapping> published, List<LeftOut> leftOut) {
      return new Applied(published, withdrawn, unchanged, leftOut);
    }

    /**
     * Collects what is to be done.
     *
     * @param there what the owner has
     * @param leftOut as for {@link #attempt}
     */
    void plan(
        List<PublishedMapping> there,
        List<PublishRequest> requests,
        Work work,
        @Nullable List<LeftOut> leftOut) {
      Reconciliation plan = new Reconciliation(there);
      List<Wish> missing = new ArrayList<>();
      List<Wish> wishes = new ArrayList<>();
      for (PublishRequest request : requests) {
        attempt(
            () -> wishes.addAll(Wish.of(request, work.targetsOf(request))),
            request.oneByOne(),
            work,
            leftOut);
      }
      for (Wish wish : Wish.mostDefiniteFirst(wishes)) {
        Runnable step =
            () -> {
              List<Backends> without = keep(wish, plan, work, unchanged);
              if (!without.isEmpty()) {
                missing.add(wish.to(without));
              }
            };
        attempt(step, List.of(wish.alone()), work, leftOut);
      }
      // First what is no longer asked for: its ports may be what others ask for now.
      for (PublishedMapping one : plan.left()) {
        work.withdraw(one.mapping());
        withdrawn.add(one.mapping());
      }
      for (Wish wish : missing) {
        Runnable step = () -> work.publish(wish.spec(), wish.request(), wish.targets());
        attempt(step, List.of(wish.alone()), work, leftOut);
      }
    }
  }

  /**
   * Takes a step of a request.
   *
   * @param parts what is not published if it fails
   * @param leftOut gets the parts then; null: the request fails as a whole
   */
  private void attempt(
      Runnable step, List<PublishRequest> parts, Work work, @Nullable List<LeftOut> leftOut) {
    if (leftOut == null) {
      step.run();
      return;
    }
    Work.Mark mark = work.mark();
    try {
      step.run();
    } catch (RuntimeException e) {
      work.rollBackTo(mark);
      String what = "publish to " + parts.get(0).to();
      RuntimeException reason = Explanations.explain(what, e, work::publishedBefore);
      if (!(reason instanceof PublishException refused)) {
        throw reason;
      }
      parts.forEach(part -> leftOut.add(new LeftOut(part, refused)));
    }
  }

  /**
   * Takes what serves the wish out of the plan.
   *
   * @return the targets nothing leads to yet
   */
  private static List<Backends> keep(
      Wish wish, Reconciliation plan, Work work, List<Mapping> unchanged) {
    PublishRequest request = wish.request();
    List<Backends> missing = new ArrayList<>();
    // Wholly or not at all: first what can be refused for any of the targets.
    Map<PublishedMapping, Mapping> kept = new LinkedHashMap<>();
    for (Backends target : PortChoice.reachable(wish.spec(), wish.targets())) {
      Optional<PublishedMapping> found = plan.take(wish.spec(), target, request.name());
      if (found.isEmpty()) {
        missing.add(target);
        continue;
      }
      Mapping mapping = found.get().mapping();
      kept.put(
          found.get(),
          mapping
              .withBackends(target.isSameAs(mapping.backends()) ? mapping.backends() : target)
              .withOptions(optionsFor(request.options(), mapping.family(), target)));
    }
    kept.entrySet().stream()
        .filter(one -> !one.getValue().equals(one.getKey().mapping()))
        .forEach(one -> work.replace(work.counted(one.getKey()), one.getValue()));
    kept.forEach(
        (published, now) -> {
          if (now.equals(published.mapping())) {
            unchanged.add(now);
          }
        });
    return missing;
  }

  /** What of the options counts for connections of a family. */
  private static MappingOptions optionsFor(
      MappingOptions options, Family family, Backends targets) {
    List<Prefix> sources =
        options.allowedSources().stream().filter(block -> block.family() == family).toList();
    if (sources.isEmpty() && !options.allowedSources().isEmpty()) {
      Family other = options.allowedSources().get(0).family();
      throw new PublishException(
          Kind.INVALID,
          "the allowed sources are "
              + other.title()
              + " only, and "
              + (family == targets.family() ? "the target " + targets + " is " : "the port is of ")
              + family.title()
              + ": give sources of both families, or publish to the "
              + other.title()
              + " target alone");
    }
    return options.withAllowedSources(sources);
  }

  // ---- one request

  /** What one request does: collected first, then carried out wholly or not at all. */
  private final class Work {
    private final Undo undo = new Undo();
    private final Instant now = clock.instant().truncatedTo(ChronoUnit.MILLIS);
    private final Set<HostBinding> freed = new HashSet<>();
    private final PortChoice choice =
        new PortChoice(reservations, freed, undo, this::publishedButNotHeld);
    private final List<Network> attach = new ArrayList<>();
    private final List<Mapping> withdrawn = new ArrayList<>();
    private final List<Mapping> added = new ArrayList<>();
    private final List<PublishedMapping> before = new ArrayList<>();
    private final List<PublishedMapping> after = new ArrayList<>();
    private final List<Mapping> results = new ArrayList<>();
    // Their counters were not read with them.
    private final Set<PublishedMapping> uncounted = new HashSet<>(0);
    // Changed, and published without their ports being held.
    private final List<Mapping> notHeld = new ArrayList<>(0);
    // Asking the kernel once a target is enough, also where thousands of ports lead to it.
    private final Set<IpAddress> reachable = new HashSet<>();
    private @Nullable List<PublishedMapping> publishedBefore;
    private boolean cutOldTargets;
    private @Nullable SandboxChange sandbox;

    /** What is in the way although no socket is. */
    private Optional<Mapping> publishedButNotHeld(HostBinding key) {
      return unheld.values().stream()
          .filter(one -> one.key().overlaps(key) && !withdrawn.contains(one))
          .findFirst();
    }

    /** How far the work has come. */
    private record Mark(int undo, int attach, int added, int replaced, int results) {}

    Mark mark() {
      return new Mark(undo.size(), attach.size(), added.size(), before.size(), results.size());
    }

    /** Takes back what has come since. */
    void rollBackTo(Mark mark) {
      undo.runDownTo(mark.undo());
      cut(attach, mark.attach());
      cut(added, mark.added());
      cut(before, mark.replaced());
      cut(after, mark.replaced());
      cut(results, mark.results());
      reachable.clear();
    }

    private static void cut(List<?> list, int size) {
      list.subList(size, list.size()).clear();
    }

    /** For explanations of conflicts, of which one request may have thousands. */
    List<PublishedMapping> publishedBefore() {
      if (publishedBefore == null) {
        publishedBefore = table.mappings();
      }
      return publishedBefore;
    }

    /** What is published without its counters, which only a change needs. */
    List<PublishedMapping> uncounted(List<Mapping> mappings) {
      List<PublishedMapping> published = Change.startingAtZero(mappings);
      uncounted.addAll(published);
      return published;
    }

    PublishedMapping counted(PublishedMapping published) {
      return uncounted.contains(published)
          ? publishedBefore().stream()
              .filter(one -> one.mapping().id().equals(published.mapping().id()))
              .findFirst()
              .orElse(published)
          : published;
    }

    /** Where the ports of a request lead to. */
    List<Backends> targetsOf(PublishRequest request) {
      return request.to().resolve(this::addressesOf);
    }

    private List<IpAddress> addressesOf(SandboxName name) {
      SandboxChange change = sandbox;
      return change != null && change.name().equals(name) && !change.targets().isEmpty()
          ? change.targets()
          : topology.targets(name);
    }

    /** Moves the ports of a sandbox that leaves addresses to others it has, or takes them back. */
    void follow(SandboxChange change) {
      for (PublishedMapping one : publishedBefore()) {
        Mapping mapping = one.mapping();
        if (!mapping.backends().has(change.name())) {
          continue;
        }
        Optional<IpAddress> other = Targets.of(change.targets(), mapping.backends().family());
        List<Backend> now = new ArrayList<>();
        for (Backend backend : mapping.backends().all()) {
          boolean leaves =
              backend.sandbox().equals(Optional.of(change.name()))
                  && change.after().filter(after -> after.has(backend.address())).isEmpty();
          if (!leaves) {
            now.add(backend);
          } else {
            // It may be named by that address as well.
            other
                .filter(address -> !mapping.backends().has(address))
                .map(backend::at)
                .ifPresent(now::add);
          }
        }
        if (now.isEmpty()) {
          withdraw(mapping);
        } else {
          Backends backends = new Backends(now, mapping.backends().balance());
          if (!backends.equals(mapping.backends())) {
            follow(one, mapping.withBackends(backends));
          }
        }
      }
      // Nobody is left at the old addresses.
      cutOldTargets = true;
    }

    /** A sandbox leaves, whoever has its ports meanwhile. */
    private void follow(PublishedMapping published, Mapping changed) {
      try {
        replace(published, changed);
      } catch (PortTakenException | SystemCallException e) {
        LOG.warn("{}: {}", unheldText(changed), e.getMessage());
        notHeld.add(changed);
        put(published, changed);
      }
    }

    void publish(PortSpec spec, PublishRequest request, List<Backends> targets) {
      needSynProxyIf(request.options().synProxy());
      targets.forEach(
          each -> each.addresses().forEach(target -> needNetworkOf(target, request.owner())));
      List<Mapping> mappings =
          choice.reserve(
              spec,
              targets,
              (to, hostPorts) -> {
                Family family = PortChoice.family(spec, to);
                return new Mapping(
                    MappingId.random(),
                    request.name(),
                    request.owner(),
                    spec.protocol(),
                    family,
                    spec.hostAddress(),
                    hostPorts,
                    to,
                    spec.targetPorts(),
                    now,
                    optionsFor(request.options(), family, to));
              });
      added.addAll(mappings);
      results.addAll(mappings);
    }

    void withdraw(Mapping mapping) {
      withdrawn.add(mapping);
      if (!unheld.containsKey(mapping.id())) {
        freed.add(mapping.key());
      }
    }

    void replace(PublishedMapping published, Mapping changed) {
      Mapping old = published.mapping();
      if (changed.equals(old)) {
        results.add(changed);
        return;
      }
      needSynProxyIf(changed.options().synProxy() && !old.options().synProxy());
      changed.backends().addresses().stream()
          .filter(target -> !old.backends().has(target))
          .forEach(target -> needNetworkOf(target, changed.owner()));
      if (!changed.key().equals(old.key())) {
        // A range that gets options, or loses them, changes its precedence.
        if (!changed.owner().holdsItsPorts()) {
          reservations.reserve(changed.key());
          undo.push(() -> reservations.release(changed.key()));
        }
        if (!unheld.containsKey(old.id())) {
          freed.add(old.key());
          undo.push(() -> freed.remove(old.key()));
        }
      }
      put(published, changed);
    }

    private void put(PublishedMapping published, Mapping changed) {
      results.add(changed);
      before.add(published);
      after.add(new PublishedMapping(changed, published.counters()));
    }

    private void needSynProxyIf(boolean wanted) {
      if (wanted) {
        table.requireSynProxy();
      }
    }

    private void needNetworkOf(IpAddress target, Owner owner) {
      if (reachable.contains(target)) {
        return;
      }
      boolean known = topology.containing(target).isPresent();
      boolean coming = attach.stream().anyMatch(network -> network.contains(target));
      if (!coming && (!known || hostNetworks.isLocal(target))) {
        Network found = named(hostNetworks.behind(target));
        // A container runtime has plugins that see to the rest of a network of its own.
        attach.add(owner == Owner.CNI ? found.withEgress(new Egress.Unmanaged()) : found);
      }
      reachable.add(target);
    }

    /** An existing bridge is called as its interface, unless a network is called so already. */
    private Network named(Network found) {
      Network network = found;
      while (topology.network(network.name()).isPresent()) {
        network = network.withName(network.name() + "-bridge");
      }
      return network;
    }

    /** Up to the transaction everything can be undone; behind it nothing may fail any more. */
    void carryOut() {
      for (Network network : attach) {
        undo.push(hostNetworks.prepare(network));
      }
      List<PortRange> addedPorts = added.stream().map(Mapping::hostPorts).toList();
      localPorts.add(addedPorts);
      undo.push(() -> localPorts.remove(addedPorts));
      List<PublishedMapping> publish = new ArrayList<>(Change.startingAtZero(added));
      publish.addAll(after);
      undo.push(() -> before.forEach(one -> listener.published(one.mapping())));
      undo.push(() -> added.forEach(listener::withdrawn));
      // Told first: the first packet may come the moment the table has it, and its event must find
      // the mapping.
      publish.forEach(one -> listener.published(one.mapping()));
      List<Mapping> old = new ArrayList<>(before.stream().map(PublishedMapping::mapping).toList());
      old.addAll(withdrawn);
      Change change = Change.replace(attach, old, publish).with(routedPorts(old, publish));
      apply(sandbox == null ? change : change.with(sandbox));
      undo.forget();
      attach.forEach(topology::put);
      if (!attach.isEmpty()) {
        followLoopback();
      }
      if (sandbox != null) {
        topology.remove(sandbox.name());
        sandbox.after().ifPresent(topology::put);
      }
      settle();
    }

    private void settle() {
      before.forEach(one -> index.remove(one.mapping()));
      after.forEach(one -> index.add(one.mapping()));
      added.forEach(index::add);
      tell(withdrawn, listener::withdrawn);
      freed.forEach(reservations::release);
      forget(withdrawn);
      for (PublishedMapping one : after) {
        unheld.computeIfPresent(one.mapping().id(), (id, old) -> stillUnheld(old, one.mapping()));
      }
      notHeld.forEach(one -> unheld.put(one.id(), one));
      // A container that comes back to the same address may do so by another bridge port.
      before.forEach(one -> knownTargets.removeAll(one.mapping().backends().addresses()));
      Set<IpAddress> targets = new HashSet<>();
      added.forEach(one -> targets.addAll(one.backends().addresses()));
      after.forEach(one -> targets.addAll(one.mapping().backends().addresses()));
      targets.forEach(TablePublisher.this::allowHairpin);
      endFlows();
    }

    /** One that changed its precedence was reserved anew. */
    private static @Nullable Mapping stillUnheld(Mapping old, Mapping now) {
      return now.key().equals(old.key()) ? now : null;
    }

    private void endFlows() {
      FlowCutter.Cut cut = flows.begin().past(added).through(withdrawn);
      for (int i = 0; i < before.size(); i++) {
        Mapping old = before.get(i).mapping();
        Mapping changed = after.get(i).mapping();
        Optional<Mapping> left =
            old.backends()
                .only(one -> !changed.backends().has(one.address()))
                .map(old::withBackends);
        if (left.isPresent()) {
          List<Mapping> elsewhere = List.of(left.get());
          cut = cutOldTargets ? cut.toTarget(elsewhere) : cut.toTargetIfUdp(elsewhere);
          if (cutOldTargets) {
            listener.cut(old);
          }
        }
        if (!changed.options().equals(old.options())) {
          cut = cut.forbidden(List.of(changed));
          if (left.isPresent()) {
            cut = cut.forbidden(List.of(left.get().withOptions(changed.options())));
          }
          if (changed.isRelayed()) {
            // Who of them may still connect is not known there.
            listener.cut(changed);
          }
        }
      }
      endQuietly(cut, "the change is in force");
    }
  }

  /**
   * What becomes of the ports of routed networks, whose containers are reached directly where a
   * port of theirs is published.
   */
  private Change.Ports routedPorts(List<Mapping> out, List<PublishedMapping> in) {
    Set<OpenPort> open = new HashSet<>();
    in.forEach(one -> open.addAll(directPorts(one.mapping())));
    Set<OpenPort> close = new HashSet<>();
    out.forEach(one -> close.addAll(directPorts(one)));
    close.removeAll(open);
    if (!close.isEmpty()) {
      // Several host ports may lead to the same port.
      Set<MappingId> leaving = new HashSet<>();
      out.forEach(one -> leaving.add(one.id()));
      for (PublishedMapping one : table.mappings()) {
        if (!leaving.contains(one.mapping().id())) {
          close.removeAll(directPorts(one.mapping()));
        }
      }
    }
    return new Change.Ports(close, open);
  }

  private List<OpenPort> directPorts(Mapping mapping) {
    List<OpenPort> ports = new ArrayList<>(0);
    for (IpAddress target : mapping.backends().addresses()) {
      boolean routed =
          topology
              .containing(target)
              .filter(network -> network.egress() instanceof Egress.Routed)
              .isPresent();
      if (routed) {
        IntStream.rangeClosed(mapping.targetPorts().first(), mapping.targetPorts().last())
            .forEach(port -> ports.add(new OpenPort(target, mapping.protocol(), port)));
      }
    }
    return ports;
  }

  private List<Mapping> change(String what, boolean retry, Consumer<Work> plan) {
    synchronized (oneRequestAtATime) {
      for (int attempt = 1; ; attempt++) {
        Work work = new Work();
        try {
          plan.accept(work);
          work.carryOut();
          return work.results;
        } catch (AlreadyPublishedException e) {
          work.undo.run();
          if (!retry || attempt == CHOICE_ATTEMPTS) {
            throw Explanations.alreadyPublished(work.choice.asked(), table.mappings(), e);
          }
        } catch (RuntimeException e) {
          work.undo.run();
          throw Explanations.explain(what, e, work::publishedBefore);
        } catch (Error e) {
          // Such as no memory left for the request.
          work.undo.run();
          throw e;
        }
      }
    }
  }

  private void allowHairpin(IpAddress target) {
    if (!knownTargets.add(target)) {
      return;
    }
    try {
      topology.containing(target).ifPresent(hostNetworks::allowHairpin);
    } catch (RuntimeException e) {
      // The ports are published; only the container itself may not reach them by the host's
      // address.
      knownTargets.remove(target);
      LOG.warn("published, but {} may not reach its own port: {}", target, e.getMessage());
    }
  }

  /** What the table says is in force already; only flows from before may go on. */
  private void endQuietly(FlowCutter.Cut cut, String inForce) {
    for (int attempt = 1; attempt <= CUT_ATTEMPTS; attempt++) {
      try {
        cut.carryOut();
        return;
      } catch (RuntimeException e) {
        LOG.warn("{}, but flows from before could not be ended: {}", inForce, e.getMessage());
      }
    }
  }

  // ---- taking back

  @Override
  public List<Mapping> unpublish(String nameOrId) {
    synchronized (oneRequestAtATime) {
      return withdraw(nameOrId, named(nameOrId));
    }
  }

  @Override
  public List<Mapping> withdraw(Owner owner, MappingName name) {
    synchronized (oneRequestAtATime) {
      List<Mapping> mappings = index().of(owner, name);
      return mappings.isEmpty() ? mappings : withdraw(name.text(), mappings);
    }
  }

  private List<Mapping> withdraw(String what, List<Mapping> mappings) {
    withdraw(what, mappings, Change::withdraw, listener::withdrawn);
    endQuietly(flows.begin().through(mappings), "unpublished " + what);
    return mappings;
  }

  private List<Mapping> named(String nameOrId) {
    return find(nameOrId).stream().map(PublishedMapping::mapping).toList();
  }

  @Override
  public List<Mapping> drain(String nameOrId, DrainTime time) {
    synchronized (oneRequestAtATime) {
      // The table keeps whole milliseconds. What begins in the one that has begun goes through
      // these mappings still.
      Instant now = clock.instant().truncatedTo(ChronoUnit.MILLIS).plusMillis(1);
      List<Draining> draining = new ArrayList<>();
      List<Mapping> mappings = named(nameOrId);
      withdraw(
          nameOrId,
          mappings,
          all -> {
            time.limit()
                .ifPresent(
                    limit ->
                        all.forEach(one -> draining.addAll(drainings(one, now, now.plus(limit)))));
            return Change.withdraw(all, draining);
          },
          listener::retired);
      // A reader of the table after a restart has to do with what was known before the transaction.
      Instant gone = clock.instant();
      endQuietly(flows.begin().toTargetIfUdp(mappings), "unpublished " + nameOrId);
      draining.forEach(one -> drainer.schedule(new Draining(one.mapping(), gone, one.until())));
      return mappings;
    }
  }

  /** A note for each container. */
  private static List<Draining> drainings(Mapping mapping, Instant since, Instant until) {
    return mapping.withOptions(MappingOptions.NONE).parts().stream()
        .map(one -> new Draining(one, since, until))
        .toList();
  }

  private void withdraw(
      String what,
      List<Mapping> mappings,
      Function<List<Mapping>, Change> change,
      Consumer<Mapping> told) {
    try {
      apply(change.apply(mappings).with(routedPorts(mappings, List.of())));
    } catch (UncertainChangeException e) {
      throw Explanations.unknown("unpublish " + what, e);
    } catch (RuntimeException e) {
      throw new PublishException(
          Kind.UNAVAILABLE,
          "cannot unpublish " + what + ", nothing was changed: " + e.getMessage(),
          e);
    }
    tell(mappings, told);
    mappings.forEach(mapping -> reservations.release(mapping.key()));
    forget(mappings);
  }

  /** They are withdrawn already, whatever the listener makes of it. */
  private static void tell(List<Mapping> withdrawn, Consumer<Mapping> listener) {
    for (Mapping mapping : withdrawn) {
      try {
        listener.accept(mapping);
      } catch (RuntimeException e) {
        LOG.warn("{} is withdrawn, but {}", mapping.hostText(), e.toString());
      }
    }
  }

  /** What is known of mappings that are no more. */
  private void forget(Collection<Mapping> withdrawn) {
    if (withdrawn.isEmpty()) {
      return;
    }
    for (Mapping mapping : withdrawn) {
      index.remove(mapping);
      // A target may come back with another bridge port.
      mapping.backends().addresses().forEach(knownTargets::remove);
      unheld.remove(mapping.id());
    }
    try {
      localPorts.remove(withdrawn.stream().map(Mapping::hostPorts).toList());
    } catch (RuntimeException e) {
      LOG.warn("unpublished, but {}", e.getMessage());
    }
  }

  private void endDrained(List<Draining> ended) {
    synchronized (oneRequestAtATime) {
      FlowCutter.Cut cut = flows.begin();
      ended.forEach(one -> cut.throughSince(one.mapping(), one.since()));
      cut.carryOut(); // if it fails, the note stays, and it is tried again
      ended.forEach(one -> listener.cut(one.mapping()));
      // Where the table has no owner, somebody may have removed the note; and what is known here of
      // the time is more exact than the note.
      apply(
          Change.drained(
              table.draining().stream()
                  .filter(note -> ended.stream().anyMatch(one -> isNoteOf(one, note)))
                  .toList()));
    }
  }

  /** A mapping to several containers has a note for each. */
  private static boolean isNoteOf(Draining ended, Draining note) {
    return note.mapping().id().equals(ended.mapping().id())
        && note.mapping().targetAddress().equals(ended.mapping().targetAddress());
  }

  // ---- looking

  @Override
  public List<PublishedMapping> published() {
    try {
      return table.mappings().stream().sorted(IN_PORT_ORDER).toList();
    } catch (RuntimeException e) {
      throw new PublishException(
          Kind.UNAVAILABLE, "cannot read what is published, try again: " + e.getMessage(), e);
    }
  }

  @Override
  public List<Mapping> publishedBy(Owner owner, MappingName name) {
    synchronized (oneRequestAtATime) {
      return index().of(owner, name);
    }
  }

  @Override
  public Set<MappingName> namesOf(Owner owner) {
    synchronized (oneRequestAtATime) {
      return index().namesOf(owner);
    }
  }

  @Override
  public List<PublishedMapping> find(String nameOrId) {
    return Selection.find(published(), nameOrId);
  }

  /** Mappings that were taken back and whose connections live on for a limited time. */
  public List<Draining> draining() {
    return table.draining();
  }

  /** Ends what happens in the background; what is published stays in force. */
  @Override
  public void close() {
    drainer.close();
  }
}
