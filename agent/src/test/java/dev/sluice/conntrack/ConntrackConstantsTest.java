package dev.sluice.conntrack;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.Ran;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Numbers in Java against what a C program prints that was compiled with the headers. */
class ConntrackConstantsTest {
  private static final Map<String, String> HEADERS = print();

  private static Map<String, String> print() {
    String abi = System.getProperty("sluice.native.dir") + "/sluice-abi";
    Map<String, String> values = new HashMap<>();
    for (String line : Ran.run(abi).orFail().stdout().lines().toList()) {
      int space = line.lastIndexOf(' ');
      values.put(line.substring(0, space), line.substring(space + 1));
    }
    return values;
  }

  /** Fails if any constant of the kernel is mistyped. */
  @Test
  void kernelConstantsAreThoseOfTheHeaders() {
    // CTA_FILTER_F_* stand in a header that the kernel does not export (the live tests prove them),
    // AF_* and IPPROTO_* in those of libc.
    assertMatches(
        LinuxNfConntrack.class, "(CTA_FILTER_F|AF|IPPROTO)_.*", 125, "CTA_TIMESTAMP_EVENT");
  }

  /** Fails if a kind, a cause or a presence bit of the records is not what C writes. */
  @Test
  void recordConstantsAreThoseOfTheShim() {
    assertMatches(FlowRecordDescriptor.class, "(?!SLUICE_).*", 22);
    assertMatches(GapRecordDescriptor.class, "(?!SLUICE_).*", 3);
    assertThat(HEADERS)
        .containsEntry("SLUICE_RECORD_BYTES", "" + FlowRecordDescriptor.RECORD_BYTES)
        .containsEntry("SLUICE_RING_ALIGNMENT", "" + EventRingDescriptor.ALIGNMENT)
        .containsEntry("SLUICE_ABI_VERSION", "" + dev.sluice.ffi.ShimLibrary.ABI_VERSION);
  }

  private static void assertMatches(
      Class<?> constants, String except, int atLeast, String... mayBeAbsent) {
    List<String> wrong = new ArrayList<>();
    int compared = 0;
    for (Field field : constants.getDeclaredFields()) {
      if (!Modifier.isStatic(field.getModifiers())
          || field.getType() != int.class
          || field.getName().matches(except)) {
        continue;
      }
      String value = HEADERS.getOrDefault(field.getName(), "missing");
      try {
        compared++;
        boolean absent = value.equals("absent") && List.of(mayBeAbsent).contains(field.getName());
        if (!absent && !value.equals(String.valueOf(field.getInt(null)))) {
          wrong.add(field.getName() + ": " + field.getInt(null) + ", C says " + value);
        }
      } catch (IllegalAccessException e) {
        throw new AssertionError(e);
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(compared).isGreaterThanOrEqualTo(atLeast);
  }
}
