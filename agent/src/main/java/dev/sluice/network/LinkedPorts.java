package dev.sluice.network;

import dev.sluice.model.Endpoint;
import dev.sluice.model.LinkedPort;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxLink;
import dev.sluice.net.IpAddress;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;

/** What links between sandboxes open on isolated networks, on which all else is closed. */
final class LinkedPorts {
  private final Topology topology;

  LinkedPorts(Topology topology) {
    this.topology = topology;
  }

  /** What is open by links from and to a sandbox, if this is what it is like. */
  Set<LinkedPort> of(Optional<Sandbox> state) {
    Set<LinkedPort> ports = new HashSet<>();
    if (state.isEmpty()) {
      return ports;
    }
    Sandbox sandbox = state.get();
    boolean isolated =
        sandbox.endpoints().stream()
            .flatMap(endpoint -> topology.network(endpoint.network()).stream())
            .anyMatch(network -> network.settings().isolated());
    if (!isolated) {
      return ports; // there it is all open
    }
    for (SandboxLink link : sandbox.links()) {
      topology.sandbox(link.to()).ifPresent(to -> open(sandbox, to, ports));
    }
    boolean exposes = !sandbox.exposed().isEmpty();
    if (exposes) {
      for (Sandbox other : topology.sandboxes()) {
        if (!other.name().equals(sandbox.name())
            && other.links().stream().anyMatch(link -> link.to().equals(sandbox.name()))) {
          open(other, sandbox, ports);
        }
      }
    }
    return ports;
  }

  private void open(Sandbox from, Sandbox to, Set<LinkedPort> ports) {
    for (Endpoint source : from.endpoints()) {
      boolean isolated =
          topology
              .network(source.network())
              .filter(network -> network.settings().isolated())
              .isPresent();
      Optional<Endpoint> destination = to.on(source.network());
      if (!isolated || destination.isEmpty()) {
        continue;
      }
      for (IpAddress address : destination.get().addresses()) {
        source
            .address(address.family())
            .ifPresent(
                own ->
                    to.exposed()
                        .forEach(
                            spec -> {
                              for (int port = spec.ports().first();
                                  port <= spec.ports().last();
                                  port++) {
                                ports.add(new LinkedPort(own, address, spec.protocol(), port));
                              }
                            }));
      }
    }
  }
}
