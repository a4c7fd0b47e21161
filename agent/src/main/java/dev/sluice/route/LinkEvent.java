package dev.sluice.route;

/** What {@link LinkMonitor} saw happen to the links of a network namespace. */
public sealed interface LinkEvent {
  /**
   * A link has come into being, or something about it has changed.
   *
   * @param link as it is now
   */
  record Changed(Link link) implements LinkEvent {}

  /**
   * A link was deleted or has moved to another namespace.
   *
   * @param link as it was at the end: with its index, name and alias, but down, and no longer the
   *     port of a bridge
   */
  record Deleted(Link link) implements LinkEvent {}

  /** Events were lost because they came faster than they were read: list the links again. */
  record Lost() implements LinkEvent {}
}
