package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.sluice.net.Ip4Address;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.PortRange;
import dev.sluice.net.Protocol;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code -p} means, and what it refuses. */
class PortSpecTest {

  /** Fails if a part of the grammar lands in the wrong component, or the canonical text changes. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      textBlock =
          """
          # spec                         | address            | host ports      | target    | proto | canonical
          80                             | -                  | any             | 80        | tcp  | 80/tcp
          80/tcp                         | -                  | any             | 80        | tcp  | 80/tcp
          80/                            | -                  | any             | 80        | tcp  | 80/tcp
          53/udp                         | -                  | any             | 53        | udp  | 53/udp
          3868/sctp                      | -                  | any             | 3868      | sctp | 3868/sctp
          53/UDP                         | -                  | any             | 53        | udp  | 53/udp
          0053/Udp                       | -                  | any             | 53        | udp  | 53/udp
          8000-8010                      | -                  | any             | 8000-8010 | tcp  | 8000-8010/tcp
          80-80                          | -                  | any             | 80        | tcp  | 80/tcp
          :80                            | -                  | any             | 80        | tcp  | 80/tcp
          ::80                           | -                  | any             | 80        | tcp  | 80/tcp
          0:80                           | -                  | any             | 80        | tcp  | 80/tcp
          1:65535                        | -                  | exactly 1       | 65535     | tcp  | 1:65535/tcp
          8080:80                        | -                  | exactly 8080    | 80        | tcp  | 8080:80/tcp
          :8080:80                       | -                  | exactly 8080    | 80        | tcp  | 8080:80/tcp
          8080-8080:80                   | -                  | exactly 8080    | 80        | tcp  | 8080:80/tcp
          8000-8002:9000-9002/udp        | -                  | exactly 8000-8002 | 9000-9002 | udp | 8000-8002:9000-9002/udp
          8000-8010:80                   | -                  | pool 8000-8010  | 80        | tcp  | 8000-8010:80/tcp
          8000-8010:80-80                | -                  | pool 8000-8010  | 80        | tcp  | 8000-8010:80/tcp
          192.0.2.1:8080:80              | 192.0.2.1          | exactly 8080    | 80        | tcp  | 192.0.2.1:8080:80/tcp
          192.0.2.1::80                  | 192.0.2.1          | any             | 80        | tcp  | 192.0.2.1::80/tcp
          192.0.2.1:0:80/udp             | 192.0.2.1          | any             | 80        | udp  | 192.0.2.1::80/udp
          192.0.2.1::80-82               | 192.0.2.1          | any             | 80-82     | tcp  | 192.0.2.1::80-82/tcp
          192.0.2.1:8000-8010:80         | 192.0.2.1          | pool 8000-8010  | 80        | tcp  | 192.0.2.1:8000-8010:80/tcp
          0.0.0.0:8000-8001:80-81/tcp    | 0.0.0.0            | exactly 8000-8001 | 80-81   | tcp  | 0.0.0.0:8000-8001:80-81/tcp
          [::1]:8080:80                  | ::1                | exactly 8080    | 80        | tcp  | [::1]:8080:80/tcp
          [::]:8080:80                   | ::                 | exactly 8080    | 80        | tcp  | [::]:8080:80/tcp
          [2001:DB8::1]::80/udp          | 2001:db8::1        | any             | 80        | udp  | [2001:db8::1]::80/udp
          ::1:8080:80                    | ::1                | exactly 8080    | 80        | tcp  | [::1]:8080:80/tcp
          2001:db8::1:8080:80            | 2001:db8::1        | exactly 8080    | 80        | tcp  | [2001:db8::1]:8080:80/tcp
          2001:db8::1::80                | 2001:db8::1        | any             | 80        | tcp  | [2001:db8::1]::80/tcp
          ::::80                         | ::                 | any             | 80        | tcp  | [::]::80/tcp
          [::ffff:192.0.2.1]:8080:80     | 192.0.2.1          | exactly 8080    | 80        | tcp  | 192.0.2.1:8080:80/tcp
          """)
  void readsTheGrammarOfDockerRun(
      String text,
      String address,
      String hostPorts,
      String target,
      String protocol,
      String canonical) {
    PortSpec spec = PortSpec.parse(text);
    assertThat(spec.hostAddress()).isEqualTo(Optional.ofNullable(address).map(IpAddress::parse));
    assertThat(described(spec.hostPorts())).isEqualTo(hostPorts);
    assertThat(spec.targetPorts()).isEqualTo(PortRange.parse(target));
    assertThat(spec.protocol()).isEqualTo(Protocol.parse(protocol));
    assertThat(spec.text()).isEqualTo(canonical);
    assertThat(PortSpec.parse(canonical)).isEqualTo(spec);
  }

  /** Fails if a check is removed, or a column is counted from the part instead of the whole. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''                    | 0  | the container port is missing
          8080:                 | 5  | the container port is missing
          192.0.2.1:8080:       | 15 | the container port is missing
          /tcp                  | 0  | the container port is missing
          8080:/udp             | 5  | the container port is missing
          8080:x                | 5  | port "x" is not a decimal number
          x:80                  | 0  | port "x" is not a decimal number
          8080:70000            | 5  | port "70000" is not in 1–65535
          65536:80              | 0  | port "65536" is not in 1–65535
          8080:0                | 5  | port "0" is not in 1–65535
          0                     | 0  | port "0" is not in 1–65535
          0-5:80                | 0  | port "0" is not in 1–65535
          0:80-81               | 0  | port "0" is not in 1–65535
          +8080:80              | 0  | port "+8080" is not a decimal number
          -1:80                 | 0  | port range "-1" has no first port
          192.0.2.1:-1:80       | 10 | port range "-1" has no first port
          8010-8000:80          | 0  | port range 8010-8000 ends before it begins
          80:8010-8000          | 3  | port range 8010-8000 ends before it begins
          80-81:80-82           | 0  | host ports 80-81 are 2 and container ports 80-82 are 3; give as many of each, or one container port
          8080:80-82            | 0  | host ports 8080 are 1 and container ports 80-82 are 3; give as many of each, or one container port
          80-90-100:80          | 3  | port "90-100" is not a decimal number
          8080:80/ tcp          | 8  | protocol " tcp" is none of tcp, udp, sctp
          8080:80/icmp          | 8  | protocol "icmp" is none of tcp, udp, sctp
          8080:80/tcp/udp       | 8  | protocol "tcp/udp" is none of tcp, udp, sctp
          80/tcp:80             | 0  | port "80/tcp" is not a decimal number
          ' 8080:80'            | 0  | port " 8080" is not a decimal number
          '8080:80 '            | 5  | port "80 " is not a decimal number
          192.0.2.1             | 0  | "192.0.2.1" is not a port; an address stands first, as in 192.0.2.1:8080:80
          192.0.2.1:80          | 0  | "192.0.2.1" is not a port; an address stands first, as in 192.0.2.1:8080:80
          8080:192.0.2.1:80     | 5  | "192.0.2.1" is not a port; an address stands first, as in 192.0.2.1:8080:80
          localhost:8080:80     | 0  | "localhost" is not an IP address (names are not looked up)
          1.2.3:8080:80         | 5  | IPv4 address "1.2.3" has 3 of 4 numbers
          01.2.3.4:8080:80      | 0  | number "01" of IPv4 address "01.2.3.4" has a leading zero, which some programs read as octal
          1:2:3:4               | 3  | IPv6 address "1:2" has 2 of 8 groups
          [::1]                 | 5  | a host port and a container port must follow the address in "[::1]", as in [2001:db8::1]:8080:80, or [2001:db8::1]::80 for any free host port
          [::1]:80              | 5  | a host port and a container port must follow the address in "[::1]:80", as in [2001:db8::1]:8080:80, or [2001:db8::1]::80 for any free host port
          [::1]x:8080:80        | 5  | a host port and a container port must follow the address in "[::1]x:8080:80", as in [2001:db8::1]:8080:80, or [2001:db8::1]::80 for any free host port
          [::1]:1:8080:80       | 5  | a host port and a container port must follow the address in "[::1]:1:8080:80", as in [2001:db8::1]:8080:80, or [2001:db8::1]::80 for any free host port
          [::1:8080:80          | 12 | "]" is missing behind the IPv6 address in "[::1:8080:80"
          [::g]:8080:80         | 3  | "g" does not belong into IPv6 address "::g"
          [fe80::1%eth0]:8080:80| 8  | IPv6 address "fe80::1%eth0" has a zone, which only one host understands; leave it out
          [192.0.2.1]:8080:80   | 1  | "192.0.2.1" is not an IPv6 address
          []:8080:80            | 1  | an IP address is missing
          """)
  void refusesEverythingElse(String text, int column, String problem) {
    var refusal = catchThrowableOfType(MalformedValueException.class, () -> PortSpec.parse(text));
    assertThat(refusal).as(text).isNotNull().hasMessage(problem);
    assertThat(refusal.column()).as(text).isEqualTo(column);
    assertThat(refusal.input()).isEqualTo(text);
  }

  /** Fails if equalsIgnoreCase is used, which folds the long s of U+017F to an s. */
  @Test
  void refusesLookAlikesOfProtocols() {
    assertThat(
            catchThrowableOfType(
                MalformedValueException.class, () -> PortSpec.parse("80/\u017fctp")))
        .isNotNull();
  }

  /** Fails if a part of the input is repeated in full in the message. */
  @Test
  void refusesVeryLongInputWithAShortMessage() {
    for (String text :
        new String[] {
          ":".repeat(20_000),
          "8".repeat(20_000) + ":80",
          "[" + "1:".repeat(10_000) + "]:80:80",
          "[" + "1:".repeat(10_000),
          "[::1]" + "x".repeat(20_000),
          "1.".repeat(10_000) + ":80",
          "80/" + "x".repeat(20_000)
        }) {
      var refusal = catchThrowableOfType(MalformedValueException.class, () -> PortSpec.parse(text));
      assertThat(refusal).isNotNull();
      assertThat(refusal.problem()).hasSizeLessThan(350);
      assertThat(refusal.pointed()).hasSizeLessThan(350);
    }
  }

  /** Fails if text() of any spec is read back as another spec. */
  @Test
  void everyCanonicalTextReadsBackAsItself() {
    Random random = new Random(8_080);
    for (int i = 0; i < 20_000; i++) {
      PortSpec spec = randomSpec(random);
      assertThat(PortSpec.parse(spec.text())).as(spec.text()).isEqualTo(spec);
    }
  }

  /** Fails if parse throws anything but its own exception, whatever it is given. */
  @Test
  void neverFailsInAnotherWay() {
    Random random = new Random(31_337);
    String alphabet = "0189:::[].-/%atcpudxf ";
    int accepted = 0;
    for (int i = 0; i < 200_000; i++) {
      StringBuilder text = new StringBuilder();
      for (int length = random.nextInt(14); length > 0; length--) {
        text.append(alphabet.charAt(random.nextInt(alphabet.length())));
      }
      try {
        PortSpec spec = PortSpec.parse(text.toString());
        assertThat(PortSpec.parse(spec.text())).isEqualTo(spec);
        accepted++;
      } catch (MalformedValueException e) {
        assertThat(e.input()).isEqualTo(text.toString());
      }
    }
    assertThat(accepted).as("random specs that were valid").isGreaterThan(100);
  }

  /** Fails if a spec can be made by hand that the grammar cannot express. */
  @Test
  void cannotBeMadeOfPartsThatDoNotFit() {
    PortRange two = PortRange.of(80, 81);
    PortRange one = PortRange.of(80);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> spec(new PortSpec.Exactly(two), one, Protocol.TCP));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> spec(new PortSpec.Pool(two), two, Protocol.TCP));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> spec(new PortSpec.Pool(one), one, Protocol.TCP));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> spec(PortSpec.ANY_FREE, one, Protocol.ICMP));
  }

  /** Fails if an exposed port is read by another rule than a published one. */
  @ParameterizedTest
  @CsvSource({"80, 80/tcp", "80/TCP, 80/tcp", "8000-8010/udp, 8000-8010/udp", "80/, 80/tcp"})
  void exposedPortsFollowTheSameRule(String text, String canonical) {
    assertThat(ExposeSpec.parse(text).text()).isEqualTo(canonical);
  }

  /** Fails if the exposed form takes a host part. */
  @ParameterizedTest
  @CsvSource({"8080:80, 0", "'', 0", "80/icmp, 3", "80-70/tcp, 0", "/tcp, 0", "80-x, 3"})
  void exposedPortsRefuseEverythingElse(String text, int column) {
    var refusal = catchThrowableOfType(MalformedValueException.class, () -> ExposeSpec.parse(text));
    assertThat(refusal).isNotNull();
    assertThat(refusal.column()).isEqualTo(column);
  }

  private static PortSpec spec(PortSpec.HostPorts hostPorts, PortRange target, Protocol protocol) {
    return new PortSpec(Optional.empty(), hostPorts, target, protocol);
  }

  private static String described(PortSpec.HostPorts hostPorts) {
    if (hostPorts instanceof PortSpec.Exactly exactly) {
      return "exactly " + exactly.ports();
    }
    return hostPorts instanceof PortSpec.Pool pool ? "pool " + pool.ports() : "any";
  }

  private static PortSpec randomSpec(Random random) {
    Optional<IpAddress> address =
        switch (random.nextInt(3)) {
          case 0 -> Optional.empty();
          case 1 -> Optional.of(new Ip4Address(random.nextInt()));
          default -> Optional.of(new Ip6Address(random.nextLong(), random.nextInt()));
        };
    int size = 1 + random.nextInt(20);
    int host = 1 + random.nextInt(65_000);
    int target = 1 + random.nextInt(65_000);
    PortRange hostRange = PortRange.of(host, host + size - 1);
    PortRange targetRange = PortRange.of(target, target + size - 1);
    Protocol protocol =
        new Protocol[] {Protocol.TCP, Protocol.UDP, Protocol.SCTP}[random.nextInt(3)];
    return switch (random.nextInt(3)) {
      case 0 -> new PortSpec(address, PortSpec.ANY_FREE, targetRange, protocol);
      case 1 -> new PortSpec(address, new PortSpec.Exactly(hostRange), targetRange, protocol);
      default ->
          new PortSpec(
              address,
              new PortSpec.Pool(PortRange.of(host, host + size)),
              PortRange.of(target),
              protocol);
    };
  }
}
