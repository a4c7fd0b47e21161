package dev.sluice.ruleset.path;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.net.Family;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.testing.Ran;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tables of the old iptables as the kernel hands them out. */
class LegacyTableTest {
  private static final int NEXT_OFFSET4 = 90;
  private static final int TARGET_OFFSET4 = 88;

  private static final class Captured {
    private final byte[] info;
    private final byte[] entries;

    private Captured(byte[] info, byte[] entries) {
      this.info = info;
      this.entries = entries;
    }

    byte[] info() {
      return info.clone();
    }

    byte[] entries() {
      return entries.clone();
    }

    static Captured load(String name) {
      List<String> lines =
          Ran.resource("/golden/iptables/" + name + ".txt")
              .lines()
              .filter(line -> !line.startsWith("#"))
              .toList();
      int entries = lines.indexOf("entries");
      return new Captured(
          hex(lines.subList(1, entries)), hex(lines.subList(entries + 1, lines.size())));
    }

    private static byte[] hex(List<String> lines) {
      return HexFormat.of().parseHex(String.join("", lines));
    }
  }

  private static LegacyTable table(String name, String table, Family family) {
    Captured captured = Captured.load(name);
    return LegacyTable.parse(table, family, captured.info(), captured.entries());
  }

  private static List<String> texts(LegacyTable table) {
    return new TreeMap<>(table.entries())
        .values().stream().map(entry -> LegacyChain.text(table, entry)).toList();
  }

  /** Fails if a part of a rule is read from the wrong place, or the chain it leads to. */
  @Test
  void rulesReadAsTheyWereWritten() {
    assertThat(texts(table("filter4", "filter", Family.IPV4)))
        .containsExactly(
            "-j ACCEPT",
            "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-s 198.18.0.0/24 -i out+ -o br0 -p tcp -m tcp --dport 80 -j mine",
            "! -d 10.0.0.0/8 -p udp -m multiport --dports 53,90:100 -j REJECT --reject-with"
                + " icmp-port-unreachable",
            "-j DROP",
            "-j ACCEPT",
            "-j ERROR",
            "-m addrtype --dst-type LOCAL -j RETURN",
            "-m comment --comment \"a note\" -j ACCEPT",
            "-j RETURN",
            "-j ERROR");
    assertThat(texts(table("nat4", "nat", Family.IPV4)))
        .contains(
            "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.30.0.2:80",
            "-s 172.30.0.0/24 ! -o br0 -j MASQUERADE");
    assertThat(texts(table("filter6", "filter", Family.IPV6)))
        .contains(
            "-d fd30:0:0:0:0:0:0:2/128 -i out0 -p tcp -m tcp --dport 80 -j ACCEPT"
                .replace(":0:0:0:0:0:0:", "::"));
  }

  /** Fails if the policy of a hook is taken from another one. */
  @ParameterizedTest
  @CsvSource({"1, -2", "2, -1", "3, -2"})
  void policiesAreThoseOfTheirHooks(int hook, int verdict) {
    LegacyTable table = table("filter4", "filter", Family.IPV4);
    Integer policy = table.policies().get(hook);
    assertThat(policy).isNotNull();
    assertThat(table.entries().get(policy))
        .extracting(LegacyTable.Entry::verdict)
        .isEqualTo(verdict);
  }

  /** Fails if a table that was cut off anywhere is read over its end, or believed. */
  @ParameterizedTest
  @ValueSource(strings = {"filter4", "nat4"})
  void whatIsCutOffIsRefused(String name) {
    Captured captured = Captured.load(name);
    for (int length = 0; length < captured.entries().length; length++) {
      byte[] cut = Arrays.copyOf(captured.entries(), length);
      assertThatThrownBy(() -> LegacyTable.parse("filter", Family.IPV4, captured.info(), cut))
          .as("%d bytes", length)
          .isInstanceOf(MalformedMessageException.class);
    }
    assertThatThrownBy(
            () ->
                LegacyTable.parse(
                    "filter", Family.IPV4, Arrays.copyOf(captured.info(), 83), captured.entries()))
        .isInstanceOf(MalformedMessageException.class);
  }

  /** Fails if an offset that leads out of the entry, or back, is followed. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 111, 143, 0x7fff, 0xffff})
  void offsetsOutOfBoundsAreRefused(int offset) {
    Captured captured = Captured.load("filter4");
    for (int field : new int[] {TARGET_OFFSET4, NEXT_OFFSET4}) {
      byte[] wrong = captured.entries();
      ByteBuffer.wrap(wrong).order(ByteOrder.nativeOrder()).putShort(field, (short) offset);
      assertThatThrownBy(() -> LegacyTable.parse("filter", Family.IPV4, captured.info(), wrong))
          .as("field %d", field)
          .isInstanceOf(MalformedMessageException.class);
    }
  }

  /** Fails if any change of any bytes leads to something else than a refusal or a table. */
  @Test
  void noiseIsReadOrRefused() {
    Captured captured = Captured.load("filter4");
    Random random = new Random(7);
    int refused = 0;
    for (int i = 0; i < 20_000; i++) {
      byte[] noisy = captured.entries();
      for (int j = 0; j <= random.nextInt(4); j++) {
        noisy[random.nextInt(noisy.length)] = (byte) random.nextInt();
      }
      try {
        texts(LegacyTable.parse("filter", Family.IPV4, captured.info(), noisy));
      } catch (MalformedMessageException e) {
        refused++;
      }
    }
    assertThat(refused).isPositive();
  }
}
