package dev.sluice.daemon;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.conntrack.Conntrack;
import dev.sluice.daemon.AgentConfig.FastPathUse.Mode;
import dev.sluice.fastpath.FastPath;
import dev.sluice.fastpath.FastPathSettings;
import dev.sluice.fastpath.FastPathStatistics;
import dev.sluice.fastpath.Liberator;
import dev.sluice.fastpath.SelfTest;
import dev.sluice.ffi.Errno;
import dev.sluice.ffi.ShimException;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.network.CarriedPlaces;
import dev.sluice.network.Topology;
import dev.sluice.route.Link;
import dev.sluice.route.Rtnetlink;
import dev.sluice.route.StationMonitor;
import dev.sluice.sysctl.Sysctl;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The agent's fast path: loads it, tests it, takes over what an earlier agent left, and keeps it
 * supplied. Where it cannot be used it says why, once, and takes away what an earlier agent left:
 * everything then goes the slow path. Thread-safe.
 */
final class FastPathService implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(FastPathService.class);

  /** Addresses of containers; a host has fewer. */
  private static final int CONTAINERS = 1 << 16;

  private static final long TIMEOUTS_SECONDS = 10;

  private static final String TCP_TIMEOUT = "net/netfilter/nf_conntrack_tcp_timeout_established";
  private static final String UDP_TIMEOUT = "net/netfilter/nf_conntrack_udp_timeout_stream";

  // What the kernel has unless somebody changes it.
  private static final int USUAL_TCP_SECONDS = 432_000;
  private static final int USUAL_UDP_SECONDS = 120;

  /** What has become of it. */
  sealed interface State {
    record Off() implements State {}

    record Testing() implements State {}

    record Serving(CarriedPlaces places) implements State {}

    /**
     * It cannot be used.
     *
     * @param reason as it reads behind a colon
     * @param remedy what to do about it
     */
    record Unusable(String reason, String remedy) implements State {}
  }

  private final AgentConfig.FastPathUse use;
  private final CompletableFuture<FastPath> loaded = new CompletableFuture<>();
  private final Thread starter = new Thread(this::begin, "sluice-fastpath");

  // Of the thread that starts it, then of whoever closes this, who waits for that thread.
  private final Opened opened = new Opened();
  private volatile State state;
  private volatile boolean closing;

  // Set before the thread is started that needs them.
  private Topology topology = new Topology(List.of(), List.of());
  private Sysctl sysctl = new Sysctl();
  private Consumer<FastPath> inheritance = orphan -> {};
  private FastPathSettings settings =
      FastPathSettings.withTimeouts(USUAL_TCP_SECONDS, USUAL_UDP_SECONDS);

  private FastPathService(AgentConfig.FastPathUse use) {
    this.use = use;
    this.state = use.mode() == Mode.OFF ? new State.Off() : new State.Testing();
  }

  /** Begins to load the programs, which takes a tenth of a second, beside whatever comes next. */
  static FastPathService load(AgentConfig.FastPathUse use) {
    FastPathService service = new FastPathService(use);
    if (use.mode() != Mode.OFF) {
      Thread loader = new Thread(service::load, "sluice-fastpath-load");
      loader.setDaemon(true);
      loader.start();
    }
    return service;
  }

  private void load() {
    try {
      loaded.complete(FastPath.open(use.flows(), CONTAINERS));
    } catch (RuntimeException | Error e) {
      // An older library, for instance: whoever waits is to know.
      loaded.completeExceptionally(e);
    }
  }

  /**
   * The programs, once they are loaded: switched off and attached to nothing at first, and for good
   * if they turn out not to work. Empty if they are not to be loaded or cannot be.
   */
  Optional<FastPath> path() {
    return use.mode() == Mode.OFF || failure().isPresent()
        ? Optional.empty()
        : Optional.of(loaded.join());
  }

  private Optional<RuntimeException> failure() {
    return loaded
        .handle((path, thrown) -> Optional.ofNullable(thrown))
        .join()
        .map(thrown -> thrown instanceof CompletionException ? thrown.getCause() : thrown)
        .map(
            thrown ->
                thrown instanceof RuntimeException runtime
                    ? runtime
                    : new IllegalStateException(thrown));
  }

  /**
   * Begins to carry, or ends what an earlier agent began. Unless it was asked for with {@code on},
   * nobody waits for it.
   *
   * @param knownNetworks where containers are
   * @param heir is given what the programs of earlier agents have counted, once these are replaced
   *     or detached; it is closed afterwards
   * @throws StartupException if it was asked for with {@code on}, and cannot be used
   */
  void start(Topology knownNetworks, Sysctl kernel, Consumer<FastPath> heir) {
    topology = knownNetworks;
    sysctl = kernel;
    inheritance = heir;
    starter.setDaemon(true);
    switch (use.mode()) {
      case OFF -> leave();
      case AUTO -> starter.start();
      case ON -> {
        starter.start();
        join(starter);
        if (state instanceof State.Unusable unusable) {
          throw new StartupException(
              StartupException.FAILED,
              "the fast path cannot be used: "
                  + unusable.reason()
                  + "; "
                  + unusable.remedy()
                  + ", or start with --fastpath=auto",
              null);
        }
      }
    }
  }

  private void begin() {
    try {
      failure()
          .ifPresent(
              refusal -> {
                throw refusal;
              });
      long beginNanos = System.nanoTime();
      SelfTest.run();
      if (!closing) {
        serve(loaded.join());
        LOG.debug(
            "the fast path serves after {} ms",
            TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - beginNanos));
      }
    } catch (RuntimeException | Error e) {
      State.Unusable unusable = explain(e);
      state = unusable;
      if (use.mode() == Mode.AUTO && !closing) {
        LOG.warn("no fast path: {}; all connections go through netfilter", unusable.reason());
      }
      opened.close();
      leave();
    }
  }

  private void serve(FastPath fastPath) {
    settings = settingsNow();
    fastPath.configure(settings, true);
    List<FastPath> orphans;
    try (Rtnetlink routes = Rtnetlink.open()) {
      orphans = FastPath.orphans(indexes(routes.links()));
    }
    CarriedPlaces places =
        keep(CarriedPlaces.start(fastPath, topology, Rtnetlink.open(), StationMonitor.open()));
    handOver(orphans);
    keep(Liberator.start(fastPath, Conntrack.open()));
    ScheduledExecutorService timer =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread thread = new Thread(task, "sluice-fastpath-timeouts");
              thread.setDaemon(true);
              return thread;
            });
    keep(timer::shutdownNow);
    var unused =
        timer.scheduleWithFixedDelay(
            () -> followTimeouts(fastPath), TIMEOUTS_SECONDS, TIMEOUTS_SECONDS, TimeUnit.SECONDS);
    state = new State.Serving(places);
  }

  private void followTimeouts(FastPath fastPath) {
    try {
      FastPathSettings now = settingsNow();
      if (!now.equals(settings)) {
        settings = now;
        fastPath.configure(now, true);
      }
    } catch (RuntimeException e) {
      LOG.warn("timeouts of connections that are carried may be wrong: {}", e.getMessage());
    }
  }

  private FastPathSettings settingsNow() {
    return FastPathSettings.withTimeouts(
        seconds(TCP_TIMEOUT, USUAL_TCP_SECONDS), seconds(UDP_TIMEOUT, USUAL_UDP_SECONDS));
  }

  private int seconds(String parameter, int otherwise) {
    return sysctl
        .get(parameter)
        .map(value -> (int) Math.min(Long.parseLong(value), Integer.MAX_VALUE))
        .orElse(otherwise);
  }

  private static List<Integer> indexes(List<Link> links) {
    return links.stream().map(Link::index).toList();
  }

  /** Takes away what an earlier agent has left. */
  private void leave() {
    try (Rtnetlink routes = Rtnetlink.open()) {
      List<Integer> devices = indexes(routes.links());
      List<FastPath> orphans = FastPath.orphans(devices);
      devices.forEach(FastPath::detach);
      handOver(orphans);
    } catch (ShimException | NetlinkException e) {
      LOG.warn(
          "programs of the fast path that an earlier agent may have left stay: {}", e.getMessage());
    }
  }

  private void handOver(List<FastPath> orphans) {
    for (FastPath orphan : orphans) {
      try (orphan) {
        inheritance.accept(orphan);
      } catch (RuntimeException e) {
        LOG.warn("what an earlier agent's fast path has carried is not counted", e);
      }
    }
  }

  private static State.Unusable explain(Throwable e) {
    String reason = String.valueOf(e.getMessage());
    int errno = e instanceof ShimException refused ? refused.errno() : 0;
    return new State.Unusable(
        reason,
        switch (errno) {
          case Errno.EPERM ->
              "give the agent CAP_SYS_ADMIN and CAP_NET_ADMIN in the first user namespace, and let it"
                  + " call bpf(2)";
          case Errno.ENOSYS -> "use Linux 6.1 or newer, built with CONFIG_DEBUG_INFO_BTF";
          default -> "start with --fastpath=off to do without it";
        });
  }

  /** The counters; zero if there are no programs. */
  FastPathStatistics statistics() {
    return state instanceof State.Serving ? loaded.join().statistics() : FastPathStatistics.NONE;
  }

  /** Whether it carries something, or may yet. */
  boolean mayCarry() {
    State now = state;
    return now instanceof State.Testing || now instanceof State.Serving;
  }

  /** What doctor says about it. */
  Finding finding() {
    State now = state;
    return now instanceof State.Serving serving
        ? FastPathFinding.of(serving.places().report(), statistics())
        : FastPathFinding.of(now);
  }

  private <T extends AutoCloseable> T keep(T resource) {
    return opened.keep(resource);
  }

  private static void join(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Looks after it no longer. Programs that are attached go on carrying. */
  @Override
  public void close() {
    closing = true;
    join(starter);
    opened.close();
    path().ifPresent(FastPath::close);
  }
}
