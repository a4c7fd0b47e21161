package dev.sluice.model;

/**
 * What the fast path has carried of a flow, past the kernel's counters.
 *
 * @param now whether it carries the flow at present
 * @param original in the original direction
 * @param reply in the reply direction
 */
public record Carried(boolean now, FlowCounters original, FlowCounters reply) {
  /** Of a flow that the fast path knows nothing of. */
  public static final Carried NOTHING =
      new Carried(false, new FlowCounters(0, 0), new FlowCounters(0, 0));

  /** Both directions, as a mapping sees a flow that goes through it. */
  public Traffic traffic() {
    return new Traffic(original, reply);
  }
}
