package dev.sluice.ruleset.trace;

import static dev.sluice.nftables.uapi.LinuxNfTables.*;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.net.Bytes;
import dev.sluice.nftables.TraceMessage;
import dev.sluice.nftables.expr.Verdict;
import dev.sluice.ruleset.trace.PacketAssembler.Trail;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** What is known of packets whose end was not told. */
class PacketAssemblerTest {
  /** As many as are followed at the same time. */
  private static final int MOST_PACKETS = 1_024;

  private final List<Trail> ended = new ArrayList<>();
  private long nanos;
  private final PacketAssembler assembler =
      new PacketAssembler(ended::add, Clock.systemUTC(), () -> nanos);

  /** Our table has marked it. */
  static TraceMessage mark(int id) {
    return new TraceMessage(
        TraceTable.ID,
        TraceTable.QUESTION,
        NFT_TRACETYPE_RULE,
        OptionalLong.of(1),
        Verdict.CONTINUE,
        id,
        0,
        Optional.of(
            new TraceMessage.Packet(
                NFPROTO_IPV4,
                1,
                1,
                0,
                0,
                Bytes.EMPTY,
                Bytes.of(new byte[20]),
                Bytes.of(new byte[] {(byte) (id >> 8), (byte) id}))),
        Optional.empty());
  }

  /** Fails if a packet of which nothing is heard is not given up, or as if something was lost. */
  @Test
  void silenceIsAnEndThatWasNotTold() {
    assembler.add(mark(1));
    nanos += TimeUnit.MILLISECONDS.toNanos(500);
    assembler.expire();
    assertThat(ended).isEmpty();
    nanos++;
    assembler.expire();
    assertThat(ended).hasSize(1).noneMatch(Trail::complete).noneMatch(Trail::gap);
  }

  /** Fails if a packet that had to make room is said to have vanished. */
  @Test
  void whatMadeRoomMayHaveGoneOn() {
    for (int id = 1; id <= MOST_PACKETS; id++) {
      assembler.add(mark(id));
    }
    assertThat(ended).isEmpty();
    assembler.add(mark(MOST_PACKETS + 1));
    assertThat(ended).hasSize(1).noneMatch(Trail::complete).allMatch(Trail::gap);
    assertThat(ended.get(0).steps().get(0).id()).isEqualTo(1);
  }

  /** Fails if a packet whose id another has got is said to have vanished. */
  @Test
  void whoseIdIsUsedAgainMayHaveGoneOn() {
    assembler.add(mark(1));
    assembler.add(mark(1));
    assertThat(ended).hasSize(1).noneMatch(Trail::complete).allMatch(Trail::gap);
    nanos += TimeUnit.SECONDS.toNanos(1);
    assembler.expire();
    assertThat(ended).hasSize(2);
    assertThat(ended.get(1).gap()).as("of the other").isFalse();
  }
}
