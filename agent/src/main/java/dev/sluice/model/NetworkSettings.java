package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a network is beside its subnets.
 *
 * @param internal whether its containers reach nothing outside it
 * @param isolated whether its containers reach each other only where one is linked to another, or
 *     by published ports
 * @param gateways the host's address in each subnet, at most one of each family
 * @param pools where addresses are taken from, where that is not the whole subnet
 * @param mtuBytes the largest packet, if it was asked for
 * @param made who made the bridge with it; empty for a bridge that was there before
 */
public record NetworkSettings(
    boolean internal,
    boolean isolated,
    List<IpAddress> gateways,
    List<Prefix> pools,
    OptionalInt mtuBytes,
    Optional<Made> made) {

  /** Those of a bridge that was there before. */
  public static final NetworkSettings NONE =
      new NetworkSettings(
          false, false, List.of(), List.of(), OptionalInt.empty(), Optional.empty());

  /** Who made it, and when, to the millisecond. */
  public record Made(Owner by, Instant at) {}

  public NetworkSettings {
    gateways = List.copyOf(gateways);
    pools = List.copyOf(pools);
  }

  /** The host's address of that family. */
  public Optional<IpAddress> gateway(Family family) {
    return gateways.stream().filter(one -> one.family() == family).findFirst();
  }
}
