package dev.sluice.flow;

import dev.sluice.model.Flow;
import dev.sluice.model.FlowCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.Traffic;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Adds up what the kernel counts per connection: of those that have ended, the index was told by
 * the stream of events; of those that are open, the table of connections tells. What the stream of
 * events lost is missing. What the fast path carries, which the kernel does not count, the index is
 * told as it happens, for open connections too.
 */
public final class MappingTraffic implements TrafficCounters {
  private static final FlowFilter PUBLISHED =
      new FlowFilter(Optional.empty(), Optional.empty(), Optional.empty(), true);

  private final MappingIndex index;
  private final Flows flows;
  private final CarriedFlows carried;

  public MappingTraffic(MappingIndex index, Flows flows, CarriedFlows carried) {
    this.index = index;
    this.flows = flows;
    this.carried = carried;
  }

  @Override
  public Map<MappingId, Traffic> totals() {
    carried.freshen();
    // In this order a connection that ends meanwhile is missing for a moment; in the other it would
    // be counted twice.
    Map<MappingId, Traffic> totals = new HashMap<>(index.ended());
    flows.forEach(
        PUBLISHED,
        open ->
            open.mapping()
                .ifPresent(mapping -> totals.merge(mapping.id(), of(open.flow()), Traffic::plus)));
    return totals;
  }

  private static Traffic of(Flow flow) {
    FlowCounters none = Traffic.NONE.in();
    return new Traffic(flow.originalCounters().orElse(none), flow.replyCounters().orElse(none));
  }
}
