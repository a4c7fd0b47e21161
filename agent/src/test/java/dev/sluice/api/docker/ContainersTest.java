package dev.sluice.api.docker;

import static dev.sluice.api.docker.ScriptedEngine.NETWORK;
import static dev.sluice.api.docker.ScriptedEngine.id;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.FakeAgent;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.NamesAt;
import dev.sluice.model.Network;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.SandboxChange;
import dev.sluice.net.IpAddress;
import dev.sluice.network.HostNetworks;
import dev.sluice.network.NetworkTable;
import dev.sluice.network.Topology;
import dev.sluice.route.Rtnetlink;
import dev.sluice.sysctl.Sysctl;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is published of the containers of an engine that answers as a test wants it to. */
class ContainersTest {
  private static final long LIMIT_NANOS = 20_000_000_000L;

  private final FakeAgent agent = new FakeAgent();
  private final Topology topology = new Topology(List.of(), List.of());
  private final HostNetworks host = new HostNetworks(Rtnetlink.open(), new Sysctl());
  private final NetworkTable table = new Table();
  private final List<String> unknown = new ArrayList<>();
  private ScriptedEngine engine;
  private EngineClient client;
  private Containers containers;

  @BeforeEach
  void start(@TempDir Path directory) throws IOException {
    engine = new ScriptedEngine(directory);
    client = new EngineClient(engine.socket());
    EngineNetworks networks = new EngineNetworks(table, topology, host);
    containers = new Containers(client, networks, agent, unknown::add);
  }

  @AfterEach
  void end() {
    client.close();
    engine.close();
    host.close();
  }

  private EngineFollower follow() {
    return EngineFollower.start(engine.socket(), agent, table, topology, host);
  }

  private List<String> published() {
    return agent.mappings().stream()
        .map(one -> one.label() + " " + one.hostPorts() + " " + one.backends())
        .sorted()
        .toList();
  }

  private MappingId publish(Owner owner, String name, String ports, String target) {
    List<Mapping> made =
        agent.publish(
            new PublishRequest(
                List.of(PortSpec.parse(ports)),
                List.of(IpAddress.parse(target)),
                Optional.of(new MappingName(name)),
                owner,
                MappingOptions.NONE));
    return made.get(0).id();
  }

  private List<MappingId> idsOf(String name) {
    return agent.publishedBy(Owner.DOCKER, new MappingName(name)).stream()
        .map(Mapping::id)
        .toList();
  }

  private static EngineEvent event(String type, String action, String id, String name, String of) {
    return new EngineEvent(type, action, id, name, of, 1);
  }

  private static void await(String what, BooleanSupplier condition) throws InterruptedException {
    long deadlineNanos = System.nanoTime() + LIMIT_NANOS;
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("%s, in time", what).isLessThan(deadlineNanos);
      Thread.sleep(5);
    }
  }

  /** Fails if nothing is published before the engine tells of the start. */
  @Test
  void whatWasAskedForIsPublishedBeforeTheContainerRuns() {
    engine.container('a', "web", false, "", 8080);
    containers.created(client.container(id('a')).orElseThrow());
    assertThat(containers.connected(event("network", "connect", NETWORK, "blue", id('a'))))
        .isTrue();
    assertThat(published()).containsExactly("web 8080 172.31.9.2");
  }

  /**
   * Fails if a comparison takes back what is being started, or does not let one go whose end nobody
   * was told of.
   */
  @Test
  void comparingLeavesWhatIsBeingStarted() {
    engine.containers(engine.container('a', "web", false, "", 8080));
    containers.created(client.container(id('a')).orElseThrow());
    containers.connected(event("network", "connect", NETWORK, "blue", id('a')));
    containers.compare(false);
    assertThat(published()).containsExactly("web 8080 172.31.9.2");
    containers.compare(true);
    assertThat(published()).isEmpty();
  }

  /** Fails if a container that did not run when all was compared is never looked at. */
  @Test
  void containersThatDoNotRunAreLookedAtToo() {
    engine.containers(engine.container('a', "web", false, "", 8080));
    containers.compare(true);
    assertThat(unknown).containsExactly(id('a'));
  }

  /** Fails if the engine is asked for everybody on a network because of one without ports. */
  @Test
  void aContainerWithoutPortsCostsNoQuestion() {
    containers.connected(event("network", "connect", NETWORK, "blue", id('c')));
    assertThat(engine.asked()).isEmpty();
  }

  /** Fails if a container for which the engine does not answer keeps the others waiting. */
  @Test
  void aContainerThatIsStuckDoesNotStopTheOthers() {
    engine.containers(
        engine.container('a', "stuck", true, "172.31.9.2", 8080),
        engine.container('b', "web", true, "172.31.9.3", 8081));
    engine.fallSilent("/containers/" + id('a') + "/json");
    containers.compare(true);
    assertThat(published()).containsExactly("stuck 8080 172.31.9.2", "web 8081 172.31.9.3");
    assertThat(containers.problems()).isEmpty();
  }

  /** Fails if one container that makes no sense keeps the others from being published. */
  @Test
  void aContainerThatMakesNoSenseIsAProblemOfItsOwn() {
    engine.containers(
        "{\"Id\":\""
            + id('c')
            + "\",\"Names\":[\"/odd\"],\"State\":\"running\","
            + "\"NetworkSettings\":{\"Networks\":{\"x\":{\"IPAddress\":\"nowhere\"}}}}",
        engine.container('b', "web", true, "172.31.9.3", 8081));
    containers.compare(true);
    assertThat(published()).containsExactly("web 8081 172.31.9.3");
    assertThat(containers.problems()).singleElement().asString().contains("nowhere");
  }

  /** Fails if a problem that comparing has found outlives what has been published since. */
  @Test
  void aProblemEndsWithItsReason() {
    publish(Owner.CLI, "mine", "0.0.0.0:8080:80", "172.31.9.9");
    engine.containers(engine.container('a', "web", true, "172.31.9.2", 8080));
    containers.compare(true);
    assertThat(containers.problems()).singleElement().asString().contains("web", "mine");
    agent.unpublish("mine");
    containers.refresh(id('a'));
    assertThat(containers.problems()).isEmpty();
    assertThat(published()).containsExactly("web 8080 172.31.9.2");
  }

  /** Fails if containers that have changed names while nobody looked lose their mappings. */
  @Test
  void namesMayChangeHands() {
    MappingId first = publish(Owner.DOCKER, "web", "0.0.0.0:8080:80", "172.31.9.2");
    MappingId second = publish(Owner.DOCKER, "new", "0.0.0.0:8081:80", "172.31.9.3");
    engine.containers(
        engine.container('a', "old", true, "172.31.9.2", 8080),
        engine.container('b', "web", true, "172.31.9.3", 8081));
    containers.compare(true);
    assertThat(published()).containsExactly("old 8080 172.31.9.2", "web 8081 172.31.9.3");
    assertThat(idsOf("old")).containsExactly(first);
    assertThat(idsOf("web")).containsExactly(second);
  }

  /** Fails if a name that was passed on takes the ports of who had it before, told late. */
  @Test
  void whatIsToldLateTakesNobodysPorts() {
    engine.containers(
        engine.container('a', "web", true, "172.31.9.2", 8080),
        engine.container('b', "new", true, "172.31.9.3", 8081));
    containers.compare(true);
    MappingId first = idsOf("web").get(0);
    engine.container('a', "old", true, "172.31.9.2", 8080);
    engine.container('b', "web", true, "172.31.9.3", 8081);
    containers.refresh(id('b'));
    assertThat(published()).containsExactly("new 8081 172.31.9.3", "web 8080 172.31.9.2");
    assertThat(containers.isBehind()).isTrue();
    containers.renamed(event("container", "rename", id('a'), "old", ""));
    containers.renamed(event("container", "rename", id('b'), "web", ""));
    assertThat(published()).containsExactly("old 8080 172.31.9.2", "web 8081 172.31.9.3");
    assertThat(idsOf("old")).containsExactly(first);
  }

  /**
   * Fails if after a failure nothing is compared as long as events arrive, or if the failure is not
   * told, or is told when it is over.
   */
  @Test
  void afterAFailureAllIsComparedHoweverMuchHappens() throws InterruptedException {
    engine.containers(engine.container('a', "web", true, "172.31.9.2", 8080));
    engine.fail("/networks");
    try (EngineFollower follower = follow()) {
      await("the failure is told", () -> follower.statistics().failure().isPresent());
      assertThat(follower.statistics().failure().orElseThrow()).contains("out of order");
      engine.mend("/networks");
      await(
          "it is published",
          () -> {
            engine.emit();
            return !published().isEmpty();
          });
      await("it is over", () -> follower.statistics().failure().isEmpty());
    }
  }

  /** Fails if a port that could not be published is not tried again. */
  @Test
  void whatCouldNotBePublishedIsTriedAgain() throws InterruptedException {
    publish(Owner.CLI, "mine", "0.0.0.0:8080:80", "172.31.9.9");
    engine.containers(engine.container('a', "web", true, "172.31.9.2", 8080));
    try (EngineFollower follower = follow()) {
      await("it is a problem", () -> !follower.statistics().problems().isEmpty());
      agent.unpublish("mine");
      await("it is published", () -> published().equals(List.of("web 8080 172.31.9.2")));
    }
  }

  /** Fails if a container whose ports lead nowhere is passed over in silence. */
  @Test
  void aContainerOnOtherNetworksOnlyIsAProblem() {
    engine.answer(
        "/networks/" + NETWORK,
        "{\"Id\":\"%s\",\"Name\":\"blue\",\"Driver\":\"overlay\",\"IPAM\":{}}".formatted(NETWORK));
    engine.container('a', "web", true, "172.31.9.2", 8080);
    assertThat(containers.refresh(id('a'))).isFalse();
    assertThat(containers.problems())
        .singleElement()
        .asString()
        .contains("web", "blue (driver overlay)", "docker network connect");
    containers.destroyed(id('a'));
    assertThat(containers.problems()).isEmpty();
  }

  /** Fails if a spelling that the engine takes for a truth value is taken for another one. */
  @Test
  void truthIsSpelledAsTheEngineSpellsIt() {
    assertThat(List.of("1", "t", "T", "TRUE", "true", "True"))
        .allSatisfy(text -> assertThat(EngineNetwork.truth(text)).contains(true));
    assertThat(List.of("0", "f", "F", "FALSE", "false", "False"))
        .allSatisfy(text -> assertThat(EngineNetwork.truth(text)).contains(false));
    assertThat(EngineNetwork.truth("no")).isEmpty();
  }

  /** A table without a kernel. */
  private final class Table implements NetworkTable {
    @Override
    public void attach(Network network, Set<NamesAt> names) {
      topology.put(network);
    }

    @Override
    public void detach(Network network, Set<NamesAt> names) {
      topology.remove(network);
    }

    @Override
    public Set<NamesAt> names() {
      return Set.of();
    }

    @Override
    public void reload() {}

    @Override
    public void answerNames(Set<NamesAt> noLonger, Set<NamesAt> now) {}

    @Override
    public void rename(Network before, Network now) {
      topology.remove(before);
      topology.put(now);
    }

    @Override
    public List<Mapping> change(SandboxChange change, List<PublishRequest> publish) {
      return List.of();
    }
  }
}
