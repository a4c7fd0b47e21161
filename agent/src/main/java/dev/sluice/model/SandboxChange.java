package dev.sluice.model;

import dev.sluice.net.IpAddress;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What becomes of a sandbox.
 *
 * @param before how it was; empty if it is new
 * @param after how it is; empty if it is gone
 * @param targets where ports that were published by its name lead to from now on, at most one
 *     address of each family
 * @param closed what links opened and open no longer
 * @param opened what links open now and did not before
 */
public record SandboxChange(
    Optional<Sandbox> before,
    Optional<Sandbox> after,
    List<IpAddress> targets,
    Set<LinkedPort> closed,
    Set<LinkedPort> opened) {
  public SandboxChange {
    targets = List.copyOf(targets);
    closed = Set.copyOf(closed);
    opened = Set.copyOf(opened);
    if (before.isEmpty() && after.isEmpty()) {
      throw new IllegalArgumentException("a change of a sandbox that never was");
    }
  }

  /** Whose change it is. */
  public SandboxName name() {
    return after.or(() -> before).orElseThrow().name();
  }
}
