package dev.sluice.daemon;

import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import dev.sluice.api.docker.DriverServer;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Owner;
import dev.sluice.network.Topology;

/** What doctor says about the network driver of Docker. */
final class DriverFinding {
  private static final String ID = "docker-driver";

  private DriverFinding() {}

  static Finding of(DriverServer server, Topology topology) {
    long networks =
        topology.networks().stream()
            .map(Network::settings)
            .flatMap(settings -> settings.made().stream())
            .map(NetworkSettings.Made::by)
            .filter(Owner.DOCKER_DRIVER::equals)
            .count();
    long endpoints =
        topology.sandboxes().stream().filter(one -> one.owner() == Owner.DOCKER_DRIVER).count();
    String state =
        "Docker's network driver listens on "
            + server.socket()
            + " and has "
            + networks
            + " networks with "
            + endpoints
            + " containers";
    return server.lastRefusal().isEmpty()
        ? new Finding(ID, Severity.OK, state, "")
        : new Finding(ID, Severity.NOTE, state + "; it last refused: " + server.lastRefusal(), "");
  }
}
