package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Backend;
import dev.sluice.model.Backends;
import dev.sluice.model.Balance;
import dev.sluice.model.Destination;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.SandboxName;
import dev.sluice.model.UpdateRequest;
import dev.sluice.model.UpdateRequest.BackendsChange;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/** Mappings to several containers, and relayed ones, on their way through the API. */
class MappingJsonTest {
  private static final Backends SEVERAL =
      new Backends(
          List.of(
              new Backend(IpAddress.parse("172.30.0.2")),
              new Backend(IpAddress.parse("172.30.0.3"), Optional.of(new SandboxName("web2")), 2)),
          Balance.SOURCE);

  private static Mapping mapping(Family family, Backends backends) {
    return new Mapping(
        new MappingId(7),
        Optional.of(new MappingName("web")),
        Owner.CLI,
        Protocol.TCP,
        family,
        Optional.empty(),
        PortRange.of(8080),
        backends,
        PortRange.of(80),
        Instant.ofEpochSecond(1),
        MappingOptions.NONE.withProxyProtocolPort(OptionalInt.of(8443)));
  }

  private static PublishedMapping throughJson(PublishedMapping published) {
    List<PublishedMapping> read =
        MappingJson.read(
            ApiJson.bytes(json -> MappingJson.writePublished(json, List.of(published))));
    assertThat(read).hasSize(1);
    return read.get(0);
  }

  /** Fails if a container, its weight, name or connections, or how they share is not passed on. */
  @Test
  void severalContainersArriveAsTheyWere() {
    PublishedMapping published =
        new PublishedMapping(
            mapping(Family.IPV4, SEVERAL),
            new MappingCounters(
                9, Map.of(IpAddress.parse("172.30.0.2"), 3L, IpAddress.parse("172.30.0.3"), 6L)));
    assertThat(throughJson(published)).isEqualTo(published);
  }

  /** Fails if the client takes a relayed mapping for one of its container's family. */
  @Test
  void aRelayedMappingStaysOne() {
    for (Backends backends : List.of(SEVERAL, Backends.of(IpAddress.parse("172.30.0.2")))) {
      PublishedMapping published =
          new PublishedMapping(mapping(Family.IPV6, backends), MappingCounters.ZERO);
      Mapping arrived = throughJson(published).mapping();
      assertThat(arrived).isEqualTo(published.mapping());
      assertThat(arrived.isRelayed()).isTrue();
      assertThat(arrived.hostText()).isEqualTo("[::]:8080->80/tcp");
    }
  }

  /** Fails if a member of a request is written under another name than it is read. */
  @Test
  void requestsArriveAsTheyWere() {
    Destination to =
        Destination.parse(List.of("web1", "172.30.0.9=3")).with(Optional.of(Balance.RANDOM));
    PublishRequest publish =
        new PublishRequest(
            List.of(PortSpec.parse("8080:80")),
            to,
            Optional.empty(),
            Owner.API,
            MappingOptions.NONE.withProxyProtocolPort(OptionalInt.of(8443)));
    assertThat(PublishBody.read(PublishBody.write(publish), Owner.API)).isEqualTo(publish);
    UpdateRequest update = UpdateRequest.of("web").to(to);
    assertThat(UpdateBody.read(UpdateBody.write(update), "web")).isEqualTo(update);
    update =
        UpdateRequest.of("web")
            .with(
                new BackendsChange(
                    Destination.parse(List.of("web3=2")), Destination.parse(List.of("web1"))));
    assertThat(UpdateBody.read(UpdateBody.write(update), "web")).isEqualTo(update);
    UpdateRequest balance =
        UpdateRequest.of("web").to(Destination.NONE.with(Optional.of(Balance.SOURCE)));
    assertThat(new String(UpdateBody.write(balance), StandardCharsets.UTF_8).strip())
        .isEqualTo("{\"balance\":\"source\"}");
    assertThat(UpdateBody.read(UpdateBody.write(balance), "web")).isEqualTo(balance);
  }
}
