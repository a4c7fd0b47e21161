package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.api.ApiClient;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.SourceRate;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Conntrack;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Scale;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Many requests to the real agent: at the same moment, and for a long time. */
@Tag("alone")
class ContentionIT {
  @AutoClose private Lab lab;
  @AutoClose private BareAgent agent;

  @BeforeEach
  void start(@TempDir Path directory) {
    lab = Lab.builder().agentWillConfigureHost().build();
    // It opens descriptors beside, and tests count these.
    agent = BareAgent.start(lab.host(), directory, "--fastpath=off");
    // The network is attached and everything has been loaded once.
    agent.api().publish(request("first", Lab.C1, MappingOptions.NONE, "8888:80", "8888:80/udp"));
    agent.api().update(UpdateRequest.of("first").to(IpAddress.parse(Lab.C2)));
    agent.api().unpublish("first");
  }

  private static PublishRequest request(
      String name, String target, MappingOptions options, String... ports) {
    List<PortSpec> specs = new ArrayList<>();
    for (String port : ports) {
      specs.add(PortSpec.parse(port));
    }
    return new PublishRequest(
        specs,
        List.of(IpAddress.parse(target)),
        Optional.of(new MappingName(name)),
        Owner.CLI,
        options);
  }

  // ---- races

  /** What came of one of two requests: the problem, if it was refused. */
  private static Optional<Problem> publish(
      ApiClient api, CyclicBarrier start, PublishRequest request) throws Exception {
    start.await(10, TimeUnit.SECONDS);
    try {
      api.publish(request);
      return Optional.empty();
    } catch (ProblemException e) {
      return Optional.of(e.problem());
    }
  }

  /**
   * Fails if a port can be published twice, if the loser is told anything but who has the port, or
   * if anything of the loser's request stays: its other port, a socket, an element.
   */
  @Test
  void ofTwoPublishersOneWinsAndTheOtherIsToldWho() throws Exception {
    int races = Scale.count("races", 20, 100);
    Map<String, Integer> wins = new TreeMap<>();
    ExecutorService two = Executors.newFixedThreadPool(2);
    try (ApiClient a = agent.client();
        ApiClient b = agent.client()) {
      HostState before = HostState.of(lab.host());
      a.published();
      b.published();
      int sockets = agent.sockets();
      for (int race = 0; race < races; race++) {
        CyclicBarrier start = new CyclicBarrier(2);
        Future<Optional<Problem>> ofA =
            two.submit(
                () ->
                    publish(
                        a, start, request("a", Lab.C1, MappingOptions.NONE, "9001:80", "9000:80")));
        Future<Optional<Problem>> ofB =
            two.submit(
                () ->
                    publish(
                        b, start, request("b", Lab.C2, MappingOptions.NONE, "9002:80", "9000:80")));
        boolean aWon = ofA.get().isEmpty();
        String winner = aWon ? "a" : "b";
        Problem problem = (aWon ? ofB : ofA).get().orElseThrow();
        assertThat(problem.kind()).isEqualTo(Problem.Kind.CONFLICT);
        assertThat(problem.detail())
            .isEqualTo(
                "port 9000/tcp on 0.0.0.0 is taken: published as %s (0.0.0.0:9000->80/tcp); unpublish that first, or choose another host port"
                    .formatted(winner));
        wins.merge(winner, 1, Integer::sum);
        assertThat(agent.api().published().value())
            .extracting(one -> one.mapping().label())
            .containsOnly(winner)
            .hasSize(2);
        assertThat(agent.sockets()).isEqualTo(sockets + 2);
        agent.api().unpublish(winner);
      }
      assertThat(HostState.of(lab.host()).since(before)).isEmpty();
      assertThat(agent.sockets()).isEqualTo(sockets);
    } finally {
      two.shutdownNow();
    }
    Scale.report("20", races + " races, won by " + wins);
  }

  /** Fails if a port that a process of the host listens on is published over, or in part. */
  @Test
  void aPortThatAProcessHasIsAConflict() throws Exception {
    HostState before = HostState.of(lab.host());
    int sockets = agent.sockets();
    try (NetworkNamespace namespace = NetworkNamespace.open(lab.host().path());
        ServerSocket listener = namespace.call(() -> new ServerSocket(9000))) {
      assertThat(listener.isBound()).isTrue();
      assertThatThrownBy(
              () ->
                  agent
                      .api()
                      .publish(request("a", Lab.C1, MappingOptions.NONE, "9001:80", "9000:80")))
          .isInstanceOf(ProblemException.class)
          .hasMessage(
              "port 9000/tcp on 0.0.0.0 is taken by a process of this host: stop it, or choose another host port");
    }
    assertThat(HostState.of(lab.host()).since(before)).isEmpty();
    assertThat(agent.sockets()).isEqualTo(sockets);
    agent.api().publish(request("a", Lab.C1, MappingOptions.NONE, "9001:80", "9000:80"));
  }

  // ---- churn

  private static final int FIRST_PORT = 9000;
  private static final int PORTS = 60;
  private static final List<String> TARGETS = List.of(Lab.C1, Lab.C2);

  /** What ought to be published: of each name the ports, {@code 9000/tcp}, and where they lead. */
  private static final class Model {
    final Map<String, Set<String>> ports = new TreeMap<>();
    final Map<String, String> targets = new TreeMap<>();
    int named;

    boolean isTaken(String port) {
      return ports.values().stream().anyMatch(taken -> taken.contains(port));
    }

    Set<String> lines() {
      Set<String> lines = new TreeSet<>();
      ports.forEach(
          (name, all) ->
              all.forEach(port -> lines.add(name + " " + port + " " + targets.get(name))));
      return lines;
    }
  }

  private static Set<String> lines(List<PublishedMapping> published) {
    Set<String> lines = new TreeSet<>();
    for (PublishedMapping one : published) {
      Mapping mapping = one.mapping();
      lines.add(
          mapping.label()
              + " "
              + mapping.hostPorts()
              + "/"
              + mapping.protocol()
              + " "
              + mapping.targetAddress());
    }
    return lines;
  }

  private static String spec(String port) {
    return port.endsWith("/udp") ? port.replace("/udp", ":53/udp") : port.replace("/tcp", ":80");
  }

  private static Set<String> somePorts(Random random) {
    Set<String> ports = new HashSet<>();
    int count = 1 + random.nextInt(4);
    for (int i = 0; i < count; i++) {
      int port = FIRST_PORT + random.nextInt(PORTS);
      ports.add(port + (random.nextInt(3) == 0 ? "/udp" : "/tcp"));
    }
    return ports;
  }

  private static MappingOptions someOptions(Random random) {
    return switch (random.nextInt(6)) {
      case 0 ->
          new MappingOptions(
              List.of(Prefix.parse("198.18.0.0/24")), OptionalInt.empty(), Optional.empty());
      case 1 ->
          new MappingOptions(List.of(), OptionalInt.of(1 + random.nextInt(50)), Optional.empty());
      case 2 ->
          new MappingOptions(
              List.of(),
              OptionalInt.empty(),
              Optional.of(new SourceRate(100 + random.nextInt(5), SourceRate.Per.SECOND)));
      default -> MappingOptions.NONE;
    };
  }

  /**
   * Fails if anything of a withdrawn mapping stays: an element, the chain of a rate, a socket, a
   * reserved port, a flow; or if the table and the requests that were granted drift apart.
   */
  @Test
  void afterChurnThereIsExactlyWhatWasAskedFor() {
    long seconds = Scale.count("churn.seconds", 4, 1_800);
    long pauseMillis = Scale.FULL ? 20 : 0;
    long seed = Long.getLong("sluice.seed", System.nanoTime());
    Random random = new Random(seed);
    HostState before = HostState.of(lab.host());
    agent.api().published();
    int sockets = agent.sockets();
    int descriptors = agent.descriptors();
    int threads = agent.threads();
    Model model = new Model();
    int requests = 0;
    int refused = 0;
    long deadlineNanos = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    try {
      while (System.nanoTime() < deadlineNanos) {
        refused += step(random, model) ? 0 : 1;
        requests++;
        if (requests % 100 == 0) {
          assertThat(lines(agent.api().published().value())).isEqualTo(model.lines());
        }
        if (requests % 25 == 0) {
          talk(random);
        }
        sleep(pauseMillis);
      }
      assertThat(lines(agent.api().published().value())).isEqualTo(model.lines());
      for (String name : model.ports.keySet()) {
        agent.api().unpublish(name);
      }
      Conntrack flows = Conntrack.in(lab.host());
      assertThat(flows.list("--dst-nat")).isEmpty();
      flows.flush(); // those to ports that were not published
      assertThat(HostState.of(lab.host()).since(before)).isEmpty();
      assertThat(agent.sockets()).isEqualTo(sockets);
      assertThat(agent.descriptors()).isEqualTo(descriptors);
      assertThat(agent.threads()).isLessThanOrEqualTo(threads + 2); // the compiler's come and go
    } catch (RuntimeException | AssertionError e) {
      throw new AssertionError("seed %d, request %d".formatted(seed, requests), e);
    }
    Scale.report(
        "11",
        "%d requests in %d s, %d refused as the model says, seed %d"
            .formatted(requests, seconds, refused, seed));
  }

  private static void sleep(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted", e);
    }
  }

  private void talk(Random random) {
    int port = FIRST_PORT + random.nextInt(PORTS);
    var unused = lab.client().traffic().udp(Lab.HOST, port);
    unused = lab.client().traffic().tcp(Lab.HOST, port);
  }

  /** One request; whether it was granted, which the model must agree with. */
  private boolean step(Random random, Model model) {
    List<String> names = List.copyOf(model.ports.keySet());
    int choice = names.isEmpty() ? 0 : random.nextInt(names.size() < 12 ? 10 : 20);
    String target = TARGETS.get(random.nextInt(TARGETS.size()));
    if (choice < 5) {
      String name = "n" + model.named++; // one that is in use would be added to
      Set<String> ports = somePorts(random);
      String[] specs = ports.stream().map(ContentionIT::spec).toArray(String[]::new);
      boolean free = ports.stream().noneMatch(model::isTaken);
      boolean granted =
          granted(() -> agent.api().publish(request(name, target, someOptions(random), specs)));
      assertThat(granted).as("publish %s; last refusal: %s", ports, lastRefusal).isEqualTo(free);
      if (granted) {
        model.ports.put(name, ports);
        model.targets.put(name, target);
      }
      return granted;
    }
    String name = names.get(random.nextInt(names.size()));
    if (choice < 8) {
      return update(random, model, name, target);
    }
    agent.api().unpublish(name);
    model.ports.remove(name);
    model.targets.remove(name);
    return true;
  }

  private boolean update(Random random, Model model, String name, String target) {
    UpdateRequest update = UpdateRequest.of(name).to(IpAddress.parse(target));
    Set<String> ports = new TreeSet<>(model.ports.get(name));
    boolean free = true;
    if (random.nextBoolean()) {
      String more = somePorts(random).iterator().next();
      free = !model.isTaken(more);
      update = update.adding(PortSpec.parse(spec(more)));
      ports.add(more);
    }
    if (random.nextInt(3) == 0) {
      OptionalInt limit = random.nextBoolean() ? OptionalInt.of(9) : OptionalInt.empty();
      update = update.withOptions(OptionsChange.NONE.withMaxConnections(limit));
    }
    UpdateRequest request = update;
    boolean granted = granted(() -> agent.api().update(request));
    assertThat(granted).as("%s; last refusal: %s", request, lastRefusal).isEqualTo(free);
    if (granted) {
      model.ports.put(name, ports);
      model.targets.put(name, target);
    }
    return granted;
  }

  /** Why the last request was refused that was. */
  private String lastRefusal = "";

  private boolean granted(Runnable request) {
    try {
      request.run();
      return true;
    } catch (ProblemException e) {
      assertThat(e.problem().kind()).as(e.getMessage()).isEqualTo(Problem.Kind.CONFLICT);
      lastRefusal = e.problem().detail();
      return false;
    }
  }
}
