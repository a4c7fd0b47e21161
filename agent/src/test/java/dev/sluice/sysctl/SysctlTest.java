package dev.sluice.sysctl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kernel parameters: read, set, and remembered. */
class SysctlTest {
  private Path root = Path.of("/nowhere");
  private Sysctl sysctl = new Sysctl(root);

  @BeforeEach
  void parameters(@TempDir Path directory) throws IOException {
    root = directory;
    Files.createDirectories(root.resolve("net/ipv4"));
    Files.writeString(root.resolve("net/ipv4/ip_forward"), "0\n");
    sysctl = new Sysctl(root);
  }

  /** Fails if the newline is kept, or a missing parameter is an error. */
  @Test
  void readsWithoutTheNewline() {
    assertThat(sysctl.get("net/ipv4/ip_forward")).contains("0");
    assertThat(sysctl.get("net/ipv6/conf/all/forwarding")).isEmpty();
  }

  /** Fails if a change is not written or not remembered. */
  @Test
  void setsAndRemembersWhatItWas() throws IOException {
    assertThat(sysctl.set("net/ipv4/ip_forward", "1")).isTrue();
    assertThat(Files.readString(root.resolve("net/ipv4/ip_forward"))).isEqualTo("1\n");
    assertThat(sysctl.changes())
        .containsExactly(new Sysctl.Changed("net/ipv4/ip_forward", "0", "1"))
        .first()
        .hasToString("net/ipv4/ip_forward: 0 → 1");
  }

  /** Fails if a parameter that has the value already is written or reported. */
  @Test
  void whatIsRightIsLeftAlone() {
    assertThat(sysctl.set("net/ipv4/ip_forward", "0")).isFalse();
    assertThat(sysctl.changes()).isEmpty();
  }

  /** Fails if the second change forgets the value found first. */
  @Test
  void theFirstValueFoundIsTheOneToGoBackTo() {
    sysctl.set("net/ipv4/ip_forward", "1");
    sysctl.set("net/ipv4/ip_forward", "2");
    assertThat(sysctl.changes())
        .containsExactly(new Sysctl.Changed("net/ipv4/ip_forward", "0", "2"));
  }

  /** Fails if an unknown parameter is created as a file, or the message names no parameter. */
  @Test
  void aParameterTheKernelLacksIsNamed() {
    assertThatThrownBy(() -> sysctl.set("net/ipv4/nonsense", "1"))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessage("this kernel has no parameter net/ipv4/nonsense");
    assertThat(root.resolve("net/ipv4/nonsense")).doesNotExist();
  }

  /** Fails if a value the kernel refuses counts as set. */
  @Test
  void aRefusalIsASentenceAndNoChange() {
    Sysctl real = new Sysctl();
    assertThatThrownBy(() -> real.set("kernel/ostype", "BSD"))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageStartingWith("cannot set the kernel parameter kernel/ostype to BSD: ");
    assertThat(real.changes()).isEmpty();
  }
}
