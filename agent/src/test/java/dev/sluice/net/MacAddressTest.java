package dev.sluice.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MacAddressTest {
  /** Fails if the octets change their order. */
  @Test
  void textBytesAndBitsAreOneAddress() {
    MacAddress address = MacAddress.parse("02:42:ac:11:00:Fe");

    assertThat(address.bits()).isEqualTo(0x0242_ac11_00feL);
    assertThat(address.toBytes()).containsExactly(0x02, 0x42, 0xac, 0x11, 0x00, 0xfe);
    assertThat(MacAddress.fromBytes(address.toBytes())).isEqualTo(address);
    assertThat(address).hasToString("02:42:ac:11:00:fe");
    assertThat(new MacAddress(0)).hasToString("00:00:00:00:00:00");
  }

  /** Fails if the bit is looked for in another octet. */
  @Test
  void aGroupAddressIsToldByTheLowestBitOfItsFirstOctet() {
    assertThat(MacAddress.parse("01:00:5e:00:00:01").isMulticast()).isTrue();
    assertThat(MacAddress.parse("ff:ff:ff:ff:ff:ff").isMulticast()).isTrue();
    assertThat(MacAddress.parse("02:01:01:01:01:01").isMulticast()).isFalse();
  }

  /** Fails if addresses are ordered as signed numbers. */
  @Test
  void addressesAreOrderedOctetByOctet() {
    assertThat(MacAddress.parse("80:00:00:00:00:00"))
        .isGreaterThan(MacAddress.parse("7f:ff:ff:ff:ff:ff"));
  }

  /** Fails if another form is taken, or the column is not where the mistake is. */
  @ParameterizedTest
  @CsvSource({
    "'', 0",
    "02, 2",
    "02-42-ac-11-00-02, 2",
    "2:42:ac:11:00:02, 1",
    "02:42:ac:11:00:0g, 16",
    "02:42:ac:11:00:0, 16",
    "02:42:ac:11:00:02:, 17",
    "02:42:ac:11:00:02:03, 17",
    "0242ac110002, 2",
    "٠2:42:ac:11:00:02, 0",
  })
  void otherTextIsRefused(String text, int column) {
    assertThatThrownBy(() -> MacAddress.parse(text))
        .isInstanceOfSatisfying(
            MalformedValueException.class, e -> assertThat(e.column()).isEqualTo(column))
        .hasMessageContaining("is not a hardware address such as 02:42:ac:11:00:02");
  }

  /** Fails if bytes or bits that are no address are taken. */
  @ParameterizedTest
  @ValueSource(ints = {0, 5, 7, 8})
  void otherLengthsAreRefused(int length) {
    assertThatThrownBy(() -> MacAddress.fromBytes(new byte[length]))
        .hasMessage("a hardware address has 6 bytes: bytes.length=" + length);
    assertThatThrownBy(() -> new MacAddress(1L << 48))
        .hasMessage("a hardware address has 48 bits: bits=0x1000000000000");
  }
}
