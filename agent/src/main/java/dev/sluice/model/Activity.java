package dev.sluice.model;

import java.time.Instant;

/**
 * What an agent has seen of the connections of a mapping since it started, or since the mapping was
 * published by its name at this place.
 *
 * @param connections how many began
 * @param open how many are open, those that began earlier included
 * @param lastSeen when one of them last began, changed its state or ended
 */
public record Activity(long connections, long open, Instant lastSeen) {}
