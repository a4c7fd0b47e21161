package dev.sluice.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumSet;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Flows, their tuples and their events. */
class FlowTest {
  private static final Path HEADERS = Path.of("/usr/include/linux/netfilter");

  private static final FlowTuple ORIGINAL =
      FlowTuple.of(
          Protocol.TCP, IpAddress.parse("198.18.0.2"), 40_112, IpAddress.parse("198.18.0.1"), 8080);
  private static final FlowTuple REPLY =
      FlowTuple.of(
          Protocol.TCP, IpAddress.parse("172.30.0.2"), 80, IpAddress.parse("198.18.0.2"), 40_112);

  /** Fails if a status is moved, left out or misnamed; the header is that of linux-libc-dev. */
  @Test
  void statusBitsAreThoseOfTheKernelHeader() throws IOException {
    Matcher bits =
        Pattern.compile("\\bIPS_(\\w+)_BIT = (\\d+)")
            .matcher(Files.readString(HEADERS.resolve("nf_conntrack_common.h")));
    int compared = 0;
    while (bits.find()) {
      String name = bits.group(1);
      if (name.startsWith("_")) {
        continue;
      }
      FlowStatus expected = FlowStatus.valueOf(name.equals("UNTRACKED") ? "NAT_CLASH" : name);
      assertThat(FlowStatus.ofBits(1 << Integer.parseInt(bits.group(2))))
          .as(bits.group())
          .containsExactly(expected);
      compared++;
    }
    assertThat(compared).isGreaterThanOrEqualTo(FlowStatus.values().length);
  }

  /** Fails if unknown bits break the known ones. */
  @Test
  void unknownStatusBitsAreLeftOut() {
    assertThat(FlowStatus.ofBits(0)).isEmpty();
    assertThat(FlowStatus.ofBits(0xffff_0000 | 0x28))
        .containsExactly(FlowStatus.CONFIRMED, FlowStatus.DST_NAT);
    assertThat(FlowStatus.DST_NAT).hasToString("dnat");
  }

  /** Fails if a state is moved, left out or misnamed; the header is that of linux-libc-dev. */
  @Test
  void tcpStatesAreThoseOfTheKernelHeader() throws IOException {
    String header = Files.readString(HEADERS.resolve("nf_conntrack_tcp.h"));
    Matcher constants =
        Pattern.compile("^\\s+TCP_CONNTRACK_(\\w+),", Pattern.MULTILINE).matcher(header);
    int number = 0;
    while (constants.find() && !constants.group(1).equals("MAX")) {
      String name = constants.group(1).equals("LISTEN") ? "SYN_SENT2" : constants.group(1);
      assertThat(TcpState.ofNumber(number)).as(name).contains(TcpState.valueOf(name));
      number++;
    }
    assertThat(number).isEqualTo(TcpState.values().length);
    assertThat(TcpState.ofNumber(number)).isEmpty();
    assertThat(TcpState.ofNumber(-1)).isEmpty();
    assertThat(TcpState.SYN_SENT).hasToString("syn_sent");
  }

  /** Fails if ports are swapped, or shown for a protocol that has none. */
  @Test
  void tuplesAreShownByWhatTheyHave() {
    IpAddress a = IpAddress.parse("fd00::2");
    IpAddress b = IpAddress.parse("fd00::3");
    assertThat(ORIGINAL).hasToString("tcp 198.18.0.2:40112 -> 198.18.0.1:8080");
    assertThat(ORIGINAL.sourcePort()).hasValue(40_112);
    assertThat(ORIGINAL.destinationPort()).hasValue(8080);
    FlowTuple ping = new FlowTuple(58, a, b, new FlowTuple.Icmp(128, 0, 77));
    assertThat(ping).hasToString("icmpv6 fd00::2 -> fd00::3 type 128 code 0 id 77");
    assertThat(ping.sourcePort()).isEmpty();
    assertThat(FlowTuple.of(Protocol.UDP, a, 1, b, 2))
        .hasToString("udp [fd00::2]:1 -> [fd00::3]:2");
    assertThat(new FlowTuple(47, a, b, new FlowTuple.AddressesOnly()))
        .hasToString("47 fd00::2 -> fd00::3");
  }

  /** Fails if a number that no packet can carry is taken. */
  @Test
  void tuplesAreChecked() {
    IpAddress four = IpAddress.parse("10.0.0.1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> FlowTuple.of(Protocol.TCP, four, 1, IpAddress.parse("::1"), 2));
    assertThatIllegalArgumentException().isThrownBy(() -> new FlowTuple.Ports(-1, 0));
    assertThatIllegalArgumentException().isThrownBy(() -> new FlowTuple.Ports(0, 65_536));
    assertThatIllegalArgumentException().isThrownBy(() -> new FlowTuple.Icmp(256, 0, 0));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new FlowTuple(256, four, four, new FlowTuple.AddressesOnly()));
    assertThat(new FlowTuple.Ports(0, 65_535).source()).isZero();
  }

  /** Fails if ids or marks of the upper half of 32 bits are refused, or wider ones taken. */
  @Test
  void flowsHoldUnsignedNumbersOf32Bits() {
    assertThat(flow(0xffff_ffffL, REPLY).id()).isEqualTo(4_294_967_295L);
    assertThatIllegalArgumentException().isThrownBy(() -> flow(0x1_0000_0000L, REPLY));
    assertThatIllegalArgumentException().isThrownBy(() -> flow(-1, REPLY));
    FlowTuple udp = FlowTuple.of(Protocol.UDP, REPLY.source(), 80, REPLY.destination(), 40_112);
    assertThatIllegalArgumentException().isThrownBy(() -> flow(1, udp));
  }

  /** Fails if a flow shares the set it was made from. */
  @Test
  void flowsKeepACopyOfTheirStatus() {
    Set<FlowStatus> status = EnumSet.of(FlowStatus.DST_NAT);
    Flow flow = flow(1, REPLY, status);
    status.add(FlowStatus.DYING);
    assertThat(flow.status()).containsExactly(FlowStatus.DST_NAT);
    assertThat(flow.isTranslated()).isTrue();
    assertThat(flow(1, REPLY).isTranslated()).isFalse();
    assertThatExceptionOfType(UnsupportedOperationException.class)
        .isThrownBy(() -> flow.status().add(FlowStatus.DYING));
  }

  /** Fails if an unknown end is taken for a lifetime, or start and end are swapped. */
  @Test
  void flowsLiveFromStartToEnd() {
    assertThat(flow(1, REPLY).lifetime()).contains(Duration.ofSeconds(3));
    assertThat(flow(1, REPLY).protocolName()).isEqualTo("tcp");
  }

  /** Fails if a word of the documented event format changes. */
  @Test
  void eventsHaveTheWordsOfTheFormat() {
    Instant time = Instant.ofEpochSecond(10);
    Flow flow = flow(1, REPLY);
    Optional<String> web = Optional.of("web");
    assertThat(new FlowEvent.Started(1, time, flow, web, false).kind()).isEqualTo("new");
    assertThat(new FlowEvent.Updated(2, time, flow, web, false).kind()).isEqualTo("update");
    assertThat(new FlowEvent.Ended(3, time, flow, web, true).kind()).isEqualTo("destroy");
    FlowEvent.Gap gap =
        new FlowEvent.Gap(
            4, FlowEvent.GapCause.RECEIVE_BUFFER, OptionalLong.of(812), time, time.plusSeconds(1));
    assertThat(gap.kind()).isEqualTo("gap");
    assertThat(gap.time()).isEqualTo(time.plusSeconds(1));
    assertThat(gap.cause()).hasToString("receive-buffer");
  }

  /** Fails if a gap can end before it begins or lose less than nothing. */
  @Test
  void gapsAreChecked() {
    Instant time = Instant.ofEpochSecond(10);
    var cause = FlowEvent.GapCause.RING;
    assertThatIllegalArgumentException()
        .isThrownBy(
            () -> new FlowEvent.Gap(1, cause, OptionalLong.empty(), time, time.minusNanos(1)));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new FlowEvent.Gap(1, cause, OptionalLong.of(-1), time, time));
  }

  private static Flow flow(long id, FlowTuple reply) {
    return flow(id, reply, Set.of());
  }

  private static Flow flow(long id, FlowTuple reply, Set<FlowStatus> status) {
    return new Flow(
        id,
        ORIGINAL,
        reply,
        status,
        Optional.of(TcpState.ESTABLISHED),
        0,
        0,
        OptionalInt.of(120),
        Optional.empty(),
        Optional.empty(),
        Optional.of(Instant.ofEpochSecond(1)),
        Optional.of(Instant.ofEpochSecond(4)));
  }
}
