package dev.sluice.api.cni;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNoException;

import dev.sluice.api.FakeAgent;
import dev.sluice.api.FakeNetworks;
import dev.sluice.model.Egress;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** The plugin {@code sluice-bridge}. */
class BridgePluginTest {
  private final FakeAgent agent = new FakeAgent();
  private final FakeNetworks networks = agent.networks();
  private final Calls calls =
      new Calls(
          new CniPlugins(agent, networks, CniSpool.beside(Path.of("/nonexistent/sluice.sock"))),
          "sluice-bridge");

  private static String config(String version, String members) {
    return "{\"cniVersion\":\"" + version + "\",\"name\":\"net\"" + members + "}";
  }

  private static String config(String members) {
    return config("1.1.0", members);
  }

  /** Fails if a result of an older version has the newer members, or the addresses no version. */
  @ParameterizedTest
  @ValueSource(strings = {"0.3.1", "0.4.0", "1.0.0", "1.1.0"})
  void theResultIsOfTheVersionAsked(String version) {
    JsonNode result = calls.result("ADD", config(version, ",\"mtu\":1400"));
    String family = version.startsWith("0.") ? "\"version\":\"4\"," : "";
    String mtu = version.equals("1.1.0") ? "\"mtu\":1400," : "";
    assertThat(result)
        .isEqualTo(
            Calls.JSON.readTree(
                "{\"cniVersion\":\""
                    + version
                    + "\",\"interfaces\":[{\"name\":\"sl-net\"},{\"name\":\"sl000000000000\"},"
                    + "{\"name\":\"eth0\",\"mac\":\"02:73:0a:09:00:02\","
                    + mtu
                    + "\"sandbox\":\"/run/netns/c1\"}],\"ips\":[{"
                    + family
                    + "\"interface\":2,\"address\":\"10.9.0.2/24\",\"gateway\":\"10.9.0.1\"}],"
                    + "\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"10.9.0.1\"}],"
                    + "\"dns\":{\"nameservers\":[\"10.9.0.1\"]}}"));
  }

  /** Fails if a key of the configuration is passed over. */
  @Test
  void theNetworkIsMadeAsConfigured() {
    calls.result(
        "ADD",
        config(
            ",\"bridge\":\"br9\",\"subnets\":[{\"subnet\":\"10.7.0.0/24\",\"gateway\":\"10.7.0.9\","
                + "\"pool\":\"10.7.0.128/25\"}],\"ipv6\":true,\"mtu\":1400,\"ipMasq\":false,"
                + "\"dns\":{\"nameservers\":[\"192.0.2.53\"]}"));
    NetworkRequest made = Objects.requireNonNull(networks.lastNetwork());
    assertThat(made.bridge()).contains(new InterfaceName("br9"));
    assertThat(made.subnets().toString()).contains("10.7.0.0/24", "10.7.0.9", "10.7.0.128/25");
    assertThat(made.ipv6()).isTrue();
    assertThat(made.mtuBytes()).isEqualTo(OptionalInt.of(1400));
    assertThat(made.egress()).isEqualTo(new Egress.Routed());
    assertThat(made.owner()).isEqualTo(Owner.CNI);
    calls.result("DEL", config(""));
    networks.remove("net");
    calls.result("ADD", config(",\"internal\":true,\"isolated\":true"));
    made = Objects.requireNonNull(networks.lastNetwork());
    assertThat(made.internal()).isTrue();
    assertThat(made.isolated()).isTrue();
    assertThat(made.egress()).isEqualTo(new Egress.Masquerade());
  }

  /** Fails if an internal network has a way out in the result. */
  @Test
  void anInternalNetworkHasNoRoute() {
    JsonNode result = calls.result("ADD", config(",\"internal\":true"));
    assertThat(result.has("routes")).isFalse();
    assertThat(result.get("ips").get(0).has("gateway")).isFalse();
  }

  /** Fails if an address or a name that the runtime asks for is passed over. */
  @Test
  void addressesAndNamesCanBeAskedFor() {
    calls.result(
        "ADD",
        config(
            ",\"runtimeConfig\":{\"ips\":[\"10.9.0.77/24\"],\"aliases\":{\"net\":[\"web\"],"
                + "\"other\":[\"no\"]}}"));
    SandboxRequest asked = Objects.requireNonNull(networks.lastSandbox());
    assertThat(asked.attachments().get(0).addresses().toString()).isEqualTo("[10.9.0.77]");
    assertThat(asked.attachments().get(0).aliases())
        .containsExactly(new SandboxName("c1"), new SandboxName("web"));
    assertThat(asked.owner()).isEqualTo(Owner.CNI);
    assertThat(asked.namespacePath()).isEqualTo("/run/netns/c1");
  }

  /** Fails if a container that asked for a wall is put on a network without one. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"isolated\":true",
        "\"internal\":true",
        "\"ipMasq\":false",
        "\"bridge\":\"br9\"",
        "\"mtu\":1400"
      })
  void aNetworkThatIsAnotherThanAskedIsRefused(String member) {
    calls.result("ADD", config(""));
    Map<String, String> second = calls.environment("ADD");
    second.put("containerId", "c2");
    second.put("netns", "/run/netns/c2");
    JsonNode error = calls.error(second, config("," + member));
    assertThat(error.get("code").asInt()).isEqualTo(7);
    assertThat(error.get("msg").asString()).contains(member.substring(0, member.indexOf(':')));
    assertThat(networks.topology().sandboxes()).hasSize(1);
  }

  /** Fails if a network is made, or a container put there, before the mistake is found. */
  @Test
  void aMistakeInDnsChangesNothing() {
    assertThat(calls.error("ADD", config(",\"dns\":7")).get("code").asInt()).isEqualTo(7);
    assertThat(networks.topology().networks()).isEmpty();
    assertThat(networks.topology().sandboxes()).isEmpty();
  }

  /** Fails if the second ADD of an attachment makes another, or is refused. */
  @Test
  void addMayBeRepeated() {
    JsonNode first = calls.result("ADD", config(""));
    assertThat(calls.result("ADD", config(""))).isEqualTo(first);
    Map<String, String> other = calls.environment("ADD");
    other.put("ifname", "eth1");
    assertThat(calls.error(other, config("")).get("code").asInt()).isEqualTo(100);
    assertThat(networks.topology().sandboxes()).hasSize(1);
  }

  /** Fails if a container that starts anew with the same id keeps a place nobody has any more. */
  @Test
  void anotherLifeOfTheContainerReplacesTheOneBefore() {
    calls.result("ADD", config(""));
    Map<String, String> anew = calls.environment("ADD");
    anew.put("netns", "/run/netns/c1-again");
    assertThat(calls.call(anew, config("")).succeeded()).isTrue();
    assertThat(networks.topology().sandboxes())
        .singleElement()
        .extracting(one -> one.namespace().orElseThrow().path())
        .isEqualTo("/run/netns/c1-again");
  }

  /** Fails if a container on two networks is two, or leaves both at once. */
  @Test
  void aContainerCanBeOnSeveralNetworks() {
    calls.result("ADD", config(""));
    Map<String, String> second = calls.environment("ADD");
    second.put("ifname", "eth1");
    String net2 =
        config(",\"subnets\":[{\"subnet\":\"10.8.0.0/24\"}]").replace("\"net\"", "\"net2\"");
    assertThat(calls.call(second, net2).succeeded()).isTrue();
    assertThat(networks.topology().sandboxes()).hasSize(1);
    calls.result("DEL", config(""));
    assertThat(networks.topology().sandboxes())
        .singleElement()
        .extracting(one -> one.endpoints().get(0).network())
        .isEqualTo("net2");
    second.put("command", "DEL");
    assertThat(calls.call(second, net2).succeeded()).isTrue();
    assertThat(networks.topology().sandboxes()).isEmpty();
    assertThat(networks.topology().networks()).hasSize(2);
  }

  /** Fails if DEL fails where there is nothing, or takes the place of another interface. */
  @Test
  void deleteIsPossibleAtAnyTime() {
    calls.result("DEL", config(""));
    calls.result("ADD", config(""));
    Map<String, String> other = calls.environment("DEL");
    other.put("ifname", "eth1");
    assertThat(calls.call(other, config("")).succeeded()).isTrue();
    assertThat(networks.topology().sandboxes()).hasSize(1);
    Map<String, String> withoutNamespace = calls.environment("DEL");
    withoutNamespace.put("netns", "");
    for (int i = 0; i < 2; i++) {
      assertThat(calls.call(withoutNamespace, config(",\"vlan\":7")).succeeded()).isTrue();
    }
    assertThat(networks.topology().sandboxes()).isEmpty();
  }

  /** Fails if a container that is not as ADD left it passes. */
  @Test
  void checkComparesWithWhatThereIs() {
    String result = calls.result("ADD", config("")).toString();
    String check = config(",\"prevResult\":" + result);
    assertThatNoException().isThrownBy(() -> calls.result("CHECK", check));
    assertThat(calls.error("CHECK", check.replace("10.9.0.2/", "10.9.0.3/")).get("code").asInt())
        .isEqualTo(101);
    calls.result("DEL", config(""));
    assertThat(calls.error("CHECK", check).get("code").asInt()).isEqualTo(101);
  }

  /** Fails if GC takes a container that is there, or a sandbox of somebody else. */
  @Test
  void collectTakesWhatBelongsToNobody() {
    for (String id : List.of("c1", "c2")) {
      Map<String, String> environment = calls.environment("ADD");
      environment.put("containerId", id);
      environment.put("netns", "/run/netns/" + id);
      assertThat(calls.call(environment, config("")).succeeded()).isTrue();
    }
    networks.connect(
        new SandboxName("by-hand"),
        SandboxRequest.Attachment.to("net"),
        Optional.of("/run/netns/x"),
        Owner.CLI);
    calls.result(
        "GC",
        config(",\"cni.dev/valid-attachments\":[{\"containerID\":\"c2\",\"ifname\":\"eth0\"}]"));
    assertThat(networks.topology().sandboxes())
        .extracting(Sandbox::name)
        .extracting(SandboxName::text)
        .satisfiesExactlyInAnyOrder(
            name -> assertThat(name).isEqualTo("by-hand"),
            name -> assertThat(name).startsWith("c2-"));
  }

  /** Each with its code; fails if one of them is accepted, or something is made before. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "2 | host-local | `\"ipam\":{\"type\":\"host-local\"}`",
        "2 | isGateway  | `\"isGateway\":false`",
        "2 | vlan       | `\"vlan\":7`",
        "2 | promisc    | `\"promiscMode\":true`",
        "2 | mac        | `\"runtimeConfig\":{\"mac\":\"02:00:00:00:00:01\"}`",
        "7 | subnet     | `\"subnets\":[{\"subnet\":\"10.9.0.1/24\"}]`",
        "7 | subnet     | `\"subnets\":[{}]`",
        "7 | mtu        | `\"mtu\":\"big\"`",
        "7 | MTU        | `\"mtu\":1`",
        "7 | x          | `\"runtimeConfig\":{\"ips\":[\"x\"]}`",
        "7 | isolated   | `\"isolated\":true,\"ipMasq\":false`",
      })
  void whatCannotBeServedIsRefused(int code, String named, String member) {
    JsonNode error = calls.error("ADD", config("," + member));
    assertThat(error.get("code").asInt()).isEqualTo(code);
    assertThat(error.get("msg").asString()).contains(named);
    assertThat(networks.topology().networks()).isEmpty();
    assertThat(networks.topology().sandboxes()).isEmpty();
  }

  /** Fails if a container joins a network of the same name that is another. */
  @Test
  void aNetworkOfOtherSubnetsIsAnother() {
    calls.result("ADD", config(""));
    String other = config(",\"subnets\":[{\"subnet\":\"10.7.0.0/24\"}]");
    JsonNode error = calls.error("ADD", other);
    assertThat(error.get("code").asInt()).isEqualTo(7);
    assertThat(error.get("msg").asString()).contains("10.9.0.0/24", "10.7.0.0/24");
  }

  /** Fails if ADD needs no namespace. */
  @Test
  void aContainerNeedsANamespace() {
    Map<String, String> environment = calls.environment("ADD");
    environment.put("netns", "");
    assertThat(calls.error(environment, config("")).get("code").asInt()).isEqualTo(4);
    assertThat(networks.topology().networks()).isEmpty();
  }
}
