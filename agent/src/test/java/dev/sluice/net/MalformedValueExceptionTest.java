package dev.sluice.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import org.junit.jupiter.api.Test;

/** How a mistake is shown. */
class MalformedValueExceptionTest {

  /** Fails if the caret is off by one. */
  @Test
  void pointsAtTheMistake() {
    assertThat(new MalformedValueException("8080:x", 5, "no").pointed())
        .isEqualTo("8080:x\n     ^");
    assertThat(new MalformedValueException("", 0, "no").pointed()).isEqualTo("\n^");
    assertThat(new MalformedValueException("80", 2, "no").pointed()).isEqualTo("80\n  ^");
  }

  /** Fails if the caret does not follow the cut of a long input. */
  @Test
  void cutsLongInputAroundTheMistake() {
    String input = "a".repeat(5_000) + "X" + "b".repeat(5_000);
    String[] lines = new MalformedValueException(input, 5_000, "no").pointed().split("\n", -1);
    assertThat(lines).hasSize(2);
    assertThat(lines[0]).startsWith("…aaa").endsWith("bbb…").hasSizeLessThan(70);
    assertThat(lines[0].charAt(lines[1].indexOf('^'))).isEqualTo('X');
  }

  /** Fails if a terminal's control sequence or a new line gets into a log. */
  @Test
  void masksControlCharacters() {
    assertThat(MalformedValueException.quote("a\u001b[31m\nb\u202ec"))
        .isEqualTo("\"a\uFFFD[31m\uFFFDb\uFFFDc\"");
    assertThat(new MalformedValueException("a\n\tb", 3, "no").pointed())
        .isEqualTo("a\uFFFD\uFFFDb\n   ^");
  }

  /** Fails if the length of a cut text is not given. */
  @Test
  void quotesLongTextInPart() {
    assertThat(MalformedValueException.quote("x".repeat(64))).isEqualTo('"' + "x".repeat(64) + '"');
    assertThat(MalformedValueException.quote("x".repeat(65)))
        .isEqualTo('"' + "x".repeat(64) + "…\" (65 characters)");
  }

  /** Fails if a mistake in a part is not moved to its place in the whole. */
  @Test
  void movesIntoTheTextAroundIt() {
    var inner = new MalformedValueException("x", 0, "port \"x\" is not a decimal number");
    var outer = inner.within("8080:x", 5);
    assertThat(outer.column()).isEqualTo(5);
    assertThat(outer.input()).isEqualTo("8080:x");
    assertThat(outer).hasMessage(inner.problem()).hasCause(inner);
  }

  /** Fails if a column outside the text is accepted. */
  @Test
  void refusesAColumnOutsideTheText() {
    assertThatExceptionOfType(IndexOutOfBoundsException.class)
        .isThrownBy(() -> new MalformedValueException("80", 3, "no"));
  }
}
