package dev.sluice.ffi;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import jnr.enxio.channels.Native;
import jnr.unixsocket.Credentials;
import jnr.unixsocket.UnixSocketAddress;
import jnr.unixsocket.UnixSocketChannel;
import jnr.unixsocket.UnixSocketOptions;
import org.jspecify.annotations.Nullable;

/**
 * One connection, in the shape of a {@link Socket} so that an HTTP library can use it.
 *
 * <p>Every wait has a limit: {@link #setSoTimeout} for one read, {@link #setReadDeadline} for all
 * of them together, {@link #setWriteTimeout} for a peer that does not take what it asked for. One
 * thread uses the connection; any other may {@link #abort} it.
 */
public final class UnixSocket extends Socket {
  private static final int SOL_SOCKET = 1;
  private static final int SO_PEERGROUPS = 59;
  private static final int MSG_DONTWAIT = 0x40;
  private static final int MSG_NOSIGNAL = 0x4000;
  private static final int POLLIN = 0x1;
  private static final int POLLOUT = 0x4;
  private static final int POLLHUP = 0x10;
  private static final int SHUT_RDWR = 2;
  private static final int BUFFER_BYTES = 16 * 1024;

  /** The most groups a process can be in ({@code NGROUPS_MAX}). */
  private static final int MAX_GROUPS = 65_536;

  private final UnixSocketChannel channel;
  private final PeerCredentials peer;
  private final NativeBuffer readBuffer = NativeBuffer.allocate(BUFFER_BYTES);
  private final NativeBuffer writeBuffer = NativeBuffer.allocate(BUFFER_BYTES);
  private final InputStream input = new Input();
  private final OutputStream output = new Output();
  private boolean closed;
  private int readTimeoutMillis;
  private int writeTimeoutMillis;
  private @Nullable Long readDeadlineNanos;

  private UnixSocket(UnixSocketChannel channel, PeerCredentials peer) {
    this.channel = channel;
    this.peer = peer;
  }

  /**
   * Connects to who listens at a path.
   *
   * @throws IOException if nobody does, or the kernel refuses, in the words of libc
   */
  public static UnixSocket connect(Path path) throws IOException {
    return of(UnixSocketChannel.open(new UnixSocketAddress(path.toFile())));
  }

  static UnixSocket accepted(UnixSocketChannel channel) throws IOException {
    return of(channel);
  }

  private static UnixSocket of(UnixSocketChannel channel) throws IOException {
    try {
      Credentials credentials = channel.getOption(UnixSocketOptions.SO_PEERCRED);
      return new UnixSocket(
          channel,
          new PeerCredentials(
              credentials.getPid(),
              credentials.getUid(),
              credentials.getGid(),
              groupsOf(channel.getFD())));
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  /** Who is at the other end. */
  public PeerCredentials peer() {
    return peer;
  }

  /** How long one write may wait until the peer takes something, in milliseconds; 0: forever. */
  public void setWriteTimeout(int millis) {
    writeTimeoutMillis = millis;
  }

  /**
   * From when on every read that would wait fails, whatever came before.
   *
   * @param nanoTime on the clock of {@link System#nanoTime}
   */
  public void setReadDeadline(long nanoTime) {
    readDeadlineNanos = nanoTime;
  }

  /** Lets reads wait as long as {@link #setSoTimeout} says. */
  public void clearReadDeadline() {
    readDeadlineNanos = null;
  }

  /** Whether the peer has closed the connection, in both directions. */
  public synchronized boolean peerHasLeft() {
    return closed || (Sys.poll(channel.getFD(), 0, 0) & POLLHUP) != 0;
  }

  /**
   * Ends whatever the owning thread waits for with an end of stream or an {@link IOException}; the
   * owning thread closes.
   */
  public synchronized void abort() {
    if (!closed) {
      Native.shutdown(channel.getFD(), SHUT_RDWR);
    }
  }

  @Override
  public synchronized void close() throws IOException {
    if (!closed) {
      closed = true;
      channel.close();
    }
  }

  @Override
  public InputStream getInputStream() {
    return input;
  }

  @Override
  public OutputStream getOutputStream() {
    return output;
  }

  @Override
  public synchronized void setSoTimeout(int millis) {
    readTimeoutMillis = millis;
  }

  @Override
  public synchronized int getSoTimeout() {
    return readTimeoutMillis;
  }

  @Override
  public synchronized boolean isClosed() {
    return closed;
  }

  @Override
  public boolean isConnected() {
    return true;
  }

  @Override
  public boolean isBound() {
    return true;
  }

  // A unix socket has no Internet address and none of TCP's options.

  @Override
  public @Nullable InetAddress getInetAddress() {
    return null;
  }

  @Override
  public @Nullable SocketAddress getRemoteSocketAddress() {
    return null;
  }

  @Override
  public @Nullable SocketAddress getLocalSocketAddress() {
    return null;
  }

  @Override
  public void setSoLinger(boolean on, int seconds) {}

  @Override
  public void setTcpNoDelay(boolean on) {}

  @Override
  public String toString() {
    return "UnixSocket[" + peer + "]";
  }

  private int read(byte[] target, int offset, int length) throws IOException {
    if (length == 0) {
      return 0;
    }
    long waitUntil = readTimeoutMillis == 0 ? 0 : System.nanoTime() + nanos(readTimeoutMillis);
    while (true) {
      int got =
          Sys.recv(openFd(), readBuffer.address(), Math.min(length, BUFFER_BYTES), MSG_DONTWAIT);
      if (got > 0) {
        readBuffer.bytes().get(0, target, offset, got);
        return got;
      }
      if (got == 0) {
        return -1;
      }
      if (got == -Errno.EAGAIN) {
        await(POLLIN, readTimeoutMillis != 0, waitUntil);
      } else if (got != -Errno.EINTR) {
        throw new SocketException("recv: " + Errno.describe(-got));
      }
    }
  }

  private void write(byte[] source, int offset, int length) throws IOException {
    int at = offset;
    while (at < offset + length) {
      int part = Math.min(offset + length - at, BUFFER_BYTES);
      writeBuffer.bytes().put(0, source, at, part);
      at += part;
      send(part);
    }
  }

  private void send(int length) throws IOException {
    int sent = 0;
    long waitUntil = System.nanoTime() + nanos(writeTimeoutMillis);
    while (sent < length) {
      int took =
          Sys.send(
              openFd(), writeBuffer.address() + sent, length - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (took >= 0) {
        sent += took;
        waitUntil = System.nanoTime() + nanos(writeTimeoutMillis);
      } else if (took == -Errno.EAGAIN) {
        await(POLLOUT, writeTimeoutMillis != 0, waitUntil);
      } else if (took != -Errno.EINTR) {
        throw new SocketException("send: " + Errno.describe(-took));
      }
    }
  }

  /** Waits for an event, at most until the limit and, for reads, the deadline. */
  private void await(int event, boolean limited, long waitUntilNanos) throws IOException {
    long remaining = limited ? waitUntilNanos - System.nanoTime() : Long.MAX_VALUE;
    Long deadline = readDeadlineNanos;
    if (event == POLLIN && deadline != null) {
      remaining = Math.min(remaining, deadline - System.nanoTime());
    }
    if (remaining <= 0) {
      throw new SocketTimeoutException(
          event == POLLIN ? "the peer sent nothing in time" : "the peer takes nothing");
    }
    int timeoutMillis =
        remaining == Long.MAX_VALUE ? -1 : (int) Math.min(remaining / 1_000_000 + 1, 3_600_000);
    int ready = Sys.poll(openFd(), event, timeoutMillis);
    if (ready < 0 && ready != -Errno.EINTR) {
      throw new SocketException("poll: " + Errno.describe(-ready));
    }
  }

  private int openFd() throws SocketException {
    if (isClosed()) {
      throw new SocketException("the socket is closed");
    }
    return channel.getFD();
  }

  private static long nanos(int millis) {
    return millis * 1_000_000L;
  }

  private static Set<Integer> groupsOf(int fd) throws IOException {
    NativeBuffer groups = NativeBuffer.allocate(64 * Integer.BYTES);
    int length = Sys.getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups);
    if (length == -Errno.ERANGE) {
      groups = NativeBuffer.allocate(MAX_GROUPS * Integer.BYTES);
      length = Sys.getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups);
    }
    if (length < 0) {
      throw new IOException("getsockopt(SO_PEERGROUPS): " + Errno.describe(-length));
    }
    Set<Integer> found = new HashSet<>();
    for (int at = 0; at < length; at += Integer.BYTES) {
      found.add(groups.bytes().getInt(at));
    }
    return found;
  }

  private final class Input extends InputStream {
    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return UnixSocket.this.read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
      return UnixSocket.this.read(target, offset, length);
    }

    @Override
    public void close() throws IOException {
      UnixSocket.this.close();
    }
  }

  private final class Output extends OutputStream {
    @Override
    public void write(int b) throws IOException {
      UnixSocket.this.write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] source, int offset, int length) throws IOException {
      UnixSocket.this.write(source, offset, length);
    }

    @Override
    public void close() throws IOException {
      UnixSocket.this.close();
    }
  }
}
