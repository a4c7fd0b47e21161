package dev.sluice.network;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Egress;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.Joined;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.Subnet;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.nftables.Monitor;
import dev.sluice.publish.LabAgent;
import dev.sluice.ruleset.Ownership;
import dev.sluice.ruleset.PlainTableGuard;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A host and a client outside; networks and sandboxes are the test's to make. */
abstract class NetworkCase {
  private static final Duration LIMIT = Duration.ofSeconds(10);

  Lab lab;
  LabAgent agent;
  Nft nft;
  private @Nullable PlainTableGuard guard;
  private final Map<String, Netns> sandboxes = new ConcurrentSkipListMap<>();

  @BeforeEach
  final void build() {
    lab = Lab.builder().containers(0).agentWillConfigureHost().noServers().build();
    nft = Nft.in(lab.host());
    agent = started();
  }

  @AfterEach
  final void end() {
    stop();
    sandboxes.values().forEach(Netns::close);
    lab.close();
  }

  /** The end of an agent, and a new one that takes over. */
  void restart() {
    stop();
    start();
  }

  /** The end of an agent. */
  void stop() {
    if (guard != null) {
      long repaired = guard.repairs().count();
      guard.close();
      guard = null;
      assertThat(repaired).as("changes that were undone as somebody else's").isZero();
    }
    agent.close();
  }

  /** An agent that takes over what there is. */
  void start() {
    agent = started();
  }

  /** Whether the table has an owner, or is a plain one that is watched. */
  Ownership ownership() {
    return Ownership.AUTO;
  }

  private LabAgent started() {
    LabAgent one = LabAgent.start(lab.host(), ownership());
    if (!one.table().isOwned()) {
      guard = one.table().guard(Monitor.open(one.namespace()));
    }
    one.inside(() -> one.publisher().resume());
    one.follow();
    return one;
  }

  // ---- asking for things

  Network create(NetworkRequest request) {
    return agent.inside(() -> agent.networking().create(request));
  }

  /** {@code network create NAME [--subnet …]…}. */
  Network network(String name, String... subnets) {
    return create(request(name, false, false, new Egress.Masquerade(), subnets));
  }

  static NetworkRequest request(
      String name, boolean internal, boolean isolated, Egress egress, String... subnets) {
    return new NetworkRequest(
        name,
        Optional.empty(),
        Arrays.stream(subnets).map(Prefix::parse).map(Subnet::of).toList(),
        false,
        OptionalInt.empty(),
        egress,
        internal,
        isolated,
        Owner.CLI);
  }

  /** An empty namespace for a sandbox of that name. */
  Netns namespace(String name) {
    return sandboxes.computeIfAbsent(name, Netns::create);
  }

  /** Deletes the namespace of a sandbox, as happens when its last process ends. */
  void endNamespace(String name) {
    Netns gone = sandboxes.remove(name);
    if (gone != null) {
      gone.close();
    }
  }

  Joined join(SandboxRequest request) {
    return agent.inside(() -> agent.networking().create(request));
  }

  /** A sandbox on networks, with ports of {@code publish}. */
  Joined join(String name, List<String> networks, String... publish) {
    return join(sandboxRequest(name, networks, List.of(), List.of(), publish));
  }

  SandboxRequest sandboxRequest(
      String name,
      List<String> networks,
      List<String> exposed,
      List<String> links,
      String... publish) {
    return new SandboxRequest(
        new SandboxName(name),
        namespace(name).path().toString(),
        networks.stream().map(Attachment::to).toList(),
        exposed.stream().map(ExposeSpec::parse).toList(),
        links.stream().map(SandboxLink::parse).toList(),
        Arrays.stream(publish).map(PortSpec::parse).toList(),
        MappingOptions.NONE,
        Owner.CLI);
  }

  Sandbox connect(String sandbox, String network) {
    return agent.inside(
        () ->
            agent
                .networking()
                .connect(
                    new SandboxName(sandbox), Attachment.to(network), Optional.empty(), Owner.CLI));
  }

  Sandbox disconnect(String sandbox, String network) {
    return agent.inside(() -> agent.networking().disconnect(new SandboxName(sandbox), network));
  }

  Sandbox leave(String sandbox) {
    return agent.inside(() -> agent.networking().remove(new SandboxName(sandbox)));
  }

  // ---- looking

  Optional<Sandbox> sandbox(String name) {
    return agent.networking().topology().sandbox(new SandboxName(name));
  }

  /** Its addresses on a network, IPv4 first. */
  List<String> addresses(String sandbox, String network) {
    return sandbox(sandbox).flatMap(one -> one.on(network)).orElseThrow().addresses().stream()
        .map(IpAddress::toString)
        .sorted((a, b) -> Boolean.compare(a.contains(":"), b.contains(":")))
        .toList();
  }

  String address(String sandbox, String network) {
    return addresses(sandbox, network).get(0);
  }

  /** Where the published ports lead: {@code 0.0.0.0:8080->80/tcp 10.201.0.2}. */
  List<String> published() {
    return agent.publisher().published().stream()
        .map(one -> one.mapping().hostText() + " " + one.mapping().targetAddress())
        .sorted()
        .toList();
  }

  /** The links, addresses and routes of the host, and the table: for "nothing was changed". */
  List<String> state() {
    List<String> state = new ArrayList<>();
    state.add(nft.ruleset());
    for (String what : List.of("link", "address", "route")) {
      state.add(
          lab.host()
              .exec("ip", "-o", what)
              .orFail()
              .stdout()
              .replaceAll(
                  "qlen \\d+|state \\w+|,LOWER_UP|NO-CARRIER,| linkdown|\\d+: \\S+ +inet6 fe80::.*\\n",
                  ""));
    }
    return state;
  }

  /** Starts the tool's servers in a sandbox. */
  void serve(String sandbox, String tcp, String udp) {
    namespace(sandbox).traffic().serve(sandbox, tcp, udp);
  }

  static void await(String what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + LIMIT.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("waited in vain for: " + what);
      }
      try {
        Thread.sleep(10);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException(e);
      }
    }
  }
}
