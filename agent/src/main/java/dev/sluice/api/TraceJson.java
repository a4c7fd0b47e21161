package dev.sluice.api;

import dev.sluice.flow.export.FlowJson;
import dev.sluice.model.FlowTuple;
import dev.sluice.model.TraceEvent;
import dev.sluice.model.TraceQuestion;
import dev.sluice.model.TracedPacket;
import dev.sluice.model.TracedPacket.AtChain;
import dev.sluice.model.TracedPacket.AtRule;
import dev.sluice.model.TracedPacket.Culprit;
import dev.sluice.model.TracedPacket.End;
import dev.sluice.model.TracedPacket.Step;
import dev.sluice.model.TracedPacket.Translated;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * Lines of {@code /v1/trace}, in both directions, as docs/trace.md describes them. A member that is
 * unknown is absent; members this version does not know are passed over.
 */
public final class TraceJson {
  private TraceJson() {}

  /** Writes one event as one object. */
  static void write(JsonGenerator json, TraceEvent event) {
    json.writeStartObject();
    if (event instanceof TraceEvent.Started started) {
      json.writeStringProperty("event", "start");
      write(json, started);
    } else if (event instanceof TraceEvent.Followed followed) {
      json.writeStringProperty("event", "packet");
      write(json, followed.packet());
    } else if (event instanceof TraceEvent.Skipped skipped) {
      json.writeStringProperty("event", "skipped");
      json.writeNumberProperty("packets", skipped.packets());
    } else if (event instanceof TraceEvent.Lost lost) {
      json.writeStringProperty("event", "lost");
      json.writeNumberProperty("steps", lost.steps());
    } else if (event instanceof TraceEvent.Ended ended) {
      json.writeStringProperty("event", "end");
      json.writeStringProperty("reason", ended.reason().toString());
      if (!ended.detail().isEmpty()) {
        json.writeStringProperty("detail", ended.detail());
      }
      json.writeNumberProperty("followed", ended.followed());
      json.writeNumberProperty("skipped", ended.skipped());
      json.writeNumberProperty("lost", ended.lost());
      json.writeNumberProperty("untold", ended.untold());
    }
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, TraceEvent.Started started) {
    TraceQuestion question = started.question();
    json.writeNumberProperty("port", question.port());
    json.writeStringProperty("proto", question.protocol().toString());
    question.from().ifPresent(from -> json.writeStringProperty("from", from.toString()));
    json.writeNumberProperty("rate", question.packetsPerSecond());
    json.writeNumberProperty("count", question.packets());
    json.writeNumberProperty("seconds", question.seconds());
    json.writeArrayPropertyStart("notes");
    started.notes().forEach(json::writeString);
    json.writeEndArray();
  }

  private static void write(JsonGenerator json, TracedPacket packet) {
    json.writeStringProperty("time", packet.time().toString());
    json.writeStringProperty("id", packet.id());
    json.writeStringProperty("way", packet.way().toString());
    json.writeStringProperty("family", FlowJson.familyText(packet.header().family()));
    json.writeStringProperty("proto", Protocol.nameOf(packet.header().protocol()));
    write(json, "header", packet.header());
    packet.tcpFlags().ifPresent(flags -> json.writeStringProperty("tcpFlags", flags));
    packet.in().ifPresent(in -> json.writeStringProperty("in", in));
    packet.connection().ifPresent(id -> json.writeNumberProperty("connection", id));
    packet.connectionState().ifPresent(state -> json.writeStringProperty("connectionState", state));
    json.writeArrayPropertyStart("steps");
    packet.steps().forEach(step -> write(json, step));
    json.writeEndArray();
    write(json, packet.end());
  }

  private static void write(JsonGenerator json, Step step) {
    json.writeStartObject();
    json.writeStringProperty("hook", step.hook());
    if (step instanceof AtChain at) {
      at.priority().ifPresent(priority -> json.writeNumberProperty("priority", priority));
      json.writeStringProperty("table", at.table());
      json.writeStringProperty("chain", at.chain());
      json.writeArrayPropertyStart("rules");
      for (AtRule rule : at.rules()) {
        json.writeStartObject();
        json.writeStringProperty("chain", rule.chain());
        json.writeStringProperty("rule", rule.rule());
        json.writeStringProperty("verdict", rule.verdict());
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeStringProperty("verdict", at.verdict());
      json.writeBooleanProperty("byPolicy", at.byPolicy());
    } else if (step instanceof Translated translated) {
      write(json, "before", translated.before());
      write(json, "after", translated.after());
      json.writeBooleanProperty("asItsConnection", translated.asItsConnection());
    }
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, End end) {
    json.writeObjectPropertyStart("end");
    json.writeStringProperty("outcome", end.outcome().toString());
    json.writeStringProperty("hook", end.hook());
    write(json, "header", end.header());
    end.device().ifPresent(device -> json.writeStringProperty("device", device));
    if (end.culprit().isPresent()) {
      Culprit culprit = end.culprit().get();
      json.writeObjectPropertyStart("by");
      json.writeStringProperty("hook", culprit.hook());
      json.writeStringProperty("table", culprit.table());
      json.writeStringProperty("chain", culprit.chain());
      culprit.rule().ifPresent(rule -> json.writeStringProperty("rule", rule));
      json.writeEndObject();
    }
    json.writeStringProperty("text", end.sentence());
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, String name, FlowTuple header) {
    json.writeObjectPropertyStart(name);
    json.writeStringProperty("src", header.source().toString());
    if (header.detail() instanceof FlowTuple.Ports ports) {
      json.writeNumberProperty("sport", ports.source());
    }
    json.writeStringProperty("dst", header.destination().toString());
    if (header.detail() instanceof FlowTuple.Ports ports) {
      json.writeNumberProperty("dport", ports.destination());
    } else if (header.detail() instanceof FlowTuple.Icmp icmp) {
      json.writeNumberProperty("type", icmp.type());
      json.writeNumberProperty("code", icmp.code());
      json.writeNumberProperty("id", icmp.id());
    }
    json.writeEndObject();
  }

  /**
   * Reads a line that {@link #write} wrote.
   *
   * @throws IllegalArgumentException if it is not one
   */
  public static TraceEvent read(String line) {
    try (JsonParser json = ApiJson.parser(line.getBytes(StandardCharsets.UTF_8))) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("the line is not a JSON object");
      }
      return event(Members.read(json));
    } catch (JacksonException | DateTimeException e) {
      throw new IllegalArgumentException("the line cannot be read: " + e.getMessage(), e);
    }
  }

  private static TraceEvent event(Members line) {
    String event = line.text("event");
    return switch (event) {
      case "start" ->
          new TraceEvent.Started(
              new TraceQuestion(
                  Protocol.parse(line.text("proto")),
                  (int) line.number("port"),
                  line.optional("from").map(IpAddress::parse),
                  (int) line.number("rate"),
                  (int) line.number("count"),
                  (int) line.number("seconds")),
              line.texts("notes"));
      case "packet" -> new TraceEvent.Followed(packet(line));
      case "skipped" -> new TraceEvent.Skipped(line.number("packets"));
      case "lost" -> new TraceEvent.Lost(line.number("steps"));
      case "end" ->
          new TraceEvent.Ended(
              word(TraceEvent.Reason.values(), line.text("reason")),
              line.optional("detail").orElse(""),
              line.number("followed"),
              line.number("skipped"),
              line.number("lost"),
              line.number("untold"));
      default -> throw new IllegalArgumentException("unknown event \"" + event + "\"");
    };
  }

  private static TracedPacket packet(Members line) {
    int protocol = protocol(line.text("proto"));
    return new TracedPacket(
        Instant.parse(line.text("time")),
        line.text("id"),
        word(TracedPacket.Way.values(), line.text("way")),
        header(line.object("header"), protocol),
        line.optional("tcpFlags"),
        line.optional("in"),
        line.has("connection") ? OptionalLong.of(line.number("connection")) : OptionalLong.empty(),
        line.optional("connectionState"),
        line.objects("steps").stream().map(step -> step(step, protocol)).toList(),
        end(line.object("end"), protocol));
  }

  private static Step step(Members step, int protocol) {
    if (step.has("before")) {
      return new Translated(
          step.text("hook"),
          header(step.object("before"), protocol),
          header(step.object("after"), protocol),
          step.flag("asItsConnection"));
    }
    return new AtChain(
        step.text("hook"),
        step.has("priority") ? OptionalInt.of((int) step.number("priority")) : OptionalInt.empty(),
        step.text("table"),
        step.text("chain"),
        step.objects("rules").stream()
            .map(rule -> new AtRule(rule.text("chain"), rule.text("rule"), rule.text("verdict")))
            .toList(),
        step.text("verdict"),
        step.flag("byPolicy"));
  }

  private static End end(Members end, int protocol) {
    Optional<Culprit> culprit = Optional.empty();
    if (end.has("by")) {
      Members by = end.object("by");
      culprit =
          Optional.of(
              new Culprit(
                  by.text("hook"), by.text("table"), by.text("chain"), by.optional("rule")));
    }
    return new End(
        word(TracedPacket.Outcome.values(), end.text("outcome")),
        end.text("hook"),
        header(end.object("header"), protocol),
        end.optional("device"),
        culprit);
  }

  private static FlowTuple header(Members header, int protocol) {
    FlowTuple.Detail detail = new FlowTuple.AddressesOnly();
    if (header.has("sport")) {
      detail = new FlowTuple.Ports((int) header.number("sport"), (int) header.number("dport"));
    } else if (header.has("type")) {
      detail =
          new FlowTuple.Icmp(
              (int) header.number("type"), (int) header.number("code"), (int) header.number("id"));
    }
    return new FlowTuple(
        protocol, IpAddress.parse(header.text("src")), IpAddress.parse(header.text("dst")), detail);
  }

  private static int protocol(String name) {
    return Character.isDigit(name.charAt(0))
        ? Integer.parseInt(name)
        : Protocol.parse(name).number();
  }

  private static <E extends Enum<E>> E word(E[] values, String text) {
    return Arrays.stream(values)
        .filter(value -> value.toString().equals(text))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("unknown word \"" + text + "\""));
  }

  /** An object as it was read: strings, numbers, truths, lists, and objects like it. */
  private record Members(Map<String, Object> values) {

    static Members read(JsonParser json) {
      Map<String, Object> values = new LinkedHashMap<>();
      for (String name = json.nextName(); name != null; name = json.nextName()) {
        json.nextToken();
        Object value = value(json);
        if (value != null) {
          values.put(name, value);
        }
      }
      return new Members(values);
    }

    private static @Nullable Object value(JsonParser json) {
      return switch (json.currentToken()) {
        case START_OBJECT -> read(json);
        case START_ARRAY -> {
          List<@Nullable Object> entries = new ArrayList<>();
          while (json.nextToken() != JsonToken.END_ARRAY) {
            entries.add(value(json));
          }
          yield entries;
        }
        case VALUE_STRING -> json.getString();
        case VALUE_NUMBER_INT -> json.getLongValue();
        case VALUE_TRUE -> true;
        case VALUE_FALSE -> false;
        default -> null;
      };
    }

    boolean has(String name) {
      return values.containsKey(name);
    }

    String text(String name) {
      return optional(name).orElseThrow(() -> missing(name));
    }

    Optional<String> optional(String name) {
      return Optional.ofNullable(values.get(name) instanceof String text ? text : null);
    }

    long number(String name) {
      if (values.get(name) instanceof Long number) {
        return number;
      }
      throw missing(name);
    }

    boolean flag(String name) {
      return Boolean.TRUE.equals(values.get(name));
    }

    Members object(String name) {
      if (values.get(name) instanceof Members object) {
        return object;
      }
      throw missing(name);
    }

    List<Members> objects(String name) {
      return entries(name).stream()
          .filter(Members.class::isInstance)
          .map(Members.class::cast)
          .toList();
    }

    List<String> texts(String name) {
      return entries(name).stream()
          .filter(String.class::isInstance)
          .map(String.class::cast)
          .toList();
    }

    private List<?> entries(String name) {
      return values.get(name) instanceof List<?> list ? list : List.of();
    }

    private static IllegalArgumentException missing(String name) {
      return new IllegalArgumentException("the line has no \"" + name + "\"");
    }
  }
}
