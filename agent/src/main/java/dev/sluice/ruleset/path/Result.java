package dev.sluice.ruleset.path;

import dev.sluice.model.PathReport.Outcome;

/**
 * What a chain at a hook does with a packet.
 *
 * @param kind whether the packet goes on
 * @param rule what decided, in the words of its tool: a rule, or the policy
 * @param handle of that rule, 0 for a policy
 * @param chain the chain that rule stands in
 * @param effect what it does, as it reads behind the rule
 */
record Result(Kind kind, String rule, long handle, String chain, String effect) {
  enum Kind {
    /** It goes on to the next chain. */
    PASSES,
    DROPPED,
    REJECTED,
    /** A SYN proxy answers it, and opens the connection to the server by itself. */
    PROXIED
  }

  static Result passes(String rule, long handle, String chain, String effect) {
    return new Result(Kind.PASSES, rule, handle, chain, effect);
  }

  boolean ends() {
    return kind == Kind.DROPPED || kind == Kind.REJECTED;
  }

  Outcome outcome() {
    return kind == Kind.REJECTED ? Outcome.REJECTED : Outcome.DROPPED;
  }
}
