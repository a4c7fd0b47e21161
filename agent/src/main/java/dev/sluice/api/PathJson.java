package dev.sluice.api;

import dev.sluice.model.PathReport;
import dev.sluice.model.PathReport.Outcome;
import dev.sluice.model.PathReport.Step;
import dev.sluice.model.PathReport.Way;
import dev.sluice.net.Protocol;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** The ways of first packets in JSON, in both directions. */
final class PathJson {
  private PathJson() {}

  static void write(JsonGenerator json, PathReport report) {
    json.writeStartObject();
    json.writeArrayPropertyStart("ways");
    for (Way way : report.ways()) {
      json.writeStartObject();
      json.writeStringProperty("title", way.title());
      json.writeStringProperty("from", way.from());
      json.writeStringProperty("to", way.to());
      json.writeNumberProperty("port", way.port());
      json.writeStringProperty("protocol", way.protocol().toString());
      json.writeStringProperty("outcome", way.outcome().name().toLowerCase(Locale.ROOT));
      json.writeBooleanProperty("certain", way.certain());
      json.writeStringProperty("verdict", way.verdict());
      if (!way.remedy().isEmpty()) {
        json.writeStringProperty("remedy", way.remedy());
      }
      json.writeArrayPropertyStart("conditions");
      way.conditions().forEach(json::writeString);
      json.writeEndArray();
      json.writeArrayPropertyStart("steps");
      way.steps().forEach(step -> write(json, step));
      json.writeEndArray();
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, Step step) {
    json.writeStartObject();
    json.writeStringProperty("hook", step.hook());
    json.writeStringProperty("place", step.place());
    if (step.priority().isPresent()) {
      json.writeNumberProperty("priority", step.priority().getAsInt());
    }
    if (!step.rule().isEmpty()) {
      json.writeStringProperty("rule", step.rule());
    }
    json.writeStringProperty("effect", step.effect());
    json.writeStringProperty("packet", step.packet());
    json.writeEndObject();
  }

  /** Reads what {@link #write} wrote; members this version does not know are passed over. */
  static PathReport read(byte[] document) {
    List<Way> ways = new ArrayList<>();
    try (JsonParser json = ApiJson.parser(document)) {
      json.nextToken();
      for (String name = json.nextName(); name != null; name = json.nextName()) {
        json.nextToken();
        if (name.equals("ways")) {
          while (json.nextToken() == JsonToken.START_OBJECT) {
            ways.add(readWay(json));
          }
        } else {
          json.skipChildren();
        }
      }
    }
    return new PathReport(ways);
  }

  private static Way readWay(JsonParser json) {
    String title = "";
    String from = "";
    String to = "";
    int port = 0;
    Protocol protocol = Protocol.TCP;
    Outcome outcome = Outcome.UNREACHABLE;
    boolean certain = false;
    String verdict = "";
    String remedy = "";
    List<String> conditions = new ArrayList<>();
    List<Step> steps = new ArrayList<>();
    for (String name = json.nextName(); name != null; name = json.nextName()) {
      json.nextToken();
      switch (name) {
        case "title" -> title = json.getString();
        case "from" -> from = json.getString();
        case "to" -> to = json.getString();
        case "port" -> port = json.getIntValue();
        case "protocol" -> protocol = Protocol.parse(json.getString());
        case "outcome" -> outcome = Outcome.valueOf(json.getString().toUpperCase(Locale.ROOT));
        case "certain" -> certain = json.getBooleanValue();
        case "verdict" -> verdict = json.getString();
        case "remedy" -> remedy = json.getString();
        case "conditions" -> {
          while (json.nextToken() == JsonToken.VALUE_STRING) {
            conditions.add(json.getString());
          }
        }
        case "steps" -> {
          while (json.nextToken() == JsonToken.START_OBJECT) {
            steps.add(readStep(json));
          }
        }
        default -> json.skipChildren();
      }
    }
    return new Way(
        title, from, to, port, protocol, steps, outcome, certain, verdict, remedy, conditions);
  }

  private static Step readStep(JsonParser json) {
    String hook = "";
    String place = "";
    OptionalInt priority = OptionalInt.empty();
    String rule = "";
    String effect = "";
    String packet = "";
    for (String name = json.nextName(); name != null; name = json.nextName()) {
      json.nextToken();
      switch (name) {
        case "hook" -> hook = json.getString();
        case "place" -> place = json.getString();
        case "priority" -> priority = OptionalInt.of(json.getIntValue());
        case "rule" -> rule = json.getString();
        case "effect" -> effect = json.getString();
        case "packet" -> packet = json.getString();
        default -> json.skipChildren();
      }
    }
    return new Step(hook, place, priority, rule, effect, packet);
  }
}
