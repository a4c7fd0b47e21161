package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.api.MetricsPage;
import dev.sluice.api.docker.DriverStatistics;
import dev.sluice.api.docker.EngineLatencies;
import dev.sluice.api.docker.EngineStatistics;
import dev.sluice.api.docker.Latencies;
import dev.sluice.fastpath.FastPathStatistics;
import dev.sluice.fastpath.Outcome;
import dev.sluice.flow.CarriedStatistics;
import dev.sluice.flow.EventStatistics;
import dev.sluice.flow.PressureStatistics;
import dev.sluice.flow.SourcePortStatistics;
import dev.sluice.model.Alarm.Level;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Traffic;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.proxy.ProxyStatistics;
import dev.sluice.testing.PrometheusText;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The page for Prometheus: each figure under its documented name. */
class AgentMetricsTest {
  private static final MappingId ID = new MappingId(0x1234);

  private final AgentMetrics metrics =
      new AgentMetrics(
          () ->
              List.of(
                  new PublishedMapping(
                      mapping(ID, Optional.empty(), PortRange.of(8080)), new MappingCounters(7)),
                  new PublishedMapping(
                      mapping(
                          new MappingId(0x5678),
                          Optional.of(IpAddress.parse("198.18.0.1")),
                          new PortRange(9000, 9009)),
                      new MappingCounters(8))),
          () -> Map.of(ID, new Traffic(new FlowCounters(1, 100), new FlowCounters(2, 2000))),
          () ->
              new EventStatistics(
                  EventStatistics.State.RUNNING,
                  Optional.empty(),
                  1_000,
                  11,
                  12,
                  13,
                  14,
                  15,
                  16,
                  17,
                  true,
                  18,
                  3,
                  19,
                  4_096,
                  1,
                  1_001),
          () ->
              new PressureStatistics(
                  970,
                  1_000,
                  21,
                  22,
                  23,
                  Level.CRITICAL,
                  Map.of(Level.WARNING, 5L, Level.CRITICAL, 6L),
                  Optional.empty()),
          () -> new SourcePortStatistics(Level.FULL, 31, Map.of(Level.FULL, 32L), "none is free"),
          () -> 9,
          () -> new ProxyStatistics(31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43),
          () -> new FastPathStatistics(Map.of(Outcome.INWARD, 61L, Outcome.TCP_FLAGS, 62L)),
          () -> new CarriedStatistics(63, 64, 65),
          () ->
              Optional.of(
                  new EngineStatistics(
                      Path.of("/var/run/docker.sock"),
                      true,
                      Optional.of("20.10.24"),
                      51,
                      52,
                      53,
                      54,
                      Optional.empty(),
                      Optional.empty(),
                      List.of("a problem"),
                      new EngineLatencies(
                          new Latencies(
                              List.of(1L, 2L, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 3L), 4_500_000_000L),
                          all(1_000_000_000),
                          all(2_000_000_000),
                          all(1_500_000_000)))),
          () ->
              Optional.of(
                  new DriverStatistics(
                      Map.of(
                          "Join",
                          new DriverStatistics.Calls(61, 0),
                          "CreateEndpoint",
                          new DriverStatistics.Calls(62, 63)),
                      64)));

  private static Latencies all(long sumNanos) {
    return new Latencies(List.of(6L, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L), sumNanos);
  }

  private static Mapping mapping(MappingId id, Optional<IpAddress> host, PortRange ports) {
    return new Mapping(
        id,
        Optional.of(new MappingName("web")),
        Owner.CLI,
        Protocol.TCP,
        host,
        ports,
        IpAddress.parse("172.30.0.2"),
        ports,
        Instant.EPOCH,
        MappingOptions.NONE);
  }

  private static String text(MetricsPage.Page page) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      page.write(out);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    return out.toString(StandardCharsets.UTF_8);
  }

  private PrometheusText page() {
    return PrometheusText.parse(text(metrics.read(Optional.empty())));
  }

  /** Fails if a figure is under another's name, label or missing. */
  @Test
  void eachFigureIsUnderItsName() {
    String web = "{host_address=\"0.0.0.0\",host_port=\"8080\",mapping=\"web\",protocol=\"tcp\"}";
    String range =
        "{host_address=\"198.18.0.1\",host_port=\"9000-9009\",mapping=\"web\",protocol=\"tcp\"}";
    String in = "{direction=\"in\"," + web.substring(1);
    String out = "{direction=\"out\"," + web.substring(1);
    assertThat(page().samples())
        .containsEntry("sluice_mappings", 2.0)
        .containsEntry("sluice_mapping_connections_total" + web, 7.0)
        .containsEntry("sluice_mapping_connections_total" + range, 8.0)
        .containsEntry("sluice_mapping_bytes_total" + in, 100.0)
        .containsEntry("sluice_mapping_bytes_total" + out, 2000.0)
        .containsEntry("sluice_mapping_packets_total" + in, 1.0)
        .containsEntry("sluice_mapping_packets_total" + out, 2.0)
        .containsEntry("sluice_flow_events_running", 1.0)
        .containsEntry("sluice_flow_events_received_total", 1000.0)
        .containsEntry("sluice_flow_events_lost_total{cause=\"receive-buffer\"}", 11.0)
        .containsEntry("sluice_flow_events_lost_total{cause=\"ring\"}", 12.0)
        .containsEntry("sluice_flow_events_lost_total{cause=\"malformed\"}", 13.0)
        .containsEntry("sluice_event_consumers", 3.0)
        .containsEntry("sluice_flow_events_synthesised_total", 14.0)
        .containsEntry("sluice_flow_events_duplicate_total", 15.0)
        .containsEntry("sluice_flows", 16.0)
        .containsEntry("sluice_flows_untracked_total", 17.0)
        .containsEntry("sluice_flows_complete", 1.0)
        .containsEntry("sluice_flow_comparisons_total", 18.0)
        .containsEntry("sluice_event_consumers_evicted_total", 19.0)
        .containsEntry("sluice_event_log_entries", 4096.0)
        .containsEntry("sluice_conntrack_entries", 970.0)
        .containsEntry("sluice_conntrack_limit", 1000.0)
        .containsEntry("sluice_conntrack_dropped_total{reason=\"drop\"}", 21.0)
        .containsEntry("sluice_conntrack_dropped_total{reason=\"early_drop\"}", 22.0)
        .containsEntry("sluice_conntrack_dropped_total{reason=\"insert_failed\"}", 23.0)
        .containsEntry("sluice_source_ports_dropped_total", 31.0)
        .containsEntry("sluice_source_ports_exhausted", 1.0)
        .containsEntry("sluice_source_ports_alarms_total{level=\"full\"}", 32.0)
        .containsEntry("sluice_source_ports_alarms_total{level=\"warning\"}", 0.0)
        .containsEntry("sluice_source_ports_alarms_total{level=\"cleared\"}", 0.0)
        .containsEntry("sluice_conntrack_alarms_total{level=\"warning\"}", 5.0)
        .containsEntry("sluice_conntrack_alarms_total{level=\"critical\"}", 6.0)
        .containsEntry("sluice_conntrack_alarms_total{level=\"full\"}", 0.0)
        .containsEntry("sluice_conntrack_pressure{level=\"critical\"}", 1.0)
        .containsEntry("sluice_conntrack_pressure{level=\"cleared\"}", 0.0)
        .containsEntry("sluice_table_repairs_total", 9.0)
        .containsEntry("sluice_proxy_connections_open", 31.0)
        .containsEntry("sluice_proxy_connections_total{protocol=\"tcp\"}", 32.0)
        .containsEntry("sluice_proxy_bytes_total{direction=\"in\"}", 33.0)
        .containsEntry("sluice_proxy_bytes_total{direction=\"out\"}", 34.0)
        .containsEntry("sluice_proxy_refused_total", 35.0)
        .containsEntry("sluice_proxy_without_descriptor_total", 36.0)
        .containsEntry("sluice_proxy_udp_clients", 37.0)
        .containsEntry("sluice_proxy_connections_total{protocol=\"udp\"}", 38.0)
        .containsEntry("sluice_proxy_listeners", 41.0)
        .containsEntry("sluice_proxy_open_fds", 42.0)
        .containsEntry("sluice_fastpath_packets_total{outcome=\"inward\"}", 61.0)
        .containsEntry("sluice_fastpath_packets_total{outcome=\"tcp_flags\"}", 62.0)
        .containsEntry("sluice_fastpath_packets_total{outcome=\"outward\"}", 0.0)
        .containsEntry("sluice_fastpath_entries", 63.0)
        .containsEntry("sluice_fastpath_bytes_total", 65.0)
        .containsEntry("sluice_docker_connected", 1.0)
        .containsEntry("sluice_docker_containers", 51.0)
        .containsEntry("sluice_docker_connections_total", 53.0)
        .containsEntry("sluice_docker_events_total", 54.0)
        .containsEntry("sluice_docker_problems", 1.0)
        .containsEntry("sluice_docker_publish_seconds_bucket{le=\"0.002\"}", 3.0)
        .containsEntry("sluice_docker_publish_seconds_bucket{le=\"+Inf\"}", 6.0)
        .containsEntry("sluice_docker_publish_seconds_sum", 4.5)
        .containsEntry("sluice_docker_delivery_seconds_sum", 1.0)
        .containsEntry("sluice_docker_answer_seconds_sum", 2.0)
        .containsEntry("sluice_docker_own_seconds_sum", 1.5)
        .containsEntry("sluice_docker_own_seconds_count", 6.0)
        .containsEntry("sluice_docker_driver_calls_total{call=\"Join\"}", 61.0)
        .containsEntry("sluice_docker_driver_calls_total{call=\"CreateEndpoint\"}", 62.0)
        .containsEntry("sluice_docker_driver_refused_total{call=\"CreateEndpoint\"}", 63.0)
        .containsEntry("sluice_docker_driver_turned_away_total", 64.0);
  }

  /** Fails if a figure of the process is in another unit. */
  @Test
  void figuresOfTheProcessAreInTheUnitsOfTheirNames() {
    Map<String, Double> samples = page().samples();
    double now = System.currentTimeMillis() / 1e3;
    assertThat(samples.get("process_cpu_seconds_total")).isBetween(0.1, 3_600.0);
    assertThat(samples.get("process_resident_memory_bytes")).isBetween(1e7, 1e10);
    assertThat(samples.get("process_open_fds")).isBetween(3.0, samples.get("process_max_fds"));
    assertThat(samples.get("process_start_time_seconds")).isBetween(now - 36_000, now);
  }

  /** Fails if the documentation lacks a name, has one that is gone, or another type or label. */
  @Test
  void theDocumentationHasEveryNameAndNoOther() throws IOException {
    Pattern row = Pattern.compile("\\| `(\\w+)` \\| (counter|gauge|histogram) \\|([^|]*)\\|.*");
    Pattern code = Pattern.compile("`(\\w+)`");
    Map<String, String> documented = new TreeMap<>();
    for (String line : Files.readAllLines(Path.of("../docs/metrics.md"))) {
      Matcher matcher = row.matcher(line);
      if (matcher.matches()) {
        TreeSet<String> labels = new TreeSet<>();
        code.matcher(matcher.group(3)).results().forEach(found -> labels.add(found.group(1)));
        documented.put(matcher.group(1), matcher.group(2) + " " + labels);
      }
    }
    PrometheusText page = page();
    Map<String, String> shown = new TreeMap<>();
    page.families()
        .forEach(
            (name, family) -> {
              TreeSet<String> labels = new TreeSet<>();
              page.samples().keySet().stream()
                  .filter(key -> key.equals(name) || key.startsWith(name + "{"))
                  .forEach(
                      key ->
                          Pattern.compile("(\\w+)=\"")
                              .matcher(key)
                              .results()
                              .forEach(found -> labels.add(found.group(1))));
              shown.put(name, family.type() + " " + labels);
            });
    assertThat(shown).hasSizeGreaterThan(15).isEqualTo(documented);
  }

  /** Fails if a client is answered in a format it did not ask for. */
  @Test
  void theFormatIsTheOneAskedFor() {
    MetricsPage.Page open =
        metrics.read(Optional.of("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assertThat(open.contentType()).startsWith("application/openmetrics-text; version=1.0.0");
    assertThat(text(open)).endsWith("# EOF\n").contains("# TYPE sluice_mappings gauge");
    for (Optional<String> accept :
        List.of(Optional.<String>empty(), Optional.of("*/*"), Optional.of("text/html"))) {
      MetricsPage.Page plain = metrics.read(accept);
      assertThat(plain.contentType()).startsWith("text/plain; version=0.0.4");
      assertThat(text(plain)).doesNotContain("# EOF");
    }
  }

  /** Fails if the reader that the other tests trust lets something pass. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "x 1\n",
        "# HELP x y\n# TYPE x gauge\nx 1",
        "# HELP x y\n# TYPE x gauge\nx one\n",
        "# HELP x y\n# TYPE x gauge\nx{a=1} 1\n",
        "# HELP x y\n# TYPE x gauge\nx{a=\"1\",} 1\n",
        "# HELP x y\n# TYPE x gauge\nx{a=\"\\x\"} 1\n",
        "# HELP x y\n# TYPE x gauge\nx 1\nx 2\n",
        "# HELP x y\n# TYPE x gauge\ny 1\n",
        "# HELP x y\n# TYPE x counter\nx 1\n",
        "# HELP x_total y\n# TYPE x_total counter\nx_total -1\n",
        "# TYPE x gauge\nx 1\n",
        "# HELP x y\n# TYPE x gauge\n\nx 1\n"
      })
  void theReaderRefuses(String page) {
    assertThatThrownBy(() -> PrometheusText.parse(page)).isInstanceOf(AssertionError.class);
  }
}
