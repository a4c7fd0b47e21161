package dev.sluice.config;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Declaration;
import dev.sluice.model.Egress;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.SourceRate;
import dev.sluice.model.Subnet;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The file of permanent mappings: what it means, and where each mistake is said to be. */
class PortsFileTest {
  private static Declaration read(String text) throws IOException, PortsFileException {
    return PortsFile.read("f", new ByteArrayInputStream(text.getBytes(UTF_8)));
  }

  private static PublishRequest one(String text) throws IOException, PortsFileException {
    List<PublishRequest> ports = read(text).ports();
    assertThat(ports).hasSize(1);
    return ports.get(0);
  }

  private static List<PortSpec> specs(String... texts) {
    return Stream.of(texts).map(PortSpec::parse).toList();
  }

  /** Fails if a key is read into the wrong part of the request, or not at all. */
  @Test
  void everyKeyMeansWhatTheDocumentationSays() throws Exception {
    Declaration declaration =
        read(
            """
            # permanent mappings
            ports:
              - name: web
                targets: [172.30.0.2, "fd00::2"]
                publish: ["8080:80", "8443:443"]
                allow: [10.0.0.0/8, "fd00::/8"]
                max-connections: 100
                source-rate: 20/second
                syn-proxy: true
              - target: 172.30.0.3
                publish:
                  - 127.0.0.1:5353:53/udp
            networks: [br0, br1]
            """);
    PublishRequest web = declaration.ports().get(0);
    assertThat(web.name()).contains(new MappingName("web"));
    assertThat(web.owner()).isEqualTo(Owner.FILE);
    assertThat(web.to().addresses())
        .containsExactly(IpAddress.parse("172.30.0.2"), IpAddress.parse("fd00::2"));
    assertThat(web.ports()).isEqualTo(specs("8080:80", "8443:443"));
    assertThat(web.options().allowedSources())
        .containsExactly(Prefix.parseBlock("10.0.0.0/8"), Prefix.parseBlock("fd00::/8"));
    assertThat(web.options().maxConnections()).hasValue(100);
    assertThat(web.options().sourceRate()).contains(SourceRate.parse("20/second"));
    assertThat(web.options().synProxy()).isTrue();
    PublishRequest dns = declaration.ports().get(1);
    assertThat(dns.name()).isEmpty();
    assertThat(dns.ports()).isEqualTo(specs("127.0.0.1:5353:53/udp"));
    assertThat(dns.options().isNone()).isTrue();
    assertThat(declaration.bridges())
        .containsExactly(new InterfaceName("br0"), new InterfaceName("br1"));
  }

  /** Fails if a key of a network or a sandbox is read into the wrong part, or not at all. */
  @Test
  void networksAndSandboxesMeanWhatTheDocumentationSays() throws Exception {
    Declaration declaration =
        read(
            """
            networks:
              - br0
              - name: blue
                subnets: [10.1.0.0/24, {subnet: "fd01::/64", gateway: "fd01::9", range: "fd01::/80"}]
                mtu: 1400
                icc: false
                egress: [192.0.2.1, "2001:db8::1"]
                bridge: blue0
              - {name: green, ipv6: true, internal: true, egress: masquerade}
              - {name: red, egress: routed, icc: true}
            sandboxes:
              - name: web
                netns: /proc/42/ns/net
                networks:
                  - blue
                  - {network: green, addresses: [10.2.0.7], aliases: [www], interface: lan0}
                expose: [80, 8000-8010/udp]
                links: [db:store]
              - {name: db, netns: db, networks: [blue]}
            ports:
              - {target: web, publish: [8080:80]}
            """);
    assertThat(declaration.bridges()).containsExactly(new InterfaceName("br0"));
    assertThat(declaration.networks())
        .containsExactly(
            new NetworkRequest(
                "blue",
                Optional.of(new InterfaceName("blue0")),
                List.of(
                    Subnet.of(Prefix.parse("10.1.0.0/24")),
                    new Subnet(
                        Prefix.parse("fd01::/64"),
                        Optional.of(IpAddress.parse("fd01::9")),
                        Optional.of(Prefix.parse("fd01::/80")))),
                false,
                OptionalInt.of(1400),
                new Egress.FixedSource(
                    List.of(IpAddress.parse("192.0.2.1"), IpAddress.parse("2001:db8::1"))),
                false,
                true,
                Owner.FILE),
            new NetworkRequest(
                "green",
                Optional.empty(),
                List.of(),
                true,
                OptionalInt.empty(),
                new Egress.Masquerade(),
                true,
                false,
                Owner.FILE),
            new NetworkRequest(
                "red",
                Optional.empty(),
                List.of(),
                false,
                OptionalInt.empty(),
                new Egress.Routed(),
                false,
                false,
                Owner.FILE));
    SandboxRequest web = declaration.sandboxes().get(0);
    assertThat(web)
        .isEqualTo(
            new SandboxRequest(
                new SandboxName("web"),
                "/proc/42/ns/net",
                List.of(
                    Attachment.to("blue"),
                    new Attachment(
                        "green",
                        List.of(IpAddress.parse("10.2.0.7")),
                        List.of(new SandboxName("www")),
                        Optional.of(new InterfaceName("lan0")))),
                List.of(ExposeSpec.parse("80"), ExposeSpec.parse("8000-8010/udp")),
                List.of(SandboxLink.parse("db:store")),
                List.of(),
                MappingOptions.NONE,
                Owner.FILE));
    assertThat(declaration.sandboxes().get(1).namespacePath()).isEqualTo("/run/netns/db");
    assertThat(declaration.sandboxesInOrder())
        .containsExactly(declaration.sandboxes().get(1), declaration.sandboxes().get(0));
    assertThat(declaration.ports().get(0).to().sandboxes()).containsExactly(new SandboxName("web"));
  }

  /**
   * Fails if values are resolved to types: 22:22 is 1342 to a reader of base 60, 0o10 is 8, 1_0 is
   * 10, and "no" is false.
   */
  @ParameterizedTest
  @ValueSource(strings = {"22:22", "8080:80", "59:59", "8080", "127.0.0.1:53:53/udp"})
  void aPortWithoutQuotesStaysText(String port) throws Exception {
    assertThat(one("ports:\n- target: 172.30.0.2\n  publish: [" + port + "]\n").ports())
        .isEqualTo(specs(port));
    assertThat(one("ports:\n- target: 172.30.0.2\n  publish:\n  - " + port + "\n").ports())
        .isEqualTo(specs(port));
    assertThat(one("ports:\n- {target: 172.30.0.2, publish: ['80'], name: no}\n").name())
        .contains(new MappingName("no"));
  }

  /** Fails if a file that takes everything back cannot be written, or a byte order mark hurts. */
  @ParameterizedTest
  @ValueSource(strings = {"ports: []", "\uFEFFports: []\n", "---\nports: []\n...\n", "{ports: []}"})
  void nothingCanBeDeclared(String text) throws Exception {
    assertThat(read(text)).isEqualTo(new Declaration(List.of(), List.of()));
  }

  private static String network(String entry) {
    return "ports: []\nnetworks:\n- " + entry + "\n";
  }

  private static String sandbox(String entry) {
    return "ports: []\nsandboxes:\n- " + entry + "\n";
  }

  static Stream<Arguments> mistakes() {
    String entry = "ports:\n- target: 172.30.0.2\n  publish: [\"80\"]\n";
    return Stream.of(
        // the shape
        Arguments.of("", "f:1:1: the file is empty: write \"ports: []\" to publish nothing"),
        Arguments.of("# all gone\n", "f:2:1: the file is empty"),
        Arguments.of("networks: [br0]\n", "f:1:1: the key \"ports\" is missing"),
        Arguments.of("- 80\n", "f:1:1: the file must have the key \"ports\""),
        Arguments.of("ports:\n", "f:1:7: \"ports\" must be a list of entries"),
        Arguments.of("ports: {}\n", "f:1:8: \"ports\" must be a list of entries"),
        Arguments.of("ports:\n- 80\n", "f:2:3: an entry of \"ports\" must have keys"),
        Arguments.of("ports: []\nport: 1\n", "f:2:1: unknown key \"port\"; there are \"ports\""),
        Arguments.of("ports: []\n? [a]\n: b\n", "f:2:3: a key must be one of \"ports\""),
        Arguments.of("ports: []\nports: []\n", "f:2:1: the key \"ports\" is here twice"),
        Arguments.of("ports: []\n---\nports: []\n", "f:2:1: a second document begins here"),
        Arguments.of("ports: [\n", "f:2:1: this is not YAML"),
        Arguments.of("ports:\n\t- x\n", "f:2:1: this is not YAML"),
        Arguments.of("ports: [a: b: c]\n", "f:1:9: unknown key \"a\""),
        Arguments.of("ports: []\u0007\n", "f: this is not YAML"),
        // keys of an entry
        Arguments.of(
            entry + "  Allow: [10.0.0.0/8]\n",
            "f:4:3: unknown key \"Allow\"; there are \"name\", \"target\""),
        Arguments.of(entry + "  target: 172.30.0.3\n", "f:4:3: the key \"target\" is here twice"),
        Arguments.of(
            entry + "  targets: [172.30.0.3]\n",
            "f:2:3: the entry has both \"target\" and \"targets\""),
        Arguments.of(
            "ports:\n- publish: [\"80\"]\n",
            "f:2:3: the entry has no \"target\": write the address"),
        Arguments.of(
            "ports:\n- target: 172.30.0.2\n",
            "f:2:3: the entry has no \"publish\": write at least"),
        Arguments.of(
            "ports:\n- target: 172.30.0.2\n  publish: []\n", "f:2:3: the entry has no \"publish\""),
        // values
        Arguments.of(
            "ports:\n- target: 172.30.0.256\n",
            "f:2:20: number \"256\" of IPv4 address \"172.30.0.256\" exceeds 255"),
        Arguments.of("ports:\n- target: [172.30.0.2]\n", "f:2:11: \"target\" must be one text"),
        Arguments.of("ports:\n- target:\n  publish: []\n", "f:2:10: \"target\" has no value"),
        Arguments.of(
            "ports:\n- targets: 172.30.0.2\n", "f:2:12: \"targets\" must be a list such as"),
        Arguments.of(
            "ports:\n- targets: [172.30.0.2, 172.30.0.2]\n  publish: [\"80\"]\n",
            "f:2:3: 172.30.0.2 is named twice"),
        Arguments.of(
            "ports:\n- targets: [web, db]\n  balance: fastest\n",
            "f:3:12: \"fastest\" is no way to share out connections: give one of round-robin"),
        Arguments.of(
            "ports:\n- target: 172.30.0.2\n  publish: 8080:80\n",
            "f:3:12: \"publish\" must be a list such as [\"8080:80\"]"),
        Arguments.of(
            "ports:\n- target: 172.30.0.2\n  publish: [8081:99999]\n",
            "f:3:18: port \"99999\" is not in 1–65535"),
        Arguments.of(
            "ports:\n- target: 172.30.0.2\n  publish: [\"8081:99999\"]\n",
            "f:3:19: port \"99999\" is not in 1–65535"),
        Arguments.of(
            "ports:\n- target: 172.30.0.2\n  publish: [[::1]:80:80]\n",
            "f:3:13: an entry of \"publish\" must be one text; what has brackets"),
        Arguments.of(
            "ports:\n- target: 172.30.0.2\n  publish: [80: 80]\n",
            "f:3:13: an entry of \"publish\" must be one text"),
        Arguments.of("ports:\n- name: 'a b'\n", "f:2:11: name \"a b\" may hold only letters"),
        Arguments.of(
            entry + "  allow: [10.0.0.1/8]\n",
            "f:4:11: 10.0.0.1/8 has bits set behind its length; the prefix is 10.0.0.0/8"),
        Arguments.of(entry + "  allow: all\n", "f:4:10: \"allow\" must be a list such as"),
        Arguments.of(
            entry + "  max-connections: 0\n", "f:4:20: \"0\" is not a number from 1 to 10000000"),
        Arguments.of(
            entry + "  max-connections: 10000001\n", "f:4:20: \"10000001\" is not a number from 1"),
        Arguments.of(entry + "  syn-proxy: yes\n", "f:4:14: \"yes\" is not true or false"),
        Arguments.of(entry + "  source-rate: 20/day\n", "f:4:19: \"20/day\" is not a rate such as"),
        Arguments.of("ports: []\nnetworks: br0\n", "f:2:11: \"networks\" must be a list"),
        Arguments.of(
            "ports: []\nnetworks: [br/0]\n", "f:2:14: interface name \"br/0\" may not hold"),
        // where ports lead to
        Arguments.of(
            "ports:\n- target: 10.0.0\n", "f:2:17: IPv4 address \"10.0.0\" has 3 of 4 numbers"),
        Arguments.of("ports:\n- target: 'a b'\n", "f:2:13: sandbox name \"a b\" may hold only"),
        Arguments.of("ports:\n- targets: [web, -db]\n", "f:2:18: sandbox name \"-db\" must begin"),
        // networks
        Arguments.of(
            "ports: []\nnetworks: [[]]\n",
            "f:2:12: an entry of \"networks\" must be the name of a bridge, or have keys"),
        Arguments.of("ports: []\nnetworks:\n- ipv6: true\n", "f:3:3: the network has no \"name\""),
        Arguments.of(
            network("nam: a"), "f:3:3: unknown key \"nam\"; there are \"name\", \"subnets\""),
        Arguments.of(network("name: a/b"), "f:3:10: network name \"a/b\" may hold only"),
        Arguments.of(network("name: a\n  name: a"), "f:4:3: the key \"name\" is here twice"),
        Arguments.of(network("name: a\n- name: a"), "f:4:3: the network a is declared twice"),
        Arguments.of(network("name: a\n- a"), "f:4:3: the network a is declared twice"),
        Arguments.of(
            network("{name: a, bridge: b}\n- b"), "f:4:3: two networks are to have the bridge b"),
        Arguments.of(
            network("name: a\n  subnets: 10.1.0.0/24"),
            "f:4:12: \"subnets\" must be a list such as"),
        Arguments.of(
            network("name: a\n  subnets: [10.1.0.1/24]"),
            "f:4:13: 10.1.0.1/24 has bits set behind its length"),
        Arguments.of(
            network("name: a\n  subnets: [10.1.0.0/31]"),
            "f:4:13: the subnet 10.1.0.0/31 has no room"),
        Arguments.of(
            network("name: a\n  subnets: [10.1.0.0/24, 10.2.0.0/24]"),
            "f:3:3: the network a has two IPv4 subnets"),
        Arguments.of(
            network("name: a\n  subnets: [10.1.0.0/24, 'fd01::/64', 10.2.0.0/24]"),
            "f:4:39: \"subnets\" has more than 2 entries"),
        Arguments.of(
            network("name: a\n  subnets: [{gateway: 10.1.0.1}]"),
            "f:4:13: the entry has no \"subnet\""),
        Arguments.of(
            network("name: a\n  subnets: [{subnet: 10.1.0.0/24, gateway: 10.2.0.1}]"),
            "f:4:13: the gateway 10.2.0.1 is not in the subnet 10.1.0.0/24"),
        Arguments.of(
            network("name: a\n  subnets: [{subnet: 10.1.0.0/24, pool: 10.1.0.0/25}]"),
            "f:4:35: unknown key \"pool\"; there are \"subnet\", \"gateway\" and \"range\""),
        Arguments.of(
            network("{name: a, subnets: [10.1.0.0/16]}\n- {name: b, subnets: [10.1.2.0/24]}"),
            "f:4:3: the subnet 10.1.2.0/24 overlaps the subnet 10.1.0.0/16 of the network a"),
        Arguments.of(network("name: a\n  ipv6: yes"), "f:4:9: \"yes\" is not true or false"),
        Arguments.of(network("name: a\n  mtu: 1_500"), "f:4:8: \"1_500\" is not a number of bytes"),
        Arguments.of(
            network("name: a\n  mtu: 67"), "f:3:3: the MTU of the network a must be 68 to 65535"),
        Arguments.of(
            network("name: a\n  egress: none"),
            "f:4:11: \"none\" is neither masquerade nor routed"),
        Arguments.of(
            network("name: a\n  egress: [192.0.2.1, 192.0.2.2]"),
            "f:4:11: a fixed source has at most one IPv4 address"),
        Arguments.of(
            network("name: a\n  egress: [192.0.2.256]"), "f:4:20: number \"256\" of IPv4 address"),
        Arguments.of(
            network("name: a\n  egress: routed\n  icc: false"),
            "f:3:3: the network a cannot be both routed and isolated"),
        Arguments.of(
            network("name: a\n  bridge: a-name-too-long-for-it"),
            "f:4:26: interface name \"a-name-too-long-for-it\" is longer than 15 bytes"),
        Arguments.of(network("&a name: a"), "f:3:3: names for values such as &this"),
        // sandboxes
        Arguments.of(
            "ports: []\nsandboxes: web\n",
            "f:2:12: \"sandboxes\" must be a list such as [{name: web"),
        Arguments.of(
            "ports: []\nsandboxes: [web]\n",
            "f:2:13: an entry of \"sandboxes\" must have keys such as \"name\" and \"netns\""),
        Arguments.of(sandbox("netns: a"), "f:3:3: the sandbox has no \"name\""),
        Arguments.of(sandbox("name: a"), "f:3:3: the sandbox has no \"netns\""),
        Arguments.of(sandbox("name: a\n  netns: a"), "f:3:3: the sandbox has no \"networks\""),
        Arguments.of(
            sandbox("name: a\n  netns: a\n  networks: []"),
            "f:3:3: the sandbox has no \"networks\""),
        Arguments.of(
            sandbox("name: a\n  image: a"),
            "f:4:3: unknown key \"image\"; there are \"name\", \"netns\", \"networks\""),
        Arguments.of(
            sandbox("name: a\n  netns: ../a"),
            "f:4:10: \"../a\" is neither the path of a network namespace"),
        Arguments.of(sandbox("name: a\n  netns: .."), "f:4:10: \"..\" is neither the path"),
        Arguments.of(
            sandbox("name: a\n  netns: a\n  networks: blue"),
            "f:5:13: \"networks\" must be a list"),
        Arguments.of(
            sandbox("name: a\n  netns: a\n  networks: [b/c]"),
            "f:5:15: network name \"b/c\" may hold only"),
        Arguments.of(
            sandbox("name: a\n  netns: a\n  networks: [b, b]"),
            "f:3:3: the sandbox a is to join the network b twice"),
        Arguments.of(
            sandbox("name: a\n  netns: a\n  networks: [{aliases: [b]}]"),
            "f:5:14: the entry has no \"network\""),
        Arguments.of(
            sandbox("name: a\n  netns: a\n  networks: [{network: b, ip: 10.1.0.2}]"),
            "f:5:27: unknown key \"ip\"; there are \"network\", \"addresses\""),
        Arguments.of(
            sandbox(
                "name: a\n  netns: a\n  networks: [{network: b, addresses: [10.1.0.2, 10.1.0.3]}]"),
            "f:5:14: 10.1.0.2 and 10.1.0.3 are both IPv4 addresses"),
        Arguments.of(
            sandbox("name: a\n  netns: a\n  networks: [b]\n  expose: [80/icmp]"),
            "f:6:15: protocol \"icmp\" is none of tcp, udp, sctp"),
        Arguments.of(
            sandbox("name: a\n  netns: a\n  networks: [b]\n  links: [':x']"),
            "f:6:12: the sandbox name is empty"),
        Arguments.of(
            sandbox("{name: a, netns: a, networks: [b]}\n- {name: A, netns: c, networks: [b]}"),
            "f:4:3: the sandbox A is declared twice"),
        Arguments.of(
            sandbox("{name: a, netns: a, networks: [b]}\n- {name: c, netns: a, networks: [b]}"),
            "f:4:3: the sandboxes a and c are the same network namespace"),
        Arguments.of(
            """
            ports: []
            sandboxes:
            - {name: z, netns: z, networks: [n], links: [a]}
            - {name: a, netns: a, networks: [n], links: [b]}
            - {name: b, netns: b, networks: [n], links: [a]}
            """,
            "f:4:3: the links of the sandbox a lead back to it"),
        Arguments.of(
            sandbox("{name: a, netns: a, networks: [n], links: [a]}"),
            "f:3:3: the links of the sandbox a lead back to it"),
        // what YAML can and this file need not
        Arguments.of(
            "ports: &all []\n", "f:1:8: names for values such as &this are not known here"),
        Arguments.of("ports: []\nnetworks: *x\n", "f:2:11: references such as *this"),
        Arguments.of("ports: !!seq []\n", "f:1:8: types such as !!str are not known here"),
        Arguments.of("ports: []\nnetworks: [!!java.net.URL x]\n", "f:2:12: types such as"));
  }

  /** Fails if the mistake is passed over, or named at another place or in other words. */
  @ParameterizedTest
  @MethodSource("mistakes")
  void everyMistakeIsNamedWhereItIs(String text, String message) {
    assertThatThrownBy(() -> read(text))
        .isInstanceOf(PortsFileException.class)
        .hasMessageStartingWith(message)
        .satisfies(e -> assertThat(e.getMessage()).doesNotContainPattern("\\p{Cntrl}"));
  }

  /** Fails if references are followed: nine levels of nine would be a thousand million entries. */
  @Test
  void aFileThatGrowsIsRefusedAtItsFirstName() {
    StringBuilder laughs = new StringBuilder("ports:\n- targets: &a [\"lol\"]\n");
    for (char level = 'b'; level < 'k'; level++) {
      String before = ("*" + (char) (level - 1) + ",").repeat(9);
      laughs.append("  ").append(level).append(": &").append(level).append(" [");
      laughs.append(before, 0, before.length() - 1).append("]\n");
    }
    assertThatThrownBy(() -> read(laughs.toString()))
        .hasMessageStartingWith("f:2:12: names for values");
  }

  /** Fails if nesting is followed down with a recursion of its own. */
  @Test
  void deepNestingIsRefusedWhereItBegins() {
    assertThatThrownBy(() -> read("ports: " + "[".repeat(1_000_000)))
        .isInstanceOf(PortsFileException.class)
        .hasMessageStartingWith("f:1:9: an entry of \"ports\" must have keys");
  }

  /** Fails if the number of bytes read, or of ports, has no limit. */
  @Test
  void sizeIsLimited() {
    assertThatThrownBy(() -> read("#".repeat(PortsFile.MAX_BYTES) + "\n"))
        .hasMessage("f: it is larger than 8388608 bytes");
    String entry = "- {target: 172.30.0.2, publish: [" + "'80',".repeat(40_000) + "]}\n";
    assertThatThrownBy(() -> read("ports:\n" + entry + entry))
        .hasMessageStartingWith("f:3:3: there are more than 65536 ports");
  }

  /** Fails if the number of networks or sandboxes has no limit. */
  @Test
  void networksAndSandboxesAreLimited() {
    assertThatThrownBy(() -> read("ports: []\nnetworks: [" + "{name: n},".repeat(2_000) + "]\n"))
        .hasMessageStartingWith("f:2:22: the network n is declared twice");
    String bridges =
        IntStream.rangeClosed(0, Declaration.MAX_NETWORKS)
            .mapToObj(i -> "\n- b" + i)
            .collect(Collectors.joining());
    assertThatThrownBy(() -> read("ports: []\nnetworks:" + bridges + "\n"))
        .hasMessageStartingWith("f:1027:3: \"networks\" has more than 1024 entries");
    // Each linked to the next: as deep as it can be.
    String chain =
        IntStream.rangeClosed(0, Declaration.MAX_SANDBOXES)
            .mapToObj(
                i ->
                    "\n- {name: s%d, netns: s%d, networks: [n], links: [s%d]}"
                        .formatted(i, i, i + 1))
            .collect(Collectors.joining());
    assertThatThrownBy(() -> read("ports: []\nsandboxes:" + chain + "\n"))
        .hasMessageStartingWith("f:4099:3: \"sandboxes\" has more than 4096 entries");
    assertThatCode(
            () -> read("ports: []\nsandboxes:" + chain.substring(0, chain.lastIndexOf('\n'))))
        .doesNotThrowAnyException();
  }

  /** Fails if bytes of another encoding are replaced and read on. */
  @Test
  void anotherEncodingIsRefused() {
    byte[] latin1 = "ports: [] # für immer".getBytes(ISO_8859_1);
    assertThatThrownBy(() -> PortsFile.read("f", new ByteArrayInputStream(latin1)))
        .hasMessage("f: it is not UTF-8: save it in that encoding");
  }

  // ---- whom to trust

  private static Path write(Path directory, String permissions) throws IOException {
    Path file = Files.writeString(directory.resolve("ports.yaml"), "ports: []\n");
    return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
  }

  /** Fails if our own file is not good enough, or a missing one is reported in other words. */
  @Test
  void aFileThatOnlyWeCanWriteIsTrusted(@TempDir Path directory) throws Exception {
    assertThat(PortsFile.readTrusted(write(directory, "rw-r--r--")).ports()).isEmpty();
    assertThatThrownBy(() -> PortsFile.readTrusted(directory.resolve("none.yaml")))
        .isInstanceOf(NoSuchFileException.class);
  }

  /** Fails if the permissions of the file are not looked at. */
  @ParameterizedTest
  @ValueSource(strings = {"rw-rw-r--", "rw-r--rw-"})
  void aFileThatOthersMayWriteIsRefused(String permissions, @TempDir Path directory)
      throws Exception {
    Path file = write(directory, permissions);
    assertThatThrownBy(() -> PortsFile.readTrusted(file))
        .isInstanceOf(PortsFileException.class)
        .hasMessage(file + ": it is writable by others than its owner: chmod go-w " + file);
  }

  /** Fails if only the file is looked at: who may write its directory can exchange it. */
  @Test
  void aDirectoryThatOthersMayWriteIsRefused(@TempDir Path directory) throws Exception {
    Path open = Files.createDirectory(directory.resolve("open"));
    Path inner = Files.createDirectory(open.resolve("inner"));
    Path file = write(inner, "rw-r--r--");
    Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertThatThrownBy(() -> PortsFile.readTrusted(file))
        .hasMessage(
            file + ": " + open + " is writable by others than its owner: chmod go-w " + open);
    // The same through a link that is well guarded itself.
    Path link = Files.createSymbolicLink(directory.resolve("link"), inner);
    assertThatThrownBy(() -> PortsFile.readTrusted(link.resolve("ports.yaml")))
        .hasMessageContaining(open + " is writable by others");
  }

  /** Fails if a link in the file's place is followed. */
  @Test
  void aSymbolicLinkIsRefused(@TempDir Path directory) throws Exception {
    Path link = Files.createSymbolicLink(directory.resolve("link"), write(directory, "rw-r--r--"));
    assertThatThrownBy(() -> PortsFile.readTrusted(link))
        .hasMessageStartingWith(link + ": it is a symbolic link, which is not followed here");
    assertThatThrownBy(() -> PortsFile.readTrusted(directory))
        .hasMessageContaining("it is not a regular file");
  }
}
