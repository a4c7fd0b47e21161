package dev.sluice.flow;

import dev.sluice.model.Flow;
import dev.sluice.model.Mapping;
import java.util.Optional;

/**
 * A flow and the mapping it goes through.
 *
 * @param mapping empty for a flow that no published port translated
 */
public record AttributedFlow(Flow flow, Optional<Mapping> mapping) {}
