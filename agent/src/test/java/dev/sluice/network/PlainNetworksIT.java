package dev.sluice.network;

import dev.sluice.ruleset.Ownership;

/**
 * Networks and sandboxes in a table without an owner, which the agent watches.
 *
 * <p>Fails if the watch takes a change of networks or sandboxes for somebody else's, and undoes it.
 */
class PlainNetworksIT extends NetworksIT {
  @Override
  Ownership ownership() {
    return Ownership.OFF;
  }
}
