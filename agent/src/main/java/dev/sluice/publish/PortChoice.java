package dev.sluice.publish;

import dev.sluice.model.Backends;
import dev.sluice.model.HostBinding;
import dev.sluice.model.Mapping;
import dev.sluice.model.PortSpec;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.net.PortRange;
import dev.sluice.publish.PublishException.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * Finds and reserves the host ports of one request. A port that leads to an IPv4 and an IPv6 target
 * is the same for both families.
 */
final class PortChoice {
  /** How often a port the kernel chose may turn out to be taken before we give up. */
  private static final int ATTEMPTS = 16;

  private final PortReservations reservations;
  private final Set<HostBinding> ours;
  private final Undo undo;
  private final Function<HostBinding, Optional<Mapping>> publishedButNotHeld;
  private final List<HostBinding> asked = new ArrayList<>();

  /**
   * @param ours bindings that are reserved already and that this request may take over
   * @param undo gets what gives each reservation back
   * @param publishedButNotHeld finds what is published on a binding whose ports another process has
   */
  PortChoice(
      PortReservations reservations,
      Set<HostBinding> ours,
      Undo undo,
      Function<HostBinding, Optional<Mapping>> publishedButNotHeld) {
    this.publishedButNotHeld = publishedButNotHeld;
    this.reservations = reservations;
    this.ours = ours;
    this.undo = undo;
  }

  /** Everything that was asked for so far, for the explanation of a conflict. */
  List<HostBinding> asked() {
    return asked;
  }

  /**
   * Reserves the host ports for one specification.
   *
   * @param targets the containers, those of each family
   * @param mapping makes the mapping to some of them with the host ports that were found
   * @return one mapping for each family the specification leads to
   */
  List<Mapping> reserve(
      PortSpec spec, List<Backends> targets, BiFunction<Backends, PortRange, Mapping> mapping) {
    List<Backends> reachable = reachable(spec, targets);
    if (spec.hostPorts() instanceof PortSpec.Exactly exactly) {
      return claim(mappings(reachable, exactly.ports(), mapping));
    }
    if (spec.hostPorts() instanceof PortSpec.Pool pool) {
      return fromPool(pool.ports(), spec, reachable, mapping);
    }
    return anyFree(spec, reachable, mapping);
  }

  /**
   * The targets a specification leads to: those of the family of its host address. There may be
   * none of an IPv6 address; then it is those that the userland proxy leads to.
   */
  static List<Backends> reachable(PortSpec spec, List<Backends> targets) {
    if (spec.hostAddress().isEmpty()) {
      return targets;
    }
    return List.of(Backends.of(targets, spec.hostAddress().get().family()).orElse(targets.get(0)));
  }

  /** The family of the connections to a specification's ports that lead to these. */
  static Family family(PortSpec spec, Backends targets) {
    return spec.hostAddress().map(IpAddress::family).orElse(targets.family());
  }

  private static List<Mapping> mappings(
      List<Backends> targets,
      PortRange hostPorts,
      BiFunction<Backends, PortRange, Mapping> mapping) {
    return targets.stream().map(target -> mapping.apply(target, hostPorts)).toList();
  }

  /** Reserves the host ports of all, or of none. */
  private List<Mapping> claim(List<Mapping> mappings) {
    List<HostBinding> reserved = new ArrayList<>(mappings.size());
    List<HostBinding> takenOver = new ArrayList<>(0);
    try {
      for (Mapping mapping : mappings) {
        HostBinding key = mapping.key();
        asked.add(key);
        publishedButNotHeld
            .apply(key)
            .ifPresent(
                there -> {
                  throw Explanations.alreadyPublished(key, there, null);
                });
        if (ours.remove(key)) {
          takenOver.add(key);
        } else if (!mapping.owner().holdsItsPorts()) {
          reserve(key);
          reserved.add(key);
        }
      }
    } catch (RuntimeException e) {
      reserved.forEach(reservations::release);
      ours.addAll(takenOver);
      throw e;
    }
    reserved.forEach(key -> undo.push(() -> reservations.release(key)));
    undo.push(() -> ours.addAll(takenOver));
    return mappings;
  }

  private Optional<List<Mapping>> tryClaim(List<Mapping> mappings) {
    try {
      return Optional.of(claim(mappings));
    } catch (PortTakenException e) {
      return Optional.empty();
    }
  }

  private void reserve(HostBinding key) {
    try {
      reservations.reserve(key);
    } catch (PortTakenException e) {
      if (!e.byUs() || !giveUp(key)) {
        throw e;
      }
      reservations.reserve(key);
    }
  }

  /** Releases what this request frees anyway and what is in the way of a binding. */
  private boolean giveUp(HostBinding key) {
    List<HostBinding> inTheWay = ours.stream().filter(key::overlaps).toList();
    for (HostBinding one : inTheWay) {
      ours.remove(one);
      reservations.release(one);
      undo.push(
          () -> {
            reservations.reserve(one);
            ours.add(one);
          });
    }
    return !inTheWay.isEmpty();
  }

  private List<Mapping> fromPool(
      PortRange pool,
      PortSpec spec,
      List<Backends> targets,
      BiFunction<Backends, PortRange, Mapping> mapping) {
    for (int port = pool.first(); port <= pool.last(); port++) {
      Optional<List<Mapping>> claimed = tryClaim(mappings(targets, PortRange.of(port), mapping));
      if (claimed.isPresent()) {
        return claimed.get();
      }
    }
    throw new PublishException(
        Kind.CONFLICT, "every host port of the pool " + pool + "/" + spec.protocol() + " is taken");
  }

  /** Consecutive ports, as many as the container's, beginning where the kernel has one free. */
  private List<Mapping> anyFree(
      PortSpec spec, List<Backends> targets, BiFunction<Backends, PortRange, Mapping> mapping) {
    int count = spec.targetPorts().size();
    Family family = family(spec, targets.get(0));
    Optional<IpAddress> address = spec.hostAddress().filter(exact -> !exact.isAny());
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      int first = reservations.reserveAny(spec.protocol(), family, address);
      HostBinding chosen = new HostBinding(spec.protocol(), family, address, PortRange.of(first));
      if (count == 1 && targets.size() == 1) {
        undo.push(() -> reservations.release(chosen));
        asked.add(chosen);
        return mappings(targets, chosen.ports(), mapping);
      }
      reservations.release(chosen);
      int last = first + count - 1;
      Optional<List<Mapping>> claimed =
          last > 0xffff
              ? Optional.empty()
              : tryClaim(mappings(targets, PortRange.of(first, last), mapping));
      if (claimed.isPresent()) {
        return claimed.get();
      }
    }
    throw new PublishException(
        Kind.CONFLICT,
        "no "
            + (count == 1 ? "host port is" : count + " consecutive host ports are")
            + " free for "
            + spec);
  }
}
