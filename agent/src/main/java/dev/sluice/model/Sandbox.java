package dev.sluice.model;

import dev.sluice.net.IpAddress;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A network namespace that takes part in networks.
 *
 * @param name what it is called; there is one sandbox of a name
 * @param namespace where it is; empty if only its owner knows, who put a wire of ours into it
 * @param owner who asked for it
 * @param createdAt when it came, to the millisecond
 * @param endpoints its places on networks, in the order in which they came: where several could
 *     serve, the first does
 * @param exposed the ports that links to it open
 * @param links its ways to others
 */
public record Sandbox(
    SandboxName name,
    Optional<NamespacePath> namespace,
    Owner owner,
    Instant createdAt,
    List<Endpoint> endpoints,
    List<ExposeSpec> exposed,
    List<SandboxLink> links) {
  public Sandbox {
    endpoints = List.copyOf(endpoints);
    exposed = List.copyOf(exposed);
    links = List.copyOf(links);
  }

  /** Its place on that network. */
  public Optional<Endpoint> on(String network) {
    return endpoints.stream().filter(one -> one.network().equals(network)).findFirst();
  }

  /** The same with one more place. */
  public Sandbox with(Endpoint endpoint) {
    List<Endpoint> more = new ArrayList<>(endpoints);
    more.add(endpoint);
    return new Sandbox(name, namespace, owner, createdAt, more, exposed, links);
  }

  /** The same without its place on that network. */
  public Sandbox without(String network) {
    List<Endpoint> fewer =
        endpoints.stream().filter(one -> !one.network().equals(network)).toList();
    return new Sandbox(name, namespace, owner, createdAt, fewer, exposed, links);
  }

  /** The same, linked otherwise. */
  public Sandbox linked(List<ExposeSpec> otherExposed, List<SandboxLink> otherLinks) {
    return new Sandbox(name, namespace, owner, createdAt, endpoints, otherExposed, otherLinks);
  }

  /** The same, found elsewhere. */
  public Sandbox at(NamespacePath moved) {
    return new Sandbox(name, Optional.of(moved), owner, createdAt, endpoints, exposed, links);
  }

  /** Whether the address is one of its. */
  public boolean has(IpAddress address) {
    return endpoints.stream().anyMatch(one -> one.addresses().contains(address));
  }
}
