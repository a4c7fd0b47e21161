package dev.sluice.netlink;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.LinuxNfConntrack;
import dev.sluice.nftables.uapi.LinuxNfTables;
import dev.sluice.testing.Ran;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every constant copied from a header, compared with what a C program prints from that header. */
class LinuxConstantsTest {

  /**
   * Fails if any constant is changed or mistyped. A name that neither these headers nor the list of
   * known newer ones have makes {@code sluice-abi} fail.
   */
  @ParameterizedTest
  @ValueSource(classes = {LinuxNetlink.class, LinuxNfTables.class, LinuxNfConntrack.class})
  void constantsAreThoseOfTheHeaders(Class<?> constants) {
    Map<String, String> ours = constantsOf(constants);
    assertThat(ours).isNotEmpty();

    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("sluice.native.dir"), "sluice-abi").toString());
    command.addAll(ours.keySet());
    Map<String, String> theirs =
        Ran.run("", command)
            .orFail()
            .stdout()
            .lines()
            .map(line -> line.split(" "))
            .collect(Collectors.toMap(line -> line[0], line -> line[1]));

    assertThat(theirs.keySet()).containsExactlyInAnyOrderElementsOf(ours.keySet());
    // Newer than these headers: what they mean is proven against the kernel instead.
    theirs.values().removeIf("absent"::equals);
    assertThat(theirs.size()).as("constants these headers have").isGreaterThan(ours.size() * 3 / 4);
    ours.keySet().retainAll(theirs.keySet());
    assertThat(ours).isEqualTo(theirs);
  }

  private static Map<String, String> constantsOf(Class<?> constants) {
    Map<String, String> values = new TreeMap<>();
    for (Field field : Arrays.asList(constants.getDeclaredFields())) {
      if (Modifier.isPublic(field.getModifiers()) && field.getType() == int.class) {
        try {
          values.put(field.getName(), String.valueOf(field.getInt(null)));
        } catch (IllegalAccessException e) {
          throw new AssertionError("public, and yet: " + field, e);
        }
      }
    }
    return values;
  }
}
