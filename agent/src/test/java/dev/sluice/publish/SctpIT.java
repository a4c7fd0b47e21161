package dev.sluice.publish;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Mapping;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Background;
import dev.sluice.testing.Conntrack;
import dev.sluice.testing.Ran;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * SCTP ports, with both ends of an association in raw packets: this needs no SCTP in the kernel but
 * that of its connection tracking and translation.
 */
class SctpIT extends AgentCase {
  private static final Duration SOON = Duration.ofSeconds(10);

  SctpIT() {
    super(1);
  }

  private static String[] tool(Object... arguments) {
    return Stream.concat(
            Stream.of("/usr/bin/python3", "-I", "-S", "-c", Ran.resource("/lab/sctp.py")),
            Stream.of(arguments).map(Object::toString))
        .toArray(String[]::new);
  }

  private String ask(String host, String source, int sourcePort, String tag) {
    return lab.client()
        .exec(tool("ask", host, 3868, source, sourcePort, tag))
        .orFail()
        .stdout()
        .strip();
  }

  private List<String> flows(String host) {
    return Conntrack.in(lab.host()).list("-p", "sctp", "--orig-port-src", "40002").stream()
        .filter(flow -> flow.contains(" dst=" + host + " "))
        .toList();
  }

  /**
   * Fails if the map is not looked up for sctp, an address or port is left untranslated in either
   * direction, a flow from before the mapping bypasses it, or one outlives it.
   */
  @ParameterizedTest
  @CsvSource({
    "172.30.0.2, 198.18.0.1, 198.18.0.2, 3868:3869/sctp, AUTO",
    "172.30.0.2, 198.18.0.1, 198.18.0.2, 198.18.0.1:3868:3869/sctp, OFF",
    "172.30.0.2, 198.18.0.1, 198.18.0.2, 3867-3868:3868-3869/sctp, AUTO",
    "fd30::2, 2001:db8:18::1, 2001:db8:18::2, 3868:3869/sctp, OFF",
  })
  void anInitiationArrivesTranslatedAndItsAnswerComesBack(
      String target, String host, String client, String spec, Ownership ownership) {
    start(ownership);
    try (Background server = lab.c1().start(tool("answer", target, 3869, 2))) {
      server.awaitLine("ready", SOON);
      assertThat(ask(host, client, 40002, "a1b2c3d4"))
          .as("without the mapping")
          .isEqualTo("nothing");
      List<Mapping> published = agent.publishAs("diameter", target, spec);
      assertThat(published).hasSize(1);
      assertThat(ask(host, client, 40002, "1234abcd"))
          .isEqualTo(
              "INIT-ACK from " + host + ":3868 verification=1234abcd initiate=beef checksum=ok");
      assertThat(server.awaitLine("INIT from", SOON))
          .isEqualTo("INIT from " + client + ":40002 verification=0 initiate=1234abcd checksum=ok");
      assertThat(only("diameter").counters().connections()).isEqualTo(1);
      assertThat(flows(host)).hasSize(1);
      agent.unpublish("diameter");
      assertThat(flows(host)).isEmpty();
      assertThat(ask(host, client, 40002, "1234abcd")).as("taken back").isEqualTo("nothing");
      assertThat(server.lines()).as("no second one arrived").hasSize(2);
    }
  }
}
