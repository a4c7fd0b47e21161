package dev.sluice.network.names;

import dev.sluice.net.Family;
import dev.sluice.net.Ip4Address;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Port;
import dev.sluice.net.Protocol;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.stream.Collectors;
import org.xbill.DNS.AAAARecord;
import org.xbill.DNS.ARecord;
import org.xbill.DNS.DClass;
import org.xbill.DNS.Flags;
import org.xbill.DNS.Message;
import org.xbill.DNS.Name;
import org.xbill.DNS.PTRRecord;
import org.xbill.DNS.Rcode;
import org.xbill.DNS.Record;
import org.xbill.DNS.ReverseMap;
import org.xbill.DNS.SRVRecord;
import org.xbill.DNS.Section;
import org.xbill.DNS.TXTRecord;
import org.xbill.DNS.TextParseException;
import org.xbill.DNS.Type;

/** The answer to one question, from what the asker sees. */
final class Answers {
  /** See the package. */
  static final int TTL_SECONDS = 1;

  private static final Name ZONE = Name.fromConstantString("sluice.");
  private static final Name SELF = Name.fromConstantString("self.sluice.");
  private static final Name HOST = Name.fromConstantString("host.sluice.");
  private static final Name REVERSE4 = Name.fromConstantString("in-addr.arpa.");
  private static final Name REVERSE6 = Name.fromConstantString("ip6.arpa.");

  /** Types that are no data but ask for something to be done (RFC 6895 section 3.1), except ANY. */
  private static final int FIRST_META_TYPE = 128;

  /**
   * A service that was found.
   *
   * @param port where it listens
   * @param target the name for the addresses
   */
  private record Service(int port, Name target, List<IpAddress> addresses) {}

  private final Query query;
  private final View view;
  private final Name name;

  /** The labels of the name in lower case, without the root's. */
  private final List<String> labels;

  private Answers(Query query, View view) {
    this.query = query;
    this.view = view;
    this.name = query.name();
    this.labels = new ArrayList<>();
    for (int i = 0; i < name.labels() - 1; i++) {
      labels.add(name.getLabelString(i).toLowerCase(Locale.ROOT));
    }
  }

  /** The answer; empty if another resolver has to know it. */
  static Optional<Message> to(Query query, View view) {
    return new Answers(query, view).answer();
  }

  private Optional<Message> answer() {
    int type = query.type();
    boolean meta = type == Type.OPT || (type >= FIRST_META_TYPE && type < Type.ANY);
    if (query.question().getDClass() != DClass.IN || meta) {
      return Optional.of(start(Rcode.REFUSED));
    }
    if (labels.isEmpty()) {
      return view.forwards() ? Optional.empty() : Optional.of(start(Rcode.REFUSED));
    }
    if (name.subdomain(ZONE) && !name.equals(ZONE)) {
      return Optional.of(inOurZone());
    }
    List<IpAddress> addresses = view.addressesOf(text(name));
    if (!addresses.isEmpty()) {
      return Optional.of(addressAnswer(addresses));
    }
    if (name.equals(ZONE)) {
      return Optional.of(noData());
    }
    int underscored = underscored();
    if (underscored > 0 && underscored < labels.size()) {
      Name owner = new Name(name, underscored);
      List<IpAddress> owners = view.addressesOf(text(owner));
      if (!owners.isEmpty()) {
        return Optional.of(
            serviceAnswer(
                underscored, (port, protocol) -> declared(port, protocol, owner, owners)));
      }
    }
    Optional<String> reverse = reversed().flatMap(view::nameOf);
    if (reverse.isPresent()) {
      return Optional.of(reverseAnswer(reverse.get()));
    }
    // A name of one label would have been one of ours; to ask others would tell them ours.
    if (labels.size() == 1 || !view.forwards()) {
      return Optional.of(noSuchName());
    }
    return Optional.empty();
  }

  /** {@code self.sluice.}, {@code host.sluice.} and what is below them. */
  private Message inOurZone() {
    if (name.equals(SELF)) {
      Message answer = start(Rcode.NOERROR);
      if (asksFor(Type.TXT)) {
        for (PublishedAs published : view.self()) {
          answer.addRecord(
              new TXTRecord(name, DClass.IN, TTL_SECONDS, published.toString()), Section.ANSWER);
        }
      }
      return answer;
    }
    Set<IpAddress> hosts = hostAddresses();
    if (name.equals(HOST)) {
      return addressAnswer(hosts);
    }
    int underscored = underscored();
    if (underscored > 0 && new Name(name, underscored).equals(SELF)) {
      return serviceAnswer(underscored, (port, protocol) -> published(port, protocol, hosts));
    }
    if (labels.size() == 3 && new Name(name, 1).equals(HOST)) {
      for (IpAddress host : hosts) {
        if (labels.get(0).equals(label(host))) {
          return addressAnswer(List.of(host));
        }
      }
    }
    return noSuchName();
  }

  private Set<IpAddress> hostAddresses() {
    return view.self().stream()
        .map(PublishedAs::hostAddress)
        .filter(address -> !address.isAny())
        .collect(Collectors.toCollection(LinkedHashSet::new));
  }

  /** A port that a neighbour declares, under its number. */
  private List<Service> declared(
      String label, Protocol protocol, Name owner, List<IpAddress> addresses) {
    OptionalInt port = port(label);
    boolean found =
        port.isPresent()
            && view.portsOf(text(owner)).stream()
                .anyMatch(ports -> ports.contain(port.getAsInt(), protocol));
    return found ? List.of(new Service(port.getAsInt(), owner, addresses)) : List.of();
  }

  /**
   * Where the asker's own port is published, under its number or the name of its mapping. If that
   * is so on all addresses of the host that it is published on, one record says it; otherwise each
   * address has a name and a record of its own.
   */
  private List<Service> published(String label, Protocol protocol, Set<IpAddress> hosts) {
    OptionalInt port = port(label);
    Map<Integer, Set<IpAddress>> addressesByPort = new LinkedHashMap<>();
    for (PublishedAs published : view.self()) {
      if (published.protocol() != protocol) {
        continue;
      }
      OptionalInt hostPort =
          port.isPresent()
              ? published.hostPortOf(port.getAsInt())
              : published
                  .mapping()
                  .filter(mapping -> mapping.toLowerCase(Locale.ROOT).equals(label))
                  .map(mapping -> OptionalInt.of(published.hostPorts().first()))
                  .orElseGet(OptionalInt::empty);
      if (hostPort.isPresent()) {
        Set<IpAddress> addresses =
            addressesByPort.computeIfAbsent(hostPort.getAsInt(), any -> new LinkedHashSet<>());
        if (!published.hostAddress().isAny()) {
          addresses.add(published.hostAddress());
        }
      }
    }
    List<Service> services = new ArrayList<>();
    addressesByPort.forEach(
        (hostPort, addresses) -> {
          if (addresses.isEmpty() || addresses.equals(hosts)) {
            services.add(new Service(hostPort, HOST, List.copyOf(hosts)));
          } else {
            for (IpAddress address : addresses) {
              services.add(
                  new Service(
                      hostPort, absolute(label(address) + ".host.sluice"), List.of(address)));
            }
          }
        });
    return services;
  }

  private Message addressAnswer(Iterable<IpAddress> addresses) {
    Message answer = start(Rcode.NOERROR);
    // One family is enough for who asks for anything (RFC 8482 section 4.1).
    Family family = query.type() == Type.AAAA ? Family.IPV6 : Family.IPV4;
    if (query.type() == Type.ANY) {
      family = addresses.iterator().hasNext() ? addresses.iterator().next().family() : family;
    } else if (query.type() != Type.A && query.type() != Type.AAAA) {
      return answer;
    }
    for (IpAddress address : addresses) {
      if (address.family() == family) {
        answer.addRecord(addressRecord(name, address), Section.ANSWER);
      }
    }
    return answer;
  }

  private Message serviceAnswer(
      int underscored, BiFunction<String, Protocol, List<Service>> services) {
    Optional<Protocol> protocol = protocol(labels.get(underscored - 1));
    if (protocol.isEmpty() || underscored > 2) {
      return noSuchName();
    }
    if (underscored == 1) {
      return noData();
    }
    List<Service> found = services.apply(labels.get(0).substring(1), protocol.get());
    if (found.isEmpty()) {
      return noSuchName();
    }
    Message answer = start(Rcode.NOERROR);
    if (asksFor(Type.SRV)) {
      Set<Record> additional = new LinkedHashSet<>();
      for (Service service : found) {
        answer.addRecord(
            new SRVRecord(name, DClass.IN, TTL_SECONDS, 0, 0, service.port(), service.target()),
            Section.ANSWER);
        for (IpAddress address : service.addresses()) {
          additional.add(addressRecord(service.target(), address));
        }
      }
      additional.forEach(record -> answer.addRecord(record, Section.ADDITIONAL));
    }
    return answer;
  }

  private Message reverseAnswer(String owner) {
    Message answer = start(Rcode.NOERROR);
    if (asksFor(Type.PTR)) {
      answer.addRecord(
          new PTRRecord(name, DClass.IN, TTL_SECONDS, absolute(owner)), Section.ANSWER);
    }
    return answer;
  }

  /** The address of which the name is the reverse, spelled in full and no other way. */
  private Optional<IpAddress> reversed() {
    if (!name.subdomain(REVERSE4) && !name.subdomain(REVERSE6)) {
      return Optional.empty();
    }
    try {
      InetAddress address = ReverseMap.fromName(name);
      return ReverseMap.fromAddress(address).equals(name)
          ? Optional.of(IpAddress.fromBytes(address.getAddress()))
          : Optional.empty();
    } catch (UnknownHostException | IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private Message start(int rcode) {
    Message answer = query.answer(rcode);
    if (rcode != Rcode.REFUSED) {
      answer.getHeader().setFlag(Flags.AA);
    }
    if (view.forwards()) {
      answer.getHeader().setFlag(Flags.RA);
    }
    return answer;
  }

  /** There is such a name, but nothing of the type asked for. */
  private Message noData() {
    return start(Rcode.NOERROR);
  }

  private Message noSuchName() {
    return start(Rcode.NXDOMAIN);
  }

  private boolean asksFor(int type) {
    return query.type() == type || query.type() == Type.ANY;
  }

  /** How many labels the name begins with that are no host's: {@code _80._tcp}. */
  private int underscored() {
    int count = 0;
    while (count < labels.size() && labels.get(count).startsWith("_")) {
      count++;
    }
    return count;
  }

  private static Record addressRecord(Name name, IpAddress address) {
    return address.family() == Family.IPV4
        ? new ARecord(name, DClass.IN, TTL_SECONDS, address.toBytes())
        : new AAAARecord(name, DClass.IN, TTL_SECONDS, address.toBytes());
  }

  /** {@code 203-0-113-5}, {@code 2001-db8-0-0-0-0-0-5}. */
  private static String label(IpAddress address) {
    if (address instanceof Ip4Address) {
      return address.toString().replace('.', '-');
    }
    Ip6Address six = (Ip6Address) address;
    StringBuilder label = new StringBuilder(39);
    for (int group = 0; group < 8; group++) {
      long half = group < 4 ? six.high() : six.low();
      label
          .append(group == 0 ? "" : "-")
          .append(Long.toHexString(half >>> (48 - 16 * (group % 4)) & 0xffff));
    }
    return label.toString();
  }

  private static OptionalInt port(String label) {
    try {
      return OptionalInt.of(Port.parse(label));
    } catch (MalformedValueException e) {
      return OptionalInt.empty();
    }
  }

  private static Optional<Protocol> protocol(String label) {
    return switch (label) {
      case "_tcp" -> Optional.of(Protocol.TCP);
      case "_udp" -> Optional.of(Protocol.UDP);
      case "_sctp" -> Optional.of(Protocol.SCTP);
      default -> Optional.empty();
    };
  }

  private static String text(Name name) {
    return name.toString(true).toLowerCase(Locale.ROOT);
  }

  private static Name absolute(String text) {
    try {
      return Name.fromString(text, Name.root);
    } catch (TextParseException e) {
      throw new IllegalStateException("no name of DNS: \"" + text + "\"", e);
    }
  }
}
