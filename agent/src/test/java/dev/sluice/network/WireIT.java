package dev.sluice.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Destination;
import dev.sluice.model.Egress;
import dev.sluice.model.EndpointId;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.SandboxName;
import dev.sluice.model.Subnet;
import dev.sluice.model.Wire;
import dev.sluice.model.WireRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.testing.Lab;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Wires that somebody else takes into a namespace, of which the agent knows nothing. */
class WireIT extends NetworkCase {
  private static final EndpointId ID = new EndpointId("7a5e3d92983a");
  private static final SandboxName NAME = new SandboxName("docker-7a5e3d92983a");

  /** Of the clock by which wires are collected. */
  private long nowNanos = Long.MAX_VALUE - 5; // as nanoTime may be: differences count

  private void dockerNetwork() {
    create(
        new NetworkRequest(
            "blue",
            Optional.empty(),
            List.of(Subnet.of(Prefix.parse("10.95.0.0/24"))),
            false,
            OptionalInt.of(1400),
            new Egress.Masquerade(),
            false,
            false,
            Owner.DOCKER_DRIVER));
  }

  private Wire wire(String address) {
    return agent.inside(
        () ->
            agent
                .networking()
                .wire(
                    new WireRequest(
                        NAME,
                        ID,
                        "blue",
                        List.of(IpAddress.parse(address)),
                        Optional.empty(),
                        Owner.DOCKER_DRIVER)));
  }

  /** As Docker does between Join and ProgramExternalConnectivity. */
  private void take(String address) {
    lab.host().ip("link set " + ID.looseEnd() + " netns " + namespace("c").name());
    namespace("c")
        .ip(
            "link set lo up",
            "link set " + ID.looseEnd() + " name eth0",
            "addr add " + address + "/24 dev eth0",
            "link set eth0 up",
            "route add default via 10.95.0.1");
  }

  private void publish() {
    agent.inside(
        () ->
            agent
                .publisher()
                .keep(
                    Owner.DOCKER_DRIVER,
                    new MappingName(NAME.text()),
                    List.of(
                        new PublishRequest(
                            List.of(PortSpec.parse("8080:80")),
                            Destination.of(NAME),
                            Optional.of(new MappingName(NAME.text())),
                            Owner.DOCKER_DRIVER,
                            MappingOptions.NONE))));
  }

  private String links() {
    return lab.host().exec("ip", "-o", "link").orFail().stdout();
  }

  /**
   * Fails if the wire leads nowhere, or the end of its namespace leaves the port or the address.
   */
  @Test
  void aWireIsTakenUsedAndEndsWithItsNamespace() {
    dockerNetwork();
    Wire wire = wire("10.95.0.7");
    assertThat(wire.mac()).hasToString("02:73:0a:5f:00:07");
    assertThat(links()).contains("sv7a5e3d92983a@sl7a5e3d92983a: <BROADCAST,MULTICAST> mtu 1400");
    take("10.95.0.7");
    publish();
    serve("c", "80", "");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c:80");
    restart();
    assertThat(sandbox(NAME.text()).orElseThrow().namespace()).isEmpty();
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c:80");
    endNamespace("c");
    await("the port is taken back", () -> published().isEmpty());
    assertThat(sandbox(NAME.text())).isEmpty();
    assertThat(wire("10.95.0.7").sandbox().name()).isEqualTo(NAME);
  }

  /** Fails if the answer of an agent that was killed cannot be asked for again. */
  @Test
  void whoAsksAgainGetsTheSameWire() {
    dockerNetwork();
    Wire wire = wire("10.95.0.7");
    assertThat(wire("10.95.0.7")).isEqualTo(wire);
    restart();
    assertThat(wire("10.95.0.7")).isEqualTo(wire);
    assertThatThrownBy(() -> wire("10.95.0.8"))
        .hasMessage("there is a sandbox docker-7a5e3d92983a already, which is another one");
    assertThatThrownBy(() -> connect(NAME.text(), "blue")).isInstanceOf(NetworkException.class);
    take("10.95.0.7");
    assertThatThrownBy(() -> wire("10.95.0.7")).hasMessageContaining("is in use");
    leave(NAME.text());
    assertThat(links()).doesNotContain("7a5e3d92983a");
  }

  /** Fails if what was half made by a killed agent stays, or is in the way of the next request. */
  @Test
  void aHalfMadeWireIsRemovedByTheNextAgent() {
    dockerNetwork();
    stop();
    lab.host().ip("link add sl7a5e3d92983a master sl-blue type veth peer name sv7a5e3d92983a");
    start();
    assertThat(links()).doesNotContain("7a5e3d92983a");
    stop();
    lab.host()
        .ip(
            "link add sl7a5e3d92983a master sl-blue type veth peer name sv7a5e3d92983a",
            "link set sl7a5e3d92983a up alias \"sluice endpoint 7a5e3d92983a docker-x blue\"");
    start();
    assertThat(links()).doesNotContain("7a5e3d92983a");
    wire("10.95.0.7");
  }

  /** Fails if a wire that nobody takes stays, or one that is about to be taken does not. */
  @Test
  void aWireThatNobodyTakesIsCollectedAfterAWhile() {
    dockerNetwork();
    wire("10.95.0.7");
    agent.inside(this::collect);
    later(Upkeep.LOOSE_SECONDS - 1);
    agent.inside(this::collect);
    assertThat(sandbox(NAME.text())).isPresent();
    restart();
    later(1);
    agent.inside(this::collect);
    assertThat(sandbox(NAME.text())).isPresent();
    later(Upkeep.LOOSE_SECONDS);
    agent.inside(this::collect);
    assertThat(sandbox(NAME.text())).isEmpty();
    assertThat(links()).doesNotContain("7a5e3d92983a");
    wire("10.95.0.7");
    agent.inside(this::collect);
    take("10.95.0.7");
    later(Upkeep.LOOSE_SECONDS);
    agent.inside(this::collect);
    assertThat(sandbox(NAME.text())).isPresent();
  }

  private void later(int seconds) {
    nowNanos += TimeUnit.SECONDS.toNanos(seconds);
  }

  private boolean collect() {
    agent.networking().upkeep().collectLooseEnds(nowNanos);
    return true;
  }

  /** Fails if names are answered on a network of Docker, which has a resolver of its own. */
  @Test
  void dockerAnswersItsNamesItself() {
    dockerNetwork();
    assertThat(agent.names().of(agent.networking().topology().network("blue").orElseThrow()))
        .isEmpty();
    restart();
    assertThat(agent.names().of(agent.networking().topology().network("blue").orElseThrow()))
        .isEmpty();
  }
}
