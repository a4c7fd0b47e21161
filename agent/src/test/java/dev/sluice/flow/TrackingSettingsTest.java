package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The kernel's settings, played by files. */
class TrackingSettingsTest {
  private final Path directory;

  TrackingSettingsTest(@TempDir Path directory) {
    this.directory = directory;
  }

  private void setting(String name, String value) throws IOException {
    Files.writeString(directory.resolve(name), value + "\n");
  }

  /** Fails if a setting is not made, or one that was right is told as changed. */
  @Test
  void whatIsNotSetIsSetAndRemembered() throws IOException {
    setting("nf_conntrack_events", "2");
    setting("nf_conntrack_acct", "0");
    setting("nf_conntrack_timestamp", "1");
    TrackingSettings settings = TrackingSettings.apply(directory);
    assertThat(settings.changes().stream().map(Object::toString))
        .containsExactly("nf_conntrack_events: 2 → 1", "nf_conntrack_acct: 0 → 1");
    assertThat(settings.missing()).isEmpty();
    for (String name : new String[] {"events", "acct", "timestamp"}) {
      assertThat(directory.resolve("nf_conntrack_" + name)).hasContent("1");
    }
    assertThat(TrackingSettings.apply(directory).changes()).isEmpty();
  }

  /** Fails if a setting is not put back, or one that somebody else has changed meanwhile. */
  @Test
  void whatWasSetIsPutBack() throws IOException {
    setting("nf_conntrack_events", "2");
    setting("nf_conntrack_acct", "0");
    setting("nf_conntrack_timestamp", "1");
    TrackingSettings settings = TrackingSettings.apply(directory);
    setting("nf_conntrack_acct", "3");
    settings.restore(directory);
    assertThat(directory.resolve("nf_conntrack_events")).hasContent("2");
    assertThat(directory.resolve("nf_conntrack_acct")).hasContent("3");
    assertThat(directory.resolve("nf_conntrack_timestamp")).hasContent("1");
  }

  /** Fails if a kernel without connection tracking is not told from one with it. */
  @Test
  void aKernelWithoutTrackingIsRefusedWithTheRemedy() {
    assertThatThrownBy(() -> TrackingSettings.apply(directory))
        .isInstanceOf(TrackingUnavailableException.class)
        .hasMessage(
            "connection tracking is not available: there is no "
                + directory.resolve("nf_conntrack_events")
                + "; load it with \"modprobe nf_conntrack\", or use a kernel that has it");
  }

  /** Fails if a kernel that lacks times only is refused, or what events lack then is not told. */
  @Test
  void whatTheKernelLacksIsToldWithItsConsequence() throws IOException {
    setting("nf_conntrack_events", "1");
    setting("nf_conntrack_acct", "1");
    assertThat(TrackingSettings.apply(directory).missing())
        .containsExactly(
            "this kernel has no nf_conntrack_timestamp, so flow events have no start and stop");
  }

  /** Fails if a setting that cannot be made is passed over. */
  @Test
  void aSettingThatCannotBeMadeIsAnError() throws IOException {
    setting("nf_conntrack_events", "1");
    Files.createDirectory(directory.resolve("nf_conntrack_acct"));
    setting("nf_conntrack_timestamp", "1");
    assertThatThrownBy(() -> TrackingSettings.apply(directory))
        .isInstanceOf(TrackingUnavailableException.class)
        .hasMessageContaining("cannot set " + directory.resolve("nf_conntrack_acct") + " to 1")
        .hasMessageContaining("flow events have no packets and bytes");
  }
}
