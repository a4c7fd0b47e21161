package dev.sluice.conntrack;

import dev.sluice.net.Family;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Which entries are meant: those that satisfy every part. For instance all TCP flows that were led
 * from port 8080 of this host to a container:
 *
 * <pre>{@code
 * ConntrackFilter.ALL
 *     .original(TupleFilter.ANY.protocol(IPPROTO_TCP).destinationPort(8080))
 *     .reply(TupleFilter.ANY.source(container))
 * }</pre>
 *
 * <p>{@link Conntrack} lets the kernel apply as much of it as the kernel can and applies all of it
 * once more to what comes back. The kernel is fastest when the family is known, be it said or
 * implied by an address: it refuses tuples otherwise.
 *
 * @param family only entries of this family
 * @param original what the original tuple must have
 * @param reply what the reply tuple must have
 * @param mark what the mark must have
 * @param status what the status (IPS_*) must have
 * @param zone only entries with this zone in either direction, 0 to 65535
 */
public record ConntrackFilter(
    Optional<Family> family,
    TupleFilter original,
    TupleFilter reply,
    Optional<Masked> mark,
    Optional<Masked> status,
    OptionalInt zone) {

  /** Every entry of both families, in every zone. */
  public static final ConntrackFilter ALL =
      new ConntrackFilter(
          Optional.empty(),
          TupleFilter.ANY,
          TupleFilter.ANY,
          Optional.empty(),
          Optional.empty(),
          OptionalInt.empty());

  /**
   * Satisfied by numbers whose bits in the mask are those of the value.
   *
   * @param value 32 bits, none outside the mask
   * @param mask 32 bits, not 0
   */
  public record Masked(int value, int mask) {
    /**
     * Checks that a number can satisfy it.
     *
     * @throws IllegalArgumentException if the mask is 0 or the value has bits outside of it
     */
    public Masked {
      if (mask == 0 || (value & ~mask) != 0) {
        throw new IllegalArgumentException(
            "no number has value=0x%x under mask=0x%x".formatted(value, mask));
      }
    }

    boolean matches(int number) {
      return (number & mask) == value;
    }
  }

  /**
   * Checks that an entry can satisfy it.
   *
   * @throws IllegalArgumentException if an address contradicts the family, or the zone is out of
   *     range
   */
  public ConntrackFilter {
    if (family.isPresent()) {
      checkFamily(family.get(), original);
      checkFamily(family.get(), reply);
    }
    if (zone.isPresent() && (zone.getAsInt() < 0 || zone.getAsInt() > 0xffff)) {
      throw new IllegalArgumentException("zone " + zone.getAsInt() + " is not in 0–65535");
    }
  }

  public ConntrackFilter family(Family wanted) {
    return new ConntrackFilter(Optional.of(wanted), original, reply, mark, status, zone);
  }

  public ConntrackFilter original(TupleFilter wanted) {
    return new ConntrackFilter(family, wanted, reply, mark, status, zone);
  }

  public ConntrackFilter reply(TupleFilter wanted) {
    return new ConntrackFilter(family, original, wanted, mark, status, zone);
  }

  /** Only entries whose mark under {@code mask} is {@code value}. */
  public ConntrackFilter mark(int value, int mask) {
    return new ConntrackFilter(
        family, original, reply, Optional.of(new Masked(value, mask)), status, zone);
  }

  /** Only entries whose IPS_* bits under {@code mask} are {@code value}. */
  public ConntrackFilter status(int value, int mask) {
    return new ConntrackFilter(
        family, original, reply, mark, Optional.of(new Masked(value, mask)), zone);
  }

  /** Only entries with the zone {@code id} in either direction, 0 for those without a zone. */
  public ConntrackFilter zone(int id) {
    return new ConntrackFilter(family, original, reply, mark, status, OptionalInt.of(id));
  }

  /** Whether an entry satisfies every part. */
  public boolean matches(ConntrackEntry entry) {
    return (family.isEmpty() || family.get() == entry.family())
        && original.matches(entry.original())
        && reply.matches(entry.reply())
        && (mark.isEmpty() || mark.get().matches(entry.mark()))
        && (status.isEmpty() || status.get().matches(entry.status()))
        && (zone.isEmpty() || zone.getAsInt() == entry.zone());
  }

  /**
   * The family if it is said, or implied by an address. NAT between families does not exist in
   * conntrack, so either tuple's address tells it.
   */
  Optional<Family> impliedFamily() {
    return family.or(original::family).or(reply::family);
  }

  private static void checkFamily(Family family, TupleFilter tuple) {
    tuple
        .family()
        .ifPresent(
            implied -> {
              if (implied != family) {
                throw new IllegalArgumentException(
                    "addresses of " + implied + " never match in family " + family);
              }
            });
  }
}
