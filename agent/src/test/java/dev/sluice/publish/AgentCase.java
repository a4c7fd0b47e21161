package dev.sluice.publish;

import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.IpAddress;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.PortUnreachableException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/**
 * A laboratory for all cases of a class, and for each case an agent in the ownership mode it asks
 * for; afterwards nothing of the agent is left.
 */
@TestInstance(Lifecycle.PER_CLASS)
abstract class AgentCase {
  /** A second IPv6 address of the client. */
  static final String CLIENT6_2 = "2001:db8:18::3";

  final Lab lab;
  final Nft nft;
  private final List<AutoCloseable> open = new ArrayList<>();
  LabAgent agent;

  AgentCase(int containers) {
    lab = Lab.builder().containers(containers).agentWillConfigureHost().build();
    nft = Nft.in(lab.host());
    agent = LabAgent.start(lab.host(), Ownership.OFF);
  }

  @BeforeAll
  void setUp() {
    lab.client().ip("addr add " + CLIENT6_2 + "/64 dev eth0");
    // As the agent has it: without, nobody knows which connection is older.
    lab.host().sysctl("net.netfilter.nf_conntrack_timestamp=1", "net.ipv4.icmp_ratelimit=0");
  }

  @AfterAll
  void tearDown() {
    agent.close();
    lab.close();
  }

  @AfterEach
  void forget() throws Exception {
    for (AutoCloseable one : open) {
      one.close();
    }
    open.clear();
    agent.close();
    nft.run("delete", "table", "inet", "sluice");
  }

  /** An agent on a host without a table. */
  void start(Ownership ownership) {
    agent.close();
    nft.run("delete", "table", "inet", "sluice");
    agent = LabAgent.start(lab.host(), ownership);
  }

  /** The end of the agent, and a new one that takes over. */
  void restart(Ownership ownership) {
    agent.close();
    agent = LabAgent.start(lab.host(), ownership);
    agent.inside(() -> agent.publisher().resume());
  }

  /** {@code publish -p SPEC… --to TARGET… --name NAME} with options. */
  static PublishRequest request(
      String name, List<String> targets, MappingOptions options, String... specs) {
    return request(Owner.CLI, name, targets, options, specs);
  }

  static PublishRequest request(
      Owner owner, String name, List<String> targets, MappingOptions options, String... specs) {
    return new PublishRequest(
        Arrays.stream(specs).map(PortSpec::parse).toList(),
        targets.stream().map(IpAddress::parse).toList(),
        Optional.of(new MappingName(name)),
        owner,
        options);
  }

  PublishedMapping only(String nameOrId) {
    List<PublishedMapping> found = agent.publisher().find(nameOrId);
    if (found.size() != 1) {
      throw new AssertionError(nameOrId + " stands for " + found);
    }
    return found.get(0);
  }

  List<String> publishedTexts() {
    return agent.publisher().published().stream()
        .map(one -> one.mapping().label() + " " + one.mapping().hostText())
        .toList();
  }

  /** The table and the descriptors, for "nothing was changed". */
  List<Object> state() {
    return List.of(nft.ruleset(), agent.reservations().descriptors());
  }

  /** What all of these come to; they are tried at once, since what is dropped takes a second. */
  static <T> List<T> together(List<Supplier<T>> attempts) {
    List<CompletableFuture<T>> all =
        attempts.stream()
            .map(
                attempt -> {
                  CompletableFuture<T> future = new CompletableFuture<>();
                  Thread thread =
                      new Thread(
                          () -> {
                            try {
                              future.complete(attempt.get());
                            } catch (RuntimeException | AssertionError e) {
                              future.completeExceptionally(e);
                            }
                          });
                  thread.setDaemon(true);
                  thread.start();
                  return future;
                })
            .toList();
    return all.stream().map(CompletableFuture::join).toList();
  }

  /** A socket of this namespace, closed behind the case. */
  DatagramSocket udpSocket(Netns netns, String address, int port) {
    DatagramSocket socket =
        inside(netns, () -> new DatagramSocket(port, InetAddress.getByName(address)));
    open.add(socket);
    return socket;
  }

  static <T> T inside(Netns netns, Callable<T> action) {
    try (NetworkNamespace namespace = NetworkNamespace.open(netns.path())) {
      return namespace.call(action);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  /** Who answers one datagram from this socket within 300 ms, {@code c1:53}; empty if nobody. */
  static String ask(DatagramSocket client, String address, int port) {
    try {
      client.setSoTimeout(300);
      client.send(new DatagramPacket(new byte[1], 1, new InetSocketAddress(address, port)));
      DatagramPacket answer = new DatagramPacket(new byte[512], 512);
      client.receive(answer);
      String text = new String(answer.getData(), 0, answer.getLength(), StandardCharsets.UTF_8);
      return text.substring(0, text.indexOf(' '));
    } catch (SocketTimeoutException | PortUnreachableException e) {
      return "";
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }
}
