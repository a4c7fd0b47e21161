package dev.sluice.nftables;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.sluice.net.Bytes;
import dev.sluice.netlink.MalformedMessageException;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.nftables.TraceMessage.Packet;
import dev.sluice.nftables.expr.Verdict;
import dev.sluice.testing.Golden;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/** What the kernel told {@code nft monitor trace} of two datagrams on the loopback device. */
class TraceMessageGoldenTest {
  private static final Golden GOLDEN = Golden.load("nftables/trace");

  /** ARPHRD_LOOPBACK (linux/if_arp.h). */
  private static final int LOOPBACK = 772;

  private static MessageCursor cursor(byte[] bytes) {
    MessageCursor cursor =
        new MessageCursor(ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder()), 0, bytes.length);
    assertThat(cursor.next()).isTrue();
    return cursor;
  }

  private static List<TraceMessage> messages() {
    return GOLDEN.receivedMessages().stream()
        .map(bytes -> TraceMessage.decode(cursor(bytes)).orElseThrow())
        .toList();
  }

  /** Fails if an attribute is read as another, or in another byte order. */
  @Test
  void everyStepOfADatagram() {
    List<TraceMessage> first = messages().subList(0, 6);
    assertThat(first)
        .extracting(
            TraceMessage::chain,
            TraceMessage::type,
            TraceMessage::ruleHandle,
            TraceMessage::verdict,
            TraceMessage::mark)
        .containsExactly(
            tuple("sent", NFT_TRACETYPE_RULE, OptionalLong.of(4), Verdict.CONTINUE, 0),
            tuple("sent", NFT_TRACETYPE_RULE, OptionalLong.of(5), Verdict.jump("others"), 0),
            tuple("others", NFT_TRACETYPE_RULE, OptionalLong.of(7), Verdict.RETURN, 0),
            tuple("sent", NFT_TRACETYPE_RULE, OptionalLong.empty(), Verdict.CONTINUE, 0),
            tuple("sent", NFT_TRACETYPE_POLICY, OptionalLong.empty(), Verdict.ACCEPT, 0),
            tuple("got", NFT_TRACETYPE_RULE, OptionalLong.of(8), Verdict.DROP, 7));
    assertThat(first)
        .allSatisfy(message -> assertThat(message.table()).isEqualTo(TableId.inet("traced")));
    assertThat(first.subList(0, 5)).extracting(TraceMessage::id).containsOnly(first.get(0).id());
    assertThat(first.get(5).id())
        .as("what comes in again by lo is another")
        .isNotEqualTo(first.get(0).id());
  }

  /** Fails if a header is taken for another, or a device for the other direction's. */
  @Test
  void theFirstStepInAChainHasThePacket() {
    List<TraceMessage> all = messages();
    assertThat(all.subList(1, 5)).allSatisfy(message -> assertThat(message.packet()).isEmpty());
    Packet sent = all.get(0).packet().orElseThrow();
    assertThat(sent.family()).isEqualTo(NFPROTO_IPV4);
    assertThat(List.of(sent.inIndex(), sent.inType(), sent.outIndex(), sent.outType()))
        .containsExactly(0, 0, 1, LOOPBACK);
    assertThat(sent.link()).isEqualTo(Bytes.EMPTY);
    assertThat(sent.network().length()).isEqualTo(20);
    assertThat(sent.network().slice(12, 8)).isEqualTo(Bytes.ofHex("7f0000017f000001"));
    assertThat(sent.transport().u16be(2)).isEqualTo(9);
    assertThat(sent.transport().u8(8)).as("the datagram's one byte").isEqualTo('x');

    Packet got = all.get(5).packet().orElseThrow();
    assertThat(List.of(got.inIndex(), got.inType(), got.outIndex(), got.outType()))
        .containsExactly(1, LOOPBACK, 0, 0);
    assertThat(got.link()).isEqualTo(Bytes.ofHex("000000000000" + "000000000000" + "0800"));

    Packet six = all.get(6).packet().orElseThrow();
    assertThat(six.family()).isEqualTo(NFPROTO_IPV6);
    assertThat(six.network().length()).isEqualTo(40);
    assertThat(six.network().u8(39)).as("::1").isEqualTo(1);
    assertThat(six.transport().u16be(2)).isEqualTo(9);
  }

  /** Fails if the numbers of NFTA_TRACE_CT_* are mistyped: these headers do not have them. */
  @Test
  void theConnectionIsTold() {
    TraceMessage.Connection connection = messages().get(0).connection().orElseThrow();
    assertThat(connection.id()).isNotZero();
    assertThat(connection.direction()).isZero();
    assertThat(connection.status()).isZero();
    assertThat(connection.state()).as("new").isEqualTo(8);
  }

  /** Fails if a length is believed that reaches beyond the message, or half a message is told. */
  @Test
  void whatIsCutOffIsRefusedOrHasAllThatIsNeeded() {
    int refused = 0;
    for (byte[] whole : GOLDEN.receivedMessages()) {
      for (int length = 16; length < whole.length; length++) {
        byte[] cut = Arrays.copyOf(whole, length);
        ByteBuffer.wrap(cut).order(ByteOrder.nativeOrder()).putInt(0, length);
        MessageCursor cursor = cursor(cut);
        try {
          TraceMessage read = TraceMessage.decode(cursor).orElseThrow();
          assertThat(read.table().name()).isEqualTo("traced");
          assertThat(read.chain()).isIn("sent", "others", "got");
        } catch (MalformedMessageException e) {
          refused++;
        }
      }
    }
    assertThat(refused).isGreaterThan(1_000);
  }

  /** Fails if what is no trace is read as one, or a trace without a verdict is made up. */
  @Test
  void otherMessagesAreNone() {
    byte[] bytes = GOLDEN.receivedMessages().get(0).clone();
    bytes[4] = NFT_MSG_NEWRULE;
    assertThat(TraceMessage.decode(cursor(bytes))).isEmpty();
    byte[] empty = Arrays.copyOf(GOLDEN.receivedMessages().get(0), 20);
    ByteBuffer.wrap(empty).order(ByteOrder.nativeOrder()).putInt(0, 20);
    assertThatThrownBy(() -> TraceMessage.decode(cursor(empty)))
        .isInstanceOf(MalformedMessageException.class)
        .hasMessageContaining("NFTA_TRACE_TABLE");
  }
}
