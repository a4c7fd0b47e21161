package dev.sluice.config;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.model.Backends;
import dev.sluice.model.Balance;
import dev.sluice.model.Declaration;
import dev.sluice.model.Destination;
import dev.sluice.model.Egress;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.InvalidMappingException;
import dev.sluice.model.InvalidNetworkException;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.SourceRate;
import dev.sluice.model.Subnet;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Port;
import dev.sluice.net.Prefix;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
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
  private static final String SANDBOXES = "sandboxes";
  private static final String NAME = "name";
  private static final String ADDRESSES = "addresses";
  private static final String ALIASES = "aliases";
  private static final String SUBNET = "subnet";
  private static final String NETNS = "netns";
  private static final String NAMED_NAMESPACES = "/run/netns/";
  private static final String TARGET = "target";
  private static final String TARGETS = "targets";
  private static final String PUBLISH = "publish";
  private static final String MAX_CONNECTIONS = "max-connections";

  private final String file;
  private final List<InterfaceName> bridges = new ArrayList<>();
  private final List<NetworkRequest> networks = new ArrayList<>();
  private final Map<SandboxRequest, Event> sandboxes = new LinkedHashMap<>();
  private final Declaration.Contradictions contradictions = new Declaration.Contradictions();
  private Iterator<Event> events = List.<Event>of().iterator();

  PortsFileReader(String file) {
    this.file = file;
  }

  /** Reads the value of a key, of which the next event is the first. */
  private interface ValueReader {
    void read(String key) throws PortsFileException;
  }

  /** Reads an entry of a list, whatever it is. */
  private interface ItemReader {
    void read(Event start) throws PortsFileException;
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
    Event start = next();
    Set<String> keys =
        mapping(
            start,
            "the file must have the key \"ports\" at its beginning",
            "\"ports\", \"networks\" and \"sandboxes\"",
            key ->
                switch (key) {
                  case PORTS -> name -> entries(ports);
                  case NETWORKS ->
                      name -> items(name, "[br0]", Declaration.MAX_NETWORKS, this::network);
                  case SANDBOXES ->
                      name ->
                          items(
                              name,
                              "[{name: web, netns: web, networks: [blue]}]",
                              Declaration.MAX_SANDBOXES,
                              this::sandbox);
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
    Optional<SandboxRequest> circle = Declaration.inCircle(List.copyOf(sandboxes.keySet()));
    if (circle.isPresent()) {
      throw at(
          Objects.requireNonNull(sandboxes.get(circle.get())),
          Declaration.circleText(circle.get()));
    }
    try {
      return new Declaration(ports, bridges, networks, List.copyOf(sandboxes.keySet()));
    } catch (InvalidMappingException | InvalidNetworkException e) {
      throw at(start, String.valueOf(e.getMessage()));
    }
  }

  private void network(Event start) throws PortsFileException {
    if (start instanceof ScalarEvent) {
      InterfaceName bridge = value(scalar(start, "an entry of \"networks\""), InterfaceName::new);
      check(start, () -> contradictions.add(bridge));
      bridges.add(bridge);
    } else {
      NetworkRequest request = new NetworkEntry().read(start);
      check(start, () -> contradictions.add(request));
      networks.add(request);
    }
  }

  private void sandbox(Event start) throws PortsFileException {
    SandboxRequest request = new SandboxEntry().read(start);
    check(start, () -> contradictions.add(request));
    sandboxes.put(request, start);
  }

  private void check(Event where, Runnable check) throws PortsFileException {
    made(
        where,
        () -> {
          check.run();
          return true;
        });
  }

  /** What is made of the parts of an entry, whose mistakes are said to be at its beginning. */
  private <T> T made(Event where, Supplier<T> maker) throws PortsFileException {
    try {
      return maker.get();
    } catch (IllegalArgumentException e) {
      throw at(where, String.valueOf(e.getMessage()));
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
        "\"name\", \"target\", \"targets\", \"balance\", \"publish\", \"allow\","
            + " \"max-connections\", \"source-rate\", \"syn-proxy\" and \"proxy-protocol\"";

    private List<PortSpec> publish = List.of();
    private List<Destination.Aim> to = List.of();
    private Optional<Balance> balance = Optional.empty();
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
      if (to.isEmpty()) {
        throw at(
            start,
            "the entry has no \"target\": write the address of the container, such as"
                + " target: 172.30.0.2, or the name of a sandbox");
      }
      if (publish.isEmpty()) {
        throw at(
            start,
            "the entry has no \"publish\": write at least one port, such as publish:"
                + " [\"8080:80\"]");
      }
      return made(
          start,
          () ->
              new PublishRequest(publish, new Destination(to, balance), name, Owner.FILE, options));
    }

    private @Nullable ValueReader reader(String key) {
      return switch (key) {
        case NAME -> k -> name = Optional.of(value(scalar(k), MappingName::new));
        case TARGET -> k -> to = List.of(value(scalar(k), Destination.Aim::parse));
        case TARGETS ->
            k ->
                to = list(k, "[172.30.0.2, \"fd00::2\"]", 2 * Backends.MAX, Destination.Aim::parse);
        case "balance" -> k -> balance = Optional.of(value(scalar(k), Balance::parse));
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
        case "proxy-protocol" ->
            k ->
                options =
                    options.withProxyProtocolPort(
                        OptionalInt.of(value(scalar(k), text -> Port.parse(text))));
        default -> null;
      };
    }
  }

  /** An entry of {@code networks} that is to be made. */
  private final class NetworkEntry {
    private static final String KNOWN =
        "\"name\", \"subnets\", \"ipv6\", \"mtu\", \"internal\", \"icc\", \"egress\" and"
            + " \"bridge\"";

    /** One of each family. */
    private static final int MAX_SUBNETS = 2;

    private String name = "";
    private final List<Subnet> subnets = new ArrayList<>();
    private boolean ipv6;
    private OptionalInt mtuBytes = OptionalInt.empty();
    private boolean internal;
    private boolean icc = true;
    private Egress egress = new Egress.Masquerade();
    private Optional<InterfaceName> bridge = Optional.empty();

    NetworkRequest read(Event start) throws PortsFileException {
      mapping(
          start,
          "an entry of \"networks\" must be the name of a bridge, or have keys such as \"name\" and"
              + " \"subnets\"",
          KNOWN,
          this::reader);
      if (name.isEmpty()) {
        throw at(start, "the network has no \"name\": give it one, such as name: blue");
      }
      return made(
          start,
          () ->
              new NetworkRequest(
                  name, bridge, subnets, ipv6, mtuBytes, egress, internal, !icc, Owner.FILE));
    }

    private @Nullable ValueReader reader(String key) {
      return switch (key) {
        case NAME -> k -> name = value(scalar(k), Network::checkName);
        case "subnets" -> k -> items(k, "[10.1.0.0/24]", MAX_SUBNETS, this::subnet);
        case "ipv6" -> k -> ipv6 = value(scalar(k), PortsFileReader::yesOrNo);
        case "mtu" -> k -> mtuBytes = OptionalInt.of(value(scalar(k), PortsFileReader::mtu));
        case "internal" -> k -> internal = value(scalar(k), PortsFileReader::yesOrNo);
        case "icc" -> k -> icc = value(scalar(k), PortsFileReader::yesOrNo);
        case "egress" -> k -> egress = egress(k);
        case "bridge" -> k -> bridge = Optional.of(value(scalar(k), InterfaceName::new));
        default -> null;
      };
    }

    private void subnet(Event start) throws PortsFileException {
      subnets.add(
          start instanceof ScalarEvent
              ? value(
                  scalar(start, "an entry of \"subnets\""),
                  text -> Subnet.of(Prefix.parseBlock(text)))
              : new SubnetEntry().read(start));
    }

    private Egress egress(String key) throws PortsFileException {
      Event start = next();
      if (start.getEventId() != Event.ID.SequenceStart) {
        return value(scalar(start, quote(key)), PortsFileReader::egressNamed);
      }
      List<IpAddress> sources = list(start, key, "[192.0.2.1]", MAX_SUBNETS, IpAddress::parse);
      return made(start, () -> Egress.FixedSource.of(sources));
    }
  }

  /** An entry of {@code subnets} that says more than the block. */
  private final class SubnetEntry {
    private Optional<Prefix> prefix = Optional.empty();
    private Optional<IpAddress> gateway = Optional.empty();
    private Optional<Prefix> range = Optional.empty();

    Subnet read(Event start) throws PortsFileException {
      mapping(
          start,
          "an entry of \"subnets\" must be a block such as 10.1.0.0/24, or have the key \"subnet\"",
          "\"subnet\", \"gateway\" and \"range\"",
          this::reader);
      if (prefix.isEmpty()) {
        throw at(start, "the entry has no \"subnet\": write a block, such as subnet: 10.1.0.0/24");
      }
      return made(start, () -> new Subnet(prefix.get(), gateway, range));
    }

    private @Nullable ValueReader reader(String key) {
      return switch (key) {
        case SUBNET -> k -> prefix = Optional.of(value(scalar(k), Prefix::parseBlock));
        case "gateway" -> k -> gateway = Optional.of(value(scalar(k), IpAddress::parse));
        case "range" -> k -> range = Optional.of(value(scalar(k), Prefix::parseBlock));
        default -> null;
      };
    }
  }

  /** An entry of {@code sandboxes}. */
  private final class SandboxEntry {
    private static final String KNOWN =
        "\"name\", \"netns\", \"networks\", \"expose\" and \"links\"";

    private Optional<SandboxName> name = Optional.empty();
    private String namespacePath = "";
    private final List<Attachment> attachments = new ArrayList<>();
    private List<ExposeSpec> exposed = List.of();
    private List<SandboxLink> links = List.of();

    SandboxRequest read(Event start) throws PortsFileException {
      mapping(
          start,
          "an entry of \"sandboxes\" must have keys such as \"name\" and \"netns\"",
          KNOWN,
          this::reader);
      if (name.isEmpty()) {
        throw at(start, "the sandbox has no \"name\": give it one, such as name: web");
      }
      if (namespacePath.isEmpty()) {
        throw at(
            start,
            "the sandbox has no \"netns\": write where its network namespace is, such as"
                + " netns: /run/netns/web");
      }
      if (attachments.isEmpty()) {
        throw at(
            start, "the sandbox has no \"networks\": write at least one, such as networks: [blue]");
      }
      return made(
          start,
          () ->
              new SandboxRequest(
                  name.get(),
                  namespacePath,
                  attachments,
                  exposed,
                  links,
                  List.of(),
                  MappingOptions.NONE,
                  Owner.FILE));
    }

    private @Nullable ValueReader reader(String key) {
      return switch (key) {
        case NAME -> k -> name = Optional.of(value(scalar(k), SandboxName::new));
        case NETNS -> k -> namespacePath = value(scalar(k), PortsFileReader::namespacePath);
        case NETWORKS -> k -> items(k, "[blue]", SandboxRequest.MAX_NETWORKS, this::attachment);
        case "expose" ->
            k -> exposed = list(k, "[80/tcp]", SandboxRequest.MAX_EXPOSED_PORTS, ExposeSpec::parse);
        case "links" ->
            k -> links = list(k, "[db:store]", SandboxRequest.MAX_LINKS, SandboxLink::parse);
        default -> null;
      };
    }

    private void attachment(Event start) throws PortsFileException {
      Attachment attachment =
          start instanceof ScalarEvent
              ? value(scalar(start, "an entry of \"networks\""), Attachment::to)
              : new AttachmentEntry().read(start);
      attachments.add(attachment);
    }
  }

  /** An entry of the networks of a sandbox that says more than the name. */
  private final class AttachmentEntry {
    /** One of each family. */
    private static final int MAX_ADDRESSES = 2;

    private String network = "";
    private List<IpAddress> addresses = List.of();
    private List<SandboxName> aliases = List.of();
    private Optional<InterfaceName> interfaceName = Optional.empty();

    Attachment read(Event start) throws PortsFileException {
      mapping(
          start,
          "an entry of \"networks\" must be the name of a network, or have the key \"network\"",
          "\"network\", \"addresses\", \"aliases\" and \"interface\"",
          this::reader);
      if (network.isEmpty()) {
        throw at(start, "the entry has no \"network\": name one, such as network: blue");
      }
      return made(start, () -> new Attachment(network, addresses, aliases, interfaceName));
    }

    private @Nullable ValueReader reader(String key) {
      return switch (key) {
        case "network" -> k -> network = value(scalar(k), Network::checkName);
        case ADDRESSES -> k -> addresses = list(k, "[10.1.0.7]", MAX_ADDRESSES, IpAddress::parse);
        case ALIASES ->
            k -> aliases = list(k, "[www]", SandboxRequest.MAX_ALIASES, SandboxName::new);
        case "interface" -> k -> interfaceName = Optional.of(value(scalar(k), InterfaceName::new));
        default -> null;
      };
    }
  }

  /** A file, or what ip netns calls a namespace. */
  private static String namespacePath(String text) {
    if (text.startsWith("/")) {
      return text;
    }
    if (text.indexOf('/') >= 0 || text.equals(".") || text.equals("..")) {
      throw new MalformedValueException(
          text,
          0,
          quote(text)
              + " is neither the path of a network namespace, such as /run/netns/web, nor a name of"
              + " one");
    }
    return NAMED_NAMESPACES + text;
  }

  private static Egress egressNamed(String text) {
    return switch (text) {
      case "masquerade" -> new Egress.Masquerade();
      case "routed" -> new Egress.Routed();
      default ->
          throw new MalformedValueException(
              text,
              0,
              quote(text)
                  + " is neither masquerade nor routed, nor a list of addresses of this host such"
                  + " as [192.0.2.1]");
    };
  }

  private static int mtu(String text) {
    if (!text.matches("[1-9][0-9]{0,5}")) {
      throw new MalformedValueException(text, 0, quote(text) + " is not a number of bytes");
    }
    return Integer.parseInt(text);
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
    return list(next(), key, example, most, parse);
  }

  private <T> List<T> list(
      Event start, String key, String example, int most, Function<String, T> parse)
      throws PortsFileException {
    List<T> values = new ArrayList<>();
    items(
        start,
        key,
        example,
        most,
        event -> values.add(value(scalar(event, "an entry of " + quote(key)), parse)));
    return values;
  }

  /** Hands on the first event of each entry of a list. */
  private void items(String key, String example, int most, ItemReader reader)
      throws PortsFileException {
    items(next(), key, example, most, reader);
  }

  private void items(Event start, String key, String example, int most, ItemReader reader)
      throws PortsFileException {
    if (start.getEventId() != Event.ID.SequenceStart) {
      throw at(start, quote(key) + " must be a list such as " + example);
    }
    int count = 0;
    for (Event event = next(); event.getEventId() != Event.ID.SequenceEnd; event = next()) {
      if (count++ == most) {
        throw at(event, quote(key) + " has more than " + most + " entries");
      }
      reader.read(event);
    }
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
    } catch (InvalidMappingException | InvalidNetworkException e) {
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
