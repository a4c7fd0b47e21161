package dev.sluice.api;

import dev.sluice.model.Declaration;
import dev.sluice.model.DeclaredChange;
import dev.sluice.model.DeclaredChange.Action;
import dev.sluice.model.DeclaredChange.Kind;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Mapping;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.SandboxRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * The body of {@code PUT /v1/declared}, {@code
 * {"ports":[…],"networks":["br0",{…}],"sandboxes":[…]}} with the bodies of {@code POST} to
 * mappings, networks and sandboxes as entries, and its answer; both in both directions.
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
          if (!declaration.bridges().isEmpty() || !declaration.networks().isEmpty()) {
            json.writeArrayPropertyStart("networks");
            declaration.bridges().forEach(bridge -> json.writeString(bridge.toString()));
            declaration.networks().forEach(network -> NetworkBody.write(json, network));
            json.writeEndArray();
          }
          if (!declaration.sandboxes().isEmpty()) {
            json.writeArrayPropertyStart("sandboxes");
            declaration.sandboxes().forEach(sandbox -> SandboxBody.write(json, sandbox));
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
    List<InterfaceName> bridges = new ArrayList<>();
    List<NetworkRequest> networks = new ArrayList<>();
    List<SandboxRequest> sandboxes = List.of();
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
            json.mixed(
                member,
                "[\"br0\",{\"name\":\"web\"}]",
                Declaration.MAX_NETWORKS,
                bridge -> bridges.add(new InterfaceName(bridge)),
                network -> networks.add(NetworkBody.readObject(network, Owner.FILE)));
        case "sandboxes" ->
            sandboxes =
                json.objects(
                    member, EXAMPLE, Declaration.MAX_SANDBOXES, DeclarationJson::readSandbox);
        default -> throw json.unknown(member, "\"ports\", \"networks\" and \"sandboxes\"");
      }
    }
    if (!complete) {
      throw JsonBody.malformed("\"ports\" is missing; an empty array publishes nothing");
    }
    return new Declaration(ports, bridges, networks, sandboxes);
  }

  private static SandboxRequest readSandbox(JsonBody json) {
    SandboxRequest sandbox = SandboxBody.readObject(json, Owner.FILE);
    if (!sandbox.publish().isEmpty() || !sandbox.options().isNone()) {
      throw JsonBody.malformed(
          "the sandbox "
              + sandbox.name()
              + " publishes ports itself; write them into \"ports\", with its name as \"target\"");
    }
    return sandbox;
  }

  /** Writes {@code {"changes":[…],"published":[…],"withdrawn":[…],"unchanged":3}}. */
  static void writeOutcome(JsonGenerator json, Declarations.Outcome outcome) {
    json.writeStartObject();
    json.writeArrayPropertyStart("changes");
    for (DeclaredChange change : outcome.changes()) {
      json.writeStartObject();
      json.writeStringProperty("action", change.action().toString());
      json.writeStringProperty("kind", change.kind().toString());
      json.writeStringProperty("text", change.text());
      json.writeEndObject();
    }
    json.writeEndArray();
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
    List<DeclaredChange> changes = new ArrayList<>();
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
          case "changes" -> {
            while (json.nextToken() == JsonToken.START_OBJECT) {
              changes.add(readChange(json));
            }
          }
          case "published" -> published = readMappings(json);
          case "withdrawn" -> withdrawn = readMappings(json);
          case "unchanged" -> unchanged = json.getIntValue();
          default -> json.skipChildren();
        }
      }
    }
    return new Declarations.Outcome(changes, published, withdrawn, unchanged);
  }

  private static DeclaredChange readChange(JsonParser json) {
    String action = "";
    String kind = "";
    String text = "";
    for (String name = json.nextName(); name != null; name = json.nextName()) {
      json.nextToken();
      switch (name) {
        case "action" -> action = json.getString();
        case "kind" -> kind = json.getString();
        case "text" -> text = json.getString();
        default -> json.skipChildren();
      }
    }
    return new DeclaredChange(Action.parse(action), Kind.parse(kind), text);
  }

  private static List<Mapping> readMappings(JsonParser json) {
    return MappingJson.readArray(json).stream().map(PublishedMapping::mapping).toList();
  }
}
