package dev.sluice.model;

import java.util.List;

/**
 * What is to be published permanently: all that its owner wants, so that what is not in it is taken
 * back.
 *
 * @param ports what to publish, each entry owned by {@link Owner#FILE}
 * @param networks existing bridges whose containers reach the outside with the host's address
 */
public record Declaration(List<PublishRequest> ports, List<InterfaceName> networks) {
  /** The most port specifications of all entries together; a range counts once. */
  public static final int MAX_PORTS = 65_536;

  /** The most networks. */
  public static final int MAX_NETWORKS = 1_024;

  /**
   * Checks the limits.
   *
   * @throws InvalidMappingException if there are too many ports or networks
   * @throws IllegalArgumentException if an entry has another owner
   */
  public Declaration {
    ports = List.copyOf(ports);
    networks = List.copyOf(networks);
    int count = ports.stream().mapToInt(entry -> entry.ports().size()).sum();
    if (count > MAX_PORTS) {
      throw new InvalidMappingException(
          "at most " + MAX_PORTS + " ports can be declared, not " + count);
    }
    if (networks.size() > MAX_NETWORKS) {
      throw new InvalidMappingException(
          "at most " + MAX_NETWORKS + " networks can be declared, not " + networks.size());
    }
    for (PublishRequest entry : ports) {
      if (entry.owner() != Owner.FILE) {
        throw new IllegalArgumentException("a declared port belongs to the file: " + entry);
      }
    }
  }
}
