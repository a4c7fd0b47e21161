package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.fastpath.FastPath;
import dev.sluice.fastpath.FastPathStatistics;
import dev.sluice.fastpath.Outcome;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.route.Link;
import dev.sluice.route.Rtnetlink;
import dev.sluice.testing.Conntrack;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Scale;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Connections through the real agent's fast path. What the programs counted is read from the
 * kernel, whether or not there is an agent.
 */
class FastPathIT {
  private static final double SHARE = 0.95;
  private static final int MANY = 300;

  @AutoClose private Lab lab;
  @AutoClose private NetworkNamespace host;
  private final List<Talk> talks = new ArrayList<>();
  private Path directory = Path.of("/nowhere");

  @BeforeEach
  void build(@TempDir Path agents) {
    directory = agents;
    lab = Lab.builder().agentWillConfigureHost().noServers().build();
    host = NetworkNamespace.open(lab.host().path());
  }

  @AfterEach
  void hangUp() {
    talks.forEach(Talk::close);
  }

  private BareAgent start(String... options) {
    BareAgent agent = BareAgent.start(lab.host(), directory, options);
    if (List.of(options).contains("--fastpath=off")) {
      return agent;
    }
    await(
        "the fast path serves",
        Duration.ofSeconds(20),
        () -> finding(agent).found().contains("out0 (tcx)"),
        () -> finding(agent) + "; the agent said " + agent.said());
    return agent;
  }

  private static Finding finding(BareAgent agent) {
    return agent.api().findings().value().stream()
        .filter(one -> one.check().equals("fastpath"))
        .findFirst()
        .orElseThrow();
  }

  private static void publish(BareAgent agent, String name, String port, String... targets) {
    agent
        .api()
        .publish(
            new PublishRequest(
                List.of(PortSpec.parse(port)),
                java.util.Arrays.stream(targets).map(IpAddress::parse).toList(),
                Optional.of(new MappingName(name)),
                Owner.CLI,
                MappingOptions.NONE));
  }

  private static void await(String what, BooleanSupplier condition) {
    await(what, Duration.ofSeconds(10), condition);
  }

  private static void await(String what, Duration limit, BooleanSupplier condition) {
    await(what, limit, condition, () -> "");
  }

  private static void await(
      String what, Duration limit, BooleanSupplier condition, Supplier<String> otherwise) {
    long deadlineNanos = System.nanoTime() + limit.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadlineNanos) {
        throw new AssertionError("not within %s: %s %s".formatted(limit, what, otherwise.get()));
      }
      BareAgent.pause();
    }
  }

  /** What the kernel has, of whichever agent attached it last; empty if nothing is attached. */
  private Optional<FastPathStatistics> attached() {
    try {
      return host.call(
          () -> {
            List<Integer> devices;
            try (Rtnetlink routes = Rtnetlink.open()) {
              devices = routes.links().stream().map(Link::index).toList();
            }
            List<FastPath> found = FastPath.orphans(devices);
            assertThat(found).as("all devices have the programs of one agent").hasSizeLessThan(2);
            Optional<FastPathStatistics> statistics =
                found.stream().map(FastPath::statistics).findFirst();
            found.forEach(FastPath::close);
            return statistics;
          });
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private FastPathStatistics statistics() {
    return attached().orElseThrow();
  }

  private Talk keep(Talk talk) {
    talks.add(talk);
    return talk;
  }

  /** Talks until packets are carried both ways. */
  private void awaitCarried(Talk talk) {
    FastPathStatistics before = statistics();
    await(
        "carried both ways",
        () -> {
          FastPathStatistics now = talk(talk, 8);
          return now.of(Outcome.INWARD) > before.of(Outcome.INWARD) + 4
              && now.of(Outcome.OUTWARD) > before.of(Outcome.OUTWARD) + 4;
        });
  }

  private FastPathStatistics talk(Talk talk, int count) {
    talk.exchange(count);
    return statistics();
  }

  /** Nearly all its packets are carried. */
  private void assertCarried(Talk talk) {
    FastPathStatistics before = statistics();
    FastPathStatistics after = talk(talk, MANY);
    long carried = after.carried() - before.carried();
    assertThat(carried).isGreaterThanOrEqualTo((long) (2 * MANY * SHARE));
    assertThat((double) carried / (after.seen() - before.seen()))
        .as("%s, before %s", after, before)
        .isGreaterThan(SHARE);
  }

  /**
   * Fails if the agent attaches no programs, does not say where a container is, does not answer
   * their requests, or a family, a protocol or what containers begin is left out.
   */
  @Test
  void publishedPortsAndEgressAreCarried() {
    try (BareAgent agent = start()) {
      publish(agent, "web", "8080:80", Lab.C1, Lab.C1_6);
      publish(agent, "dns", "53:53/udp", Lab.C1, Lab.C1_6);
      List<Talk> all =
          List.of(
              keep(Talk.udp(lab.client(), Lab.HOST, 53, lab.c1(), 53)),
              keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c1(), 80)),
              keep(Talk.tcp(lab.client(), Lab.HOST6, 8080, lab.c1(), 80)),
              keep(Talk.tcp(lab.c2(), Lab.CLIENT, 4444, lab.client(), 4444)),
              keep(Talk.tcp(lab.c2(), Lab.CLIENT6, 4444, lab.client(), 4444)));
      all.forEach(this::awaitCarried);
      all.forEach(this::assertCarried);
      assertThat(finding(agent).severity()).isEqualTo(Severity.OK);
      assertThat(finding(agent).found()).contains("2 ports of bridges");
    }
  }

  /**
   * Acceptance row 50. Fails if programs go with the agent, if they go on when conntrack knows the
   * connection no longer, if the next agent does not take their place, or leaves them when it is to
   * be without.
   */
  @Test
  void connectionsGoOnWithoutTheAgent() {
    Talk first;
    Talk second;
    try (BareAgent agent = start()) {
      publish(agent, "web", "8080:80", Lab.C1);
      first = keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c1(), 80));
      second = keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c1(), 80));
      awaitCarried(first);
      awaitCarried(second);
      agent.kill();
    }
    int seconds = Scale.count("dead.seconds", 0, 600);
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    do {
      assertCarried(first);
    } while (System.nanoTime() < end);
    Scale.report("50", "carried on for " + seconds + " s without an agent");
    Conntrack.in(lab.host()).run("-D", "-p", "tcp", "--orig-port-dst", "8080").orFail();
    await(
        "the kernel's own path has it again",
        Duration.ofSeconds(5),
        () -> {
          long before = statistics().carried();
          tryTo(first);
          tryTo(second);
          return statistics().carried() == before;
        });
    try (BareAgent next = start()) {
      Talk third = keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c1(), 80));
      awaitCarried(third);
      assertThat(next.stop()).isZero();
      assertCarried(third);
      try (BareAgent without = start("--fastpath=off")) {
        assertThat(attached()).isEmpty();
        assertThat(finding(without).found()).contains("is off");
        third.exchange(MANY);
      }
    }
  }

  private static void tryTo(Talk talk) {
    try {
      talk.exchange(1);
    } catch (UncheckedIOException e) {
      // Without its entry it leads nowhere: it is reset, as it is without a fast path.
      assertThat(e).hasMessageContaining("ended");
    }
  }

  /** Acceptance row 51. Fails if flows beyond the limit are refused, or nobody is told. */
  @Test
  void whatThereIsNoRoomForTakesTheSlowPath() {
    try (BareAgent agent = start("--fastpath-flows", "1")) {
      publish(agent, "web", "8080:80", Lab.C1);
      Talk first = keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c1(), 80));
      Talk second = keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c1(), 80));
      awaitCarried(first);
      await("no room", () -> talk(second, 8).of(Outcome.FULL) > 0);
      assertCarried(first);
      assertThat(finding(agent).severity()).isEqualTo(Severity.NOTE);
      assertThat(finding(agent).found()).contains("it had no room for a flow");
      assertThat(agent.said()).noneMatch(line -> line.contains("WARN"));
    }
  }

  /**
   * Acceptance row 51. Fails if an agent that cannot load the programs does not serve, says it
   * never or twice, or starts although it was to have them.
   */
  @Test
  void whereProgramsAreRefusedEverythingTakesTheSlowPath() {
    // As on a kernel that does not describe its types. That a capability is missing is told in the
    // tests of the library: the agent needs CAP_SYS_ADMIN, which stands for the others.
    String[] oldKernel = {
      "unshare", "-m", "sh", "-c", "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"", "sh"
    };
    KeptAgent agent = KeptAgent.start(lab.host(), directory, oldKernel);
    agent.awaitPublished();
    agent.sluice("publish", "-p", "8080:80", "--to", Lab.C1).orFail();
    keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c1(), 80)).exchange(MANY);
    await("a warning", () -> agent.keeper().lines().stream().anyMatch(FastPathIT::isRefusal));
    assertThat(agent.sluice("doctor").stdout())
        .containsPattern("fastpath +the fast path cannot be used.*: no /sys/kernel/btf/vmlinux")
        .contains("use Linux 6.1 or newer, built with CONFIG_DEBUG_INFO_BTF");
    assertThat(attached()).isEmpty();
    agent.stop();
    assertThat(agent.keeper().lines().stream().filter(FastPathIT::isRefusal)).hasSize(1);

    KeptAgent insisting =
        KeptAgent.start(lab.host(), directory, oldKernel, new String[] {"--fastpath=on"});
    insisting
        .keeper()
        .awaitLine(
            ".*the fast path cannot be used: .*no /sys/kernel/btf.*", Duration.ofSeconds(20));
    insisting.stop();
  }

  private static boolean isRefusal(String line) {
    return line.contains("no fast path: ") && line.contains("no /sys/kernel/btf");
  }

  /** Fails if the timeout of an entry is not kept up while its packets are carried, or for ever. */
  @Test
  void anEntryStaysWhilePacketsPassAndGoesWhenTheyStop() {
    lab.host().sysctl("net.netfilter.nf_conntrack_tcp_timeout_established=2");
    try (BareAgent agent = start()) {
      publish(agent, "web", "8080:80", Lab.C1);
      Talk talk = keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c1(), 80));
      awaitCarried(talk);
      long endNanos = System.nanoTime() + Duration.ofSeconds(4).toNanos();
      long before = statistics().carried();
      while (System.nanoTime() < endNanos) {
        talk.exchange(1);
        BareAgent.pause();
      }
      assertThat(statistics().carried() - before).isGreaterThan(100);
      assertThat(entries()).hasSize(1);
      await("the end of its entry", () -> entries().isEmpty());
    }
  }

  private List<String> entries() {
    return Conntrack.in(lab.host()).list("-p", "tcp", "--orig-port-dst", "8080");
  }

  /** Fails if a container that comes to an address is not found there, or is taken for another. */
  @Test
  void anotherContainerWithTheSameAddressIsFound() {
    try (BareAgent agent = start()) {
      publish(agent, "web", "8080:80", Lab.C1);
      Talk talk = keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c1(), 80));
      awaitCarried(talk);
      String mac = lab.c1().mac("eth0");
      lab.c1().ip("link del eth0");
      await("known no longer", () -> finding(agent).found().contains("1 ports of bridges"));
      // With the first one's address, and, as Docker does it, the same hardware address.
      lab.c2()
          .ip(
              "addr flush dev eth0",
              "link set eth0 address " + mac,
              "addr add " + Lab.C1 + "/24 dev eth0",
              "route add default via 172.30.0.1");
      Talk other = keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c2(), 80));
      awaitCarried(other);
      assertCarried(other);
    }
  }

  /**
   * Acceptance row 50. Fails if a flow goes on being sent to the device of a container that has
   * gone while there was no agent: only the kernel knows then.
   */
  @Test
  void aContainerThatComesWithoutAnAgentIsReached() {
    Talk talk;
    try (BareAgent agent = start()) {
      publish(agent, "dns", "53:53/udp", Lab.C1);
      talk = keep(Talk.udp(lab.client(), Lab.HOST, 53, lab.c1(), 53));
      awaitCarried(talk);
      agent.kill();
    }
    // The same address, and, as Docker does it, the same hardware address.
    String mac = lab.c1().mac("eth0");
    lab.host()
        .ip(
            "link del vc1",
            "link add vc1 type veth peer name eth0 netns " + lab.c1().name(),
            "link set vc1 up master br0");
    lab.c1()
        .ip(
            "link set eth0 address " + mac,
            "link set eth0 up",
            "addr add " + Lab.C1 + "/24 dev eth0",
            "route add default via 172.30.0.1");
    await("an answer", Duration.ofSeconds(5), talk::passes);
    talk.exchange(MANY);
  }

  /**
   * Fails if packets are carried past a bandwidth limit or a filter that somebody adds to a device
   * that already has our programs, or not again once it has gone.
   */
  @Test
  void limitsAndFiltersThatComeLaterAreObeyed() {
    try (BareAgent agent = start()) {
      publish(agent, "web", "8080:80", Lab.C1);
      Talk talk = keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c1(), 80));
      awaitCarried(talk);

      tc(
          "qdisc", "add", "dev", "vc1", "root", "tbf", "rate", "1gbit", "burst", "1mb", "latency",
          "50ms");
      await("the queue is respected", () -> finding(agent).found().contains("discipline tbf"));
      long before = statistics().carried();
      talk.exchange(MANY);
      assertThat(statistics().carried()).isEqualTo(before);
      tc("qdisc", "del", "dev", "vc1", "root");
      awaitCarried(talk);
      assertCarried(talk);

      tc("qdisc", "add", "dev", "out0", "clsact");
      tc("filter", "add", "dev", "out0", "ingress", "bpf", "da", "bytecode", "1,6 0 0 2,");
      await("theirs comes first", () -> finding(agent).found().contains("out0 (clsact)"));
      assertThat(talk.passes()).isFalse();
      tc("qdisc", "del", "dev", "out0", "clsact");
      await("ours is alone", () -> finding(agent).found().contains("out0 (tcx)"));
      awaitCarried(talk);
      assertCarried(talk);
    }
  }

  private void tc(String... words) {
    lab.host()
        .exec(Stream.concat(Stream.of("tc"), Stream.of(words)).toArray(String[]::new))
        .orFail();
  }

  /**
   * Acceptance row 53. Fails if connections that are carried in bulk are told of a change only when
   * they are compared with conntrack the next time.
   */
  @Test
  void whatIsTakenBackLedElsewhereOrRestrictedFollowsAtOnce() {
    try (BareAgent agent = start()) {
      List<Prefix> nobody = List.of(Prefix.parse("192.0.2.0/24"));
      Map<String, Consumer<BareAgent>> changes =
          Map.of(
              "unpublish",
              any -> any.api().unpublish("web"),
              "update --to",
              any ->
                  any.api().update(UpdateRequest.of("web").to(IpAddress.parse(Lab.C2)).cutting()),
              "update --allow",
              any ->
                  any.api()
                      .update(
                          UpdateRequest.of("web")
                              .withOptions(OptionsChange.NONE.withAllowedSources(nobody))));
      changes.forEach(
          (what, change) -> {
            publish(agent, "web", "8080:80", Lab.C1);
            assertThat(millisUntilTheLastByte(agent, change)).as(what).isLessThan(100);
            if (!what.equals("unpublish")) {
              agent.api().unpublish("web");
            }
          });
    }
  }

  /** How long after the change has been answered something still arrives. */
  private long millisUntilTheLastByte(BareAgent agent, Consumer<BareAgent> change) {
    Talk talk = keep(Talk.tcp(lab.client(), Lab.HOST, 8080, lab.c1(), 80));
    awaitCarried(talk);
    FastPathStatistics before = statistics();
    Talk.Bulk bulk = talk.sendAllTheTime();
    await("so much in bulk", () -> bulk.bytes() > 50 << 20);
    FastPathStatistics after = statistics();
    assertThat((double) (after.carried() - before.carried()) / (after.seen() - before.seen()))
        .isGreaterThan(SHARE);
    change.accept(agent);
    long answeredNanos = System.nanoTime();
    long quietNanos = Duration.ofMillis(300).toNanos();
    await("the end", () -> System.nanoTime() - bulk.lastNanos() > quietNanos);
    return Duration.ofNanos(Math.max(0, bulk.lastNanos() - answeredNanos)).toMillis();
  }
}
