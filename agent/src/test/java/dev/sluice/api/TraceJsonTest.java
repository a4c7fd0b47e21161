package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.FlowTuple;
import dev.sluice.model.TraceEvent;
import dev.sluice.model.TraceQuestion;
import dev.sluice.model.TracedPacket;
import dev.sluice.model.TracedPacket.AtChain;
import dev.sluice.model.TracedPacket.AtRule;
import dev.sluice.model.TracedPacket.Culprit;
import dev.sluice.model.TracedPacket.End;
import dev.sluice.model.TracedPacket.Outcome;
import dev.sluice.model.TracedPacket.Translated;
import dev.sluice.model.TracedPacket.Way;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Protocol;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The lines of {@code /v1/trace}. */
class TraceJsonTest {
  private static final FlowTuple ASKED = tcp("198.18.0.2", 40_001, "198.18.0.1", 8080);
  private static final FlowTuple INSIDE = tcp("198.18.0.2", 40_001, "172.30.0.2", 80);

  private static FlowTuple tcp(String source, int sourcePort, String destination, int port) {
    return FlowTuple.of(
        Protocol.TCP, IpAddress.parse(source), sourcePort, IpAddress.parse(destination), port);
  }

  private static TracedPacket dropped() {
    return new TracedPacket(
        Instant.parse("2026-11-21T09:00:00.123Z"),
        "2b8d2641",
        Way.QUESTION,
        ASKED,
        Optional.of("syn"),
        Optional.of("out0"),
        OptionalLong.of(3_170_302_521L),
        Optional.of("new"),
        List.of(
            new AtChain(
                "prerouting",
                OptionalInt.of(-100),
                "inet sluice",
                "prerouting",
                List.of(
                    new AtRule("prerouting", "fib daddr type local goto publish", "goto publish"),
                    new AtRule("publish4", "dnat ip to @any4", "accept")),
                "accept",
                false),
            new Translated("prerouting", ASKED, INSIDE, false),
            new AtChain(
                "forward", OptionalInt.empty(), "ip filter", "FORWARD", List.of(), "drop", true)),
        new End(
            Outcome.DROPPED,
            "forward",
            INSIDE,
            Optional.empty(),
            Optional.of(new Culprit("forward", "ip filter", "FORWARD", Optional.empty()))));
  }

  private static TracedPacket icmp() {
    FlowTuple unreachable =
        new FlowTuple(
            1,
            IpAddress.parse("172.30.0.2"),
            IpAddress.parse("198.18.0.2"),
            new FlowTuple.Icmp(3, 3, 0));
    return new TracedPacket(
        Instant.parse("2026-11-21T09:00:00Z"),
        "00000001",
        Way.ANSWER,
        unreachable,
        Optional.empty(),
        Optional.empty(),
        OptionalLong.empty(),
        Optional.empty(),
        List.of(),
        new End(Outcome.SENT, "postrouting", unreachable, Optional.of("out0"), Optional.empty()));
  }

  static List<TraceEvent> events() {
    return List.of(
        new TraceEvent.Started(
            new TraceQuestion(
                Protocol.UDP, 53, Optional.of(IpAddress.parse("2001:db8::1")), 10, 20, 30),
            List.of("one", "two")),
        new TraceEvent.Started(
            new TraceQuestion(Protocol.TCP, 80, Optional.empty(), 1, 1, 1), List.of()),
        new TraceEvent.Followed(dropped()),
        new TraceEvent.Followed(icmp()),
        new TraceEvent.Skipped(990),
        new TraceEvent.Lost(7),
        new TraceEvent.Ended(TraceEvent.Reason.FAILED, "cannot read", 1, 2, 3, 4),
        new TraceEvent.Ended(TraceEvent.Reason.COUNT, "", 1, 0, 0, 0));
  }

  private static String line(TraceEvent event) {
    return ApiJson.text(json -> TraceJson.write(json, event));
  }

  /** Fails if a member is written that is not read, or the other way round. */
  @ParameterizedTest
  @MethodSource("events")
  void whatIsWrittenIsReadBack(TraceEvent event) {
    assertThat(line(event)).doesNotContain("\n").doesNotContain("null");
    assertThat(TraceJson.read(line(event))).isEqualTo(event);
  }

  /** Fails if a member is renamed, moved or left out: programs read these lines. */
  @Test
  void theLineOfAPacketIsStable() {
    assertThat(line(new TraceEvent.Followed(dropped())))
        .isEqualTo(
            ("{'event':'packet','time':'2026-11-21T09:00:00.123Z','id':'2b8d2641','way':'question',"
                    + "'family':'ipv4','proto':'tcp','header':{'src':'198.18.0.2','sport':40001,"
                    + "'dst':'198.18.0.1','dport':8080},'tcpFlags':'syn','in':'out0',"
                    + "'connection':3170302521,'connectionState':'new','steps':["
                    + "{'hook':'prerouting','priority':-100,'table':'inet sluice',"
                    + "'chain':'prerouting','rules':[{'chain':'prerouting',"
                    + "'rule':'fib daddr type local goto publish','verdict':'goto publish'},"
                    + "{'chain':'publish4','rule':'dnat ip to @any4','verdict':'accept'}],"
                    + "'verdict':'accept','byPolicy':false},{'hook':'prerouting',"
                    + "'before':{'src':'198.18.0.2','sport':40001,'dst':'198.18.0.1','dport':8080},"
                    + "'after':{'src':'198.18.0.2','sport':40001,'dst':'172.30.0.2','dport':80},"
                    + "'asItsConnection':false},{'hook':'forward','table':'ip filter',"
                    + "'chain':'FORWARD','rules':[],'verdict':'drop','byPolicy':true}],"
                    + "'end':{'outcome':'dropped','hook':'forward','header':{'src':'198.18.0.2',"
                    + "'sport':40001,'dst':'172.30.0.2','dport':80},'by':{'hook':'forward',"
                    + "'table':'ip filter','chain':'FORWARD'},'text':'was dropped by the policy of"
                    + " chain FORWARD of table ip filter (forward)'}}")
                .replace('\'', '"'));
  }

  /** Fails if a line that is cut short, or of another kind, is read as something. */
  @Test
  void otherLinesAreRefused() {
    String whole = line(new TraceEvent.Followed(dropped()));
    for (int length = 0; length < whole.length(); length++) {
      String cut = whole.substring(0, length);
      assertThatThrownBy(() -> TraceJson.read(cut)).isInstanceOf(IllegalArgumentException.class);
    }
    for (String other : List.of("[]", "{}", "{\"event\":\"gap\"}", "{\"event\":\"packet\"}")) {
      assertThatThrownBy(() -> TraceJson.read(other)).isInstanceOf(IllegalArgumentException.class);
    }
  }

  /** Fails if what a newer agent adds is an error. */
  @Test
  void membersNobodyKnowsArePassedOver() {
    assertThat(TraceJson.read("{\"event\":\"lost\",\"new\":{\"a\":[1,null]},\"steps\":3}"))
        .isEqualTo(new TraceEvent.Lost(3));
  }
}
