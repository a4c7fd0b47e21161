package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

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
            Destination.of(List.of(IpAddress.parse("172.30.0.2"), IpAddress.parse("fd00::2"))));
    for (String name : List.of("web", "db.1", "10.0.0.2x", "fd00", "a-b_c")) {
      assertThat(Destination.parse(List.of(name))).isEqualTo(Destination.of(new SandboxName(name)));
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

  /** Fails if a weight is not read, or one that is none is. */
  @Test
  void several_share_the_connections() {
    Destination several = Destination.parse(List.of("web1", "172.30.0.3=4", "fd00::3=60"));
    assertThat(several).hasToString("web1 and 172.30.0.3=4 and fd00::3=60");
    assertThat(several.all()).extracting(Destination.Aim::weight).containsExactly(1, 4, 60);
    assertThat(Destination.parse(List.of(several.toString().split(" and ")))).isEqualTo(several);
    for (String wrong :
        List.of("web=", "web=0", "web=61", "web=1x", "web=01", "web=-1", "web=3=2")) {
      assertThatThrownBy(() -> Destination.parse(List.of(wrong)))
          .as(wrong)
          .isInstanceOf(MalformedValueException.class)
          .hasMessageContaining("no weight from 1 to 60");
    }
  }

  /** Fails if one of two containers is forgotten, or gets twice as much by mistake. */
  @Test
  void nobody_is_named_twice() {
    for (List<String> twice :
        List.of(List.of("web", "db", "web=2"), List.of("::ffff:10.0.0.2", "10.0.0.2"))) {
      assertThatThrownBy(() -> Destination.parse(twice))
          .isInstanceOf(InvalidMappingException.class)
          .hasMessageEndingWith(
              " is named twice: give it once, with a weight if it is to get more");
    }
  }

  /** Fails if containers are not kept apart by family, or a sandbox loses its name. */
  @Test
  void is_the_containers_of_each_family() {
    Destination to =
        Destination.parse(List.of("10.0.0.9", "web=2")).with(Optional.of(Balance.SOURCE));
    assertThat(to.resolve(name -> List.of(IpAddress.parse("10.0.0.2"), IpAddress.parse("fd00::2"))))
        .extracting(Backends::toString, Backends::balance)
        .containsExactly(
            tuple("10.0.0.9 and 10.0.0.2=2", Balance.SOURCE), tuple("fd00::2=2", Balance.SOURCE));
  }
}
