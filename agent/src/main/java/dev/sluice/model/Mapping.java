package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Prefix;
import dev.sluice.net.Protocol;
import java.time.Instant;
import java.util.Optional;

/**
 * One published port, or range of ports: connections to the host ports end at the target ports,
 * first at first and so on.
 *
 * <p>A mapping belongs to one family, that of its target. Every local address has one form here:
 * {@code 0.0.0.0} and {@code ::} as host address become the empty one, and IPv4-mapped IPv6
 * addresses become the IPv4 addresses they carry.
 *
 * @param id identifies the mapping
 * @param name what somebody called it, empty if nobody did
 * @param owner who asked for it
 * @param protocol tcp, udp or sctp
 * @param hostAddress one local address; empty for every local address of the target's family
 * @param hostPorts the ports of the host
 * @param targetAddress the address of the container
 * @param targetPorts the ports of the container, as many as host ports
 * @param createdAt when it was published
 * @param options who may use it, and how much; allowed sources are of the mapping's family
 * @param sandbox whose port it is, if it was published by name: the target is that sandbox's
 *     address, and moves with it
 */
public record Mapping(
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

  /** Each allowed source is kept once for each host port. */
  public static final int MAX_PORTS_TIMES_SOURCES = 65_536;

  /** Each host port of a mapping with options costs elements of its own. */
  public static final int MAX_PORTS_WITH_OPTIONS = 1_024;

  /**
   * Checks that the parts fit each other.
   *
   * @throws InvalidMappingException if the numbers of ports differ, the families differ, the
   *     protocol has no ports, an address cannot be the end of a connection, or an option is not
   *     for the protocol
   */
  public Mapping {
    targetAddress = unmapped(targetAddress);
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
    if (hostAddress.isPresent() && hostAddress.get().family() != targetAddress.family()) {
      throw new InvalidMappingException(
          hostAddress.get().family().title()
              + " host address "
              + hostAddress.get()
              + " cannot lead to "
              + targetAddress.family().title()
              + " target "
              + targetAddress
              + ": both must be of one family");
    }
    hostAddress = hostAddress.filter(address -> !address.isAny());
    HostBinding.check(protocol, targetAddress.family(), hostAddress);
    Target.check(targetAddress);
    checkOptions(options, protocol, targetAddress.family(), hostPorts);
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
    if (!options.isNone() && hostPorts.size() > MAX_PORTS_WITH_OPTIONS) {
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
    // Options are kept port by port.
    return keepsItsPorts && options.isNone() ? Precedence.RANGE : Precedence.ANY;
  }

  public Mapping withName(Optional<MappingName> newName) {
    return with(newName, targetAddress, options, sandbox);
  }

  public Mapping withTarget(IpAddress newTarget) {
    return with(name, newTarget, options, sandbox);
  }

  public Mapping withOptions(MappingOptions newOptions) {
    return with(name, targetAddress, newOptions, sandbox);
  }

  /** The same as a port of that sandbox, or of nobody's but its address. */
  public Mapping of(Optional<SandboxName> newSandbox) {
    return with(name, targetAddress, options, newSandbox);
  }

  private Mapping with(
      Optional<MappingName> newName,
      IpAddress newTarget,
      MappingOptions newOptions,
      Optional<SandboxName> newSandbox) {
    return new Mapping(
        id,
        newName,
        owner,
        protocol,
        hostAddress,
        hostPorts,
        newTarget,
        targetPorts,
        createdAt,
        newOptions,
        newSandbox);
  }

  /** The family of the connections, which is that of the target. */
  public Family family() {
    return targetAddress.family();
  }

  /** What may exist only once: two mappings whose keys overlap cannot both be published. */
  public HostBinding key() {
    return new HostBinding(protocol, family(), hostAddress, hostPorts, precedence());
  }

  /** Where the connections end. */
  public Target target() {
    return new Target(targetAddress, targetPorts);
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
