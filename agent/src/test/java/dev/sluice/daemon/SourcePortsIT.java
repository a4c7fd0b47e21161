package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.conntrack.Conntrack;
import dev.sluice.conntrack.CpuStatistics;
import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Background;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Probe;
import dev.sluice.testing.PrometheusText;
import dev.sluice.testing.Scale;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Row 29. Containers leave with the host's address for one and the same port of one server, until
 * no source port is left and the kernel drops what comes then.
 */
@Tag("alone")
class SourcePortsIT {
  private static final Duration LIMIT = Duration.ofSeconds(90);

  /** How long the kernel keeps a flow that nobody answers: longer than this test needs them. */
  private static final int TIMEOUT_SECONDS = 120;

  /** A datagram from each of the ports FIRST to LAST, all to port 9 of ADDRESS. */
  private static final String GENERATOR =
      """
      import socket, sys
      address, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
      for port in range(first, last + 1):
          with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
              sender.bind(('', port))
              try:
                  sender.sendto(b'x', (address, 9))
              except OSError:
                  pass  # that the server refuses an earlier one
      """;

  @AutoClose private Lab lab;
  @AutoClose private BareAgent agent;
  @AutoClose private NetworkNamespace namespace;
  @AutoClose private Conntrack table;
  private Path socket = Path.of("/nowhere");
  private Background events;

  @BeforeEach
  void start(@TempDir Path directory) {
    socket = directory.resolve("sluice.sock");
    lab = Lab.builder().agentWillConfigureHost().build();
    lab.host().sysctl("net.netfilter.nf_conntrack_udp_timeout=" + TIMEOUT_SECONDS);
    namespace = NetworkNamespace.open(lab.host().path());
    table = Conntrack.open(namespace);
    agent = BareAgent.start(lab.host(), directory);
    agent.api().publish(List.of("8080:80"), Lab.C1, Optional.empty());
    events =
        lab.host()
            .start(
                "curl",
                "-sSN",
                "--unix-socket",
                socket.toString(),
                "http://sluice/v1/events?kind=destroy");
  }

  private static void send(Netns from, int first, int last) {
    from.exec("/usr/bin/python3", "-I", "-S", "-c", GENERATOR, Lab.CLIENT, "" + first, "" + last)
        .orFail();
  }

  private long dropped() {
    return table.statistics().stream().mapToLong(CpuStatistics::dropped).sum();
  }

  private Map<String, Double> metrics() {
    return PrometheusText.parse(
            lab.host()
                .exec("curl", "-sS", "--unix-socket", socket.toString(), "http://sluice/metrics")
                .orFail()
                .stdout())
        .samples();
  }

  private Finding doctor() {
    return agent.api().findings().value().stream()
        .filter(finding -> finding.check().equals("source-ports"))
        .findFirst()
        .orElseThrow();
  }

  /** How many of a hundred new flows get out. */
  private long passing(int first) {
    try (Probe probe = Probe.in(lab.client(), "udp dport 9")) {
      send(lab.c2(), first, first + 99);
      return probe.settledPackets();
    }
  }

  /**
   * Fails if nobody is told within a second that packets are dropped for want of a port, or where;
   * if it is told without reason, or not that it is over.
   */
  @Test
  void exhaustedSourcePortsAreAnAlarm() {
    send(lab.c1(), 1024, 40_000);
    assertThat(table.size().entries()).isGreaterThan(38_000);
    assertThat(doctor().severity()).isEqualTo(Severity.OK);
    assertThat(metrics())
        .containsEntry("sluice_source_ports_exhausted", 0.0)
        .containsEntry("sluice_source_ports_dropped_total", 0.0);
    assertThat(events.lines()).noneMatch(line -> line.contains("alarm"));

    CompletableFuture<Void> flood =
        CompletableFuture.runAsync(
            () -> {
              send(lab.c1(), 40_001, 65_535);
              send(lab.c2(), 1024, 2023);
            });
    long deadline = System.nanoTime() + LIMIT.toNanos();
    while (dropped() == 0) {
      assertThat(System.nanoTime()).as("a packet is dropped").isLessThan(deadline);
      BareAgent.pause();
    }
    long began = System.nanoTime();
    String alarm = events.awaitLine("\"subject\":\"source-ports\",\"level\":\"full\"", LIMIT);
    long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
    flood.join();
    assertThat(alarm)
        .contains("no source port is free from 198.18.0.1 to 198.18.0.2:9/udp", "\"limit\":64512");
    assertThat(millis).as("from the first drop to the event").isLessThanOrEqualTo(1_000);
    assertThat(agent.said()).filteredOn(line -> line.contains("no source port is free")).hasSize(1);

    assertThat(passing(3_000)).as("of 100 new flows").isLessThan(50);
    long lost = dropped();
    long deadlineOfSample = System.nanoTime() + LIMIT.toNanos();
    while (metrics().getOrDefault("sluice_source_ports_dropped_total", 0.0) < lost) {
      assertThat(System.nanoTime()).as("all %d are counted", lost).isLessThan(deadlineOfSample);
    }
    assertThat(metrics())
        .containsEntry("sluice_source_ports_exhausted", 1.0)
        .containsEntry("sluice_source_ports_dropped_total", (double) lost)
        .containsEntry("sluice_source_ports_alarms_total{level=\"full\"}", 1.0)
        .containsEntry("sluice_conntrack_pressure{level=\"cleared\"}", 1.0);
    assertThat(doctor().severity()).isEqualTo(Severity.FAILURE);
    assertThat(doctor().found()).contains("198.18.0.1 to 198.18.0.2:9/udp");
    assertThat(doctor().remedy()).contains("--egress source=");

    // The flows end.
    lab.host().exec("conntrack", "-D", "-p", "udp", "--orig-port-dst", "9").orFail();
    events.awaitLine("\"subject\":\"source-ports\",\"level\":\"cleared\"", LIMIT);
    assertThat(passing(4_000)).as("of 100 new flows").isEqualTo(100);
    assertThat(doctor().severity()).isEqualTo(Severity.NOTE);
    assertThat(metrics()).containsEntry("sluice_source_ports_exhausted", 0.0);
    Scale.report("29", "alarm %d ms after the first of %d drops".formatted(millis, lost));
  }
}
