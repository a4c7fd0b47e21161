package dev.sluice.api.docker;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * How the engine is followed.
 *
 * @param socket where it is
 * @param connected whether its events are read now
 * @param version of the engine; empty before it was reached
 * @param containers that run
 * @param networks on bridges
 * @param connections how often it was connected to
 * @param events that were acted on
 * @param lastError why it was not reached, or why the last connection ended; one sentence
 * @param failure why what it told cannot be followed at the moment; one sentence
 * @param problems one sentence for each container or network that cannot be served
 * @param latencies from an event to the ports being published
 */
public record EngineStatistics(
    Path socket,
    boolean connected,
    Optional<String> version,
    int containers,
    int networks,
    long connections,
    long events,
    Optional<String> lastError,
    Optional<String> failure,
    List<String> problems,
    EngineLatencies latencies) {
  public EngineStatistics {
    problems = List.copyOf(problems);
  }
}
