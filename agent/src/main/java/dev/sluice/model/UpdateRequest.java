package dev.sluice.model;

import dev.sluice.net.IpAddress;
import java.util.List;
import java.util.Optional;

/**
 * Changes what is published while it is in use: all of it takes effect at once, or nothing does.
 * Connections that exist live on with the target they have, unless the new options forbid them; udp
 * follows at once.
 *
 * @param nameOrId what to change, as in {@code Publisher}
 * @param name the new name; empty to keep what each mapping has
 * @param to the new containers, in place of those there are; of a family without one, mappings keep
 *     theirs
 * @param backends containers that are to share the connections from now on, and those that are to
 *     get none any more
 * @param options what is to be different about who may use it, and how much
 * @param add further ports, to the same containers
 * @param remove ports to take back, written as they were published, or as container ports
 * @param cut whether connections to the old target are ended as well
 */
public record UpdateRequest(
    String nameOrId,
    Optional<MappingName> name,
    Destination to,
    BackendsChange backends,
    OptionsChange options,
    List<PortSpec> add,
    List<PortSpec> remove,
    boolean cut) {

  /**
   * What becomes of the containers that share the connections of a mapping.
   *
   * @param add further ones; one that is there already gets the new weight
   * @param remove those that are to get no new connections
   */
  public record BackendsChange(Destination add, Destination remove) {
    public static final BackendsChange NONE =
        new BackendsChange(Destination.NONE, Destination.NONE);
  }

  public UpdateRequest {
    if (!to.isNone() && !backends.equals(BackendsChange.NONE)) {
      throw new InvalidMappingException(
          "the containers are either replaced or added and removed one by one: give one of both");
    }
    add = List.copyOf(add);
    remove = List.copyOf(remove);
  }

  /** A change by address. */
  public UpdateRequest(
      String nameOrId,
      Optional<MappingName> name,
      List<IpAddress> targets,
      OptionsChange options,
      List<PortSpec> add,
      List<PortSpec> remove,
      boolean cut) {
    this(nameOrId, name, Destination.of(targets), BackendsChange.NONE, options, add, remove, cut);
  }

  /** Whether it asks for no change at all. */
  public boolean isEmpty() {
    return name.isEmpty()
        && to.equals(Destination.NONE)
        && backends.equals(BackendsChange.NONE)
        && options.equals(OptionsChange.NONE)
        && add.isEmpty()
        && remove.isEmpty();
  }

  /** Changes nothing yet. */
  public static UpdateRequest of(String nameOrId) {
    return new UpdateRequest(
        nameOrId,
        Optional.empty(),
        Destination.NONE,
        BackendsChange.NONE,
        OptionsChange.NONE,
        List.of(),
        List.of(),
        false);
  }

  /** Leads to another container, or to several. */
  public UpdateRequest to(Destination other) {
    return new UpdateRequest(nameOrId, name, other, backends, options, add, remove, cut);
  }

  /** Leads to another container. */
  public UpdateRequest to(IpAddress... newTargets) {
    return to(Destination.of(List.of(newTargets)));
  }

  /** Leads to the container of that name, wherever it is. */
  public UpdateRequest to(SandboxName other) {
    return to(Destination.of(other));
  }

  public UpdateRequest with(BackendsChange change) {
    return new UpdateRequest(nameOrId, name, to, change, options, add, remove, cut);
  }

  public UpdateRequest named(String newName) {
    return new UpdateRequest(
        nameOrId, Optional.of(new MappingName(newName)), to, backends, options, add, remove, cut);
  }

  public UpdateRequest withOptions(OptionsChange change) {
    return new UpdateRequest(nameOrId, name, to, backends, change, add, remove, cut);
  }

  public UpdateRequest adding(PortSpec... ports) {
    return new UpdateRequest(nameOrId, name, to, backends, options, List.of(ports), remove, cut);
  }

  public UpdateRequest removing(PortSpec... ports) {
    return new UpdateRequest(nameOrId, name, to, backends, options, add, List.of(ports), cut);
  }

  public UpdateRequest cutting() {
    return new UpdateRequest(nameOrId, name, to, backends, options, add, remove, true);
  }
}
