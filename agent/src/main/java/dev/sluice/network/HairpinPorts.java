package dev.sluice.network;

import dev.sluice.ffi.Errno;
import dev.sluice.netlink.NetlinkException;
import dev.sluice.route.Link;
import dev.sluice.route.Rtnetlink;
import java.util.HashSet;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The ports of bridges that send packets back to where they came from.
 *
 * <p>A bridge is looked through once; from then on its new ports are told. Where nobody tells of
 * them it is looked through each time, which takes longer the more links the host has. Thread-safe.
 */
final class HairpinPorts {
  private static final Logger LOG = LoggerFactory.getLogger(HairpinPorts.class);

  private final Rtnetlink routes;
  // By index: all their ports are set, and new ones are told.
  private final Set<Integer> bridges = new HashSet<>();
  private boolean followed;

  HairpinPorts(Rtnetlink routes) {
    this.routes = routes;
  }

  /** Changes of links are told from now on. */
  synchronized void follow() {
    followed = true;
  }

  /** Changes of links were missed. */
  synchronized void forget() {
    bridges.clear();
  }

  /** Sets all ports of a bridge, those it has and, if links are followed, those it will get. */
  synchronized void allow(int bridge) {
    if (bridges.contains(bridge)) {
      return;
    }
    for (Link port : routes.links()) {
      if (port.masterIndex().orElse(-1) == bridge) {
        allow(port);
      }
    }
    // A port that has come meanwhile is told, and whoever tells of it waits for us.
    if (followed) {
      bridges.add(bridge);
    }
  }

  private void allow(Link port) {
    // The wires of sandboxes are born that way.
    if (port.hairpin() || BridgeDriver.endpointOf(port).isPresent()) {
      return;
    }
    try {
      routes.setHairpin(port.index(), true);
    } catch (NetlinkException e) {
      if (e.errno() != Errno.ENODEV) {
        throw e;
      }
      LOG.debug("{} went before it was set", port.name());
    }
  }

  /** A link is new, or has changed in some way. */
  synchronized void changed(Link link) {
    if (bridges.contains(link.masterIndex().orElse(-1))) {
      allow(link);
    }
  }

  /** A link has gone; its index may be another's soon. */
  synchronized void deleted(Link link) {
    bridges.remove(link.index());
  }
}
