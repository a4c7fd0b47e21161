package dev.sluice.nftables;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.nftables.expr.Verdict;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Nft;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** Packets that the real nft marks in a namespace. */
class TraceMonitorIT {
  private static final String MARKED =
      """
      table inet m {
        chain c {
          type filter hook output priority 0;
          udp dport 9 meta nftrace set 1
          udp dport 9 drop
        }
      }
      """;

  private static final int EACH = 2;

  private static void send(Netns host, int datagrams) {
    host.exec(
            "/usr/bin/python3",
            "-c",
            """
            import socket
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            for i in range(%d):
              try:
                sender.sendto(b'x', ('127.0.0.1', 9))
              except PermissionError:
                pass  # what a drop says to who sends
            """
                .formatted(datagrams))
        .orFail();
  }

  /** Fails if messages are not subscribed to, or handed over in another order. */
  @Test
  void whatOthersMarkIsTold() {
    try (Netns host = Netns.create("trace");
        NetworkNamespace namespace = NetworkNamespace.open(host.path());
        TraceMonitor monitor = TraceMonitor.open(namespace)) {
      Nft.in(host).apply(MARKED);
      assertThat(monitor.poll(0, message -> {}, lost -> {})).isFalse();
      send(host, 3);
      List<TraceMessage> told = new ArrayList<>();
      AtomicLong lost = new AtomicLong();
      while (told.size() < 3 * EACH && monitor.poll(1_000, told::add, lost::addAndGet)) {
        assertThat(lost).hasValue(0);
      }
      assertThat(told).hasSize(3 * EACH);
      assertThat(told)
          .extracting(TraceMessage::verdict)
          .containsExactly(
              Verdict.CONTINUE,
              Verdict.DROP,
              Verdict.CONTINUE,
              Verdict.DROP,
              Verdict.CONTINUE,
              Verdict.DROP);
      assertThat(told).allMatch(message -> message.table().equals(TableId.inet("m")));
    }
  }

  /**
   * Fails if what waits behind the thousandth message is not said to be there, or the next of it is
   * thrown away.
   */
  @Test
  void whatIsLeftToReadIsSaid() {
    int datagrams = 600;
    try (Netns host = Netns.create("trace");
        NetworkNamespace namespace = NetworkNamespace.open(host.path());
        TraceMonitor monitor = TraceMonitor.open(namespace)) {
      Nft.in(host).apply(MARKED);
      send(host, datagrams);
      List<TraceMessage> told = new ArrayList<>();
      AtomicLong lost = new AtomicLong();
      assertThat(monitor.poll(1_000, told::add, lost::addAndGet)).isTrue();
      assertThat(told).hasSize(1_000);
      assertThat(monitor.hasMore()).isTrue();
      assertThat(monitor.poll(0, told::add, lost::addAndGet)).isTrue();
      assertThat(told).hasSize(datagrams * EACH);
      assertThat(monitor.hasMore()).isFalse();
      assertThat(lost).hasValue(0);
    }
  }

  /** Fails if a message is lost that is not counted, or one counted that was not lost. */
  @Test
  void whatIsLostIsCountedExactly() {
    int datagrams = 2_000;
    try (Netns host = Netns.create("trace");
        NetworkNamespace namespace = NetworkNamespace.open(host.path());
        TraceMonitor monitor = TraceMonitor.open(namespace, 32 << 10)) {
      Nft.in(host).apply(MARKED);
      send(host, datagrams);
      List<TraceMessage> told = new ArrayList<>();
      AtomicLong lost = new AtomicLong();
      while (monitor.poll(200, told::add, lost::addAndGet)) {
        assertThat(told.size()).isLessThanOrEqualTo(datagrams * EACH);
      }
      assertThat(lost.get()).isPositive();
      assertThat(told).isNotEmpty();
      assertThat(told.size() + lost.get()).isEqualTo((long) datagrams * EACH);
    }
  }
}
