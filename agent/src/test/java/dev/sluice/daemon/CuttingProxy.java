package dev.sluice.daemon;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntSupplier;

/** Stands between a client and a unix socket, and cuts each connection after so many bytes. */
final class CuttingProxy implements AutoCloseable {
  private final ServerSocketChannel server;
  private final Path path;
  private final Path behind;
  private final IntSupplier bytes;
  private final AtomicInteger cuts = new AtomicInteger();

  private CuttingProxy(ServerSocketChannel server, Path path, Path behind, IntSupplier bytes) {
    this.server = server;
    this.path = path;
    this.behind = behind;
    this.bytes = bytes;
  }

  /**
   * Starts to listen at {@code path}, one connection at a time.
   *
   * @param bytes after how many bytes of answers the next connection is cut
   */
  static CuttingProxy start(Path path, Path behind, IntSupplier bytes) {
    try {
      ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
      server.bind(UnixDomainSocketAddress.of(path));
      CuttingProxy proxy = new CuttingProxy(server, path, behind, bytes);
      Thread thread = new Thread(proxy::serve, "cutting proxy");
      thread.setDaemon(true);
      thread.start();
      return proxy;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Path path() {
    return path;
  }

  /** How many connections were cut. */
  int cuts() {
    return cuts.get();
  }

  private void serve() {
    while (server.isOpen()) {
      try (SocketChannel client = server.accept();
          SocketChannel agent = SocketChannel.open(UnixDomainSocketAddress.of(behind))) {
        ByteBuffer request = ByteBuffer.allocate(16 * 1024);
        client.read(request);
        agent.write(request.flip());
        carry(agent, client, bytes.getAsInt());
        cuts.incrementAndGet();
      } catch (IOException e) {
        // The client has gone, or the proxy is closed.
        Thread.onSpinWait();
      }
    }
  }

  private static void carry(SocketChannel from, SocketChannel to, int most) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(4096);
    for (int left = most; left > 0; ) {
      buffer.clear().limit(Math.min(left, buffer.capacity()));
      int read = from.read(buffer);
      if (read < 0) {
        return;
      }
      left -= read;
      buffer.flip();
      while (buffer.hasRemaining()) {
        to.write(buffer);
      }
    }
  }

  @Override
  public void close() {
    try {
      server.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
