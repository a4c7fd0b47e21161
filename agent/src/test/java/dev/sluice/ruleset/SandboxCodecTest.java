package dev.sluice.ruleset;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Endpoint;
import dev.sluice.model.EndpointId;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.NamespacePath;
import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Owner;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.net.Bytes;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.nftables.SetElement;
import dev.sluice.nftables.Userdata;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Sandboxes, and the settings of networks, as they are kept in user data. */
class SandboxCodecTest {
  private static final Instant CREATED = Instant.ofEpochMilli(1_795_284_000_123L);

  private static Sandbox sandbox(String name, int networks) {
    List<Endpoint> endpoints =
        IntStream.range(0, networks)
            .mapToObj(
                i ->
                    new Endpoint(
                        new EndpointId("0123456789%02x".formatted(i)),
                        "network-" + i,
                        new InterfaceName("eth" + i),
                        List.of(IpAddress.parse("10.0." + i + ".2"), IpAddress.parse("fd00::" + i)),
                        i % 2 == 0
                            ? List.of()
                            : List.of(new SandboxName("alias" + i), new SandboxName("Other." + i))))
            .toList();
    return new Sandbox(
        new SandboxName(name),
        Optional.of(new NamespacePath("/run/a place with spaces/ns", 0xfedc_ba98_7654_3210L)),
        Owner.DOCKER,
        CREATED,
        endpoints,
        List.of(ExposeSpec.parse("80/tcp"), ExposeSpec.parse("9000-9010/udp")),
        List.of(SandboxLink.parse("db:store"), SandboxLink.parse("cache")));
  }

  /** Fails if a part is lost, cut wrongly, or depends on the order in which the kernel lists. */
  @Test
  void sandboxesOfAnySizeAreReadBack() {
    List<Sandbox> sandboxes =
        List.of(sandbox("a", 0), sandbox("b", 1), sandbox("x".repeat(63), 64));
    List<SetElement> elements = new ArrayList<>();
    sandboxes.forEach(one -> elements.addAll(SandboxCodec.elements(one)));
    assertThat(elements).hasSizeGreaterThan(20);
    assertThat(elements).allMatch(one -> one.userdata().length() <= 256);
    Collections.shuffle(elements, new Random(1));
    assertThat(SandboxCodec.read(elements)).isEqualTo(sandboxes);
    assertThat(SandboxCodec.keys(sandboxes.get(2)))
        .extracting(SetElement::key)
        .containsExactlyElementsOf(
            SandboxCodec.elements(sandboxes.get(2)).stream().map(SetElement::key).toList());
  }

  /** Fails if a sandbox whose namespace only its owner knows becomes one at a path. */
  @Test
  void aNamespaceThatNobodyToldIsNone() {
    Sandbox at = sandbox("a", 1);
    Sandbox elsewhere =
        new Sandbox(
            at.name(),
            Optional.empty(),
            Owner.DOCKER_DRIVER,
            CREATED,
            at.endpoints(),
            List.of(),
            List.of());
    assertThat(SandboxCodec.read(SandboxCodec.elements(elsewhere))).containsExactly(elsewhere);
  }

  /** Fails if what somebody has meddled with is taken for a sandbox, or stops the others. */
  @Test
  void whatIsNotWholeIsLeftOut() {
    List<SetElement> whole = SandboxCodec.elements(sandbox("whole", 1));
    List<SetElement> cut = SandboxCodec.elements(sandbox("cut", 9));
    List<SetElement> elements = new ArrayList<>(whole);
    elements.addAll(cut.subList(1, cut.size()));
    elements.add(SetElement.of(Bytes.of((byte) 1)).withUserdata(Userdata.comment("foreign")));
    elements.add(SetElement.of(Bytes.of(new byte[12])).withUserdata(Userdata.comment("../x")));
    assertThat(SandboxCodec.read(elements)).containsExactly(sandbox("whole", 1));
  }

  /** Fails if a setting is lost, or a word of a newer agent is a mistake. */
  @Test
  void settingsAreReadBack() {
    NetworkSettings settings =
        new NetworkSettings(
            true,
            true,
            List.of(IpAddress.parse("10.0.0.1"), IpAddress.parse("fd00::1")),
            List.of(Prefix.parse("10.0.0.128/25")),
            OptionalInt.of(9000),
            Optional.of(new NetworkSettings.Made(Owner.FILE, CREATED)));
    assertThat(SettingsText.read(SettingsText.write(settings))).isEqualTo(settings);
    assertThat(SettingsText.read(SettingsText.write(settings) + " colour=blue"))
        .isEqualTo(settings);
    assertThat(SettingsText.read("gw=none mtu=x")).isEqualTo(NetworkSettings.NONE);
  }
}
