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
 * @param targets the new addresses of the container; of a family without one, mappings keep theirs
 * @param sandbox the container by its name, in place of addresses
 * @param options what is to be different about who may use it, and how much
 * @param add further ports, to the same container
 * @param remove ports to take back, written as they were published, or as container ports
 * @param cut whether connections to the old target are ended as well
 */
public record UpdateRequest(
    String nameOrId,
    Optional<MappingName> name,
    List<IpAddress> targets,
    Optional<SandboxName> sandbox,
    OptionsChange options,
    List<PortSpec> add,
    List<PortSpec> remove,
    boolean cut) {
  public UpdateRequest {
    targets = Targets.check(targets);
    if (!targets.isEmpty() && sandbox.isPresent()) {
      throw new IllegalArgumentException("addresses and the name of a sandbox are given");
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
    this(nameOrId, name, targets, Optional.empty(), options, add, remove, cut);
  }

  /** Whether it asks for no change at all. */
  public boolean isEmpty() {
    return name.isEmpty()
        && targets.isEmpty()
        && sandbox.isEmpty()
        && options.equals(OptionsChange.NONE)
        && add.isEmpty()
        && remove.isEmpty();
  }

  /** Changes nothing yet. */
  public static UpdateRequest of(String nameOrId) {
    return new UpdateRequest(
        nameOrId,
        Optional.empty(),
        List.of(),
        Optional.empty(),
        OptionsChange.NONE,
        List.of(),
        List.of(),
        false);
  }

  /** Leads to another container. */
  public UpdateRequest to(IpAddress... newTargets) {
    return new UpdateRequest(
        nameOrId, name, List.of(newTargets), Optional.empty(), options, add, remove, cut);
  }

  /** Leads to the container of that name, wherever it is. */
  public UpdateRequest to(SandboxName other) {
    return new UpdateRequest(
        nameOrId, name, List.of(), Optional.of(other), options, add, remove, cut);
  }

  public UpdateRequest named(String newName) {
    return new UpdateRequest(
        nameOrId,
        Optional.of(new MappingName(newName)),
        targets,
        sandbox,
        options,
        add,
        remove,
        cut);
  }

  public UpdateRequest withOptions(OptionsChange change) {
    return new UpdateRequest(nameOrId, name, targets, sandbox, change, add, remove, cut);
  }

  public UpdateRequest adding(PortSpec... ports) {
    return new UpdateRequest(
        nameOrId, name, targets, sandbox, options, List.of(ports), remove, cut);
  }

  public UpdateRequest removing(PortSpec... ports) {
    return new UpdateRequest(nameOrId, name, targets, sandbox, options, add, List.of(ports), cut);
  }

  public UpdateRequest cutting() {
    return new UpdateRequest(nameOrId, name, targets, sandbox, options, add, remove, true);
  }
}
