package dev.sluice.model;

import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import java.util.Optional;

/**
 * A block of addresses that is asked for.
 *
 * @param prefix the block
 * @param gateway the host's address in it; empty for the first
 * @param pool where the containers' addresses are taken from; empty for all of it
 */
public record Subnet(Prefix prefix, Optional<IpAddress> gateway, Optional<Prefix> pool) {

  /**
   * Checks that the parts are inside the block.
   *
   * @throws InvalidNetworkException if they are not, or the block has no room for a container
   */
  public Subnet {
    int spareBits = prefix.family().bits() - prefix.lengthBits();
    if (spareBits < 2) {
      throw new InvalidNetworkException(
          "the subnet "
              + prefix
              + " has no room for a gateway and a container: /"
              + (prefix.family().bits() - 2)
              + " is the smallest");
    }
    if (prefix.address().isMulticast()
        || prefix.address().isLoopback()
        || prefix.address().isAny()
        || prefix.address().isLinkLocal()) {
      throw new InvalidNetworkException(
          "the subnet " + prefix + " is not one that hosts can have addresses of");
    }
    gateway.ifPresent(address -> checkGateway(prefix, address));
    if (pool.isPresent() && !prefix.contains(pool.get())) {
      throw new InvalidNetworkException(
          "the address range " + pool.get() + " is not inside the subnet " + prefix);
    }
  }

  /** All of a block. */
  public static Subnet of(Prefix prefix) {
    return new Subnet(prefix, Optional.empty(), Optional.empty());
  }

  private static void checkGateway(Prefix prefix, IpAddress address) {
    if (!prefix.contains(address)) {
      throw new InvalidNetworkException(
          "the gateway " + address + " is not in the subnet " + prefix);
    }
    if (!isUsable(prefix, address)) {
      throw new InvalidNetworkException(
          address + " stands for the subnet " + prefix + " as a whole and cannot be its gateway");
    }
  }

  /** Whether a host can have this address of the block: not the first, nor the last of IPv4. */
  public static boolean isUsable(Prefix prefix, IpAddress address) {
    return prefix.contains(address)
        && !address.equals(prefix.first())
        && !(prefix.family() == dev.sluice.net.Family.IPV4 && address.equals(prefix.last()));
  }
}
