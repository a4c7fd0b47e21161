package dev.sluice.cli;

import dev.sluice.model.FlowCounters;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Traffic;
import java.io.StringWriter;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/**
 * What happened between two samples.
 *
 * @param eventsPerSecond events read
 * @param lostNow events lost between the two
 * @param sample the second
 * @param rows the mappings, the busiest first
 */
record TopReport(double eventsPerSecond, long lostNow, TopSample sample, List<Row> rows) {
  private static final JsonFactory JSON = new JsonFactory();
  private static final double NANOS_PER_SECOND = 1e9;

  /**
   * One mapping.
   *
   * @param open how many connections are open, empty if none was seen since the agent started
   */
  record Row(
      Mapping mapping,
      double connectionsPerSecond,
      OptionalLong open,
      double bytesInPerSecond,
      double bytesOutPerSecond,
      Optional<Instant> lastSeen) {
    private static final Comparator<Row> BUSIEST_FIRST =
        Comparator.comparingDouble(Row::connectionsPerSecond)
            .thenComparingDouble(row -> row.bytesInPerSecond + row.bytesOutPerSecond)
            .thenComparingLong(row -> row.open.orElse(0))
            .reversed()
            .thenComparing(row -> row.mapping.label())
            .thenComparing(row -> row.mapping.hostText());
  }

  /** A mapping that was published meanwhile began at 0. */
  static TopReport between(TopSample before, TopSample after) {
    double seconds = Math.max(1, after.nanos() - before.nanos()) / NANOS_PER_SECOND;
    Map<MappingId, MappingCounters> earlier = new HashMap<>();
    before.mappings().forEach(one -> earlier.put(one.mapping().id(), one.counters()));
    List<Row> rows = new ArrayList<>();
    for (PublishedMapping one : after.mappings()) {
      MappingCounters then = earlier.getOrDefault(one.mapping().id(), MappingCounters.ZERO);
      MappingCounters now = one.counters();
      Traffic carriedThen = then.traffic().orElse(Traffic.NONE);
      Traffic carriedNow = now.traffic().orElse(Traffic.NONE);
      rows.add(
          new Row(
              one.mapping(),
              rate(then.connections(), now.connections(), seconds),
              now.open(),
              rate(carriedThen.in(), carriedNow.in(), seconds),
              rate(carriedThen.out(), carriedNow.out(), seconds),
              now.lastSeen()));
    }
    rows.sort(Row.BUSIEST_FIRST);
    return new TopReport(
        rate(
            before.statistics().events().received(),
            after.statistics().events().received(),
            seconds),
        Math.max(0, after.statistics().events().lost() - before.statistics().events().lost()),
        after,
        rows);
  }

  private static double rate(FlowCounters then, FlowCounters now, double seconds) {
    return rate(then.bytes(), now.bytes(), seconds);
  }

  /** A counter goes back when the agent is restarted, or a connection ends while it is counted. */
  private static double rate(long then, long now, double seconds) {
    return Math.max(0, now - then) / seconds;
  }

  /** One object on one line. */
  String toJson(Instant time) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), text)) {
      json.writeStartObject();
      json.writeStringProperty("time", time.toString());
      json.writeNumberProperty("eventsPerSecond", tenths(eventsPerSecond));
      json.writeNumberProperty("lostNow", lostNow);
      json.writeName("statistics");
      json.writeRawValue(sample.statisticsJson());
      json.writeArrayPropertyStart("mappings");
      rows.forEach(row -> write(json, row));
      json.writeEndArray();
      json.writeEndObject();
    }
    return text.toString();
  }

  private static void write(JsonGenerator json, Row row) {
    Mapping mapping = row.mapping();
    json.writeStartObject();
    json.writeStringProperty("id", mapping.id().toString());
    mapping.name().ifPresent(name -> json.writeStringProperty("name", name.text()));
    json.writeStringProperty("text", mapping.hostText());
    json.writeStringProperty("targetAddress", mapping.targetAddress().toString());
    json.writeNumberProperty("connectionsPerSecond", tenths(row.connectionsPerSecond()));
    row.open().ifPresent(open -> json.writeNumberProperty("open", open));
    json.writeNumberProperty("bytesInPerSecond", tenths(row.bytesInPerSecond()));
    json.writeNumberProperty("bytesOutPerSecond", tenths(row.bytesOutPerSecond()));
    row.lastSeen().ifPresent(at -> json.writeStringProperty("lastSeen", at.toString()));
    json.writeEndObject();
  }

  private static double tenths(double rate) {
    return Math.round(rate * 10) / 10.0;
  }
}
