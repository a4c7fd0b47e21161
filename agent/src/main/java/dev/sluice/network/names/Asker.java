package dev.sluice.network.names;

import dev.sluice.net.IpAddress;

/** Who has asked, and the way back to them. */
interface Asker {

  IpAddress address();

  /** Where they have asked. */
  IpAddress gateway();

  /** Whether answers may be as long as they like: over TCP. */
  boolean overTcp();

  /** Sends an answer, or does nothing if the asker has gone. */
  void tell(byte[] message);
}
