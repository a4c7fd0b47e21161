package dev.sluice.api.docker;

import dev.sluice.model.Mapping;
import dev.sluice.model.PortSpec;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JsonGenerator;

/**
 * Published ports as Docker writes them: {@code types.PortBinding} of libnetwork, an object for
 * each port of the container. Host port 0 is any free one, and a last host port behind the first
 * asks for any one of these.
 */
final class DriverPorts {
  /** The member of options that lists them. */
  static final String MEMBER = "com.docker.network.portmap";

  private DriverPorts() {}

  /**
   * Reads a list. Ports in a row that lead to ports in a row become one range again, as which they
   * were asked for: thousands of them are one element then.
   *
   * @throws MalformedValueException if an address or a port is none
   */
  static List<PortSpec> read(List<JsonObject> bindings) {
    List<PortSpec> specs = new ArrayList<>();
    for (JsonObject binding : bindings) {
      specs.add(read(binding));
    }
    specs.sort(
        Comparator.comparing(PortSpec::protocol)
            .thenComparing(spec -> spec.hostAddress().map(IpAddress::toString).orElse(""))
            .thenComparing(PortSpec::targetPorts));
    List<PortSpec> joined = new ArrayList<>();
    for (PortSpec spec : specs) {
      Optional<PortSpec> longer =
          joined.isEmpty() ? Optional.empty() : join(joined.get(joined.size() - 1), spec);
      longer.ifPresent(one -> joined.remove(joined.size() - 1));
      joined.add(longer.orElse(spec));
    }
    return joined;
  }

  private static PortSpec read(JsonObject binding) {
    int number = binding.integer("Proto");
    Protocol protocol =
        Protocol.ofNumber(number)
            .filter(Protocol::hasPorts)
            .orElseThrow(
                () ->
                    new MalformedValueException(
                        Integer.toString(number),
                        0,
                        "ports of " + Protocol.nameOf(number) + " cannot be published"));
    PortRange target = range(binding.integer("Port"), binding.integer("Port"));
    int first = binding.integer("HostPort");
    int last = Math.max(first, binding.integer("HostPortEnd"));
    PortSpec.HostPorts hostPorts =
        first == 0
            ? PortSpec.ANY_FREE
            : first == last
                ? new PortSpec.Exactly(range(first, first))
                : new PortSpec.Pool(range(first, last));
    return new PortSpec(binding.text("HostIP").map(IpAddress::parse), hostPorts, target, protocol);
  }

  private static PortRange range(int first, int last) {
    if (first < 1 || last > 0xffff) {
      throw new MalformedValueException(
          first + "-" + last, 0, "ports are 1 to 65535, not " + first + "-" + last);
    }
    return PortRange.of(first, last);
  }

  /** Both as one, if the second goes on where the first ends. */
  private static Optional<PortSpec> join(PortSpec one, PortSpec next) {
    if (one.hostPorts() instanceof PortSpec.Exactly host
        && next.hostPorts() instanceof PortSpec.Exactly nextHost
        && one.protocol() == next.protocol()
        && one.hostAddress().equals(next.hostAddress())
        && one.targetPorts().last() + 1 == next.targetPorts().first()
        && host.ports().last() + 1 == nextHost.ports().first()) {
      return Optional.of(
          new PortSpec(
              one.hostAddress(),
              new PortSpec.Exactly(PortRange.of(host.ports().first(), nextHost.ports().last())),
              PortRange.of(one.targetPorts().first(), next.targetPorts().last()),
              one.protocol()));
    }
    return Optional.empty();
  }

  /** Writes what was published, an object for each port. */
  static void write(JsonGenerator json, List<Mapping> mappings) {
    json.writeArrayPropertyStart(MEMBER);
    for (Mapping mapping : mappings) {
      IpAddress host = mapping.hostAddress().orElse(IpAddress.any(mapping.family()));
      for (int i = 0; i < mapping.hostPorts().size(); i++) {
        int hostPort = mapping.hostPorts().first() + i;
        json.writeStartObject();
        json.writeNumberProperty("Proto", mapping.protocol().number());
        json.writeStringProperty("IP", mapping.targetAddress().toString());
        json.writeNumberProperty("Port", mapping.targetPorts().first() + i);
        json.writeStringProperty("HostIP", host.toString());
        json.writeNumberProperty("HostPort", hostPort);
        json.writeNumberProperty("HostPortEnd", hostPort);
        json.writeEndObject();
      }
    }
    json.writeEndArray();
  }
}
