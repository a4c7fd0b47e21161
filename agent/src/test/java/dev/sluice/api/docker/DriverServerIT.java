package dev.sluice.api.docker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.FakeAgent;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The socket of the network driver, which only root can make. */
class DriverServerIT {
  private static final int MANY = 200;

  private static final String REQUEST =
      "POST /NetworkDriver.GetCapabilities HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";

  /** Fails if Docker has nothing to show when it has more calls under way than there are places. */
  @Test
  void callsBeyondThePlacesAreToldWhy(@TempDir Path directory) throws IOException {
    FakeAgent agent = new FakeAgent();
    List<SocketChannel> open = new ArrayList<>();
    try (DriverServer server =
        DriverServer.start(
            directory.resolve("sluice.sock"),
            directory.resolve("state"),
            agent.networks(),
            agent)) {
      for (int i = 0; i <= DriverServer.MAX_CONNECTIONS; i++) {
        open.add(SocketChannel.open(UnixDomainSocketAddress.of(server.socket())));
      }
      assertThat(ask(open.get(DriverServer.MAX_CONNECTIONS)))
          .startsWith("HTTP/1.1 503 ")
          .contains("Content-Type: application/vnd.docker.plugins.v1.2+json")
          .contains("{\"Err\":\"")
          .contains("connections");
      assertThat(ask(open.get(0))).startsWith("HTTP/1.1 200 ");
      assertThat(server.statistics().turnedAway()).isEqualTo(1);
      assertThat(server.statistics().calls().get("GetCapabilities"))
          .isEqualTo(new DriverStatistics.Calls(1, 0));
    } finally {
      for (SocketChannel one : open) {
        one.close();
      }
    }
  }

  private static String ask(SocketChannel connection) throws IOException {
    connection.write(StandardCharsets.US_ASCII.encode(REQUEST));
    ByteBuffer answer = ByteBuffer.allocate(1 << 12);
    while (connection.read(answer) >= 0) {
      String text = StandardCharsets.US_ASCII.decode(answer.duplicate().flip()).toString();
      if (text.endsWith("}\n") || text.endsWith("}")) {
        return text;
      }
    }
    return StandardCharsets.US_ASCII.decode(answer.flip()).toString();
  }

  /**
   * Fails if so many calls at the same time are refused, which Docker does not repeat: when many
   * containers start at once.
   */
  @Test
  void manyCallsAtTheSameTimeAreAllAnswered(@TempDir Path directory) throws IOException {
    FakeAgent agent = new FakeAgent();
    Path socket = directory.resolve("sluice.sock");
    List<SocketChannel> open = new ArrayList<>();
    try (DriverServer server =
        DriverServer.start(socket, directory.resolve("state"), agent.networks(), agent)) {
      for (int i = 0; i < MANY; i++) {
        open.add(SocketChannel.open(UnixDomainSocketAddress.of(server.socket())));
      }
      for (SocketChannel one : open) {
        assertThat(ask(one)).startsWith("HTTP/1.1 200 ");
      }
    } finally {
      for (SocketChannel one : open) {
        one.close();
      }
    }
  }
}
