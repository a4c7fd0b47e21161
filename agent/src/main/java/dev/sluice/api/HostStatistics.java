package dev.sluice.api;

import dev.sluice.flow.EventStatistics;
import dev.sluice.flow.PressureStatistics;
import dev.sluice.flow.SourcePortStatistics;

/**
 * How the agent and its host are doing.
 *
 * @param events the stream of events
 * @param connectionTable the kernel's table of connections
 * @param sourcePorts the ports that connections leave with
 */
public record HostStatistics(
    EventStatistics events, PressureStatistics connectionTable, SourcePortStatistics sourcePorts) {}
