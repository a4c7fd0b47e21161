package dev.sluice.model;

import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;

/**
 * Where connections are to end: ports of a container.
 *
 * @param address the address of the container
 * @param ports the ports
 */
public record Target(IpAddress address, PortRange ports) {

  /**
   * Checks the address.
   *
   * @throws InvalidMappingException if no connection can be made to it
   */
  public Target {
    check(address);
  }

  /** As people write it: {@code 172.30.0.2:80}, {@code [fd00::2]:5000-5010}. */
  @Override
  public String toString() {
    return HostBinding.withPorts(address, ports);
  }

  /** What the constructor checks. */
  static void check(IpAddress address) {
    if (address.isAny()) {
      throw new InvalidMappingException(
          "target address " + address + " is not an address of a container");
    }
    if (address.isMulticast()) {
      throw new InvalidMappingException(
          "target address " + address + " is a multicast group, not an address of a container");
    }
  }
}
