package dev.sluice.api;

import dev.sluice.model.Declaration;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Mapping;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * The body of {@code PUT /v1/declared}, {@code {"ports":[…],"networks":["br0"]}} with the bodies of
 * {@code POST /v1/mappings} as ports, and its answer; both in both directions.
 */
final class DeclarationJson {
  private static final String EXAMPLE =
      "{\"ports\":[{\"ports\":[\"8080:80\"],\"target\":\"172.30.0.2\"}]}";

  private DeclarationJson() {}

  static byte[] write(Declaration declaration) {
    return ApiJson.bytes(
        json -> {
          json.writeStartObject();
          json.writeArrayPropertyStart("ports");
          declaration.ports().forEach(entry -> PublishBody.write(json, entry));
          json.writeEndArray();
          if (!declaration.networks().isEmpty()) {
            json.writeArrayPropertyStart("networks");
            declaration.networks().forEach(bridge -> json.writeString(bridge.toString()));
            json.writeEndArray();
          }
          json.writeEndObject();
        });
  }

  /**
   * Reads a body.
   *
   * @throws ProblemException if it is no JSON, or not this object
   * @throws dev.sluice.net.MalformedValueException if a value in it cannot be read
   */
  static Declaration read(byte[] body) {
    return JsonBody.read(body, EXAMPLE, DeclarationJson::readObject);
  }

  private static Declaration readObject(JsonBody json) {
    List<PublishRequest> ports = new ArrayList<>();
    List<InterfaceName> networks = List.of();
    boolean complete = false;
    for (String member = json.nextMember(); member != null; member = json.nextMember()) {
      switch (member) {
        case "ports" -> {
          complete = true;
          ports.addAll(
              json.objects(
                  member,
                  EXAMPLE,
                  Declaration.MAX_PORTS,
                  entry -> PublishBody.readObject(entry, Owner.FILE)));
        }
        case "networks" ->
            networks =
                json.array(member, "[\"br0\"]", Declaration.MAX_NETWORKS, InterfaceName::new);
        default -> throw json.unknown(member, "\"ports\" and \"networks\"");
      }
    }
    if (!complete) {
      throw JsonBody.malformed("\"ports\" is missing; an empty array publishes nothing");
    }
    return new Declaration(ports, networks);
  }

  /** Writes {@code {"published":[…],"withdrawn":[…],"unchanged":3}}. */
  static void writeOutcome(JsonGenerator json, Declarations.Outcome outcome) {
    json.writeStartObject();
    writeMappings(json, "published", outcome.published());
    writeMappings(json, "withdrawn", outcome.withdrawn());
    json.writeNumberProperty("unchanged", outcome.unchanged());
    json.writeEndObject();
  }

  private static void writeMappings(JsonGenerator json, String name, List<Mapping> mappings) {
    json.writeArrayPropertyStart(name);
    mappings.forEach(mapping -> MappingJson.write(json, mapping, Optional.empty()));
    json.writeEndArray();
  }

  /**
   * Reads an answer; members this version does not know are passed over.
   *
   * @throws IllegalArgumentException if a member is missing or malformed
   */
  static Declarations.Outcome readOutcome(byte[] document) {
    List<Mapping> published = List.of();
    List<Mapping> withdrawn = List.of();
    int unchanged = 0;
    try (JsonParser json = ApiJson.parser(document)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("not an object");
      }
      for (String name = json.nextName(); name != null; name = json.nextName()) {
        json.nextToken();
        switch (name) {
          case "published" -> published = readMappings(json);
          case "withdrawn" -> withdrawn = readMappings(json);
          case "unchanged" -> unchanged = json.getIntValue();
          default -> json.skipChildren();
        }
      }
    }
    return new Declarations.Outcome(published, withdrawn, unchanged);
  }

  private static List<Mapping> readMappings(JsonParser json) {
    return MappingJson.readArray(json).stream().map(PublishedMapping::mapping).toList();
  }
}
