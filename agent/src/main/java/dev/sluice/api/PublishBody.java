package dev.sluice.api;

import dev.sluice.model.Destination;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JsonGenerator;

/**
 * The body of {@code POST /v1/mappings}, in both directions: {@code
 * {"ports":["8080:80"],"target":"172.30.0.2","name":"web"}}.
 */
final class PublishBody {
  /** The most entries in {@code ports}; a range counts once. */
  static final int MAX_PORTS = 65_536;

  private static final String EXAMPLE = "{\"ports\":[\"8080:80\"],\"target\":\"172.30.0.2\"}";

  private PublishBody() {}

  static byte[] write(PublishRequest request) {
    return ApiJson.bytes(json -> write(json, request));
  }

  static void write(JsonGenerator json, PublishRequest request) {
    write(
        json,
        request.ports().stream().map(PortSpec::text).toList(),
        () -> TargetJson.write(json, request.to()),
        request.name().map(MappingName::text),
        request.options());
  }

  /** Writes a body whose parts nobody has read yet. */
  static byte[] write(
      List<String> ports, List<String> targets, Optional<String> name, MappingOptions options) {
    return ApiJson.bytes(
        json -> write(json, ports, () -> TargetJson.write(json, targets), name, options));
  }

  private static void write(
      JsonGenerator json,
      List<String> ports,
      Runnable targets,
      Optional<String> name,
      MappingOptions options) {
    json.writeStartObject();
    json.writeArrayPropertyStart("ports");
    ports.forEach(json::writeString);
    json.writeEndArray();
    targets.run();
    name.ifPresent(text -> json.writeStringProperty("name", text));
    OptionsJson.write(json, options);
    json.writeEndObject();
  }

  /**
   * Reads a body.
   *
   * @throws ProblemException if it is no JSON, or not this object
   * @throws dev.sluice.net.MalformedValueException if a port, a target, a source, a rate or the
   *     name cannot be read
   */
  static PublishRequest read(byte[] body, Owner owner) {
    return JsonBody.read(body, EXAMPLE, json -> readObject(json, owner));
  }

  /** Reads the members of the object the parser is in. */
  static PublishRequest readObject(JsonBody json, Owner owner) {
    List<PortSpec> ports = List.of();
    TargetJson target = new TargetJson();
    Optional<MappingName> name = Optional.empty();
    OptionsChange options = OptionsChange.NONE;
    for (String member = json.nextMember(); member != null; member = json.nextMember()) {
      switch (member) {
        case "ports" -> ports = json.array(member, "[\"8080:80\"]", MAX_PORTS, PortSpec::parse);
        case "target", "targets", "balance" -> target.read(json, member);
        case "name" -> name = Optional.of(new MappingName(json.string(member)));
        case "allowedSources", "maxConnections", "sourceRate", "synProxy", "proxyProtocolPort" ->
            options = OptionsJson.read(json, member, options);
        default ->
            throw json.unknown(
                member,
                "\"ports\", \"target\", \"targets\", \"balance\", \"name\", \"allowedSources\","
                    + " \"maxConnections\", \"sourceRate\", \"synProxy\" and"
                    + " \"proxyProtocolPort\"");
      }
    }
    if (ports.isEmpty()) {
      throw JsonBody.malformed(
          "\"ports\" is missing or empty; give at least one, such as \"8080:80\"");
    }
    Destination destination = target.destination();
    if (destination.isNone()) {
      throw JsonBody.malformed(
          "\"target\" is missing; give the address of the container, or the name of a sandbox");
    }
    return new PublishRequest(
        ports, destination, name, owner, options.applyTo(MappingOptions.NONE));
  }
}
