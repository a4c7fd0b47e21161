package dev.sluice.conntrack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.ffi.ShimField;
import dev.sluice.ffi.ShimLibrary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** C and Java have the same picture of the shared memory, and a difference is refused. */
class EventLayoutTest {
  private static final List<ShimField> FLOW = FlowRecordDescriptor.LAYOUT;
  private static final Set<String> OTHERS = Set.of("proxy", "offload", "fastpath");

  /** Fails if a field is moved, resized, added or removed on either side alone. */
  @Test
  void theLibraryHasTheLayoutsOfThisPackage() {
    ShimLibrary shim = ShimLibrary.load();
    EventSource.requireLayouts(shim);
    // Others are the business of their own packages, which check them likewise.
    assertThat(shim.layout().values())
        .filteredOn(field -> !OTHERS.contains(field.structure()))
        .containsExactlyInAnyOrderElementsOf(
            Stream.of(
                    EventRingDescriptor.LAYOUT,
                    FlowRecordDescriptor.LAYOUT,
                    GapRecordDescriptor.LAYOUT,
                    EventStats.LAYOUT)
                .flatMap(List::stream)
                .toList());
  }

  /** Fails if an offset, a size, a missing or an unknown field passes, or the refusal is vague. */
  @Test
  void everyDifferenceIsRefusedByName() {
    assertThatThrownBy(() -> requireWith(new ShimField("flow.id", 24, 4)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("Java has flow.id at 24, 4 bytes, C has flow.id at 20, 4 bytes")
        .hasMessageContaining("./mvnw package");
    assertThatThrownBy(() -> requireWith(new ShimField("flow.mark", 28, 8)))
        .hasMessageContaining("Java has flow.mark at 28, 8 bytes, C has flow.mark at 28, 4 bytes");
    assertThatThrownBy(() -> requireWith(new ShimField("flow.colour", 190, 2)))
        .hasMessageContaining("Java has flow.colour at 190, 2 bytes, C has no such field");
    assertThatThrownBy(() -> ShimLibrary.load().requireLayout(FLOW.subList(0, FLOW.size() - 1)))
        .hasMessageContaining("C has flow.helper at 176, 16 bytes, Java has no such field");
  }

  private static void requireWith(ShimField field) {
    List<ShimField> changed = new ArrayList<>(FLOW);
    changed.removeIf(other -> other.name().equals(field.name()));
    changed.add(field);
    ShimLibrary.load().requireLayout(changed);
  }

  /** Fails if a missing or broken library is reported by a stack trace of the loader. */
  @Test
  void aLibraryThatCannotBeLoadedIsNamed(@TempDir Path directory) throws IOException {
    assertThatThrownBy(() -> ShimLibrary.load(directory))
        .hasMessage("libsluice.so not found in " + directory + ": run ./mvnw package");
    Files.writeString(directory.resolve("libsluice.so"), "not a library");
    assertThatThrownBy(() -> ShimLibrary.load(directory))
        .hasMessageStartingWith(directory.resolve("libsluice.so") + " cannot be loaded");
  }

  /** Fails if the number of bytes that C asks for a ring is computed otherwise. */
  @Test
  void ringsHaveTheSizeThatCAsksFor() {
    ShimLibrary shim = ShimLibrary.load();
    assertThat(shim.ringBytes(16)).isEqualTo(512 + 16 * 192);
    assertThat(shim.ringBytes(EventOptions.MAX_RING_SLOTS)).isLessThan(Integer.MAX_VALUE);
    assertThat(shim.ringBytes(17)).isZero();
  }
}
