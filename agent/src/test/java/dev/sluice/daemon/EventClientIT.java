package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.ApiClient;
import dev.sluice.api.EventClient;
import dev.sluice.api.EventPosition;
import dev.sluice.flow.EventFrame;
import dev.sluice.flow.FlowFilter;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Scale;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A consumer that loses its connection, and its agent, while events come. */
class EventClientIT {
  /** A datagram each from a port of its own to a port of its own, so that each is a flow. */
  private static final String TRAFFIC =
      """
      import socket, time
      s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
      s.bind(('127.0.0.1', 0))
      while True:
        for port in range(10000, 60000):
          s.sendto(b'x', ('127.0.0.1', port))
          time.sleep(0.001)
      """;

  private Path directory = Path.of("/nowhere");
  @AutoClose private Lab lab;
  @AutoClose private BareAgent agent;
  @AutoClose private Background traffic;

  /** What of an event tells it from every other. */
  private record Told(long sequence, long next, boolean gap, long nanos, long id) {
    static Told of(EventFrame event) {
      return new Told(
          event.sequence(),
          event.nextSequence(),
          event.isGap(),
          event.eventNanos(),
          event.isFlow() ? event.flow().id() : 0);
    }
  }

  private static final class Ledger implements EventClient.Handler {
    private final List<Told> told = new CopyOnWriteArrayList<>();
    private final List<EventPosition> restarts = new CopyOnWriteArrayList<>();
    private final List<Integer> toldBefore = new CopyOnWriteArrayList<>();
    private volatile int disconnects;

    @Override
    public void onEvent(EventFrame event) {
      told.add(Told.of(event));
    }

    @Override
    public void onAgentRestart(EventPosition end) {
      restarts.add(end);
      toldBefore.add(told.size());
    }

    @Override
    @SuppressWarnings("NonAtomicVolatileUpdate") // one thread
    public void onDisconnect(String reason) {
      disconnects++;
    }
  }

  @BeforeEach
  void start(@TempDir Path directory) {
    this.directory = directory;
    lab = Lab.builder().agentWillConfigureHost().noServers().build();
    agent = BareAgent.start(lab.host(), directory);
    traffic = lab.host().start("/usr/bin/python3", "-c", TRAFFIC);
  }

  private static void await(BooleanSupplier condition, int seconds) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("waited %s s", seconds).isLessThan(deadline);
      BareAgent.pause();
    }
  }

  private static CompletableFuture<Void> follow(EventClient client, Ledger ledger) {
    return CompletableFuture.runAsync(() -> client.follow(ledger));
  }

  private static void end(EventClient client, CompletableFuture<Void> following) throws Exception {
    client.close();
    following.get(10, TimeUnit.SECONDS);
  }

  /** What a consumer finds who reads from the beginning, undisturbed. */
  private List<Told> retained(long from, long to) {
    List<Told> all = new ArrayList<>();
    try (ApiClient client = agent.client()) {
      client.frames(
          FlowFilter.ALL,
          OptionalLong.of(from),
          event -> {
            all.add(Told.of(event));
            return event.nextSequence() < to;
          });
    }
    return all;
  }

  /**
   * Row 44: fails if an event is missing or comes twice when a connection is cut after any number
   * of bytes, in the midst of a frame or of the answer's header. The witness is who reads the same
   * events without being cut.
   */
  @Test
  void nothing_is_missed_or_told_twice_over_a_thousand_connections() throws Exception {
    int reconnects = Scale.count("reconnects", 50, 1000);
    Random random = new Random(44);
    Ledger ledger = new Ledger();
    try (CuttingProxy proxy =
            CuttingProxy.start(
                directory.resolve("proxy.sock"),
                directory.resolve("sluice.sock"),
                () -> random.nextInt(1, 20_000));
        EventClient client = EventClient.to(proxy.path(), FlowFilter.ALL, Optional.empty())) {
      CompletableFuture<Void> following = follow(client, ledger);
      await(() -> ledger.disconnects >= reconnects, 60 + reconnects);
      end(client, following);
      assertThat(proxy.cuts()).isGreaterThanOrEqualTo(reconnects);
      assertThat(client.position())
          .map(EventPosition::next)
          .hasValue(ledger.told.get(ledger.told.size() - 1).next());
    }
    assertThat(traffic.isAlive()).as("events came to the end").isTrue();
    List<Told> told = ledger.told;
    assertThat(told.size()).isGreaterThan(reconnects);
    assertThat(told).noneMatch(Told::gap);
    assertThat(told).isEqualTo(retained(told.get(0).sequence(), told.get(told.size() - 1).next()));
    assertThat(ledger.restarts).isEmpty();
    Scale.report(
        "44", reconnects + " connections cut, " + told.size() + " events, none missed, none twice");
  }

  /**
   * Fails if the numbers of a new agent are taken for those of the killed one, also by a consumer
   * who comes back when the new agent has counted further than the killed one had.
   */
  @Test
  void a_killed_agent_is_told_and_its_successor_read_from_the_beginning() throws Exception {
    Ledger ledger = new Ledger();
    try (EventClient client =
        EventClient.to(directory.resolve("sluice.sock"), FlowFilter.ALL, Optional.empty())) {
      CompletableFuture<Void> following = follow(client, ledger);
      await(() -> ledger.told.size() > 100, 20);
      agent.kill();
      await(() -> ledger.disconnects > 0, 20);
      EventPosition end = client.position().orElseThrow();
      int before = ledger.told.size();

      agent = BareAgent.start(lab.host(), directory);
      await(() -> ledger.told.size() > before + 100, 20);
      assertThat(ledger.restarts).containsExactly(end);
      assertThat(ledger.toldBefore).containsExactly(before);
      List<Told> after = new ArrayList<>(ledger.told.subList(before, before + 100));
      assertThat(after.get(0).sequence()).isEqualTo(1);
      assertThat(after).isEqualTo(retained(1, after.get(99).next()));

      await(() -> client.position().orElseThrow().next() > end.next() + 100, 60);
      end(client, following);

      Ledger late = new Ledger();
      try (EventClient again =
          EventClient.to(directory.resolve("sluice.sock"), FlowFilter.ALL, Optional.of(end))) {
        CompletableFuture<Void> catchingUp = follow(again, late);
        await(() -> late.told.size() > 100, 20);
        end(again, catchingUp);
      }
      assertThat(late.restarts).containsExactly(end);
      assertThat(late.toldBefore).containsExactly(0);
      assertThat(late.told.subList(0, 100)).isEqualTo(after);
    }
  }
}
