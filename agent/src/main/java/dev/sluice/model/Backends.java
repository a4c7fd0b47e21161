package dev.sluice.model;

import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * The containers that a mapping leads to: mostly one.
 *
 * @param all in the order in which they were named, at least one, all of one family, none twice
 * @param balance how connections are shared out among them
 */
public record Backends(List<Backend> all, Balance balance) {
  /** The most containers of one mapping. */
  public static final int MAX = 32;

  /** The largest weight, and the largest sum of them once common factors are taken out. */
  public static final int MAX_WEIGHT = 60;

  /**
   * Slots where the client's address decides: a prime, as the method needs one, and enough that
   * four containers get a quarter each within three hundredths.
   */
  static final int SOURCE_SLOTS = 61;

  /**
   * Checks them.
   *
   * @throws InvalidMappingException if there are too many, an address is there twice, they are of
   *     different families, or the weights are too different
   */
  public Backends {
    all = List.copyOf(all);
    if (all.isEmpty()) {
      throw new IllegalArgumentException("a mapping needs a container");
    }
    if (all.size() > MAX) {
      throw new InvalidMappingException(
          "a mapping can lead to at most " + MAX + " containers, not " + all.size());
    }
    Set<IpAddress> seen = new HashSet<>();
    int sum = 0;
    int factor = factor(all);
    for (Backend one : all) {
      if (!seen.add(one.address())) {
        throw new InvalidMappingException(
            one.address() + " is named twice: give it once, with a weight if it is to get more");
      }
      if (one.address().family() != all.get(0).address().family()) {
        throw new InvalidMappingException(
            one.address() + " and " + all.get(0).address() + " are of different families");
      }
      sum += one.weight() / factor;
    }
    if (sum > MAX_WEIGHT) {
      throw new InvalidMappingException(
          "the weights of the containers add up to "
              + sum
              + ", and at most "
              + MAX_WEIGHT
              + " is possible: give smaller ones");
    }
  }

  /** One container, by its address. */
  public static Backends of(IpAddress address) {
    return of(address, Optional.empty());
  }

  /** One container. */
  public static Backends of(IpAddress address, Optional<SandboxName> sandbox) {
    return new Backends(List.of(new Backend(address, sandbox, 1)), Balance.ROUND_ROBIN);
  }

  /** Those of that family among several. */
  public static Optional<Backends> of(List<Backends> several, Family family) {
    return several.stream().filter(one -> one.family() == family).findFirst();
  }

  /** The one that was named first. */
  public Backend first() {
    return all.get(0);
  }

  public boolean isSingle() {
    return all.size() == 1;
  }

  /** Whether it is one container, and nothing is said about sharing for when there are more. */
  public boolean isPlain() {
    return isSingle() && first().weight() == 1 && balance == Balance.ROUND_ROBIN;
  }

  /** Whether connections are shared out in the same way, whatever the order of the containers. */
  public boolean isSameAs(Backends other) {
    return balance == other.balance && Set.copyOf(all).equals(Set.copyOf(other.all));
  }

  public Family family() {
    return first().address().family();
  }

  public List<IpAddress> addresses() {
    return all.stream().map(Backend::address).toList();
  }

  public boolean has(IpAddress address) {
    return all.stream().anyMatch(one -> one.address().equals(address));
  }

  /** Whether a sandbox of that name is one of them. */
  public boolean has(SandboxName sandbox) {
    return all.stream().anyMatch(one -> one.sandbox().equals(Optional.of(sandbox)));
  }

  /** Those for which it is true; empty if there are none. */
  public Optional<Backends> only(Predicate<Backend> wanted) {
    List<Backend> some = all.stream().filter(wanted).toList();
    return some.isEmpty() ? Optional.empty() : Optional.of(new Backends(some, balance));
  }

  /**
   * Which container each of a number of slots leads to, so that taking slots one after the other,
   * by lot or by a hash of the client's address shares connections out as {@link #balance} says.
   *
   * @return positions in {@link #all}
   */
  public int[] slots() {
    return balance == Balance.SOURCE ? Slots.byHash(all, SOURCE_SLOTS) : Slots.inTurn(all);
  }

  /** How many {@link #slots} there are; works none of them out. */
  public int slotCount() {
    if (balance == Balance.SOURCE) {
      return SOURCE_SLOTS;
    }
    int factor = factor(all);
    return all.stream().mapToInt(one -> one.weight() / factor).sum();
  }

  /** What all weights can be divided by. */
  static int factor(List<Backend> all) {
    int factor = 0;
    for (Backend one : all) {
      int a = one.weight();
      while (factor != 0) {
        int rest = a % factor;
        a = factor;
        factor = rest;
      }
      factor = a;
    }
    return factor;
  }

  /** {@code 172.30.0.2}, {@code 172.30.0.2 and 172.30.0.3=2}. */
  @Override
  public String toString() {
    return all.stream().map(Backend::toString).collect(Collectors.joining(" and "));
  }
}
