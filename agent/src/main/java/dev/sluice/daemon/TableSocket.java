package dev.sluice.daemon;

import static dev.sluice.netlink.LinuxNetlink.NETLINK_NETFILTER;

import dev.sluice.netlink.NetlinkSocket;
import dev.sluice.netlink.SocketOwner;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The socket that owns our table. The kernel keeps everybody else from changing the table as long
 * as somebody has this socket open; so that this also holds while the agent is dead, a keeper has
 * it too, and hands it to the next agent: systemd in its file descriptor store, or {@code
 * sluice-keeper}.
 */
final class TableSocket {
  private static final Logger LOG = LoggerFactory.getLogger(TableSocket.class);

  /** What keepers know it by. */
  static final String NAME = "sluice-table";

  private final NetlinkSocket socket;
  private final boolean inherited;

  private TableSocket(NetlinkSocket socket, boolean inherited) {
    this.socket = socket;
    this.inherited = inherited;
  }

  /** Takes over the one a keeper has handed to us, or opens one. */
  static TableSocket open() {
    Integer handed = InheritedDescriptors.take().get(NAME);
    if (handed != null) {
      try {
        return new TableSocket(NetlinkSocket.adopt(handed, NETLINK_NETFILTER), true);
      } catch (IllegalArgumentException e) {
        LOG.warn(
            "the socket that was kept for us as {} cannot be used, opening another: {}",
            NAME,
            e.getMessage());
        // It stays open: it may be no descriptor of ours to close.
        ServiceManager.notify("FDSTOREREMOVE=1\nFDNAME=" + NAME);
      }
    }
    return new TableSocket(NetlinkSocket.open(NETLINK_NETFILTER), false);
  }

  /** The socket; whoever uses it closes it. */
  NetlinkSocket socket() {
    return socket;
  }

  /** Gives a copy to systemd, if it runs us and has none yet. */
  void entrust() {
    if (!inherited) {
      ServiceManager.store(NAME, socket.fd());
    }
  }

  /** Another process that has it open; empty if there is none that we can see. */
  Optional<SocketOwner> keeper() {
    return SocketOwner.besidesThisProcess(socket.fd());
  }
}
