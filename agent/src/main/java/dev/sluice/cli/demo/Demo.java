package dev.sluice.cli.demo;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.api.ApiClient;
import dev.sluice.flow.FlowFilter;
import dev.sluice.flow.export.FlowJson;
import dev.sluice.model.Flow;
import dev.sluice.model.FlowEvent;
import dev.sluice.model.FlowTuple;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.TcpState;
import dev.sluice.net.IpAddress;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The story that {@code sluice demo} tells. Every claim it prints is checked before. */
final class Demo {
  private static final int PORT = 8080;
  private static final String NAME = "web";
  private static final String TABLE = "inet sluice";

  /** How long nobody is home. */
  private static final int ABSENCE_MILLIS = 1_000;

  private static final int EVENTS_TIMEOUT_SECONDS = 5;
  private static final int DOWNLOAD_TIMEOUT_SECONDS = 20;

  private final Narrator narrator;
  private final Cleanup cleanup;
  private final String ownership;
  private final String launcher;
  private final Path directory;
  private final DemoNetwork network;
  private final SomebodyElse somebodyElse;
  private final WebServer web;
  private DemoAgent agent;

  /** Sets the stage, up to an agent that runs. */
  Demo(Narrator narrator, Cleanup cleanup, String ownership) throws Exception {
    this.narrator = narrator;
    this.cleanup = cleanup;
    this.ownership = ownership;
    this.launcher =
        Optional.ofNullable(System.getProperty("sluice.launcher"))
            .orElseThrow(
                () -> new DemoFailure("the demo starts agents with the command sluice: run that"));
    Leftovers.remove();
    String prefix = Leftovers.ownPrefix();
    directory = cleanup.keep(PrivateDirectory.create(Leftovers.RUN.resolve(prefix))).path();

    narrator.step("Four machines, each a network namespace: a client, a host, two containers.");
    network = new DemoNetwork(prefix + "-", cleanup);
    somebodyElse = new SomebodyElse(network.host());
    narrator.show("client 198.18.0.2 ── 198.18.0.1 host 172.30.0.1 ─┬─ 172.30.0.2 web");
    narrator.show("                                      (br-demo)  └─ 172.30.0.3 sibling");

    narrator.step("A web server listens in the container; from outside nothing leads to it.");
    web = cleanup.keep(WebServer.start(network.web(), DemoNetwork.WEB));
    try {
      Http.get(network.client(), DemoNetwork.HOST, PORT, "/");
      throw new DemoFailure("port " + PORT + " answers although nobody has published it");
    } catch (IOException e) {
      narrator.show("client: http://198.18.0.1:8080/ → " + e.getMessage());
    }

    narrator.step("The agent starts on the host.");
    agent = startAgent();
  }

  void play() throws Exception {
    publish();
    fetchFromEverywhere();
    showTable();
    showFlow();
    showEvents();

    narrator.step(
        "Now a download starts, and beside it somebody who opens a new connection every 20 ms.");
    Download download =
        cleanup.keep(Download.start(network.client(), DemoNetwork.HOST, PORT, "/download"));
    Prober prober = cleanup.keep(Prober.start(network.client(), DemoNetwork.HOST, PORT));
    download.awaitProgress();
    narrator.good("download: " + download.progress());

    flush(download);
    kill(download, prober);
    startAgain(download);
    finish(download, prober);
  }

  void sayWhatToTry() {
    String onHost = "ip netns exec " + network.host().name() + " ";
    String onClient = "ip netns exec " + network.client().name() + " ";
    String sluice = launcher + " --socket " + agent.socket() + " ";
    narrator.line("");
    narrator.line("It stays up until Ctrl-C. Try, in another terminal:");
    for (String command :
        List.of(
            onClient + "curl http://198.18.0.1:8080/",
            onHost + "curl http://127.0.0.1:8080/",
            onHost + "nft list table inet sluice",
            onHost + "nft flush ruleset",
            sluice + "ps",
            sluice + "flows",
            sluice + "events --mapping web",
            sluice + "publish -p 9090:80 --to 172.30.0.2 --name again",
            sluice + "unpublish web",
            "kill -9 " + agent.pid() + "    # the port stays")) {
      narrator.show(command);
    }
  }

  private DemoAgent startAgent() throws Exception {
    DemoAgent started =
        cleanup.keep(DemoAgent.start(network.host(), directory, launcher, ownership));
    String ready =
        started
            .awaitLogged("ready after")
            .orElseThrow(() -> new DemoFailure("the agent does not say ready" + started.tail()));
    narrator.quote(List.of(ready));
    narrator.good("it answers " + millis(started.startTime()) + " after it was started");
    return started;
  }

  private void publish() {
    narrator.step("sluice publish -p 8080:80 --to 172.30.0.2 --name web");
    try (ApiClient client = agent.client()) {
      long began = System.nanoTime();
      client.publish(
          new PublishRequest(
              List.of(PortSpec.parse(PORT + ":" + WebServer.PORT)),
              IpAddress.parse(DemoNetwork.WEB),
              Optional.of(new MappingName(NAME)),
              Owner.CLI));
      Duration took = Duration.ofNanos(System.nanoTime() - began);
      narrator.good(
          "published in "
              + millis(took)
              + " as one element of a map in the kernel; no process carries packets");
    }
  }

  private void fetchFromEverywhere() throws Exception {
    narrator.step(
        "Everybody can fetch from the port: the outside, the host itself, the container next door.");
    fetch("client ", network.client(), DemoNetwork.HOST);
    fetch("host   ", network.host(), DemoNetwork.HOST);
    fetch("host   ", network.host(), "127.0.0.1");
    fetch("sibling", network.sibling(), DemoNetwork.HOST);
  }

  private void fetch(String who, DemoNetwork.Machine from, String address) throws Exception {
    String answer = Http.get(from, address, PORT, "/").strip();
    if (!answer.startsWith("hello from the container")) {
      throw new DemoFailure(who.strip() + " got a strange answer: " + answer);
    }
    narrator.good("%s  http://%-15s → %s".formatted(who, address + ":" + PORT + "/", answer));
  }

  private void showTable() throws Exception {
    narrator.step("What nft shows to anybody on the host; the kernel's table is our database.");
    TableListing table = listTable();
    narrator.quote(table.head());
    List<String> published = table.blocks("map", line -> line.contains(". " + PORT + " "));
    if (published.isEmpty()) {
      throw new DemoFailure("nft shows no map with port " + PORT);
    }
    narrator.quote(published);
    narrator.quote(table.blocks("chain", line -> line.contains("chain prerouting {")));
    narrator.quote(table.blocks("chain", line -> line.contains("chain publish4 {")));
    narrator.show(
        "… ("
            + table.lineCount()
            + " lines in all; a published port adds an element, never a rule)");
  }

  private TableListing listTable() throws Exception {
    SomebodyElse.Said said = somebodyElse.nft("list", "table", "inet", "sluice");
    if (said.exitCode() != 0) {
      throw new DemoFailure(
          "nft list table " + TABLE + " failed: " + String.join(" ", said.lines()));
    }
    return new TableListing(said.lines());
  }

  private void showFlow() {
    narrator.step("One connection of the client, before and after translation (sluice flows).");
    List<Flow> flows = new ArrayList<>();
    try (ApiClient client = agent.client()) {
      client.flows(
          ofClient(),
          line -> {
            flows.add(FlowJson.readFlow(line).flow());
            return true;
          });
    }
    Flow flow =
        flows.stream()
            .filter(Flow::isTranslated)
            .findFirst()
            .orElseThrow(() -> new DemoFailure("the agent lists no flow of the client"));
    narrator.show("before  " + flow.original());
    narrator.show("after   " + afterTranslation(flow));
  }

  /** Where the packets really go: what the answers come from, turned round. */
  private static String afterTranslation(Flow flow) {
    FlowTuple reply = flow.reply();
    if (!(reply.detail() instanceof FlowTuple.Ports ports)) {
      throw new DemoFailure("a flow without ports: " + flow);
    }
    return new FlowTuple(
            reply.protocol(),
            /* source= */ reply.destination(),
            /* destination= */ reply.source(),
            new FlowTuple.Ports(
                /* source= */ ports.destination(), /* destination= */ ports.source()))
        .toString();
  }

  private void showEvents() throws Exception {
    narrator.step("The kernel's events of that connection, as they arrived (sluice events).");
    List<FlowEvent.OfFlow> events = eventsOfFirstConnection();
    FlowEvent.OfFlow first = events.get(0);
    for (FlowEvent.OfFlow event : events) {
      narrator.show(
          "%-6s  +%8.3f ms  %s  %s"
              .formatted(
                  event.kind(),
                  Duration.between(first.time(), event.time()).toNanos() / 1e6,
                  event.flow().original(),
                  event.flow().tcpState().map(TcpState::toString).orElse("-")));
    }
  }

  /** Reads the stream from its beginning until the client's first connection was closed. */
  private List<FlowEvent.OfFlow> eventsOfFirstConnection() throws Exception {
    List<FlowEvent.OfFlow> events = new ArrayList<>();
    ApiClient client = agent.client();
    FutureTask<Boolean> reading =
        new FutureTask<>(
            () -> {
              client.events(
                  ofClient(),
                  OptionalLong.of(1),
                  line -> {
                    if (FlowJson.readEvent(line) instanceof FlowEvent.OfFlow event
                        && (events.isEmpty()
                            || events.get(0).flow().original().equals(event.flow().original()))) {
                      events.add(event);
                    }
                    return events.isEmpty() || !isClosed(events.get(events.size() - 1));
                  });
              return true;
            });
    Thread thread = new Thread(reading, "events");
    thread.setDaemon(true);
    thread.start();
    try {
      reading.get(EVENTS_TIMEOUT_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      throw new DemoFailure("the event stream does not show the end of the client's connection", e);
    }
    return events;
  }

  private static boolean isClosed(FlowEvent.OfFlow event) {
    return event instanceof FlowEvent.Ended
        || event.flow().tcpState().filter(TcpState.TIME_WAIT::equals).isPresent();
  }

  private static FlowFilter ofClient() {
    return new FlowFilter(
        Optional.of(NAME),
        Optional.empty(),
        Optional.of(IpAddress.parse(DemoNetwork.CLIENT)),
        true);
  }

  private void flush(Download download) throws Exception {
    if (!isOwned()) {
      narrator.step(
          "Somebody else could run \"nft flush ruleset\" now and take the ports away: this agent's"
              + " table is a plain one.");
      narrator.show(
          "Linux 6.9 and newer let the agent own it (and sluice agent --ownership=auto).");
      return;
    }
    narrator.step("Meanwhile somebody else runs: nft flush ruleset");
    SomebodyElse.Said flushed = somebodyElse.nft("flush", "ruleset");
    narrator.show("nft's exit code: " + flushed.exitCode());
    narrator.good(
        "table "
            + TABLE
            + " is still there, all "
            + listTable().lineCount()
            + " lines of it: only its owner may change it");
    download.awaitProgress();
    narrator.good("download: " + download.progress());
  }

  private boolean isOwned() {
    try (ApiClient client = agent.client()) {
      return client.facts().value().getOrDefault("ownership", "").contains("owner");
    }
  }

  private void kill(Download download, Prober prober) throws Exception {
    narrator.step("And now: kill -9 " + agent.pid() + ", the agent.");
    agent.kill();
    int before = prober.tried();
    Thread.sleep(ABSENCE_MILLIS);
    download.awaitProgress();
    narrator.good("download: " + download.progress() + ", with nobody home");
    Http.get(network.client(), DemoNetwork.HOST, PORT, "/");
    narrator.good(
        (prober.tried() - before)
            + " new connections were made in this second: the kernel does it");
  }

  private void startAgain(Download download) throws Exception {
    narrator.step("The agent is started again, and finds in the kernel what it had published.");
    agent = startAgent();
    if (agent.logged("adopted").isEmpty()) {
      throw new DemoFailure("the new agent did not adopt the table" + agent.tail());
    }
    try (ApiClient client = agent.client()) {
      List<PublishedMapping> published = client.published().value();
      if (published.size() != 1 || !published.get(0).mapping().label().equals(NAME)) {
        throw new DemoFailure(
            "the new agent knows of other ports than were published: " + published);
      }
      narrator.good(
          "ADOPTED: web 8080->80/tcp, "
              + published.get(0).counters().connections()
              + " connections counted since it was published");
    } catch (AgentUnreachableException e) {
      throw new DemoFailure(e.getMessage() + agent.tail(), e);
    }
    download.awaitProgress();
  }

  private void finish(Download download, Prober prober) throws Exception {
    narrator.step("The download finishes.");
    web.hurry();
    String received = download.awaitDigest(DOWNLOAD_TIMEOUT_SECONDS);
    String sent = web.sentDigest().get(DOWNLOAD_TIMEOUT_SECONDS, TimeUnit.SECONDS);
    if (!received.equals(sent)) {
      throw new DemoFailure("the download was damaged: sent " + sent + ", received " + received);
    }
    narrator.good(
        "download: " + download.progress() + ", SHA-256 as sent: " + sent.substring(0, 16) + "…");
    Prober.Result result = prober.stop();
    String summary =
        result.failed() + " of " + result.tried() + " new connections failed meanwhile";
    if (result.failed() != 0) {
      throw new DemoFailure(summary + "; the first: " + result.firstFailure().orElse("?"));
    }
    narrator.good(summary + "; the slowest took " + result.slowestMillis() + " ms");
  }

  private static String millis(Duration duration) {
    return String.format(Locale.ROOT, "%.1f ms", duration.toNanos() / 1e6);
  }
}
