package dev.sluice.daemon;

import dev.sluice.api.MetricsPage;
import dev.sluice.api.docker.DriverStatistics;
import dev.sluice.api.docker.EngineLatencies;
import dev.sluice.api.docker.EngineStatistics;
import dev.sluice.api.docker.Latencies;
import dev.sluice.fastpath.FastPathStatistics;
import dev.sluice.flow.CarriedStatistics;
import dev.sluice.flow.EventStatistics;
import dev.sluice.flow.PressureStatistics;
import dev.sluice.flow.SourcePortStatistics;
import dev.sluice.model.Alarm;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingId;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Traffic;
import dev.sluice.net.IpAddress;
import dev.sluice.proxy.ProxyStatistics;
import io.prometheus.metrics.expositionformats.ExpositionFormatWriter;
import io.prometheus.metrics.expositionformats.ExpositionFormats;
import io.prometheus.metrics.model.snapshots.ClassicHistogramBuckets;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.CounterSnapshot.CounterDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot.GaugeDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The figures of the agent in the formats of Prometheus; docs/metrics.md has the list. They are
 * read when they are asked for, and nothing is kept or loaded before.
 */
final class AgentMetrics implements MetricsPage {
  private final Supplier<List<PublishedMapping>> mappings;
  private final Supplier<Map<MappingId, Traffic>> ended;
  private final Supplier<EventStatistics> events;
  private final Supplier<PressureStatistics> pressure;
  private final Supplier<SourcePortStatistics> sourcePorts;
  private final LongSupplier repairs;
  private final Supplier<ProxyStatistics> proxy;
  private final Supplier<FastPathStatistics> fastPath;
  private final Supplier<CarriedStatistics> carried;
  private final Supplier<Optional<EngineStatistics>> docker;
  private final Supplier<Optional<DriverStatistics>> driver;

  private @Nullable ExpositionFormats formats;

  /**
   * @param mappings what is published, with its numbers of connections
   * @param ended what connections that have ended carried
   * @param repairs how often the table had to be repaired
   * @param proxy what the userland proxy carries
   * @param fastPath what became of packets at the fast path
   * @param carried what it carries
   * @param docker how a Docker engine is followed; empty if none is
   * @param driver what is asked of Docker's network driver; empty if nobody can
   */
  AgentMetrics(
      Supplier<List<PublishedMapping>> mappings,
      Supplier<Map<MappingId, Traffic>> ended,
      Supplier<EventStatistics> events,
      Supplier<PressureStatistics> pressure,
      Supplier<SourcePortStatistics> sourcePorts,
      LongSupplier repairs,
      Supplier<ProxyStatistics> proxy,
      Supplier<FastPathStatistics> fastPath,
      Supplier<CarriedStatistics> carried,
      Supplier<Optional<EngineStatistics>> docker,
      Supplier<Optional<DriverStatistics>> driver) {
    this.mappings = mappings;
    this.ended = ended;
    this.events = events;
    this.pressure = pressure;
    this.sourcePorts = sourcePorts;
    this.repairs = repairs;
    this.proxy = proxy;
    this.fastPath = fastPath;
    this.carried = carried;
    this.docker = docker;
    this.driver = driver;
  }

  @Override
  public Page read(Optional<String> accept) {
    ExpositionFormatWriter writer = formats().findWriter(accept.orElse(null));
    MetricSnapshots figures = figures();
    return new Page() {
      @Override
      public String contentType() {
        return writer.getContentType();
      }

      @Override
      public void write(OutputStream out) throws IOException {
        writer.write(out, figures);
      }
    };
  }

  private synchronized ExpositionFormats formats() {
    ExpositionFormats known = formats;
    if (known == null) {
      known = ExpositionFormats.init();
      formats = known;
    }
    return known;
  }

  private MetricSnapshots figures() {
    MetricSnapshots.Builder all = MetricSnapshots.builder();
    mappings(all);
    events(all, events.get());
    table(all, pressure.get());
    sourcePorts(all, sourcePorts.get());
    all.metricSnapshot(
        counter(
            "sluice_table_repairs",
            "How often others changed our firewall table and it was put back.",
            repairs.getAsLong()));
    proxy(all, proxy.get());
    fastPath(all, fastPath.get());
    carried(all, carried.get());
    docker.get().ifPresent(now -> docker(all, now));
    driver.get().ifPresent(now -> driver(all, now));
    process(all);
    return all.build();
  }

  private void mappings(MetricSnapshots.Builder all) {
    List<PublishedMapping> published = mappings.get();
    Map<MappingId, Traffic> carried = ended.get();
    all.metricSnapshot(gauge("sluice_mappings", "Mappings that are published.", published.size()));
    CounterSnapshot.Builder connections =
        counter(
            "sluice_mapping_connections",
            "Connections led to the target since the mapping was published.");
    CounterSnapshot.Builder bytes =
        counter(
            "sluice_mapping_bytes",
            "Bytes of connections of the mapping that have ended, and what the fast path carried.");
    CounterSnapshot.Builder packets =
        counter(
            "sluice_mapping_packets",
            "Packets of connections of the mapping that have ended, and what the fast path carried.");
    for (PublishedMapping one : published) {
      Labels labels = labels(one.mapping());
      Labels in = labels.add("direction", "in");
      Labels out = labels.add("direction", "out");
      Traffic traffic = carried.getOrDefault(one.mapping().id(), Traffic.NONE);
      connections.dataPoint(point(labels, one.counters().connections()));
      bytes.dataPoint(point(in, traffic.in().bytes())).dataPoint(point(out, traffic.out().bytes()));
      packets
          .dataPoint(point(in, traffic.in().packets()))
          .dataPoint(point(out, traffic.out().packets()));
    }
    all.metricSnapshot(connections.build());
    all.metricSnapshot(bytes.build());
    all.metricSnapshot(packets.build());
  }

  /** No two mappings have the same protocol, address and ports. */
  private static Labels labels(Mapping mapping) {
    return Labels.of(
        "mapping",
        mapping.label(),
        "protocol",
        mapping.protocol().toString(),
        "host_address",
        mapping.hostAddress().orElse(IpAddress.any(mapping.family())).toString(),
        "host_port",
        mapping.hostPorts().toString());
  }

  private static void events(MetricSnapshots.Builder all, EventStatistics now) {
    all.metricSnapshot(
        gauge(
            "sluice_flow_events_running",
            "1 while events of connections are read, else 0.",
            now.state() == EventStatistics.State.RUNNING ? 1 : 0));
    all.metricSnapshot(
        counter(
            "sluice_flow_events_received",
            "Events of connections that were read.",
            now.received()));
    all.metricSnapshot(
        counter("sluice_flow_events_lost", "Events of connections that are missing in the stream.")
            .dataPoint(point(Labels.of("cause", "receive-buffer"), now.lostReceiveBuffer()))
            .dataPoint(point(Labels.of("cause", "ring"), now.lostRing()))
            .dataPoint(point(Labels.of("cause", "malformed"), now.lostMalformed()))
            .build());
    all.metricSnapshot(
        gauge("sluice_event_consumers", "Who follows the events now.", now.consumers()));
    all.metricSnapshot(
        gauge("sluice_event_log_entries", "Events that are retained.", now.retained()));
    all.metricSnapshot(
        counter(
            "sluice_event_consumers_evicted",
            "Consumers that were too slow and lost their place.",
            now.evictedConsumers()));
    all.metricSnapshot(
        counter(
            "sluice_flow_events_synthesised",
            "Events concluded by comparing with the kernel's table after a loss.",
            now.synthesised()));
    all.metricSnapshot(
        counter(
            "sluice_flow_events_duplicate",
            "Events that told again what had been told; they are not in the stream.",
            now.duplicates()));
    all.metricSnapshot(
        counter(
            "sluice_flow_comparisons",
            "Comparisons of the known flows with the kernel's table.",
            now.comparisons()));
    all.metricSnapshot(gauge("sluice_flows", "Flows that are open.", now.openFlows()));
    all.metricSnapshot(
        gauge(
            "sluice_flows_complete",
            "1 while all open flows are known, 0 between a loss and the end of the comparison.",
            now.isCurrent() ? 1 : 0));
    all.metricSnapshot(
        counter(
            "sluice_flows_untracked",
            "Flows that were not followed because there was no room.",
            now.untracked()));
  }

  private static void table(MetricSnapshots.Builder all, PressureStatistics now) {
    all.metricSnapshot(
        gauge("sluice_conntrack_entries", "Connections in the connection table.", now.entries()));
    all.metricSnapshot(
        gauge(
            "sluice_conntrack_limit",
            "How many connections the table can hold; 0 without a limit.",
            now.limit()));
    all.metricSnapshot(
        counter("sluice_conntrack_dropped", "What the connection table had no place for.")
            .dataPoint(point(Labels.of("reason", "drop"), now.dropped()))
            .dataPoint(point(Labels.of("reason", "early_drop"), now.earlyDropped()))
            .dataPoint(point(Labels.of("reason", "insert_failed"), now.insertFailed()))
            .build());
    CounterSnapshot.Builder alarms =
        counter("sluice_conntrack_alarms", "Alarms about the connection table.");
    GaugeSnapshot.Builder pressure =
        GaugeSnapshot.builder()
            .name("sluice_conntrack_pressure")
            .help("1 at the level the connection table is at now, else 0.");
    for (Alarm.Level level : Alarm.Level.values()) {
      Labels labels = Labels.of("level", level.toString());
      alarms.dataPoint(point(labels, now.alarms().getOrDefault(level, 0L)));
      pressure.dataPoint(
          GaugeDataPointSnapshot.builder()
              .labels(labels)
              .value(now.level() == level ? 1 : 0)
              .build());
    }
    all.metricSnapshot(alarms.build());
    all.metricSnapshot(pressure.build());
  }

  private static void sourcePorts(MetricSnapshots.Builder all, SourcePortStatistics now) {
    all.metricSnapshot(
        counter(
            "sluice_source_ports_dropped",
            "New connections dropped since no source port was free for them.",
            now.dropped()));
    all.metricSnapshot(
        gauge(
            "sluice_source_ports_exhausted",
            "1 while connections to some end find no source port, else 0.",
            now.level() == Alarm.Level.FULL ? 1 : 0));
    CounterSnapshot.Builder alarms =
        counter("sluice_source_ports_alarms", "Alarms about source ports.");
    for (Alarm.Level level : List.of(Alarm.Level.WARNING, Alarm.Level.FULL, Alarm.Level.CLEARED)) {
      alarms.dataPoint(
          point(Labels.of("level", level.toString()), now.alarms().getOrDefault(level, 0L)));
    }
    all.metricSnapshot(alarms.build());
  }

  private static void fastPath(MetricSnapshots.Builder all, FastPathStatistics now) {
    CounterSnapshot.Builder packets =
        counter(
            "sluice_fastpath_packets", "Packets that the fast path saw, by what became of them.");
    now.packets()
        .forEach(
            (outcome, count) ->
                packets.dataPoint(point(Labels.of("outcome", outcome.label()), count)));
    all.metricSnapshot(packets.build());
  }

  private static void carried(MetricSnapshots.Builder all, CarriedStatistics now) {
    all.metricSnapshot(
        gauge(
            "sluice_fastpath_entries",
            "Directions of connections that the fast path carries, two for each.",
            now.entries()));
    all.metricSnapshot(
        counter("sluice_fastpath_bytes", "Bytes that the fast path has carried.", now.bytes()));
  }

  private static void proxy(MetricSnapshots.Builder all, ProxyStatistics now) {
    all.metricSnapshot(
        gauge("sluice_proxy_listeners", "Sockets the userland proxy listens on.", now.listeners()));
    all.metricSnapshot(
        gauge(
            "sluice_proxy_connections_open",
            "TCP connections the userland proxy carries now.",
            now.connections()));
    all.metricSnapshot(
        gauge(
            "sluice_proxy_udp_clients", "Clients of UDP ports it remembers now.", now.sessions()));
    all.metricSnapshot(
        counter("sluice_proxy_connections", "What it accepted.")
            .dataPoint(point(Labels.of("protocol", "tcp"), now.connectionsTotal()))
            .dataPoint(point(Labels.of("protocol", "udp"), now.sessionsTotal()))
            .build());
    all.metricSnapshot(
        counter("sluice_proxy_bytes", "Bytes it has passed on.")
            .dataPoint(point(Labels.of("direction", "in"), now.bytesIn()))
            .dataPoint(point(Labels.of("direction", "out"), now.bytesOut()))
            .build());
    all.metricSnapshot(
        counter(
            "sluice_proxy_refused",
            "Connections whose container refused or did not answer.",
            now.refused()));
    all.metricSnapshot(
        counter(
            "sluice_proxy_without_descriptor",
            "Times something had to wait because the proxy had no descriptor left.",
            now.noDescriptor()));
    all.metricSnapshot(
        gauge(
            "sluice_proxy_open_fds",
            "Descriptors it has open, beside those of the process.",
            now.descriptors()));
  }

  private static void docker(MetricSnapshots.Builder all, EngineStatistics now) {
    all.metricSnapshot(
        gauge(
            "sluice_docker_connected",
            "1 while the events of the Docker engine are read, else 0.",
            now.connected() ? 1 : 0));
    all.metricSnapshot(
        gauge(
            "sluice_docker_containers",
            "Containers of the Docker engine that run.",
            now.containers()));
    all.metricSnapshot(
        gauge(
            "sluice_docker_problems",
            "Containers and networks of the Docker engine that cannot be served.",
            now.problems().size()));
    all.metricSnapshot(
        counter(
            "sluice_docker_connections",
            "How often the Docker engine was connected to.",
            now.connections()));
    all.metricSnapshot(
        counter(
            "sluice_docker_events",
            "Events of the Docker engine that were acted on.",
            now.events()));
    EngineLatencies took = now.latencies();
    all.metricSnapshot(
        histogram(
            "sluice_docker_publish_seconds",
            "From an event of the Docker engine until the ports were published.",
            took.published()));
    all.metricSnapshot(
        histogram(
            "sluice_docker_delivery_seconds",
            "Of that, from the event until the agent had read it.",
            took.delivered()));
    all.metricSnapshot(
        histogram(
            "sluice_docker_answer_seconds",
            "Of that, until the Docker engine had answered what it was asked then.",
            took.answered()));
    all.metricSnapshot(
        histogram("sluice_docker_own_seconds", "Of that, what the agent took.", took.own()));
  }

  private static void driver(MetricSnapshots.Builder all, DriverStatistics now) {
    CounterSnapshot.Builder made =
        counter("sluice_docker_driver_calls", "Calls of Docker to its network driver.");
    CounterSnapshot.Builder refused =
        counter("sluice_docker_driver_refused", "Those that were answered with an error.");
    now.calls()
        .forEach(
            (call, count) -> {
              Labels labels = Labels.of("call", call);
              made.dataPoint(point(labels, count.made()));
              refused.dataPoint(point(labels, count.refused()));
            });
    all.metricSnapshot(made.build());
    all.metricSnapshot(refused.build());
    all.metricSnapshot(
        counter(
            "sluice_docker_driver_turned_away",
            "Connections to the network driver that were refused before anything was asked.",
            now.turnedAway()));
  }

  private static HistogramSnapshot histogram(String name, String help, Latencies values) {
    List<Double> bounds = new ArrayList<>();
    Latencies.BOUNDS_MILLIS.forEach(millis -> bounds.add(millis / 1e3));
    bounds.add(Double.POSITIVE_INFINITY);
    return HistogramSnapshot.builder()
        .name(name)
        .help(help)
        .dataPoint(
            HistogramSnapshot.HistogramDataPointSnapshot.builder()
                .classicHistogramBuckets(ClassicHistogramBuckets.of(bounds, values.counts()))
                .sum(values.sumNanos() / 1e9)
                .build())
        .build();
  }

  /** By the names that all of Prometheus' libraries use. */
  private static void process(MetricSnapshots.Builder all) {
    ProcessUsage usage = ProcessUsage.read();
    all.metricSnapshot(
        CounterSnapshot.builder()
            .name("process_cpu_seconds")
            .help("Time of processors used by the agent, in seconds.")
            .dataPoint(CounterDataPointSnapshot.builder().value(usage.cpuNanos() / 1e9).build())
            .build());
    all.metricSnapshot(
        gauge(
            "process_resident_memory_bytes",
            "Memory of the agent that is in use.",
            usage.residentBytes()));
    all.metricSnapshot(
        gauge("process_open_fds", "Descriptors the agent has open.", usage.descriptors()));
    all.metricSnapshot(
        gauge(
            "process_max_fds", "Descriptors the agent may have open.", ProcessLimits.openFiles()));
    all.metricSnapshot(
        gauge(
            "process_start_time_seconds",
            "When the agent was started, in seconds since 1970.",
            ManagementFactory.getRuntimeMXBean().getStartTime() / 1e3));
  }

  private static GaugeSnapshot gauge(String name, String help, long value) {
    return gauge(name, help, (double) value);
  }

  private static GaugeSnapshot gauge(String name, String help, double value) {
    return GaugeSnapshot.builder()
        .name(name)
        .help(help)
        .dataPoint(GaugeDataPointSnapshot.builder().value(value).build())
        .build();
  }

  private static CounterSnapshot counter(String name, String help, long value) {
    return counter(name, help).dataPoint(point(Labels.EMPTY, value)).build();
  }

  /** The format adds {@code _total} to the name. */
  private static CounterSnapshot.Builder counter(String name, String help) {
    return CounterSnapshot.builder().name(name).help(help);
  }

  private static CounterDataPointSnapshot point(Labels labels, long value) {
    return CounterDataPointSnapshot.builder().labels(labels).value((double) value).build();
  }
}
