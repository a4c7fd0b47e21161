package dev.sluice.netlink;

import dev.sluice.ffi.NativeBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Plays the kernel: each request sent makes the next of the prepared turns run, which queues what
 * {@code receive} then returns one by one.
 */
final class FakeKernel implements NetlinkTransport {
  private final Deque<Runnable> turns = new ArrayDeque<>();
  private final Deque<Object> queued = new ArrayDeque<>();
  private final List<String> operations = new ArrayList<>();
  private boolean closed;

  /** What happens when the next request that is not spoken for is sent. */
  FakeKernel onRequest(Runnable turn) {
    turns.add(turn);
    return this;
  }

  /** Queues a datagram of these messages. */
  FakeKernel says(byte[]... messages) {
    queued.add(Datagrams.join(messages));
    return this;
  }

  /** Queues a loss: the receive buffer has overflowed. */
  FakeKernel losesMessages() {
    queued.add(OVERRUN);
    return this;
  }

  /** What was asked, in order. */
  List<String> operations() {
    return operations;
  }

  /** Datagrams nobody has received. */
  int unread() {
    return queued.size();
  }

  boolean closed() {
    return closed;
  }

  @Override
  public int portId() {
    return 4242;
  }

  @Override
  public void send(long address, int length, String operation) {
    operations.add(operation);
    if (turns.isEmpty()) {
      throw new AssertionError("unexpected request to " + operation);
    }
    turns.remove().run();
  }

  @Override
  public int receive(NativeBuffer buffer, int timeoutMillis) {
    if (queued.isEmpty()) {
      return NOTHING;
    }
    if (queued.remove() instanceof byte[] datagram) {
      buffer.bytes().put(0, datagram);
      return datagram.length;
    }
    return OVERRUN;
  }

  @Override
  public void close() {
    closed = true;
  }
}
