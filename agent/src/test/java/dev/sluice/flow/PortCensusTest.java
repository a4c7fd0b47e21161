package dev.sluice.flow;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.FlowRecord;
import dev.sluice.conntrack.LinuxNfConntrack;
import dev.sluice.conntrack.PlayedDump;
import dev.sluice.conntrack.PlayedEvents;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which ports of which address are in use. */
class PortCensusTest {
  private static final int UDP = 17;
  private static final int TRANSLATED = LinuxNfConntrack.IPS_SRC_NAT;

  private final List<FlowRecord> flows = new ArrayList<>();

  private void udp(int count, int status, String server, int port, int firstSource) {
    for (int i = 0; i < count; i++) {
      int source = firstSource + i;
      flows.add(
          PlayedEvents.record(
              events ->
                  events
                      .event(FlowRecord.Kind.ENTRY, UDP)
                      .addresses("10.0.0.2", server, server, "198.18.0.1")
                      .ports(5000, port, port, source)
                      .status(status)
                      .publish()));
    }
  }

  private PortUse taken() {
    return PortCensus.take(
        new PlayedDump(flows.toArray(FlowRecord[]::new)),
        flows.size(),
        System.nanoTime() + 60_000_000_000L);
  }

  /** Fails if ports are counted together that do not get into each other's way, or not at all. */
  @Test
  void theFullestIsToldByBothEnds() {
    udp(5, TRANSLATED, "198.18.0.2", 53, 2_000);
    udp(3, TRANSLATED, "198.18.0.2", 54, 2_000);
    udp(4, TRANSLATED, "198.18.0.3", 53, 2_000);
    udp(90, 0, "198.18.0.4", 53, 2_000);
    assertThat(taken()).isEqualTo(new PortUse("198.18.0.1 to 198.18.0.2:53/udp", 5, 64_512, true));
  }

  /** Fails if the small ranges for small ports are taken for the large one. */
  @Test
  void smallPortsAreFew() {
    udp(50, TRANSLATED, "198.18.0.2", 53, 2_000);
    udp(2, TRANSLATED, "198.18.0.3", 53, 700);
    assertThat(taken().range()).isEqualTo(424);
    udp(3, TRANSLATED, "198.18.0.4", 53, 100);
    assertThat(taken()).isEqualTo(new PortUse("198.18.0.1 to 198.18.0.4:53/udp", 3, 511, true));
  }

  /**
   * Fails if echo requests are not told by their ends, or an address is written without brackets.
   */
  @Test
  void echoRequestsAndIpv6HaveTheirOwnWords() {
    flows.add(
        PlayedEvents.record(
            events ->
                events
                    .event(FlowRecord.Kind.ENTRY, 1)
                    .addresses("10.0.0.2", "198.18.0.2", "198.18.0.2", "198.18.0.1")
                    .icmp(77, 8, 0, 0)
                    .status(TRANSLATED)
                    .publish()));
    assertThat(taken()).isEqualTo(new PortUse("198.18.0.1 to 198.18.0.2 (icmp)", 1, 65_536, true));
    flows.clear();
    flows.add(
        PlayedEvents.record(
            events ->
                events
                    .event(FlowRecord.Kind.ENTRY, UDP)
                    .addresses("fd00::2", "2001:db8::2", "2001:db8::2", "2001:db8::1")
                    .ports(5000, 53, 53, 2000)
                    .status(TRANSLATED)
                    .publish()));
    assertThat(taken().where()).isEqualTo("2001:db8::1 to [2001:db8::2]:53/udp");
  }

  /**
   * Fails if a large table is counted to its end, however long that takes, or the rest is empty.
   */
  @Test
  void theCountEndsWithItsTimeAndIsAnEstimateThen() {
    udp(3, TRANSLATED, "198.18.0.2", 53, 2_000);
    PortUse use =
        PortCensus.take(
            new PlayedDump(flows.toArray(FlowRecord[]::new)), 3, System.nanoTime() - 1_000_000);
    assertThat(use).isEqualTo(new PortUse("198.18.0.1 to 198.18.0.2:53/udp", 3, 64_512, false));
  }
}
