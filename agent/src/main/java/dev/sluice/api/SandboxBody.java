package dev.sluice.api;

import dev.sluice.model.ExposeSpec;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JsonGenerator;

/**
 * The body of {@code POST /v1/sandboxes}, in both directions: {@code
 * {"name":"web","namespace":"/run/netns/web","networks":[{"network":"net1"}],"publish":["8080:80"]}}.
 */
final class SandboxBody {
  private static final String EXAMPLE =
      "{\"name\":\"web\",\"namespace\":\"/run/netns/web\",\"networks\":[{\"network\":\"net1\"}]}";

  private SandboxBody() {}

  static byte[] write(SandboxRequest request) {
    return ApiJson.bytes(json -> write(json, request));
  }

  static void write(JsonGenerator json, SandboxRequest request) {
    json.writeStartObject();
    json.writeStringProperty("name", request.name().text());
    json.writeStringProperty("namespace", request.namespacePath());
    json.writeArrayPropertyStart("networks");
    for (Attachment attachment : request.attachments()) {
      json.writeStartObject();
      json.writeStringProperty("network", attachment.network());
      AttachmentJson.write(json, attachment);
      json.writeEndObject();
    }
    json.writeEndArray();
    SandboxJson.writeTexts(
        json, "publish", request.publish().stream().map(PortSpec::text).toList());
    SandboxJson.writeTexts(json, "expose", request.exposed());
    SandboxJson.writeTexts(json, "link", request.links());
    OptionsJson.write(json, request.options());
    json.writeEndObject();
  }

  /**
   * Reads a body.
   *
   * @throws ProblemException if it is no JSON, or not this object
   * @throws dev.sluice.net.MalformedValueException if a name, an address or a port cannot be read
   * @throws dev.sluice.model.InvalidNetworkException if the parts contradict each other
   */
  static SandboxRequest read(byte[] body, Owner owner) {
    return JsonBody.read(body, EXAMPLE, json -> readObject(json, owner));
  }

  /** Reads the members of the object the parser is in. */
  static SandboxRequest readObject(JsonBody json, Owner owner) {
    Optional<SandboxName> name = Optional.empty();
    Optional<String> namespace = Optional.empty();
    List<Attachment> networks = List.of(Attachment.to(SandboxRequest.DEFAULT_NETWORK));
    List<PortSpec> publish = List.of();
    List<ExposeSpec> exposed = List.of();
    List<SandboxLink> links = List.of();
    OptionsChange options = OptionsChange.NONE;
    for (String member = json.nextMember(); member != null; member = json.nextMember()) {
      switch (member) {
        case "name" -> name = Optional.of(new SandboxName(json.string(member)));
        case "namespace" -> namespace = Optional.of(json.string(member));
        case "networks" ->
            networks =
                json.objects(
                    member, EXAMPLE, SandboxRequest.MAX_NETWORKS, SandboxBody::readAttachment);
        case "publish" ->
            publish = json.array(member, "[\"8080:80\"]", PublishBody.MAX_PORTS, PortSpec::parse);
        case "expose" ->
            exposed =
                json.array(
                    member, "[\"80/tcp\"]", SandboxRequest.MAX_EXPOSED_PORTS, ExposeSpec::parse);
        case "link" ->
            links =
                json.array(member, "[\"db:mydb\"]", SandboxRequest.MAX_LINKS, SandboxLink::parse);
        case "allowedSources", "maxConnections", "sourceRate", "synProxy" ->
            options = OptionsJson.read(json, member, options);
        default ->
            throw json.unknown(
                member,
                "\"name\", \"namespace\", \"networks\", \"publish\", \"expose\", \"link\","
                    + " \"allowedSources\", \"maxConnections\", \"sourceRate\" and \"synProxy\"");
      }
    }
    return new SandboxRequest(
        name.orElseThrow(() -> JsonBody.malformed("\"name\" is missing; give the sandbox one")),
        namespace.orElseThrow(
            () ->
                JsonBody.malformed(
                    "\"namespace\" is missing; give the file of a network namespace, such as"
                        + " \"/run/netns/web\"")),
        networks,
        exposed,
        links,
        publish,
        options.applyTo(MappingOptions.NONE),
        owner);
  }

  private static Attachment readAttachment(JsonBody json) {
    Optional<String> network = Optional.empty();
    AttachmentJson attachment = new AttachmentJson();
    for (String member = json.nextMember(); member != null; member = json.nextMember()) {
      switch (member) {
        case "network" -> network = Optional.of(json.string(member));
        case "addresses", "aliases", "interface" -> attachment.read(json, member);
        default ->
            throw json.unknown(member, "\"network\", \"addresses\", \"aliases\" and \"interface\"");
      }
    }
    return attachment.to(
        network.orElseThrow(
            () -> JsonBody.malformed("an entry of \"networks\" has no \"network\"; name one")));
  }
}
