package dev.sluice.api;

import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.InvalidNetworkException;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.Subnet;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Prefix;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import tools.jackson.core.JsonGenerator;

/**
 * The body of {@code POST /v1/networks}, in both directions: {@code
 * {"name":"web","subnets":[{"subnet":"10.9.0.0/24"}]}}.
 */
final class NetworkBody {
  private static final String EXAMPLE =
      "{\"name\":\"web\",\"subnets\":[{\"subnet\":\"10.9.0.0/24\"}]}";

  private static final int MAX_SUBNETS = 2;

  private NetworkBody() {}

  static byte[] write(NetworkRequest request) {
    return ApiJson.bytes(json -> write(json, request));
  }

  static void write(JsonGenerator json, NetworkRequest request) {
    json.writeStartObject();
    json.writeStringProperty("name", request.name());
    request.bridge().ifPresent(name -> json.writeStringProperty("bridge", name.text()));
    writeSubnets(json, request.subnets());
    if (request.ipv6()) {
      json.writeBooleanProperty("ipv6", true);
    }
    request.mtuBytes().ifPresent(bytes -> json.writeNumberProperty("mtuBytes", bytes));
    NetworkJson.writeEgress(json, request.egress());
    if (request.internal()) {
      json.writeBooleanProperty("internal", true);
    }
    if (request.isolated()) {
      json.writeBooleanProperty("icc", false);
    }
    json.writeEndObject();
  }

  private static void writeSubnets(JsonGenerator json, List<Subnet> subnets) {
    if (subnets.isEmpty()) {
      return;
    }
    json.writeArrayPropertyStart("subnets");
    for (Subnet subnet : subnets) {
      json.writeStartObject();
      json.writeStringProperty("subnet", subnet.prefix().toString());
      subnet.gateway().ifPresent(one -> json.writeStringProperty("gateway", one.toString()));
      subnet.pool().ifPresent(one -> json.writeStringProperty("pool", one.toString()));
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  /**
   * Reads a body.
   *
   * @throws ProblemException if it is no JSON, or not this object
   * @throws MalformedValueException if a name, a subnet or an address cannot be read
   * @throws InvalidNetworkException if the parts contradict each other
   */
  static NetworkRequest read(byte[] body, Owner owner) {
    return JsonBody.read(body, EXAMPLE, json -> readObject(json, owner));
  }

  /** Reads the members of the object the parser is in. */
  static NetworkRequest readObject(JsonBody json, Owner owner) {
    Optional<String> name = Optional.empty();
    Optional<InterfaceName> bridge = Optional.empty();
    List<Subnet> subnets = List.of();
    boolean ipv6 = false;
    OptionalInt mtuBytes = OptionalInt.empty();
    Egress egress = new Egress.Masquerade();
    boolean internal = false;
    boolean icc = true;
    for (String member = json.nextMember(); member != null; member = json.nextMember()) {
      switch (member) {
        case "name" -> name = Optional.of(json.string(member));
        case "bridge" -> bridge = Optional.of(new InterfaceName(json.string(member)));
        case "subnets" ->
            subnets = json.objects(member, EXAMPLE, MAX_SUBNETS, NetworkBody::readSubnet);
        case "ipv6" -> ipv6 = json.bool(member);
        case "mtuBytes" -> mtuBytes = OptionalInt.of(json.integer(member));
        case "egress" -> egress = readEgress(json, member);
        case "internal" -> internal = json.bool(member);
        case "icc" -> icc = json.bool(member);
        default ->
            throw json.unknown(
                member,
                "\"name\", \"bridge\", \"subnets\", \"ipv6\", \"mtuBytes\", \"egress\","
                    + " \"internal\" and \"icc\"");
      }
    }
    return new NetworkRequest(
        name.orElseThrow(() -> JsonBody.malformed("\"name\" is missing; give the network one")),
        bridge,
        subnets,
        ipv6,
        mtuBytes,
        egress,
        internal,
        !icc,
        owner);
  }

  private static Subnet readSubnet(JsonBody json) {
    Optional<Prefix> prefix = Optional.empty();
    Optional<IpAddress> gateway = Optional.empty();
    Optional<Prefix> pool = Optional.empty();
    for (String member = json.nextMember(); member != null; member = json.nextMember()) {
      switch (member) {
        case "subnet" -> prefix = Optional.of(Prefix.parseBlock(json.string(member)));
        case "gateway" -> gateway = Optional.of(IpAddress.parse(json.string(member)));
        case "pool" -> pool = Optional.of(Prefix.parseBlock(json.string(member)));
        default -> throw json.unknown(member, "\"subnet\", \"gateway\" and \"pool\"");
      }
    }
    return new Subnet(
        prefix.orElseThrow(
            () ->
                JsonBody.malformed(
                    "an entry of \"subnets\" has no \"subnet\"; give a block such as"
                        + " \"10.9.0.0/24\"")),
        gateway,
        pool);
  }

  private static Egress readEgress(JsonBody json, String member) {
    if (!json.isObject()) {
      String text = json.string(member);
      return NetworkJson.egress(text)
          .orElseThrow(
              () ->
                  new MalformedValueException(
                      text,
                      0,
                      "egress "
                          + MalformedValueException.quote(text)
                          + " is neither masquerade nor routed, nor {\"source\":[…]}"));
    }
    Optional<Egress> egress = Optional.empty();
    for (String part = json.nextMember(); part != null; part = json.nextMember()) {
      if (!part.equals("source")) {
        throw json.unknown(part, "\"source\"");
      }
      egress =
          Optional.of(
              Egress.FixedSource.of(
                  json.array(part, "[\"192.0.2.1\"]", MAX_SUBNETS, IpAddress::parse)));
    }
    return egress.orElseThrow(
        () -> JsonBody.malformed("\"egress\" has no \"source\"; give an address of this host"));
  }
}
