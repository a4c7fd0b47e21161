package dev.sluice.daemon;

import static dev.sluice.model.DeclaredChange.Kind.NETWORK;
import static dev.sluice.model.DeclaredChange.Kind.PORT;

import dev.sluice.api.Declarations;
import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.config.PortsFile;
import dev.sluice.config.PortsFileException;
import dev.sluice.model.Declaration;
import dev.sluice.model.DeclaredChange;
import dev.sluice.model.DeclaredChange.Action;
import dev.sluice.model.Destination;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.network.NetworkException;
import dev.sluice.network.NetworkPlan;
import dev.sluice.network.NetworkPlanner;
import dev.sluice.network.NetworkService;
import dev.sluice.network.Rollback;
import dev.sluice.network.Topology;
import dev.sluice.publish.PublishException;
import dev.sluice.publish.PublishException.Kind;
import dev.sluice.publish.Publisher;
import dev.sluice.publish.Publisher.Applied;
import dev.sluice.publish.Publisher.LeftOut;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the networks, sandboxes and ports that the file of permanent mappings declares.
 *
 * <p>Reading the file never fails the agent. What is wrong with it is logged and found by {@code
 * doctor}, and what was there stays. What is not possible now, because a namespace or a container's
 * network is not there yet or a program has the port, is left out and tried again after 1, 2, 4 …
 * 30 seconds; all else is done, the ports in one transaction. A missing file declares nothing and
 * takes nothing back: whoever has moved it away by mistake should not lose the ports in use.
 *
 * <p>A client's declaration is carried out wholly or not at all.
 */
final class DeclaredPorts implements Declarations, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(DeclaredPorts.class);

  static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  /** Findings about what waits; more are counted. */
  private static final int MOST_FINDINGS = 20;

  /** Makes the network on an existing bridge known. */
  interface Bridges {
    /**
     * Makes it known.
     *
     * @throws PublishException if there is no such bridge, or it cannot be set up
     */
    void attach(InterfaceName bridge);

    /**
     * Looks whether it could be.
     *
     * @throws PublishException if there is no such bridge
     */
    void check(InterfaceName bridge);
  }

  private final Path file;
  private final Publisher publisher;
  private final Bridges bridges;
  private final Topology topology;
  private final NetworkPlanner planner;
  private final ScheduledExecutorService background =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "declared-ports");
            thread.setDaemon(true);
            return thread;
          });
  private Duration pause = FIRST_PAUSE;
  private @Nullable Future<?> retry;
  private volatile Status status;

  /** Where things stand. */
  private record Status(Source source, String problem, List<Waiting> waiting) {}

  private enum Source {
    /** There is no file. */
    NONE,
    /** What the file says is in force, except for what waits. */
    FILE,
    /** What a client declared since is in force. */
    CLIENT,
    /** The file is unusable. */
    BROKEN
  }

  /** Something that may be refused. */
  private interface Attempt {
    /**
     * Does it.
     *
     * @return what of it could not be done yet
     * @throws PublishException if nothing of it could
     * @throws NetworkException if nothing of it could
     */
    List<Waiting> run();
  }

  /** What could not be done, and why. */
  private record Waiting(String what, Attempt attempt, RuntimeException reason) {
    /** Whether time may help. */
    boolean mayPass() {
      return !(reason instanceof PublishException refused && refused.kind() == Kind.INVALID)
          && !(reason instanceof NetworkException no && no.kind() == NetworkException.Kind.INVALID);
    }

    Waiting because(RuntimeException newReason) {
      return new Waiting(what, attempt, newReason);
    }
  }

  DeclaredPorts(Path file, Publisher publisher, NetworkService networks, Bridges bridges) {
    this.file = file;
    this.publisher = publisher;
    this.bridges = bridges;
    this.topology = networks.topology();
    this.planner = new NetworkPlanner(networks);
    this.status = new Status(Source.NONE, "", List.of());
  }

  /** Reads the file and does what it says, as far as that is possible now. */
  synchronized void load() {
    Declaration declaration;
    try {
      declaration = PortsFile.readTrusted(file);
    } catch (NoSuchFileException e) {
      settle(new Status(Source.NONE, "", List.of()));
      return;
    } catch (PortsFileException e) {
      broken(String.valueOf(e.getMessage()));
      return;
    } catch (IOException e) {
      broken(file + " cannot be read: " + e.getMessage());
      return;
    }
    carryOut(declaration);
  }

  /** {@link #load} in the background, for signals. */
  void reload() {
    if (!background.isShutdown()) {
      LOG.info("told to read {} again", file);
      background.execute(this::load);
    }
  }

  private void broken(String problem) {
    LOG.warn("{}; what was published stays", problem);
    settle(new Status(Source.BROKEN, problem, status.waiting()));
  }

  private void carryOut(Declaration declaration) {
    List<Waiting> waiting = new ArrayList<>(attach(declaration.bridges()));
    for (NetworkRequest network : declaration.networks()) {
      attempt("network " + network.name(), () -> carryOut(planner.plan(network)), waiting);
    }
    for (SandboxRequest sandbox : declaration.sandboxesInOrder()) {
      attempt("sandbox " + sandbox.name(), () -> carryOut(planner.plan(sandbox)), waiting);
    }
    attempt("all of " + file, () -> applyPossible(declaration), waiting);
    settle(new Status(Source.FILE, "", List.copyOf(waiting)));
  }

  private static List<Waiting> carryOut(NetworkPlan plan) {
    Rollback rollback = new Rollback();
    try {
      plan.make(rollback);
      plan.remove(rollback);
    } catch (RuntimeException e) {
      rollback.run();
      throw e;
    }
    plan.changes().forEach(change -> LOG.info("declared: {}", change));
    return List.of();
  }

  private List<Waiting> attach(List<InterfaceName> declared) {
    List<Waiting> waiting = new ArrayList<>();
    for (InterfaceName bridge : declared) {
      attempt(
          "network " + bridge,
          () -> {
            bridges.attach(bridge);
            return List.of();
          },
          waiting);
    }
    return waiting;
  }

  private static void attempt(String what, Attempt attempt, List<Waiting> waiting) {
    try {
      waiting.addAll(attempt.run());
    } catch (PublishException | NetworkException e) {
      waiting.add(new Waiting(what, attempt, e));
    }
  }

  private List<Waiting> applyPossible(Declaration declaration) {
    Applied applied = publisher.applyPossible(Owner.FILE, declaration.ports());
    LOG.info(
        "{}: {} mappings published, {} taken back, {} there already",
        file,
        applied.published().size(),
        applied.withdrawn().size(),
        applied.unchanged().size());
    return applied.leftOut().stream().map(this::waiting).toList();
  }

  private Waiting waiting(LeftOut leftOut) {
    PublishRequest request = leftOut.request();
    return new Waiting(
        describe(request),
        () -> {
          publisher.publish(request);
          return List.of();
        },
        leftOut.reason());
  }

  private static String describe(PublishRequest request) {
    return request.name().map(MappingName::text).map(name -> name + " ").orElse("")
        + request.ports().get(0).text()
        + " to "
        + request.to();
  }

  /** Remembers where things stand, and looks again later if something waits. */
  private void settle(Status now) {
    now.waiting().forEach(DeclaredPorts::log);
    status = now;
    pause = FIRST_PAUSE;
    schedule();
  }

  private static void log(Waiting waiting) {
    LOG.warn(
        "{} is not in force{}: {}",
        waiting.what(),
        waiting.mayPass() ? " yet" : "",
        waiting.reason().getMessage());
  }

  private void schedule() {
    if (retry != null) {
      retry.cancel(false);
      retry = null;
    }
    if (status.waiting().stream().anyMatch(Waiting::mayPass)) {
      retry = background.schedule(this::tryAgain, pause.toMillis(), TimeUnit.MILLISECONDS);
    }
  }

  private synchronized void tryAgain() {
    List<Waiting> waiting = new ArrayList<>();
    for (Waiting one : status.waiting()) {
      if (!one.mayPass()) {
        waiting.add(one);
        continue;
      }
      try {
        List<Waiting> rest = one.attempt().run();
        LOG.info("{} is in force now", one.what());
        rest.forEach(DeclaredPorts::log);
        waiting.addAll(rest);
      } catch (PublishException | NetworkException e) {
        Waiting again = one.because(e);
        if (!String.valueOf(e.getMessage()).equals(one.reason().getMessage())) {
          log(again);
        }
        waiting.add(again);
      }
    }
    status = new Status(status.source(), status.problem(), List.copyOf(waiting));
    Duration twice = pause.multipliedBy(2);
    pause = twice.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : twice;
    schedule();
  }

  @Override
  public synchronized Outcome apply(Declaration declaration, boolean prune) {
    declaration.bridges().forEach(bridges::check);
    NetworkPlan plan = planner.plan(declaration, prune);
    List<DeclaredChange> changes = new ArrayList<>(bridgeChanges(declaration));
    int unchangedBridges = declaration.bridges().size() - changes.size();
    List<PublishedMapping> before = publisher.published();
    Rollback rollback = new Rollback();
    Applied applied;
    try {
      if (plan.endsPorts()) {
        // Behind everything else: they lead to sandboxes that have to be there again.
        rollback.push("the published ports", () -> publishAgain(before));
      }
      plan.make(rollback);
      applied = publisher.apply(Owner.FILE, declaration.ports());
      if (plan.endsPorts()) {
        // Before everything else: ports that are new may lead to what is to go again.
        rollback.push("the published ports", () -> publishAgain(before));
      }
      plan.remove(rollback);
    } catch (RuntimeException e) {
      rollback.run();
      throw e;
    }
    // They were there a moment ago: what has just gone is tried again, and the ports are in force.
    settle(new Status(Source.CLIENT, "", attach(declaration.bridges())));
    changes.addAll(plan.changes());
    changes.addAll(portChanges(applied, before));
    return new Outcome(
        changes,
        applied.published(),
        applied.withdrawn(),
        unchangedBridges + plan.unchanged() + applied.unchanged().size());
  }

  @Override
  public synchronized Outcome compare(Declaration declaration, boolean prune) {
    declaration.bridges().forEach(bridges::check);
    NetworkPlan plan = planner.plan(declaration, prune);
    List<DeclaredChange> changes = new ArrayList<>(bridgeChanges(declaration));
    int unchangedBridges = declaration.bridges().size() - changes.size();
    changes.addAll(plan.changes());
    List<PublishRequest> now = new ArrayList<>();
    List<PublishRequest> later = new ArrayList<>();
    declaration.ports().forEach(request -> (waitsFor(plan, request) ? later : now).add(request));
    Applied applied = publisher.rehearse(Owner.FILE, now);
    changes.addAll(portChanges(applied, publisher.published()));
    for (PublishRequest request : later) {
      request
          .oneByOne()
          .forEach(one -> changes.add(new DeclaredChange(Action.ADD, PORT, describe(one))));
    }
    return new Outcome(
        changes,
        List.of(),
        List.of(),
        unchangedBridges + plan.unchanged() + applied.unchanged().size());
  }

  /** Whether nobody knows yet what addresses the ports are to lead to, or how. */
  private static boolean waitsFor(NetworkPlan plan, PublishRequest request) {
    return request.to().sandboxes().stream().anyMatch(plan.coming()::contains)
        || request.to().addresses().stream()
            .anyMatch(
                target -> plan.comingSubnets().stream().anyMatch(block -> block.contains(target)));
  }

  private List<DeclaredChange> bridgeChanges(Declaration declaration) {
    return declaration.bridges().stream()
        .filter(bridge -> topology.onBridge(bridge).isEmpty())
        .map(bridge -> new DeclaredChange(Action.ADD, NETWORK, bridge + " (existing bridge)"))
        .toList();
  }

  private static List<DeclaredChange> portChanges(Applied applied, List<PublishedMapping> before) {
    Set<MappingId> known =
        before.stream().map(one -> one.mapping().id()).collect(Collectors.toSet());
    List<DeclaredChange> changes = new ArrayList<>();
    applied
        .withdrawn()
        .forEach(one -> changes.add(new DeclaredChange(Action.REMOVE, PORT, describe(one))));
    applied
        .published()
        .forEach(
            one ->
                changes.add(
                    new DeclaredChange(
                        known.contains(one.id()) ? Action.CHANGE : Action.ADD,
                        PORT,
                        describe(one))));
    return changes;
  }

  private static String describe(Mapping mapping) {
    String from = mapping.key().toString();
    return mapping.name().map(MappingName::text).map(name -> name + " ").orElse("")
        + from.substring(0, from.lastIndexOf('/'))
        + "->"
        + mapping.targetText()
        + "/"
        + mapping.protocol();
  }

  /** After a failure: the ports of the file as they were, and those that went with a sandbox. */
  private void publishAgain(List<PublishedMapping> before) {
    List<Mapping> mappings = before.stream().map(PublishedMapping::mapping).toList();
    publisher.applyPossible(
        Owner.FILE,
        mappings.stream()
            .filter(one -> one.owner() == Owner.FILE)
            .map(DeclaredPorts::again)
            .toList());
    Map<MappingId, Mapping> there =
        publisher.published().stream()
            .map(PublishedMapping::mapping)
            .collect(Collectors.toMap(Mapping::id, Function.identity()));
    mappings.stream()
        .filter(one -> one.owner() != Owner.FILE)
        .filter(one -> one.backends().all().stream().anyMatch(b -> b.sandbox().isPresent()))
        .forEach(
            one -> {
              try {
                Mapping now = there.get(one.id());
                if (now == null) {
                  publisher.publish(again(one));
                } else if (!now.backends().equals(one.backends())) {
                  publisher.update(
                      UpdateRequest.of(one.id().toString()).to(Destination.of(one.backends())));
                }
              } catch (PublishException e) {
                LOG.warn("{} is not published as it was: {}", describe(one), e.getMessage());
              }
            });
  }

  /** The request that publishes a mapping as it was. */
  private static PublishRequest again(Mapping mapping) {
    PortSpec spec =
        new PortSpec(
            Optional.of(mapping.hostAddress().orElseGet(() -> IpAddress.any(mapping.family()))),
            new PortSpec.Exactly(mapping.hostPorts()),
            mapping.targetPorts(),
            mapping.protocol());
    return new PublishRequest(
        List.of(spec),
        Destination.of(mapping.backends()),
        mapping.name(),
        mapping.owner(),
        mapping.options());
  }

  /** What there is to say about the file. */
  List<Finding> findings() {
    Status now = status;
    List<Finding> findings = new ArrayList<>();
    source(now).ifPresent(findings::add);
    List<Waiting> waiting = now.waiting();
    for (Waiting one : waiting.subList(0, Math.min(waiting.size(), MOST_FINDINGS))) {
      findings.add(
          warning(
              one.what() + " is not in force: " + one.reason().getMessage(),
              one.mayPass()
                  ? "it is tried again at least every "
                      + LONGEST_PAUSE.toSeconds()
                      + " seconds; SIGHUP to the agent tries at once"
                  : "correct it, and have it read again with sluice apply"));
    }
    if (waiting.size() > MOST_FINDINGS) {
      findings.add(
          warning(
              (waiting.size() - MOST_FINDINGS) + " more are not in force",
              "the log of the agent names them all"));
    }
    return findings;
  }

  private Optional<Finding> source(Status now) {
    switch (now.source()) {
      case NONE -> {
        long kept = ofTheFile();
        return kept == 0
            ? Optional.empty()
            : Optional.of(
                new Finding(
                    "ports-file",
                    Severity.NOTE,
                    "there is no "
                        + file
                        + "; "
                        + kept
                        + " mappings that a file declared earlier stay published",
                    "write the file, with \"ports: []\" to take them back, and run sluice apply"));
      }
      case BROKEN -> {
        return Optional.of(
            warning(
                now.problem() + "; what was published stays",
                "correct it, and have it read again with sluice apply"));
      }
      case FILE -> {
        return now.waiting().isEmpty()
            ? Optional.of(ok("everything in " + file + " is in force"))
            : Optional.empty();
      }
      case CLIENT -> {
        return Optional.of(
            ok("what sluice apply declared is in force; the next start reads " + file));
      }
    }
    throw new IllegalStateException("source=" + now.source());
  }

  private long ofTheFile() {
    return publisher.published().stream()
        .filter(one -> one.mapping().owner() == Owner.FILE)
        .count();
  }

  private static Finding ok(String found) {
    return new Finding("ports-file", Severity.OK, found, "");
  }

  private static Finding warning(String found, String remedy) {
    return new Finding("ports-file", Severity.WARNING, found, remedy);
  }

  /** Ends the attempts in the background. */
  @Override
  public void close() {
    background.shutdownNow();
  }
}
