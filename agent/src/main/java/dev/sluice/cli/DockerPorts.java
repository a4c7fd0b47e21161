package dev.sluice.cli;

import dev.sluice.model.HostBinding;
import dev.sluice.model.Mapping;
import dev.sluice.model.PublishedMapping;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.core.JsonGenerator;

/** Mappings as docker inspect shows them under NetworkSettings.Ports. */
final class DockerPorts {
  private DockerPorts() {}

  /** A host port that leads to a port of the container. */
  private record Binding(String hostIp, int hostPort) {}

  /** One JSON object on several lines. */
  static String of(List<PublishedMapping> published) {
    Map<String, List<Binding>> byTarget = new TreeMap<>();
    for (PublishedMapping one : published) {
      Mapping mapping = one.mapping();
      HostBinding key = mapping.key();
      for (int i = 0; i < mapping.hostPorts().size(); i++) {
        byTarget
            .computeIfAbsent(
                mapping.targetPorts().first() + i + "/" + mapping.protocol(),
                port -> new ArrayList<>(1))
            .add(new Binding(key.addressOrAny().toString(), mapping.hostPorts().first() + i));
      }
    }
    return PrettyJson.text(json -> write(json, byTarget));
  }

  private static void write(JsonGenerator json, Map<String, List<Binding>> byTarget) {
    json.writeStartObject();
    byTarget.forEach(
        (port, bindings) -> {
          json.writeArrayPropertyStart(port);
          for (Binding binding : bindings) {
            json.writeStartObject();
            json.writeStringProperty("HostIp", binding.hostIp());
            json.writeStringProperty("HostPort", Integer.toString(binding.hostPort()));
            json.writeEndObject();
          }
          json.writeEndArray();
        });
    json.writeEndObject();
  }
}
