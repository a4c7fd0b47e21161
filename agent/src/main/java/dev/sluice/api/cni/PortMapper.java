package dev.sluice.api.cni;

import dev.sluice.api.cni.CniException.Code;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.Family;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import dev.sluice.publish.PublishException;
import dev.sluice.publish.Publisher;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * The plugin {@code sluice}: publishes ports of a container that plugins before it have given its
 * address. It takes the configuration of the plugin {@code portmap}
 * (github.com/containernetworking/plugins), whose place it can have.
 */
final class PortMapper implements CniPlugin {
  private static final String CONDITIONS_REMEDY =
      "Sluice has no rule per port that a condition could be part of: leave it out";

  private final Publisher publisher;

  PortMapper(Publisher publisher) {
    this.publisher = publisher;
  }

  @Override
  public CniResult add(Attachment attachment, String namespacePath, CniConfig config) {
    CniResult before = config.previousResult(CniVerb.ADD);
    checkIsSupported(config.json());
    publisher.keep(
        Owner.CNI,
        attachment.mappingName(),
        wishes(attachment, before, config).requests(attachment.mappingName()));
    return before;
  }

  @Override
  public void delete(Attachment attachment) {
    publisher.withdraw(Owner.CNI, attachment.mappingName());
  }

  @Override
  public void check(Attachment attachment, String namespacePath, CniConfig config) {
    CniResult before = config.previousResult(CniVerb.CHECK);
    checkIsSupported(config.json());
    Set<Line> expected = wishes(attachment, before, config).lines();
    Set<Line> there = linesOf(attachment.mappingName());
    List<String> differences = new ArrayList<>();
    for (Line line : expected) {
      if (!there.contains(line)) {
        differences.add(line + " is not published");
      }
    }
    for (Line line : there) {
      if (!expected.contains(line)) {
        differences.add(line + " is published and should not be");
      }
    }
    if (!differences.isEmpty()) {
      throw new CniException(
          Code.DIFFERENT,
          "the published ports are not those of the configuration: " + differences.get(0),
          differences.size() == 1 ? null : String.join("; ", differences));
    }
  }

  @Override
  public void collect(String network, Set<Attachment> valid) {
    Set<MappingName> kept = new LinkedHashSet<>();
    valid.forEach(attachment -> kept.add(attachment.mappingName()));
    for (MappingName name : publisher.namesOf(Owner.CNI)) {
      if (Attachment.isOn(network, name) && !kept.contains(name)) {
        publisher.withdraw(Owner.CNI, name);
      }
    }
  }

  // ---- the configuration

  /** Refuses keys of portmap's whose meaning would be lost. */
  private static void checkIsSupported(CniJson config) {
    for (String key : new String[] {"conditionsV4", "conditionsV6"}) {
      List<String> conditions = config.strings(key);
      if (!conditions.isEmpty()) {
        throw CniConfig.unsupported(
            key, CniException.quoted(String.join(" ", conditions)), CONDITIONS_REMEDY);
      }
    }
    if (config.bool("masqAll", false)) {
      throw CniConfig.unsupported(
          "masqAll",
          "true",
          "containers see their clients' addresses, and the host's only where an answer would not"
              + " find back otherwise: leave it out");
    }
    // Read so that a mistake is named; both values come to the same, see docs/cni.md.
    config.bool("snat", true);
    OptionalInt bit = config.integer("markMasqBit");
    if (bit.isPresent() && config.text("externalSetMarkChain").isPresent()) {
      throw CniException.invalid(
          "\"externalSetMarkChain\" and \"markMasqBit\" exclude each other; neither is needed");
    }
    if (bit.orElse(0) < 0 || bit.orElse(0) > 31) {
      throw CniException.invalid("\"markMasqBit\" must be 0 to 31, not " + bit.getAsInt());
    }
  }

  /**
   * What is to be published.
   *
   * @param targets the container's addresses, at most one of each family
   */
  private record Wishes(Set<PortSpec> ports, List<IpAddress> targets) {

    List<PublishRequest> requests(MappingName name) {
      return ports.isEmpty()
          ? List.of()
          : List.of(
              new PublishRequest(
                  List.copyOf(ports), targets, Optional.of(name), Owner.CNI, MappingOptions.NONE));
    }

    Set<Line> lines() {
      Set<Line> lines = new LinkedHashSet<>();
      for (PortSpec spec : ports) {
        for (IpAddress target : targets) {
          if (spec.hostAddress().map(IpAddress::family).orElse(target.family())
              == target.family()) {
            lines.add(
                new Line(
                    spec.protocol(),
                    spec.hostAddress().orElse(IpAddress.any(target.family())),
                    ((PortSpec.Exactly) spec.hostPorts()).ports().first(),
                    target,
                    spec.targetPorts().first()));
          }
        }
      }
      return lines;
    }
  }

  /** One port that leads to a container. */
  private record Line(
      Protocol protocol, IpAddress hostAddress, int hostPort, IpAddress target, int targetPort) {

    @Override
    public String toString() {
      return text(hostAddress, hostPort) + "/" + protocol + " to " + text(target, targetPort);
    }

    private static String text(IpAddress address, int port) {
      return (address.family() == Family.IPV6 ? "[" + address + "]" : address) + ":" + port;
    }
  }

  /** What the kernel's table has by this name. */
  private Set<Line> linesOf(MappingName name) {
    Set<Line> lines = new LinkedHashSet<>();
    for (PublishedMapping one : publishedAs(name)) {
      Mapping mapping = one.mapping();
      if (mapping.owner() == Owner.CNI) {
        for (int i = 0; i < mapping.hostPorts().size(); i++) {
          lines.add(
              new Line(
                  mapping.protocol(),
                  mapping.key().addressOrAny(),
                  mapping.hostPorts().first() + i,
                  mapping.targetAddress(),
                  mapping.targetPorts().first() + i));
        }
      }
    }
    return lines;
  }

  private List<PublishedMapping> publishedAs(MappingName name) {
    try {
      return publisher.find(name.text());
    } catch (PublishException e) {
      if (e.kind() == PublishException.Kind.NOT_FOUND) {
        return List.of();
      }
      throw e;
    }
  }

  private static Wishes wishes(Attachment attachment, CniResult before, CniConfig config) {
    List<CniJson> entries =
        config
            .json()
            .object("runtimeConfig")
            .map(runtime -> runtime.objects("portMappings"))
            .orElse(List.of());
    List<IpAddress> targets = before.addressesOn(attachment.interfaceName().text());
    if (targets.isEmpty() && !entries.isEmpty()) {
      throw CniException.invalid(
          "\"prevResult\" has no address of the container's interface "
              + attachment.interfaceName()
              + " that ports could lead to");
    }
    // What is asked for twice in the same words is meant once.
    Set<PortSpec> ports = new LinkedHashSet<>();
    for (CniJson entry : entries) {
      PortSpec spec = portOf(entry);
      // As portmap: an address of a family that the container does not have leads nowhere.
      boolean leadsSomewhere =
          spec.hostAddress()
              .map(host -> targets.stream().anyMatch(one -> one.family() == host.family()))
              .orElse(true);
      if (leadsSomewhere) {
        ports.add(spec);
      }
    }
    return new Wishes(ports, targets);
  }

  private static PortSpec portOf(CniJson entry) {
    int hostPort = portNumber(entry, "hostPort");
    int containerPort = portNumber(entry, "containerPort");
    try {
      Protocol protocol = entry.text("protocol").map(Protocol::parse).orElse(Protocol.TCP);
      if (!protocol.hasPorts()) {
        throw CniException.invalid(
            entry.place("protocol") + " must be tcp, udp or sctp, not " + protocol);
      }
      Optional<IpAddress> hostAddress =
          entry
              .text("hostIP")
              .map(IpAddress::parse)
              .map(address -> address instanceof Ip6Address six ? six.unmapped() : address);
      return new PortSpec(
          hostAddress,
          new PortSpec.Exactly(PortRange.of(hostPort)),
          PortRange.of(containerPort),
          protocol);
    } catch (MalformedValueException e) {
      throw CniException.invalid(entry.place("") + " cannot be published: " + e.problem());
    }
  }

  private static int portNumber(CniJson entry, String name) {
    int port = entry.integer(name).orElse(0);
    if (port < 1 || port > 0xffff) {
      throw CniException.invalid(
          entry.place(name)
              + " must be 1 to 65535"
              + (entry.has(name) ? ", not " + port : ", and is missing"));
    }
    return port;
  }
}
