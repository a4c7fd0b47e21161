package dev.sluice.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.testing.Golden.Direction;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The captures themselves: complete, readable, of the programs they name. */
class GoldenTest {

  /** Fails if a file was cut short, holds no datagram, or does not say which command made it. */
  @Test
  void everyCaptureIsWholeAndSaysWhereItIsFrom() {
    List<String> names = Golden.names("");
    assertThat(names).hasSizeGreaterThan(300);
    for (String name : names) {
      Golden golden = Golden.load(name);
      // liberal.py is libnetfilter_conntrack, with which conntrack writes, for what that has no
      // option.
      assertThat(golden.command()).as(name).matches("(nft|conntrack|ip|bridge|tc|./liberal.py) .*");
      assertThat(golden.header()).as(name).anyMatch(line -> line.startsWith("version: "));
      assertThat(golden.datagrams()).as(name).isNotEmpty();
      assertThat(golden.datagrams())
          .as(name)
          .allSatisfy(datagram -> assertThat(datagram.messages()).isNotEmpty());
    }
  }

  /** Fails if bytes, their order, direction or the input are lost between the file and the test. */
  @Test
  void aCaptureIsReadByteForByte() {
    Golden golden = Golden.load("nftables/table-add");
    assertThat(golden.command()).isEqualTo("nft -f -");
    assertThat(golden.input()).isEqualTo("add table inet t");
    assertThat(golden.received()).isEmpty();
    assertThat(golden.sent()).hasSize(1);
    List<byte[]> messages = golden.sentMessages();
    assertThat(messages).hasSize(3);
    // NFTA_TABLE_NAME "t" after the netlink and netfilter headers.
    assertThat(HexFormat.of().formatHex(messages.get(1), 20, 28)).isEqualTo("0600010074000000");
    assertThat(golden).hasToString("nftables/table-add (nft -f - <<< 'add table inet t')");
  }

  /**
   * Fails if every datagram is taken for sent, or events are mixed with what the listener asked.
   */
  @Test
  void directionsAreKeptApart() {
    Golden dump = Golden.load("conntrack/dump");
    assertThat(dump.datagrams().get(0).direction()).isEqualTo(Direction.SENT);
    assertThat(dump.sent()).hasSize(1);
    assertThat(dump.received()).isNotEmpty();
    assertThat(Golden.load("conntrack/event-tcp-dnat").sent()).isEmpty();
  }

  /** Fails if a damaged file is read as if it were whole. */
  @Test
  void aDatagramOfTheWrongLengthIsRefused() {
    assertThatThrownBy(() -> Golden.parse("short", List.of("# command: x", "> 4", "01 02 03")))
        .hasMessage("short: datagram 0 lacks 1 of its 4 bytes");
    assertThatThrownBy(() -> Golden.parse("long", List.of("> 2", "01 02 03")))
        .hasMessage("long: datagram 0 has more than its 2 bytes");
    assertThatThrownBy(() -> Golden.load("nftables/no-such-thing"))
        .hasMessage("no test resource /golden/nftables/no-such-thing.hex");
  }
}
