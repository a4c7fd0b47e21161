package dev.sluice.flow.export;

import dev.sluice.model.Alarm;
import dev.sluice.model.Carried;
import dev.sluice.model.Flow;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.FlowEvent;
import dev.sluice.model.FlowStatus;
import dev.sluice.model.FlowTuple;
import dev.sluice.model.TcpState;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.EnumSet;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/**
 * Flows and their events as lines of JSON, as {@code docs/events.md} describes them. A member that
 * is unknown is absent, never null; members this class does not know are passed over, so that an
 * older reader understands a newer writer.
 */
public final class FlowJson {
  private static final JsonFactory JSON = new JsonFactory();

  /** What every tracked flow has, and so says nothing. */
  private static final Set<FlowStatus> UNREMARKABLE =
      EnumSet.of(FlowStatus.CONFIRMED, FlowStatus.SRC_NAT_DONE, FlowStatus.DST_NAT_DONE);

  private FlowJson() {}

  /**
   * A flow and the label of the mapping it goes through, empty if it goes through none.
   *
   * @param carried what of its counters is the fast path's
   */
  public record LabelledFlow(Flow flow, Optional<String> mapping, Carried carried) {}

  /**
   * Writes one object: an event's line without what belongs to the event.
   *
   * @param carried what of the flow's counters is the fast path's
   */
  public static void write(
      JsonGenerator json, Flow flow, Optional<String> mapping, Carried carried) {
    json.writeStartObject();
    json.writeNumberProperty("id", flow.id());
    json.writeStringProperty("family", familyText(flow.family()));
    json.writeStringProperty("proto", flow.protocolName());
    json.writeName("original");
    writeDirection(json, flow.original(), flow.originalCounters(), carried.original());
    json.writeName("reply");
    writeDirection(json, flow.reply(), flow.replyCounters(), carried.reply());
    json.writeArrayPropertyStart("status");
    for (FlowStatus status : flow.status()) {
      if (!UNREMARKABLE.contains(status)) {
        json.writeString(status.toString());
      }
    }
    json.writeEndArray();
    flow.tcpState().ifPresent(state -> json.writeStringProperty("tcpState", state.toString()));
    flow.timeoutSeconds().ifPresent(seconds -> json.writeNumberProperty("timeoutSeconds", seconds));
    json.writeNumberProperty("mark", flow.mark());
    json.writeNumberProperty("zone", flow.zone());
    flow.startedAt().ifPresent(start -> json.writeStringProperty("start", start.toString()));
    flow.endedAt().ifPresent(stop -> json.writeStringProperty("stop", stop.toString()));
    mapping.ifPresent(label -> json.writeStringProperty("mapping", label));
    if (carried.now()) {
      json.writeBooleanProperty("carried", true);
    }
    json.writeEndObject();
  }

  /**
   * Reads a line that {@link #write} wrote.
   *
   * @throws IllegalArgumentException if it is not one
   */
  public static LabelledFlow readFlow(String line) {
    Line read = Line.read(line);
    return new LabelledFlow(read.flow(), Optional.ofNullable(read.mapping), read.carried());
  }

  /**
   * Reads a line of the event stream.
   *
   * @throws IllegalArgumentException if it is not one
   */
  public static FlowEvent readEvent(String line) {
    Line read = Line.read(line);
    String kind = require(read.event, "event");
    Optional<String> mapping = Optional.ofNullable(read.mapping);
    return switch (kind) {
      case "gap" ->
          new FlowEvent.Gap(
              read.sequence,
              gapCause(require(read.cause, "cause")),
              read.lost,
              require(read.from, "from"),
              require(read.to, "to"));
      case "alarm" -> new FlowEvent.Raised(read.sequence, read.alarm());
      case "new" ->
          new FlowEvent.Started(
              read.sequence, require(read.time, "time"), read.flow(), mapping, read.synthesised);
      case "update" ->
          new FlowEvent.Updated(
              read.sequence, require(read.time, "time"), read.flow(), mapping, read.synthesised);
      case "destroy" ->
          new FlowEvent.Ended(
              read.sequence, require(read.time, "time"), read.flow(), mapping, read.synthesised);
      default -> throw new IllegalArgumentException("unknown event \"" + kind + "\"");
    };
  }

  private static void writeDirection(
      JsonGenerator json, FlowTuple tuple, Optional<FlowCounters> counters, FlowCounters carried) {
    json.writeStartObject();
    json.writeStringProperty("src", tuple.source().toString());
    if (tuple.detail() instanceof FlowTuple.Ports ports) {
      json.writeNumberProperty("sport", ports.source());
    }
    json.writeStringProperty("dst", tuple.destination().toString());
    if (tuple.detail() instanceof FlowTuple.Ports ports) {
      json.writeNumberProperty("dport", ports.destination());
    } else if (tuple.detail() instanceof FlowTuple.Icmp icmp) {
      json.writeNumberProperty("type", icmp.type());
      json.writeNumberProperty("code", icmp.code());
      json.writeNumberProperty("id", icmp.id());
    }
    counters.ifPresent(
        counted -> {
          json.writeNumberProperty("packets", counted.packets());
          json.writeNumberProperty("bytes", counted.bytes());
        });
    if (carried.packets() > 0) {
      json.writeNumberProperty("carriedPackets", carried.packets());
      json.writeNumberProperty("carriedBytes", carried.bytes());
    }
    json.writeEndObject();
  }

  private static FlowEvent.GapCause gapCause(String text) {
    for (FlowEvent.GapCause cause : FlowEvent.GapCause.values()) {
      if (cause.toString().equals(text)) {
        return cause;
      }
    }
    throw new IllegalArgumentException("unknown cause of a gap \"" + text + "\"");
  }

  private static <T> T require(@Nullable T value, String member) {
    if (value == null) {
      throw new IllegalArgumentException("the line has no \"" + member + "\"");
    }
    return value;
  }

  /** The members of a line as they come. */
  private static final class Line {
    private long sequence;
    private @Nullable String event;
    private @Nullable Instant time;
    private boolean synthesised;
    private @Nullable String mapping;
    private boolean isCarried;
    private long id;
    private @Nullable String protocol;
    private @Nullable Direction original;
    private @Nullable Direction reply;
    private final Set<FlowStatus> status = EnumSet.noneOf(FlowStatus.class);
    private Optional<TcpState> tcpState = Optional.empty();
    private OptionalInt timeoutSeconds = OptionalInt.empty();
    private long mark;
    private int zone;
    private Optional<Instant> start = Optional.empty();
    private Optional<Instant> stop = Optional.empty();
    private @Nullable String cause;
    private OptionalLong lost = OptionalLong.empty();
    private @Nullable String subject;
    private @Nullable String level;
    private long entries;
    private long limit;
    private long drops;
    private @Nullable String text;
    private @Nullable Instant from;
    private @Nullable Instant to;

    static Line read(String source) {
      try (JsonParser json = JSON.createParser(ObjectReadContext.empty(), source)) {
        if (json.nextToken() != JsonToken.START_OBJECT) {
          throw new IllegalArgumentException("the line is not a JSON object");
        }
        Line line = new Line();
        for (String name = json.nextName(); name != null; name = json.nextName()) {
          json.nextToken();
          line.member(name, json);
        }
        return line;
      } catch (JacksonException e) {
        throw new IllegalArgumentException(
            "the line is not valid JSON: " + e.getOriginalMessage(), e);
      } catch (DateTimeException e) {
        throw new IllegalArgumentException("the line has a bad time: " + e.getMessage(), e);
      }
    }

    Flow flow() {
      int number = protocolNumber(require(protocol, "proto"));
      Direction first = require(original, "original");
      Direction second = require(reply, "reply");
      return new Flow(
          id,
          first.tuple(number),
          second.tuple(number),
          status,
          tcpState,
          mark,
          zone,
          timeoutSeconds,
          first.counters(),
          second.counters(),
          start,
          stop);
    }

    Carried carried() {
      return new Carried(
          isCarried, require(original, "original").carried(), require(reply, "reply").carried());
    }

    Alarm alarm() {
      return new Alarm(
          require(time, "time"),
          alarmSubject(require(subject, "subject")),
          alarmLevel(require(level, "level")),
          entries,
          limit,
          drops,
          require(text, "text"));
    }

    private static Alarm.Subject alarmSubject(String name) {
      for (Alarm.Subject one : Alarm.Subject.values()) {
        if (one.toString().equals(name)) {
          return one;
        }
      }
      throw new IllegalArgumentException("unknown subject of an alarm \"" + name + "\"");
    }

    private static Alarm.Level alarmLevel(String name) {
      for (Alarm.Level one : Alarm.Level.values()) {
        if (one.toString().equals(name)) {
          return one;
        }
      }
      throw new IllegalArgumentException("unknown level of an alarm \"" + name + "\"");
    }

    private void member(String name, JsonParser json) {
      switch (name) {
        case "seq" -> sequence = json.getLongValue();
        case "event" -> event = json.getString();
        case "time" -> time = Instant.parse(json.getString());
        case "synthesised" -> synthesised = json.getBooleanValue();
        case "mapping" -> mapping = json.getString();
        case "carried" -> isCarried = json.getBooleanValue();
        case "id" -> id = json.getLongValue();
        case "proto" -> protocol = json.getString();
        case "original" -> original = Direction.read(json);
        case "reply" -> reply = Direction.read(json);
        case "status" -> readStatus(json);
        case "tcpState" -> tcpState = tcpState(json.getString());
        case "timeoutSeconds" -> timeoutSeconds = OptionalInt.of(json.getIntValue());
        case "mark" -> mark = json.getLongValue();
        case "zone" -> zone = json.getIntValue();
        case "start" -> start = Optional.of(Instant.parse(json.getString()));
        case "stop" -> stop = Optional.of(Instant.parse(json.getString()));
        case "cause" -> cause = json.getString();
        case "lost" -> lost = OptionalLong.of(json.getLongValue());
        case "subject" -> subject = json.getString();
        case "level" -> level = json.getString();
        case "entries" -> entries = json.getLongValue();
        case "limit" -> limit = json.getLongValue();
        case "drops" -> drops = json.getLongValue();
        case "text" -> text = json.getString();
        case "from" -> from = Instant.parse(json.getString());
        case "to" -> to = Instant.parse(json.getString());
        default -> json.skipChildren();
      }
    }

    private void readStatus(JsonParser json) {
      while (json.nextToken() == JsonToken.VALUE_STRING) {
        String text = json.getString();
        for (FlowStatus known : FlowStatus.values()) {
          if (known.toString().equals(text)) {
            status.add(known);
          }
        }
      }
    }

    private static Optional<TcpState> tcpState(String text) {
      for (TcpState state : TcpState.values()) {
        if (state.toString().equals(text)) {
          return Optional.of(state);
        }
      }
      return Optional.empty();
    }

    private static int protocolNumber(String name) {
      if (!name.isEmpty() && Character.isDigit(name.charAt(0))) {
        return Integer.parseInt(name);
      }
      return Protocol.parse(name).number();
    }
  }

  /** The members of {@code original} or {@code reply} as they come. */
  private static final class Direction {
    private @Nullable IpAddress source;
    private @Nullable IpAddress destination;
    private int sourcePort = -1;
    private int destinationPort = -1;
    private int icmpType = -1;
    private int icmpCode;
    private int icmpId;
    private long packets = -1;
    private long bytes = -1;
    private long carriedPackets;
    private long carriedBytes;

    static Direction read(JsonParser json) {
      Direction direction = new Direction();
      for (String name = json.nextName(); name != null; name = json.nextName()) {
        json.nextToken();
        switch (name) {
          case "src" -> direction.source = IpAddress.parse(json.getString());
          case "dst" -> direction.destination = IpAddress.parse(json.getString());
          case "sport" -> direction.sourcePort = json.getIntValue();
          case "dport" -> direction.destinationPort = json.getIntValue();
          case "type" -> direction.icmpType = json.getIntValue();
          case "code" -> direction.icmpCode = json.getIntValue();
          case "id" -> direction.icmpId = json.getIntValue();
          case "packets" -> direction.packets = json.getLongValue();
          case "bytes" -> direction.bytes = json.getLongValue();
          case "carriedPackets" -> direction.carriedPackets = json.getLongValue();
          case "carriedBytes" -> direction.carriedBytes = json.getLongValue();
          default -> json.skipChildren();
        }
      }
      return direction;
    }

    FlowTuple tuple(int protocol) {
      FlowTuple.Detail detail;
      if (sourcePort >= 0 && destinationPort >= 0) {
        detail = new FlowTuple.Ports(sourcePort, destinationPort);
      } else if (icmpType >= 0) {
        detail = new FlowTuple.Icmp(icmpType, icmpCode, icmpId);
      } else {
        detail = new FlowTuple.AddressesOnly();
      }
      return new FlowTuple(protocol, require(source, "src"), require(destination, "dst"), detail);
    }

    Optional<FlowCounters> counters() {
      return packets >= 0 && bytes >= 0
          ? Optional.of(new FlowCounters(packets, bytes))
          : Optional.empty();
    }

    FlowCounters carried() {
      return new FlowCounters(carriedPackets, carriedBytes);
    }
  }

  /** The word for a family in output: {@code ipv4} or {@code ipv6}. */
  public static String familyText(Family family) {
    return family == Family.IPV4 ? "ipv4" : "ipv6";
  }
}
