package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.net.PortRange;
import dev.sluice.ruleset.Ownership;
import dev.sluice.sysctl.ReservedLocalPorts;
import dev.sluice.sysctl.Sysctl;
import dev.sluice.testing.Lab;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Published ports, and those the kernel may choose for the host's own connections. */
class LocalPortsIT extends AgentCase {
  private static final String OTHERS = "39000,40000-40010";

  LocalPortsIT() {
    super(1);
  }

  private String reserved() {
    return lab.host().sysctlValue("net.ipv4.ip_local_reserved_ports");
  }

  @BeforeEach
  void others() {
    lab.host()
        .sysctl(
            "net.ipv4.ip_local_reserved_ports=" + OTHERS,
            "net.ipv4.ip_local_port_range=32768 60999");
  }

  /**
   * Fails if a published port is not reserved, one that the kernel never chooses is, a restart
   * forgets whose they are, or what somebody else has reserved is given back with ours.
   */
  @ParameterizedTest
  @EnumSource
  void publishedPortsAreReservedAndGivenBack(Ownership ownership) {
    start(ownership);
    agent.publishAs("web", Lab.C1, "40500:80", "41000-41003:7000-7003", "8080:80", "40005:80");
    agent.publishAs("udp", Lab.C1, "40500:53/udp");
    assertThat(reserved()).isEqualTo("39000,40000-40010,40500,41000-41003");
    // Somebody adds one meanwhile.
    lab.host().sysctl("net.ipv4.ip_local_reserved_ports=39000,40000-40010,40500,41000-41003,45000");
    restart(ownership);
    assertThat(reserved()).isEqualTo("39000,40000-40010,40500,41000-41003,45000");
    agent.unpublish("udp");
    assertThat(reserved()).as("tcp has it still").contains("40500");
    agent.publishAs("more", Lab.C1, "60999-61001:80-82");
    assertThat(reserved()).endsWith(",45000,60999");
    agent.unpublish("web");
    agent.unpublish("more");
    assertThat(reserved()).startsWith("39000,40000-400").endsWith(",45000");
    assertThat(reserved()).doesNotContain("40500").doesNotContain("41000");
  }

  /** Fails if a request that is refused leaves its ports reserved. */
  @Test
  void aRefusedRequestReservesNothing() {
    start(Ownership.OFF);
    agent.publishAs("web", Lab.C1, "40600:80");
    String before = reserved();
    nft.apply("add element inet sluice any4 { tcp . 40601 : 172.30.0.2 . 80 }");
    assertThat(
            org.assertj.core.api.Assertions.catchThrowable(
                () -> agent.publish(Lab.C1, "40602:80", "40601:80")))
        .isInstanceOf(PublishException.class);
    assertThat(reserved()).isEqualTo(before).isEqualTo("39000,40000-40010,40600");
  }

  /** Fails if a list that is longer than a page is written or read in part. */
  @Test
  void aListOfThousandsIsWrittenAndReadWhole() {
    List<PortRange> many =
        IntStream.range(0, 5_000).mapToObj(i -> PortRange.of(45_000 + 2 * i)).toList();
    List<PortRange> half = many.subList(0, 2_500);
    inside(
        lab.host(),
        () -> {
          ReservedLocalPorts ports = new ReservedLocalPorts(new Sysctl());
          ports.add(many);
          assertThat(reserved().split(",", -1)).hasSize(5_002);
          ports.remove(half);
          assertThat(reserved().split(",", -1))
              .hasSize(2_502)
              .contains("39000", "40000-40010", "50000", "54998")
              .doesNotContain("45000", "49998");
          ports.remove(many.subList(2_500, 5_000));
          assertThat(reserved()).isEqualTo(OTHERS);
          return null;
        });
  }
}
