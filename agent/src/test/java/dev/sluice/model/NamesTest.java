package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Prefix;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Names, ids, interfaces and networks. */
class NamesTest {

  /** Fails if a character of Docker's rule is missing. */
  @ParameterizedTest
  @ValueSource(strings = {"web", "W", "0", "a_b.c-d", "9-", "Az09"})
  void takesDockersNames(String text) {
    assertThat(new MappingName(text)).hasToString(text);
  }

  /** Fails if a character outside the rule passes, or the place is wrong. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''    | 0 | the name is empty
          _web  | 0 | name "_web" must begin with a letter a–z, A–Z or a digit
          -web  | 0 | name "-web" must begin with a letter a–z, A–Z or a digit
          .     | 0 | name "." must begin with a letter a–z, A–Z or a digit
          a b   | 1 | name "a b" may hold only letters a–z, A–Z, digits, "_", "." and "-"
          web/1 | 3 | name "web/1" may hold only letters a–z, A–Z, digits, "_", "." and "-"
          wéb   | 1 | name "wéb" may hold only letters a–z, A–Z, digits, "_", "." and "-"
          éb    | 0 | name "éb" must begin with a letter a–z, A–Z or a digit
          """)
  void refusesOtherNames(String text, int column, String problem) {
    var refusal = catchThrowableOfType(MalformedValueException.class, () -> new MappingName(text));
    assertThat(refusal).as(text).isNotNull().hasMessage(problem);
    assertThat(refusal.column()).isEqualTo(column);
  }

  /** Fails if the limit is off by one. */
  @Test
  void limitsTheLengthOfNames() {
    assertThat(new MappingName("a".repeat(64)).text()).hasSize(64);
    var refusal =
        catchThrowableOfType(MalformedValueException.class, () -> new MappingName("a".repeat(65)));
    assertThat(refusal).isNotNull();
    assertThat(refusal.column()).isEqualTo(64);
    assertThatExceptionOfType(MalformedValueException.class)
        .isThrownBy(() -> new MappingName("a".repeat(20_000)))
        .satisfies(e -> assertThat(e.problem()).hasSizeLessThan(200));
  }

  /** Fails if leading zeros are dropped or the sign of the number shows. */
  @ParameterizedTest
  @CsvSource({
    "0,  0000000000000000",
    "1,  0000000000000001",
    "-1, ffffffffffffffff",
    "81985529216486895, 0123456789abcdef"
  })
  void writesIdsAsSixteenDigits(long bits, String text) {
    assertThat(new MappingId(bits)).hasToString(text).isEqualTo(MappingId.parse(text));
  }

  /** Fails if another length, case or alphabet passes. */
  @ParameterizedTest
  @CsvSource({
    "'', 0",
    "0123456789abcde, 15",
    "0123456789abcdef0, 16",
    "0123456789ABCDEF, 10",
    "-123456789abcdef, 0",
    "0123456789abcdeg, 15"
  })
  void refusesOtherIds(String text, int column) {
    var refusal = catchThrowableOfType(MalformedValueException.class, () -> MappingId.parse(text));
    assertThat(refusal).as(text).isNotNull();
    assertThat(refusal.column()).isEqualTo(column);
  }

  /** Fails if ids are drawn from less than about 40 bits. */
  @Test
  void drawsIdsThatDiffer() {
    Set<MappingId> ids = new HashSet<>();
    for (int i = 0; i < 10_000; i++) {
      ids.add(MappingId.random());
    }
    assertThat(ids).hasSize(10_000);
  }

  /** Fails if a name in output cannot be read back. */
  @Test
  void readsEveryOwner() {
    for (Owner owner : Owner.values()) {
      assertThat(Owner.parse(owner.toString())).isEqualTo(owner);
    }
    assertThatExceptionOfType(MalformedValueException.class)
        .isThrownBy(() -> Owner.parse("CLI"))
        .withMessage("owner \"CLI\" is none of cli, api, docker, docker-driver, cni, file");
  }

  /** Fails if an interface that Linux can have is refused. */
  @ParameterizedTest
  @ValueSource(
      strings = {"lo", "eth0", "br-0123456789ab", "eth0.100", "a", "...", "wlp0s20f3", "ä@x"})
  void takesInterfaceNames(String text) {
    assertThat(new InterfaceName(text)).hasToString(text);
  }

  /**
   * Fails if a name passes that {@code ip link add} refuses. The à is C3 A0 in UTF-8, and the
   * kernel takes the byte A0 for a space.
   */
  @ParameterizedTest
  @CsvSource({
    "'', 0",
    "., 0",
    ".., 0",
    "a/b, 1",
    "a:b, 1",
    "'a b', 1",
    "'eth0\t', 4",
    "xà, 1",
    "0123456789abcdef, 15",
    "äöüäöüäö, 7"
  })
  void refusesOtherInterfaceNames(String text, int column) {
    var refusal =
        catchThrowableOfType(MalformedValueException.class, () -> new InterfaceName(text));
    assertThat(refusal).as(text).isNotNull();
    assertThat(refusal.column()).isEqualTo(column);
  }

  /** Fails if a network can be made whose containers could not be told apart. */
  @Test
  void networksNeedSubnetsThatDoNotOverlap() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> network("net"))
        .withMessage("network net needs a subnet");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> network("net", "10.0.0.0/8", "fd00::/64", "10.1.0.0/16"))
        .withMessage("subnets 10.0.0.0/8 and 10.1.0.0/16 of network net overlap");
    assertThatExceptionOfType(MalformedValueException.class)
        .isThrownBy(() -> network("-", "10.0.0.0/8"));
    assertThat(network("net", "10.0.0.0/8", "fd00::/64").subnets()).hasSize(2);
  }

  /** Fails if a source that no packet can have, or an ambiguous one, passes. */
  @Test
  void fixedSourcesAreOnePerFamily() {
    assertThat(fixed("192.0.2.1", "2001:db8::1").addresses()).hasSize(2);
    assertThatIllegalArgumentException().isThrownBy(() -> fixed());
    assertThatIllegalArgumentException().isThrownBy(() -> fixed("192.0.2.1", "192.0.2.2"));
    assertThatIllegalArgumentException().isThrownBy(() -> fixed("0.0.0.0"));
    assertThatIllegalArgumentException().isThrownBy(() -> fixed("ff02::1"));
  }

  private static Network network(String name, String... subnets) {
    return new Network(
        name,
        new InterfaceName("br0"),
        List.of(subnets).stream().map(Prefix::parse).toList(),
        new Egress.Masquerade());
  }

  private static Egress.FixedSource fixed(String... addresses) {
    return new Egress.FixedSource(List.of(addresses).stream().map(IpAddress::parse).toList());
  }
}
