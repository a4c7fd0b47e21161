package dev.sluice.api;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.flow.EventKind;
import dev.sluice.flow.FlowFilter;
import dev.sluice.model.DrainTime;
import dev.sluice.model.PathQuestion;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Port;
import dev.sluice.net.Protocol;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;

/** The parameters behind the {@code ?} of a request, each at most once. */
final class Query {
  private final Map<String, String> parameters = new LinkedHashMap<>();

  /**
   * Splits and decodes.
   *
   * @param known the names that mean something here
   * @throws ProblemException if another name is there, or one twice
   */
  Query(String text, Set<String> known) {
    if (text.isEmpty()) {
      return;
    }
    for (String part : text.split("&", -1)) {
      int equals = part.indexOf('=');
      String name = decode(equals < 0 ? part : part.substring(0, equals));
      String value = equals < 0 ? "" : decode(part.substring(equals + 1));
      if (!known.contains(name)) {
        throw malformed(
            "unknown parameter "
                + quote(name)
                + (known.isEmpty() ? "; there are none here" : "; there are " + known));
      }
      if (parameters.put(name, value) != null) {
        throw malformed("parameter " + quote(name) + " is given twice");
      }
    }
  }

  /** The parameters of {@code /v1/flows} and {@code /v1/events} as a filter. */
  FlowFilter filter() {
    return new FlowFilter(
        Optional.ofNullable(parameters.get("mapping")),
        Optional.ofNullable(parameters.get("protocol")).map(Protocol::parse),
        Optional.ofNullable(parameters.get("address")).map(IpAddress::parse),
        flag("published"),
        kinds());
  }

  private Set<EventKind> kinds() {
    String value = parameters.get("kind");
    if (value == null) {
      return Set.of();
    }
    return Arrays.stream(value.split(",", -1))
        .map(EventKind::parse)
        .collect(Collectors.toUnmodifiableSet());
  }

  /** The parameters of {@code /v1/explain}. */
  PathQuestion pathQuestion() {
    String port = parameters.get("port");
    if (port == null) {
      throw malformed("parameter \"port\" is missing: which port is it about?");
    }
    Protocol protocol = text("protocol").map(Protocol::parse).orElse(Protocol.TCP);
    if (!protocol.hasPorts()) {
      throw malformed("the protocol " + protocol + " has no ports: ask about tcp, udp or sctp");
    }
    return new PathQuestion(
        Port.parse(port), protocol, text("from"), text("to").map(IpAddress::parse));
  }

  /** Any text. */
  Optional<String> text(String name) {
    return Optional.ofNullable(parameters.get(name));
  }

  /** A sequence number. */
  OptionalLong sequence(String name) {
    String value = parameters.get(name);
    if (value == null) {
      return OptionalLong.empty();
    }
    if (value.isEmpty()
        || value.length() > 18
        || !value.chars().allMatch(c -> c >= '0' && c <= '9')) {
      throw malformed(
          "parameter " + quote(name) + " must be a sequence number, not " + quote(value));
    }
    return OptionalLong.of(Long.parseLong(value));
  }

  /** A whole number up to nine digits long. */
  OptionalInt number(String name) {
    String value = parameters.get(name);
    if (value == null) {
      return OptionalInt.empty();
    }
    if (value.isEmpty()
        || value.length() > 9
        || !value.chars().allMatch(c -> c >= '0' && c <= '9')) {
      throw malformed("parameter " + quote(name) + " must be a number, not " + quote(value));
    }
    return OptionalInt.of(Integer.parseInt(value));
  }

  /** A time, or "forever". */
  Optional<DrainTime> drain(String name) {
    return Optional.ofNullable(parameters.get(name)).map(DrainTime::parse);
  }

  boolean flag(String name) {
    String value = parameters.getOrDefault(name, "false");
    return switch (value) {
      case "true" -> true;
      case "false" -> false;
      default ->
          throw malformed(
              "parameter " + quote(name) + " must be true or false, not " + quote(value));
    };
  }

  private static String decode(String text) {
    try {
      return URLDecoder.decode(text, StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      throw malformed(quote(text) + " is not percent-encoded correctly");
    }
  }

  private static ProblemException malformed(String detail) {
    return new ProblemException(Problem.Kind.MALFORMED_REQUEST, detail);
  }
}
