package dev.sluice.api;

import dev.sluice.flow.EventStream;
import dev.sluice.flow.Flows;
import dev.sluice.flow.TrafficCounters;
import dev.sluice.publish.Publisher;

/** What the API is a face of. */
public record ApiServices(
    Publisher publisher,
    Flows flows,
    EventStream events,
    Diagnostics diagnostics,
    ProgrammedRules rules,
    TrafficCounters traffic,
    Declarations declarations,
    MetricsPage metrics) {}
