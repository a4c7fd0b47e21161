package dev.sluice.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Blocks of addresses. */
class PrefixTest {

  /** Fails if a bound is computed with the wrong mask. */
  @ParameterizedTest
  @CsvSource({
    "0.0.0.0/0,       0.0.0.0,     255.255.255.255",
    "10.0.0.0/8,      10.0.0.0,    10.255.255.255",
    "172.30.0.0/16,   172.30.0.0,  172.30.255.255",
    "192.0.2.4/31,    192.0.2.4,   192.0.2.5",
    "192.0.2.1/32,    192.0.2.1,   192.0.2.1",
    "::/0,            ::,          ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fd00::/8,        fd00::,      fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db8::/64,   2001:db8::,  2001:db8::ffff:ffff:ffff:ffff",
    "::1/128,         ::1,         ::1"
  })
  void readsAndWritesBlocks(String text, String first, String last) {
    Prefix prefix = Prefix.parse(text);
    assertThat(prefix).hasToString(text);
    assertThat(prefix.first()).hasToString(first);
    assertThat(prefix.last()).hasToString(last);
    assertThat(prefix.contains(prefix.first())).isTrue();
    assertThat(prefix.contains(prefix.last())).isTrue();
  }

  /** Fails if host bits pass, a length is read loosely, or the place is wrong. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''             | 0  | "" has no prefix length, such as /24
          10.0.0.0       | 8  | "10.0.0.0" has no prefix length, such as /24
          10.1.2.3/8     | 0  | 10.1.2.3/8 has bits set behind its length; the prefix is 10.0.0.0/8
          2001:db8::1/64 | 0  | 2001:db8::1/64 has bits set behind its length; the prefix is 2001:db8::/64
          10.0.0.0/      | 9  | prefix length "" is not in 0–32, as an IPv4 prefix needs
          10.0.0.0/33    | 9  | prefix length "33" is not in 0–32, as an IPv4 prefix needs
          ::/129         | 3  | prefix length "129" is not in 0–128, as an IPv6 prefix needs
          10.0.0.0/08    | 9  | prefix length "08" is not in 0–32, as an IPv4 prefix needs
          10.0.0.0/-8    | 9  | prefix length "-8" is not in 0–32, as an IPv4 prefix needs
          10.0.0.0/8/8   | 9  | prefix length "8/8" is not in 0–32, as an IPv4 prefix needs
          10.0.0.0/255.0.0.0 | 9 | prefix length "255.0.0.0" is not in 0–32, as an IPv4 prefix needs
          10/8           | 2  | IPv4 address "10" has 1 of 4 numbers
          /8             | 0  | an IP address is missing
          net/8          | 0  | "net" is not an IP address (names are not looked up)
          """)
  void refusesEverythingElse(String text, int column, String problem) {
    var refusal = catchThrowableOfType(MalformedValueException.class, () -> Prefix.parse(text));
    assertThat(refusal).as(text).isNotNull().hasMessage(problem);
    assertThat(refusal.column()).isEqualTo(column);
    assertThat(refusal.input()).isEqualTo(text);
  }

  /** Fails if a length of many digits overflows, or takes long. */
  @Test
  void refusesVeryLongLengths() {
    String text = "10.0.0.0/" + "4294967304".repeat(2_000);
    var refusal = catchThrowableOfType(MalformedValueException.class, () -> Prefix.parse(text));
    assertThat(refusal).isNotNull();
    assertThat(refusal.problem()).hasSizeLessThan(300);
  }

  /** Fails if the neighbours of a block are taken for members. */
  @Test
  void containsItsAddressesAndNoOthers() {
    Prefix prefix = Prefix.parse("172.30.0.0/16");
    assertThat(prefix.contains(IpAddress.parse("172.30.7.9"))).isTrue();
    assertThat(prefix.contains(IpAddress.parse("172.29.255.255"))).isFalse();
    assertThat(prefix.contains(IpAddress.parse("172.31.0.0"))).isFalse();
    assertThat(Prefix.parse("0.0.0.0/0").contains(IpAddress.parse("::"))).isFalse();
    assertThat(Prefix.parse("::/0").contains(IpAddress.parse("0.0.0.0"))).isFalse();
  }

  /** Fails if overlap is tested in one direction only. */
  @Test
  void overlapsWhatContainsItOrIsContained() {
    Prefix wide = Prefix.parse("10.0.0.0/8");
    Prefix narrow = Prefix.parse("10.1.0.0/16");
    assertThat(wide.contains(narrow)).isTrue();
    assertThat(narrow.contains(wide)).isFalse();
    assertThat(wide.overlaps(narrow)).isTrue();
    assertThat(narrow.overlaps(wide)).isTrue();
    assertThat(narrow.overlaps(Prefix.parse("10.2.0.0/16"))).isFalse();
  }

  /** Fails if the constructor takes an address inside a block for the block. */
  @Test
  void cannotBeMadeWithHostBits() {
    IpAddress address = IpAddress.parse("10.1.2.3");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Prefix(address, 8))
        .withMessageContaining("10.0.0.0/8");
    assertThat(Prefix.containing(address, 8)).isEqualTo(Prefix.parse("10.0.0.0/8"));
    assertThat(Prefix.of(address)).isEqualTo(Prefix.parse("10.1.2.3/32"));
  }

  /** Fails if a block is not found between its ends, or two addresses that are none make one. */
  @ParameterizedTest
  @CsvSource(
      nullValues = "-",
      value = {
        "0.0.0.0, 255.255.255.255, 0.0.0.0/0",
        "10.0.0.0, 10.255.255.255, 10.0.0.0/8",
        "192.0.2.1, 192.0.2.1, 192.0.2.1/32",
        "192.0.2.4, 192.0.2.5, 192.0.2.4/31",
        "192.0.2.5, 192.0.2.6, -",
        "192.0.2.4, 192.0.2.6, -",
        "192.0.2.6, 192.0.2.4, -",
        "10.0.0.1, 10.255.255.255, -",
        "::, ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff, ::/0",
        "2001:db8::, 2001:db8::ffff:ffff:ffff:ffff, 2001:db8::/64",
        "::1, ::1, ::1/128",
        "::1, ::2, -",
        "0.0.0.0, ::, -"
      })
  void findsTheBlockBetweenTwoAddresses(String first, String last, @Nullable String block) {
    assertThat(Prefix.between(IpAddress.parse(first), IpAddress.parse(last)))
        .isEqualTo(Optional.ofNullable(block).map(Prefix::parse));
  }

  /** Fails if one address is no block, or a block is read more loosely than elsewhere. */
  @Test
  void readsOneAddressAsABlock() {
    assertThat(Prefix.parseBlock("10.1.2.3")).hasToString("10.1.2.3/32");
    assertThat(Prefix.parseBlock("fd00::1")).hasToString("fd00::1/128");
    assertThat(Prefix.parseBlock("10.0.0.0/8")).isEqualTo(Prefix.parse("10.0.0.0/8"));
    for (String text : List.of("", "10.1.2.3/8", "10.1.2", "10.0.0.0/", "none", "[::1]")) {
      assertThat(catchThrowableOfType(MalformedValueException.class, () -> Prefix.parseBlock(text)))
          .as(text)
          .isNotNull();
    }
  }

  /** Fails if the length decides before the address. */
  @Test
  void ordersByAddressThenWidestFirst() {
    assertThat(Prefix.parse("10.0.0.0/8")).isLessThan(Prefix.parse("10.0.0.0/16"));
    assertThat(Prefix.parse("10.0.0.0/16")).isLessThan(Prefix.parse("11.0.0.0/8"));
  }
}
