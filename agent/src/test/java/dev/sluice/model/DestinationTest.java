package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code --to} and {@code "target"} may be. */
class DestinationTest {
  /** Fails if addresses are taken for names, or names for addresses. */
  @Test
  void is_addresses_or_a_sandbox() {
    assertThat(Destination.parse(List.of("172.30.0.2", "fd00::2")))
        .isEqualTo(
            new Destination(
                List.of(IpAddress.parse("172.30.0.2"), IpAddress.parse("fd00::2")),
                Optional.empty()));
    for (String name : List.of("web", "db.1", "10.0.0.2x", "fd00", "a-b_c")) {
      assertThat(Destination.parse(List.of(name)))
          .isEqualTo(new Destination(List.of(), Optional.of(new SandboxName(name))));
    }
    assertThat(Destination.parse(List.of())).isEqualTo(Destination.NONE);
    assertThat(Destination.NONE.isNone()).isTrue();
  }

  /** Fails if a mistyped address is looked for as a sandbox, which nobody would understand. */
  @ParameterizedTest
  @ValueSource(
      strings = {"10.0.0.300", "10.0.0", "10.0.0.0/8", "fd00::zz", "[::1]", "1.2.3.4:80", ""})
  void a_mistyped_address_is_no_name(String text) {
    assertThatThrownBy(() -> Destination.parse(List.of(text)))
        .isInstanceOf(MalformedValueException.class)
        .hasMessageNotContaining("sandbox");
  }

  /** Fails if what can be neither is let through. */
  @ParameterizedTest
  @ValueSource(strings = {"../web", "we b", "-web", "wëb"})
  void what_is_neither_is_refused(String text) {
    assertThatThrownBy(() -> Destination.parse(List.of(text)))
        .isInstanceOf(MalformedValueException.class)
        .hasMessageContaining("sandbox name");
  }

  /** Fails if one of two containers is forgotten. */
  @Test
  void a_sandbox_stands_alone() {
    for (List<String> both : List.of(List.of("web", "10.0.0.2"), List.of("web", "db"))) {
      assertThatThrownBy(() -> Destination.parse(both))
          .isInstanceOf(InvalidMappingException.class)
          .hasMessage(
              "ports lead either to addresses or to one sandbox: give web alone, or addresses"
                  + " alone");
    }
  }
}
