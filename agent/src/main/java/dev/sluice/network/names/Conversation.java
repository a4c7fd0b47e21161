package dev.sluice.network.names;

import dev.sluice.net.IpAddress;
import dev.sluice.network.names.QuietLog.Trouble;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Queue;

/**
 * A connection over which queries come, each behind two bytes with its length (RFC 1035 section
 * 4.2.2). Several may be under way; answers go out as they are known (RFC 7766 section 6.2.1.1).
 * Nothing more is read while many of them wait, so that what one connection holds is bounded.
 */
final class Conversation implements Asker, Ready {
  /** Queries under way before no more are read. */
  static final int MAX_PENDING = 4;

  private static final int LENGTH_BYTES = 2;

  /** What conversations need of who has them. */
  interface Host {
    /** A query has come; {@link #tell} will be called for it once, or never if it is dropped. */
    void received(byte[] query, Conversation from);

    /** It has heard or said a message. */
    void active(Conversation conversation);

    /** It is over. */
    void ended(Conversation conversation);
  }

  private final IpAddress address;
  private final IpAddress gateway;
  private final SocketChannel channel;
  private final SelectionKey key;
  private final Host host;
  private final QuietLog log;
  private final Queue<ByteBuffer> outgoing = new ArrayDeque<>();
  private final ByteBuffer incoming = ByteBuffer.allocate(LENGTH_BYTES + Query.MAX_QUERY_BYTES);
  private int pending;
  private boolean heardAll;
  private boolean closed;

  /** Answers known at once come back through {@link #tell} while queries are handed on. */
  private boolean proceeding;

  /** When it is over if nothing happens; kept by the host. */
  long deadlineNanos;

  /**
   * A conversation over this channel.
   *
   * @param key the channel's, to be ready for reading
   */
  Conversation(
      IpAddress address,
      IpAddress gateway,
      SocketChannel channel,
      SelectionKey key,
      Host host,
      QuietLog log) {
    this.address = address;
    this.gateway = gateway;
    this.channel = channel;
    this.key = key;
    this.host = host;
    this.log = log;
  }

  @Override
  public IpAddress address() {
    return address;
  }

  @Override
  public IpAddress gateway() {
    return gateway;
  }

  @Override
  public boolean overTcp() {
    return true;
  }

  @Override
  public void ready() throws IOException {
    if (key.isWritable()) {
      write();
    }
    if (!closed && key.isReadable()) {
      if (channel.read(incoming) < 0) {
        heardAll = true;
      }
    }
    proceed();
  }

  @Override
  public void tell(byte[] message) {
    if (closed) {
      return;
    }
    pending--;
    outgoing.add(
        ByteBuffer.allocate(LENGTH_BYTES + message.length)
            .putShort((short) message.length)
            .put(message)
            .flip());
    try {
      write();
      proceed();
    } catch (IOException e) {
      giveUp(e);
    }
  }

  /** A query has come that nobody will answer. */
  void dropped() {
    pending--;
  }

  @Override
  public void giveUp(Exception cause) {
    // Askers hang up as they like; that is no trouble.
    close();
  }

  void close() {
    if (closed) {
      return;
    }
    closed = true;
    try {
      channel.close();
    } catch (IOException e) {
      log.tell(Trouble.SOCKET, e);
    }
    host.ended(this);
  }

  private boolean busy() {
    return pending >= MAX_PENDING || outgoing.size() >= MAX_PENDING;
  }

  /** Hands on the queries that are complete, and says what to wait for. */
  private void proceed() {
    if (proceeding) {
      return;
    }
    proceeding = true;
    int from = 0;
    while (!closed && !busy() && incoming.position() - from >= LENGTH_BYTES) {
      int length = incoming.getShort(from) & 0xffff;
      if (length > Query.MAX_QUERY_BYTES || length < Query.HEADER_BYTES) {
        // What follows cannot be told apart from rubbish.
        close();
        break;
      }
      int end = from + LENGTH_BYTES + length;
      if (incoming.position() < end) {
        break;
      }
      byte[] query = Arrays.copyOfRange(incoming.array(), from + LENGTH_BYTES, end);
      from = end;
      pending++;
      host.active(this);
      host.received(query, this);
    }
    proceeding = false;
    incoming.limit(incoming.position()).position(from);
    incoming.compact();
    if (closed) {
      return;
    }
    if (heardAll && pending == 0 && outgoing.isEmpty()) {
      close();
      return;
    }
    int reading = heardAll || busy() || !incoming.hasRemaining() ? 0 : SelectionKey.OP_READ;
    key.interestOps(reading | (outgoing.isEmpty() ? 0 : SelectionKey.OP_WRITE));
  }

  private void write() throws IOException {
    for (ByteBuffer message = outgoing.peek(); message != null; message = outgoing.peek()) {
      channel.write(message);
      if (message.hasRemaining()) {
        return;
      }
      outgoing.remove();
      host.active(this);
    }
  }
}
