package dev.sluice.api.docker;

import dev.sluice.api.docker.EngineContainer.Attachment;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.publish.PublishException;
import dev.sluice.publish.Publisher;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine's containers and their published ports. Of one thread.
 *
 * <p>Between the moment the engine holds a port and the moment the container runs, half a second
 * later, the engine does not tell of the container; and until a port is published who connects to
 * it reaches a socket of the engine that never answers. So what a container was created with is
 * kept in mind, and ports whose number was asked for are published as soon as its address is known.
 */
final class Containers {
  private static final Logger LOG = LoggerFactory.getLogger(Containers.class);

  /** For how long the engine may be busy with one container while the others wait. */
  private static final int BUSY_MILLIS = 1_000;

  /** Problems that are kept for people; beyond, they are only logged. */
  private static final int MAX_PROBLEMS = 64;

  private final EngineClient client;
  private final EngineNetworks networks;
  private final Publisher publisher;
  private final Consumer<String> unknown;
  // Those that run, and those that were created or have died since we look.
  private final Map<String, EngineContainer> known = new HashMap<>();
  // One sentence for each whose ports are not published, by id.
  private final Map<String, String> problems = new TreeMap<>();
  // Those that were logged: not again while they stay.
  private final Map<String, String> logged = new HashMap<>();
  private boolean behind;

  /**
   * @param unknown told the ids of containers that do not run and were not {@link #created} for us
   */
  Containers(
      EngineClient client, EngineNetworks networks, Publisher publisher, Consumer<String> unknown) {
    this.client = client;
    this.networks = networks;
    this.publisher = publisher;
    this.unknown = unknown;
  }

  int count() {
    return (int) known.values().stream().filter(EngineContainer::running).count();
  }

  List<String> problems() {
    return List.copyOf(problems.values());
  }

  /** Whether a container could not be looked at, and {@link #compare} is to make up for it. */
  boolean isBehind() {
    return behind;
  }

  // ---- events

  /** Keeps in mind what it was created with, unless it has gone further since. */
  void created(EngineContainer container) {
    if (!container.running()) {
      known.putIfAbsent(container.id(), container.on(List.of()));
    }
  }

  /**
   * Looks at a container that was started or has come to another network.
   *
   * @return whether ports of it are published that were not, or not so
   */
  boolean refresh(String id) {
    Optional<EngineContainer> found;
    try {
      found = client.container(id, BUSY_MILLIS);
    } catch (EngineException e) {
      LOG.debug("{}", e.getMessage());
      behind = true;
      return false;
    }
    if (found.isEmpty()) {
      destroyed(id);
      return false;
    }
    EngineContainer container = found.get();
    learnNetworks(container);
    EngineContainer before = known.get(id);
    if (hasNameOfAnother(container)) {
      // The other has got a new one, of which we are still to be told.
      container = container.named(before == null ? EngineNetwork.shortId(id) : before.name());
      behind = true;
    }
    known.put(id, container);
    if (before != null) {
      rename(before, container.mappingName());
    }
    if (!container.running()) {
      withdraw(container);
      return false;
    }
    container.attachments().forEach(place -> networks.keepApart(place.network()));
    return keep(container);
  }

  private void learnNetworks(EngineContainer container) {
    for (Attachment place : container.attachments()) {
      if (networks.get(place.network()).isEmpty()) {
        learnNetwork(place.network());
      }
    }
  }

  private void learnNetwork(String id) {
    try {
      client.network(id).ifPresent(networks::take);
    } catch (EngineException e) {
      networks.unreadable(id, String.valueOf(e.getMessage()));
    }
  }

  private boolean hasNameOfAnother(EngineContainer container) {
    return known.values().stream()
        .anyMatch(
            other ->
                (other.running() || !other.attachments().isEmpty())
                    && !other.id().equals(container.id())
                    && other.mappingName().equals(container.mappingName()));
  }

  /** As {@link #refresh}, of a container that perhaps does not run yet. */
  boolean connected(EngineEvent event) {
    EngineContainer container = known.get(event.containerId());
    if (container != null && container.running()) {
      return refresh(container.id());
    }
    if (container == null || !ContainerPorts.expectsSome(container)) {
      networks.keepApart(event.id()); // all else when it runs
      return false;
    }
    // Who is on it is told of a whole network only, which takes the longer the more are.
    Optional<EngineNetwork> network = client.network(event.id());
    network.ifPresent(networks::take);
    if (network.isEmpty()) {
      return false;
    }
    List<IpAddress> addresses = network.get().containers().getOrDefault(container.id(), List.of());
    EngineContainer expected =
        container.on(
            Stream.concat(
                    elsewhere(container, event.id()),
                    Stream.of(new Attachment(event.id(), network.get().name(), 0, addresses)))
                .toList());
    known.put(container.id(), expected);
    return keep(expected);
  }

  void disconnected(EngineEvent event) {
    EngineContainer container = known.get(event.containerId());
    if (container == null) {
      return;
    }
    if (container.running()) {
      refresh(container.id());
      return;
    }
    EngineContainer left = container.on(elsewhere(container, event.id()).toList());
    known.put(container.id(), left);
    keep(left);
  }

  private static Stream<Attachment> elsewhere(EngineContainer container, String network) {
    return container.attachments().stream().filter(place -> !place.network().equals(network));
  }

  void died(EngineEvent event) {
    EngineContainer container = known.get(event.id());
    // Told late, of a life before.
    if (container != null && !isBefore(event, container.startedAt())) {
      known.put(container.id(), container.stopped());
      withdraw(container);
    }
  }

  private static boolean isBefore(EngineEvent event, String startedAt) {
    try {
      Instant start = Instant.parse(startedAt);
      return event.atNanos() < start.getEpochSecond() * 1_000_000_000 + start.getNano();
    } catch (DateTimeException e) {
      return false; // it was never started
    }
  }

  void destroyed(String id) {
    EngineContainer container = known.remove(id);
    if (container != null) {
      withdraw(container);
    }
  }

  void renamed(EngineEvent event) {
    EngineContainer container = known.get(event.id());
    if (container != null) {
      EngineContainer now = container.named(event.name());
      known.put(container.id(), now);
      rename(container, now.mappingName());
    }
  }

  // ---- all

  /**
   * Makes what is published what the containers that run, and those that are being started, ask
   * for.
   *
   * @param missed whether something was not told: then nobody knows which are being started
   */
  void compare(boolean missed) {
    behind = false;
    problems.clear();
    Set<String> there = new HashSet<>();
    List<EngineContainer> all =
        client.containers(
            (id, reason) -> {
              there.add(id);
              problem(id, EngineNetwork.shortId(id), reason);
            });
    all.forEach(one -> there.add(one.id()));
    known.keySet().retainAll(there);
    List<PublishRequest> requests = new ArrayList<>();
    Map<MappingName, String> ids = new HashMap<>();
    for (EngineContainer listed : all) {
      Optional<EngineContainer> container = listed.running() ? runs(listed) : rests(listed, missed);
      if (container.isPresent()) {
        known.put(listed.id(), container.get());
        ids.put(container.get().mappingName(), listed.id());
        requests.addAll(requests(container.get()));
      }
    }
    followRenamed(requests);
    Publisher.Applied applied = publisher.applyPossible(Owner.DOCKER, requests);
    for (Publisher.LeftOut one : applied.leftOut()) {
      MappingName name = one.request().name().orElseThrow();
      problem(
          ids.getOrDefault(name, name.text()),
          name.text(),
          String.valueOf(one.reason().getMessage()));
    }
    logged.keySet().retainAll(problems.keySet());
    if (!applied.published().isEmpty() || !applied.withdrawn().isEmpty()) {
      LOG.info(
          "compared with the Docker engine: {} ports were published, {} taken back, {} as they"
              + " should be",
          applied.published().size(),
          applied.withdrawn().size(),
          applied.unchanged().size());
    }
  }

  /** Looks at a container; while the engine does not answer for it, what the list says holds. */
  private Optional<EngineContainer> runs(EngineContainer listed) {
    EngineContainer container;
    try {
      Optional<EngineContainer> found = client.container(listed.id(), BUSY_MILLIS);
      if (found.isEmpty()) {
        known.remove(listed.id());
        return found;
      }
      container = found.get().running() ? found.get() : found.get().stopped();
    } catch (EngineException e) {
      LOG.debug("the list has to do for {}: {}", listed.name(), e.getMessage());
      EngineContainer before = known.get(listed.id());
      container = listed.asking(before == null ? List.of() : before.asked());
    }
    learnNetworks(container);
    return Optional.of(container);
  }

  private Optional<EngineContainer> rests(EngineContainer listed, boolean missed) {
    EngineContainer before = known.get(listed.id());
    if (before == null) {
      unknown.accept(listed.id());
      return Optional.empty();
    }
    boolean starting = !before.running() && !missed;
    return Optional.of((starting ? before : before.stopped()).named(listed.name()));
  }

  /** Connections live on when a container has another name: its ports still lead to it. */
  private void followRenamed(List<PublishRequest> requests) {
    Map<IpAddress, MappingName> nameByAddress = new HashMap<>();
    for (PublishRequest request : requests) {
      request.to().all().stream()
          .flatMap(aim -> aim.address().stream())
          .forEach(address -> nameByAddress.put(address, request.name().orElseThrow()));
    }
    // All are looked up before the first is renamed: two containers may have changed names.
    Map<Mapping, MappingName> renamed = new LinkedHashMap<>();
    for (MappingName name : publisher.namesOf(Owner.DOCKER)) {
      for (Mapping mapping : publisher.publishedBy(Owner.DOCKER, name)) {
        mapping.backends().addresses().stream()
            .flatMap(address -> Optional.ofNullable(nameByAddress.get(address)).stream())
            .findFirst()
            .filter(now -> !now.equals(name))
            .ifPresent(now -> renamed.put(mapping, now));
      }
    }
    renamed.forEach(this::rename);
  }

  // ---- what is published

  private List<PublishRequest> requests(EngineContainer container) {
    try {
      if (!container.running()) {
        return ContainerPorts.expected(container, networks::get);
      }
      ContainerPorts.unserved(container, networks::get)
          .ifPresent(reason -> problem(container.id(), container.name(), reason));
      return ContainerPorts.bound(container, networks::get);
    } catch (IllegalArgumentException e) {
      problem(container.id(), container.name(), String.valueOf(e.getMessage()));
      return List.of();
    }
  }

  /** Whether anything had to be published. */
  private boolean keep(EngineContainer container) {
    solved(container.id());
    List<PublishRequest> requests = requests(container);
    if (requests.isEmpty()) {
      publisher.withdraw(Owner.DOCKER, container.mappingName());
      return false;
    }
    try {
      MappingName name = container.mappingName();
      Set<Mapping> before = Set.copyOf(publisher.publishedBy(Owner.DOCKER, name));
      List<Mapping> now = publisher.keep(Owner.DOCKER, name, requests);
      solved(container.id());
      return !before.containsAll(now);
    } catch (PublishException e) {
      problem(container.id(), container.name(), String.valueOf(e.getMessage()));
      return false;
    }
  }

  private void withdraw(EngineContainer container) {
    solved(container.id());
    publisher.withdraw(Owner.DOCKER, container.mappingName());
  }

  /** Only what leads to it: another may have had its name. */
  private void rename(EngineContainer container, MappingName now) {
    MappingName before = container.mappingName();
    if (before.equals(now)) {
      return;
    }
    for (Mapping mapping : publisher.publishedBy(Owner.DOCKER, before)) {
      if (mapping.backends().addresses().stream().anyMatch(container::isAt)) {
        rename(mapping, now);
      }
    }
  }

  private void rename(Mapping mapping, MappingName now) {
    publisher.update(UpdateRequest.of(mapping.id().toString()).named(now.text()));
  }

  private void problem(String id, String name, String reason) {
    String problem = "the container " + name + " is not published: " + reason;
    if (problems.size() < MAX_PROBLEMS || problems.containsKey(id)) {
      problems.put(id, problem);
    }
    if (!problem.equals(logged.put(id, problem))) {
      LOG.warn("{}", problem);
    }
  }

  private void solved(String id) {
    problems.remove(id);
    logged.remove(id);
  }
}
