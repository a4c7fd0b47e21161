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
        one.write(StandardCharsets.US_ASCII.encode(REQUEST));
        ByteBuffer answer = ByteBuffer.allocate(1 << 12);
        one.read(answer);
        assertThat(StandardCharsets.US_ASCII.decode(answer.flip()).toString())
            .startsWith("HTTP/1.1 200 ");
      }
    } finally {
      for (SocketChannel one : open) {
        one.close();
      }
    }
  }
}
