package dev.sluice.api;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;

/** Bytes to and from the API's socket, so that a test decides what a request looks like. */
final class RawHttp implements Closeable {
  private final SocketChannel channel;

  private RawHttp(SocketChannel channel) {
    this.channel = channel;
  }

  static RawHttp connect(Path socket) throws IOException {
    SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
    channel.connect(UnixDomainSocketAddress.of(socket));
    return new RawHttp(channel);
  }

  /** One request on a connection of its own; the whole answer, header included. */
  static String ask(Path socket, String method, String path, String body) throws IOException {
    try (RawHttp http = connect(socket)) {
      byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
      String length = body.isEmpty() ? "" : "Content-Length: " + bytes.length + "\r\n";
      // At once: who refuses a request by its header does not wait for the rest of it.
      http.send(
          method
              + " "
              + path
              + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
              + length
              + "\r\n"
              + body);
      return http.readToEnd();
    }
  }

  void send(String text) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  /** Reads until the server hangs up; whatever was received also counts if it hangs up hard. */
  String readToEnd() throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    ByteBuffer buffer = ByteBuffer.allocate(64 * 1024);
    try {
      while (channel.read(buffer) >= 0) {
        all.write(buffer.array(), 0, buffer.position());
        buffer.clear();
      }
    } catch (IOException e) {
      if (all.size() == 0) {
        throw e;
      }
    }
    return all.toString(StandardCharsets.UTF_8);
  }

  /** Reads until the text has come, or fails after the time. */
  String readUntil(String expected, Duration limit) throws IOException, InterruptedException {
    StringBuilder seen = new StringBuilder();
    ByteBuffer buffer = ByteBuffer.allocate(64 * 1024);
    long deadline = System.nanoTime() + limit.toNanos();
    channel.configureBlocking(false);
    while (seen.indexOf(expected) < 0) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("no \"" + expected + "\" within " + limit + ": " + seen);
      }
      int read = channel.read(buffer);
      if (read < 0) {
        throw new AssertionError("closed before \"" + expected + "\": " + seen);
      }
      seen.append(StandardCharsets.UTF_8.decode(buffer.flip()));
      buffer.clear();
      if (read == 0) {
        Thread.sleep(2);
      }
    }
    channel.configureBlocking(true);
    return seen.toString();
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
