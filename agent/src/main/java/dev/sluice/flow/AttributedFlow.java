package dev.sluice.flow;

import dev.sluice.model.Carried;
import dev.sluice.model.Flow;
import dev.sluice.model.Mapping;
import java.util.Optional;

/**
 * A flow and the mapping it goes through.
 *
 * @param flow with what the kernel's connection tracking has counted
 * @param mapping empty for a flow that no published port translated
 * @param carried what the fast path has carried of it beside
 */
public record AttributedFlow(Flow flow, Optional<Mapping> mapping, Carried carried) {
  /** A flow that the fast path knows nothing of. */
  public AttributedFlow(Flow flow, Optional<Mapping> mapping) {
    this(flow, mapping, Carried.NOTHING);
  }

  /** The flow with all that went through, by either way. */
  public Flow whole() {
    return carried.equals(Carried.NOTHING) ? flow : flow.plus(carried);
  }
}
