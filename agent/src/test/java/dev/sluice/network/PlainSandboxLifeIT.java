package dev.sluice.network;

import dev.sluice.ruleset.Ownership;

/**
 * Rows 13 and 14 with a table without an owner, which the agent watches.
 *
 * <p>Fails if the watch takes a change of networks or sandboxes for somebody else's, and undoes it.
 */
class PlainSandboxLifeIT extends SandboxLifeIT {
  @Override
  Ownership ownership() {
    return Ownership.OFF;
  }
}
