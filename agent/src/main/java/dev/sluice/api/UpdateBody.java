package dev.sluice.api;

import dev.sluice.model.Destination;
import dev.sluice.model.MappingName;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.PortSpec;
import dev.sluice.model.UpdateRequest;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JsonGenerator;

/**
 * The body of {@code PATCH /v1/mappings/NAME}: what is not mentioned stays as it is, null takes a
 * restriction away. {@code {"target":"172.30.0.3","maxConnections":null,"add":["8443:443"]}}.
 */
final class UpdateBody {
  private static final String EXAMPLE = "{\"target\":\"172.30.0.3\"}";

  private UpdateBody() {}

  static byte[] write(UpdateRequest request) {
    return ApiJson.bytes(
        json -> {
          json.writeStartObject();
          request.name().ifPresent(name -> json.writeStringProperty("name", name.text()));
          TargetJson.write(json, request.to());
          writeBackends(json, "addTargets", request.backends().add());
          writeBackends(json, "removeTargets", request.backends().remove());
          OptionsJson.write(json, request.options());
          writePorts(json, "add", request.add());
          writePorts(json, "remove", request.remove());
          if (request.cut()) {
            json.writeBooleanProperty("cut", true);
          }
          json.writeEndObject();
        });
  }

  private static void writeBackends(JsonGenerator json, String member, Destination backends) {
    if (!backends.isNone()) {
      SandboxJson.writeTexts(
          json, member, backends.all().stream().map(Destination.Aim::text).toList());
    }
  }

  private static void writePorts(JsonGenerator json, String member, List<PortSpec> ports) {
    if (!ports.isEmpty()) {
      json.writeArrayPropertyStart(member);
      ports.forEach(port -> json.writeString(port.text()));
      json.writeEndArray();
    }
  }

  /**
   * Reads a body.
   *
   * @throws ProblemException if it is no JSON, or not this object, or changes nothing
   */
  static UpdateRequest read(byte[] body, String nameOrId) {
    return JsonBody.read(body, EXAMPLE, json -> readObject(json, nameOrId));
  }

  private static UpdateRequest readObject(JsonBody json, String nameOrId) {
    Optional<MappingName> name = Optional.empty();
    TargetJson target = new TargetJson();
    Destination addTargets = Destination.NONE;
    Destination removeTargets = Destination.NONE;
    OptionsChange options = OptionsChange.NONE;
    List<PortSpec> add = List.of();
    List<PortSpec> remove = List.of();
    boolean cut = false;
    for (String member = json.nextMember(); member != null; member = json.nextMember()) {
      switch (member) {
        case "name" -> name = Optional.of(new MappingName(json.string(member)));
        case "target", "targets", "balance" -> target.read(json, member);
        case "addTargets" -> addTargets = TargetJson.array(json, member);
        case "removeTargets" -> removeTargets = TargetJson.array(json, member);
        case "add" -> add = ports(json, member);
        case "remove" -> remove = ports(json, member);
        case "cut" -> cut = json.bool(member);
        case "allowedSources", "maxConnections", "sourceRate", "synProxy", "proxyProtocolPort" ->
            options = OptionsJson.read(json, member, options);
        default ->
            throw json.unknown(
                member,
                "\"name\", \"target\", \"targets\", \"balance\", \"addTargets\","
                    + " \"removeTargets\", \"allowedSources\", \"maxConnections\","
                    + " \"sourceRate\", \"synProxy\", \"proxyProtocolPort\", \"add\", \"remove\""
                    + " and \"cut\"");
      }
    }
    Destination destination = target.destination();
    UpdateRequest request =
        new UpdateRequest(
            nameOrId,
            name,
            destination,
            new UpdateRequest.BackendsChange(addTargets, removeTargets),
            options,
            add,
            remove,
            cut);
    if (request.isEmpty()) {
      throw JsonBody.malformed("nothing is to be changed; give a member such as " + EXAMPLE);
    }
    return request;
  }

  private static List<PortSpec> ports(JsonBody json, String member) {
    return json.array(member, "[\"8443:443\"]", PublishBody.MAX_PORTS, PortSpec::parse);
  }
}
