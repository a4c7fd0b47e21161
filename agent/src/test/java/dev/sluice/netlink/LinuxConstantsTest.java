package dev.sluice.netlink;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.LinuxNfConntrack;
import dev.sluice.nftables.uapi.LinuxNfTables;
import dev.sluice.route.LinuxRtnetlink;
import dev.sluice.testing.Ran;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every constant copied from a header, compared with what a C program prints from that header. */
class LinuxConstantsTest {

  /**
   * Fails if any constant is changed or mistyped. A name that neither these headers nor the list of
   * known newer ones have makes {@code sluice-abi} fail.
   */
  @ParameterizedTest
  @ValueSource(
      classes = {
        LinuxNetlink.class,
        LinuxNfTables.class,
        LinuxNfConntrack.class,
        LinuxRtnetlink.class
      })
  void constantsAreThoseOfTheHeaders(Class<?> constants) {
    Map<String, Integer> ours = constantsOf(constants);
    assertThat(ours).isNotEmpty();

    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("sluice.native.dir"), "sluice-abi").toString());
    command.addAll(ours.keySet());
    List<String> wrong = new ArrayList<>();
    int compared = 0;
    for (String line : Ran.run("", command).orFail().stdout().lines().toList()) {
      String name = line.substring(0, line.indexOf(' '));
      String value = line.substring(line.indexOf(' ') + 1);
      // Newer than these headers: what it means is proven against the kernel instead.
      if (!value.equals("absent")) {
        compared++;
        // Numbers above Integer.MAX_VALUE are the same 32 bits with a sign.
        if (!Objects.equals((int) Long.parseLong(value), ours.get(name))) {
          wrong.add(name + ": " + ours.get(name) + " here, " + value + " in the header");
        }
      }
    }
    assertThat(wrong).isEmpty();
    assertThat(compared).as("constants these headers have").isGreaterThan(ours.size() * 3 / 4);
  }

  private static Map<String, Integer> constantsOf(Class<?> constants) {
    Map<String, Integer> values = new TreeMap<>();
    for (Field field : Arrays.asList(constants.getDeclaredFields())) {
      if (Modifier.isPublic(field.getModifiers()) && field.getType() == int.class) {
        try {
          values.put(field.getName(), field.getInt(null));
        } catch (IllegalAccessException e) {
          throw new AssertionError("public, and yet: " + field, e);
        }
      }
    }
    return values;
  }
}
