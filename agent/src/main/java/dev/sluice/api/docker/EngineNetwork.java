package dev.sluice.api.docker;

import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkSettings;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Prefix;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import tools.jackson.databind.JsonNode;

/**
 * A network as the engine tells it ({@code GET /networks}).
 *
 * @param id 64 hexadecimal digits
 * @param name what it is called there
 * @param driver {@code bridge} for those on this host's bridges
 * @param internal whether nothing leads outside
 * @param options of its driver
 * @param subnets of its containers
 * @param containers who is on it, by id, with the addresses they have
 */
record EngineNetwork(
    String id,
    String name,
    String driver,
    boolean internal,
    Map<String, String> options,
    List<Prefix> subnets,
    Map<String, List<IpAddress>> containers) {

  private static final String BRIDGE = "com.docker.network.bridge.name";
  private static final String MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade";
  private static final String BETWEEN_CONTAINERS = "com.docker.network.bridge.enable_icc";
  private static final String DEFAULT_BRIDGE = "com.docker.network.bridge.default_bridge";
  private static final String HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4";
  private static final String SOURCE_ADDRESS = "com.docker.network.host_ipv4";

  EngineNetwork {
    options = Map.copyOf(options);
    subnets = List.copyOf(subnets);
    containers = Map.copyOf(containers);
  }

  static EngineNetwork read(JsonNode network) {
    Map<String, String> options = new LinkedHashMap<>();
    network
        .path("Options")
        .properties()
        .forEach(option -> options.put(option.getKey(), option.getValue().asString("")));
    List<Prefix> subnets = new ArrayList<>(2);
    for (JsonNode block : network.path("IPAM").path("Config")) {
      prefix(block.path("Subnet").asString("")).ifPresent(subnets::add);
    }
    Map<String, List<IpAddress>> containers = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> one : network.path("Containers").properties()) {
      List<IpAddress> addresses = new ArrayList<>(2);
      for (String member : List.of("IPv4Address", "IPv6Address")) {
        address(one.getValue().path(member).asString("")).ifPresent(addresses::add);
      }
      containers.put(one.getKey(), List.copyOf(addresses));
    }
    return new EngineNetwork(
        network.path("Id").asString(""),
        network.path("Name").asString(""),
        network.path("Driver").asString(""),
        network.path("Internal").asBoolean(false),
        options,
        subnets,
        containers);
  }

  /** An address with or without the length of its block; empty for what is none. */
  static Optional<IpAddress> address(String text) {
    int slash = text.indexOf('/');
    String address = slash < 0 ? text : text.substring(0, slash);
    return address.isEmpty() ? Optional.empty() : Optional.of(IpAddress.parse(address));
  }

  /** People may write a block with the gateway's address. */
  private static Optional<Prefix> prefix(String text) {
    int slash = text.indexOf('/');
    return slash < 0
        ? Optional.empty()
        : Optional.of(
            Prefix.containing(
                IpAddress.parse(text.substring(0, slash)),
                Integer.parseInt(text.substring(slash + 1))));
  }

  boolean isOnBridge() {
    return driver.equals("bridge");
  }

  private boolean isOn(String option, boolean otherwise) {
    return truth(options.getOrDefault(option, "")).orElse(otherwise);
  }

  /** What the engine takes for a truth value: Go's {@code strconv.ParseBool}. */
  static Optional<Boolean> truth(String text) {
    return switch (text) {
      case "1", "t", "T", "TRUE", "true", "True" -> Optional.of(true);
      case "0", "f", "F", "FALSE", "false", "False" -> Optional.of(false);
      default -> Optional.empty();
    };
  }

  /** The engine's own, {@code docker0}. */
  boolean isDefault() {
    return isOn(DEFAULT_BRIDGE, false);
  }

  /** Where a port is published that names no host address. */
  String hostBinding() {
    return options.getOrDefault(HOST_BINDING, "0.0.0.0");
  }

  InterfaceName bridge() {
    return new InterfaceName(options.getOrDefault(BRIDGE, "br-" + shortId(id)));
  }

  /** As people know it: 12 digits. */
  static String shortId(String id) {
    return id.substring(0, Math.min(12, id.length()));
  }

  /**
   * The network as we know networks.
   *
   * @param named what to call it
   * @throws MalformedValueException if the name or the bridge's breaks our rule
   * @throws IllegalArgumentException if it has no subnet
   */
  Network toNetwork(String named) {
    boolean apart = !isOn(BETWEEN_CONTAINERS, true);
    return new Network(
        named,
        bridge(),
        subnets,
        egress(),
        new NetworkSettings(
            internal, apart, List.of(), List.of(), OptionalInt.empty(), Optional.empty()));
  }

  private Egress egress() {
    if (internal) {
      return new Egress.Masquerade(); // nothing of it gets that far
    }
    String source = options.getOrDefault(SOURCE_ADDRESS, "");
    if (!source.isEmpty()) {
      return Egress.FixedSource.of(List.of(IpAddress.parse(source)));
    }
    // That the engine does not do it for its own network only says that it writes no rules.
    boolean masquerade = isDefault() || isOn(MASQUERADE, true);
    return masquerade ? new Egress.Masquerade() : new Egress.Routed();
  }
}
