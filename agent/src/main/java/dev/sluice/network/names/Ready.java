package dev.sluice.network.names;

import java.io.IOException;

/** What a selector's key is about. */
interface Ready {

  /** Does what can be done without waiting, and not much of it: others are ready as well. */
  void ready() throws IOException;

  /** Gives up, after {@link #ready} has failed. */
  void giveUp(Exception cause);
}
