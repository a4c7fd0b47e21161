package dev.sluice.route;

import static dev.sluice.route.LinuxRtnetlink.RTM_DELLINK;
import static dev.sluice.route.LinuxRtnetlink.RTM_NEWLINK;
import static dev.sluice.route.LinuxRtnetlink.RTNLGRP_LINK;

import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetworkNamespace;
import java.util.function.Consumer;

/**
 * Follows what happens to the links of a network namespace, as {@code ip monitor link} does. List
 * the links after opening it: what happens from then on is told.
 *
 * <p>The kernel tells about a link more often than something changes that {@link Link} knows; equal
 * ones may follow each other. It does not tell about a new alias of a link that is down
 * (netdev_state_change).
 *
 * <pre>{@code
 * while (monitor.poll(-1, this::linkEvent)) {} // ends when another thread closes the monitor
 * }</pre>
 *
 * <p>One thread polls, any may close.
 */
public final class LinkMonitor implements AutoCloseable {
  /** A link is some 2 KiB in the queue: a thousand that go at once, several times over. */
  private static final int RECEIVE_BUFFER_BYTES = 16 << 20;

  private final NotificationSocket socket;

  private LinkMonitor(NetlinkSocket socket, int receiveBufferBytes) {
    this.socket = new NotificationSocket(socket, receiveBufferBytes, RTNLGRP_LINK);
  }

  /** Follows the calling thread's network namespace, from now on. */
  public static LinkMonitor open() {
    return new LinkMonitor(NetlinkSocket.open(LinuxNetlink.NETLINK_ROUTE), RECEIVE_BUFFER_BYTES);
  }

  /** Follows {@code namespace}, which may be closed afterwards, from now on. */
  public static LinkMonitor open(NetworkNamespace namespace) {
    return open(namespace, RECEIVE_BUFFER_BYTES);
  }

  /**
   * As {@link #open(NetworkNamespace)}.
   *
   * @param receiveBufferBytes what events that wait may take up in the kernel, which doubles it
   */
  public static LinkMonitor open(NetworkNamespace namespace, int receiveBufferBytes) {
    return new LinkMonitor(
        NetlinkSocket.open(LinuxNetlink.NETLINK_ROUTE, namespace), receiveBufferBytes);
  }

  /**
   * Waits for events and hands them over in their order.
   *
   * @param timeoutMillis how long to wait for the first; 0: not at all; negative: for ever
   * @return whether there was anything, of which all may have been left out; false at once, also
   *     while waiting, when the monitor is closed
   */
  public boolean poll(int timeoutMillis, Consumer<LinkEvent> consumer) {
    return socket.poll(
        timeoutMillis,
        message -> {
          switch (message.type()) {
            case RTM_NEWLINK ->
                LinkMessages.decode(message).map(LinkEvent.Changed::new).ifPresent(consumer);
            case RTM_DELLINK ->
                LinkMessages.decode(message).map(LinkEvent.Deleted::new).ifPresent(consumer);
            default -> {}
          }
        },
        () -> consumer.accept(new LinkEvent.Lost()));
  }

  /** Ends a {@link #poll} of another thread; does nothing the second time. */
  @Override
  public void close() {
    socket.close();
  }
}
