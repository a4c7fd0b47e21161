package dev.sluice.api;

import dev.sluice.api.cni.CniPlugins;
import dev.sluice.flow.EventStream;
import dev.sluice.flow.Flows;
import dev.sluice.flow.TrafficCounters;
import dev.sluice.model.Activity;
import dev.sluice.model.MappingId;
import dev.sluice.network.NetworkService;
import dev.sluice.publish.Publisher;
import java.util.Map;
import java.util.function.Supplier;

/** What the API is a face of. */
public record ApiServices(
    Publisher publisher,
    NetworkService networks,
    Flows flows,
    EventStream events,
    Diagnostics diagnostics,
    ProgrammedRules rules,
    TrafficCounters traffic,
    Supplier<Map<MappingId, Activity>> activity,
    Supplier<HostStatistics> statistics,
    Declarations declarations,
    MetricsPage metrics,
    Traces traces,
    PathExplainer paths,
    CniPlugins cni) {}
