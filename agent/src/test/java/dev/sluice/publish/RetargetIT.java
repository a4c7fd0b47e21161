package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.MappingOptions;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Traffic.Held;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Ports that lead to another container while they are in use. */
class RetargetIT extends AgentCase {
  private static final int RETARGETS = Integer.getInteger("sluice.retargets", 500);
  private static final int REPUBLISHES = Integer.getInteger("sluice.republishes", 50);
  private static final List<String> CONTAINERS = List.of(Lab.C1, Lab.C2);

  RetargetIT() {
    super(2);
  }

  private void retarget(String name, String... targets) {
    agent.update(
        UpdateRequest.of(name)
            .to(java.util.Arrays.stream(targets).map(IpAddress::parse).toArray(IpAddress[]::new)));
  }

  private String server(String host, int port) {
    return lab.client().traffic().tcp(host, port).server();
  }

  /** Fails if a connection moves or ends with a retarget, a new one does not, or udp stays. */
  @ParameterizedTest
  @EnumSource
  void connectionsStayAndEverythingElseMoves(Ownership ownership) {
    start(ownership);
    agent.publish(
        request(
            "web",
            List.of(Lab.C1, Lab.C1_6),
            MappingOptions.NONE,
            "8080:80",
            "7000-7009:7000-7009",
            "5353:53/udp"));
    DatagramSocket udp = udpSocket(lab.client(), Lab.CLIENT, 0);
    try (Held four = lab.client().traffic().hold(Lab.HOST, 8080, 2);
        Held six = lab.client().traffic().hold(Lab.HOST6, 8080, 2);
        Held range = lab.client().traffic().hold(Lab.HOST, 7003, 2)) {
      assertThat(ask(udp, Lab.HOST, 5353)).isEqualTo("c1:53");
      retarget("web", Lab.C2);
      assertThat(ask(udp, Lab.HOST, 5353)).as("the same socket").isEqualTo("c2:53");
      assertThat(List.of(server(Lab.HOST, 8080), server(Lab.HOST, 7003), server(Lab.HOST6, 8080)))
          .as("the other family keeps its target")
          .containsExactly("c2:80", "c2:7003", "c1:80");
      retarget("web", Lab.C2_6);
      assertThat(server(Lab.HOST6, 8080)).isEqualTo("c2:80");
      assertThat(List.of(four.alive(), six.alive(), range.alive())).containsExactly(2, 2, 2);

      try (Held second = lab.client().traffic().hold(Lab.HOST, 8080, 1)) {
        agent.update(UpdateRequest.of("web").to(IpAddress.parse(Lab.C1)).cutting());
        assertThat(server(Lab.HOST, 8080)).isEqualTo("c1:80");
        assertThat(List.of(second.alive(), six.alive())).containsExactly(0, 2);
        assertThat(four.alive())
            .as("those of the target before, which they lead to again")
            .isEqualTo(2);
      }
    }
  }

  /**
   * Fails if there is a moment in which neither container is published: a connection that is
   * refused then, or an echo that stops.
   */
  @ParameterizedTest
  @EnumSource
  void noConnectionFailsWhileThePortMoves(Ownership ownership) throws Exception {
    start(ownership);
    agent.publishAs("web", Lab.C1, "8080:80");
    AtomicBoolean over = new AtomicBoolean();
    AtomicInteger connected = new AtomicInteger();
    AtomicInteger echoed = new AtomicInteger();
    ConcurrentLinkedQueue<String> failures = new ConcurrentLinkedQueue<>();
    List<Thread> load = new ArrayList<>();
    load.add(
        inClient(
            () -> {
              while (!over.get()) {
                try (Socket socket = connect()) {
                  greeting(socket);
                  connected.incrementAndGet();
                } catch (IOException e) {
                  failures.add("connect: " + e);
                }
              }
            }));
    load.add(
        inClient(
            () -> {
              try (Socket socket = connect()) {
                greeting(socket);
                byte[] word = new byte[64];
                while (!over.get()) {
                  socket.getOutputStream().write(word);
                  if (socket.getInputStream().readNBytes(word.length).length < word.length) {
                    throw new IOException("closed");
                  }
                  echoed.incrementAndGet();
                }
              } catch (IOException e) {
                failures.add("echo: " + e);
              }
            }));
    await("a first connection and echo", () -> connected.get() > 0 && echoed.get() > 0);
    for (int i = 1; i <= RETARGETS; i++) {
      retarget("web", CONTAINERS.get(i % 2));
      if (i % 100 == 0) {
        assertThat(server(Lab.HOST, 8080)).isEqualTo("c" + (i % 2 + 1) + ":80");
      }
    }
    over.set(true);
    for (Thread thread : load) {
      thread.join();
    }
    assertThat(failures).isEmpty();
    assertThat(connected.get()).as("connections").isGreaterThan(RETARGETS / 20);
    assertThat(echoed.get()).as("echoes").isGreaterThan(RETARGETS / 20);
  }

  private Thread inClient(Runnable action) {
    Thread thread =
        new Thread(
            () ->
                inside(
                    lab.client(),
                    () -> {
                      action.run();
                      return null;
                    }));
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  private static Socket connect() throws IOException {
    Socket socket = new Socket();
    socket.setSoTimeout(5_000);
    try {
      socket.connect(new InetSocketAddress(Lab.HOST, 8080), 5_000);
      return socket;
    } catch (IOException e) {
      socket.close();
      throw e;
    }
  }

  private static void greeting(Socket socket) throws IOException {
    for (int read = socket.getInputStream().read();
        read != '\n';
        read = socket.getInputStream().read()) {
      if (read < 0) {
        throw new IOException("closed without a word");
      }
    }
  }

  /** What arrives at a container, told by when it was sent. */
  private final class Sink {
    private final AtomicLong newestNanos = new AtomicLong(Long.MIN_VALUE);

    Sink(Netns container, String address, int port, boolean answers) {
      DatagramSocket socket = udpSocket(container, address, port);
      Thread reader =
          new Thread(
              () -> {
                DatagramPacket packet = new DatagramPacket(new byte[64], 64);
                while (!socket.isClosed()) {
                  try {
                    socket.receive(packet);
                    long sent = ByteBuffer.wrap(packet.getData()).getLong();
                    newestNanos.accumulateAndGet(sent, Math::max);
                    if (answers) {
                      socket.send(packet);
                    }
                  } catch (IOException e) {
                    // An ICMP error about an earlier answer, or the end.
                  }
                }
              });
      reader.setDaemon(true);
      reader.start();
    }

    boolean gotSentAfter(long nanos) {
      return newestNanos.get() > nanos;
    }
  }

  /**
   * Fails if a datagram that is sent 100 ms after the port has moved, or has been taken back, still
   * arrives where it led before: the flow of a client that keeps its socket has to be forgotten.
   */
  @ParameterizedTest
  @EnumSource
  void noDatagramArrivesAtTheContainerBefore(Ownership ownership) throws Exception {
    start(ownership);
    List<Sink> answering =
        List.of(new Sink(lab.c1(), Lab.C1, 9000, true), new Sink(lab.c2(), Lab.C2, 9000, true));
    List<Sink> silent =
        List.of(new Sink(lab.c1(), Lab.C1, 9001, false), new Sink(lab.c2(), Lab.C2, 9001, false));
    DatagramSocket client = udpSocket(lab.client(), Lab.CLIENT, 0);
    AtomicBoolean over = new AtomicBoolean();
    AtomicInteger answers = new AtomicInteger();
    Thread sender =
        new Thread(
            () -> {
              while (!over.get()) {
                byte[] now = ByteBuffer.allocate(Long.BYTES).putLong(System.nanoTime()).array();
                for (int port : List.of(9000, 9001)) {
                  try {
                    client.send(
                        new DatagramPacket(now, now.length, new InetSocketAddress(Lab.HOST, port)));
                  } catch (IOException e) {
                    // ICMP says that nothing is published at the moment.
                  }
                }
                try {
                  Thread.sleep(1);
                } catch (InterruptedException e) {
                  return;
                }
              }
            });
    Thread receiver =
        new Thread(
            () -> {
              DatagramPacket packet = new DatagramPacket(new byte[64], 64);
              while (!over.get()) {
                try {
                  client.setSoTimeout(100);
                  client.receive(packet);
                  answers.incrementAndGet();
                } catch (IOException e) {
                  // Nobody answers at the moment.
                }
              }
            });
    sender.start();
    receiver.start();
    for (int i = 0; i < REPUBLISHES; i++) {
      int to = i % 2;
      int from = 1 - to;
      agent.publishAs("dns", CONTAINERS.get(to), "9000:9000/udp", "9001:9001/udp");
      long published = System.nanoTime();
      int before = answers.get();
      await(
          "the first datagrams at " + CONTAINERS.get(to),
          () ->
              answering.get(to).gotSentAfter(published)
                  && silent.get(to).gotSentAfter(published)
                  && answers.get() > before);
      boolean watch = i % 10 == 9;
      if (i % 3 == 0) {
        // In one step instead of two.
        retarget("dns", CONTAINERS.get(from));
        long moved = System.nanoTime();
        await(
            "the first datagrams at " + CONTAINERS.get(from),
            () -> answering.get(from).gotSentAfter(moved) && silent.get(from).gotSentAfter(moved));
        assertNothingNew(List.of(answering.get(to), silent.get(to)), moved, watch);
      }
      agent.unpublish("dns");
      long gone = System.nanoTime();
      assertNothingNew(
          List.of(answering.get(0), answering.get(1), silent.get(0), silent.get(1)), gone, watch);
    }
    over.set(true);
    sender.join();
    receiver.join();
  }

  /** Now and then waits until something that was sent too late would have arrived. */
  private static void assertNothingNew(List<Sink> sinks, long changedNanos, boolean watch)
      throws InterruptedException {
    if (watch) {
      Thread.sleep(250);
    }
    long late = changedNanos + Duration.ofMillis(100).toNanos();
    assertThat(sinks).noneMatch(sink -> sink.gotSentAfter(late));
  }

  private static void await(String what, BooleanSupplier condition) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("waiting for %s", what).isLessThan(deadline);
      Thread.sleep(1);
    }
  }
}
