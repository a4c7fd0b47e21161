package dev.sluice.api;

import dev.sluice.model.Joined;
import dev.sluice.model.Mapping;
import dev.sluice.model.Network;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxName;
import dev.sluice.network.NetworkException;
import dev.sluice.network.NetworkService;
import dev.sluice.publish.Publisher;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.hc.core5.http.HttpException;

/** What is at {@code /v1/networks} and {@code /v1/sandboxes}. */
final class NetworkResources {
  private final NetworkService networks;
  private final Publisher publisher;

  NetworkResources(NetworkService networks, Publisher publisher) {
    this.networks = networks;
    this.publisher = publisher;
  }

  void addTo(Router router) {
    router
        .add("/v1/networks", Map.of("GET", this::list, "POST", this::create))
        .add("/v1/networks/{}", Map.of("GET", this::find, "DELETE", this::remove))
        .add("/v1/networks/{}/endpoints", Map.of("POST", this::connect))
        .add("/v1/networks/{}/endpoints/{}", Map.of("DELETE", this::disconnect))
        .add("/v1/sandboxes", Map.of("GET", this::listSandboxes, "POST", this::createSandbox))
        .add("/v1/sandboxes/{}", Map.of("GET", this::findSandbox, "DELETE", this::removeSandbox));
  }

  // ---- networks

  private void list(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    List<Network> all = networks.topology().networks();
    exchange.answer(200, json -> NetworkJson.writeAll(json, all));
  }

  private void create(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    Network made = networks.create(NetworkBody.read(exchange.body(), exchange.owner()));
    exchange.answer(201, json -> NetworkJson.write(json, made));
  }

  private void find(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    String name = network(exchange);
    Network found =
        networks
            .topology()
            .network(name)
            .orElseThrow(
                () ->
                    new NetworkException(
                        NetworkException.Kind.NOT_FOUND,
                        "there is no network " + name + "; see sluice network ls"));
    List<Sandbox> there = networks.topology().on(name);
    exchange.answer(200, json -> NetworkJson.write(json, found, there));
  }

  private void remove(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    Network removed = networks.remove(network(exchange));
    exchange.answer(200, json -> NetworkJson.write(json, removed));
  }

  private static String network(Exchange exchange) {
    return Network.checkName(exchange.part(0));
  }

  // ---- endpoints

  private void connect(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    ConnectBody body = ConnectBody.read(exchange.body(), network(exchange));
    Sandbox now =
        networks.connect(body.sandbox(), body.attachment(), body.namespace(), exchange.owner());
    exchange.answer(201, json -> SandboxJson.write(json, now, Optional.empty()));
  }

  private void disconnect(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    String network = network(exchange);
    Sandbox now = networks.disconnect(new SandboxName(exchange.part(1)), network);
    exchange.answer(200, json -> SandboxJson.write(json, now, Optional.empty()));
  }

  // ---- sandboxes

  private void listSandboxes(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    List<Sandbox> all = networks.topology().sandboxes();
    exchange.answer(200, json -> SandboxJson.writeAll(json, all));
  }

  private void createSandbox(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    Joined joined = networks.create(SandboxBody.read(exchange.body(), exchange.owner()));
    exchange.answer(
        201, json -> SandboxJson.write(json, joined.sandbox(), Optional.of(joined.published())));
  }

  private void findSandbox(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    SandboxName name = new SandboxName(exchange.part(0));
    Sandbox found =
        networks
            .topology()
            .sandbox(name)
            .orElseThrow(
                () ->
                    new NetworkException(
                        NetworkException.Kind.NOT_FOUND, "there is no sandbox " + name));
    List<Mapping> published =
        publisher.published().stream()
            .map(PublishedMapping::mapping)
            .filter(one -> one.backends().has(name))
            .toList();
    exchange.answer(200, json -> SandboxJson.write(json, found, Optional.of(published)));
  }

  private void removeSandbox(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    Sandbox removed = networks.remove(new SandboxName(exchange.part(0)));
    exchange.answer(200, json -> SandboxJson.write(json, removed, Optional.empty()));
  }

  static Problem.Kind kind(NetworkException.Kind kind) {
    return switch (kind) {
      case INVALID -> Problem.Kind.INVALID;
      case CONFLICT -> Problem.Kind.CONFLICT;
      case NOT_FOUND -> Problem.Kind.NOT_FOUND;
      case UNAVAILABLE, UNCERTAIN -> Problem.Kind.UNAVAILABLE;
    };
  }
}
