package dev.sluice.route;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Netns;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The monitor against what {@code ip} does in a namespace. */
class LinkMonitorIT {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);

  private Netns netns;
  private NetworkNamespace namespace;
  private LinkMonitor monitor;

  @BeforeEach
  void open() {
    netns = Netns.create("links");
    namespace = NetworkNamespace.open(netns.path());
    monitor = LinkMonitor.open(namespace);
  }

  @AfterEach
  void close() {
    monitor.close();
    namespace.close();
    netns.close();
  }

  /**
   * Fails if a change is not told, or what AF_BRIDGE tells when the port leaves its bridge is taken
   * for the end of the link.
   */
  @Test
  void aLinkIsFollowedThroughItsLife() {
    netns.ip(
        "link add br0 type bridge",
        "link add port type veth peer name other",
        "link set port master br0 up alias blue",
        "link set port nomaster",
        "link set br0 up");

    List<LinkEvent> seen = until(event -> changed(event, "br0").anyMatch(Link::isUp));

    assertThat(seen.stream().flatMap(event -> changed(event, "port")))
        .anyMatch(link -> link.masterIndex().isPresent())
        .anyMatch(link -> link.alias().filter("blue"::equals).isPresent() && link.isUp())
        .last()
        .satisfies(link -> assertThat(link.masterIndex()).isEmpty());
    assertThat(seen).noneMatch(LinkEvent.Deleted.class::isInstance);
  }

  /** Fails if the end is taken for a change, or index, name and alias are lost by then. */
  @Test
  void theEndOfALinkIsToldWithItsAlias() {
    netns.ip("link add left type veth peer name right", "link set left alias blue");
    int index;
    try (Rtnetlink rtnetlink = Rtnetlink.open(namespace)) {
      index = rtnetlink.link("left").orElseThrow().index();
    }

    netns.ip("link del left");

    List<LinkEvent> seen = until(event -> deleted(event, "left").findAny().isPresent());
    Link gone = seen.stream().flatMap(event -> deleted(event, "left")).findFirst().orElseThrow();
    assertThat(gone.index()).isEqualTo(index);
    assertThat(gone.alias()).contains("blue");
    assertThat(gone.kind()).isEqualTo("veth");
  }

  /** Fails if a veth whose other end's namespace has ended is not noticed. */
  @Test
  void theEndOfANamespaceIsToldByTheVethThatLedThere() {
    try (Netns far = Netns.create("links-far")) {
      netns.ip("link add wire type veth peer name eth0 netns " + far.name());
    }

    assertThat(until(event -> deleted(event, "wire").findAny().isPresent())).isNotEmpty();
  }

  /** Fails if a link that has moved to another namespace is not told as gone from this one. */
  @Test
  void aLinkThatMovesAwayIsGone() {
    try (Netns far = Netns.create("links-far")) {
      netns.ip("link add left type veth peer name right", "link set left netns " + far.name());

      assertThat(until(event -> deleted(event, "left").findAny().isPresent())).isNotEmpty();
    }
  }

  /** Fails if a loss is not told, or nothing is told after it. */
  @Test
  void aLossIsTold() {
    try (LinkMonitor small = LinkMonitor.open(namespace, 2048)) {
      String[] many = new String[40];
      for (int i = 0; i < many.length; i++) {
        many[i] = "link add br%d type bridge".formatted(i);
      }
      netns.ip(many);

      assertThat(until(small, LinkEvent.Lost.class::isInstance)).isNotEmpty();
      while (small.poll(0, event -> {})) {
        // what was in the queue before the loss
      }
      netns.ip("link set br7 up");
      assertThat(until(small, event -> changed(event, "br7").findAny().isPresent())).isNotEmpty();
    }
  }

  /** Fails if the reader sleeps on, or the socket is closed under it. */
  @Test
  void closingWakesTheReader() throws Exception {
    CompletableFuture<Boolean> ended = new CompletableFuture<>();
    Thread reader =
        new Thread(
            () -> {
              try {
                while (monitor.poll(-1, event -> {})) {
                  // what the making of the namespace has left
                }
                ended.complete(true);
              } catch (RuntimeException e) {
                ended.completeExceptionally(e);
              }
            },
            "reader");
    reader.start();
    while (reader.getState() != Thread.State.RUNNABLE) {
      Thread.onSpinWait();
    }
    // In poll(2) a thread counts as running: this is for it to get there, and no more than that.
    Thread.sleep(100);
    assertThat(ended).isNotDone();

    monitor.close();

    assertThat(ended).succeedsWithin(Duration.ofSeconds(5));
    assertThat(monitor.poll(-1, event -> {})).isFalse();
    monitor.close();
  }

  /** Fails if the timeout is not kept to. */
  @Test
  void nothingIsToldOfAQuietNamespace() {
    while (monitor.poll(0, event -> {})) {
      // what the making of the namespace has left
    }
    long start = System.nanoTime();

    assertThat(monitor.poll(50, event -> {})).isFalse();

    assertThat(System.nanoTime() - start)
        .isBetween(TimeUnit.MILLISECONDS.toNanos(45), PATIENCE_NANOS);
  }

  private List<LinkEvent> until(Predicate<LinkEvent> last) {
    return until(monitor, last);
  }

  /** Everything up to the first event that {@code last} holds for, which must come. */
  private static List<LinkEvent> until(LinkMonitor monitor, Predicate<LinkEvent> last) {
    List<LinkEvent> seen = new ArrayList<>();
    long start = System.nanoTime();
    while (seen.stream().noneMatch(last)) {
      assertThat(System.nanoTime() - start).as("waited, saw %s", seen).isLessThan(PATIENCE_NANOS);
      monitor.poll(1000, seen::add);
    }
    return seen;
  }

  private static Stream<Link> changed(LinkEvent event, String name) {
    return event instanceof LinkEvent.Changed changed
        ? Stream.of(changed.link()).filter(link -> link.name().equals(name))
        : Stream.empty();
  }

  private static Stream<Link> deleted(LinkEvent event, String name) {
    return event instanceof LinkEvent.Deleted deleted
        ? Stream.of(deleted.link()).filter(link -> link.name().equals(name))
        : Stream.empty();
  }
}
