package dev.sluice.netlink;

import dev.sluice.ffi.NativeBuffer;

/**
 * Where requests go and datagrams come from: a socket, or in a test a function that plays the
 * kernel.
 */
public interface NetlinkTransport extends AutoCloseable {
  /** {@link #receive}: nothing arrived in time. */
  int NOTHING = -1;

  /** {@link #receive}: the receive buffer overflowed, datagrams were lost (ENOBUFS). */
  int OVERRUN = -2;

  /** The port id (nl_pid) the kernel knows this end by; unsigned 32 bits. */
  int portId();

  /**
   * Sends one datagram.
   *
   * @param address where it starts
   * @param operation what it asks for, as it reads after "cannot"
   */
  void send(long address, int length, String operation);

  /**
   * Receives one datagram from the kernel.
   *
   * @param timeoutMillis 0: do not wait; negative: wait for ever
   * @return its length in bytes, {@link #NOTHING} or {@link #OVERRUN}
   */
  int receive(NativeBuffer buffer, int timeoutMillis);

  @Override
  void close();
}
