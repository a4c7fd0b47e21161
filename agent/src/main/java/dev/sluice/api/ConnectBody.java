package dev.sluice.api;

import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest.Attachment;
import java.util.Optional;

/**
 * The body of {@code POST /v1/networks/NAME/endpoints}, in both directions: {@code
 * {"sandbox":"web","namespace":"/run/netns/web","aliases":["www"]}}.
 *
 * @param sandbox who is to join
 * @param attachment the network, and how
 * @param namespace where the sandbox is, if that is said
 */
record ConnectBody(SandboxName sandbox, Attachment attachment, Optional<String> namespace) {
  private static final String EXAMPLE = "{\"sandbox\":\"web\",\"namespace\":\"/run/netns/web\"}";

  byte[] write() {
    return ApiJson.bytes(
        json -> {
          json.writeStartObject();
          json.writeStringProperty("sandbox", sandbox.text());
          namespace.ifPresent(path -> json.writeStringProperty("namespace", path));
          AttachmentJson.write(json, attachment);
          json.writeEndObject();
        });
  }

  /**
   * Reads a body.
   *
   * @throws ProblemException if it is no JSON, or not this object
   * @throws dev.sluice.net.MalformedValueException if a name or an address cannot be read
   */
  static ConnectBody read(byte[] body, String network) {
    return JsonBody.read(body, EXAMPLE, json -> readObject(json, network));
  }

  private static ConnectBody readObject(JsonBody json, String network) {
    Optional<SandboxName> sandbox = Optional.empty();
    Optional<String> namespace = Optional.empty();
    AttachmentJson attachment = new AttachmentJson();
    for (String member = json.nextMember(); member != null; member = json.nextMember()) {
      switch (member) {
        case "sandbox" -> sandbox = Optional.of(new SandboxName(json.string(member)));
        case "namespace" -> namespace = Optional.of(json.string(member));
        case "addresses", "aliases", "interface" -> attachment.read(json, member);
        default ->
            throw json.unknown(
                member, "\"sandbox\", \"namespace\", \"addresses\", \"aliases\" and \"interface\"");
      }
    }
    return new ConnectBody(
        sandbox.orElseThrow(
            () -> JsonBody.malformed("\"sandbox\" is missing; say who is to join the network")),
        attachment.to(network),
        namespace);
  }
}
