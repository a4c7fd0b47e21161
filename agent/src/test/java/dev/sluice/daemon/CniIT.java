package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.PublishedMapping;
import dev.sluice.testing.CniRuntime;
import dev.sluice.testing.CniRuntime.Container;
import dev.sluice.testing.CniRuntime.Outcome;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The plugins as a runtime calls them: Debian's real {@code bridge} and {@code host-local} with
 * {@code sluice} in the place of {@code portmap}, and {@code sluice-bridge} with {@code sluice}.
 */
@TestInstance(Lifecycle.PER_CLASS)
class CniIT {
  private static final String PORTS =
      "[{\"hostPort\":8080,\"containerPort\":80,\"protocol\":\"tcp\"},"
          + "{\"hostPort\":5353,\"containerPort\":53,\"protocol\":\"udp\"}]";

  private static final String SLUICE =
      "{\"type\":\"sluice\",\"snat\":true,\"capabilities\":{\"portMappings\":true}}";

  private static final String SLUICE_BRIDGE =
      "{\"type\":\"sluice-bridge\",\"subnets\":[{\"subnet\":\"10.90.0.0/24\"},"
          + "{\"subnet\":\"fd00:90::/64\"}]}";

  private final Lab lab = Lab.builder().containers(0).agentWillConfigureHost().noServers().build();
  private final Netns scratch = Netns.create("scratch");
  private final Netns c1 = Netns.create("cni1");
  private Path directory;
  private BareAgent agent;
  private CniRuntime real;
  private CniRuntime own;

  @BeforeAll
  void start(@TempDir Path temporary) {
    directory = temporary;
    // The fast path opens sockets when it has been tested, some time after the start.
    agent = BareAgent.start(lab.host(), directory, "--fastpath=off");
    Path socket = directory.resolve("sluice.sock");
    real =
        new CniRuntime(
            lab.host(),
            directory,
            socket,
            "1.0.0",
            "real",
            "{\"type\":\"bridge\",\"bridge\":\"cni0\",\"isGateway\":true,\"ipMasq\":true,"
                + "\"hairpinMode\":true,\"ipam\":{\"type\":\"host-local\",\"dataDir\":\""
                + directory.resolve("ipam")
                + "\",\"ranges\":[[{\"subnet\":\"10.88.0.0/16\"}],[{\"subnet\":\"fd00:88::/64\"}]],"
                + "\"routes\":[{\"dst\":\"0.0.0.0/0\"},{\"dst\":\"::/0\"}]}}",
            SLUICE);
    own = new CniRuntime(lab.host(), directory, socket, "1.1.0", "own", SLUICE_BRIDGE, SLUICE);
    c1.traffic().serve("c1", "80", "53");
  }

  @AfterAll
  void stop() {
    agent.close();
    c1.close();
    scratch.close();
    lab.close();
  }

  @AfterEach
  void nothingIsLeft() {
    assertThat(published()).isEmpty();
    assertThat(directory.resolve("cni").toFile().list()).isNullOrEmpty();
  }

  private static JsonNode json(String text) {
    return JsonMapper.shared().readTree(text);
  }

  private List<String> published() {
    return agent.api().published().value().stream()
        .map(PublishedMapping::mapping)
        .map(one -> one.owner() + " " + one.hostText())
        .sorted()
        .toList();
  }

  private void isReachedFromEverywhere() {
    for (String address : List.of(Lab.HOST, Lab.HOST6)) {
      assertThat(lab.client().traffic().tcp(address, 8080).server()).isEqualTo("c1:80");
      assertThat(lab.client().traffic().udp(address, 5353).server()).isEqualTo("c1:53");
      assertThat(c1.traffic().tcp(address, 8080).server()).as("hairpin").isEqualTo("c1:80");
    }
    for (String address : List.of("127.0.0.1", "::1", Lab.HOST, Lab.HOST6)) {
      assertThat(lab.host().traffic().tcp(address, 8080).server()).isEqualTo("c1:80");
    }
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).peer()).isEqualTo(Lab.CLIENT);
  }

  // ---- beside the real plugins

  /**
   * Fails if a chain that works with portmap does not work with sluice, prints another result, or
   * leaves something behind.
   */
  @ParameterizedTest
  @ValueSource(strings = {"0.3.1", "0.4.0", "1.0.0"})
  void takesThePlaceOfPortmap(String version) {
    CniRuntime runtime = real.in(version);
    Container container = new Container("takes-" + version, c1, PORTS);
    Outcome added = runtime.add(container).orFail();
    JsonNode before = json(added.ran().get(0).stdout());
    try {
      assertThat(added.json())
          .isEqualTo(json(runtime.real("portmap", scratch, container, before).orFail().stdout()));
      assertThat(published())
          .containsExactly(
              "cni 0.0.0.0:5353->53/udp",
              "cni 0.0.0.0:8080->80/tcp",
              "cni [::]:5353->53/udp",
              "cni [::]:8080->80/tcp");
      isReachedFromEverywhere();
      if (!version.equals("0.3.1")) {
        runtime.check(container, added.json()).orFail();
      }
      // Once more: the same, and not a second time.
      assertThat(runtime.last("ADD", container, before).orFail().json()).isEqualTo(added.json());
      assertThat(published()).hasSize(4);
    } finally {
      runtime.delete(container, added.json()).orFail();
    }
    assertThat(published()).isEmpty();
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).blocked()).isTrue();
    runtime.last("DEL", container, before).orFail();
  }

  /** Fails if CHECK looks at what the agent remembers, and not at what the kernel has. */
  @Test
  void checkSeesWhatSomebodyTookBack() {
    Container container = new Container("check", c1, PORTS);
    Outcome added = real.add(container).orFail();
    agent.api().published().value().stream()
        .filter(one -> one.mapping().hostPorts().first() == 8080)
        .forEach(one -> agent.api().unpublish(one.mapping().id().toString()));
    Outcome checked = real.last("CHECK", container, added.json());
    assertThat(checked.errorCode()).isEqualTo(101);
    assertThat(checked.json().get("msg").asString()).contains("8080/tcp");
    // ADD repairs it.
    real.last("ADD", container, added.json()).orFail();
    real.last("CHECK", container, added.json()).orFail();
    real.delete(container, added.json()).orFail();
  }

  /** Fails if a port that somebody has is taken from him, or half of a container's ports stay. */
  @Test
  void aTakenPortIsAnErrorAndNothingIsPublished() {
    agent.api().publish(List.of("5353:53/udp"), "10.88.0.77", Optional.of("mine"));
    Container container = new Container("taken", c1, PORTS);
    Outcome added = real.add(container);
    assertThat(added.errorCode()).isEqualTo(100);
    assertThat(added.json().get("msg").asString()).contains("5353/udp", "mine");
    assertThat(published()).containsExactly("api 0.0.0.0:5353->53/udp");
    real.delete(container, null).orFail();
    agent.api().unpublish("mine");
  }

  // ---- both plugins of ours, with everything that came with 1.1.0

  /** Fails if the two do not work together, or GC and STATUS do not work at all. */
  @Test
  void theNetworkCanBeOursToo() {
    Container container = new Container("own", c1, PORTS);
    Outcome added = own.add(container).orFail();
    isReachedFromEverywhere();
    own.check(container, added.json()).orFail();
    own.last("STATUS", container, null).orFail();
    assertThat(own.add(container).orFail().json()).isEqualTo(added.json());
    String mac = added.json().get("interfaces").get(2).get("mac").asString();
    assertThat(c1.mac("eth0")).isEqualTo(mac);

    String valid = "{\"cniVersion\":\"1.1.0\",\"name\":\"own\",\"cni.dev/valid-attachments\":[%s]}";
    Map<String, String> collect = Map.of("CNI_COMMAND", "GC");
    String ours = "{\"containerID\":\"own\",\"ifname\":\"eth0\"}";
    for (String plugin : List.of("sluice", "sluice-bridge")) {
      own.raw(plugin, collect, valid.formatted(ours)).orFail();
    }
    own.check(container, added.json()).orFail();
    for (String plugin : List.of("sluice", "sluice-bridge")) {
      own.raw(plugin, collect, valid.formatted("")).orFail();
    }
    assertThat(published()).isEmpty();
    assertThat(own.check(container, added.json()).ran())
        .extracting(Ran::exitCode)
        .containsExactly(1, 1);
    own.delete(container, added.json()).orFail();
    agent.api().removeNetwork("own");
  }

  /** Fails if the client and the agent do not speak the same versions. */
  @Test
  void tellsItsVersions() {
    Ran ran = own.raw("sluice", Map.of("CNI_COMMAND", "VERSION"), "{\"cniVersion\":\"1.0.0\"}");
    assertThat(json(ran.orFail().stdout()).get("supportedVersions"))
        .extracting(JsonNode::asString)
        .containsExactly("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
        .allSatisfy(
            version -> {
              Container nobody = new Container("nobody", c1, "[]");
              own.in(version).last("DEL", nobody, null).orFail();
            });
  }

  // ---- an agent that is not there

  /** Fails if a container cannot be removed, or its ports come back, because the agent is away. */
  @Test
  void deletionsWaitForAnAgentThatIsAway() {
    Container container = new Container("away", c1, PORTS);
    Outcome added = real.add(container).orFail();
    agent.kill();
    assertThat(real.last("ADD", container, added.json()).errorCode()).isEqualTo(11);
    assertThat(real.last("CHECK", container, added.json()).errorCode()).isEqualTo(11);
    assertThat(own.last("STATUS", container, null).errorCode()).isEqualTo(50);
    // The kernel still has it.
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
    real.delete(container, added.json()).orFail();
    assertThat(directory.resolve("cni").toFile().list()).hasSize(1);
    agent = BareAgent.start(lab.host(), directory, "--fastpath=off");
    assertThat(published()).isEmpty();
  }

  /**
   * An agent that is killed over an ADD: the runtime takes it as failed, and says DEL. Fails if
   * half of the ports are published then, or some stay.
   */
  @Test
  void anAgentKilledOverAnAddLeavesAllOrNothing() throws Exception {
    String ports =
        IntStream.range(9000, 9400)
            .mapToObj(port -> "{\"hostPort\":%d,\"containerPort\":80}".formatted(port))
            .collect(Collectors.joining(",", "[", "]"));
    Container container = new Container("killed", c1, ports);
    JsonNode result = real.add(new Container("killed", c1, "[]")).orFail().json();
    for (int pauseMillis : new int[] {0, 12}) {
      CompletableFuture<Outcome> adding =
          CompletableFuture.supplyAsync(() -> real.last("ADD", container, result));
      Thread.sleep(pauseMillis);
      agent.kill();
      Outcome added = adding.get();
      agent = BareAgent.start(lab.host(), directory, "--fastpath=off");
      assertThat(published())
          .satisfiesAnyOf(none -> assertThat(none).isEmpty(), all -> assertThat(all).hasSize(800));
      if (added.last().exitCode() == 0) {
        assertThat(published()).hasSize(800);
      } else {
        assertThat(added.errorCode()).isEqualTo(11);
      }
      real.last("DEL", container, result).orFail();
      assertThat(published()).isEmpty();
    }
    real.delete(container, result).orFail();
  }

  // ---- many, and hostile ones

  /** Fails if parallel calls get in each other's way, or leave something behind. */
  @Test
  void manyAtOnceLeaveNothing() throws Exception {
    JsonNode result = real.add(new Container("many", c1, "[]")).orFail().json();
    int descriptors = agent.sockets();
    ExecutorService threads = Executors.newFixedThreadPool(16);
    List<CompletableFuture<Void>> all = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      Container container =
          new Container(
              "many" + i, c1, "[{\"hostPort\":%d,\"containerPort\":80}]".formatted(7000 + i));
      all.add(
          CompletableFuture.runAsync(
              () -> {
                real.last("ADD", container, result).orFail();
                real.last("DEL", container, result).orFail();
              },
              threads));
    }
    for (CompletableFuture<Void> one : all) {
      one.get();
    }
    threads.shutdown();
    assertThat(published()).isEmpty();
    real.delete(new Container("many", c1, "[]"), result).orFail();
    // Connections of the clients may still be closing.
    for (int i = 0; i < 200 && agent.sockets() > descriptors; i++) {
      BareAgent.pause();
    }
    assertThat(agent.sockets()).isLessThanOrEqualTo(descriptors);
  }

  /** Fails if one of them is anything but one CNI error, or changes something. */
  @Test
  void hostileCallsAreOneErrorEach() {
    String config = "{\"cniVersion\":\"1.0.0\",\"name\":\"%s\",\"prevResult\":{}}";
    Map<String, String> usual =
        Map.of("CNI_COMMAND", "ADD", "CNI_CONTAINERID", "a", "CNI_IFNAME", "eth0");
    List<Ran> all = new ArrayList<>();
    for (String name : List.of("../../x", "a b", "$(reboot)", "a\\u0000b", "é")) {
      all.add(own.raw("sluice", usual, config.formatted(name)));
    }
    for (String id : List.of("../a", "a;b", "'", "a\nb")) {
      Map<String, String> environment = new HashMap<>(usual);
      environment.put("CNI_CONTAINERID", id);
      all.add(own.raw("sluice-bridge", environment, config.formatted("own")));
    }
    all.add(own.raw("sluice", usual, "x".repeat(2 << 20)));
    all.add(own.raw("sluice", usual, "[".repeat(1 << 20)));
    all.add(own.raw("sluice", usual, ""));
    for (Ran ran : all) {
      assertThat(ran.exitCode()).isEqualTo(1);
      JsonNode error = json(ran.stdout());
      assertThat(error.get("code").asInt()).isIn(4, 6, 7);
      assertThat(error.get("msg").asString()).isNotEmpty();
    }
    assertThat(published()).isEmpty();
  }
}
