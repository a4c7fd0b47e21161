package dev.sluice.flow;

/**
 * What the fast path carries, as far as it was read.
 *
 * @param entries directions of flows that it has entries for, mostly two for a flow
 * @param packets that were carried since this process began to count, and those that it adopted
 * @param bytes of these, from the IP header on
 */
public record CarriedStatistics(long entries, long packets, long bytes) {}
