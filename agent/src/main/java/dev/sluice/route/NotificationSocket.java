package dev.sluice.route;

import static dev.sluice.netlink.LinuxNetlink.NLMSG_NOOP;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_ACK;
import static dev.sluice.netlink.LinuxNetlink.NLM_F_REQUEST;

import dev.sluice.ffi.NativeBuffer;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetlinkTransport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/** A member of multicast groups of rtnetlink. One thread polls, any may wake it or close. */
final class NotificationSocket implements AutoCloseable {
  private static final int DATAGRAM_BYTES = 64 << 10;

  private final NetlinkSocket socket;
  private final NativeBuffer datagram = NativeBuffer.allocate(DATAGRAM_BYTES);

  /** Held while the socket is read, so that it is not closed under its reader. */
  private final ReentrantLock reading = new ReentrantLock();

  /** Held while something is sent, so that it is not closed meanwhile. */
  private final ReentrantLock sending = new ReentrantLock();

  private volatile boolean closed;
  private boolean gone;

  /**
   * Joins the groups; closes the socket if that fails.
   *
   * @param receiveBufferBytes what events that wait may take up in the kernel, which doubles it
   * @param groups RTNLGRP_*
   */
  NotificationSocket(NetlinkSocket socket, int receiveBufferBytes, int... groups) {
    this.socket = socket;
    try {
      socket.receiveBuffer(receiveBufferBytes);
      for (int group : groups) {
        socket.joinGroup(group);
      }
    } catch (RuntimeException e) {
      socket.close();
      throw e;
    }
  }

  /**
   * Waits for messages and hands them over in their order.
   *
   * @param timeoutMillis how long to wait for the first; 0: not at all; negative: for ever
   * @param lost is run where messages came faster than they were read
   * @return whether there was anything; false at once, also while waiting, when this is closed
   */
  boolean poll(int timeoutMillis, Consumer<MessageCursor> consumer, Runnable lost) {
    reading.lock();
    try {
      if (closed) {
        return false;
      }
      int length = socket.receive(datagram, timeoutMillis);
      if (closed || length == NetlinkTransport.NOTHING) {
        return false;
      }
      if (length == NetlinkTransport.OVERRUN) {
        lost.run();
        return true;
      }
      MessageCursor message = new MessageCursor(datagram.bytes(), 0, length);
      while (message.next()) {
        consumer.accept(message);
      }
      return true;
    } finally {
      reading.unlock();
    }
  }

  /**
   * Ends a {@link #poll} of another thread, or the next one. The kernel acknowledges what asks for
   * nothing, without waiting for a lock. Does nothing when this is closed.
   */
  void wake() {
    MessageWriter request = new MessageWriter(64);
    request.begin(NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, 0).end();
    sending.lock();
    try {
      if (!gone) {
        socket.send(request.address(), request.length(), "wake a reader of rtnetlink");
      }
    } finally {
      sending.unlock();
    }
  }

  boolean isClosed() {
    return closed;
  }

  /** Ends a {@link #poll} of another thread; does nothing the second time. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      wake();
    }
    reading.lock();
    sending.lock();
    try {
      gone = true;
      socket.close();
    } finally {
      sending.unlock();
      reading.unlock();
    }
  }
}
