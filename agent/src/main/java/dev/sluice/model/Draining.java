package dev.sluice.model;

import java.time.Instant;

/**
 * A mapping that was taken back while its connections may live on for some time.
 *
 * @param mapping what was published
 * @param since when it was taken back
 * @param until when the connections that are left are cut
 */
public record Draining(Mapping mapping, Instant since, Instant until) {}
