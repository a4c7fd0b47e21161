package dev.sluice.publish;

import dev.sluice.model.Backend;
import dev.sluice.model.Backends;
import dev.sluice.model.Destination;
import dev.sluice.model.Destination.Aim;
import dev.sluice.model.Mapping;
import dev.sluice.model.SandboxName;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.publish.PublishException.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;

/** What an update says of the containers that mappings lead to. */
final class Redirection {
  private final UpdateRequest request;
  private final List<Backends> instead;
  private final List<Backends> more;

  private Redirection(UpdateRequest request, List<Backends> instead, List<Backends> more) {
    this.request = request;
    this.instead = instead;
    this.more = more;
  }

  /**
   * Looks the containers up.
   *
   * @param addressesOf gives the addresses of a sandbox, at most one of each family
   * @param selected the mappings that are to change
   * @throws PublishException if an address is of a family that none of them has, a sandbox has no
   *     address for one of them, or one to be removed is not among their containers
   */
  static Redirection of(
      UpdateRequest request,
      Function<SandboxName, List<IpAddress>> addressesOf,
      List<Mapping> selected) {
    Redirection redirection =
        new Redirection(
            request,
            request.to().resolve(addressesOf),
            request.backends().add().resolve(addressesOf));
    redirection.checkNew(request.to(), redirection.instead, selected);
    redirection.checkNew(request.backends().add(), redirection.more, selected);
    for (Aim aim : request.backends().remove().all()) {
      if (aim.weight() != 1) {
        throw new PublishException(
            Kind.INVALID, aim.text() + ": a container that is removed needs no weight");
      }
      if (selected.stream().noneMatch(one -> one.backends().all().stream().anyMatch(is(aim)))) {
        throw new PublishException(
            Kind.NOT_FOUND, request.nameOrId() + " does not lead to " + aim.text());
      }
    }
    return redirection;
  }

  private void checkNew(Destination named, List<Backends> found, List<Mapping> selected) {
    for (IpAddress address : named.addresses()) {
      if (selected.stream().noneMatch(one -> one.backends().family() == address.family())) {
        throw new PublishException(
            Kind.INVALID,
            request.nameOrId()
                + " has no "
                + address.family().title()
                + " ports that could lead to "
                + address);
      }
    }
    for (Mapping mapping : selected) {
      Family family = mapping.backends().family();
      for (SandboxName name : named.sandboxes()) {
        if (Backends.of(found, family).filter(all -> all.has(name)).isEmpty()) {
          throw new PublishException(
              Kind.INVALID,
              "the sandbox "
                  + name
                  + " has no "
                  + family.title()
                  + " address, and "
                  + mapping.hostText()
                  + " needs one");
        }
      }
    }
  }

  private static Predicate<Backend> is(Aim aim) {
    return backend ->
        aim.address().map(backend.address()::equals).orElse(false)
            || (aim.sandbox().isPresent() && backend.sandbox().equals(aim.sandbox()));
  }

  /**
   * The containers a mapping leads to afterwards.
   *
   * @throws PublishException if none is left
   */
  Backends applyTo(Mapping mapping) {
    Family family = mapping.backends().family();
    List<Backend> now =
        new ArrayList<>(Backends.of(instead, family).orElse(mapping.backends()).all());
    for (Aim aim : request.backends().remove().all()) {
      now.removeIf(is(aim));
    }
    for (Backend one : Backends.of(more, family).map(Backends::all).orElse(List.of())) {
      now.removeIf(there -> there.address().equals(one.address()));
      now.add(one);
    }
    if (now.isEmpty()) {
      throw new PublishException(
          Kind.INVALID,
          mapping.hostText()
              + " ("
              + mapping.label()
              + ") would lead nowhere: unpublish it, or give it another container first");
    }
    return new Backends(now, request.to().balance().orElse(mapping.backends().balance()));
  }

  /**
   * Where further ports are to lead: as the others do.
   *
   * @param changed the mappings as they are afterwards
   * @throws PublishException if they do not all lead to the same
   */
  Destination common(List<Mapping> changed) {
    List<Aim> aims = new ArrayList<>();
    for (Family family : Family.values()) {
      List<Backends> all =
          changed.stream()
              .map(Mapping::backends)
              .filter(one -> one.family() == family)
              .distinct()
              .toList();
      if (all.size() > 1) {
        throw new PublishException(
            Kind.INVALID,
            "the ports of "
                + request.nameOrId()
                + " lead to different containers, "
                + all.get(0)
                + " or "
                + all.get(1)
                + ": publish further ones by a request that says where to");
      }
      all.stream()
          .flatMap(one -> Destination.of(one).all().stream())
          .filter(one -> !aims.contains(one))
          .forEach(aims::add);
    }
    return new Destination(aims, Optional.of(changed.get(0).backends().balance()));
  }
}
