package dev.sluice.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** RFC 4291 in, RFC 5952 out. */
class Ip6AddressTest {

  /** Fails if a rule of RFC 5952 section 4 or 5 is broken; most vectors are its own examples. */
  @ParameterizedTest
  @CsvSource({
    "::, ::",
    "0:0:0:0:0:0:0:0, ::",
    "::1, ::1",
    "1::, 1::",
    "0000::0001, ::1",
    "2001:db8::1, 2001:db8::1",
    "2001:DB8::ABCD, 2001:db8::abcd",
    "2001:0db8::0001, 2001:db8::1",
    "2001:db8:0:0:0:0:2:1, 2001:db8::2:1",
    "2001:db8:0:1:1:1:1:1, 2001:db8:0:1:1:1:1:1",
    "2001:db8::1:1:1:1:1, 2001:db8:0:1:1:1:1:1",
    "2001:0:0:1:0:0:0:1, 2001:0:0:1::1",
    "2001:db8:0:0:1:0:0:1, 2001:db8::1:0:0:1",
    "0:0:1:0:0:0:0:0, 0:0:1::",
    "1:0:0:0:0:0:0:0, 1::",
    "1:2:3:4:5:6:0:0, 1:2:3:4:5:6::",
    "0:0:3:4:5:6:7:8, ::3:4:5:6:7:8",
    "::2:3:4:5:6:7:8, 0:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7::, 1:2:3:4:5:6:7:0",
    "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255, ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "::192.0.2.33, ::c000:221",
    "64:ff9b::192.0.2.33, 64:ff9b::c000:221",
    "::ffff:192.0.2.1, ::ffff:192.0.2.1",
    "::FFFF:c000:0201, ::ffff:192.0.2.1",
    "::ffff:0:0, ::ffff:0.0.0.0",
    "1:2:3:4:5:6:1.2.3.4, 1:2:3:4:5:6:102:304",
    "1::1.2.3.4, 1::102:304",
    "fe80::1, fe80::1"
  })
  void writesTheCanonicalText(String text, String canonical) {
    IpAddress address = IpAddress.parse(text);
    assertThat(address.family()).isEqualTo(Family.IPV6);
    assertThat(address).hasToString(canonical).isEqualTo(IpAddress.parse(canonical));
  }

  /** Fails if any of the checks in parse is removed, or reports another place. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          :                      | 0  | ":" does not belong into IPv6 address ":"
          :::                    | 2  | ":" does not belong into IPv6 address ":::"
          :1                     | 0  | ":" does not belong into IPv6 address ":1"
          1:                     | 2  | IPv6 address "1:" ends where a group must follow
          1:2:3:4:5:6:7:         | 14 | IPv6 address "1:2:3:4:5:6:7:" ends where a group must follow
          1:2:3:4:5:6:7          | 13 | IPv6 address "1:2:3:4:5:6:7" has 7 of 8 groups
          1:2:3:4:5:6:7:8:9      | 16 | IPv6 address "1:2:3:4:5:6:7:8:9" has more than 8 groups
          1:2:3:4:5:6:7:8:       | 16 | IPv6 address "1:2:3:4:5:6:7:8:" ends where a group must follow
          1:2:3:4::5:6:7:8       | 7  | IPv6 address "1:2:3:4::5:6:7:8" has all 8 groups, so nothing is left for "::"
          1:2:3:4:5:6:7:8::      | 15 | IPv6 address "1:2:3:4:5:6:7:8::" has all 8 groups, so nothing is left for "::"
          ::1:2:3:4:5:6:7:8      | 0  | IPv6 address "::1:2:3:4:5:6:7:8" has all 8 groups, so nothing is left for "::"
          1::2::3                | 4  | IPv6 address "1::2::3" has "::" twice, so its length is ambiguous
          ::1::                  | 3  | IPv6 address "::1::" has "::" twice, so its length is ambiguous
          1:::2                  | 3  | ":" does not belong into IPv6 address "1:::2"
          12345::                | 0  | a group of IPv6 address "12345::" has more than 4 digits
          ::00001                | 2  | a group of IPv6 address "::00001" has more than 4 digits
          ::g                    | 2  | "g" does not belong into IPv6 address "::g"
          ::1g                   | 3  | "g" does not belong into IPv6 address "::1g"
          ::٣                    | 2  | "٣" does not belong into IPv6 address "::٣"
          fe80::1%eth0           | 7  | IPv6 address "fe80::1%eth0" has a zone, which only one host understands; leave it out
          [::1]                  | 0  | "[" does not belong into IPv6 address "[::1]"
          ::1/128                | 3  | "/" does not belong into IPv6 address "::1/128"
          '::1 '                 | 3  | " " does not belong into IPv6 address "::1 "
          ::1.2.3                | 7  | IPv4 address "1.2.3" has 3 of 4 numbers
          ::1.2.3.256            | 8  | number "256" of IPv4 address "1.2.3.256" exceeds 255
          ::01.2.3.4             | 2  | number "01" of IPv4 address "01.2.3.4" has a leading zero, which some programs read as octal
          ::a.2.3.4              | 2  | "a.2.3.4" is not an IP address (names are not looked up)
          ::1.2.3.4:5            | 9  | ":" does not belong into IPv4 address "1.2.3.4:5"
          1:2:3:4:5:1.2.3.4      | 17 | IPv6 address "1:2:3:4:5:1.2.3.4" has 7 of 8 groups
          1:2:3:4:5:6:7:1.2.3.4  | 14 | IPv6 address "1:2:3:4:5:6:7:1.2.3.4" has no room for a dotted quad of 32 bits here
          1:2:3:4:5:6::1.2.3.4   | 11 | IPv6 address "1:2:3:4:5:6::1.2.3.4" has all 8 groups, so nothing is left for "::"
          """)
  void refusesEverythingElse(String text, int column, String problem) {
    var refusal = catchThrowableOfType(MalformedValueException.class, () -> IpAddress.parse(text));
    assertThat(refusal).as(text).isNotNull().hasMessage(problem);
    assertThat(refusal.column()).isEqualTo(column);
    assertThat(refusal.input()).isEqualTo(text);
  }

  /** Fails if the parser writes beyond eight groups, or a message grows with its input. */
  @Test
  void refusesVeryLongInputWithAShortMessage() {
    for (String text :
        new String[] {
          ":".repeat(20_000),
          "1:".repeat(10_000),
          "::" + "0".repeat(20_000),
          "::1." + "1".repeat(20_000),
          "::1%" + "e".repeat(20_000)
        }) {
      var refusal =
          catchThrowableOfType(MalformedValueException.class, () -> IpAddress.parse(text));
      assertThat(refusal).isNotNull();
      assertThat(refusal.problem()).hasSizeLessThan(300);
      assertThat(refusal.pointed()).hasSizeLessThan(300);
    }
  }

  /** Fails if the parser or the formatter disagrees with the JDK's on any bit. */
  @Test
  void agreesWithTheJdkOnRandomAddresses() throws UnknownHostException {
    Random random = new Random(20_261_121);
    for (int i = 0; i < 20_000; i++) {
      byte[] bytes = randomBytesWithZeroRuns(random);
      // The scoped factory: the plain one turns IPv4-mapped addresses into IPv4 ones.
      String jdkText = Inet6Address.getByAddress(null, bytes, -1).getHostAddress();

      IpAddress fromJdkText = IpAddress.parse(jdkText);
      assertThat(fromJdkText.toBytes()).as(jdkText).isEqualTo(bytes);
      assertThat(IpAddress.fromBytes(bytes)).isEqualTo(fromJdkText);
      assertThat(fromJdkText).hasToString(compressed(jdkText));
      assertThat(IpAddress.parse(fromJdkText.toString())).as(jdkText).isEqualTo(fromJdkText);
    }
  }

  /** Fails if IPv4 output differs from the JDK's. */
  @Test
  void agreesWithTheJdkOnRandomIpv4Addresses() throws UnknownHostException {
    Random random = new Random(20_261_122);
    byte[] bytes = new byte[4];
    for (int i = 0; i < 20_000; i++) {
      random.nextBytes(bytes);
      String jdkText = InetAddress.getByAddress(bytes).getHostAddress();
      assertThat(IpAddress.fromBytes(bytes)).hasToString(jdkText);
      assertThat(IpAddress.parse(jdkText).toBytes()).isEqualTo(bytes);
    }
  }

  /** Fails if a boundary of one of the special blocks moves. */
  @ParameterizedTest
  @CsvSource({
    "::,                  any",
    "::1,                 loopback",
    "::2,                 -",
    "1::1,                -",
    "::ffff:127.0.0.1,    -",
    "fe7f:ffff::,         -",
    "fe80::,              linkLocal",
    "febf:ffff::1,        linkLocal",
    "fec0::,              -",
    "feff::,              -",
    "ff00::,              multicast",
    "ff02::1,             multicast"
  })
  void knowsTheSpecialBlocks(String text, String kind) {
    assertThat(KindOfAddress.of(IpAddress.parse(text))).isEqualTo(kind);
  }

  /** Fails if only one of the 96 leading bits is left unchecked. */
  @ParameterizedTest
  @CsvSource({
    "::ffff:192.0.2.1,   192.0.2.1",
    "::fffe:c000:201,    ::fffe:c000:201",
    "::1:ffff:c000:201,  ::1:ffff:c000:201",
    "1::ffff:c000:201,   1::ffff:c000:201",
    "::c000:201,         ::c000:201"
  })
  void unwrapsMappedAddressesAndNoOthers(String text, String unmapped) {
    Ip6Address address = Ip6Address.parse(text);
    assertThat(address.unmapped()).hasToString(unmapped);
    assertThat(address.isIpv4Mapped()).isEqualTo(!text.equals(unmapped));
  }

  /** Fails if a half is compared as a signed number, or the low half first. */
  @Test
  void ordersUnsigned() {
    assertThat(IpAddress.parse("7fff::")).isLessThan(IpAddress.parse("8000::"));
    assertThat(IpAddress.parse("::7fff:0:0:0")).isLessThan(IpAddress.parse("::8000:0:0:0"));
    assertThat(IpAddress.parse("1::")).isGreaterThan(IpAddress.parse("0:ffff::ffff"));
    assertThat(IpAddress.parse("1::1")).isEqualByComparingTo(IpAddress.parse("1::1"));
  }

  /** Fails if a mask is wrong where the halves meet. */
  @ParameterizedTest
  @CsvSource({
    "0,   ::,                    ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "1,   8000::,                ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "63,  a:b:c:c::,             a:b:c:d:ffff:ffff:ffff:ffff",
    "64,  a:b:c:d::,             a:b:c:d:ffff:ffff:ffff:ffff",
    "65,  a:b:c:d:8000::,        a:b:c:d:ffff:ffff:ffff:ffff",
    "127, a:b:c:d:8001:2:3:4,    a:b:c:d:8001:2:3:5",
    "128, a:b:c:d:8001:2:3:5,    a:b:c:d:8001:2:3:5"
  })
  void knowsTheBoundsOfItsPrefixes(int lengthBits, String first, String last) {
    IpAddress address = IpAddress.parse(lengthBits == 1 ? "8000::1" : "a:b:c:d:8001:2:3:5");
    assertThat(address.firstOfPrefix(lengthBits)).hasToString(first);
    assertThat(address.lastOfPrefix(lengthBits)).hasToString(last);
  }

  /** Fails if a length outside 0–128 is masked instead of refused. */
  @Test
  void refusesImpossibleLengths() {
    assertThatIllegalArgumentException().isThrownBy(() -> Ip6Address.ANY.firstOfPrefix(129));
    assertThatIllegalArgumentException().isThrownBy(() -> Ip6Address.ANY.lastOfPrefix(-1));
    assertThatIllegalArgumentException().isThrownBy(() -> Ip6Address.fromBytes(new byte[4]));
  }

  private static byte[] randomBytesWithZeroRuns(Random random) {
    byte[] bytes = new byte[16];
    random.nextBytes(bytes);
    for (int runs = random.nextInt(4); runs > 0; runs--) {
      int from = random.nextInt(16);
      Arrays.fill(bytes, from, from + random.nextInt(17 - from), (byte) 0);
    }
    if (random.nextInt(16) == 0) {
      Arrays.fill(bytes, 0, 10, (byte) 0);
      Arrays.fill(bytes, 10, 12, (byte) 0xff);
    }
    return bytes;
  }

  /** RFC 5952 by text replacement: slow, obvious, and nothing like the code under test. */
  private static String compressed(String eightGroups) {
    if (eightGroups.startsWith("0:0:0:0:0:ffff:")) {
      String[] groups = eightGroups.split(":", -1);
      int high = Integer.parseInt(groups[6], 16);
      int low = Integer.parseInt(groups[7], 16);
      return "::ffff:%d.%d.%d.%d".formatted(high >> 8, high & 255, low >> 8, low & 255);
    }
    String padded = ":" + eightGroups + ":";
    for (int zeros = 8; zeros >= 2; zeros--) {
      String run = ":" + "0:".repeat(zeros);
      int at = padded.indexOf(run);
      if (at >= 0) {
        String before = padded.substring(0, at);
        String behind = padded.substring(at + run.length());
        return (before.isEmpty() ? "" : before.substring(1))
            + "::"
            + (behind.isEmpty() ? "" : behind.substring(0, behind.length() - 1));
      }
    }
    return eightGroups;
  }
}
