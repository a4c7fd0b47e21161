package dev.sluice.api;

import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.publish.PublishRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.TokenStreamLocation;

/**
 * The body of {@code POST /v1/mappings}, in both directions: {@code
 * {"ports":["8080:80"],"target":"172.30.0.2","name":"web"}}.
 */
final class PublishBody {
  /** The most entries in {@code ports}; a range counts once. */
  static final int MAX_PORTS = 65_536;

  private PublishBody() {}

  static byte[] write(List<String> ports, String target, Optional<String> name) {
    return ApiJson.bytes(
        json -> {
          json.writeStartObject();
          json.writeArrayPropertyStart("ports");
          ports.forEach(json::writeString);
          json.writeEndArray();
          json.writeStringProperty("target", target);
          name.ifPresent(text -> json.writeStringProperty("name", text));
          json.writeEndObject();
        });
  }

  /**
   * Reads a body.
   *
   * @throws ProblemException if it is no JSON, or not this object
   * @throws MalformedValueException if a port, the target or the name cannot be read
   */
  static PublishRequest read(byte[] body, Owner owner) {
    try (JsonParser json = ApiJson.parser(body)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw malformed(
            "the body must be a JSON object such as"
                + " {\"ports\":[\"8080:80\"],\"target\":\"172.30.0.2\"}");
      }
      PublishRequest request = readObject(json, owner);
      if (json.nextToken() != null) {
        throw malformed("something follows the JSON object" + at(json.currentTokenLocation()));
      }
      return request;
    } catch (JacksonException e) {
      throw malformed(
          "the body is not valid JSON: "
              + firstSentence(e.getOriginalMessage())
              + at(e.getLocation()));
    }
  }

  private static PublishRequest readObject(JsonParser json, Owner owner) {
    List<PortSpec> ports = null;
    IpAddress target = null;
    Optional<MappingName> name = Optional.empty();
    for (String member = json.nextName(); member != null; member = json.nextName()) {
      TokenStreamLocation location = json.currentTokenLocation();
      json.nextToken();
      switch (member) {
        case "ports" -> ports = readPorts(json);
        case "target" -> target = IpAddress.parse(string(json, member));
        case "name" -> name = Optional.of(new MappingName(string(json, member)));
        default ->
            throw malformed(
                "unknown member "
                    + MalformedValueException.quote(member)
                    + at(location)
                    + "; there are \"ports\", \"target\" and \"name\"");
      }
    }
    if (ports == null || ports.isEmpty()) {
      throw malformed("\"ports\" is missing or empty; give at least one, such as \"8080:80\"");
    }
    if (target == null) {
      throw malformed("\"target\" is missing; give the address of the container");
    }
    return new PublishRequest(ports, target, name, owner);
  }

  private static List<PortSpec> readPorts(JsonParser json) {
    if (json.currentToken() != JsonToken.START_ARRAY) {
      throw malformed(
          "\"ports\" must be an array of strings such as [\"8080:80\"]"
              + at(json.currentTokenLocation()));
    }
    List<PortSpec> ports = new ArrayList<>();
    while (json.nextToken() != JsonToken.END_ARRAY) {
      if (ports.size() == MAX_PORTS) {
        throw malformed("\"ports\" has more than " + MAX_PORTS + " entries");
      }
      ports.add(PortSpec.parse(string(json, "ports")));
    }
    return ports;
  }

  private static String string(JsonParser json, String member) {
    if (json.currentToken() != JsonToken.VALUE_STRING) {
      if (json.currentToken().isStructStart()) {
        // Reads on so that nesting beyond the limit is what is complained about.
        json.skipChildren();
      }
      throw malformed(
          (member.equals("ports") ? "an entry of \"ports\"" : '"' + member + '"')
              + " must be a string"
              + at(json.currentTokenLocation()));
    }
    return json.getString();
  }

  private static ProblemException malformed(String detail) {
    return new ProblemException(Problem.Kind.MALFORMED_REQUEST, detail);
  }

  private static String at(@Nullable TokenStreamLocation location) {
    return location == null || location.getLineNr() < 0
        ? ""
        : " at line " + location.getLineNr() + ", column " + location.getColumnNr();
  }

  /** Jackson explains at length; the first line says it. */
  private static String firstSentence(@Nullable String message) {
    return message == null ? "unknown reason" : message.lines().findFirst().orElse("");
  }
}
