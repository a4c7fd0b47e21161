package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.ApiOptions;
import dev.sluice.api.ApiServer;
import dev.sluice.api.FakeAgent;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.Traffic;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.ZoneOffset;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The views of what is published that go beyond {@code ps}. */
class ViewsTest {
  private final FakeAgent agent = new FakeAgent();
  private final Path socket;
  private final ApiServer server;

  ViewsTest(@TempDir Path directory) {
    socket = directory.resolve("a.sock");
    server = ApiServer.start(socket, agent.services(), ApiOptions.DEFAULTS);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private String sluice(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    String[] all = new String[args.length + 2];
    all[0] = "--socket";
    all[1] = socket.toString();
    System.arraycopy(args, 0, all, 2, args.length);
    Clock later = Clock.fixed(FakeAgent.CREATED.plus(Duration.ofMinutes(2)), ZoneOffset.UTC);
    int exitCode =
        Main.run(new Terminal(new PrintWriter(out), new PrintWriter(err), false, later), all);
    assertThat(err.toString()).isEmpty();
    assertThat(exitCode).isZero();
    return out.toString();
  }

  /**
   * Fails if a key is not the container's port, a range is not one entry a port, or a member is not
   * called what Docker calls it.
   */
  @Test
  void docker_s_form_has_an_entry_for_each_port_of_the_container() {
    agent.publish("8080:80", "172.30.0.2", "web");
    agent.publish("127.0.0.1:9000-9001:8000-8001/udp", "172.30.0.2", "web");
    agent.publish("[::]:8081:80", "fd00::2", "web");
    assertThat(sluice("inspect", "--format", "docker", "web"))
        .isEqualToIgnoringWhitespace(
            """
            {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8081"}],
             "8000/udp": [{"HostIp": "127.0.0.1", "HostPort": "9000"}],
             "8001/udp": [{"HostIp": "127.0.0.1", "HostPort": "9001"}]}
            """);
  }

  /** Fails if the sums of one container are not added up, or in and out change places. */
  @Test
  void traffic_is_shown_where_it_is_asked_for() {
    agent.carried(
        agent.publish("8080:80", "172.30.0.2", "web"),
        new Traffic(new FlowCounters(10, 1_000), new FlowCounters(20, 2_000)));
    agent.carried(
        agent.publish("8443:443", "172.30.0.2", "web"),
        new Traffic(new FlowCounters(1, 2), new FlowCounters(3, 4)));
    agent.publish("53:53/udp", "172.30.0.3", "dns");
    assertThat(sluice("ps", "--traffic"))
        .contains("CREATED         IN          OUT")
        .contains("2 minutes ago   11 / 1002   23 / 2004")
        .contains("2 minutes ago   0 / 0       0 / 0");
    assertThat(sluice("ps")).doesNotContain("OUT");
    assertThat(sluice("--json", "ps", "--traffic"))
        .contains("\"packetsIn\":10,\"bytesIn\":1000,\"packetsOut\":20,\"bytesOut\":2000");
    assertThat(sluice("--json", "ps")).doesNotContain("packetsIn");
    assertThat(sluice("inspect", "dns")).contains("\"bytesOut\" : 0");
  }
}
