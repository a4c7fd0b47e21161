package dev.sluice.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The dotted quad, strictly. */
class Ip4AddressTest {

  /** Fails if octets are shifted in from the wrong side. */
  @ParameterizedTest
  @CsvSource({
    "0.0.0.0, 0",
    "255.255.255.255, -1",
    "1.2.3.4, 0x01020304",
    "127.0.0.1, 0x7f000001",
    "10.0.0.255, 0x0a0000ff",
    "192.168.100.200, -1062705976"
  })
  void readsAndWritesFourDecimalNumbers(String text, String bits) {
    Ip4Address address = Ip4Address.parse(text);
    assertThat(address.bits()).isEqualTo(Integer.decode(bits));
    assertThat(address).hasToString(text);
    assertThat(IpAddress.parse(text)).isEqualTo(address);
  }

  /** Fails if any of the checks in parse is removed, or reports another place. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''              | 0  | an IP address is missing
          0x7f            | 1  | "x" does not belong into IPv4 address "0x7f"
          0x7f.0.0.1      | 1  | "x" does not belong into IPv4 address "0x7f.0.0.1"
          1.2.3           | 5  | IPv4 address "1.2.3" has 3 of 4 numbers
          127.1           | 5  | IPv4 address "127.1" has 2 of 4 numbers
          2130706433      | 0  | number "2130706433" of IPv4 address "2130706433" exceeds 255
          1.2.3.          | 6  | IPv4 address "1.2.3." ends where a number must follow
          1..2.3          | 2  | "." does not belong into IPv4 address "1..2.3"
          1.2.3.4.5       | 7  | IPv4 address "1.2.3.4.5" goes on after 4 numbers
          1.2.3.4.        | 7  | IPv4 address "1.2.3.4." goes on after 4 numbers
          1.2.3.256       | 6  | number "256" of IPv4 address "1.2.3.256" exceeds 255
          1.2.4294967297.4| 4  | number "4294967297" of IPv4 address "1.2.4294967297.4" exceeds 255
          01.2.3.4        | 0  | number "01" of IPv4 address "01.2.3.4" has a leading zero, which some programs read as octal
          1.2.3.00        | 6  | number "00" of IPv4 address "1.2.3.00" has a leading zero, which some programs read as octal
          1.2.3.4x        | 7  | "x" does not belong into IPv4 address "1.2.3.4x"
          '1.2.3.4 '      | 7  | " " does not belong into IPv4 address "1.2.3.4 "
          ' 1.2.3.4'      | 0  | " 1.2.3.4" is not an IP address (names are not looked up)
          1.2.3.-4        | 6  | "-" does not belong into IPv4 address "1.2.3.-4"
          +1.2.3.4        | 0  | "+1.2.3.4" is not an IP address (names are not looked up)
          1.2.3.4/32      | 7  | "/" does not belong into IPv4 address "1.2.3.4/32"
          1.2.3.٤         | 6  | "٤" does not belong into IPv4 address "1.2.3.٤"
          localhost       | 0  | "localhost" is not an IP address (names are not looked up)
          """)
  void refusesEverythingElse(String text, int column, String problem) {
    var refusal = catchThrowableOfType(MalformedValueException.class, () -> IpAddress.parse(text));
    assertThat(refusal).as(text).isNotNull().hasMessage(problem);
    assertThat(refusal.column()).isEqualTo(column);
    assertThat(refusal.input()).isEqualTo(text);
  }

  /** Fails if a number of many digits overflows into a valid one, or a message grows with input. */
  @Test
  void refusesVeryLongInputWithAShortMessage() {
    for (String text :
        new String[] {
          "1".repeat(20_000), "0".repeat(20_000), "1.".repeat(10_000), "a".repeat(20_000)
        }) {
      var refusal =
          catchThrowableOfType(MalformedValueException.class, () -> IpAddress.parse(text));
      assertThat(refusal).isNotNull();
      assertThat(refusal.problem()).hasSizeLessThan(300);
      assertThat(refusal.pointed()).hasSizeLessThan(300);
    }
  }

  /** Fails if bytes are written or read in host order. */
  @Test
  void convertsToAndFromNetworkByteOrder() {
    byte[] bytes = {(byte) 192, 0, 2, (byte) 255};
    assertThat(Ip4Address.parse("192.0.2.255").toBytes()).isEqualTo(bytes);
    assertThat(IpAddress.fromBytes(bytes)).isEqualTo(Ip4Address.parse("192.0.2.255"));
    assertThatIllegalArgumentException().isThrownBy(() -> IpAddress.fromBytes(new byte[5]));
    assertThatIllegalArgumentException().isThrownBy(() -> Ip4Address.fromBytes(new byte[16]));
  }

  /** Fails if a boundary of one of the special blocks moves by one address. */
  @ParameterizedTest
  @CsvSource({
    "0.0.0.0,         any",
    "0.0.0.1,         -",
    "126.255.255.255, -",
    "127.0.0.0,       loopback",
    "127.255.255.255, loopback",
    "128.0.0.0,       -",
    "169.253.255.255, -",
    "169.254.0.0,     linkLocal",
    "169.254.255.255, linkLocal",
    "169.255.0.0,     -",
    "223.255.255.255, -",
    "224.0.0.0,       multicast",
    "239.255.255.255, multicast",
    "240.0.0.0,       -",
    "255.255.255.255, -"
  })
  void knowsTheSpecialBlocks(String text, String kind) {
    assertThat(KindOfAddress.of(IpAddress.parse(text))).isEqualTo(kind);
  }

  /** Fails if addresses above 127.255.255.255 sort as negative numbers. */
  @Test
  void ordersUnsignedAndBeforeIpv6() {
    IpAddress low = IpAddress.parse("1.0.0.0");
    IpAddress high = IpAddress.parse("200.0.0.0");
    assertThat(low).isLessThan(high);
    assertThat(high).isGreaterThan(low).isEqualByComparingTo(IpAddress.parse("200.0.0.0"));
    assertThat(high).isLessThan(IpAddress.parse("::"));
    assertThat(IpAddress.parse("::")).isGreaterThan(high);
  }

  /** Fails if a shift by 32, which shifts by nothing, is taken for one that clears. */
  @ParameterizedTest
  @CsvSource({
    "0,  0.0.0.0,       255.255.255.255",
    "1,  128.0.0.0,     255.255.255.255",
    "8,  203.0.0.0,     203.255.255.255",
    "31, 203.0.113.200, 203.0.113.201",
    "32, 203.0.113.201, 203.0.113.201"
  })
  void knowsTheBoundsOfItsPrefixes(int lengthBits, String first, String last) {
    IpAddress address = IpAddress.parse("203.0.113.201");
    assertThat(address.firstOfPrefix(lengthBits)).hasToString(first);
    assertThat(address.lastOfPrefix(lengthBits)).hasToString(last);
  }

  /** Fails if a length outside 0–32 is masked instead of refused. */
  @Test
  void refusesImpossiblePrefixLengths() {
    IpAddress address = IpAddress.parse("203.0.113.201");
    assertThatIllegalArgumentException().isThrownBy(() -> address.firstOfPrefix(33));
    assertThatIllegalArgumentException().isThrownBy(() -> address.lastOfPrefix(-1));
  }
}
