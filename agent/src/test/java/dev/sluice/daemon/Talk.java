package dev.sluice.daemon;

import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.testing.Netns;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.DatagramPacket;
import java.net.InetSocketAddress;
import java.net.ProtocolFamily;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;

/** A connection between two namespaces whose ends this thread holds both. */
final class Talk implements AutoCloseable {
  private static final int TIMEOUT_MILLIS = 5_000;
  private static final int IMPATIENT_MILLIS = 200;
  private static final int MESSAGE_BYTES = 100;

  /** Sends a message one way and waits for it. */
  private interface Way {
    void pass() throws IOException;
  }

  /** Sets how long a message is waited for. */
  private interface Patience {
    void lasts(int millis) throws IOException;
  }

  private final Way there;
  private final Way back;
  private final AutoCloseable near;
  private final AutoCloseable far;
  private final Patience patience;

  private Talk(Way there, Way back, AutoCloseable near, AutoCloseable far, Patience patience) {
    this.there = there;
    this.back = back;
    this.near = near;
    this.far = far;
    this.patience = patience;
  }

  /** From a client to a published port, which is {@code port} of a server. */
  static Talk tcp(Netns client, String address, int published, Netns server, int port) {
    try (ServerSocketChannel listener =
        in(server, () -> ServerSocketChannel.open(family(address)))) {
      listener.setOption(StandardSocketOptions.SO_REUSEADDR, true);
      listener.bind(new InetSocketAddress(port));
      listener.socket().setSoTimeout(TIMEOUT_MILLIS);
      SocketChannel near = in(client, () -> SocketChannel.open(family(address)));
      near.setOption(StandardSocketOptions.TCP_NODELAY, true);
      near.socket().connect(new InetSocketAddress(address, published), TIMEOUT_MILLIS);
      SocketChannel far = listener.socket().accept().getChannel();
      far.setOption(StandardSocketOptions.TCP_NODELAY, true);
      byte[] message = new byte[MESSAGE_BYTES];
      return new Talk(
              () -> pass(near, far, message),
              () -> pass(far, near, message),
              near,
              far,
              millis -> {
                near.socket().setSoTimeout(millis);
                far.socket().setSoTimeout(millis);
              })
          .patient();
    } catch (IOException e) {
      throw new UncheckedIOException(address + " " + published, e);
    }
  }

  /** As {@link #tcp}, with datagrams. */
  static Talk udp(Netns client, String address, int published, Netns server, int port) {
    try {
      DatagramChannel far = in(server, () -> DatagramChannel.open(family(address)));
      far.bind(new InetSocketAddress(port));
      DatagramChannel near = in(client, () -> DatagramChannel.open(family(address)));
      near.connect(new InetSocketAddress(address, published));
      near.write(ByteBuffer.allocate(MESSAGE_BYTES));
      DatagramPacket first = new DatagramPacket(new byte[MESSAGE_BYTES], MESSAGE_BYTES);
      far.socket().setSoTimeout(TIMEOUT_MILLIS);
      far.socket().receive(first);
      far.connect(first.getSocketAddress());
      return new Talk(
              () -> pass(near, far),
              () -> pass(far, near),
              near,
              far,
              millis -> {
                near.socket().setSoTimeout(millis);
                far.socket().setSoTimeout(millis);
              })
          .patient();
    } catch (IOException e) {
      throw new UncheckedIOException(address + " " + published, e);
    }
  }

  private static ProtocolFamily family(String address) {
    return address.contains(":") ? StandardProtocolFamily.INET6 : StandardProtocolFamily.INET;
  }

  private static <T> T in(Netns netns, Callable<T> action) {
    try (NetworkNamespace namespace = NetworkNamespace.open(netns.path())) {
      return namespace.call(action);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static void pass(SocketChannel from, SocketChannel to, byte[] message)
      throws IOException {
    from.socket().getOutputStream().write(message);
    if (to.socket().getInputStream().readNBytes(message.length).length < message.length) {
      throw new IOException("the other end has closed");
    }
  }

  private static void pass(DatagramChannel from, DatagramChannel to) throws IOException {
    from.write(ByteBuffer.allocate(MESSAGE_BYTES));
    to.socket().receive(new DatagramPacket(new byte[MESSAGE_BYTES], MESSAGE_BYTES));
  }

  /** So many messages each way, one after the other. */
  Talk exchange(int count) {
    try {
      for (int i = 0; i < count; i++) {
        there.pass();
        back.pass();
      }
      return this;
    } catch (IOException e) {
      throw new UncheckedIOException("the connection has ended", e);
    }
  }

  /** Of TCP: sends all the time, from a thread of its own, until the connection ends. */
  Bulk sendAllTheTime() {
    return new Bulk((SocketChannel) near, (SocketChannel) far);
  }

  /** A connection that one end fills and the other empties. */
  static final class Bulk {
    private static final int BLOCK_BYTES = 64 << 10;

    private final AtomicLong bytes = new AtomicLong();
    private volatile long lastNanos = System.nanoTime();

    private Bulk(SocketChannel from, SocketChannel to) {
      start(
          () -> {
            ByteBuffer block = ByteBuffer.allocateDirect(BLOCK_BYTES);
            while (from.write(block.clear()) > 0) {}
          });
      start(
          () -> {
            ByteBuffer block = ByteBuffer.allocateDirect(BLOCK_BYTES);
            for (int read = 0; read >= 0; read = to.read(block.clear())) {
              bytes.addAndGet(read);
              lastNanos = System.nanoTime();
            }
          });
    }

    private static void start(Way action) {
      Thread thread =
          new Thread(
              () -> {
                try {
                  action.pass();
                } catch (IOException e) {
                  // It was cut, or hung up at the end of the test: that is what ends it.
                  return;
                }
              },
              "bulk");
      thread.setDaemon(true);
      thread.start();
    }

    /** What has arrived. */
    long bytes() {
      return bytes.get();
    }

    /** When something arrived last, by {@link System#nanoTime}. */
    long lastNanos() {
      return lastNanos;
    }
  }

  /** Whether a message passes each way, without much waiting. */
  boolean passes() {
    try {
      patience.lasts(IMPATIENT_MILLIS);
      try {
        there.pass();
        back.pass();
      } finally {
        patient();
      }
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private Talk patient() throws IOException {
    patience.lasts(TIMEOUT_MILLIS);
    return this;
  }

  @Override
  public void close() {
    try {
      near.close();
      far.close();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
