package dev.sluice.api;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** Findings and facts in JSON, in both directions. */
final class DiagnosticsJson {
  private DiagnosticsJson() {}

  static void writeFacts(JsonGenerator json, Map<String, String> facts) {
    json.writeStartObject();
    facts.forEach(json::writeStringProperty);
    json.writeEndObject();
  }

  static Map<String, String> readFacts(byte[] document) {
    try (JsonParser json = ApiJson.parser(document)) {
      json.nextToken();
      return readStrings(json);
    }
  }

  static void writeFindings(JsonGenerator json, List<Finding> findings) {
    json.writeStartObject();
    json.writeArrayPropertyStart("findings");
    for (Finding finding : findings) {
      json.writeStartObject();
      json.writeStringProperty("check", finding.check());
      json.writeStringProperty("severity", finding.severity().name().toLowerCase(Locale.ROOT));
      json.writeStringProperty("found", finding.found());
      if (!finding.remedy().isEmpty()) {
        json.writeStringProperty("remedy", finding.remedy());
      }
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  static List<Finding> readFindings(byte[] document) {
    List<Finding> findings = new ArrayList<>();
    try (JsonParser json = ApiJson.parser(document)) {
      json.nextToken();
      for (String name = json.nextName(); name != null; name = json.nextName()) {
        json.nextToken();
        if (name.equals("findings")) {
          while (json.nextToken() == JsonToken.START_OBJECT) {
            Map<String, String> members = new HashMap<>(readStrings(json));
            findings.add(
                new Finding(
                    members.getOrDefault("check", ""),
                    Severity.valueOf(
                        members.getOrDefault("severity", "note").toUpperCase(Locale.ROOT)),
                    members.getOrDefault("found", ""),
                    members.getOrDefault("remedy", "")));
          }
        } else {
          json.skipChildren();
        }
      }
    }
    return findings;
  }

  private static Map<String, String> readStrings(JsonParser json) {
    Map<String, String> members = new LinkedHashMap<>();
    for (String name = json.nextName(); name != null; name = json.nextName()) {
      if (json.nextToken().isScalarValue()) {
        members.put(name, json.getString());
      } else {
        json.skipChildren();
      }
    }
    return members;
  }
}
