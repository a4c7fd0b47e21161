package dev.sluice.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Ports and ranges of them. */
class PortRangeTest {

  /** Fails if the last port is not counted in, or a bound is refused. */
  @ParameterizedTest
  @CsvSource({
    "1,          1,     1,     1,     1",
    "80,         80,    80,    1,     80",
    "65535,      65535, 65535, 1,     65535",
    "0080,       80,    80,    1,     80",
    "8000-8010,  8000,  8010,  11,    8000-8010",
    "1-65535,    1,     65535, 65535, 1-65535",
    "8000-8000,  8000,  8000,  1,     8000"
  })
  void readsAndWritesRanges(String text, int first, int last, int size, String canonical) {
    PortRange range = PortRange.parse(text);
    assertThat(range).isEqualTo(PortRange.of(first, last)).hasToString(canonical);
    assertThat(range.size()).isEqualTo(size);
    assertThat(range.isSingle()).isEqualTo(size == 1);
  }

  /** Fails if a check is removed, or a column is counted from the part instead of the whole. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''            | 0 | a port number is missing
          0             | 0 | port "0" is not in 1–65535
          65536         | 0 | port "65536" is not in 1–65535
          70000         | 0 | port "70000" is not in 1–65535
          4294967376    | 0 | port "4294967376" is not in 1–65535
          http          | 0 | port "http" is not a decimal number
          0x50          | 0 | port "0x50" is not a decimal number
          +80           | 0 | port "+80" is not a decimal number
          ' 80'         | 0 | port " 80" is not a decimal number
          ٨٠            | 0 | port "٨٠" is not a decimal number
          -80           | 0 | port range "-80" has no first port
          -             | 0 | port range "-" has no first port
          80-           | 3 | a port number is missing
          80-90-100     | 3 | port "90-100" is not a decimal number
          80--90        | 3 | port "-90" is not a decimal number
          0-10          | 0 | port "0" is not in 1–65535
          65530-65536   | 6 | port "65536" is not in 1–65535
          90-80         | 0 | port range 90-80 ends before it begins
          """)
  void refusesEverythingElse(String text, int column, String problem) {
    var refusal = catchThrowableOfType(MalformedValueException.class, () -> PortRange.parse(text));
    assertThat(refusal).as(text).isNotNull().hasMessage(problem);
    assertThat(refusal.column()).isEqualTo(column);
    assertThat(refusal.input()).isEqualTo(text);
  }

  /** Fails if a number of many digits overflows into a port. */
  @Test
  void refusesVeryLongInputWithAShortMessage() {
    for (String text :
        new String[] {"9".repeat(20_000), "-".repeat(20_000), "1-" + "x".repeat(20_000)}) {
      var refusal =
          catchThrowableOfType(MalformedValueException.class, () -> PortRange.parse(text));
      assertThat(refusal).isNotNull();
      assertThat(refusal.problem()).hasSizeLessThan(300);
    }
  }

  /** Fails if a bound is exclusive. */
  @Test
  void containsItsPortsAndNoOthers() {
    PortRange range = PortRange.of(10, 20);
    assertThat(range.contains(9)).isFalse();
    assertThat(range.contains(10)).isTrue();
    assertThat(range.contains(20)).isTrue();
    assertThat(range.contains(21)).isFalse();
    assertThat(range.contains(PortRange.of(10, 20))).isTrue();
    assertThat(range.contains(PortRange.of(9, 20))).isFalse();
    assertThat(range.contains(PortRange.of(10, 21))).isFalse();
  }

  /** Fails if ranges that only touch are said to overlap, or nested ones not to. */
  @Test
  void overlapsWhereAPortIsShared() {
    PortRange range = PortRange.of(10, 20);
    assertThat(range.overlaps(PortRange.of(20, 30))).isTrue();
    assertThat(range.overlaps(PortRange.of(1, 10))).isTrue();
    assertThat(range.overlaps(PortRange.of(12, 13))).isTrue();
    assertThat(range.overlaps(PortRange.of(1, 100))).isTrue();
    assertThat(range.overlaps(PortRange.of(21, 30))).isFalse();
    assertThat(range.overlaps(PortRange.of(1, 9))).isFalse();
  }

  /** Fails if the constructor stops checking. */
  @Test
  void cannotBeMadeOfImpossiblePorts() {
    assertThatIllegalArgumentException().isThrownBy(() -> PortRange.of(0));
    assertThatIllegalArgumentException().isThrownBy(() -> PortRange.of(1, 65_536));
    assertThatIllegalArgumentException().isThrownBy(() -> PortRange.of(2, 1));
    assertThatIllegalArgumentException().isThrownBy(() -> Port.check(-1));
    assertThat(Port.check(65_535)).isEqualTo(65_535);
  }

  /** Fails if the last port decides before the first. */
  @Test
  void ordersByFirstPort() {
    assertThat(PortRange.of(1, 9)).isLessThan(PortRange.of(2, 3));
    assertThat(PortRange.of(1, 9)).isGreaterThan(PortRange.of(1, 3));
  }
}
