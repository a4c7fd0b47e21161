package dev.sluice.api;

import dev.sluice.model.Egress;
import dev.sluice.model.Endpoint;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Owner;
import dev.sluice.model.Sandbox;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/** Networks in JSON, in both directions. */
final class NetworkJson {
  /** The only kind of network there is. */
  private static final String DRIVER = "bridge";

  private static final String MASQUERADE = "masquerade";
  private static final String ROUTED = "routed";

  private static final Egress UNMANAGED = new Egress.Unmanaged();

  private NetworkJson() {}

  /** Writes {@code {"networks":[…]}}. */
  static void writeAll(JsonGenerator json, List<Network> networks) {
    json.writeStartObject();
    json.writeArrayPropertyStart("networks");
    networks.forEach(network -> write(json, network));
    json.writeEndArray();
    json.writeEndObject();
  }

  /** Writes a network without who is on it. */
  static void write(JsonGenerator json, Network network) {
    json.writeStartObject();
    writeMembers(json, network);
    json.writeEndObject();
  }

  /** Writes a network with its {@code endpoints}. */
  static void write(JsonGenerator json, Network network, List<Sandbox> there) {
    json.writeStartObject();
    writeMembers(json, network);
    json.writeArrayPropertyStart("endpoints");
    for (Sandbox sandbox : there) {
      Optional<Endpoint> endpoint = sandbox.on(network.name());
      endpoint.ifPresent(
          one -> {
            json.writeStartObject();
            json.writeStringProperty("sandbox", sandbox.name().text());
            SandboxJson.writePlace(json, one);
            json.writeEndObject();
          });
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private static void writeMembers(JsonGenerator json, Network network) {
    NetworkSettings settings = network.settings();
    json.writeStringProperty("name", network.name());
    json.writeStringProperty("driver", DRIVER);
    json.writeStringProperty("bridge", network.bridge().text());
    json.writeArrayPropertyStart("subnets");
    for (Prefix subnet : network.subnets()) {
      json.writeStartObject();
      json.writeStringProperty("subnet", subnet.toString());
      settings
          .gateway(subnet.family())
          .ifPresent(gateway -> json.writeStringProperty("gateway", gateway.toString()));
      settings.pools().stream()
          .filter(subnet::contains)
          .forEach(pool -> json.writeStringProperty("pool", pool.toString()));
      json.writeEndObject();
    }
    json.writeEndArray();
    settings.mtuBytes().ifPresent(bytes -> json.writeNumberProperty("mtuBytes", bytes));
    writeEgress(json, network.egress());
    json.writeBooleanProperty("internal", settings.internal());
    json.writeBooleanProperty("icc", !settings.isolated());
    json.writeBooleanProperty("managed", network.isManaged());
    settings
        .made()
        .ifPresent(
            made -> {
              json.writeStringProperty("owner", made.by().toString());
              json.writeStringProperty("createdAt", made.at().toString());
            });
  }

  /** Writes the member {@code egress}. */
  static void writeEgress(JsonGenerator json, Egress egress) {
    if (egress instanceof Egress.FixedSource fixed) {
      json.writeObjectPropertyStart("egress");
      json.writeArrayPropertyStart("source");
      fixed.addresses().forEach(address -> json.writeString(address.toString()));
      json.writeEndArray();
      json.writeEndObject();
    } else {
      json.writeStringProperty("egress", egress.text());
    }
  }

  /** The way out of this name; empty if there is none of it. */
  static Optional<Egress> egress(String text) {
    return switch (text) {
      case MASQUERADE -> Optional.of(new Egress.Masquerade());
      case ROUTED -> Optional.of(new Egress.Routed());
      default -> Optional.empty();
    };
  }

  /**
   * Reads {@code {"networks":[…]}}; members this version does not know are passed over.
   *
   * @throws IllegalArgumentException if a member is missing or malformed
   */
  static List<Network> readAll(byte[] document) {
    List<Network> networks = new ArrayList<>();
    try (JsonParser json = ApiJson.parser(document)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("not an object");
      }
      for (String name = json.nextName(); name != null; name = json.nextName()) {
        json.nextToken();
        if (name.equals("networks")) {
          while (json.nextToken() == JsonToken.START_OBJECT) {
            networks.add(readObject(json));
          }
        } else {
          json.skipChildren();
        }
      }
    }
    return networks;
  }

  /** Reads one network, as {@link #readAll}. */
  static Network read(byte[] document) {
    try (JsonParser json = ApiJson.parser(document)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("not an object");
      }
      return readObject(json);
    }
  }

  private static Network readObject(JsonParser json) {
    String name = null;
    String bridge = null;
    List<Prefix> subnets = new ArrayList<>();
    List<IpAddress> gateways = new ArrayList<>();
    List<Prefix> pools = new ArrayList<>();
    OptionalInt mtuBytes = OptionalInt.empty();
    Egress egress = new Egress.Masquerade();
    boolean internal = false;
    boolean icc = true;
    String owner = null;
    String createdAt = null;
    for (String member = json.nextName(); member != null; member = json.nextName()) {
      json.nextToken();
      switch (member) {
        case "name" -> name = json.getString();
        case "bridge" -> bridge = json.getString();
        case "subnets" -> {
          while (json.nextToken() == JsonToken.START_OBJECT) {
            readSubnet(json, subnets, gateways, pools);
          }
        }
        case "mtuBytes" -> mtuBytes = OptionalInt.of(json.getIntValue());
        case "egress" -> egress = readEgress(json);
        case "internal" -> internal = json.getBooleanValue();
        case "icc" -> icc = json.getBooleanValue();
        case "owner" -> owner = json.getString();
        case "createdAt" -> createdAt = json.getString();
        default -> json.skipChildren();
      }
    }
    Optional<NetworkSettings.Made> made =
        owner == null || createdAt == null
            ? Optional.empty()
            : Optional.of(new NetworkSettings.Made(Owner.parse(owner), Instant.parse(createdAt)));
    return new Network(
        required("name", name),
        new InterfaceName(required("bridge", bridge)),
        subnets,
        egress,
        new NetworkSettings(internal, !icc, gateways, pools, mtuBytes, made));
  }

  private static void readSubnet(
      JsonParser json, List<Prefix> subnets, List<IpAddress> gateways, List<Prefix> pools) {
    for (String member = json.nextName(); member != null; member = json.nextName()) {
      json.nextToken();
      switch (member) {
        case "subnet" -> subnets.add(Prefix.parse(json.getString()));
        case "gateway" -> gateways.add(IpAddress.parse(json.getString()));
        case "pool" -> pools.add(Prefix.parse(json.getString()));
        default -> json.skipChildren();
      }
    }
  }

  private static Egress readEgress(JsonParser json) {
    if (json.currentToken() == JsonToken.VALUE_STRING) {
      String text = json.getString();
      // Nobody can ask for it, so it is none of the names of egress().
      return text.equals(UNMANAGED.text())
          ? UNMANAGED
          : egress(text).orElseThrow(() -> new IllegalArgumentException("egress " + text));
    }
    List<IpAddress> source = new ArrayList<>();
    for (String member = json.nextName(); member != null; member = json.nextName()) {
      json.nextToken();
      if (member.equals("source")) {
        while (json.nextToken() == JsonToken.VALUE_STRING) {
          source.add(IpAddress.parse(json.getString()));
        }
      } else {
        json.skipChildren();
      }
    }
    return new Egress.FixedSource(source);
  }

  private static String required(String member, @Nullable String value) {
    if (value == null) {
      throw new IllegalArgumentException("a network has no \"" + member + "\"");
    }
    return value;
  }
}
