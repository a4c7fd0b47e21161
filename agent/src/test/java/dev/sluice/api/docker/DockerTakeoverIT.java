package dev.sluice.api.docker;

import static dev.sluice.api.docker.TakeoverCase.await;
import static dev.sluice.api.docker.TakeoverCase.served;
import static dev.sluice.api.docker.TakeoverCase.web;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.DockerEngine;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Ran;
import dev.sluice.testing.Traffic;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * A real Docker engine that writes no rules, its real command line, and an agent that follows it.
 */
class DockerTakeoverIT {
  private static final String IMAGE = DockerEngine.IMAGE;
  private static final String[] OPTIONS = options();

  private static TakeoverCase lab;

  private static String[] options() {
    List<String> options = new ArrayList<>(DockerEngine.WITHOUT_RULES);
    options.add("--live-restore");
    return options.toArray(String[]::new);
  }

  @BeforeAll
  static void build() {
    lab = TakeoverCase.create(OPTIONS);
    lab.startAgent();
    // The first container finds a virtual machine that has not done any of it before.
    lab.run("first", "-p", "8000:80", IMAGE);
    await("it is published", () -> lab.published("first").size() == 1);
    lab.engine().docker("rm", "-f", "first");
  }

  @AfterAll
  static void tearDown() {
    lab.close();
  }

  @AfterEach
  void removeContainers() {
    lab.engine().endTraffic();
    String all = lab.engine().docker("ps", "-aq");
    if (!all.isEmpty()) {
      List<String> command = new ArrayList<>(List.of("rm", "-f"));
      command.addAll(all.lines().toList());
      lab.engine().docker(command.toArray(String[]::new));
    }
    lab.engine().docker("network", "prune", "-f");
    await("nothing is published", () -> lab.statistics().containers() == 0);
    assertThat(lab.agent().<Integer>inside(() -> lab.agent().publisher().published().size()))
        .as("left behind")
        .isZero();
  }

  private static Traffic client() {
    return lab.client().traffic();
  }

  /**
   * Fails if a port is not published as it was asked for: by number, in ranges, for one address, of
   * udp, chosen by the engine.
   */
  @Test
  void everyWayOfAskingForAPort() {
    lab.run("web", "-p", "8080:80", "-p", "127.0.0.1:8085:80", IMAGE);
    assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");
    assertThat(served(lab.host(), "127.0.0.1:8085")).isEqualTo("hello");
    assertThat(served(lab.host(), "127.0.0.1:8080")).isEqualTo("hello");
    assertThat(web(lab.client(), Lab.HOST + ":8085")).isEqualTo("refused");

    lab.run(
        "many",
        "-p",
        "9000-9002:9000-9002",
        "-p",
        "9103-9105:7003-7005",
        "-p",
        Lab.HOST_2 + ":5300:53/udp",
        "-P",
        IMAGE);
    lab.engine().traffic("many").serve("many", "9000-9002,7003-7005", "53");
    assertThat(client().tcp(Lab.HOST, 9001).server()).isEqualTo("many:9001");
    assertThat(client().tcp(Lab.HOST, 9105).server()).isEqualTo("many:7005");
    assertThat(client().udp(Lab.HOST_2, 5300).server()).isEqualTo("many:53");
    assertThat(client().udp(Lab.HOST, 5300).blocked()).isTrue();
    String chosen = lab.engine().docker("port", "many", "80/tcp");
    assertThat(served(lab.client(), chosen.replace("0.0.0.0", Lab.HOST))).isEqualTo("hello");
    assertThat(lab.published("many"))
        .as("identity ranges are one mapping")
        .anyMatch(text -> text.contains("9000-9002"));

    assertThat(lab.engine().docker("ps", "--format", "{{.Names}} {{.Ports}}"))
        .contains("web 0.0.0.0:8080->80/tcp, 127.0.0.1:8085->80/tcp")
        .contains("0.0.0.0:9000-9002->9000-9002/tcp");
    assertThat(lab.engine().docker("port", "web")).contains("80/tcp -> 0.0.0.0:8080");
    assertThat(lab.statistics().latencies().own().count()).isPositive();
    assertThat(lab.statistics().problems()).isEmpty();

    // From inside: another container, and the container itself.
    assertThat(lab.webFrom("many", Lab.HOST + ":8080")).isEqualTo("hello");
    assertThat(lab.webFrom("web", Lab.HOST + ":8080")).isEqualTo("hello");
    assertThat(lab.webFrom("web", "172.17.0.1:8080")).isEqualTo("hello");

    // Out of it, as the host.
    client().serve("outside", "82", "");
    assertThat(lab.engine().traffic("many").tcp(Lab.CLIENT, 82).peer()).isEqualTo(Lab.HOST);
  }

  /**
   * Fails if who connects while a container is being started meets the socket by which the engine
   * holds the port, and waits for ever: it is published before the engine tells of the start.
   */
  @Test
  void aPortIsInForceBeforeItsContainerRuns() {
    lab.engine().docker("create", "--name", "web", "-p", "8080:80", IMAGE);
    long before = lab.statistics().events();
    lab.engine().docker("network", "create", "later"); // what is seen after the container
    await("it is seen", () -> lab.statistics().events() > before);
    long measured = lab.statistics().latencies().own().count();
    List<String> meanwhile = new CopyOnWriteArrayList<>();
    AtomicBoolean started = new AtomicBoolean();
    CompletableFuture<Void> somebody =
        CompletableFuture.runAsync(
            () -> {
              while (!started.get()) {
                meanwhile.add(web(lab.client(), Lab.HOST + ":8080"));
              }
            });
    lab.engine().docker("start", "web");
    String first = web(lab.client(), Lab.HOST + ":8080");
    started.set(true);
    somebody.join();
    assertThat(lab.published("web")).hasSize(1);
    assertThat(first).as("the first answer after docker start").isIn("hello", "refused");
    assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");
    // Somebody who connects all the time meets the engine's own socket once at most: in the moment
    // between the engine's taking the port and the agent's publishing it.
    assertThat(meanwhile).isSubsetOf("hello", "refused", "silence");
    assertThat(meanwhile).as("%s", meanwhile).filteredOn("silence"::equals).hasSizeLessThan(2);
    // Published as the container came to its network; that it ran changed nothing.
    assertThat(lab.statistics().latencies().own().count()).isEqualTo(measured + 1);
    Instant ran =
        Instant.parse(lab.engine().docker("inspect", "-f", "{{.State.StartedAt}}", "web"));
    assertThat(lab.publishedAt("web")).allSatisfy(published -> assertThat(published).isBefore(ran));
  }

  /**
   * Fails if networks of the engine reach each other, if siblings do where that is switched off, or
   * if an internal network gets out. What is blocked is first seen to arrive, without our table.
   */
  @Test
  void networksAreKeptApart() {
    lab.engine().docker("network", "create", "blue");
    lab.engine().docker("network", "create", "green");
    lab.engine().docker("network", "create", "--internal", "dark");
    lab.engine()
        .docker("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "hermits");
    lab.run("anna", "--network", "blue", IMAGE);
    lab.run("bert", "--network", "blue", "-p", "8080:80", IMAGE);
    lab.run("carl", "--network", "green", IMAGE);
    lab.run("dora", "--network", "dark", IMAGE);
    lab.run("emil", "--network", "hermits", IMAGE);
    lab.run("frida", "--network", "hermits", "-p", "8081:80", IMAGE);
    client().serve("outside", "83", "");

    assertThat(lab.webFrom("anna", address("bert"))).as("siblings").isEqualTo("hello");
    assertThat(lab.engine().docker("exec", "anna", "wget", "-qO-", "http://bert"))
        .as("by name, as the engine answers")
        .isEqualTo("hello");
    assertThat(lab.webFrom("anna", address("carl"))).isEqualTo("silence");
    assertThat(lab.webFrom("dora", Lab.CLIENT + ":83")).isEqualTo("silence");
    assertThat(lab.webFrom("emil", address("frida"))).doesNotContain("hello");
    assertThat(lab.webFrom("carl", Lab.HOST + ":8080")).as("what is published").isEqualTo("hello");
    assertThat(lab.webFrom("emil", Lab.HOST + ":8081")).as("what is published").isEqualTo("hello");
    assertThat(served(lab.client(), Lab.HOST + ":8081")).isEqualTo("hello");

    lab.endAgent();
    Nft.in(lab.host()).apply("delete table inet sluice");
    assertThat(lab.webFrom("anna", address("carl"))).as("the control").isEqualTo("hello");
    lab.client().ip("route replace " + address("dora") + "/32 via " + Lab.HOST);
    assertThat(lab.engine().traffic("dora").tcp(Lab.CLIENT, 83).server())
        .as("the control")
        .isEqualTo("outside:83");
    for (String wire : wires("hermits")) {
      lab.host().exec("bridge", "link", "set", "dev", wire, "isolated", "off").orFail();
    }
    // It may have just given up to look for the other's hardware address.
    await("the control", () -> lab.webFrom("emil", address("frida")).equals("hello"));

    lab.startAgent();
    await("all is compared", () -> lab.published("frida").size() == 1);
    assertThat(lab.webFrom("anna", address("carl"))).isEqualTo("silence");
    assertThat(lab.webFrom("emil", address("frida"))).doesNotContain("hello");
    assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");
  }

  private static String address(String container) {
    return lab.engine()
        .inspect(container, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
  }

  private static List<String> wires(String network) {
    String bridge = "br-" + lab.engine().docker("network", "inspect", "-f", "{{.Id}}", network);
    Ran links =
        lab.host().exec("ip", "-o", "link", "show", "master", bridge.substring(0, 15)).orFail();
    return links.stdout().lines().map(line -> line.split(": ", 3)[1].split("@", 2)[0]).toList();
  }

  /**
   * Fails if ports do not lead where the engine leads them when a container is on several networks,
   * if IPv6 is left out, or if they do not follow.
   */
  @Test
  void portsFollowAContainerFromNetworkToNetwork() {
    lab.engine().docker("network", "create", "--ipv6", "--subnet", "fd77::/64", "alpha");
    lab.engine().docker("network", "create", "zulu");
    lab.run("web", "--network", "zulu", "-p", "8080:80", IMAGE);
    String onZulu = address("web");
    assertThat(lab.published("web")).singleElement().asString().contains(onZulu);

    lab.engine().docker("network", "connect", "alpha", "web");
    String onAlpha = lab.engine().inspect("web", "{{.NetworkSettings.Networks.alpha.IPAddress}}");
    await("it is at " + onAlpha, () -> lab.published("web").toString().contains(onAlpha));
    assertThat(lab.engine().exec("web", "ip", "route", "get", Lab.CLIENT).stdout())
        .as("as the engine has its way out")
        .contains("src " + onAlpha);
    assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");

    lab.engine().docker("network", "disconnect", "alpha", "web");
    await("it is back", () -> lab.published("web").toString().contains(onZulu));
    assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");

    lab.run("six", "--network", "alpha", "-p", "8090:80", IMAGE);
    assertThat(served(lab.client(), Lab.HOST + ":8090")).isEqualTo("hello");
    assertThat(served(lab.client(), "[" + Lab.HOST6 + "]:8090")).isEqualTo("hello");
  }

  /**
   * Fails if a port outlives its container or misses its return, if a renamed container loses its
   * connections, or if a start that fails leaves something published.
   */
  @Test
  void portsLiveAsLongAsTheirContainer() {
    lab.run("web", "-p", "8080:80", "-p", "7000:7000", IMAGE);
    lab.engine().traffic("web").serve("web", "7000", "");
    try (Traffic.Held held = client().hold(Lab.HOST, 7000, 1)) {
      lab.engine().docker("rename", "web", "shop");
      await("it is renamed", () -> lab.published("shop").size() == 2);
      assertThat(lab.published("web")).isEmpty();
      assertThat(held.alive()).isEqualTo(1);
    }
    lab.engine().docker("restart", "-t", "0", "shop");
    assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");
    lab.engine().docker("stop", "-t", "0", "shop");
    await("it is taken back", () -> lab.published("shop").isEmpty());
    assertThat(web(lab.client(), Lab.HOST + ":8080")).isEqualTo("refused");
    lab.engine().docker("start", "shop");
    assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");

    Ran taken = lab.engine().tryDocker("run", "-d", "-p", "8080:80", IMAGE);
    assertThat(taken.stderr()).contains("port is already allocated");
    Ran broken =
        lab.engine().tryDocker("run", "-d", "--name", "bad", "-p", "8082:80", IMAGE, "/no");
    assertThat(broken.succeeded()).isFalse();
    await("nothing is left of it", () -> lab.published("bad").isEmpty());
    assertThat(web(lab.client(), Lab.HOST + ":8082")).isEqualTo("refused");
    // What somebody has published by hand is refused by the engine: our socket is in its way.
    lab.agent().publishAs("mine", address("shop"), "8084:80");
    Ran ours = lab.engine().tryDocker("run", "-d", "-p", "8084:80", IMAGE);
    assertThat(ours.stderr()).contains("address already in use");
    lab.agent().unpublish("mine");
    lab.engine().docker("rm", "-f", "shop");
    await("it is taken back", () -> lab.published("shop").isEmpty());
  }

  /**
   * Fails if the death of the engine takes ports of living containers with it, or if what has
   * changed meanwhile is not found out, of the engine's absence or of the agent's.
   */
  @Test
  void bothMayDieAndComeBack() {
    lab.run("keeps", "-p", "7000:7000", "-p", "8080:80", IMAGE);
    lab.run("dies", "-p", "8081:80", IMAGE);
    lab.run("moves", "-p", "8082:80", IMAGE);
    lab.engine().traffic("keeps").serve("keeps", "7000", "");
    String process = lab.engine().inspect("dies", "{{.State.Pid}}");
    try (Traffic.Held held = client().hold(Lab.HOST, 7000, 1)) {
      long connections = lab.statistics().connections();
      lab.engine().kill();
      await("it is missed", () -> !lab.statistics().connected());
      assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");
      lab.engine().execInside("kill", "-9", process);
      lab.engine().start(OPTIONS);
      await("it is followed again", () -> lab.statistics().connections() > connections);
      await("the dead one is found", () -> lab.published("dies").isEmpty());
      assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");

      lab.endAgent();
      assertThat(served(lab.client(), Lab.HOST + ":8080")).as("without agent").isEqualTo("hello");
      lab.engine().docker("rename", "keeps", "kept");
      lab.engine().docker("rm", "-f", "moves");
      lab.run("new", "-p", "8083:80", IMAGE);
      lab.startAgent();
      await("the new one is found", () -> lab.published("new").size() == 1);
      assertThat(lab.published("moves")).isEmpty();
      assertThat(lab.published("keeps")).isEmpty();
      assertThat(lab.published("kept")).hasSize(2);
      assertThat(served(lab.client(), Lab.HOST + ":8083")).isEqualTo("hello");
      assertThat(held.alive()).as("through all of it").isEqualTo(1);
    }
    // Without live-restore the engine ends what its former self has left.
    lab.engine().kill();
    assertThat(lab.published("kept")).hasSize(2);
    lab.engine().start(DockerEngine.WITHOUT_RULES.toArray(String[]::new));
    await("all have ended", () -> lab.published("kept").isEmpty());
  }
}
