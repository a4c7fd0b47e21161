package dev.sluice.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Names and numbers of protocols. */
class ProtocolTest {

  /** Fails if a number differs from IANA's (the same as in /etc/protocols). */
  @ParameterizedTest
  @CsvSource({
    "tcp, 6, true",
    "udp, 17, true",
    "sctp, 132, true",
    "icmp, 1, false",
    "icmpv6, 58, false"
  })
  void hasTheNumberOfIana(String name, int number, boolean hasPorts) {
    Protocol protocol = Protocol.parse(name);
    assertThat(protocol.number()).isEqualTo(number);
    assertThat(protocol.hasPorts()).isEqualTo(hasPorts);
    assertThat(protocol).hasToString(name);
    assertThat(Protocol.ofNumber(number)).contains(protocol);
    assertThat(Protocol.nameOf(number)).isEqualTo(name);
  }

  /** Fails if reading depends on case. */
  @Test
  void readsNamesInAnyCase() {
    assertThat(Protocol.parse("UdP")).isEqualTo(Protocol.UDP);
  }

  /** Fails if an unknown number is mistaken for a known protocol. */
  @Test
  void keepsUnknownNumbersAsNumbers() {
    assertThat(Protocol.ofNumber(47)).isEmpty();
    assertThat(Protocol.nameOf(47)).isEqualTo("47");
  }

  /** Fails if another alphabet's look-alike folds into a name (U+017F upper-cases to S). */
  @ParameterizedTest
  @ValueSource(strings = {"", "tcp ", "6", "dccp", "\u017fctp"})
  void refusesOtherNames(String text) {
    assertThatExceptionOfType(MalformedValueException.class)
        .isThrownBy(() -> Protocol.parse(text))
        .withMessage("protocol \"" + text + "\" is none of tcp, udp, sctp, icmp, icmpv6");
  }

  /** Fails if a family has another length. */
  @Test
  void familiesKnowTheirLength() {
    assertThat(Family.IPV4.bits()).isEqualTo(32);
    assertThat(Family.IPV6.bits()).isEqualTo(128);
    assertThat(Family.IPV6.bytes()).isEqualTo(16);
    assertThat(Family.IPV4).hasToString("ipv4");
    assertThat(Family.IPV6.title()).isEqualTo("IPv6");
    assertThat(IpAddress.any(Family.IPV4)).hasToString("0.0.0.0");
    assertThat(IpAddress.any(Family.IPV6)).hasToString("::");
  }
}
