package dev.sluice.api.docker;

import dev.sluice.model.MappingName;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/**
 * A container as the engine tells it ({@code GET /containers/ID/json}).
 *
 * @param id 64 hexadecimal digits
 * @param name what people call it, without the slash in front
 * @param running whether it has processes, paused ones too
 * @param startedAt when it was started last, in the engine's spelling of RFC 3339
 * @param asked the ports it was created with; host address and port may be left to the engine
 * @param bound the host ports that the engine holds for it
 * @param attachments the networks it is on
 */
record EngineContainer(
    String id,
    String name,
    boolean running,
    String startedAt,
    List<Binding> asked,
    List<Binding> bound,
    List<Attachment> attachments) {

  /**
   * A port of a container and one of the host.
   *
   * @param containerPort port and protocol, {@code 80/tcp}
   * @param hostAddress empty for the engine's default
   * @param hostPort a port; for what was asked, perhaps a range or nothing
   */
  record Binding(String containerPort, String hostAddress, String hostPort) {}

  /**
   * A place on a network.
   *
   * @param network its id
   * @param networkName its name
   * @param priority of its way to the outside; the engine takes the highest, then the first name
   * @param addresses one of each family at most
   */
  record Attachment(String network, String networkName, int priority, List<IpAddress> addresses) {
    Attachment {
      addresses = List.copyOf(addresses);
    }
  }

  EngineContainer {
    asked = List.copyOf(asked);
    bound = List.copyOf(bound);
    attachments = List.copyOf(attachments);
  }

  static EngineContainer read(JsonNode container) {
    String name = container.path("Name").asString("");
    JsonNode settings = container.path("NetworkSettings");
    return new EngineContainer(
        container.path("Id").asString(""),
        name.startsWith("/") ? name.substring(1) : name,
        container.path("State").path("Running").asBoolean(false),
        container.path("State").path("StartedAt").asString(""),
        bindings(container.path("HostConfig").path("PortBindings")),
        bindings(settings.path("Ports")),
        attachments(settings.path("Networks")));
  }

  /** As {@code GET /containers/json} tells it: without what it was created with. */
  static EngineContainer listed(JsonNode container) {
    String name = "";
    for (JsonNode one : container.path("Names")) {
      String text = one.asString("");
      if (text.lastIndexOf('/') == 0) { // others are what a linked container calls it
        name = text.substring(1);
      }
    }
    List<Binding> bound = new ArrayList<>();
    for (JsonNode port : container.path("Ports")) {
      if (port.path("PublicPort").asInt(0) != 0) {
        bound.add(
            new Binding(
                port.path("PrivatePort").asInt(0) + "/" + port.path("Type").asString(""),
                port.path("IP").asString(""),
                String.valueOf(port.path("PublicPort").asInt(0))));
      }
    }
    String state = container.path("State").asString("");
    return new EngineContainer(
        container.path("Id").asString(""),
        name,
        state.equals("running") || state.equals("paused"),
        "",
        List.of(),
        bound,
        attachments(container.path("NetworkSettings").path("Networks")));
  }

  private static List<Attachment> attachments(JsonNode networks) {
    List<Attachment> attachments = new ArrayList<>(1);
    for (Map.Entry<String, JsonNode> one : networks.properties()) {
      JsonNode endpoint = one.getValue();
      List<IpAddress> addresses = new ArrayList<>(2);
      for (String member : List.of("IPAddress", "GlobalIPv6Address")) {
        EngineNetwork.address(endpoint.path(member).asString("")).ifPresent(addresses::add);
      }
      if (!addresses.isEmpty()) {
        attachments.add(
            new Attachment(
                endpoint.path("NetworkID").asString(""),
                one.getKey(),
                endpoint.path("GwPriority").asInt(0),
                addresses));
      }
    }
    return attachments;
  }

  private static List<Binding> bindings(JsonNode byPort) {
    List<Binding> bindings = new ArrayList<>();
    for (Map.Entry<String, JsonNode> port : byPort.properties()) {
      for (JsonNode one : port.getValue()) {
        bindings.add(
            new Binding(
                port.getKey(), one.path("HostIp").asString(""), one.path("HostPort").asString("")));
      }
    }
    return bindings;
  }

  MappingName mappingName() {
    return mappingName(name, id);
  }

  /** The container's name, or its short id where our rule does not admit the name. */
  static MappingName mappingName(String name, String id) {
    try {
      return new MappingName(name);
    } catch (MalformedValueException e) {
      return new MappingName(EngineNetwork.shortId(id));
    }
  }

  /** The same with other networks. */
  EngineContainer on(List<Attachment> others) {
    return new EngineContainer(id, name, running, startedAt, asked, bound, others);
  }

  /** The same with what it was created with. */
  EngineContainer asking(List<Binding> ports) {
    return new EngineContainer(id, name, running, startedAt, ports, bound, attachments);
  }

  /** Whether it has this address. */
  boolean isAt(IpAddress address) {
    return attachments.stream().anyMatch(place -> place.addresses().contains(address));
  }

  /** The same by another name. */
  EngineContainer named(String other) {
    return new EngineContainer(id, other, running, startedAt, asked, bound, attachments);
  }

  /** The same when it has ended. */
  EngineContainer stopped() {
    return new EngineContainer(id, name, false, startedAt, asked, List.of(), List.of());
  }
}
