package dev.sluice.ffi;

import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import jnr.enxio.channels.Native;
import jnr.unixsocket.UnixServerSocketChannel;
import jnr.unixsocket.UnixSocketAddress;
import jnr.unixsocket.UnixSocketChannel;
import org.jspecify.annotations.Nullable;

/**
 * A listening unix stream socket. Java's own channel for these (JEP 380) cannot tell who is at the
 * other end by every means the kernel offers, nor wait with a time limit; this one can.
 */
public final class UnixSocketServer implements Closeable {
  /** The longest path a socket can have, in bytes: {@code sun_path} of unix(7) without its NUL. */
  public static final int MAX_PATH_BYTES = 107;

  private static final int POLLIN = 0x1;
  private static final int SHUT_RDWR = 2;

  private final UnixServerSocketChannel channel;
  private volatile boolean stopped;

  private UnixSocketServer(UnixServerSocketChannel channel) {
    this.channel = channel;
  }

  /**
   * Creates the socket file and listens.
   *
   * @param backlog how many connections may wait to be accepted
   * @throws IOException if the kernel refuses, in the words of libc
   */
  public static UnixSocketServer bind(Path path, int backlog) throws IOException {
    UnixServerSocketChannel channel = UnixServerSocketChannel.open();
    try {
      channel.socket().bind(new UnixSocketAddress(path.toFile()), backlog);
    } catch (IOException e) {
      channel.close();
      throw e;
    }
    return new UnixSocketServer(channel);
  }

  /**
   * Waits for the next connection.
   *
   * @return the connection, or null once {@link #stop} was called
   * @throws IOException if the kernel refuses, for instance because too many files are open
   */
  public @Nullable UnixSocket accept() throws IOException {
    int ready = 0;
    while (!stopped && ready <= 0) {
      ready = Sys.poll(channel.getFD(), POLLIN, -1);
      if (ready < 0 && ready != -Errno.EINTR) {
        throw new IOException("poll: " + Errno.describe(-ready));
      }
    }
    if (stopped) {
      return null;
    }
    UnixSocketChannel accepted = channel.accept();
    return accepted == null ? null : UnixSocket.accepted(accepted);
  }

  /** Ends {@link #accept}, now and from now on; what was accepted lives on. */
  public synchronized void stop() {
    stopped = true;
    if (channel.isOpen()) {
      Native.shutdown(channel.getFD(), SHUT_RDWR);
    }
  }

  /** Closes the socket; call it when nobody is in {@link #accept} any more. */
  @Override
  public synchronized void close() throws IOException {
    stopped = true;
    channel.close();
  }
}
