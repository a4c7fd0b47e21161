package dev.sluice.nftables;

import java.util.List;

/** What {@link Monitor} saw happen to the ruleset of a network namespace. */
public sealed interface RulesetEvent {
  /** Whether something came into being or ceased to be. */
  enum Kind {
    ADDED,
    DELETED
  }

  record OfTable(Kind kind, Table table) implements RulesetEvent {}

  record OfChain(Kind kind, Chain chain) implements RulesetEvent {}

  record OfRule(Kind kind, Rule rule) implements RulesetEvent {}

  record OfSet(Kind kind, ElementSet set) implements RulesetEvent {}

  record OfElements(Kind kind, TableId table, String set, List<SetElement> elements)
      implements RulesetEvent {}

  /**
   * A transaction is complete; the events before it belong to it.
   *
   * @param generation the ruleset's generation from now on
   * @param processId who did it: the thread's number in the initial process namespace, which for
   *     programs of one thread is the process's
   * @param processName the thread's name, up to 15 bytes; for most programs that of the program
   */
  record Committed(int generation, int processId, String processName) implements RulesetEvent {}

  /** Events were lost because they came faster than they were read: read the ruleset again. */
  record Lost() implements RulesetEvent {}

  /** A message of a kind the library does not know (stateful objects, flowtables, newer ones). */
  record Other(int messageType) implements RulesetEvent {}
}
