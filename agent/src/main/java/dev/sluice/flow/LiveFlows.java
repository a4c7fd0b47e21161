package dev.sluice.flow;

import dev.sluice.conntrack.FlowRecord;
import java.util.Collection;
import java.util.function.Consumer;

/** The open flows as their events told, without a walk through the kernel's table. Thread-safe. */
public interface LiveFlows {
  /** No flows are known: whoever asks has to look into the kernel's table. */
  LiveFlows UNKNOWN = (ports, consumer) -> false;

  /**
   * A destination port.
   *
   * @param protocol number of the protocol
   * @param port 0 to 65535
   */
  record Port(int protocol, int port) {}

  /**
   * Hands over the flows that were sent to one of the ports, each in a record (kind UPDATE) that is
   * valid during the call; some others may be among them. Every flow is there that began before the
   * call and has not ended. Waits until the events of before the call have been read.
   *
   * @return false if that is not known at the moment: then the consumer has not been called, and
   *     the kernel's table must be asked
   */
  boolean forEachTo(Collection<Port> ports, Consumer<FlowRecord> consumer);
}
