package dev.sluice.api.cni;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.publish.PublishException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** The plugin {@code sluice}, beside what the real {@code portmap} makes of the same input. */
class PortMapperTest {
  private static final String RESULT =
      "{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"cni0\"},{\"name\":\"eth0\","
          + "\"sandbox\":\"/run/netns/c1\"}],\"ips\":[{\"address\":\"10.88.0.2/16\",\"interface\":1},"
          + "{\"address\":\"fd00:88::2/64\",\"interface\":1}]}";

  private final Published published = new Published();
  private final Calls calls = new Calls(published.plugins(), "sluice");

  /** A configuration with members behind those that all have. */
  private static String config(String version, String members) {
    return "{\"cniVersion\":\""
        + version
        + "\",\"name\":\"net\",\"type\":\"sluice\""
        + members
        + "}";
  }

  private static String config(String members) {
    return config("1.0.0", ",\"prevResult\":" + RESULT + members);
  }

  private static String ports(String... entries) {
    return config(",\"runtimeConfig\":{\"portMappings\":[" + String.join(",", entries) + "]}");
  }

  private static String port(int hostPort, int containerPort, String members) {
    return "{\"hostPort\":" + hostPort + ",\"containerPort\":" + containerPort + members + "}";
  }

  private static String resource(String name) throws IOException {
    try (InputStream in =
        Objects.requireNonNull(PortMapperTest.class.getResourceAsStream("/cni/" + name), name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  // ---- results

  /**
   * src/test/golden/cni.sh made both files with the real plugins. Fails if a result of 0.x loses
   * the version of its addresses, if one of 1.0.0 has one, or has what came with 1.1.0.
   */
  @ParameterizedTest
  @ValueSource(strings = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "rich"})
  void printsWhatPortmapPrints(String name) throws IOException {
    String version = name.equals("rich") ? "1.0.0" : name;
    String config = config(version, ",\"prevResult\":" + resource(name + "-before.json"));
    assertThat(calls.result("ADD", config))
        .isEqualTo(Calls.JSON.readTree(resource(name + "-portmap.json")));
  }

  /** Specification 1.1.0, "ADD Success". Fails if what came with 1.1.0 is lost there. */
  @Test
  void keepsWhatCameWithTheNewestVersion() throws IOException {
    JsonNode before = Calls.JSON.readTree(resource("rich-before.json"));
    JsonNode result = calls.result("ADD", config("1.1.0", ",\"prevResult\":" + before));
    assertThat(result.get("cniVersion").asString()).isEqualTo("1.1.0");
    for (String member : List.of("interfaces", "ips", "routes", "dns")) {
      assertThat(result.get(member)).isEqualTo(before.get(member));
    }
    assertThat(result.has("unknown")).isFalse();
  }

  // ---- ports

  /** Fails if a family is left out, or the case of the protocol matters. */
  @Test
  void publishesInBothFamilies() {
    calls.result(
        "ADD",
        ports(
            port(8080, 80, ",\"protocol\":\"tcp\""),
            port(5353, 53, ",\"protocol\":\"UDP\",\"hostIP\":\"\""),
            port(9000, 9, ",\"protocol\":\"sctp\""),
            port(7000, 70, "")));
    assertThat(published.lines())
        .containsExactly(
            "0.0.0.0:8080/tcp>10.88.0.2:80",
            "[::]:8080/tcp>[fd00:88::2]:80",
            "0.0.0.0:5353/udp>10.88.0.2:53",
            "[::]:5353/udp>[fd00:88::2]:53",
            "0.0.0.0:9000/sctp>10.88.0.2:9",
            "[::]:9000/sctp>[fd00:88::2]:9",
            "0.0.0.0:7000/tcp>10.88.0.2:70",
            "[::]:7000/tcp>[fd00:88::2]:70");
  }

  /** Fails if a host address binds more than itself, or 0.0.0.0 is taken for one address. */
  @Test
  void aHostAddressIsOfOneFamily() {
    calls.result(
        "ADD",
        ports(
            port(1, 80, ",\"hostIP\":\"192.0.2.1\""),
            port(2, 80, ",\"hostIP\":\"2001:db8::1\""),
            port(3, 80, ",\"hostIP\":\"0.0.0.0\""),
            port(4, 80, ",\"hostIP\":\"::\""),
            port(5, 80, ",\"hostIP\":\"::ffff:192.0.2.1\"")));
    assertThat(published.lines())
        .containsExactly(
            "192.0.2.1:1/tcp>10.88.0.2:80",
            "[2001:db8::1]:2/tcp>[fd00:88::2]:80",
            "0.0.0.0:3/tcp>10.88.0.2:80",
            "[::]:4/tcp>[fd00:88::2]:80",
            "192.0.2.1:5/tcp>10.88.0.2:80");
  }

  /** As portmap. Fails if a port of the other family makes the container impossible. */
  @Test
  void aHostAddressOfAFamilyTheContainerLacksIsLeftOut() {
    String only4 = "{\"ips\":[{\"address\":\"10.88.0.2/16\"}]}";
    calls.result(
        "ADD",
        config(
            "1.0.0",
            ",\"prevResult\":"
                + only4
                + ",\"runtimeConfig\":{\"portMappings\":["
                + port(1, 80, ",\"hostIP\":\"::\"")
                + ","
                + port(2, 80, "")
                + "]}"));
    assertThat(published.lines()).containsExactly("0.0.0.0:2/tcp>10.88.0.2:80");
  }

  /** As portmap. Fails if the address of another interface, or of the host, gets the ports. */
  @Test
  void portsLeadToTheInterfaceThatIsMeant() throws IOException {
    calls.result(
        "ADD",
        config(
            "1.0.0",
            ",\"prevResult\":"
                + resource("rich-before.json")
                + ",\"runtimeConfig\":{\"portMappings\":["
                + port(1, 80, "")
                + "]}"));
    assertThat(published.lines())
        .containsExactly("0.0.0.0:1/tcp>10.1.2.3:80", "[::]:1/tcp>[fd00::3]:80");
  }

  /** Fails if the second of two equal entries is a conflict with the first. */
  @Test
  void whatIsAskedForTwiceIsPublishedOnce() {
    calls.result("ADD", ports(port(1, 80, ""), port(1, 80, ",\"protocol\":\"tcp\"")));
    assertThat(published.lines()).hasSize(2);
  }

  /** Fails if ADD may not be repeated, or what is asked for no more stays. */
  @Test
  void addMakesItJustThat() {
    calls.result("ADD", ports(port(1, 80, ""), port(2, 80, "")));
    calls.result("ADD", ports(port(2, 80, "")));
    assertThat(published.lines()).hasSize(2).allMatch(line -> line.contains(":2/tcp"));
    calls.result("ADD", config(""));
    assertThat(published.lines()).isEmpty();
  }

  // ---- refusals

  /** Each with its code; fails if one of them is accepted, or something is done before it is. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "7 | hostPort      | `{\"hostPort\":0,\"containerPort\":80}`",
        "7 | hostPort      | `{\"containerPort\":80}`",
        "7 | hostPort      | `{\"hostPort\":65536,\"containerPort\":80}`",
        "7 | hostPort      | `{\"hostPort\":-1,\"containerPort\":80}`",
        "7 | hostPort      | `{\"hostPort\":\"80\",\"containerPort\":80}`",
        "7 | hostPort      | `{\"hostPort\":80.5,\"containerPort\":80}`",
        "7 | hostPort      | `{\"hostPort\":99999999999999999999,\"containerPort\":80}`",
        "7 | containerPort | `{\"hostPort\":1,\"containerPort\":70000}`",
        "7 | protocol      | `{\"hostPort\":1,\"containerPort\":80,\"protocol\":\"icmp\"}`",
        "7 | protocol      | `{\"hostPort\":1,\"containerPort\":80,\"protocol\":\"tcp \"}`",
        "7 | x             | `{\"hostPort\":1,\"containerPort\":80,\"hostIP\":\"x\"}`",
        "7 | fe80::1%eth0  | `{\"hostPort\":1,\"containerPort\":80,\"hostIP\":\"fe80::1%eth0\"}`",
        "7 | hostIP        | `{\"hostPort\":1,\"containerPort\":80,\"hostIP\":1}`",
        "7 | portMappings  | `7`",
      })
  void aMistakeInAPortIsNamed(int code, String named, String entry) {
    JsonNode error = calls.error("ADD", ports(entry));
    assertThat(error.get("code").asInt()).isEqualTo(code);
    assertThat(error.get("msg").asString()).contains(named);
    assertThat(error.get("cniVersion").asString()).isEqualTo("1.0.0");
    assertThat(published.calls()).isZero();
  }

  /** Fails if a key of portmap's that changes who may connect is passed over. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "2 | conditionsV4 | `\"conditionsV4\":[\"!\",\"-d\",\"192.0.2.0/24\"]`",
        "2 | conditionsV6 | `\"conditionsV6\":[\"-s\",\"::1\"]`",
        "2 | masqAll      | `\"masqAll\":true`",
        "7 | markMasqBit  | `\"markMasqBit\":3,\"externalSetMarkChain\":\"KUBE-MARK-MASQ\"`",
        "7 | markMasqBit  | `\"markMasqBit\":32`",
        "7 | snat         | `\"snat\":\"yes\"`",
      })
  void aKeyThatCannotBeServedIsRefused(int code, String named, String member) {
    JsonNode error = calls.error("ADD", config("," + member));
    assertThat(error.get("code").asInt()).isEqualTo(code);
    assertThat(error.get("msg").asString()).contains(named);
    assertThat(published.calls()).isZero();
  }

  /** Fails if a configuration of portmap's is refused that Sluice can serve. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"snat\":false",
        "\"snat\":null",
        "\"conditionsV4\":[],\"conditionsV6\":null",
        "\"masqAll\":false",
        "\"markMasqBit\":13",
        "\"externalSetMarkChain\":\"KUBE-MARK-MASQ\"",
        "\"backend\":\"nftables\"",
        "\"capabilities\":{\"portMappings\":true},\"args\":{\"labels\":{\"a\":1.5}}",
      })
  void otherKeysOfPortmapAreTaken(String member) {
    assertThat(calls.result("ADD", config("," + member)).has("ips")).isTrue();
  }

  /** Fails if a port is published that leads to no container. */
  @Test
  void portsNeedAnAddress() {
    String config = "\"runtimeConfig\":{\"portMappings\":[" + port(1, 80, "") + "]}";
    assertThat(calls.error("ADD", config("1.0.0", "," + config)).get("msg").asString())
        .contains("prevResult");
    JsonNode error = calls.error("ADD", config("1.0.0", ",\"prevResult\":{\"ips\":[]}," + config));
    assertThat(error.get("code").asInt()).isEqualTo(7);
    assertThat(error.get("msg").asString()).contains("eth0");
    for (String address : List.of("10.88.0.300/16", "10.88.0.2/33", "10.88.0.2/x", "")) {
      String result = "{\"ips\":[{\"address\":\"" + address + "\"}]}";
      error = calls.error("ADD", config("1.0.0", ",\"prevResult\":" + result + "," + config));
      assertThat(error.get("code").asInt()).as(address).isEqualTo(7);
    }
    assertThat(published.calls()).isZero();
  }

  /** Fails if what the publisher refuses looks like a mistake of the configuration. */
  @Test
  void refusalsOfThePublisherHaveCodes() {
    Map<PublishException.Kind, Integer> codes =
        Map.of(
            PublishException.Kind.INVALID, 7,
            PublishException.Kind.CONFLICT, 100,
            PublishException.Kind.NOT_FOUND, 102,
            PublishException.Kind.UNAVAILABLE, 11);
    codes.forEach(
        (kind, code) -> {
          published.failWith(new PublishException(kind, "because"));
          JsonNode error = calls.error("ADD", ports(port(1, 80, "")));
          assertThat(error.get("code").asInt()).isEqualTo(code);
          assertThat(error.get("msg").asString()).isEqualTo("because");
        });
    published.failWith(new IllegalStateException("secret"));
    JsonNode error = calls.error("DEL", config(""));
    assertThat(error.get("code").asInt()).isEqualTo(999);
    assertThat(error.get("msg").asString()).contains("reference").doesNotContain("secret");
  }

  // ---- DEL, CHECK, GC

  /** Fails if DEL needs more than to know whose ports, or fails where there are none. */
  @Test
  void deleteIsPossibleAtAnyTime() {
    calls.result("ADD", ports(port(1, 80, "")));
    String bare = config("1.0.0", ",\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":0}]}");
    Map<String, String> withoutNamespace = calls.environment("DEL");
    withoutNamespace.put("netns", "");
    for (int i = 0; i < 2; i++) {
      assertThat(calls.call(withoutNamespace, bare)).isEqualTo(CniAnswer.DONE);
      assertThat(published.lines()).isEmpty();
    }
  }

  /** Fails if CHECK does not see a port that is gone, or one that is too many. */
  @Test
  void checkComparesWithWhatIsPublished() {
    String one = ports(port(1, 80, ""));
    JsonNode error = calls.error("CHECK", one);
    assertThat(error.get("code").asInt()).isEqualTo(101);
    assertThat(error.get("msg").asString()).contains("0.0.0.0:1/tcp to 10.88.0.2:80");
    calls.result("ADD", one);
    assertThat(calls.result("CHECK", one)).isEmpty();
    String two = ports(port(1, 80, ""), port(2, 80, ",\"hostIP\":\"::\""));
    assertThat(calls.error("CHECK", two).get("msg").asString())
        .contains("[::]:2/tcp to [fd00:88::2]:80 is not published");
    calls.result("ADD", two);
    assertThat(calls.result("CHECK", two)).isEmpty();
    assertThat(calls.error("CHECK", one).get("msg").asString()).contains("should not be");
    assertThat(calls.error("CHECK", config("1.0.0", "")).get("code").asInt()).isEqualTo(7);
  }

  /** Fails if GC takes ports of a container that is there, or of another network. */
  @Test
  void collectTakesWhatBelongsToNobody() {
    for (String network : List.of("net", "net2")) {
      for (String container : List.of("c1", "c2")) {
        for (String name : List.of("eth0", "eth1")) {
          Map<String, String> environment = calls.environment("ADD");
          environment.put("containerId", container);
          environment.put("ifname", name);
          assertThat(
                  calls
                      .call(environment, config("").replace("\"net\"", "\"" + network + "\""))
                      .succeeded())
              .isTrue();
        }
      }
    }
    assertThat(published.names()).hasSize(8);
    assertThat(calls.error("GC", config("1.1.0", "")).get("code").asInt()).isEqualTo(7);
    assertThat(published.names()).hasSize(8);
    calls.result(
        "GC",
        config(
            "1.1.0",
            ",\"cni.dev/valid-attachments\":[{\"containerID\":\"c2\",\"ifname\":\"eth1\"}],"
                + "\"cni.dev/attachments\":[{\"containerID\":\"c2\",\"ifname\":\"eth1\"}]"));
    assertThat(published.names())
        .hasSize(5)
        .filteredOn(name -> Attachment.isOn("net", name))
        .singleElement()
        .asString()
        .startsWith("c2-eth1-");
    calls.result("GC", config("1.1.0", ",\"cni.dev/valid-attachments\":[]"));
    assertThat(published.names()).hasSize(4).noneMatch(name -> Attachment.isOn("net", name));
  }
}
