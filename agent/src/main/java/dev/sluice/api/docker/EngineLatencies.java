package dev.sluice.api.docker;

/**
 * How long it took from an event of the engine until ports were published that were not before, and
 * of what that consisted. All count the same events.
 *
 * @param published in all, by the engine's clock
 * @param delivered of it, until the event was read
 * @param answered of it, until the engine had answered what it was asked then
 * @param own of it, what is left: what we took
 */
public record EngineLatencies(
    Latencies published, Latencies delivered, Latencies answered, Latencies own) {}
