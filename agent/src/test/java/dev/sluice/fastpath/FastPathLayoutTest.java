package dev.sluice.fastpath;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.ffi.ShimLibrary;
import dev.sluice.net.IpAddress;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** C and Java have the same picture of what they exchange. */
class FastPathLayoutTest {
  /** Fails if a field or an outcome is moved, renamed, added or removed on either side alone. */
  @Test
  void theLibraryHasTheLayoutsOfThisPackage() {
    assertThat(ShimLibrary.load().layout().values())
        .filteredOn(field -> field.name().startsWith("offload") || field.name().startsWith("fast"))
        .containsExactlyElementsOf(
            Stream.concat(OffloadDescriptor.LAYOUT.stream(), Outcome.layout().stream()).toList());
  }

  /** Fails if a name is written into other fields than it is read from, or leaves old bytes. */
  @Test
  void aNamedFlowIsReadAsItWasWritten() {
    OffloadRecords records = new OffloadRecords(2);
    records.name(1, 17, IpAddress.parse("fd00::1"), 1, IpAddress.parse("fd00::2"), 2);
    records.name(1, 6, IpAddress.parse("198.18.0.2"), 50_000, IpAddress.parse("198.18.0.1"), 443);
    assertThat(records.isIpv6(1)).isFalse();
    assertThat(records.protocol(1)).isEqualTo(6);
    assertThat(records.source(1)).hasToString("198.18.0.2");
    assertThat(records.destination(1)).hasToString("198.18.0.1");
    assertThat(records.sourcePort(1)).isEqualTo(50_000);
    assertThat(records.destinationPort(1)).isEqualTo(443);
    assertThat(records.sourceHalf(1, 1)).isZero();
    records.name(0, records, 1);
    assertThat(records.source(0)).hasToString("198.18.0.2");
    assertThat(records.isEnded(0)).isFalse();
    assertThatThrownBy(() -> records.packets(2)).isInstanceOf(IndexOutOfBoundsException.class);
  }
}
