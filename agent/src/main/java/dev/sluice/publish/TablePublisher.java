package dev.sluice.publish;

import dev.sluice.ffi.SystemCallException;
import dev.sluice.flow.FlowCutter;
import dev.sluice.model.HostBinding;
import dev.sluice.model.InvalidMappingException;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.Network;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.network.HostNetworks;
import dev.sluice.network.UnknownTargetException;
import dev.sluice.publish.PublishException.Kind;
import dev.sluice.ruleset.AlreadyPublishedException;
import dev.sluice.ruleset.Change;
import dev.sluice.ruleset.SluiceTable;
import java.io.UncheckedIOException;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The publisher of a running agent. The order of effects is: host ports are reserved, then one
 * transaction changes the table, then flows that the change concerns are ended, then the answer is
 * given. Whatever fails, what came before it is undone.
 *
 * <p>Nothing about mappings is kept here: reading asks the table. The one exception is the list of
 * attached networks, which only this object adds to.
 */
public final class TablePublisher implements Publisher {
  private static final Logger LOG = LoggerFactory.getLogger(TablePublisher.class);

  /** Shortest part of an id that stands for it. */
  private static final int SHORTEST_ID_PREFIX = 4;

  /** How often a port the kernel chose may turn out to be published before we give up. */
  private static final int CHOICE_ATTEMPTS = 16;

  private static final Comparator<PublishedMapping> IN_PORT_ORDER =
      Comparator.comparingInt((PublishedMapping p) -> p.mapping().hostPorts().first())
          .thenComparing(p -> p.mapping().key().addressOrAny())
          .thenComparing(p -> p.mapping().protocol());

  private final SluiceTable table;
  private final HostNetworks hostNetworks;
  private final PortReservations reservations;
  private final FlowCutter flows;
  private final MappingListener listener;
  private final Clock clock;
  // Reservation, transaction and cutting belong together: two requests for one port must not
  // interleave.
  private final Object oneRequestAtATime = new Object();
  private final List<Network> attached;
  // Targets whose bridge ports have been looked at, so that only the first mapping of one pays for
  // it.
  private final Set<IpAddress> knownTargets = new HashSet<>();

  public TablePublisher(
      SluiceTable table,
      HostNetworks hostNetworks,
      PortReservations reservations,
      FlowCutter flows,
      MappingListener listener,
      Clock clock) {
    this.table = table;
    this.hostNetworks = hostNetworks;
    this.reservations = reservations;
    this.flows = flows;
    this.listener = listener;
    this.clock = clock;
    this.attached = new ArrayList<>(table.networks());
  }

  /**
   * Takes over what the table holds after a start: sets the host up for its networks and reserves
   * the host ports again.
   *
   * @return one sentence for each port that another process has taken meanwhile; its mapping stays
   *     in force
   */
  public List<String> resume() {
    synchronized (oneRequestAtATime) {
      List<String> problems = new ArrayList<>();
      for (Network network : attached) {
        try {
          hostNetworks.prepare(network);
        } catch (UncheckedIOException e) {
          problems.add("network " + network.name() + ": " + e.getMessage());
        }
      }
      for (PublishedMapping published : table.mappings()) {
        Mapping mapping = published.mapping();
        listener.published(mapping);
        try {
          reservations.reserve(mapping.key());
        } catch (PortTakenException | SystemCallException e) {
          problems.add(
              mapping.hostText()
                  + " ("
                  + mapping.label()
                  + ") stays published, but "
                  + e.getMessage()
                  + " by another process of this host");
        }
      }
      return problems;
    }
  }

  /** Makes the network on this interface known, so that its containers reach the outside. */
  public void attach(Network network) {
    synchronized (oneRequestAtATime) {
      if (attached.stream().anyMatch(known -> known.bridge().equals(network.bridge()))) {
        return;
      }
      hostNetworks.prepare(network);
      table.apply(Change.attach(List.of(network)));
      attached.add(network);
    }
  }

  @Override
  public List<Mapping> publish(PublishRequest request) {
    synchronized (oneRequestAtATime) {
      for (int attempt = 1; ; attempt++) {
        List<HostBinding> reserved = new ArrayList<>(request.ports().size());
        try {
          return publish(request, reserved);
        } catch (AlreadyPublishedException e) {
          reserved.forEach(reservations::release);
          boolean chosenByUs = request.ports().stream().allMatch(TablePublisher::isChosen);
          if (!chosenByUs || attempt == CHOICE_ATTEMPTS) {
            throw alreadyPublished(reserved, e);
          }
        } catch (RuntimeException e) {
          reserved.forEach(reservations::release);
          throw explain(request, e);
        }
      }
    }
  }

  private List<Mapping> publish(PublishRequest request, List<HostBinding> reserved) {
    Optional<Network> missing = networkToAttach(request.target());
    Instant now = clock.instant().truncatedTo(ChronoUnit.MILLIS);
    List<Mapping> mappings = new ArrayList<>(request.ports().size());
    for (PortSpec spec : request.ports()) {
      PortRange hostPorts = reserve(spec, request.target(), reserved);
      mappings.add(
          new Mapping(
              MappingId.random(),
              request.name(),
              request.owner(),
              spec.protocol(),
              spec.hostAddress(),
              hostPorts,
              request.target(),
              spec.targetPorts(),
              now));
    }
    missing.ifPresent(hostNetworks::prepare);
    // Told first: the first packet may come the moment the table has it, and its event must find
    // the mapping.
    mappings.forEach(listener::published);
    try {
      table.apply(Change.publish(missing.stream().toList(), mappings));
    } catch (RuntimeException e) {
      mappings.forEach(listener::withdrawn);
      throw e;
    }
    missing.ifPresent(attached::add);
    allowHairpin(request.target());
    dropStale(mappings);
    return mappings;
  }

  /** The network of the target if the table does not know it yet. */
  private Optional<Network> networkToAttach(IpAddress target) {
    boolean known =
        attached.stream()
            .flatMap(network -> network.subnets().stream())
            .anyMatch(subnet -> subnet.contains(target));
    if (known && !hostNetworks.isLocal(target)) {
      return Optional.empty();
    }
    return Optional.of(hostNetworks.behind(target));
  }

  private PortRange reserve(PortSpec spec, IpAddress target, List<HostBinding> reserved) {
    Family family = target.family();
    Optional<IpAddress> address = spec.hostAddress().filter(exact -> !exact.isAny());
    spec.hostAddress().ifPresent(given -> checkFamily(given, target));
    if (spec.hostPorts() instanceof PortSpec.Exactly exactly) {
      HostBinding binding = new HostBinding(spec.protocol(), family, address, exactly.ports());
      reservations.reserve(binding);
      reserved.add(binding);
      return exactly.ports();
    }
    if (spec.hostPorts() instanceof PortSpec.Pool pool) {
      return reserveFrom(pool.ports(), spec, family, address, reserved);
    }
    if (spec.targetPorts().isSingle()) {
      PortRange chosen = PortRange.of(reservations.reserveAny(spec.protocol(), family, address));
      reserved.add(new HostBinding(spec.protocol(), family, address, chosen));
      return chosen;
    }
    return reserveConsecutive(spec, family, address, reserved);
  }

  private PortRange reserveFrom(
      PortRange pool,
      PortSpec spec,
      Family family,
      Optional<IpAddress> address,
      List<HostBinding> reserved) {
    for (int port = pool.first(); port <= pool.last(); port++) {
      HostBinding binding = new HostBinding(spec.protocol(), family, address, PortRange.of(port));
      try {
        reservations.reserve(binding);
      } catch (PortTakenException e) {
        continue; // the next port of the pool
      }
      reserved.add(binding);
      return binding.ports();
    }
    throw new PublishException(
        Kind.CONFLICT, "every host port of the pool " + pool + "/" + spec.protocol() + " is taken");
  }

  /** As many consecutive ports as the target has, starting where the kernel has one free. */
  private PortRange reserveConsecutive(
      PortSpec spec, Family family, Optional<IpAddress> address, List<HostBinding> reserved) {
    int count = spec.targetPorts().size();
    for (int attempt = 0; attempt < CHOICE_ATTEMPTS; attempt++) {
      int first = reservations.reserveAny(spec.protocol(), family, address);
      reservations.release(new HostBinding(spec.protocol(), family, address, PortRange.of(first)));
      if (first + count - 1 > 0xffff) {
        continue;
      }
      HostBinding binding =
          new HostBinding(spec.protocol(), family, address, PortRange.of(first, first + count - 1));
      try {
        reservations.reserve(binding);
      } catch (PortTakenException e) {
        continue; // another start
      }
      reserved.add(binding);
      return binding.ports();
    }
    throw new PublishException(
        Kind.CONFLICT, "no " + count + " consecutive host ports are free for " + spec);
  }

  private static boolean isChosen(PortSpec spec) {
    return spec.hostPorts() instanceof PortSpec.Any;
  }

  private static void checkFamily(IpAddress hostAddress, IpAddress target) {
    if (hostAddress.family() != target.family()) {
      throw new PublishException(
          Kind.INVALID,
          hostAddress.family().title()
              + " host address "
              + hostAddress
              + " cannot lead to the "
              + target.family().title()
              + " target "
              + target
              + ": both must be of one family");
    }
  }

  private void allowHairpin(IpAddress target) {
    if (!knownTargets.add(target)) {
      return;
    }
    try {
      attached.stream()
          .filter(network -> network.subnets().stream().anyMatch(subnet -> subnet.contains(target)))
          .forEach(hostNetworks::allowHairpin);
    } catch (RuntimeException e) {
      // The ports are published; only the container itself may not reach them by the host's
      // address.
      LOG.warn("published, but {} may not reach its own port: {}", target, e.getMessage());
    }
  }

  private void dropStale(List<Mapping> mappings) {
    try {
      flows.dropStale(mappings, hostNetworks::isLocal);
    } catch (RuntimeException e) {
      // The ports are published; only an old udp conversation may go on past them.
      LOG.warn(
          "published, but old udp flows to the same ports could not be ended: {}", e.getMessage());
    }
  }

  private PublishException alreadyPublished(
      List<HostBinding> bindings, AlreadyPublishedException cause) {
    for (PublishedMapping published : table.mappings()) {
      for (HostBinding binding : bindings) {
        if (published.mapping().key().overlaps(binding)) {
          return new PublishException(
              Kind.CONFLICT,
              binding
                  + " is already published as "
                  + published.mapping().label()
                  + " ("
                  + published.mapping().hostText()
                  + "): unpublish that first, or choose another host port",
              cause);
        }
      }
    }
    // Only a table without an owner can hold what this agent did not write.
    return new PublishException(
        Kind.CONFLICT,
        "one of the host ports has an element in the table "
            + SluiceTable.ID
            + " that is no mapping of this agent: remove it with nft, or choose another host port",
        cause);
  }

  private RuntimeException explain(PublishRequest request, RuntimeException e) {
    if (e instanceof PortTakenException taken) {
      return new PublishException(Kind.CONFLICT, takenText(taken), e);
    }
    if (e instanceof UnknownTargetException) {
      return new PublishException(Kind.NOT_FOUND, String.valueOf(e.getMessage()), e);
    }
    if (e instanceof InvalidMappingException) {
      return new PublishException(Kind.INVALID, String.valueOf(e.getMessage()), e);
    }
    if (e instanceof PublishException) {
      return e;
    }
    return new PublishException(
        Kind.UNAVAILABLE,
        "cannot publish to " + request.target() + ", nothing was changed: " + e.getMessage(),
        e);
  }

  private String takenText(PortTakenException taken) {
    String port = taken.getMessage();
    if (taken.byUs()) {
      HostBinding one =
          new HostBinding(
              taken.binding().protocol(),
              taken.binding().family(),
              taken.binding().address(),
              PortRange.of(taken.port()));
      for (PublishedMapping published : table.mappings()) {
        Mapping mapping = published.mapping();
        if (mapping.key().overlaps(one)) {
          return port
              + ": published as "
              + mapping.label()
              + " ("
              + mapping.hostText()
              + "); unpublish that first, or choose another host port";
        }
      }
      return port + " by this very request, which asks for it twice";
    }
    return port + " by a process of this host: stop it, or choose another host port";
  }

  @Override
  public List<Mapping> unpublish(String nameOrId) {
    synchronized (oneRequestAtATime) {
      List<PublishedMapping> all = published();
      List<Mapping> mappings = find(all, nameOrId).stream().map(PublishedMapping::mapping).toList();
      try {
        table.apply(Change.withdraw(mappings));
      } catch (RuntimeException e) {
        throw new PublishException(
            Kind.UNAVAILABLE,
            "cannot unpublish " + nameOrId + ", nothing was changed: " + e.getMessage(),
            e);
      }
      mappings.forEach(listener::withdrawn);
      try {
        flows.cut(mappings);
      } catch (RuntimeException e) {
        LOG.warn(
            "unpublished {}, but its connections could not be ended: {}", nameOrId, e.getMessage());
      }
      mappings.forEach(mapping -> reservations.release(mapping.key()));
      forgetTargets(all, mappings);
      return mappings;
    }
  }

  @Override
  public List<PublishedMapping> published() {
    return table.mappings().stream().sorted(IN_PORT_ORDER).toList();
  }

  /** A target without mappings may come back with another bridge port. */
  private void forgetTargets(List<PublishedMapping> before, List<Mapping> withdrawn) {
    Set<IpAddress> gone = new HashSet<>();
    Set<MappingId> ids = new HashSet<>();
    for (Mapping mapping : withdrawn) {
      gone.add(mapping.targetAddress());
      ids.add(mapping.id());
    }
    for (PublishedMapping published : before) {
      if (!ids.contains(published.mapping().id())) {
        gone.remove(published.mapping().targetAddress());
      }
    }
    knownTargets.removeAll(gone);
  }

  @Override
  public List<PublishedMapping> find(String nameOrId) {
    return find(published(), nameOrId);
  }

  private static List<PublishedMapping> find(List<PublishedMapping> all, String nameOrId) {
    List<PublishedMapping> byName =
        all.stream()
            .filter(p -> p.mapping().name().filter(n -> n.text().equals(nameOrId)).isPresent())
            .toList();
    if (!byName.isEmpty()) {
      return byName;
    }
    List<PublishedMapping> byId =
        nameOrId.length() < SHORTEST_ID_PREFIX
            ? List.of()
            : all.stream().filter(p -> p.mapping().id().toString().startsWith(nameOrId)).toList();
    if (byId.size() > 1) {
      throw new PublishException(
          Kind.CONFLICT,
          nameOrId + " stands for " + byId.size() + " mappings: give more of the id");
    }
    if (byId.isEmpty()) {
      throw new PublishException(
          Kind.NOT_FOUND, "nothing published is called " + nameOrId + ": sluice ps lists what is");
    }
    return byId;
  }
}
