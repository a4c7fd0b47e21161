package dev.sluice.model;

/**
 * A mapping as it is in force.
 *
 * @param mapping the mapping
 * @param counters what it has carried up to the moment of asking
 */
public record PublishedMapping(Mapping mapping, MappingCounters counters) {}
