package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.testing.Lab;
import dev.sluice.testing.PrometheusText;
import dev.sluice.testing.Traffic.Outcome;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The page for Prometheus of the real agent, fetched as the documentation says. */
class MetricsIT {
  @AutoClose private Lab lab;
  @AutoClose private BareAgent agent;
  private Path socket = Path.of("/nowhere");

  @BeforeEach
  void start(@TempDir Path directory) {
    socket = directory.resolve("sluice.sock");
    lab = Lab.builder().agentWillConfigureHost().build();
    agent = BareAgent.start(lab.host(), directory);
  }

  private String fetch(String... options) {
    String[] command = {
      "curl", "-sS", "--fail", "--unix-socket", socket.toString(), "http://sluice/metrics"
    };
    String[] all = new String[command.length + options.length];
    System.arraycopy(command, 0, all, 0, command.length);
    System.arraycopy(options, 0, all, command.length, options.length);
    return lab.host().exec(all).orFail().stdout();
  }

  private Map<String, Double> await(Predicate<Map<String, Double>> wanted) {
    long deadline = System.nanoTime() + 10_000_000_000L;
    while (true) {
      Map<String, Double> samples = PrometheusText.parse(fetch()).samples();
      if (wanted.test(samples)) {
        return samples;
      }
      assertThat(System.nanoTime()).as("%s", samples).isLessThan(deadline);
    }
  }

  /**
   * Fails if a line is not of the format, a connection is not counted, or a table's fullness is not
   * the kernel's.
   */
  @Test
  void connectionsAndTheirTrafficAreCounted() {
    agent
        .api()
        .publish(
            new PublishRequest(
                List.of(PortSpec.parse("8080:80")),
                List.of(IpAddress.parse(Lab.C1)),
                Optional.of(new MappingName("web")),
                Owner.CLI,
                MappingOptions.NONE));
    for (int i = 0; i < 3; i++) {
      assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).outcome()).isEqualTo(Outcome.ANSWERED);
    }
    String web = "host_address=\"0.0.0.0\",host_port=\"8080\",mapping=\"web\",protocol=\"tcp\"}";
    Map<String, Double> before =
        await(samples -> samples.getOrDefault("sluice_conntrack_entries", 0.0) >= 3);
    assertThat(before)
        .containsEntry("sluice_mappings", 1.0)
        .containsEntry("sluice_mapping_connections_total{" + web, 3.0)
        .containsEntry("sluice_mapping_bytes_total{direction=\"in\"," + web, 0.0)
        .containsEntry(
            "sluice_conntrack_limit",
            Double.valueOf(lab.host().sysctlValue("net.netfilter.nf_conntrack_max")))
        .containsEntry("sluice_flow_events_running", 1.0)
        .containsEntry("sluice_conntrack_pressure{level=\"cleared\"}", 1.0);
    lab.host().exec("conntrack", "-F").orFail();
    Map<String, Double> after =
        await(
            samples ->
                samples.getOrDefault("sluice_mapping_packets_total{direction=\"in\"," + web, 0.0)
                    >= 9);
    assertThat(after.get("sluice_mapping_bytes_total{direction=\"in\"," + web))
        .isBetween(3 * 100.0, 3 * 2_000.0);
    assertThat(after.get("sluice_mapping_bytes_total{direction=\"out\"," + web))
        .isBetween(3 * 100.0, 3 * 2_000.0);
    assertThat(after.get("sluice_flow_events_received_total")).isGreaterThanOrEqualTo(6);
  }

  /** Fails if the media type is not that of the format, or is the same for everybody. */
  @Test
  void theFormatIsNegotiated() {
    assertThat(fetch("-o", "/dev/null", "-w", "%{content_type}"))
        .isEqualTo("text/plain; version=0.0.4; charset=utf-8");
    String accept = "Accept: application/openmetrics-text; version=1.0.0";
    assertThat(fetch("-H", accept, "-o", "/dev/null", "-w", "%{content_type}"))
        .isEqualTo("application/openmetrics-text; version=1.0.0; charset=utf-8");
    assertThat(fetch("-H", accept)).endsWith("# EOF\n");
  }
}
