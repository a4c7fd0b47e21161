package dev.sluice.api.docker;

import dev.sluice.network.HostNetworks;
import dev.sluice.network.NetworkTable;
import dev.sluice.network.Topology;
import dev.sluice.publish.Publisher;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Follows a Docker engine that writes no firewall rules ({@code dockerd --iptables=false}), and
 * does what it would have done: publishes the ports of its containers, lets its networks reach the
 * outside, and keeps them apart.
 *
 * <p>Three threads: one reads the engine's events and never waits for anything else, one acts on
 * them, and one looks at containers that were just created, for which the engine has no answer
 * while it starts them. After each connection, and whenever something was missed, all is compared.
 * What is published stays while the engine is away: its containers may live on.
 */
public final class EngineFollower implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(EngineFollower.class);

  /** Events that wait; when there are more, all is compared instead. */
  private static final int QUEUE_CAPACITY = 16_384;

  /** Containers that wait to be looked at; those beyond are met when they run. */
  private static final int CREATED_CAPACITY = 1_024;

  private static final long FIRST_PAUSE_MILLIS = 50;
  private static final long LONGEST_PAUSE_MILLIS = 1_000;
  private static final long RETRY_MILLIS = 1_000;
  private static final long PROBLEM_MILLIS = 5_000;
  private static final long LONGEST_PROBLEM_MILLIS = 60_000;
  private static final long STOP_MILLIS = 5_000;

  private final Path socket;
  private final Containers containers;
  private final EngineNetworks networks;
  private final EngineClient client;
  private final Latencies.Recorder published = new Latencies.Recorder();
  private final Latencies.Recorder delivered = new Latencies.Recorder();
  private final Latencies.Recorder answered = new Latencies.Recorder();
  private final Latencies.Recorder own = new Latencies.Recorder();

  private final BlockingQueue<Step> steps = new ArrayBlockingQueue<>(QUEUE_CAPACITY);
  private final Thread reader = new Thread(this::read, "sluice-docker-events");
  private final Thread actor = new Thread(this::act, "sluice-docker");
  private final BlockingQueue<String> created = new ArrayBlockingQueue<>(CREATED_CAPACITY);
  private final EngineClient creations;
  private final Thread looker = new Thread(this::look, "sluice-docker-new");
  private final CountDownLatch closed = new CountDownLatch(1);

  // Written by the reader.
  private volatile @Nullable EngineClient listening;
  private volatile boolean connected;
  private final AtomicLong connections = new AtomicLong();
  private volatile @Nullable String lastError;
  private volatile boolean missed;

  // Written by the actor.
  private volatile Told told = new Told(Optional.empty(), 0, 0, 0, List.of());
  private volatile @Nullable String failure;
  private Optional<String> version = Optional.empty();
  private OptionalLong compareAtNanos = OptionalLong.empty(); // as System.nanoTime
  private boolean gap;
  private List<String> triedAgain = List.of();
  private long problemMillis = PROBLEM_MILLIS;

  /** What the actor tells of itself. */
  private record Told(
      Optional<String> version, int containers, int networks, long events, List<String> problems) {}

  /** What there is to do. */
  private sealed interface Step {
    /** Compare all. */
    record Compare() implements Step {}

    /**
     * Follow an event.
     *
     * @param deliveryNanos from when it happened, by the engine's clock, until it was read
     * @param readAtNanos as {@link System#nanoTime}
     */
    record Follow(EngineEvent event, long deliveryNanos, long readAtNanos) implements Step {}

    /** Keep in mind how a container was created. */
    record Learn(EngineContainer container) implements Step {}
  }

  private EngineFollower(
      Path socket,
      Publisher publisher,
      NetworkTable table,
      Topology topology,
      HostNetworks hostNetworks) {
    this.socket = socket;
    this.client = new EngineClient(socket);
    this.creations = new EngineClient(socket);
    this.networks = new EngineNetworks(table, topology, hostNetworks);
    this.containers = new Containers(client, networks, publisher, this::lookAt);
  }

  /**
   * Follows from now on; the engine need not be there yet.
   *
   * @param socket where its API listens
   */
  public static EngineFollower start(
      Path socket,
      Publisher publisher,
      NetworkTable table,
      Topology topology,
      HostNetworks hostNetworks) {
    EngineFollower follower = new EngineFollower(socket, publisher, table, topology, hostNetworks);
    for (Thread thread : follower.threads()) {
      thread.setDaemon(true);
      thread.start();
    }
    return follower;
  }

  private List<Thread> threads() {
    return List.of(reader, actor, looker);
  }

  /** How it goes. */
  public EngineStatistics statistics() {
    Told now = told;
    return new EngineStatistics(
        socket,
        connected,
        now.version(),
        now.containers(),
        now.networks(),
        connections.get(),
        now.events(),
        Optional.ofNullable(lastError),
        actor.isAlive() || isClosed()
            ? Optional.ofNullable(failure)
            : Optional.of("its thread has ended, restart the agent"),
        now.problems(),
        new EngineLatencies(published.read(), delivered.read(), answered.read(), own.read()));
  }

  // ---- reading

  private void read() {
    long pauseMillis = FIRST_PAUSE_MILLIS;
    while (!isClosed()) {
      long connectionsBefore = connections.get();
      readOnce();
      pauseMillis =
          connections.get() > connectionsBefore
              ? FIRST_PAUSE_MILLIS
              : Math.min(2 * pauseMillis, LONGEST_PAUSE_MILLIS);
      pause(pauseMillis);
    }
  }

  /** One connection, until it ends. */
  private void readOnce() {
    EngineClient stream = new EngineClient(socket);
    listening = stream;
    if (isClosed()) {
      return;
    }
    try {
      stream.events(nowNanos(), this::onOpen, this::onEvent);
    } catch (RuntimeException e) {
      String reason = String.valueOf(e.getMessage());
      if (!isClosed() && (connected || !reason.equals(lastError))) {
        LOG.warn("{}; trying again, what is published stays", reason);
      }
      lastError = reason;
    } finally {
      connected = false;
      stream.close();
    }
  }

  private void onOpen() {
    connections.incrementAndGet();
    connected = true;
    lastError = null;
    offer(new Step.Compare());
  }

  private void onEvent(EngineEvent event) {
    if (event.type().equals("container") && event.action().equals("create")) {
      lookAt(event.id());
    } else {
      long deliveryNanos = Math.max(0, nowNanos() - event.atNanos());
      offer(new Step.Follow(event, deliveryNanos, System.nanoTime()));
    }
  }

  private void lookAt(String id) {
    boolean taken = created.offer(id);
    LOG.trace("{} is new, {}", id, taken ? "looking at it" : "too many are");
  }

  private void look() {
    try {
      while (!isClosed()) {
        String id = created.take();
        try {
          creations.container(id).ifPresent(container -> offer(new Step.Learn(container)));
        } catch (EngineException e) {
          // It is met when it runs.
          LOG.debug("{}", e.getMessage());
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // closed
    } finally {
      creations.close();
    }
  }

  private void offer(Step step) {
    if (!steps.offer(step)) {
      missed = true;
    }
  }

  private void pause(long millis) {
    try {
      boolean over = closed.await(millis, TimeUnit.MILLISECONDS);
      LOG.trace("pause of {} ms, {}", millis, over ? "the last" : "trying again");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      closed.countDown();
    }
  }

  // ---- acting

  private void act() {
    long events = 0;
    while (!isClosed()) {
      try {
        Step step = nextStep();
        if (missed) {
          missed = false;
          LOG.warn("the Docker engine told more than could be followed: comparing all");
          steps.clear();
          compareAfterGap();
        } else if (step instanceof Step.Compare) {
          compareAfterGap();
        } else if (step instanceof Step.Follow follow) {
          events++;
          long waitedBefore = client.waitedNanos();
          if (follow(follow.event())) {
            measure(follow, client.waitedNanos() - waitedBefore);
          }
          LOG.debug(
              "{}, {} ms ago", follow.event(), (nowNanos() - follow.event().atNanos()) / 1_000_000);
        } else if (step instanceof Step.Learn learn) {
          containers.created(learn.container());
        }
        // However much there is to follow.
        if (compareAtNanos.isPresent() && untilCompareNanos() <= 0) {
          compare();
        }
        planCompare();
      } catch (InterruptedException e) {
        return; // closed
      } catch (Throwable e) {
        failed(e);
      }
      tell(events);
    }
  }

  /** What was told, or nothing if it is time to compare. */
  private @Nullable Step nextStep() throws InterruptedException {
    return compareAtNanos.isEmpty()
        ? steps.take()
        : steps.poll(Math.max(0, untilCompareNanos()), TimeUnit.NANOSECONDS);
  }

  private long untilCompareNanos() {
    return compareAtNanos.orElseThrow() - System.nanoTime();
  }

  /** Comparing all, in a moment, makes up for it. */
  private void failed(Throwable e) {
    if (compareAtNanos.isEmpty() || untilCompareNanos() > RETRY_MILLIS * 1_000_000) {
      compareIn(RETRY_MILLIS);
    }
    String reason = e instanceof Error ? e.toString() : String.valueOf(e.getMessage());
    if (!isClosed() && !reason.equals(failure)) {
      LOG.warn("following the Docker engine failed, trying again: {}", reason);
    }
    failure = reason;
  }

  /** What could not be served is tried again, less often the longer it stays so. */
  private void planCompare() {
    if (compareAtNanos.isPresent()) {
      return;
    }
    List<String> now = problems();
    if (containers.isBehind()) {
      compareIn(RETRY_MILLIS);
    } else if (!now.isEmpty()) {
      problemMillis =
          now.equals(triedAgain)
              ? Math.min(2 * problemMillis, LONGEST_PROBLEM_MILLIS)
              : PROBLEM_MILLIS;
      triedAgain = now;
      compareIn(problemMillis);
    }
  }

  private void compareIn(long millis) {
    compareAtNanos = OptionalLong.of(System.nanoTime() + millis * 1_000_000);
  }

  /** Whether ports were published by it. */
  private boolean follow(EngineEvent event) {
    if (event.type().equals("network")) {
      switch (event.action()) {
        case "create" -> client.network(event.id()).ifPresent(networks::take);
        case "destroy" -> networks.forget(event.id());
        case "connect" -> {
          return containers.connected(event);
        }
        case "disconnect" -> containers.disconnected(event);
        default -> LOG.trace("{} is nothing to us", event);
      }
      return false;
    }
    switch (event.action()) {
      case "start" -> {
        return containers.refresh(event.id());
      }
      case "die" -> containers.died(event);
      case "destroy" -> containers.destroyed(event.id());
      case "rename" -> containers.renamed(event);
      default -> LOG.trace("{} is nothing to us", event);
    }
    return false;
  }

  /**
   * Notes how long ports took that have just been published.
   *
   * @param waitedNanos of it for what the engine was asked
   */
  private void measure(Step.Follow follow, long waitedNanos) {
    long sinceReadNanos = System.nanoTime() - follow.readAtNanos();
    delivered.add(follow.deliveryNanos());
    answered.add(waitedNanos);
    own.add(sinceReadNanos - waitedNanos);
    published.add(follow.deliveryNanos() + sinceReadNanos);
  }

  /** Something was not told. */
  private void compareAfterGap() {
    gap = true;
    compare();
  }

  private void compare() {
    compareAtNanos = OptionalLong.empty();
    Optional<String> before = version;
    version = Optional.of(client.version());
    Map<String, String> unreadable = new HashMap<>();
    networks.takeAll(client.networks(unreadable::put));
    unreadable.forEach(networks::unreadable);
    containers.compare(gap);
    networks.forgetOthers();
    gap = false;
    failure = null;
    if (!version.equals(before)) {
      LOG.info(
          "following Docker {} at {}: {} containers, {} networks",
          version.get(),
          socket,
          containers.count(),
          networks.count());
    }
  }

  private void tell(long events) {
    told = new Told(version, containers.count(), networks.count(), events, problems());
  }

  private List<String> problems() {
    List<String> problems = new ArrayList<>(networks.problems());
    problems.addAll(containers.problems());
    return problems;
  }

  private static long nowNanos() {
    Instant now = Instant.now();
    return now.getEpochSecond() * 1_000_000_000 + now.getNano();
  }

  private boolean isClosed() {
    return closed.getCount() == 0;
  }

  /** Ends; what is published stays. */
  @Override
  public void close() {
    closed.countDown();
    EngineClient stream = listening;
    if (stream != null) {
      stream.abort();
    }
    client.abort();
    creations.abort();
    actor.interrupt();
    looker.interrupt();
    try {
      for (Thread thread : threads()) {
        thread.join(STOP_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (!actor.isAlive()) {
      client.close();
    }
  }
}
