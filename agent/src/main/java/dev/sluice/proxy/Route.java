package dev.sluice.proxy;

import dev.sluice.net.SocketAddr;
import java.util.List;

/**
 * Where the connections of a socket are carried to.
 *
 * @param targets the containers' ports, 1 to {@value #MAX_TARGETS}
 * @param choice how one is chosen for a connection
 * @param header whether each connection begins with a header that says who the client is (PROXY
 *     protocol, version 2); tcp only
 */
public record Route(List<Target> targets, Choice choice, boolean header) {
  /** SLUICE_PROXY_MAX_TARGETS. */
  public static final int MAX_TARGETS = 64;

  /**
   * One container's port.
   *
   * @param address where
   * @param weight its share of the connections beside those of the others, 1 to 65535
   */
  public record Target(SocketAddr address, int weight) {}

  /** How a target is chosen, in proportion to the weights. */
  public enum Choice {
    ROUND_ROBIN(0),
    RANDOM(1),
    /** The same for all connections of a client's address. */
    SOURCE(2);

    /** As sluice.h has it: SLUICE_PROXY_ROUND_ROBIN and so on. */
    final int number;

    Choice(int number) {
      this.number = number;
    }
  }

  public Route {
    targets = List.copyOf(targets);
    if (targets.isEmpty() || targets.size() > MAX_TARGETS) {
      throw new IllegalArgumentException("1 to " + MAX_TARGETS + " targets, not " + targets.size());
    }
  }
}
