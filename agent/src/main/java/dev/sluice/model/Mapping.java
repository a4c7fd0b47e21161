package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * One published port, or range of ports: connections to the host ports end at the target ports,
 * first at first and so on.
 *
 * <p>A mapping belongs to one family, that of the connections it takes. Mostly its containers are
 * of the same; where they are not, the mapping is {@linkplain #isRelayed() relayed}. Every local
 * address has one form here: {@code 0.0.0.0} and {@code ::} as host address become the empty one,
 * and IPv4-mapped IPv6 addresses become the IPv4 addresses they carry.
 *
 * @param id identifies the mapping
 * @param name what somebody called it, empty if nobody did
 * @param owner who asked for it
 * @param protocol tcp, udp or sctp
 * @param family the family of the connections it takes
 * @param hostAddress one local address; empty for every local address of the family
 * @param hostPorts the ports of the host
 * @param backends the containers
 * @param targetPorts the ports of the containers, as many as host ports
 * @param createdAt when it was published
 * @param options who may use it, and how much; allowed sources are of the mapping's family
 */
public record Mapping(
    MappingId id,
    Optional<MappingName> name,
    Owner owner,
    Protocol protocol,
    Family family,
    Optional<IpAddress> hostAddress,
    PortRange hostPorts,
    Backends backends,
    PortRange targetPorts,
    Instant createdAt,
    MappingOptions options) {

  /** Each allowed source is kept once for each host port. */
  public static final int MAX_PORTS_TIMES_SOURCES = 65_536;

  /** Each host port of a mapping with options costs elements of its own. */
  public static final int MAX_PORTS_WITH_OPTIONS = 1_024;

  /** Each container of several has slots of its own for each host port. */
  public static final int MAX_PORTS_TIMES_SLOTS = 16_384;

  /** Each host port of a relayed mapping costs a socket of its own. */
  public static final int MAX_RELAYED_PORTS = 64;

  /**
   * Checks that the parts fit each other.
   *
   * @throws InvalidMappingException if the numbers of ports differ, the families differ, the
   *     protocol has no ports, an address cannot be the end of a connection, or an option is not
   *     for the protocol
   */
  public Mapping {
    hostAddress = hostAddress.map(Mapping::unmapped);
    if (hostPorts.size() != targetPorts.size()) {
      throw new InvalidMappingException(
          "host ports "
              + hostPorts
              + " are "
              + hostPorts.size()
              + " and target ports "
              + targetPorts
              + " are "
              + targetPorts.size()
              + "; they must be as many");
    }
    hostAddress = hostAddress.filter(address -> !address.isAny());
    HostBinding.check(protocol, family, hostAddress);
    if (family != backends.family()) {
      checkRelayed(family, protocol, hostAddress, hostPorts, backends);
    }
    if (!backends.isSingle() && hostPorts.size() > MAX_PORTS_WITH_OPTIONS) {
      throw new InvalidMappingException(
          "host ports "
              + hostPorts
              + " are "
              + hostPorts.size()
              + ", and a mapping to several containers can have at most "
              + MAX_PORTS_WITH_OPTIONS);
    }
    int slots = backends.slotCount();
    if (!backends.isSingle() && hostPorts.size() * slots > MAX_PORTS_TIMES_SLOTS) {
      throw new InvalidMappingException(
          hostPorts.size()
              + " host ports with "
              + slots
              + " slots each for the containers are more than "
              + MAX_PORTS_TIMES_SLOTS
              + " elements: give fewer ports, or "
              + (backends.balance() == Balance.SOURCE
                  ? "another balance than source"
                  : "smaller weights"));
    }
    checkOptions(options, protocol, family, hostPorts);
    if (options.synProxy() && family != backends.family()) {
      throw new InvalidMappingException(
          "a SYN proxy is for connections that the kernel translates, and "
              + family.title()
              + " to an "
              + backends.family().title()
              + " container goes through the userland proxy: leave one of them out");
    }
  }

  private static void checkRelayed(
      Family family,
      Protocol protocol,
      Optional<IpAddress> hostAddress,
      PortRange hostPorts,
      Backends backends) {
    String host =
        family.title() + " host address " + hostAddress.orElse(IpAddress.any(family)) + " ";
    String target = backends.family().title() + " target " + backends.first().address();
    if (family == Family.IPV4) {
      throw new InvalidMappingException(
          host + "cannot lead to " + target + ": both must be of one family");
    }
    if (protocol == Protocol.SCTP) {
      throw new InvalidMappingException(
          host + "leads to " + target + " through the userland proxy, which has no sctp");
    }
    if (hostPorts.size() > MAX_RELAYED_PORTS) {
      throw new InvalidMappingException(
          host
              + "leads to "
              + target
              + " through the userland proxy, with at most "
              + MAX_RELAYED_PORTS
              + " ports a mapping, not "
              + hostPorts.size());
    }
  }

  /** A mapping to one container of its own family, which has been named or not. */
  public Mapping(
      MappingId id,
      Optional<MappingName> name,
      Owner owner,
      Protocol protocol,
      Optional<IpAddress> hostAddress,
      PortRange hostPorts,
      IpAddress targetAddress,
      PortRange targetPorts,
      Instant createdAt,
      MappingOptions options,
      Optional<SandboxName> sandbox) {
    this(
        id,
        name,
        owner,
        protocol,
        unmapped(targetAddress).family(),
        hostAddress.map(host -> checkFamily(unmapped(host), unmapped(targetAddress))),
        hostPorts,
        Backends.of(targetAddress, sandbox),
        targetPorts,
        createdAt,
        options);
  }

  private static IpAddress checkFamily(IpAddress host, IpAddress target) {
    if (host.family() != target.family()) {
      throw new InvalidMappingException(
          host.family().title()
              + " host address "
              + host
              + " cannot lead to "
              + target.family().title()
              + " target "
              + target
              + ": both must be of one family");
    }
    return host;
  }

  /** A mapping that was published by address. */
  public Mapping(
      MappingId id,
      Optional<MappingName> name,
      Owner owner,
      Protocol protocol,
      Optional<IpAddress> hostAddress,
      PortRange hostPorts,
      IpAddress targetAddress,
      PortRange targetPorts,
      Instant createdAt,
      MappingOptions options) {
    this(
        id,
        name,
        owner,
        protocol,
        hostAddress,
        hostPorts,
        targetAddress,
        targetPorts,
        createdAt,
        options,
        Optional.empty());
  }

  /** A mapping that anybody may use. */
  public Mapping(
      MappingId id,
      Optional<MappingName> name,
      Owner owner,
      Protocol protocol,
      Optional<IpAddress> hostAddress,
      PortRange hostPorts,
      IpAddress targetAddress,
      PortRange targetPorts,
      Instant createdAt) {
    this(
        id,
        name,
        owner,
        protocol,
        hostAddress,
        hostPorts,
        targetAddress,
        targetPorts,
        createdAt,
        MappingOptions.NONE);
  }

  private static void checkOptions(
      MappingOptions options, Protocol protocol, Family family, PortRange hostPorts) {
    int sources = options.allowedSources().size();
    if ((long) hostPorts.size() * sources > MAX_PORTS_TIMES_SOURCES) {
      throw new InvalidMappingException(
          hostPorts.size()
              + " host ports with "
              + sources
              + " allowed sources each are more than "
              + MAX_PORTS_TIMES_SOURCES
              + " combinations: give fewer ports, or wider blocks of sources");
    }
    if (!options.isUnrestricted() && hostPorts.size() > MAX_PORTS_WITH_OPTIONS) {
      throw new InvalidMappingException(
          "host ports "
              + hostPorts
              + " are "
              + hostPorts.size()
              + ", and a mapping with allowed sources or limits can have at most "
              + MAX_PORTS_WITH_OPTIONS);
    }
    if (options.synProxy() && protocol != Protocol.TCP) {
      throw new InvalidMappingException(
          "a SYN proxy is for tcp only: publish "
              + hostPorts
              + "/"
              + protocol
              + " in a request without it");
    }
    if (options.proxyProtocolPort().isPresent()
        && (protocol != Protocol.TCP || !hostPorts.isSingle())) {
      throw new InvalidMappingException(
          "the PROXY protocol is for single tcp ports: publish "
              + hostPorts
              + "/"
              + protocol
              + " in a request without it");
    }
    for (Prefix block : options.allowedSources()) {
      if (block.family() != family) {
        throw new InvalidMappingException(
            "the allowed source "
                + block
                + " can never reach the "
                + family.title()
                + " target of this mapping: give "
                + family.title()
                + " sources");
      }
    }
  }

  /** Which mappings of the same port it stands behind. */
  public Precedence precedence() {
    if (hostAddress.isPresent()) {
      return Precedence.EXACT;
    }
    boolean keepsItsPorts =
        hostPorts.size() > 1
            && hostPorts.equals(targetPorts)
            && (protocol == Protocol.TCP || protocol == Protocol.UDP);
    // Options and shares are kept port by port.
    boolean wholly = options.isUnrestricted() && backends.isSingle() && !isRelayed();
    return keepsItsPorts && wholly ? Precedence.RANGE : Precedence.ANY;
  }

  public Mapping withName(Optional<MappingName> newName) {
    return with(newName, backends, options);
  }

  /** The same to other containers. */
  public Mapping withBackends(Backends newBackends) {
    return with(name, newBackends, options);
  }

  /** The same to one container alone, of the same name if there was one. */
  public Mapping withTarget(IpAddress newTarget) {
    return withBackends(Backends.of(newTarget, sandbox()));
  }

  public Mapping withOptions(MappingOptions newOptions) {
    return with(name, backends, newOptions);
  }

  private Mapping with(
      Optional<MappingName> newName, Backends newBackends, MappingOptions newOptions) {
    return new Mapping(
        id,
        newName,
        owner,
        protocol,
        family,
        hostAddress,
        hostPorts,
        newBackends,
        targetPorts,
        createdAt,
        newOptions);
  }

  /**
   * Whether its containers are of the other family, so that the kernel cannot translate its
   * connections: the userland proxy accepts them and makes others.
   */
  public boolean isRelayed() {
    return family != backends.family();
  }

  /** The address of its container, of the first if there are several. */
  public IpAddress targetAddress() {
    return backends.first().address();
  }

  /** Whose port it is, if it was published by the name of one sandbox alone. */
  public Optional<SandboxName> sandbox() {
    return backends.isSingle() ? backends.first().sandbox() : Optional.empty();
  }

  /** For each of its containers the same mapping, to that one alone. */
  public List<Mapping> parts() {
    return backends.all().stream()
        .map(one -> withBackends(Backends.of(one.address(), one.sandbox())))
        .toList();
  }

  /** What may exist only once: two mappings whose keys overlap cannot both be published. */
  public HostBinding key() {
    return new HostBinding(protocol, family, hostAddress, hostPorts, precedence());
  }

  /** Where the connections end, as people write it: {@code 172.30.0.2:80}. */
  public String targetText() {
    return backends.all().stream()
        .map(
            one ->
                new Target(one.address(), targetPorts)
                    + (one.weight() == 1 ? "" : "=" + one.weight()))
        .collect(Collectors.joining(" and "));
  }

  /** What people call it: the name, or the id where there is none. */
  public String label() {
    return name.map(MappingName::text).orElseGet(id::toString);
  }

  /** As {@code docker ps} shows it: {@code 0.0.0.0:8080->80/tcp}. */
  public String hostText() {
    return PortsColumn.of(this);
  }

  private static IpAddress unmapped(IpAddress address) {
    return address instanceof Ip6Address six ? six.unmapped() : address;
  }
}
