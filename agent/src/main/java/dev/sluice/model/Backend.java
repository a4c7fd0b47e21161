package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.Ip6Address;
import dev.sluice.net.IpAddress;
import java.util.Optional;

/**
 * One of the containers that a mapping leads to.
 *
 * @param address the address of the container
 * @param sandbox whose address it is, if it was named: it moves with that sandbox, and goes with it
 * @param weight its share of the connections beside those of the others, 1 to {@value
 *     Backends#MAX_WEIGHT}
 */
public record Backend(IpAddress address, Optional<SandboxName> sandbox, int weight) {
  /**
   * Checks the parts.
   *
   * @throws InvalidMappingException if no connection can be made to the address, or the weight is
   *     out of range
   */
  public Backend {
    address = address instanceof Ip6Address six ? six.unmapped() : address;
    Target.check(address);
    checkWeight(weight);
  }

  /** One by its address, with the weight 1. */
  public Backend(IpAddress address) {
    this(address, Optional.empty(), 1);
  }

  static void checkWeight(int weight) {
    if (weight < 1 || weight > Backends.MAX_WEIGHT) {
      throw new InvalidMappingException(
          "the weight of a container must be 1 to " + Backends.MAX_WEIGHT + ", not " + weight);
    }
  }

  public Family family() {
    return address.family();
  }

  /** The same container at another address. */
  public Backend at(IpAddress other) {
    return new Backend(other, sandbox, weight);
  }

  /** The address, with the weight where it is not 1: {@code 172.30.0.2}, {@code 172.30.0.3=4}. */
  @Override
  public String toString() {
    return weight == 1 ? address.toString() : address + "=" + weight;
  }
}
