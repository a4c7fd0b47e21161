package dev.sluice.ruleset.path;

import dev.sluice.net.IpAddress;
import dev.sluice.ruleset.path.Packet.End;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a translating rule makes of one end of a connection.
 *
 * @param ofSource which end
 * @param address the new address; empty to keep it
 * @param port the new port; empty to keep it
 */
record Translation(boolean ofSource, Optional<IpAddress> address, OptionalInt port) {
  /** Carries it out, and returns it in words. */
  String apply(Packet packet) {
    End before = ofSource ? packet.source : packet.destination;
    End after = new End(address.orElse(before.address()), port.isPresent() ? port : before.port());
    if (ofSource) {
      packet.source = after;
      packet.sourceDecided = true;
    } else {
      packet.destination = after;
      packet.destinationDecided = true;
    }
    return (ofSource ? "from " : "to ") + Packet.text(after);
  }
}
