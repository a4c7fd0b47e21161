package dev.sluice.config;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.model.Declaration;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.InvalidMappingException;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.SourceRate;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Prefix;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Parse;
import org.snakeyaml.engine.v2.events.AliasEvent;
import org.snakeyaml.engine.v2.events.CollectionStartEvent;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.events.NodeEvent;
import org.snakeyaml.engine.v2.events.ScalarEvent;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/**
 * Reads YAML event by event, and only the shape it expects: what would be deeper nested, a
 * reference to somewhere else or a typed value is refused where it begins, so nothing in a file can
 * grow. A value is its text: {@code 8080:80} is never a number of base 60.
 */
final class PortsFileReader {
  private static final String PORTS = "ports";
  private static final String NETWORKS = "networks";
  private static final String TARGET = "target";
  private static final String TARGETS = "targets";
  private static final String PUBLISH = "publish";
  private static final String MAX_CONNECTIONS = "max-connections";

  private final String file;
  private Iterator<Event> events = List.<Event>of().iterator();

  PortsFileReader(String file) {
    this.file = file;
  }

  /** Reads the value of a key, of which the next event is the first. */
  private interface ValueReader {
    void read(String key) throws PortsFileException;
  }

  Declaration read(String text) throws PortsFileException {
    LoadSettings settings =
        LoadSettings.builder().setLabel(file).setCodePointLimit(PortsFile.MAX_BYTES).build();
    try {
      events = new Parse(settings).parseString(text).iterator();
      return document();
    } catch (MarkedYamlEngineException e) {
      Optional<Mark> mark = e.getProblemMark().or(e::getContextMark);
      String problem =
          "this is not YAML: "
              + (e.getContext() == null ? "" : e.getContext() + ", ")
              + e.getProblem()
              + "; look at the indentation, the quotes and the brackets there";
      throw mark.isPresent()
          ? new PortsFileException(
              file, mark.get().getLine() + 1, mark.get().getColumn() + 1, oneLine(problem))
          : new PortsFileException(file, oneLine(problem));
    } catch (YamlEngineException e) {
      throw new PortsFileException(
          file, oneLine("this is not YAML: " + String.valueOf(e.getMessage())));
    }
  }

  private static String oneLine(String text) {
    return text.replaceAll("[\\p{Cntrl}\\s]+", " ");
  }

  private Declaration document() throws PortsFileException {
    events.next(); // the stream
    Event first = events.next();
    if (first.getEventId() == Event.ID.StreamEnd) {
      throw at(first, "the file is empty: write \"ports: []\" to publish nothing");
    }
    List<PublishRequest> ports = new ArrayList<>();
    List<InterfaceName> networks = new ArrayList<>();
    Event start = next();
    Set<String> keys =
        mapping(
            start,
            "the file must have the key \"ports\" at its beginning",
            "\"ports\" and \"networks\"",
            key ->
                switch (key) {
                  case PORTS -> name -> entries(ports);
                  case NETWORKS ->
                      name ->
                          networks.addAll(
                              list(name, "[br0]", Declaration.MAX_NETWORKS, InterfaceName::new));
                  default -> null;
                });
    if (!keys.contains(PORTS)) {
      throw at(start, "the key \"ports\" is missing: write \"ports: []\" to publish nothing");
    }
    events.next(); // the end of the document
    Event last = events.next();
    if (last.getEventId() != Event.ID.StreamEnd) {
      throw at(last, "a second document begins here: everything belongs into the first");
    }
    try {
      return new Declaration(ports, networks);
    } catch (InvalidMappingException e) {
      throw at(start, String.valueOf(e.getMessage()));
    }
  }

  private void entries(List<PublishRequest> ports) throws PortsFileException {
    Event start = next();
    String wanted = "\"ports\" must be a list of entries, each with \"target\" and \"publish\"";
    if (start.getEventId() != Event.ID.SequenceStart) {
      throw at(start, wanted + "; write [] for none");
    }
    int count = 0;
    for (Event entry = next(); entry.getEventId() != Event.ID.SequenceEnd; entry = next()) {
      PublishRequest request = new Entry().read(entry);
      count += request.ports().size();
      if (count > Declaration.MAX_PORTS) {
        throw at(entry, "there are more than " + Declaration.MAX_PORTS + " ports");
      }
      ports.add(request);
    }
  }

  /** One entry of {@code ports}. */
  private final class Entry {
    private static final String KNOWN =
        "\"name\", \"target\", \"targets\", \"publish\", \"allow\", \"max-connections\","
            + " \"source-rate\" and \"syn-proxy\"";

    private List<PortSpec> publish = List.of();
    private List<IpAddress> targets = List.of();
    private Optional<MappingName> name = Optional.empty();
    private MappingOptions options = MappingOptions.NONE;

    PublishRequest read(Event start) throws PortsFileException {
      Set<String> keys =
          mapping(
              start,
              "an entry of \"ports\" must have keys such as \"target\" and \"publish\"",
              KNOWN,
              this::reader);
      if (keys.contains(TARGET) && keys.contains(TARGETS)) {
        throw at(start, "the entry has both \"target\" and \"targets\": leave one out");
      }
      if (targets.isEmpty()) {
        throw at(
            start,
            "the entry has no \"target\": write the address of the container, such as"
                + " target: 172.30.0.2");
      }
      if (publish.isEmpty()) {
        throw at(
            start,
            "the entry has no \"publish\": write at least one port, such as publish:"
                + " [\"8080:80\"]");
      }
      try {
        return new PublishRequest(publish, targets, name, Owner.FILE, options);
      } catch (IllegalArgumentException e) {
        throw at(start, String.valueOf(e.getMessage()));
      }
    }

    private @Nullable ValueReader reader(String key) {
      return switch (key) {
        case "name" -> k -> name = Optional.of(value(scalar(k), MappingName::new));
        case TARGET -> k -> targets = List.of(value(scalar(k), IpAddress::parse));
        case TARGETS -> k -> targets = list(k, "[172.30.0.2, \"fd00::2\"]", 2, IpAddress::parse);
        case PUBLISH ->
            k -> publish = list(k, "[\"8080:80\"]", Declaration.MAX_PORTS, PortSpec::parse);
        case "allow" ->
            k ->
                options =
                    options.withAllowedSources(
                        list(k, "[10.0.0.0/8]", MappingOptions.MAX_SOURCES, Prefix::parseBlock));
        case MAX_CONNECTIONS ->
            k ->
                options =
                    options.withMaxConnections(
                        OptionalInt.of(value(scalar(k), PortsFileReader::connections)));
        case "source-rate" ->
            k -> options = options.withSourceRate(Optional.of(value(scalar(k), SourceRate::parse)));
        case "syn-proxy" ->
            k -> options = options.withSynProxy(value(scalar(k), PortsFileReader::yesOrNo));
        default -> null;
      };
    }
  }

  private static int connections(String text) {
    if (!text.matches("[1-9][0-9]{0,7}")
        || Integer.parseInt(text) > MappingOptions.MAX_CONNECTIONS) {
      throw new MalformedValueException(
          text, 0, quote(text) + " is not a number from 1 to " + MappingOptions.MAX_CONNECTIONS);
    }
    return Integer.parseInt(text);
  }

  private static boolean yesOrNo(String text) {
    return switch (text) {
      case "true" -> true;
      case "false" -> false;
      default -> throw new MalformedValueException(text, 0, quote(text) + " is not true or false");
    };
  }

  // ---- the shapes of YAML

  /** Reads the keys of a mapping, each with its reader, up to its end; returns the keys it has. */
  private Set<String> mapping(
      Event start, String wanted, String known, Function<String, @Nullable ValueReader> readers)
      throws PortsFileException {
    if (start.getEventId() != Event.ID.MappingStart) {
      throw at(start, wanted);
    }
    Set<String> keys = new HashSet<>();
    for (Event event = next(); event.getEventId() != Event.ID.MappingEnd; event = next()) {
      if (!(event instanceof ScalarEvent key)) {
        throw at(event, "a key must be one of " + known);
      }
      ValueReader reader = readers.apply(key.getValue());
      if (reader == null) {
        throw at(event, "unknown key " + quote(key.getValue()) + "; there are " + known);
      }
      if (!keys.add(key.getValue())) {
        throw at(event, "the key " + quote(key.getValue()) + " is here twice: leave one out");
      }
      reader.read(key.getValue());
    }
    return keys;
  }

  private <T> List<T> list(String key, String example, int most, Function<String, T> parse)
      throws PortsFileException {
    Event start = next();
    if (start.getEventId() != Event.ID.SequenceStart) {
      throw at(start, quote(key) + " must be a list such as " + example);
    }
    List<T> values = new ArrayList<>();
    for (Event event = next(); event.getEventId() != Event.ID.SequenceEnd; event = next()) {
      if (values.size() == most) {
        throw at(event, quote(key) + " has more than " + most + " entries");
      }
      values.add(value(scalar(event, "an entry of " + quote(key)), parse));
    }
    return values;
  }

  private ScalarEvent scalar(String key) throws PortsFileException {
    return scalar(next(), quote(key));
  }

  private ScalarEvent scalar(Event event, String what) throws PortsFileException {
    if (event instanceof ScalarEvent scalar && !(scalar.isPlain() && scalar.getValue().isEmpty())) {
      return scalar;
    }
    throw at(
        event,
        event instanceof ScalarEvent
            ? what + " has no value"
            : what
                + " must be one text; what has brackets, or a colon at its end, belongs into quotes,"
                + " such as \"[::1]:8080:80\"");
  }

  private <T> T value(ScalarEvent scalar, Function<String, T> parse) throws PortsFileException {
    try {
      return parse.apply(scalar.getValue());
    } catch (MalformedValueException e) {
      throw at(scalar, offset(scalar) + e.column(), e.problem());
    } catch (InvalidMappingException e) {
      throw at(scalar, String.valueOf(e.getMessage()));
    }
  }

  /** Where the text of a value begins, as far as its columns are those of the file. */
  private static int offset(ScalarEvent scalar) {
    return scalar.isPlain() ? 0 : 1; // behind the quote
  }

  /** The next event, with what no part of the file may have already refused. */
  private Event next() throws PortsFileException {
    Event event = events.next();
    if (event instanceof AliasEvent) {
      throw at(event, "references such as *this are not followed: write the value itself");
    }
    if (event instanceof NodeEvent node && node.getAnchor().isPresent()) {
      throw at(event, "names for values such as &this are not known here: leave it out");
    }
    boolean tagged =
        event instanceof ScalarEvent scalar
            ? scalar.getTag().isPresent()
            : event instanceof CollectionStartEvent start && start.getTag().isPresent();
    if (tagged) {
      throw at(event, "types such as !!str are not known here: leave it out");
    }
    return event;
  }

  private PortsFileException at(Event event, String problem) {
    return at(event, 0, problem);
  }

  private PortsFileException at(Event event, int offset, String problem) {
    Mark mark = event.getStartMark().orElseThrow();
    return new PortsFileException(file, mark.getLine() + 1, mark.getColumn() + 1 + offset, problem);
  }
}
