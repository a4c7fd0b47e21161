package dev.sluice.api;

import dev.sluice.flow.EventStatistics;
import dev.sluice.flow.PressureStatistics;
import dev.sluice.flow.SourcePortStatistics;
import dev.sluice.model.Alarm;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** Statistics in JSON, in both directions. */
final class StatisticsJson {
  private StatisticsJson() {}

  /** Writes {@code {"events":{…},"connectionTable":{…},"sourcePorts":{…}}}. */
  static void write(JsonGenerator json, HostStatistics statistics) {
    json.writeStartObject();
    json.writeName("events");
    write(json, statistics.events());
    json.writeName("connectionTable");
    write(json, statistics.connectionTable());
    json.writeName("sourcePorts");
    write(json, statistics.sourcePorts());
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, EventStatistics events) {
    json.writeStartObject();
    json.writeStringProperty("state", events.state().toString());
    events.failure().ifPresent(why -> json.writeStringProperty("failure", why));
    json.writeNumberProperty("received", events.received());
    json.writeNumberProperty("lostReceiveBuffer", events.lostReceiveBuffer());
    json.writeNumberProperty("lostRing", events.lostRing());
    json.writeNumberProperty("lostMalformed", events.lostMalformed());
    json.writeNumberProperty("synthesised", events.synthesised());
    json.writeNumberProperty("duplicates", events.duplicates());
    json.writeNumberProperty("openFlows", events.openFlows());
    json.writeNumberProperty("untracked", events.untracked());
    json.writeBooleanProperty("complete", events.isCurrent());
    json.writeNumberProperty("comparisons", events.comparisons());
    json.writeNumberProperty("consumers", events.consumers());
    json.writeNumberProperty("evictedConsumers", events.evictedConsumers());
    json.writeNumberProperty("retained", events.retained());
    json.writeNumberProperty("oldestSequence", events.oldestSequence());
    json.writeNumberProperty("nextSequence", events.nextSequence());
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, PressureStatistics table) {
    json.writeStartObject();
    table.failure().ifPresent(why -> json.writeStringProperty("failure", why));
    json.writeNumberProperty("entries", table.entries());
    json.writeNumberProperty("limit", table.limit());
    json.writeStringProperty("level", table.level().toString());
    json.writeNumberProperty("dropped", table.dropped());
    json.writeNumberProperty("earlyDropped", table.earlyDropped());
    json.writeNumberProperty("insertFailed", table.insertFailed());
    write(json, table.alarms());
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, SourcePortStatistics ports) {
    json.writeStartObject();
    json.writeStringProperty("level", ports.level().toString());
    json.writeNumberProperty("dropped", ports.dropped());
    write(json, ports.alarms());
    json.writeStringProperty("text", ports.text());
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, Map<Alarm.Level, Long> alarms) {
    json.writeObjectPropertyStart("alarms");
    for (Alarm.Level level : Alarm.Level.values()) {
      json.writeNumberProperty(level.toString(), alarms.getOrDefault(level, 0L));
    }
    json.writeEndObject();
  }

  /**
   * Reads what {@link #write} wrote; members this version does not know are passed over.
   *
   * @throws IllegalArgumentException if a member is malformed
   */
  static HostStatistics read(byte[] document) {
    Map<String, String> members = new HashMap<>();
    try (JsonParser json = ApiJson.parser(document)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("not an object");
      }
      flatten(json, "", members);
    }
    return new HostStatistics(events(members), table(members), sourcePorts(members));
  }

  /** Members of members, as {@code events.received}. */
  private static void flatten(JsonParser json, String prefix, Map<String, String> members) {
    for (String name = json.nextName(); name != null; name = json.nextName()) {
      JsonToken token = json.nextToken();
      if (token == JsonToken.START_OBJECT) {
        flatten(json, prefix + name + ".", members);
      } else if (token.isScalarValue()) {
        members.put(prefix + name, json.getString());
      } else {
        json.skipChildren();
      }
    }
  }

  private static EventStatistics events(Map<String, String> members) {
    return new EventStatistics(
        EventStatistics.State.valueOf(
            members.getOrDefault("events.state", "failed").toUpperCase(Locale.ROOT)),
        Optional.ofNullable(members.get("events.failure")),
        number(members, "events.received"),
        number(members, "events.lostReceiveBuffer"),
        number(members, "events.lostRing"),
        number(members, "events.lostMalformed"),
        number(members, "events.synthesised"),
        number(members, "events.duplicates"),
        number(members, "events.openFlows"),
        number(members, "events.untracked"),
        "true".equals(members.get("events.complete")),
        number(members, "events.comparisons"),
        (int) number(members, "events.consumers"),
        number(members, "events.evictedConsumers"),
        number(members, "events.retained"),
        number(members, "events.oldestSequence"),
        number(members, "events.nextSequence"));
  }

  private static PressureStatistics table(Map<String, String> members) {
    return new PressureStatistics(
        number(members, "connectionTable.entries"),
        number(members, "connectionTable.limit"),
        number(members, "connectionTable.dropped"),
        number(members, "connectionTable.earlyDropped"),
        number(members, "connectionTable.insertFailed"),
        level(members, "connectionTable.level"),
        alarms(members, "connectionTable.alarms."),
        Optional.ofNullable(members.get("connectionTable.failure")));
  }

  private static SourcePortStatistics sourcePorts(Map<String, String> members) {
    return new SourcePortStatistics(
        level(members, "sourcePorts.level"),
        number(members, "sourcePorts.dropped"),
        alarms(members, "sourcePorts.alarms."),
        members.getOrDefault("sourcePorts.text", ""));
  }

  private static Alarm.Level level(Map<String, String> members, String name) {
    return Alarm.Level.valueOf(members.getOrDefault(name, "cleared").toUpperCase(Locale.ROOT));
  }

  private static Map<Alarm.Level, Long> alarms(Map<String, String> members, String prefix) {
    Map<Alarm.Level, Long> alarms = new EnumMap<>(Alarm.Level.class);
    for (Alarm.Level level : Alarm.Level.values()) {
      alarms.put(level, number(members, prefix + level));
    }
    return alarms;
  }

  private static long number(Map<String, String> members, String name) {
    return Long.parseLong(members.getOrDefault(name, "0"));
  }
}
