package dev.sluice.model;

import dev.sluice.net.IpAddress;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A sandbox that is to join networks and have ports published: all of it happens, or nothing.
 *
 * @param name what it is called
 * @param namespacePath a file that stands for its network namespace
 * @param attachments the networks to join; the first that leads outside becomes its default way
 * @param exposed the ports that links to it open; those of {@code publish} are added
 * @param links its ways to others
 * @param publish what to publish of it
 * @param options who may use the published ports, and how much
 * @param owner who asks
 */
public record SandboxRequest(
    SandboxName name,
    String namespacePath,
    List<Attachment> attachments,
    List<ExposeSpec> exposed,
    List<SandboxLink> links,
    List<PortSpec> publish,
    MappingOptions options,
    Owner owner) {
  /** The network of a sandbox that names none; made when it is first needed. */
  public static final String DEFAULT_NETWORK = "default";

  /** The most networks of a sandbox. */
  public static final int MAX_NETWORKS = 64;

  /** The most names beside its own on a network. */
  public static final int MAX_ALIASES = 32;

  /** The most ways to others. */
  public static final int MAX_LINKS = 64;

  /** The most ports that links to it can open. */
  public static final int MAX_EXPOSED_PORTS = 1_024;

  /**
   * One network to join.
   *
   * @param network its name
   * @param addresses the addresses to have, at most one of each family; those that are not given
   *     are chosen
   * @param aliases what the sandbox is also called there
   * @param interfaceName what the sandbox calls its interface; empty for the first free of eth0,
   *     eth1 and so on
   */
  public record Attachment(
      String network,
      List<IpAddress> addresses,
      List<SandboxName> aliases,
      Optional<InterfaceName> interfaceName) {
    /**
     * Checks the parts.
     *
     * @throws dev.sluice.net.MalformedValueException if the network's name breaks the rule
     * @throws InvalidMappingException if there are two addresses of a family
     * @throws InvalidNetworkException if there are too many aliases
     */
    public Attachment {
      Names.check("network name", network);
      addresses = Targets.check(addresses);
      aliases = aliases.stream().distinct().toList();
      if (aliases.size() > MAX_ALIASES) {
        throw new InvalidNetworkException(
            "at most " + MAX_ALIASES + " aliases are possible, not " + aliases.size());
      }
    }

    /** A network with everything chosen. */
    public static Attachment to(String network) {
      return new Attachment(network, List.of(), List.of(), Optional.empty());
    }
  }

  /**
   * Checks what can be checked without the host.
   *
   * @throws InvalidNetworkException if there are too many parts, or a network twice
   */
  public SandboxRequest {
    attachments = List.copyOf(attachments);
    exposed = List.copyOf(exposed);
    links = List.copyOf(links);
    publish = List.copyOf(publish);
    NamespacePath.check(namespacePath);
    limit("networks", attachments.size(), MAX_NETWORKS);
    limit("links", links.size(), MAX_LINKS);
    limit(
        "exposed ports",
        exposed.stream().mapToInt(one -> one.ports().size()).sum(),
        MAX_EXPOSED_PORTS);
    Set<String> networks = new HashSet<>();
    for (Attachment attachment : attachments) {
      if (!networks.add(attachment.network())) {
        throw new InvalidNetworkException(
            "the sandbox " + name + " is to join the network " + attachment.network() + " twice");
      }
    }
    if (attachments.isEmpty() && !publish.isEmpty()) {
      throw new InvalidNetworkException(
          "the sandbox " + name + " has no network, so none of its ports can be published");
    }
  }

  private static void limit(String what, int count, int most) {
    if (count > most) {
      throw new InvalidNetworkException(
          "a sandbox has at most " + most + " " + what + ", not " + count);
    }
  }
}
