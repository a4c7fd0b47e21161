package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What can be published, and how it is shown. */
class MappingTest {

  /** Fails if a mapping that nothing could carry out can be made. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      textBlock =
          """
          tcp  | -         | 8080      | 172.30.0.2 | 80-81 | host ports 8080 are 1 and target ports 80-81 are 2; they must be as many
          tcp  | ::1       | 8080      | 172.30.0.2 | 80    | IPv6 host address ::1 cannot lead to IPv4 target 172.30.0.2: both must be of one family
          tcp  | 127.0.0.1 | 8080      | fd00::2    | 80    | IPv4 host address 127.0.0.1 cannot lead to IPv6 target fd00::2: both must be of one family
          tcp  | 0.0.0.0   | 8080      | fd00::2    | 80    | IPv4 host address 0.0.0.0 cannot lead to IPv6 target fd00::2: both must be of one family
          icmp | -         | 8080      | 172.30.0.2 | 80    | protocol icmp has no ports; tcp, udp and sctp can be published
          tcp  | 224.0.0.1 | 8080      | 172.30.0.2 | 80    | host address 224.0.0.1 is a multicast group, which no port can be published on
          tcp  | -         | 8080      | 0.0.0.0    | 80    | target address 0.0.0.0 is not an address of a container
          tcp  | -         | 8080      | ff02::1    | 80    | target address ff02::1 is a multicast group, not an address of a container
          """)
  void refusesPartsThatDoNotFit(
      String protocol,
      @Nullable String hostAddress,
      String hostPorts,
      String target,
      String targetPorts,
      String problem) {
    assertThatExceptionOfType(InvalidMappingException.class)
        .isThrownBy(() -> mapping(protocol, hostAddress, hostPorts, target, targetPorts))
        .withMessage(problem);
  }

  /** Fails if "every address" can be said in two ways that are not equal. */
  @Test
  void knowsOneFormOfEveryAddress() {
    assertThat(mapping("tcp", "0.0.0.0", "8080", "172.30.0.2", "80").hostAddress()).isEmpty();
    assertThat(mapping("tcp", "::", "8080", "fd00::2", "80").hostAddress()).isEmpty();
    assertThat(mapping("tcp", "0.0.0.0", "8080", "172.30.0.2", "80"))
        .isEqualTo(mapping("tcp", null, "8080", "172.30.0.2", "80"));
  }

  /** Fails if a mapped address makes a mapping of the wrong family. */
  @Test
  void unwrapsMappedAddresses() {
    Mapping mapping = mapping("tcp", "::ffff:192.0.2.1", "8080", "::ffff:172.30.0.2", "80");
    assertThat(mapping.family()).isEqualTo(Family.IPV4);
    assertThat(mapping.hostAddress()).contains(IpAddress.parse("192.0.2.1"));
    assertThat(mapping.targetText()).isEqualTo("172.30.0.2:80");
  }

  /** Fails if a component of the key is not compared. */
  @Test
  void keysOverlapOnlyWhereAPortIsClaimedTwice() {
    HostBinding key = mapping("tcp", null, "8080-8089", "172.30.0.2", "80-89").key();
    assertThat(key.overlaps(mapping("tcp", null, "8089", "172.30.0.9", "1").key())).isTrue();
    assertThat(key.overlaps(mapping("tcp", null, "8090", "172.30.0.2", "80").key())).isFalse();
    assertThat(key.overlaps(mapping("udp", null, "8080", "172.30.0.2", "80").key())).isFalse();
    assertThat(key.overlaps(mapping("tcp", null, "8080", "fd00::2", "80").key())).isFalse();
    assertThat(key.overlaps(mapping("tcp", "192.0.2.1", "8080", "172.30.0.2", "80").key()))
        .isFalse();
  }

  /** Fails if the text differs from docker ps's PORTS. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      textBlock =
          """
          tcp | -         | 8080      | 172.30.0.2 | 80    | 0.0.0.0:8080->80/tcp
          tcp | 127.0.0.1 | 8080      | 172.30.0.2 | 80    | 127.0.0.1:8080->80/tcp
          udp | -         | 5353      | fd00::2    | 53    | [::]:5353->53/udp
          tcp | ::1       | 8080      | fd00::2    | 80    | [::1]:8080->80/tcp
          tcp | -         | 8000-8010 | 172.30.0.2 | 80-90 | 0.0.0.0:8000-8010->80-90/tcp
          """)
  void isShownAsDockerShowsIt(
      String protocol,
      @Nullable String hostAddress,
      String hostPorts,
      String target,
      String targetPorts,
      String shown) {
    assertThat(mapping(protocol, hostAddress, hostPorts, target, targetPorts).hostText())
        .isEqualTo(shown);
  }

  /** Fails if an unnamed mapping has no label, or the id wins over the name. */
  @Test
  void isCalledByItsNameOrItsId() {
    Mapping unnamed = mapping("tcp", null, "8080", "172.30.0.2", "80");
    assertThat(unnamed.label()).isEqualTo("00000000000000ab");
    assertThat(named(unnamed, "web").label()).isEqualTo("web");
  }

  /** Fails if mappings that continue each other stay apart, or others are joined. */
  @Test
  void aColumnJoinsWhatContinues() {
    List<Mapping> mappings =
        List.of(
            mapping("tcp", null, "8081", "172.30.0.2", "81"),
            mapping("tcp", null, "8080", "172.30.0.2", "80"),
            mapping("tcp", null, "8080", "fd00::2", "80"),
            mapping("tcp", null, "8082-8083", "172.30.0.2", "82-83"),
            mapping("udp", null, "8084", "172.30.0.2", "84"),
            mapping("tcp", "127.0.0.1", "8085", "172.30.0.2", "85"),
            mapping("tcp", null, "9000", "172.30.0.2", "84"));
    assertThat(PortsColumn.of(mappings))
        .isEqualTo(
            "0.0.0.0:8080-8083->80-83/tcp, [::]:8080->80/tcp, 0.0.0.0:9000->84/tcp,"
                + " 0.0.0.0:8084->84/udp, 127.0.0.1:8085->85/tcp");
    assertThat(PortsColumn.of(List.of())).isEmpty();
  }

  /** Fails if joining compares every mapping with every other (the test would take minutes). */
  @Test
  void aColumnOfTheLargestRequestIsWrittenInTime() {
    List<Mapping> mappings = new ArrayList<>();
    for (int port = 1; port <= 65_535; port += 2) {
      String text = Integer.toString(port);
      mappings.add(mapping("tcp", null, text, "172.30.0.2", text));
      mappings.add(mapping("udp", null, text, "172.30.0.2", text));
    }
    assertThat(PortsColumn.of(mappings).split(", ", -1)).hasSize(65_536);
  }

  /** Fails if a negative count can be stored. */
  @Test
  void countersAreNotNegative() {
    assertThatIllegalArgumentException().isThrownBy(() -> new MappingCounters(-1));
    assertThatIllegalArgumentException().isThrownBy(() -> new FlowCounters(0, -1));
    assertThat(
            new PublishedMapping(mapping("tcp", null, "1", "10.0.0.1", "1"), MappingCounters.ZERO))
        .extracting(published -> published.counters().connections())
        .isEqualTo(0L);
  }

  private static Mapping mapping(
      String protocol,
      @Nullable String hostAddress,
      String hostPorts,
      String targetAddress,
      String targetPorts) {
    return new Mapping(
        new MappingId(0xab),
        Optional.empty(),
        Owner.CLI,
        Protocol.parse(protocol),
        Optional.ofNullable(hostAddress).map(IpAddress::parse),
        PortRange.parse(hostPorts),
        IpAddress.parse(targetAddress),
        PortRange.parse(targetPorts),
        Instant.EPOCH);
  }

  private static Mapping named(Mapping mapping, String name) {
    return new Mapping(
        mapping.id(),
        Optional.of(new MappingName(name)),
        mapping.owner(),
        mapping.protocol(),
        mapping.hostAddress(),
        mapping.hostPorts(),
        mapping.targetAddress(),
        mapping.targetPorts(),
        mapping.createdAt());
  }
}
