package dev.sluice.flow.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Carried;
import dev.sluice.model.Flow;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.FlowEvent;
import dev.sluice.model.FlowStatus;
import dev.sluice.model.FlowTuple;
import dev.sluice.net.IpAddress;
import java.io.StringWriter;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/** Flows as lines of JSON and back. */
class FlowJsonTest {
  private static String write(Flow flow, Optional<String> mapping) {
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(ObjectWriteContext.empty(), text)) {
      FlowJson.write(json, flow, mapping, Carried.NOTHING);
    }
    return text.toString();
  }

  private static Flow flow(int protocol, FlowTuple.Detail detail) {
    FlowTuple original =
        new FlowTuple(protocol, IpAddress.parse("fd00::1"), IpAddress.parse("fd00::2"), detail);
    FlowTuple reply =
        new FlowTuple(protocol, IpAddress.parse("fd00::2"), IpAddress.parse("fd00::1"), detail);
    return new Flow(
        4294967295L,
        original,
        reply,
        Set.of(FlowStatus.SRC_NAT, FlowStatus.OFFLOAD),
        Optional.empty(),
        4294967295L,
        7,
        OptionalInt.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  /** Fails if an unknown member is written as null, or a number without its full 32 bits. */
  @Test
  void leaves_out_what_is_unknown() {
    assertThat(write(flow(17, new FlowTuple.Ports(53, 53)), Optional.empty()))
        .isEqualTo(
            "{\"id\":4294967295,\"family\":\"ipv6\",\"proto\":\"udp\","
                + "\"original\":{\"src\":\"fd00::1\",\"sport\":53,\"dst\":\"fd00::2\",\"dport\":53},"
                + "\"reply\":{\"src\":\"fd00::2\",\"sport\":53,\"dst\":\"fd00::1\",\"dport\":53},"
                + "\"status\":[\"snat\",\"offload\"],\"mark\":4294967295,\"zone\":7}");
  }

  /** Fails if a protocol without ports loses what tells its flows apart. */
  @Test
  void reads_back_every_kind_of_flow() {
    for (Flow flow :
        new Flow[] {
          flow(17, new FlowTuple.Ports(53, 65535)),
          flow(58, new FlowTuple.Icmp(128, 0, 65535)),
          flow(47, new FlowTuple.AddressesOnly())
        }) {
      assertThat(FlowJson.readFlow(write(flow, Optional.of("web"))))
          .isEqualTo(new FlowJson.LabelledFlow(flow, Optional.of("web"), Carried.NOTHING));
    }
  }

  /** Fails if what the fast path carried is not told, or not understood. */
  @Test
  void tells_what_was_carried() {
    Carried carried = new Carried(true, new FlowCounters(0, 0), new FlowCounters(22, 2_200));
    Flow flow = flow(17, new FlowTuple.Ports(53, 53));
    StringWriter text = new StringWriter();
    try (JsonGenerator json = new JsonFactory().createGenerator(ObjectWriteContext.empty(), text)) {
      FlowJson.write(json, flow, Optional.empty(), carried);
    }
    assertThat(text.toString())
        .contains("\"dport\":53,\"carriedPackets\":22,\"carriedBytes\":2200},\"status\"")
        .endsWith(",\"carried\":true}");
    assertThat(FlowJson.readFlow(text.toString()))
        .isEqualTo(new FlowJson.LabelledFlow(flow, Optional.empty(), carried));
  }

  /** The line of DESIGN's example; fails if a member of it is not understood. */
  @Test
  void reads_an_event() {
    FlowEvent event =
        FlowJson.readEvent(
            "{\"seq\":1042,\"event\":\"new\",\"time\":\"2026-11-21T09:00:00.123456789Z\","
                + "\"id\":3170302521,\"family\":\"ipv4\",\"proto\":\"tcp\",\"original\":"
                + "{\"src\":\"198.18.0.2\",\"sport\":40112,\"dst\":\"198.18.0.1\","
                + "\"dport\":8080},\"reply\":{\"src\":\"172.30.0.2\",\"sport\":80,"
                + "\"dst\":\"198.18.0.2\",\"dport\":40112},\"status\":[\"dnat\"],"
                + "\"tcpState\":\"syn_sent\",\"timeoutSeconds\":120,\"mark\":0,\"zone\":0,"
                + "\"mapping\":\"web\"}");
    assertThat(event)
        .isInstanceOfSatisfying(
            FlowEvent.Started.class,
            started -> {
              assertThat(started.sequence()).isEqualTo(1042);
              assertThat(started.time()).hasToString("2026-11-21T09:00:00.123456789Z");
              assertThat(started.mapping()).contains("web");
              assertThat(started.synthesised()).isFalse();
              assertThat(started.flow().id()).isEqualTo(3170302521L);
              assertThat(started.flow().original())
                  .hasToString("tcp 198.18.0.2:40112 -> 198.18.0.1:8080");
              assertThat(started.flow().status()).containsExactly(FlowStatus.DST_NAT);
              assertThat(started.flow().timeoutSeconds()).hasValue(120);
            });
  }

  /** Fails if something that is no line of ours ends in anything but IllegalArgumentException. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "{",
        "{}",
        "{\"event\":\"new\"}",
        "{\"event\":\"gap\",\"cause\":\"boredom\"}",
        "{\"event\":\"new\",\"time\":\"yesterday\"}",
        "{\"event\":\"new\",\"time\":null}",
        "{\"event\":\"destroy\",\"seq\":\"x\"}",
        "{\"event\":\"new\",\"proto\":\"tcp\",\"original\":1}"
      })
  void refuses_what_is_no_event(String line) {
    assertThatThrownBy(() -> FlowJson.readEvent(line)).isInstanceOf(IllegalArgumentException.class);
  }
}
