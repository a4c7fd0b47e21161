package dev.sluice.network;

import dev.sluice.model.DeclaredChange;
import dev.sluice.model.SandboxName;
import dev.sluice.net.Prefix;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What is to be done so that networks and sandboxes are as declared. Carried out in two parts,
 * between which ports can move from what goes to what comes. Not thread-safe.
 */
public final class NetworkPlan {
  private final List<DeclaredChange> changes = new ArrayList<>();
  private final List<Step> making = new ArrayList<>();
  private final List<Step> removing = new ArrayList<>();
  private final Set<SandboxName> coming = new HashSet<>();
  private final List<Prefix> comingSubnets = new ArrayList<>();
  private boolean replaces;
  private int unchanged;

  NetworkPlan() {}

  /** A request; says how it is taken back. */
  interface Step {
    void run(Rollback rollback);
  }

  void add(DeclaredChange.Action action, DeclaredChange.Kind kind, String text) {
    changes.add(new DeclaredChange(action, kind, text));
  }

  void make(Step step) {
    making.add(step);
  }

  void remove(Step step) {
    removing.add(step);
  }

  void foundUnchanged() {
    unchanged++;
  }

  void comes(SandboxName name) {
    coming.add(name);
  }

  void comes(List<Prefix> subnets) {
    comingSubnets.addAll(subnets);
  }

  void replaces() {
    replaces = true;
  }

  /** All differences, in the order in which they are dealt with. */
  public List<DeclaredChange> changes() {
    return List.copyOf(changes);
  }

  /** How many networks and sandboxes are as declared. */
  public int unchanged() {
    return unchanged;
  }

  /** Sandboxes that are not there yet, so that nobody knows their addresses. */
  public Set<SandboxName> coming() {
    return Set.copyOf(coming);
  }

  /** Blocks of networks that are not there yet. */
  public List<Prefix> comingSubnets() {
    return List.copyOf(comingSubnets);
  }

  /** Whether carrying it out takes back something that has ports, or may have. */
  public boolean endsPorts() {
    return replaces || !removing.isEmpty();
  }

  /**
   * Makes what is missing.
   *
   * @throws NetworkException if something cannot be made; then the rollback is to be run
   */
  public void make(Rollback rollback) {
    making.forEach(step -> step.run(rollback));
  }

  /**
   * Removes what is not declared any more.
   *
   * @throws NetworkException as in {@link #make}
   */
  public void remove(Rollback rollback) {
    removing.forEach(step -> step.run(rollback));
  }
}
