package dev.sluice.daemon;

import dev.sluice.api.Declarations;
import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.config.PortsFile;
import dev.sluice.config.PortsFileException;
import dev.sluice.model.Declaration;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishRequest;
import dev.sluice.net.IpAddress;
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
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps what the file of permanent mappings declares published.
 *
 * <p>Reading the file never fails the agent. What is wrong with it is logged and found by {@code
 * doctor}, and what was published stays. What cannot be published now, because its container's
 * network is not there yet or a program has the port, is left out and tried again after 1, 2, 4 …
 * 30 seconds; all else is one transaction. A missing file declares nothing and takes nothing back:
 * whoever has moved it away by mistake should not lose the ports in use.
 */
final class DeclaredPorts implements Declarations, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(DeclaredPorts.class);

  static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
  static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  /** Findings about what waits; more are counted. */
  private static final int MOST_FINDINGS = 20;

  /** Makes the network on an existing bridge known. */
  interface Networks {
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
  private final Networks networks;
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
     */
    List<Waiting> run();
  }

  /** What could not be done, and why. */
  private record Waiting(String what, Attempt attempt, PublishException reason) {
    /** Whether time may help. */
    boolean mayPass() {
      return reason.kind() != Kind.INVALID;
    }

    Waiting because(PublishException newReason) {
      return new Waiting(what, attempt, newReason);
    }
  }

  DeclaredPorts(Path file, Publisher publisher, Networks networks) {
    this.file = file;
    this.publisher = publisher;
    this.networks = networks;
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
    List<Waiting> waiting = new ArrayList<>(attach(declaration.networks()));
    attempt("all of " + file, () -> applyPossible(declaration), waiting);
    settle(new Status(Source.FILE, "", List.copyOf(waiting)));
  }

  private List<Waiting> attach(List<InterfaceName> bridges) {
    List<Waiting> waiting = new ArrayList<>();
    for (InterfaceName bridge : bridges) {
      attempt(
          "network " + bridge,
          () -> {
            networks.attach(bridge);
            return List.of();
          },
          waiting);
    }
    return waiting;
  }

  private static void attempt(String what, Attempt attempt, List<Waiting> waiting) {
    try {
      waiting.addAll(attempt.run());
    } catch (PublishException e) {
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
        + request.targets().stream().map(IpAddress::toString).collect(Collectors.joining(" and "));
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
      } catch (PublishException e) {
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
  public synchronized Outcome apply(Declaration declaration) {
    declaration.networks().forEach(networks::check);
    Applied applied = publisher.apply(Owner.FILE, declaration.ports());
    // They were there a moment ago: what has just gone is tried again, and the ports are in force.
    settle(new Status(Source.CLIENT, "", attach(declaration.networks())));
    return new Outcome(applied.published(), applied.withdrawn(), applied.unchanged().size());
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
