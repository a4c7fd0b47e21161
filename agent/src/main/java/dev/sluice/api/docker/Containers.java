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
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
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

  /** Problems that are kept for people; beyond, they are only logged. */
  private static final int MAX_PROBLEMS = 64;

  private final EngineClient client;
  private final EngineNetworks networks;
  private final Publisher publisher;
  // Those that run, and those that were created or have died since we look.
  private final Map<String, EngineContainer> known = new HashMap<>();
  // One sentence for each whose ports are not published, by id.
  private final Map<String, String> problems = new TreeMap<>();

  Containers(EngineClient client, EngineNetworks networks, Publisher publisher) {
    this.client = client;
    this.networks = networks;
    this.publisher = publisher;
  }

  int count() {
    return (int) known.values().stream().filter(EngineContainer::running).count();
  }

  List<String> problems() {
    return List.copyOf(problems.values());
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
   * @return whether it has ports that are published now
   */
  boolean refresh(String id) {
    Optional<EngineContainer> found = client.container(id);
    if (found.isEmpty()) {
      destroyed(id);
      return false;
    }
    EngineContainer container = found.get();
    learnNetworks(container);
    EngineContainer before = known.put(id, container);
    if (before != null) {
      rename(before.mappingName(), container.mappingName());
    }
    if (!container.running()) {
      withdraw(container);
      return false;
    }
    container.attachments().forEach(place -> networks.keepApart(place.network()));
    return keep(container, ContainerPorts.bound(container, networks::get));
  }

  private void learnNetworks(EngineContainer container) {
    for (Attachment place : container.attachments()) {
      if (networks.get(place.network()).isEmpty()) {
        client.network(place.network()).ifPresent(networks::take);
      }
    }
  }

  /** As {@link #refresh}, of a container that perhaps does not run yet. */
  boolean connected(EngineEvent event) {
    Optional<EngineNetwork> network = client.network(event.id());
    network.ifPresent(networks::take);
    EngineContainer container = known.get(event.containerId());
    if (container == null || network.isEmpty()) {
      return false;
    }
    if (container.running()) {
      return refresh(container.id());
    }
    List<IpAddress> addresses = network.get().containers().getOrDefault(container.id(), List.of());
    EngineContainer expected =
        container.on(
            Stream.concat(
                    elsewhere(container, event.id()),
                    Stream.of(new Attachment(event.id(), network.get().name(), 0, addresses)))
                .toList());
    known.put(container.id(), expected);
    return keep(expected, ContainerPorts.expected(expected, networks::get));
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
    keep(left, ContainerPorts.expected(left, networks::get));
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
      rename(container.mappingName(), now.mappingName());
    }
  }

  // ---- all

  /** Makes what is published what the containers that run ask for. */
  void compare() {
    known.clear();
    problems.clear();
    List<PublishRequest> requests = new ArrayList<>();
    for (String id : client.running()) {
      Optional<EngineContainer> found = client.container(id).filter(EngineContainer::running);
      if (found.isPresent()) {
        EngineContainer container = found.get();
        learnNetworks(container);
        known.put(id, container);
        requests.addAll(ContainerPorts.bound(container, networks::get));
      }
    }
    followRenamed(requests);
    Publisher.Applied applied = publisher.applyPossible(Owner.DOCKER, requests);
    applied
        .leftOut()
        .forEach(
            one ->
                problem(
                    one.request().ports().get(0).toString(),
                    one.request().name().map(MappingName::text).orElse("?"),
                    one.reason()));
    if (!applied.published().isEmpty() || !applied.withdrawn().isEmpty()) {
      LOG.info(
          "compared with the Docker engine: {} ports were published, {} taken back, {} as they"
              + " should be",
          applied.published().size(),
          applied.withdrawn().size(),
          applied.unchanged().size());
    }
  }

  /** Connections live on when a container has another name: its ports still lead to it. */
  private void followRenamed(List<PublishRequest> requests) {
    Map<IpAddress, MappingName> nameByAddress = new HashMap<>();
    for (PublishRequest request : requests) {
      request.to().all().stream()
          .flatMap(aim -> aim.address().stream())
          .forEach(address -> nameByAddress.put(address, request.name().orElseThrow()));
    }
    Set<MappingName> wanted = Set.copyOf(nameByAddress.values());
    for (MappingName name : publisher.namesOf(Owner.DOCKER)) {
      if (wanted.contains(name)) {
        continue;
      }
      Optional<MappingName> now =
          publisher.publishedBy(Owner.DOCKER, name).stream()
              .flatMap(mapping -> mapping.backends().addresses().stream())
              .flatMap(address -> Optional.ofNullable(nameByAddress.get(address)).stream())
              .findFirst();
      now.filter(other -> publisher.publishedBy(Owner.DOCKER, other).isEmpty())
          .ifPresent(other -> rename(name, other));
    }
  }

  // ---- what is published

  private boolean keep(EngineContainer container, List<PublishRequest> requests) {
    if (requests.isEmpty()) {
      withdraw(container);
      return false;
    }
    try {
      publisher.keep(Owner.DOCKER, container.mappingName(), requests);
      problems.remove(container.id());
      return true;
    } catch (PublishException e) {
      problem(container.id(), container.name(), e);
      return false;
    }
  }

  private void withdraw(EngineContainer container) {
    problems.remove(container.id());
    publisher.withdraw(Owner.DOCKER, container.mappingName());
  }

  private void rename(MappingName before, MappingName now) {
    if (before.equals(now)) {
      return;
    }
    for (Mapping mapping : publisher.publishedBy(Owner.DOCKER, before)) {
      publisher.update(UpdateRequest.of(mapping.id().toString()).named(now.text()));
    }
  }

  private void problem(String key, String name, PublishException reason) {
    String problem = "the container " + name + " is not published: " + reason.getMessage();
    if (problems.size() < MAX_PROBLEMS || problems.containsKey(key)) {
      problems.put(key, problem);
    }
    LOG.warn("{}", problem);
  }
}
