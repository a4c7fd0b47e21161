package dev.sluice.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Destination;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.UpdateRequest;
import dev.sluice.model.UpdateRequest.BackendsChange;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import dev.sluice.testing.Scale;
import dev.sluice.testing.Traffic;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What becomes of sandboxes without being asked for: they end, and their links are meddled with.
 */
class SandboxLifeIT extends NetworkCase {
  private static final long SEED = Long.getLong("sluice.seed", 20261121L);

  /** Fails if the end of a namespace is not followed: its port stays, or its address. */
  @Test
  void theEndOfASandboxTakesBackWhatItHad() {
    network("blue", "10.95.0.0/30");
    join("web", List.of("blue"), "8080:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).outcome())
        .isEqualTo(Traffic.Outcome.REFUSED); // nobody serves yet, but it leads there
    endNamespace("web");
    await("the port is taken back", () -> published().isEmpty());
    await("it is forgotten", () -> sandbox("web").isEmpty());
    // The only address there is.
    join("next", List.of("blue"), "8080:80");
    assertThat(published()).containsExactly("0.0.0.0:8080->80/tcp 10.95.0.2");
  }

  /**
   * Fails if a container that shares connections stays when it has ended, takes the port along, or
   * the last one leaves the port behind.
   */
  @Test
  void oneOfSeveralLeavesWithItsSandbox() {
    network("blue", "10.97.0.0/24");
    network("red", "10.98.0.0/24");
    join("one", List.of("blue"));
    join("two", List.of("blue", "red"));
    agent.publish(
        new PublishRequest(
            List.of(PortSpec.parse("8080:80")),
            Destination.parse(List.of("one", "two=2")),
            Optional.of(new MappingName("web")),
            Owner.CLI,
            MappingOptions.NONE));
    assertThat(backends())
        .isEqualTo(address("one", "blue") + " and " + address("two", "blue") + "=2");
    disconnect("two", "blue");
    assertThat(backends())
        .isEqualTo(address("one", "blue") + " and " + address("two", "red") + "=2");
    restart();
    endNamespace("one");
    // It keeps its weight for the case that others come.
    String left = address("two", "red") + "=2";
    await("the other has it all", () -> backends().equals(left));
    leave("two");
    assertThat(published()).isEmpty();
    assertThat(nft.ruleset()).doesNotContain("spread_");
  }

  /**
   * Fails if a sandbox of both families cannot be the target of a port of one, or cannot be removed
   * from it, or one that is named twice, once by an address, cannot leave.
   */
  @Test
  void aSandboxOfBothFamiliesTakesPartOfAPortOfOne() {
    network("blue", "10.97.0.0/24", "fd97::/64");
    network("red", "10.98.0.0/24");
    join("one", List.of("blue"), "0.0.0.0:8080:80");
    join("two", List.of("blue", "red"));
    String one = address("one", "blue");
    String two = address("two", "blue");
    agent.update(UpdateRequest.of("one").with(new BackendsChange(to("two"), Destination.NONE)));
    assertThat(backends()).isEqualTo(one + " and " + two);
    agent.update(UpdateRequest.of("one").with(new BackendsChange(Destination.NONE, to("one"))));
    assertThat(backends()).isEqualTo(two);
    String second = address("two", "red");
    agent.update(UpdateRequest.of("one").with(new BackendsChange(to(second), Destination.NONE)));
    disconnect("two", "blue");
    assertThat(backends()).isEqualTo(second);
  }

  private static Destination to(String target) {
    return Destination.parse(List.of(target));
  }

  private String backends() {
    return agent.publisher().published().get(0).mapping().backends().toString();
  }

  /**
   * Fails if an agent that comes back does not notice, or takes somebody else's link for its own.
   */
  @Test
  void whatHappenedWhileNobodyLookedIsFollowed() {
    network("blue", "10.96.0.0/24");
    join("web", List.of("blue"), "8080:80");
    join("stays", List.of("blue"), "8081:80");
    stop();
    endNamespace("web");
    lab.host()
        .ip(
            "link add half0 type veth peer name half1",
            "link set half0 alias \"sluice endpoint 0123456789ab gone blue\"",
            "link add sl-left type bridge",
            "link set sl-left alias \"sluice network left\"",
            "link add theirs type bridge",
            "link set theirs alias \"sluicegate\"");
    restart();
    await("the port is taken back", () -> published().size() == 1);
    assertThat(published()).containsExactly("0.0.0.0:8081->80/tcp " + address("stays", "blue"));
    assertThat(lab.host().exec("ip", "-o", "link").orFail().stdout())
        .doesNotContain("half0")
        .doesNotContain("sl-left")
        .contains("theirs");
  }

  /** Row 14. Fails if a bridge or a wire that somebody meddles with stays broken. */
  @Test
  void meddlingWithLinksIsMended() {
    network("blue", "10.97.0.0/24");
    join("web", List.of("blue"), "8080:80");
    serve("web", "80", "");
    String wire = "sl" + sandbox("web").orElseThrow().endpoints().get(0).id();
    lab.host().ip("link set " + wire + " nomaster");
    serves("plugged in again");
    lab.host().ip("link set " + wire + " name renamed0");
    lab.host().ip("link set sl-blue name other0");
    await(
        "the network follows its bridge",
        () ->
            agent
                .networking()
                .topology()
                .network("blue")
                .orElseThrow()
                .bridge()
                .text()
                .equals("other0"));
    serves("under other names");
    lab.host().ip("link delete other0");
    serves("the bridge is made anew");
    leave("web");
    assertThat(lab.host().exec("ip", "-o", "link").orFail().stdout()).doesNotContain("renamed0");
  }

  private void serves(String when) {
    await(when, () -> "web:80".equals(serverOf(lab.client().traffic().tcp(Lab.HOST, 8080, 0.3))));
  }

  private static String serverOf(Traffic.Answer answer) {
    return answer.outcome() == Traffic.Outcome.ANSWERED ? answer.server() : "";
  }

  /** Fails if a sandbox is known by the path of its namespace, or by the number of its file. */
  @Test
  void anotherNamespaceAtTheSamePathIsLeftAlone() {
    network("blue", "10.94.0.0/24");
    Netns first = namespace("web");
    join("web", List.of("blue"));
    disconnect("web", "blue"); // without a link, nothing tells of its end at once
    endNamespace("web");
    Ran.run("ip", "netns", "add", first.name()).orFail();
    try {
      assertThatThrownBy(() -> connect("web", "blue"))
          .hasMessageStartingWith("\"" + first.path() + "\" is another network namespace");
      assertThat(links(first.name())).doesNotContain("eth0");
      agent.inside(
          () -> {
            agent.networking().upkeep().sweep();
            return true;
          });
      assertThat(sandbox("web")).as("swept").isEmpty();
    } finally {
      Ran.run("ip", "netns", "delete", first.name()).orFail();
    }
  }

  /**
   * Row 14. A namespace ends at a random moment of joining, or another takes its place: nothing is
   * left of it, and nothing is written into the other. Fails if a namespace is known by its path,
   * or by the number of its file.
   */
  @Test
  void aNamespaceMayEndAtAnyMoment() throws Exception {
    int rounds = Scale.count("lives", 30, 1_000);
    network("blue", "10.98.0.0/16");
    network("green", "10.99.0.0/16");
    List<String> before = state();
    Random random = new Random(SEED);
    ExecutorService other = Executors.newSingleThreadExecutor();
    int refused = 0;
    try {
      for (int round = 0; round < rounds; round++) {
        String name = "w" + round;
        Netns first = namespace(name);
        Path path = first.path();
        long delayMicros = random.nextInt(8_000);
        SandboxRequest request =
            sandboxRequest(name, List.of("blue"), List.of(), List.of(), "20001:80");
        Future<?> joining = other.submit(() -> join(request));
        Thread.sleep(delayMicros / 1_000, (int) (delayMicros % 1_000) * 1_000);
        endNamespace(name);
        // Another namespace by the same name, and most often with the same number.
        Ran.run("ip", "netns", "add", first.name()).orFail();
        try {
          try {
            joining.get();
          } catch (ExecutionException e) {
            assertThat(e).cause().message().doesNotContain("\n").isNotBlank();
            refused++;
          }
          try {
            agent.inside(
                () ->
                    agent
                        .networking()
                        .connect(
                            new SandboxName(name),
                            Attachment.to("green"),
                            Optional.empty(),
                            Owner.CLI));
            throw new AssertionError("the sandbox " + name + " had ended");
          } catch (NetworkException e) {
            // It is not there any more, or its path leads to another namespace.
            assertThat(e.getMessage()).contains(name);
          }
          assertThat(Path.of(path.toString())).exists();
          assertThat(links(first.name())).doesNotContain("eth");
        } finally {
          Ran.run("ip", "netns", "delete", first.name()).orFail();
        }
        await("the port is free", () -> published().isEmpty());
      }
      await("nothing is left", () -> state().equals(before));
    } finally {
      other.shutdownNow();
    }
    Scale.report("14", rounds + " namespaces ended while joining, " + refused + " joins refused");
  }

  private String links(String namespace) {
    return Ran.run("ip", "-n", namespace, "-o", "link").orFail().stdout();
  }

  /** Row 13. Fails if a sandbox leaves a descriptor, a thread, a link, an address or a port. */
  @Test
  void sandboxesLeaveNothingBehind() throws Exception {
    int count = Scale.count("sandboxes", 40, 5_000);
    int hands = 4;
    network("blue", "10.100.0.0/16");
    join("warm", List.of("blue"), "20000:80");
    leave("warm");
    List<String> before = state();
    long descriptors = descriptors();
    int threads = Thread.activeCount();
    ExecutorService pool = Executors.newFixedThreadPool(hands);
    try {
      List<Future<?>> all = new ArrayList<>();
      for (int hand = 0; hand < hands; hand++) {
        int mine = hand;
        all.add(pool.submit(() -> lives(mine, count / hands)));
      }
      for (Future<?> one : all) {
        one.get();
      }
    } finally {
      pool.shutdownNow();
    }
    await("nothing is left", () -> state().equals(before));
    assertThat(agent.networking().topology().sandboxes()).isEmpty();
    assertThat(descriptors()).isLessThanOrEqualTo(descriptors + 4);
    assertThat(Thread.activeCount()).isLessThanOrEqualTo(threads + hands);
    Scale.report("13", count + " sandboxes created and removed, " + hands + " at a time");
  }

  private void lives(int hand, int count) {
    for (int i = 0; i < count; i++) {
      String name = "h" + hand + "-" + i;
      join(name, List.of("blue"), (20_000 + hand) + ":80");
      if (i % 2 == 0) {
        leave(name);
        endNamespace(name);
      } else {
        endNamespace(name);
        await("its end is followed", () -> sandbox(name).isEmpty());
      }
    }
  }

  private static long descriptors() throws IOException {
    try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
      return open.count();
    }
  }
}
