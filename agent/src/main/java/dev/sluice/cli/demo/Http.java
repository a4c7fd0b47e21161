package dev.sluice.cli.demo;

import dev.sluice.cli.demo.DemoNetwork.Machine;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/**
 * As much of an HTTP client as the demo needs, over plain sockets. The JDK's keeps connections open
 * and would use one machine's for another.
 */
final class Http {
  private static final int TIMEOUT_MILLIS = 3_000;
  private static final int MAX_HEADER_BYTES = 8 * 1024;

  private Http() {}

  /** Asks from a machine, and returns the text of the answer. */
  static String get(Machine from, String address, int port, String path) throws Exception {
    return from.namespace()
        .call(
            () -> {
              try (Socket socket = connect(address, port)) {
                return new String(ask(socket, path).readAllBytes(), StandardCharsets.UTF_8);
              }
            });
  }

  /** Connects from the machine of the calling thread. */
  static Socket connect(String address, int port) throws IOException {
    Socket socket = new Socket();
    try {
      socket.setSoTimeout(TIMEOUT_MILLIS);
      socket.connect(new InetSocketAddress(address, port), TIMEOUT_MILLIS);
      return socket;
    } catch (IOException e) {
      socket.close();
      throw e;
    }
  }

  /** Sends a request and returns the body of a good answer. */
  static InputStream ask(Socket socket, String path) throws IOException {
    String request = "GET " + path + " HTTP/1.0\r\nHost: demo\r\n\r\n";
    socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
    InputStream answer = socket.getInputStream();
    String status = header(answer).lines().findFirst().orElse("");
    if (!status.contains(" 200 ")) {
      throw new IOException("the server answered " + status);
    }
    return answer;
  }

  /** Reads byte by byte: what follows the empty line is the body's. */
  private static String header(InputStream in) throws IOException {
    ByteArrayOutputStream header = new ByteArrayOutputStream();
    int ends = 0;
    while (ends < 2) {
      int next = in.read();
      if (next < 0 || header.size() >= MAX_HEADER_BYTES) {
        throw new EOFException("the server broke off");
      }
      header.write(next);
      ends = next == '\n' ? ends + 1 : next == '\r' ? ends : 0;
    }
    return header.toString(StandardCharsets.US_ASCII);
  }
}
