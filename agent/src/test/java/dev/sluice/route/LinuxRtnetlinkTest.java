package dev.sluice.route;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.Ran;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Numbers in Java against what a C program prints that was compiled with the headers. */
class LinuxRtnetlinkTest {
  private static final Map<String, String> HEADERS = print();

  /** Fails if a constant of the kernel is mistyped. */
  @Test
  void constantsAreThoseOfTheHeaders() {
    Map<String, Integer> ours = new TreeMap<>();
    for (Field field : LinuxRtnetlink.class.getDeclaredFields()) {
      if (Modifier.isPublic(field.getModifiers())) {
        ours.put(field.getName(), value(field));
      }
    }

    assertThat(ours).hasSizeGreaterThan(190);
    assertThat(ours).allSatisfy((name, value) -> assertInHeaders(name, value));
  }

  /** Fails if a field of a fixed header is looked for where C does not put it. */
  @Test
  void fixedHeadersAreLaidOutAsInC() {
    Map<String, Integer> ours = new TreeMap<>();
    for (Field field : FixedHeaders.class.getDeclaredFields()) {
      if (field.getType() == int.class) {
        ours.put(expression(field.getName()), value(field));
      }
    }

    assertThat(ours).hasSizeGreaterThan(20);
    assertThat(ours).allSatisfy((expression, value) -> assertInHeaders(expression, value));
  }

  private static void assertInHeaders(String name, int value) {
    assertThat(HEADERS.getOrDefault(name, "missing"))
        .as("%s, see native/build/sluice-abi", name)
        .satisfies(
            text -> assertThat(text).matches("-?[0-9]+"),
            // Numbers above Integer.MAX_VALUE are the same 32 bits with a sign.
            text -> assertThat((int) Long.parseLong(text)).isEqualTo(value));
  }

  /**
   * RTM_DST_LEN_OFFSET is offsetof(struct rtmsg, rtm_dst_len), RTMSG_BYTES sizeof(struct rtmsg).
   */
  private static String expression(String constant) {
    String lower = constant.toLowerCase(Locale.ROOT);
    if (lower.endsWith("_bytes")) {
      return "sizeof(struct " + lower.substring(0, lower.length() - "_bytes".length()) + ")";
    }
    String member = lower.substring(0, lower.length() - "_offset".length());
    String struct =
        switch (member.substring(0, member.indexOf('_'))) {
          case "ifi" -> "ifinfomsg";
          case "ifa" -> "ifaddrmsg";
          case "rtm" -> "rtmsg";
          case "ndm" -> "ndmsg";
          case "rtnh" -> "rtnexthop";
          case "tcm" -> "tcmsg";
          default -> throw new AssertionError("which struct holds " + member + "?");
        };
    return "offsetof(struct " + struct + ", " + member + ")";
  }

  private static int value(Field field) {
    try {
      return field.getInt(null);
    } catch (IllegalAccessException e) {
      throw new AssertionError("in this package, and yet: " + field, e);
    }
  }

  private static Map<String, String> print() {
    Path program = Path.of(System.getProperty("sluice.native.dir"), "sluice-abi");
    Map<String, String> values = new TreeMap<>();
    for (String line : Ran.run(program.toString()).orFail().stdout().lines().toList()) {
      int space = line.lastIndexOf(' ');
      values.put(line.substring(0, space), line.substring(space + 1));
    }
    return values;
  }
}
