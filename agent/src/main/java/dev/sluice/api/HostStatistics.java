package dev.sluice.api;

import dev.sluice.flow.EventStatistics;
import dev.sluice.flow.PressureStatistics;

/**
 * How the agent and its host are doing.
 *
 * @param events the stream of events
 * @param connectionTable the kernel's table of connections
 */
public record HostStatistics(EventStatistics events, PressureStatistics connectionTable) {}
