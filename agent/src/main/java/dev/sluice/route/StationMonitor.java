package dev.sluice.route;

import static dev.sluice.route.LinuxRtnetlink.RTM_DELLINK;
import static dev.sluice.route.LinuxRtnetlink.RTM_DELNEIGH;
import static dev.sluice.route.LinuxRtnetlink.RTM_DELQDISC;
import static dev.sluice.route.LinuxRtnetlink.RTM_DELTFILTER;
import static dev.sluice.route.LinuxRtnetlink.RTM_NEWLINK;
import static dev.sluice.route.LinuxRtnetlink.RTM_NEWNEIGH;
import static dev.sluice.route.LinuxRtnetlink.RTM_NEWQDISC;
import static dev.sluice.route.LinuxRtnetlink.RTM_NEWTFILTER;
import static dev.sluice.route.LinuxRtnetlink.RTNLGRP_LINK;
import static dev.sluice.route.LinuxRtnetlink.RTNLGRP_NEIGH;
import static dev.sluice.route.LinuxRtnetlink.RTNLGRP_TC;

import dev.sluice.netlink.LinuxNetlink;
import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.NetworkNamespace;
import java.util.function.Consumer;

/**
 * Follows what happens to the links, the neighbours, the forwarding entries of bridges, and the
 * queueing disciplines and filters of links, in one order, as {@code ip monitor link neigh} and
 * {@code tc monitor} do. As {@link LinkMonitor}, which see.
 */
public final class StationMonitor implements AutoCloseable {
  /** Some 2 KiB for a link, less for a neighbour: thousands of containers that come at once. */
  private static final int RECEIVE_BUFFER_BYTES = 16 << 20;

  private final NotificationSocket socket;

  private StationMonitor(NetlinkSocket socket) {
    this.socket =
        new NotificationSocket(
            socket, RECEIVE_BUFFER_BYTES, RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_TC);
  }

  /** Follows the calling thread's network namespace, from now on. */
  public static StationMonitor open() {
    return new StationMonitor(NetlinkSocket.open(LinuxNetlink.NETLINK_ROUTE));
  }

  /** Follows {@code namespace}, which may be closed afterwards, from now on. */
  public static StationMonitor open(NetworkNamespace namespace) {
    return new StationMonitor(NetlinkSocket.open(LinuxNetlink.NETLINK_ROUTE, namespace));
  }

  /**
   * Waits for events and hands them over in their order.
   *
   * @param timeoutMillis how long to wait for the first; 0: not at all; negative: for ever
   * @return whether there was anything, of which all may have been left out; false at once, also
   *     while waiting, when the monitor is closed
   */
  public boolean poll(int timeoutMillis, Consumer<StationEvent> consumer) {
    return socket.poll(
        timeoutMillis,
        message -> tell(message, consumer),
        () -> consumer.accept(new StationEvent.OfLink(new LinkEvent.Lost())));
  }

  // Visible for its test.
  static void tell(MessageCursor message, Consumer<StationEvent> consumer) {
    switch (message.type()) {
      case RTM_NEWLINK ->
          LinkMessages.decode(message)
              .map(link -> new StationEvent.OfLink(new LinkEvent.Changed(link)))
              .ifPresent(consumer);
      case RTM_DELLINK ->
          LinkMessages.decode(message)
              .map(link -> new StationEvent.OfLink(new LinkEvent.Deleted(link)))
              .ifPresent(consumer);
      case RTM_NEWNEIGH -> {
        NeighbourMessages.decode(message)
            .map(StationEvent.NeighbourChanged::new)
            .ifPresent(consumer);
        NeighbourMessages.decodeForwarding(message).map(StationEvent.Seen::new).ifPresent(consumer);
      }
      case RTM_DELNEIGH -> {
        NeighbourMessages.decode(message)
            .map(StationEvent.NeighbourDeleted::new)
            .ifPresent(consumer);
        NeighbourMessages.decodeForwarding(message)
            .map(StationEvent.Forgotten::new)
            .ifPresent(consumer);
      }
      case RTM_NEWQDISC, RTM_DELQDISC, RTM_NEWTFILTER, RTM_DELTFILTER ->
          consumer.accept(
              new StationEvent.TrafficControl(message.headerU32(FixedHeaders.TCM_IFINDEX_OFFSET)));
      default -> {}
    }
  }

  /** Ends a {@link #poll} of another thread, or the next one; it returns true. */
  public void wake() {
    socket.wake();
  }

  public boolean isClosed() {
    return socket.isClosed();
  }

  /** Ends a {@link #poll} of another thread; does nothing the second time. */
  @Override
  public void close() {
    socket.close();
  }
}
