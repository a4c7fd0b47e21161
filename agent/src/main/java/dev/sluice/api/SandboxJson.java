package dev.sluice.api;

import dev.sluice.model.Endpoint;
import dev.sluice.model.EndpointId;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Joined;
import dev.sluice.model.Mapping;
import dev.sluice.model.NamespacePath;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.net.IpAddress;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** Sandboxes in JSON, in both directions. */
final class SandboxJson {
  private SandboxJson() {}

  /** Writes {@code {"sandboxes":[…]}}. */
  static void writeAll(JsonGenerator json, List<Sandbox> sandboxes) {
    json.writeStartObject();
    json.writeArrayPropertyStart("sandboxes");
    sandboxes.forEach(sandbox -> write(json, sandbox, Optional.empty()));
    json.writeEndArray();
    json.writeEndObject();
  }

  /**
   * Writes a sandbox.
   *
   * @param published the mappings that lead to it; empty to say nothing of them
   */
  static void write(JsonGenerator json, Sandbox sandbox, Optional<List<Mapping>> published) {
    json.writeStartObject();
    json.writeStringProperty("name", sandbox.name().text());
    sandbox
        .namespace()
        .ifPresent(
            at -> {
              json.writeStringProperty("namespace", at.path());
              json.writeNumberProperty("namespaceCookie", at.cookie());
            });
    json.writeStringProperty("owner", sandbox.owner().toString());
    json.writeStringProperty("createdAt", sandbox.createdAt().toString());
    json.writeArrayPropertyStart("endpoints");
    for (Endpoint endpoint : sandbox.endpoints()) {
      json.writeStartObject();
      json.writeStringProperty("network", endpoint.network());
      writePlace(json, endpoint);
      json.writeEndObject();
    }
    json.writeEndArray();
    writeTexts(json, "expose", sandbox.exposed());
    writeTexts(json, "link", sandbox.links());
    published.ifPresent(
        mappings -> {
          json.writeArrayPropertyStart("mappings");
          mappings.forEach(mapping -> MappingJson.write(json, mapping, Optional.empty()));
          json.writeEndArray();
        });
    json.writeEndObject();
  }

  /** Writes the members of an endpoint, into the object of which it is one end. */
  static void writePlace(JsonGenerator json, Endpoint endpoint) {
    json.writeStringProperty("id", endpoint.id().text());
    json.writeStringProperty("interface", endpoint.interfaceName().text());
    json.writeArrayPropertyStart("addresses");
    endpoint.addresses().forEach(address -> json.writeString(address.toString()));
    json.writeEndArray();
    writeTexts(json, "aliases", endpoint.aliases());
  }

  /** Writes an array of texts, unless it is empty. */
  static void writeTexts(JsonGenerator json, String member, List<?> values) {
    if (!values.isEmpty()) {
      json.writeArrayPropertyStart(member);
      values.forEach(value -> json.writeString(value.toString()));
      json.writeEndArray();
    }
  }

  /**
   * Reads {@code {"sandboxes":[…]}}; members this version does not know are passed over.
   *
   * @throws IllegalArgumentException if a member is missing or malformed
   */
  static List<Sandbox> readAll(byte[] document) {
    List<Sandbox> sandboxes = new ArrayList<>();
    try (JsonParser json = ApiJson.parser(document)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("not an object");
      }
      for (String name = json.nextName(); name != null; name = json.nextName()) {
        json.nextToken();
        if (name.equals("sandboxes")) {
          while (json.nextToken() == JsonToken.START_OBJECT) {
            sandboxes.add(readObject(json).sandbox());
          }
        } else {
          json.skipChildren();
        }
      }
    }
    return sandboxes;
  }

  /** Reads one sandbox and the mappings that are told with it, as {@link #readAll}. */
  static Joined read(byte[] document) {
    try (JsonParser json = ApiJson.parser(document)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("not an object");
      }
      return readObject(json);
    }
  }

  private static Joined readObject(JsonParser json) {
    Map<String, String> members = new HashMap<>();
    long cookie = 0;
    List<Endpoint> endpoints = new ArrayList<>();
    List<ExposeSpec> exposed = List.of();
    List<SandboxLink> links = List.of();
    List<Mapping> published = List.of();
    for (String member = json.nextName(); member != null; member = json.nextName()) {
      json.nextToken();
      switch (member) {
        case "name", "namespace", "owner", "createdAt" -> members.put(member, json.getString());
        case "namespaceCookie" -> cookie = json.getLongValue();
        case "endpoints" -> {
          while (json.nextToken() == JsonToken.START_OBJECT) {
            endpoints.add(readEndpoint(json));
          }
        }
        case "expose" -> exposed = texts(json, ExposeSpec::parse);
        case "link" -> links = texts(json, SandboxLink::parse);
        case "mappings" ->
            published =
                MappingJson.readArray(json).stream().map(PublishedMapping::mapping).toList();
        default -> json.skipChildren();
      }
    }
    String path = members.get("namespace");
    Optional<NamespacePath> namespace =
        path == null ? Optional.empty() : Optional.of(new NamespacePath(path, cookie));
    return new Joined(
        new Sandbox(
            new SandboxName(required(members, "name")),
            namespace,
            Owner.parse(required(members, "owner")),
            Instant.parse(required(members, "createdAt")),
            endpoints,
            exposed,
            links),
        published);
  }

  private static Endpoint readEndpoint(JsonParser json) {
    Map<String, String> members = new HashMap<>();
    List<IpAddress> addresses = List.of();
    List<SandboxName> aliases = List.of();
    for (String member = json.nextName(); member != null; member = json.nextName()) {
      json.nextToken();
      switch (member) {
        case "id", "network", "interface" -> members.put(member, json.getString());
        case "addresses" -> addresses = texts(json, IpAddress::parse);
        case "aliases" -> aliases = texts(json, SandboxName::new);
        default -> json.skipChildren();
      }
    }
    return new Endpoint(
        new EndpointId(required(members, "id")),
        required(members, "network"),
        new InterfaceName(required(members, "interface")),
        addresses,
        aliases);
  }

  private static <T> List<T> texts(JsonParser json, Function<String, T> parse) {
    List<T> values = new ArrayList<>();
    while (json.nextToken() == JsonToken.VALUE_STRING) {
      values.add(parse.apply(json.getString()));
    }
    return values;
  }

  private static String required(Map<String, String> members, String name) {
    String value = members.get(name);
    if (value == null) {
      throw new IllegalArgumentException("a sandbox has no \"" + name + "\"");
    }
    return value;
  }
}
