package dev.sluice.network;

import dev.sluice.model.Network;
import dev.sluice.model.Subnet;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import dev.sluice.network.NetworkException.Kind;
import java.math.BigInteger;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Which subnet a network gets, and which address an endpoint. What is given away is known
 * elsewhere; here is kept only where to look next, and what was given to a request that is not done
 * yet. An address that was given back is given again as late as possible: others may still remember
 * whose it was. Thread-safe.
 */
final class AddressPlan {
  /** As many addresses are looked at before a pool of IPv6 counts as exhausted. */
  private static final int MOST_LOOKED_AT = 1 << 17;

  /**
   * Where subnets are taken from.
   *
   * @param block a block of private addresses
   * @param lengthBits of each subnet
   */
  record Source(Prefix block, int lengthBits) {}

  /** 172.20.0.0 to 172.31.255.255 are what Docker takes as well; networks of others are avoided. */
  static final List<Source> DEFAULT_SOURCES =
      List.of(
          new Source(Prefix.parse("10.201.0.0/16"), 24),
          new Source(Prefix.parse("172.28.0.0/14"), 24),
          // Unique local addresses (RFC 4193); the first 40 bits behind fd are "sluice" in part.
          new Source(Prefix.parse("fd73:6c75:6963::/48"), 64));

  private final List<Source> sources;
  private final Set<IpAddress> promised = new HashSet<>();
  private final Map<Prefix, IpAddress> lastGiven = new HashMap<>();

  AddressPlan(List<Source> sources) {
    this.sources = List.copyOf(sources);
  }

  /**
   * A subnet that overlaps none of those that are taken.
   *
   * @throws NetworkException if there is none left
   */
  Subnet choose(Family family, Collection<Prefix> taken) {
    for (Source source : sources) {
      if (source.block().family() != family) {
        continue;
      }
      BigInteger step = BigInteger.ONE.shiftLeft(family.bits() - source.lengthBits());
      BigInteger at = number(source.block().first());
      BigInteger last = number(source.block().last());
      for (int looked = 0; looked < MOST_LOOKED_AT && at.compareTo(last) <= 0; looked++) {
        Prefix candidate = new Prefix(address(at, family), source.lengthBits());
        if (taken.stream().noneMatch(candidate::overlaps)) {
          return Subnet.of(candidate);
        }
        at = at.add(step);
      }
    }
    throw new NetworkException(
        Kind.UNAVAILABLE,
        "no "
            + family.title()
            + " subnet is left to choose: the host's routes and networks overlap all of "
            + sources.stream().map(Source::block).filter(block -> block.family() == family).toList()
            + "; remove a network, or give a subnet with --subnet");
  }

  /** The first address of a subnet that a host can have. */
  static IpAddress firstHost(Prefix subnet) {
    return next(subnet.first());
  }

  /**
   * Promises an address of a network to who asks, until it is {@link #settle}d.
   *
   * @param isTaken tells what is given away
   * @throws NetworkException if none is free
   */
  synchronized IpAddress promise(Network network, Prefix subnet, Predicate<IpAddress> isTaken) {
    Prefix pool =
        network.settings().pools().stream()
            .filter(one -> one.family() == subnet.family())
            .findFirst()
            .orElse(subnet);
    Predicate<IpAddress> isFree =
        address ->
            Subnet.isUsable(subnet, address)
                && !network.settings().gateways().contains(address)
                && !promised.contains(address)
                && !isTaken.test(address);
    IpAddress start = lastGiven.getOrDefault(pool, pool.last());
    IpAddress at = start;
    int looked = 0;
    do {
      at = at.equals(pool.last()) ? pool.first() : next(at);
      if (isFree.test(at)) {
        promised.add(at);
        lastGiven.put(pool, at);
        return at;
      }
      looked++;
    } while (!at.equals(start) && looked < MOST_LOOKED_AT);
    throw new NetworkException(
        Kind.UNAVAILABLE,
        "the network "
            + network.name()
            + " has no free "
            + subnet.family().title()
            + " address in "
            + pool
            + ": disconnect a sandbox from it, or make a network with a larger subnet");
  }

  /**
   * Promises that very address.
   *
   * @param owner tells who has an address
   * @throws NetworkException if the network has no such address to give, or somebody has it
   */
  synchronized IpAddress promise(
      Network network, IpAddress wanted, Predicate<IpAddress> isTaken, String owner) {
    Optional<Prefix> subnet = network.subnet(wanted.family());
    if (subnet.isEmpty() || !subnet.get().contains(wanted)) {
      throw new NetworkException(
          Kind.INVALID,
          "the address "
              + wanted
              + " is not on the network "
              + network.name()
              + subnet
                  .map(block -> ", which has " + block)
                  .orElse(", which has no " + wanted.family().title() + " subnet"));
    }
    if (!Subnet.isUsable(subnet.get(), wanted) || network.settings().gateways().contains(wanted)) {
      throw new NetworkException(
          Kind.INVALID,
          "the address "
              + wanted
              + (network.settings().gateways().contains(wanted)
                  ? " is the gateway of the network "
                  : " stands for all of the subnet of the network ")
              + network.name()
              + ": choose another");
    }
    if (isTaken.test(wanted) || !promised.add(wanted)) {
      throw new NetworkException(
          Kind.CONFLICT, "the address " + wanted + " belongs to " + owner + ": choose another");
    }
    return wanted;
  }

  /** What was promised has been given away, or is not wanted. */
  synchronized void settle(Collection<IpAddress> addresses) {
    addresses.forEach(promised::remove);
  }

  private static IpAddress next(IpAddress address) {
    return address(number(address).add(BigInteger.ONE), address.family());
  }

  private static BigInteger number(IpAddress address) {
    return new BigInteger(1, address.toBytes());
  }

  private static IpAddress address(BigInteger number, Family family) {
    byte[] bytes = new byte[family.bits() / Byte.SIZE];
    byte[] digits = number.toByteArray();
    int length = Math.min(digits.length, bytes.length);
    System.arraycopy(digits, digits.length - length, bytes, bytes.length - length, length);
    return IpAddress.fromBytes(bytes);
  }
}
