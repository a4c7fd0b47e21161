package dev.sluice.nftables;

import dev.sluice.ffi.NativeBuffer;
import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetlinkTransport;
import dev.sluice.netlink.NetworkNamespace;
import java.util.function.Consumer;
import java.util.function.IntConsumer;

/**
 * Listens to what the kernel tells of packets whose nftrace bit is set, as {@code nft monitor
 * trace} does: whoever set it, and in whichever table.
 *
 * <p>Not thread-safe.
 */
public final class TraceMonitor implements AutoCloseable {
  /** One message is one datagram, of some 400 bytes. */
  private static final int DATAGRAM_BYTES = 16 << 10;

  /** Ten thousand messages wait, while rules are read or the reader does not get to run. */
  private static final int RECEIVE_BUFFER_BYTES = 16 << 20;

  /** So that the caller's clock goes on, however much comes. */
  private static final int MOST_AT_ONCE = 1_000;

  private final NetlinkSocket socket;
  private final NativeBuffer datagram = NativeBuffer.allocate(DATAGRAM_BYTES);
  private int dropsTold;
  private boolean more;

  private TraceMonitor(NetlinkSocket socket, int receiveBufferBytes) {
    this.socket = socket;
    socket.receiveBuffer(receiveBufferBytes);
    socket.joinGroup(LinuxNetlink.NFNLGRP_NFTRACE);
  }

  /** Listens in the calling thread's network namespace, from now on. */
  public static TraceMonitor open() {
    return new TraceMonitor(
        NetlinkSocket.open(LinuxNetlink.NETLINK_NETFILTER), RECEIVE_BUFFER_BYTES);
  }

  public static TraceMonitor open(NetworkNamespace namespace) {
    return open(namespace, RECEIVE_BUFFER_BYTES);
  }

  /**
   * As {@link #open(NetworkNamespace)}.
   *
   * @param receiveBufferBytes what messages that wait may take up in the kernel, which doubles it
   */
  public static TraceMonitor open(NetworkNamespace namespace, int receiveBufferBytes) {
    return new TraceMonitor(
        NetlinkSocket.open(LinuxNetlink.NETLINK_NETFILTER, namespace), receiveBufferBytes);
  }

  /**
   * Waits for a message and hands over those that have come, in their order; a thousand at most.
   *
   * @param timeoutMillis how long to wait for the first; 0: not at all; negative: for ever
   * @param consumer gets each message
   * @param lost gets how many more were lost, because they came faster than they were read
   * @return whether there was anything
   */
  public boolean poll(int timeoutMillis, Consumer<TraceMessage> consumer, IntConsumer lost) {
    more = false;
    int length = socket.receive(datagram, timeoutMillis);
    if (length == NetlinkTransport.NOTHING) {
      return false;
    }
    int read = 0;
    while (length != NetlinkTransport.NOTHING) {
      if (length == NetlinkTransport.OVERRUN) {
        tellLost(lost);
      } else {
        MessageCursor message = new MessageCursor(datagram.bytes(), 0, length);
        while (message.next()) {
          TraceMessage.decode(message).ifPresent(consumer);
        }
      }
      read++;
      if (read == MOST_AT_ONCE) {
        more = true;
        break;
      }
      length = socket.receive(datagram, 0);
    }
    // What did not fit while the queue was read has raised no error yet.
    tellLost(lost);
    return true;
  }

  /** Whether the last {@link #poll} ended before there was nothing left to read. */
  public boolean hasMore() {
    return more;
  }

  private void tellLost(IntConsumer lost) {
    int drops = socket.drops();
    if (drops != dropsTold) {
      lost.accept(drops - dropsTold);
      dropsTold = drops;
    }
  }

  @Override
  public void close() {
    socket.close();
  }
}
