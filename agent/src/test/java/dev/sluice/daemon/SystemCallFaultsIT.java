package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.api.ApiClient;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Scale;
import dev.sluice.testing.Strace;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The real agent, whose system calls fail, one at a time, while it publishes, updates and
 * unpublishes: the request is carried out or refused in one sentence, and the host is exactly as it
 * was before, or exactly as it is after a request that nothing happened to.
 *
 * <p>{@code -Dsluice.scale=full} makes every call fail with every error; {@code
 * -Dsluice.faults=COUNT} so many of them, evenly spread.
 */
class SystemCallFaultsIT {
  private static final List<String> ERRORS =
      List.of("ENOBUFS", "EINTR", "ENOMEM", "EAGAIN", "EMFILE");
  private static final Set<String> CALLS =
      new TreeSet<>(
          List.of(
              "sendto",
              "sendmsg",
              "recvmsg",
              "recvfrom",
              "socket",
              "bind",
              "setsockopt",
              "getsockname",
              "openat",
              "write",
              "pwrite64"));

  /** How long a connection that broke off may take to go. */
  private static final Duration SETTLED = Duration.ofSeconds(2);

  @AutoClose private Lab lab;
  @AutoClose private BareAgent agent;
  private Path log = Path.of("/nowhere");
  private int networks;

  @BeforeEach
  void start(@TempDir Path directory) {
    lab = Lab.builder().containers(0).noServers().agentWillConfigureHost().build();
    // The self-test of the fast path has sockets of its own, for a moment.
    agent = BareAgent.start(lab.host(), directory, "--fastpath=off");
    log = directory.resolve("strace");
  }

  /** A network that the agent has not seen yet: for it there is everything to be done. */
  private record Fresh(Netns host, int number) implements AutoCloseable {
    static Fresh create(Netns host, int number) {
      Fresh fresh = new Fresh(host, number);
      String bridge = fresh.bridge();
      host.ip(
          "link add %s type bridge".formatted(bridge),
          "link add v%s type veth peer name w%s".formatted(bridge, bridge),
          "link set v%s up master %s".formatted(bridge, bridge),
          "link set w%s up".formatted(bridge),
          "link set %s up".formatted(bridge),
          "addr add %s dev %s".formatted(fresh.address("1") + "/24", bridge),
          "addr add %s dev %s".formatted(fresh.address6("1") + "/64", bridge));
      return fresh;
    }

    String bridge() {
      return "bf" + number;
    }

    String address(String last) {
      return "10.%d.%d.%s".formatted(100 + number / 250, number % 250, last);
    }

    String address6(String last) {
      return "fd40:%x::%s".formatted(number, last);
    }

    List<IpAddress> target(String last) {
      return List.of(IpAddress.parse(address(last)), IpAddress.parse(address6(last)));
    }

    static List<String> likened(List<String> lines) {
      return HostState.likened(
          lines,
          "\\bbf\\d+\\b",
          "BRIDGE",
          "\\b10\\.1\\d\\d\\.\\d+\\.",
          "NET.",
          "\\bfd40:[0-9a-f]+::",
          "NET6::",
          "\\bmetric \\d+",
          "metric M",
          // Their keys are made of ids.
          "^([+-] set \"(traffic|draining)\") .*",
          "$1");
    }

    @Override
    public void close() {
      host.ip("link del v" + bridge(), "link del " + bridge());
    }
  }

  private enum Request {
    PUBLISH {
      @Override
      void carryOut(ApiClient api, Fresh network) {
        publish(api, network);
      }
    },
    UPDATE {
      @Override
      void carryOut(ApiClient api, Fresh network) {
        api.update(
            UpdateRequest.of("web")
                .to(network.target("3").toArray(IpAddress[]::new))
                .removing(PortSpec.parse("5353:53/udp"))
                .adding(PortSpec.parse("41000:90"), PortSpec.parse("5354:54/udp"))
                .withOptions(OptionsChange.NONE.withMaxConnections(OptionalInt.of(7))));
      }
    },
    UNPUBLISH {
      @Override
      void carryOut(ApiClient api, Fresh network) {
        api.unpublish("web");
      }
    };

    abstract void carryOut(ApiClient api, Fresh network);

    /** What has to be there before, with a flow that the request ends. */
    void prepare(ApiClient api, Fresh network) {
      String translated = "";
      if (this != PUBLISH) {
        publish(api, network);
        translated = " --dst-nat " + network.address("2") + ":53";
      }
      String flow =
          "conntrack -I -p udp -s %s -d %s --sport 1234 --dport 5353 --timeout 600%s"
              .formatted(Lab.CLIENT, Lab.HOST, translated);
      network.host().exec("sh", "-c", flow).orFail();
    }

    private static void publish(ApiClient api, Fresh network) {
      List<PortSpec> ports =
          Stream.of("8080:80", "40000:81", "5353:53/udp", "7000-7003:7000-7003")
              .map(PortSpec::parse)
              .toList();
      api.publish(
          new PublishRequest(
              ports,
              network.target("2"),
              Optional.of(new MappingName("web")),
              Owner.CLI,
              MappingOptions.NONE));
    }
  }

  /** What a request does when nothing goes wrong. */
  private record Reference(List<String> changes, int sockets, Map<String, Integer> calls) {}

  private record Fault(
      Request request, Reference reference, String call, int number, String error) {
    String injection() {
      return "inject=%s:error=%s:when=%d".formatted(call, error, number);
    }

    @Override
    public String toString() {
      return request + " with " + injection();
    }
  }

  /**
   * Fails if an error behind the transaction counts as a failure of the request, if a lost answer
   * is not followed by a look at the table, if what a failed step did is not undone (a port kept, a
   * parameter left, a route left), or if a dump that broke off blocks the next.
   */
  @Test
  void whateverCallFailsTheRequestIsCarriedOutOrNothingIsChanged() {
    withNetwork(network -> Request.PUBLISH.carryOut(agent.api(), network)); // forwarding is on now
    Map<Request, Reference> references = new EnumMap<>(Request.class);
    for (Request request : Request.values()) {
      references.put(request, measure(request));
    }
    List<Fault> all = faults(references);
    int wanted = Math.min(Scale.count("faults", 20, all.size()), all.size());
    int carriedOut = 0;
    int injected = 0;
    for (int i = 0; i < wanted; i++) {
      Fault fault = all.get((int) ((long) i * all.size() / wanted));
      Result result = inject(fault);
      carriedOut += result.carriedOut() ? 1 : 0;
      injected += result.injected() ? 1 : 0;
    }
    Scale.report(
        "3, 12",
        "%d of %d faults at system calls, %d took place; %d requests carried out, %d refused"
            .formatted(wanted, all.size(), injected, carriedOut, wanted - carriedOut));
    // How often a call is made varies a little: dumps come in more or fewer parts.
    assertThat(injected).as("faults that took place").isGreaterThanOrEqualTo(wanted * 4 / 5);
    assertThat(agent.isAlive()).isTrue();
  }

  private interface Step {
    void in(Fresh network);
  }

  /** Runs {@code step}, and leaves nothing published. */
  private void withNetwork(Step step) {
    try (Fresh network = Fresh.create(lab.host(), ++networks)) {
      step.in(network);
      unpublishAll();
      lab.host().exec("conntrack", "-F").orFail();
    }
  }

  private void unpublishAll() {
    if (!agent.api().published().value().isEmpty()) {
      agent.api().unpublish("web");
    }
    assertThat(agent.api().published().value()).isEmpty();
  }

  private Reference measure(Request request) {
    List<Reference> reference = new ArrayList<>();
    withNetwork(
        network -> {
          request.prepare(agent.api(), network);
          HostState before = HostState.of(lab.host());
          int sockets = agent.sockets();
          Strace strace =
              Strace.attach(
                  lab.host(),
                  agent.servingThreads(),
                  log,
                  "-e",
                  "trace=" + String.join(",", CALLS));
          request.carryOut(agent.api(), network);
          strace.close();
          reference.add(
              new Reference(
                  Fresh.likened(HostState.of(lab.host()).since(before)),
                  agent.sockets() - sockets,
                  strace.calls()));
        });
    System.out.println(request + " calls " + reference.get(0).calls());
    return reference.get(0);
  }

  private static List<Fault> faults(Map<Request, Reference> references) {
    List<Fault> faults = new ArrayList<>();
    int turn = 0;
    references.forEach((request, reference) -> assertThat(reference.calls()).isNotEmpty());
    for (int round = 0; round < ERRORS.size(); round++) {
      for (Map.Entry<Request, Reference> each : references.entrySet()) {
        for (Map.Entry<String, Integer> calls : each.getValue().calls().entrySet()) {
          for (int number = 1; number <= calls.getValue(); number++) {
            String error = ERRORS.get((turn++ + round) % ERRORS.size());
            faults.add(new Fault(each.getKey(), each.getValue(), calls.getKey(), number, error));
          }
        }
      }
    }
    return faults;
  }

  private record Result(boolean carriedOut, boolean injected) {}

  private Result inject(Fault fault) {
    Reference reference = fault.reference();
    List<Result> result = new ArrayList<>();
    withNetwork(
        network -> {
          fault.request().prepare(agent.api(), network);
          HostState before = HostState.of(lab.host());
          agent.api().published();
          int sockets = agent.sockets();
          Optional<Boolean> carriedOut = Optional.empty();
          Strace strace =
              Strace.attach(
                  lab.host(),
                  agent.servingThreads(),
                  log,
                  "-e",
                  "trace=" + fault.call(),
                  "-e",
                  fault.injection());
          try {
            fault.request().carryOut(agent.api(), network);
            carriedOut = Optional.of(true);
          } catch (ProblemException e) {
            assertOneSentence(fault, e.problem());
            carriedOut = Optional.of(false);
          } catch (AgentUnreachableException e) {
            // The connection itself was hit: the client cannot know, but we can look.
          }
          strace.close();
          List<String> changes = Fresh.likened(HostState.of(lab.host()).since(before));
          boolean done = carriedOut.orElse(!changes.isEmpty());
          assertThat(changes)
              .as("%s, %s; the agent said %s", fault, carriedOut, last(agent.said()))
              .isEqualTo(done ? reference.changes() : List.of());
          awaitSockets(fault, sockets + (done ? reference.sockets() : 0));
          if (!done) {
            fault.request().carryOut(agent.api(), network);
            assertThat(Fresh.likened(HostState.of(lab.host()).since(before)))
                .as("%s, and then once more", fault)
                .isEqualTo(reference.changes());
            awaitSockets(fault, sockets + reference.sockets());
          }
          result.add(new Result(done, !strace.injected().isEmpty()));
        });
    return result.get(0);
  }

  private static List<String> last(List<String> said) {
    return said.subList(Math.max(0, said.size() - 5), said.size());
  }

  private static void assertOneSentence(Fault fault, Problem problem) {
    assertThat(problem.kind())
        .as("%s: %s", fault, problem.detail())
        .isNotEqualTo(Problem.Kind.INTERNAL);
    assertThat(problem.detail())
        .as("%s", fault)
        .isNotBlank()
        .doesNotContain("\n")
        .doesNotContain("Exception");
  }

  private void awaitSockets(Fault fault, int expected) {
    agent.api().published();
    long deadlineNanos = System.nanoTime() + SETTLED.toNanos();
    while (agent.sockets() != expected && System.nanoTime() < deadlineNanos) {
      BareAgent.pause();
    }
    assertThat(agent.sockets()).as("sockets after %s", fault).isEqualTo(expected);
  }
}
