package dev.sluice.api;

import dev.sluice.model.Backend;
import dev.sluice.model.Backends;
import dev.sluice.model.Balance;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SourceRate;
import dev.sluice.model.Traffic;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** Mappings in JSON, in both directions. */
final class MappingJson {
  private MappingJson() {}

  /** Writes {@code {"mappings":[…]}} of mappings whose connections nobody counted. */
  static void writeMappings(JsonGenerator json, List<Mapping> mappings) {
    json.writeStartObject();
    json.writeArrayPropertyStart("mappings");
    for (Mapping mapping : mappings) {
      write(json, mapping, Optional.empty());
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  /** Writes {@code {"mappings":[…]}}. */
  static void writePublished(JsonGenerator json, List<PublishedMapping> mappings) {
    json.writeStartObject();
    json.writeArrayPropertyStart("mappings");
    for (PublishedMapping published : mappings) {
      write(json, published.mapping(), Optional.of(published.counters()));
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  static void write(JsonGenerator json, Mapping mapping, Optional<MappingCounters> counters) {
    json.writeStartObject();
    json.writeStringProperty("id", mapping.id().toString());
    mapping.name().ifPresent(name -> json.writeStringProperty("name", name.text()));
    json.writeStringProperty("owner", mapping.owner().toString());
    json.writeStringProperty("protocol", mapping.protocol().toString());
    json.writeStringProperty("hostAddress", mapping.key().addressOrAny().toString());
    json.writeStringProperty("hostPorts", mapping.hostPorts().toString());
    json.writeStringProperty("targetAddress", mapping.targetAddress().toString());
    json.writeStringProperty("targetPorts", mapping.targetPorts().toString());
    mapping.sandbox().ifPresent(name -> json.writeStringProperty("sandbox", name.text()));
    if (!mapping.backends().isPlain()) {
      json.writeStringProperty("balance", mapping.backends().balance().toString());
      writeBackends(json, mapping.backends(), counters);
    }
    if (mapping.isRelayed()) {
      json.writeBooleanProperty("relayed", true);
    }
    json.writeStringProperty("createdAt", mapping.createdAt().toString());
    OptionsJson.write(json, mapping.options());
    counters.ifPresent(
        counted -> {
          json.writeNumberProperty("connections", counted.connections());
          counted.open().ifPresent(open -> json.writeNumberProperty("open", open));
          counted.lastSeen().ifPresent(at -> json.writeStringProperty("lastSeen", at.toString()));
          counted.traffic().ifPresent(traffic -> write(json, traffic));
        });
    json.writeStringProperty("text", mapping.hostText());
    json.writeEndObject();
  }

  private static void writeBackends(
      JsonGenerator json, Backends backends, Optional<MappingCounters> counters) {
    json.writeArrayPropertyStart("backends");
    for (Backend backend : backends.all()) {
      json.writeStartObject();
      json.writeStringProperty("address", backend.address().toString());
      backend.sandbox().ifPresent(name -> json.writeStringProperty("sandbox", name.text()));
      json.writeNumberProperty("weight", backend.weight());
      counters.ifPresent(
          counted ->
              json.writeNumberProperty(
                  "connections", counted.byBackend().getOrDefault(backend.address(), 0L)));
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  private static void write(JsonGenerator json, Traffic traffic) {
    json.writeNumberProperty("packetsIn", traffic.in().packets());
    json.writeNumberProperty("bytesIn", traffic.in().bytes());
    json.writeNumberProperty("packetsOut", traffic.out().packets());
    json.writeNumberProperty("bytesOut", traffic.out().bytes());
  }

  /**
   * Reads {@code {"mappings":[…]}}; members this version does not know are passed over.
   *
   * @throws IllegalArgumentException if a member is missing or malformed
   */
  static List<PublishedMapping> read(byte[] document) {
    List<PublishedMapping> mappings = new ArrayList<>();
    try (JsonParser json = ApiJson.parser(document)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("not an object");
      }
      for (String name = json.nextName(); name != null; name = json.nextName()) {
        json.nextToken();
        if (name.equals("mappings")) {
          mappings.addAll(readArray(json));
        } else {
          json.skipChildren();
        }
      }
    }
    return mappings;
  }

  /** Reads the mappings of an array, on whose beginning the parser stands. */
  static List<PublishedMapping> readArray(JsonParser json) {
    List<PublishedMapping> mappings = new ArrayList<>();
    while (json.nextToken() == JsonToken.START_OBJECT) {
      mappings.add(readOne(json));
    }
    return mappings;
  }

  private static PublishedMapping readOne(JsonParser json) {
    Map<String, String> members = new HashMap<>();
    List<Prefix> sources = new ArrayList<>();
    List<Backend> backends = new ArrayList<>();
    Map<IpAddress, Long> byBackend = new HashMap<>();
    for (String name = json.nextName(); name != null; name = json.nextName()) {
      if (json.nextToken().isScalarValue()) {
        members.put(name, json.getString());
      } else if (name.equals("allowedSources")) {
        while (json.nextToken() == JsonToken.VALUE_STRING) {
          sources.add(Prefix.parse(json.getString()));
        }
      } else if (name.equals("backends")) {
        while (json.nextToken() == JsonToken.START_OBJECT) {
          readBackend(json, backends, byBackend);
        }
      } else {
        json.skipChildren();
      }
    }
    String limit = members.get("maxConnections");
    MappingOptions options =
        new MappingOptions(
            sources,
            limit == null ? OptionalInt.empty() : OptionalInt.of(Integer.parseInt(limit)),
            Optional.ofNullable(members.get("sourceRate")).map(SourceRate::parse),
            "true".equals(members.get("synProxy")),
            members.containsKey("proxyProtocolPort")
                ? OptionalInt.of(Integer.parseInt(member(members, "proxyProtocolPort")))
                : OptionalInt.empty());
    if (backends.isEmpty()) {
      backends.add(
          new Backend(
              IpAddress.parse(member(members, "targetAddress")),
              Optional.ofNullable(members.get("sandbox")).map(SandboxName::new),
              1));
    }
    IpAddress hostAddress = IpAddress.parse(member(members, "hostAddress"));
    Mapping mapping =
        new Mapping(
            MappingId.parse(member(members, "id")),
            Optional.ofNullable(members.get("name")).map(MappingName::new),
            Owner.parse(member(members, "owner")),
            Protocol.parse(member(members, "protocol")),
            hostAddress.family(),
            Optional.of(hostAddress),
            PortRange.parse(member(members, "hostPorts")),
            new Backends(
                backends,
                Balance.parse(members.getOrDefault("balance", Balance.ROUND_ROBIN.toString()))),
            PortRange.parse(member(members, "targetPorts")),
            Instant.parse(member(members, "createdAt")),
            options);
    return new PublishedMapping(
        mapping,
        new MappingCounters(
            number(members, "connections"),
            readTraffic(members),
            members.containsKey("open")
                ? OptionalLong.of(number(members, "open"))
                : OptionalLong.empty(),
            Optional.ofNullable(members.get("lastSeen")).map(Instant::parse),
            byBackend));
  }

  private static void readBackend(
      JsonParser json, List<Backend> backends, Map<IpAddress, Long> connections) {
    Map<String, String> members = new HashMap<>();
    for (String name = json.nextName(); name != null; name = json.nextName()) {
      if (json.nextToken().isScalarValue()) {
        members.put(name, json.getString());
      } else {
        json.skipChildren();
      }
    }
    IpAddress address = IpAddress.parse(member(members, "address"));
    backends.add(
        new Backend(
            address,
            Optional.ofNullable(members.get("sandbox")).map(SandboxName::new),
            Integer.parseInt(members.getOrDefault("weight", "1"))));
    if (members.containsKey("connections")) {
      connections.put(address, number(members, "connections"));
    }
  }

  private static Optional<Traffic> readTraffic(Map<String, String> members) {
    if (!members.containsKey("bytesIn")) {
      return Optional.empty();
    }
    return Optional.of(
        new Traffic(
            new FlowCounters(number(members, "packetsIn"), number(members, "bytesIn")),
            new FlowCounters(number(members, "packetsOut"), number(members, "bytesOut"))));
  }

  private static long number(Map<String, String> members, String name) {
    return Long.parseLong(members.getOrDefault(name, "0"));
  }

  private static String member(Map<String, String> members, String name) {
    String value = members.get(name);
    if (value == null) {
      throw new IllegalArgumentException("a mapping has no \"" + name + "\"");
    }
    return value;
  }
}
